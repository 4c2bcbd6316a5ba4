//! Several hosts: the driver finds its way, and dbreg tells it where to begin.

use crate::member::{Member, Role};
use dbreg::mongodb::bson::{Document, doc};
use dbreg::{DbRegistry, EXIT_CONFIG, EXIT_UNAVAILABLE, ErrorKind};
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = r#"
[mongodb.logs]
connections = [{ host = "127.0.0.1", port = 1 }]
db = "logs"
connect_timeout = "3s"
"#)]
struct App;

fn app(hosts: &[String], more: &[(&str, &str)]) -> dbreg::Builder<AppRegistry> {
    let builder = App::builder().variable("DBREG_MONGODB__LOGS__CONNECTIONS", hosts.join(","));
    more.iter().fold(builder, |builder, (key, value)| {
        builder.variable(format!("DBREG_MONGODB__LOGS__{key}"), value)
    })
}

fn addresses(members: &[Member]) -> Vec<String> {
    members.iter().map(Member::address).collect()
}

const DEAD: &str = "127.0.0.1:1";

#[tokio::test]
async fn a_dead_first_host_holds_up_nothing() {
    let members = Member::set("rs0", 1).await;
    let hosts = [DEAD.to_owned(), members[0].address()];
    // The name of the set may be left to the driver.
    let db = app(&hosts, &[]).connect().await.unwrap();
    let events = db.mongodb.logs.collection::<Document>("events");
    events.insert_one(doc! { "n": 1 }).await.unwrap();
    assert!(members[0].ran().contains(&"logs.insert".to_owned()));
    assert!(
        db.report().to_string().contains(&hosts.join(",")),
        "{}",
        db.report()
    );
    db.close().await.unwrap();
}

