//! The same logins against a real `mongod`. This is the one test that depends on what the machine has: without a
//! `mongod` or Docker the script above is all there is, and the test says so.

use crate::member::Member;
use dbreg::mongodb::bson::doc;
use dbreg::{DbRegistry, EXIT_CONFIG, ErrorKind};
use registry_dev::Provider;

#[derive(DbRegistry)]
#[registry(toml = r#"
[defaults.mongodb]
host = "127.0.0.1"
db = "logs"

[mongodb.admin]

[mongodb.logs]
username = "logger"
auth_source = "logs"
start = "lazy"
"#)]
struct App;

#[tokio::test]
async fn logins_are_those_of_a_real_server_where_there_is_one() {
    // The script first: what is asked of a real server below is right in itself.
    let member = Member::start().await;
    a_new_user_logs_in(member.port).await;
    let server = registry_dev::mongodb().await.unwrap();
    if server.provider() == Provider::Nx27017 {
        eprintln!("no mongod on PATH and no Docker: logins are tested against the script alone");
        return;
    }
    a_new_user_logs_in(server.port()).await;
}

async fn a_new_user_logs_in(port: u16) {
    let start = |password: &'static str| {
        App::builder()
            .variable("DBREG_MONGODB__ADMIN__PORT", port)
            .variable("DBREG_MONGODB__LOGS__PORT", port)
            .variable("DBREG_MONGODB__LOGS__PASSWORD", password)
    };
    let db = start("canary-5e1c-right").connect().await.unwrap();
    let create = doc! { "createUser": "logger", "pwd": "canary-5e1c-right", "roles": ["readWrite"] };
    db.mongodb.admin.run_command(create).await.unwrap();
    db.mongodb.logs.ping().await.unwrap();
    db.close().await.unwrap();

    let start = start("canary-77aa-wrong").variable("DBREG_MONGODB__LOGS__START", "required");
    let error = start.connect().await.expect_err("the password is wrong");
    assert_eq!(error.exit_code(), EXIT_CONFIG);
    let mut causes = error.report().failures();
    let cause = causes.find(|cause| cause.connection() == "mongodb.logs").unwrap();
    assert_eq!(cause.kind(), ErrorKind::Auth, "{error}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}
