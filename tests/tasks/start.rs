//! `App::builder().migrate(true)`.

use crate::scene::{Scene, execute, number, root, text};
use dbreg::tasks::{TasksBuilder, Verb};
use dbreg::{DbRegistry, Outcome, sqlx};
use registry_dev::MySqlServer;
use sqlx::Connection as _;
use std::pin::pin;
use std::time::Duration;

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
host = "127.0.0.1"
username = "root"
db = "shop"

[mysql.side]
host = "127.0.0.1"
port = 1
username = "root"
db = "side"
start = "optional"

[mysql.foreign]
host = "127.0.0.1"
username = "root"
db = "shop"
tasks = false

[sqlite.memory]
path = ":memory:"
"#)]
struct App;

fn folder() -> Scene {
    let scene = Scene::sqlite();
    for label in ["mysql.main", "mysql.side", "mysql.foreign", "sqlite.memory"] {
        scene.migration(label, "1_a.sql", "create table a (id integer primary key)");
    }
    scene.migration("mysql.main", "2_row.sql", "insert into a values (7)");
    scene.migration("sqlite.memory", "2_row.sql", "insert into a values (8)");
    scene
}

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
host = "127.0.0.1"
username = "root"
db = "shop"
start = "optional"
"#)]
struct Optional;

fn optional(server: &MySqlServer, scene: &Scene) -> dbreg::Builder<OptionalRegistry> {
    Optional::builder()
        .variable("DBREG_MYSQL__MAIN__PORT", server.port())
        .migrations(scene.path("migrations"))
        .migrate(true)
}

fn builder(server: &MySqlServer, scene: &Scene) -> dbreg::Builder<AppRegistry> {
    App::builder()
        .variable("DBREG_MYSQL__MAIN__PORT", server.port())
        .variable("DBREG_MYSQL__FOREIGN__PORT", server.port())
        .migrations(scene.path("migrations"))
        .migrate(true)
}

#[tokio::test]
async fn migrates_before_it_opens_and_once_however_many_start() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    execute(&mut session, "create database shop").await;
    let scene = folder();
    let starts = (0..4).map(|_| builder(&server, &scene).connect());
    let started = futures_util::future::join_all(starts).await;
    for db in started {
        let db = db.unwrap();
        let id: i64 = sqlx::query_scalar("select id from a")
            .fetch_one(&db.mysql.main)
            .await
            .unwrap();
        assert_eq!(id, 7);
        // Each start has a database in memory of its own.
        let id: i64 = sqlx::query_scalar("select id from a")
            .fetch_one(&db.sqlite.memory)
            .await
            .unwrap();
        assert_eq!(id, 8);
        assert!(db.mysql.side.available().is_none());
        assert!(
            db.report().to_string().contains("skip  mysql.side"),
            "{}",
            db.report()
        );
        db.close().await.unwrap();
    }
    assert_eq!(
        number(&mut session, "select count(*) from shop._sqlx_migrations").await,
        2
    );
}

#[tokio::test]
async fn what_fails_stands_in_the_report_beside_what_is_ready() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    let scene = folder();
    let error = builder(&server, &scene).connect().await.unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("FAIL  mysql.main") && told.contains("not migrated: "),
        "{told}"
    );
    assert!(told.contains("`dbreg create` makes it"), "{told}");
    assert!(told.contains("ok    sqlite.memory"), "{told}");
    assert_eq!(error.exit_code(), 78);

    execute(&mut session, "create database shop").await;
    let away = App::builder()
        .variable("DBREG_MYSQL__MAIN__PORT", 1)
        .variable("DBREG_MYSQL__FOREIGN__PORT", server.port())
        .migrations(scene.path("migrations"))
        .migrate(true);
    let error = away.connect().await.unwrap_err();
    assert!(
        error.to_string().contains("not migrated: connection refused"),
        "{error}"
    );
    assert_eq!(error.exit_code(), 69);
    scene.migration("mysql.main", "3_bad.sql", "insert into missing values (1)");
    let error = builder(&server, &scene).connect().await.unwrap_err();
    assert!(error.to_string().contains("3_bad.sql: "), "{error}");
    assert_eq!(error.exit_code(), 78, "starting again does not mend it");
    assert_eq!(
        number(&mut session, "select count(*) from shop.a").await,
        1,
        "what could be applied is"
    );
    let failed = |row: &&dbreg::ReportRow| matches!(row.outcome, Outcome::Failed(..));
    assert_eq!(error.report().connections.iter().filter(failed).count(), 1);
}

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
host = "127.0.0.1"
username = "root"
db = "shop"

