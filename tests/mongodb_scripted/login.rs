//! Logins: right and wrong, by either mechanism, against the database that knows the user.

use crate::member::Member;
use crate::scram::Mechanism;
use dbreg::{DbRegistry, EXIT_CONFIG, ErrorKind, StartError};

#[derive(DbRegistry)]
#[registry(toml = r#"
[mongodb.logs]
host = "127.0.0.1"
db = "logs"
username = "logger"
connect_timeout = "3s"
"#)]
struct App;

const PASSWORD: &str = "canary-5e1c-right";
const WRONG: &str = "canary-77aa-wrong";

async fn start(member: &Member, password: &str, more: &[(&str, &str)]) -> Result<AppRegistry, StartError> {
    let builder = App::builder()
        .variable("DBREG_MONGODB__LOGS__PORT", member.port)
        .variable("DBREG_MONGODB__LOGS__PASSWORD", password);
    let builder = more.iter().fold(builder, |builder, (key, value)| {
        builder.variable(format!("DBREG_MONGODB__LOGS__{key}"), value)
    });
    builder.connect().await
}

#[tokio::test]
async fn the_right_password_opens_by_either_mechanism() {
    for mechanism in [Mechanism::Sha1, Mechanism::Sha256] {
        let member = Member::start().await;
        member.user("admin", "logger", PASSWORD, mechanism);
        let db = start(&member, PASSWORD, &[]).await.unwrap();
        db.mongodb.logs.ping().await.unwrap();
        let ran = member.ran();
        assert!(ran.contains(&"admin.saslStart".to_owned()), "{ran:?}");
        assert!(ran.contains(&"logs.ping".to_owned()), "{ran:?}");
        let text = format!("{}\n{db:?}\n{:?}", db.report(), db.mongodb.logs);
        assert!(!text.contains("canary"), "{text}");
        db.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_password_is_a_matter_for_a_person_and_is_not_shown() {
    let member = Member::start().await;
    for mechanism in [Mechanism::Sha1, Mechanism::Sha256] {
        member.user("admin", "logger", PASSWORD, mechanism);
        let error = start(&member, WRONG, &[])
            .await
            .expect_err("the password is wrong");
        assert_eq!(error.exit_code(), EXIT_CONFIG);
        let cause = error.report().failures().next().unwrap().clone();
        assert_eq!(cause.kind(), ErrorKind::Auth, "{cause}");
        assert!(!cause.is_transient());
        let text = format!("{error}\n{error:?}\n{cause:?}\n{:?}", error.report());
        assert!(
            text.contains("password from DBREG_MONGODB__LOGS__PASSWORD"),
            "{text}"
        );
        assert!(!text.contains("canary"), "{text}");
        let mut source = std::error::Error::source(&cause);
        while let Some(inner) = source {
            assert!(!format!("{inner} {inner:?}").contains("canary"), "{inner:?}");
            source = inner.source();
        }
    }
}

#[tokio::test]
async fn the_user_is_looked_for_where_auth_source_says() {
    let member = Member::start().await;
    member.user("accounts", "logger", PASSWORD, Mechanism::Sha256);
    let db = start(&member, PASSWORD, &[("AUTH_SOURCE", "accounts")])
        .await
        .unwrap();
    let ran = member.ran();
    assert!(ran.contains(&"accounts.saslStart".to_owned()), "{ran:?}");
    db.close().await.unwrap();

    let error = start(&member, PASSWORD, &[])
        .await
        .expect_err("`admin` does not know the user");
    assert_eq!(error.report().failures().next().unwrap().kind(), ErrorKind::Auth);
}

#[derive(DbRegistry)]
#[registry(
    toml = "[mongodb.logs]\nurl = { env = \"LOGS_URL\" }\nconnect_timeout = \"3s\"\nauth_source = \"accounts\"\n"
)]
struct ByUrl;

#[tokio::test]
async fn a_url_logs_in_and_keeps_its_secret() {
    let member = Member::start().await;
    member.user("accounts", "logger", PASSWORD, Mechanism::Sha256);
    member.user("other", "logger", PASSWORD, Mechanism::Sha256);
    let url = |password: &str, options: &str| {
        format!("mongodb://logger:{password}@{}/logs{options}", member.address())
    };
    let start = |url: String| {
        ByUrl::builder()
            .variable("DBREG_MONGODB__LOGS__URL", url)
            .connect()
    };
    for (options, source) in [("", "accounts"), ("?authSource=other", "other")] {
        let db = start(url(PASSWORD, options)).await.unwrap();
        let ran = member.ran();
        assert!(ran.contains(&format!("{source}.saslStart")), "{ran:?}");
        db.close().await.unwrap();
    }
    for url in [
        url(WRONG, ""),
        url(PASSWORD, "?w=-1"),
        url(PASSWORD, "?authMechanism=canary"),
    ] {
        let error = start(url).await.expect_err("it cannot work");
        assert_eq!(error.exit_code(), EXIT_CONFIG);
        let text = format!("{error}\n{error:?}\n{:?}", error.report());
        assert!(!text.contains("canary"), "{text}");
    }
}
