//! A password from a file: rotated under a running application, and refused at the start.

use crate::member::Member;
use crate::scram::Mechanism;
use dbreg::{DbRegistry, EXIT_UNAVAILABLE, ErrorKind};
use std::path::Path;

#[derive(DbRegistry)]
#[registry(
    toml = "[mongodb.logs]\nhost = \"127.0.0.1\"\ndb = \"logs\"\nusername = \"logger\"\nconnect_timeout = \"3s\"\n"
)]
struct App;

/// As those who rotate secrets do: another file under the same name.
fn put(file: &Path, password: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, password).unwrap();
    std::fs::rename(&new, file).unwrap();
}

fn config(folder: &Path, secret: &Path) -> std::path::PathBuf {
    let file = folder.join("databases.toml");
    let text = format!("[mongodb.logs]\npassword = {{ file = {secret:?} }}\n");
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn a_password_that_rotates_needs_no_restart() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("password");
    put(&secret, "canary-first\n");
    let member = Member::start().await;
    member.user("admin", "logger", "canary-first", Mechanism::Sha256);
    let db = App::builder()
        .config_file(config(folder.path(), &secret))
        .variable("DBREG_MONGODB__LOGS__PORT", member.port)
        .connect()
        .await
        .unwrap();
    let logs = &db.mongodb.logs;
    logs.ping().await.unwrap();

    member.user("admin", "logger", "canary-second", Mechanism::Sha256);
    put(&secret, "canary-second\n");
    member.hang_up();
    member.ran();
    logs.ping().await.unwrap();
    let ran = member.ran();
    assert!(
        ran.contains(&"admin.saslContinue".to_owned()),
        "a new login: {ran:?}"
    );

    // What the file says now is what the server refuses: the cause is named, and the secret is not.
    put(&secret, "canary-third\n");
    let error = logs.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(!format!("{error:?} {:?}", logs.errors()).contains("canary"));
    put(&secret, "canary-second\n");
    logs.ping().await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_refused_password_from_a_file_may_be_mended_by_who_rotates_it() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("password");
    put(&secret, "canary-wrong");
    let member = Member::start().await;
    member.user("admin", "logger", "canary-right", Mechanism::Sha256);
    let error = App::builder()
        .config_file(config(folder.path(), &secret))
        .variable("DBREG_MONGODB__LOGS__PORT", member.port)
        .connect()
        .await
        .expect_err("the password is wrong");
    assert_eq!(error.exit_code(), EXIT_UNAVAILABLE);
    let text = format!("{error}\n{error:?}");
    assert!(
        text.contains(&format!("password from {}", secret.display())),
        "{text}"
    );
    assert!(!text.contains("canary"), "{text}");
}