[mysql.few]
host = "127.0.0.1"
username = "few"
db = "shop"
"#)]
struct Shared;

#[tokio::test]
async fn what_waits_for_another_connection_to_its_database_fails_as_that_one_does() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    execute(
        &mut session,
        "create database shop; create user few identified by '' with max_user_connections 1; grant all on shop.* to few",
    )
    .await;
    let options = sqlx::mysql::MySqlConnectOptions::new()
        .host("127.0.0.1")
        .port(server.port())
        .username("few")
        .ssl_mode(sqlx::mysql::MySqlSslMode::Disabled);
    let held = sqlx::MySqlConnection::connect_with(&options).await.unwrap();
    let scene = Scene::sqlite();
    for label in ["mysql.main", "mysql.few"] {
        scene.migration(label, "1_a.sql", "create table a (id int primary key)");
    }
    let start = || {
        Shared::builder()
            .variable("DBREG_MYSQL__MAIN__PORT", server.port())
            .variable("DBREG_MYSQL__FEW__PORT", server.port())
            .migrations(scene.path("migrations"))
            .migrate(true)
    };
    let error = start().connect().await.unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("FAIL  mysql.few") && told.contains("FAIL  mysql.main"),
        "{told}"
    );
    assert_eq!(error.exit_code(), 69, "starting again may mend it: {told}");
    drop(held);
}

#[tokio::test]
async fn a_migration_has_its_own_limit_and_takes_nothing_from_the_start() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    execute(&mut session, "create database shop").await;
    let scene = folder();
    // Another process migrates, and takes its time.
    let lock = "select cast(get_lock(lower(hex(1026731422 * crc32('shop'))), 0) as char)";
    assert_eq!(text(&mut session, lock).await, "1");
    let limited = builder(&server, &scene).migration_deadline(Duration::from_millis(200));
    let error = limited.connect().await.unwrap_err();
    let told = error.to_string();
    assert!(told.contains("not migrated: not done within 200ms"), "{told}");
    assert!(told.contains("the limit is `migration_deadline`"), "{told}");
    assert_eq!(error.exit_code(), 69);
    // One that the start could do without is not opened either: it was there, and may be half migrated.
    let alone = Scene::sqlite();
    alone.migration("mysql.main", "1_a.sql", "create table a (id integer primary key)");
    let error = optional(&server, &alone)
        .migration_deadline(Duration::from_millis(200))
        .connect()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("not migrated: not done within 200ms"),
        "{error}"
    );

    let deadline = Duration::from_secs(5);
    let mut start = pin!(builder(&server, &scene).deadline(deadline).connect());
    let early = tokio::time::timeout(deadline + deadline / 4, start.as_mut()).await;
    assert!(early.is_err(), "{early:?}");
    let unlock = "select cast(release_lock(lower(hex(1026731422 * crc32('shop')))) as char)";
    assert_eq!(text(&mut session, unlock).await, "1");
    let db = start.await.unwrap();
    assert_eq!(number(&mut session, "select count(*) from shop.a").await, 1);
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_missing_or_that_nobody_reads_stops_the_start() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    execute(&mut session, "create database shop").await;
    let scene = folder();
    let error = builder(&server, &scene)
        .migrations(scene.path("none"))
        .connect()
        .await
        .unwrap_err();
    let told = error.to_string();
    assert!(told.starts_with("dbreg: nothing was opened; values: "), "{told}");
    assert!(told.contains("there is no folder"), "{told}");
    assert_eq!(error.exit_code(), 78);
    scene.migration("mysql.mian", "1_a.sql", "select 1");
    let error = builder(&server, &scene).connect().await.unwrap_err();
    assert!(
        error.to_string().contains("did you mean `mysql.main`?"),
        "{error}"
    );
}

#[test]
fn verbs_and_starts_can_be_spawned() {
    fn is_send<T: Send>(_: T) {}
    let scene = folder();
    let tasks = TasksBuilder::of::<AppRegistry>().root(scene.path("."));
    let tasks = tasks.build().unwrap();
    is_send(tasks.run(Verb::Build, |_| {}));
    is_send(tasks.plan(Verb::Build));
    is_send(tasks.migration_status());
    is_send(App::builder().migrate(true).connect());
}