#[tokio::test]
async fn one_seed_leads_to_the_whole_set() {
    let members = Member::set("rs0", 3).await;
    // The last one, which takes no writes: the driver learns of the primary from it.
    let seeds = [DEAD.to_owned(), members[2].address()];
    let db = app(&seeds, &[("REPLICA_SET", "rs0")]).connect().await.unwrap();
    members.iter().for_each(|member| drop(member.ran()));
    let events = db.mongodb.logs.collection::<Document>("events");
    events.insert_one(doc! { "n": 1 }).await.unwrap();
    assert_eq!(members[0].ran(), ["logs.insert"]);
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_primary_that_steps_down_is_followed_by_the_other() {
    let members = Member::set("rs0", 2).await;
    let db = app(&addresses(&members), &[("REPLICA_SET", "rs0")])
        .connect()
        .await
        .unwrap();
    let events = db.mongodb.logs.collection::<Document>("events");
    events.insert_one(doc! { "n": 1 }).await.unwrap();
    assert!(members[0].ran().contains(&"logs.insert".to_owned()));

    members[1].succeed(&members[0]);
    // The old primary refuses it, and says that it may be sent again: once, to the new one.
    events.insert_one(doc! { "n": 2 }).await.unwrap();
    assert_eq!(members[1].ran(), ["logs.insert"]);
    let ran = members[0].ran();
    assert_eq!(
        ran.iter().filter(|command| *command == "logs.insert").count(),
        1,
        "{ran:?}"
    );
    assert_eq!(db.mongodb.logs.errors().total, 0);
    db.close().await.unwrap();
}

#[tokio::test]
async fn reads_go_where_read_preference_says() {
    let members = Member::set("rs0", 2).await;
    for (preference, reader) in [("primary", 0), ("secondary", 1)] {
        let more = [("REPLICA_SET", "rs0"), ("READ_PREFERENCE", preference)];
        let db = app(&addresses(&members), &more).connect().await.unwrap();
        members.iter().for_each(|member| drop(member.ran()));
        let events = db.mongodb.logs.collection::<Document>("events");
        assert!(events.find_one(doc! {}).await.unwrap().is_none());
        events.insert_one(doc! { "n": 1 }).await.unwrap();
        assert!(
            members[reader].ran().contains(&"logs.find".to_owned()),
            "{preference}"
        );
        assert!(
            !members[1 - reader].ran().contains(&"logs.find".to_owned()),
            "{preference}"
        );
        db.close().await.unwrap();
    }
}

#[tokio::test]
async fn without_a_primary_only_those_who_read_elsewhere_start() {
    let members = Member::set("rs0", 2).await;
    members[0].take(Role::Secondary);
    let hosts = addresses(&members);
    let set = ("REPLICA_SET", "rs0");
    let reads = ("READ_PREFERENCE", "secondary_preferred");
    app(&hosts, &[set, reads])
        .connect()
        .await
        .unwrap()
        .close()
        .await
        .unwrap();

    let error = app(&hosts, &[set, ("CONNECT_TIMEOUT", "1s")])
        .connect()
        .await
        .expect_err("no primary");
    let cause = error.report().failures().next().unwrap().clone();
    assert_eq!(
        (cause.kind(), error.exit_code()),
        (ErrorKind::Unreachable, EXIT_UNAVAILABLE),
        "{error}"
    );
    assert!(cause.message().contains("no primary"), "{error}");
    assert!(
        cause
            .next_step()
            .is_some_and(|step| step.contains("read_preference")),
        "{error}"
    );
}

#[tokio::test]
async fn an_election_is_an_outage_that_heals_by_itself() {
    let members = Member::set("rs0", 2).await;
    let more = [("REPLICA_SET", "rs0"), ("CONNECT_TIMEOUT", "1s")];
    let db = app(&addresses(&members), &more).connect().await.unwrap();
    let logs = &db.mongodb.logs;
    members[0].take(Role::Secondary);
    // The driver hears of it from a write; until then it asks who was the primary.
    let events = logs.collection::<Document>("events");
    let error = dbreg::Error::from(events.insert_one(doc! { "n": 1 }).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    let error = logs.ping().await.unwrap_err();
    assert!(error.message().contains("no primary"), "{error}");
    assert!(error.is_transient());

    members[1].succeed(&members[0]);
    let since = Instant::now();
    while logs.ping().await.is_err() {
        assert!(since.elapsed() < Duration::from_secs(20), "it did not come back");
    }
    events.insert_one(doc! { "n": 2 }).await.unwrap();
    assert!(members[1].ran().contains(&"logs.insert".to_owned()));
    db.close().await.unwrap();
}

#[tokio::test]
async fn hosts_of_another_set_are_a_mistake_with_a_name() {
    let members = Member::set("rs0", 2).await;
    let more = [("REPLICA_SET", "rs1"), ("CONNECT_TIMEOUT", "1s")];
    let error = app(&addresses(&members), &more)
        .connect()
        .await
        .expect_err("another set");
    let cause = error.report().failures().next().unwrap().clone();
    assert_eq!(
        (cause.kind(), error.exit_code()),
        (ErrorKind::Config, EXIT_CONFIG),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("replica_set from DBREG_MONGODB__LOGS__REPLICA_SET"),
        "{error}"
    );
    assert!(
        cause.next_step().is_some_and(|step| step.contains("rs.status()")),
        "{error}"
    );

    let direct = [
        ("REPLICA_SET", "rs1"),
        ("CONNECT_TIMEOUT", "1s"),
        ("DIRECT", "true"),
    ];
    let error = app(&[members[0].address()], &direct)
        .connect()
        .await
        .expect_err("another set");
    assert_eq!(error.exit_code(), EXIT_CONFIG, "{error}");
}

#[tokio::test]
async fn members_that_are_known_by_other_names_are_told() {
    let members = Member::set("rs0", 1).await;
    members[0].name_members(&["mongo-1.invalid:27017"]);
    let more = [("REPLICA_SET", "rs0"), ("CONNECT_TIMEOUT", "2s")];
    let error = app(&addresses(&members), &more)
        .connect()
        .await
        .expect_err("nobody is there");
    let cause = error.report().failures().next().unwrap().clone();
    assert_eq!(cause.kind(), ErrorKind::Unreachable, "{error}");
    assert!(
        cause
            .message()
            .contains("names as the members of its replica set mongo-1.invalid:27017"),
        "{error}"
    );
    assert!(
        cause
            .next_step()
            .is_some_and(|step| step.contains("direct = true")),
        "{error}"
    );
    let more = [("REPLICA_SET", "rs0"), ("DIRECT", "true")];
    app(&addresses(&members), &more)
        .connect()
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_list_of_servers_that_stand_alone_is_a_mistake() {
    let server = registry_dev::mongodb().await.unwrap();
    let alone = Member::start().await;
    let hosts = [alone.address(), format!("127.0.0.1:{}", server.port())];
    let error = app(&hosts, &[("CONNECT_TIMEOUT", "2s")])
        .connect()
        .await
        .expect_err("no set");
    assert_eq!(error.exit_code(), EXIT_CONFIG, "{error}");
    assert!(error.to_string().contains("keep one of them"), "{error}");

    let hosts = [DEAD.to_owned(), alone.address()];
    let error = app(&hosts, &[("CONNECT_TIMEOUT", "2s")])
        .connect()
        .await
        .expect_err("no set");
    let cause = error.report().failures().next().unwrap().clone();
    assert_eq!(cause.kind(), ErrorKind::Unreachable, "{error}");
    let words = format!("{} is a server of its own", alone.address());
    assert!(cause.message().contains(&words), "{error}");
}

#[tokio::test]
async fn a_direct_connection_is_to_that_host_and_no_other() {
    let members = Member::set("rs0", 2).await;
    let hosts = [members[1].address()];
    let db = app(&hosts, &[("DIRECT", "true"), ("REPLICA_SET", "rs0")])
        .connect()
        .await
        .unwrap();
    let events = db.mongodb.logs.collection::<Document>("events");
    assert!(events.find_one(doc! {}).await.unwrap().is_none());
    db.close().await.unwrap();
    assert_eq!(members[0].ran(), [""; 0]);

    let error = app(&addresses(&members), &[("DIRECT", "true")])
        .connect()
        .await
        .expect_err("two hosts");
    assert_eq!(error.exit_code(), EXIT_CONFIG);
    let text = error.to_string();
    assert!(
        text.contains("`direct` is for one host") && text.contains("DBREG_MONGODB__LOGS__"),
        "{text}"
    );
}
