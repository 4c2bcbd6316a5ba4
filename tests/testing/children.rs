//! What depends on the environment, in child processes: configured servers, servers that are missing.

use dbreg::DbRegistry;
use dbreg::sqlx;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
host = "127.0.0.1"
username = "root"
db = "shop"

[profile.production.mysql.main]
host = "localhost"
"#)]
#[expect(dead_code, reason = "tests open its registry")]
struct App;

/// Here it runs on a server of the process; the tests below run it elsewhere.
#[dbreg::test]
async fn writes_into_a_database_of_its_own(db: AppRegistry) {
    let name: String = sqlx::query_scalar("select database()")
        .fetch_one(&db.mysql.main)
        .await
        .unwrap();
    assert_ne!(name, "shop");
    sqlx::query("create table t (n int)")
        .execute(&db.mysql.main)
        .await
        .unwrap();
    // A child that is told to fails.
    assert!(std::env::var_os("DBREG_SHOULD_FAIL").is_none(), "as it was told");
}

/// A child, whose servers have their files in a folder that goes when they have ended.
fn child(variables: &[(&str, &str)]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("TMPDIR", folder.path());
    command
        .args(["--exact", "children::writes_into_a_database_of_its_own"])
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    let told = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(told.contains("running 1 test"), "{told}");
    let deadline = Instant::now() + Duration::from_secs(20);
    let servers = || {
        std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    while servers().any(|server| server.join("mysql.pid").exists()) {
        assert!(Instant::now() < deadline, "a server goes on: {told}");
        std::thread::sleep(Duration::from_millis(5));
    }
    (output, told)
}

#[tokio::test]
async fn on_configured_servers_each_test_has_its_own_database_there() {
    let server = registry_dev::mysql().await.unwrap();
    server.create_database("shop", "shop", "x").await.unwrap();
    let port = server.port().to_string();
    let here = [
        ("DBREG_TEST_SERVERS", "configured"),
        ("DBREG_MYSQL__MAIN__PORT", port.as_str()),
    ];
    let databases = async || {
        let like = "show databases like 'dbreg\\_test\\_%'";
        server.sql(like).await.unwrap()
    };

    let (output, told) = child(&here);
    assert!(output.status.success(), "{told}");
    assert_eq!(databases().await, "");
    // A failure is kept, and named.
    let failing = [&here[..], &[("DBREG_SHOULD_FAIL", "1")]].concat();
    let (output, told) = child(&failing);
    assert!(
        !output.status.success() && told.contains("as it was told"),
        "{told}"
    );
    let kept = databases().await;
    let kept = kept.trim();
    assert!(
        !kept.is_empty() && told.contains(&format!("mysql.main: database `{kept}`")),
        "{told}"
    );
    let tables = server.sql(format!("show tables in {kept}")).await.unwrap();
    assert_eq!(tables, "t\n");
    assert_eq!(server.sql("show tables in shop").await.unwrap(), "");
    // What would not be dropped is not made.
    server.sql(format!("drop database {kept}")).await.unwrap();
    let production = [&here[..], &[("DBREG_PROFILE", "production")]].concat();
    let (output, told) = child(&production);
    assert!(!output.status.success() && told.contains("production"), "{told}");
    assert_eq!(databases().await, "");
}

#[test]
fn one_that_fails_waits_or_keeps_nothing_when_it_is_told_to() {
    let (output, told) = child(&[("DBREG_SHOULD_FAIL", "1"), ("DBREG_TEST_HOLD", "1ms")]);
    assert!(!output.status.success(), "{told}");
    // What it waits with is said before, past the harness; and the failure is that of the test.
    let (said, report) = told.split_once("failures:").unwrap();
    assert!(
        report.contains("as it was told") && !report.contains("reactor"),
        "{told}"
    );
    let direct = String::from_utf8_lossy(&output.stderr);
    assert!(
        direct.contains("mysql.main: database `test_0_main` at 127.0.0.1:"),
        "{said}"
    );
    assert!(direct.contains("/serve` starts it again"), "{said}");
    let (_, told) = child(&[("DBREG_SHOULD_FAIL", "1"), ("DBREG_TEST_KEEP", "no")]);
    assert!(
        told.contains("writes_into_a_database_of_its_own go with this process") && !told.contains("/serve"),
        "{told}"
    );
    let (_, told) = child(&[("DBREG_SHOULD_FAIL", "1"), ("DBREG_TEST_HOLD", "soon")]);
    assert!(
        told.contains("expects a length of time such as `10m`, found `soon`"),
        "{told}"
    );
}

#[test]
fn a_variable_that_leads_elsewhere_and_a_missing_server_are_failures_that_say_what_to_do() {
    let (output, told) = child(&[("DBREG_MYSQL__MAIN__HOST", "db1.invalid")]);
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("`DBREG_MYSQL__MAIN__HOST` is set"), "{told}");

    let (output, told) = child(&[("PATH", "/nowhere")]);
    assert!(!output.status.success(), "{told}");
    assert!(
        told.contains("no MySQL server") && told.contains("install it with: "),
        "{told}"
    );
}
