//! The variables of PostgreSQL's own clients, which the driver reads, are no source of values.
//!
//! Not under the harness: the program starts itself as the application, with these variables in its environment.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, and its child's words to it"
)]

use dbreg::{DbRegistry, sqlx};
use std::process::{Command, Output};

#[derive(DbRegistry)]
#[registry(toml = r#"
[postgres.main]
host = "127.0.0.1"
username = "shop"
connect_timeout = "20s"
"#)]
struct App;

const PASSWORD: &str = "right";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if std::env::args().nth(1).as_deref() == Some("application") {
        return application().await;
    }
    let server = registry_dev::postgres().await.unwrap();
    server.create_database("shop", "shop", PASSWORD).await.unwrap();
    server.create_database("other", "other", "wrong").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pass = folder.path().join(".pgpass");
    std::fs::write(&pass, "*:*:*:*:from-the-file\n").unwrap();
    let run = |password: &str, more: &[(&str, &str)]| -> Output {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .arg("application")
            .env("DBREG_POSTGRES__MAIN__PORT", server.port().to_string())
            .env("DBREG_POSTGRES__MAIN__PASSWORD", password)
            .env("PGHOST", "nowhere.invalid")
            .env("PGHOSTADDR", "192.0.2.1")
            .env("PGPORT", "1")
            .env("PGUSER", "other")
            .env("PGPASSWORD", "wrong")
            .env("PGDATABASE", "other")
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", "/nonexistent/authority.pem")
            .env("PGAPPNAME", "other")
            .env("PGPASSFILE", &pass)
            .envs(more.iter().copied());
        command.output().unwrap()
    };
    let told = |output: &Output| {
        let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        String::from_utf8(all).unwrap()
    };

    let output = run(PASSWORD, &[]);
    assert_eq!(told(&output), "shop shop dbreg postgres.main\n");
    // A password that is not given is none, whatever lies about.
    for variables in [&[][..], &[("PGPASSWORD", PASSWORD)]] {
        let output = run("", variables);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(dbreg::EXIT_CONFIG), "{told}");
        assert!(told.contains("password authentication failed"), "{told}");
        assert!(
            !told.contains("from-the-file") && !told.contains(PASSWORD),
            "{told}"
        );
    }
    // Certificates are not asked for without TLS.
    let output = run(
        PASSWORD,
        &[("PGSSLCERT", "/nonexistent"), ("PGSSLKEY", "/nonexistent")],
    );
    assert!(output.status.success(), "{}", told(&output));
    // What the driver would follow in any case is refused.
    let output = run(PASSWORD, &[("PGOPTIONS", "-c search_path=canary")]);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(dbreg::EXIT_CONFIG), "{told}");
    assert!(told.contains("`PGOPTIONS`") && !told.contains("canary"), "{told}");
    println!("test result: ok");
}

async fn application() {
    let db = App::connect_or_exit().await;
    let query =
        "select concat_ws(' ', current_user, current_database(), current_setting('application_name'))";
    let found: String = sqlx::query_scalar(query)
        .fetch_one(&db.postgres.main)
        .await
        .unwrap();
    println!("{found}");
    db.close().await.unwrap();
}
