//! MySQL: databases with any name, structure of every kind, and what is left of it.

use crate::scene::{PASSWORD, Scene, bad, execute, good, number, root, run, text, words};
use dbreg::sqlx;
use dbreg::tasks::Verb;
use registry_dev::MySqlServer;
use std::time::Duration;

/// A connection to a database of any name: it stands in a file.
fn named(server: &MySqlServer, name: &str) -> Scene {
    let port = server.port();
    let scene = Scene::new(&format!(
        "[mysql.main]\nhost = \"127.0.0.1\"\nport = {port}\nusername = \"root\"\ndb = {{ file = \"$/db\" }}\n"
    ));
    scene.write("db", name);
    scene
}

#[tokio::test]
async fn a_database_of_any_name_is_made_and_dropped_and_nothing_else_is_run() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    execute(
        &mut session,
        "create database kept; create table kept.rows_ (id int)",
    )
    .await;
    for name in [
        "a`; drop database kept; --",
        "a'; drop database kept; --",
        r#"a\"; drop database kept; --"#,
        "a`b``c",
        "`",
        "schöne daten",
        "per%cent_",
        "a.b/c",
        "-- kept",
    ] {
        let scene = named(&server, name);
        assert_eq!(
            words(&scene.run(Verb::Create).await),
            "created the database",
            "{name}"
        );
        let count = "select count(*) from information_schema.schemata where binary schema_name = ? \
            and default_character_set_name = 'utf8mb4'";
        let there: i64 = sqlx::query_scalar(count)
            .bind(name)
            .fetch_one(&mut session)
            .await
            .unwrap();
        assert_eq!(there, 1, "{name}");
        assert_eq!(
            words(&scene.run(Verb::Create).await),
            "the database is there already"
        );
        scene.migration("mysql.main", "1_a.sql", "create table a (id int primary key)");
        scene.run(Verb::Migrate).await;
        scene.run(Verb::Clear).await;
        scene.run(Verb::Purge).await;
        assert_eq!(words(&scene.run(Verb::Drop).await), "dropped the database");
        let there: i64 = sqlx::query_scalar(count)
            .bind(name)
            .fetch_one(&mut session)
            .await
            .unwrap();
        assert_eq!(there, 0, "{name}");
        assert_eq!(words(&scene.run(Verb::Drop).await), "there is no such database");
        assert_eq!(number(&mut session, "select count(*) from kept.rows_").await, 0);
    }
    for name in ["\0", "a\0b", "a ", "\u{1f600}", "mysql", "sys", &"a".repeat(65)] {
        for verb in [Verb::Create, Verb::Drop] {
            let told = named(&server, name).fail(verb).await;
            assert!(
                ["no name", "expected a name", "holds a NUL", "server's own"]
                    .iter()
                    .any(|words| told.contains(words)),
                "{told}"
            );
        }
    }
}

#[tokio::test]
async fn clear_and_purge_know_everything_that_a_database_holds() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    let scene = Scene::mysql(&server, "shop");
    let (all, of_mariadb) = (
        "create table users (id int primary key auto_increment, name varchar(20));
         create table orders (id int primary key auto_increment, user_id int not null,
            foreign key (user_id) references users (id));
         create table loops (id int primary key, next int, foreign key (next) references loops (id));
         create view `a view` as select name from users;
         create procedure doing() select 1;
         create function giving() returns int deterministic return 7;
         create event later on schedule every 1 day do select 1;
         create trigger told before insert on users for each row set new.name = upper(new.name);",
        "create sequence counter;
         create table versioned (id int) with system versioning;",
    );
    let is_mariadb = server.is_mariadb();
    let of_mariadb = if is_mariadb { of_mariadb } else { "" };
    scene.migration("mysql.main", "1_all.sql", &format!("{all}{of_mariadb}"));
    scene.fixture(
        "mysql.main",
        "1-users.toml",
        "[[users]]\nname = \"a\"\n[[users]]\nname = \"b\"\n",
    );
    scene.run(Verb::Build).await;
    execute(
        &mut session,
        "insert into shop.orders (user_id) values (1), (2); insert into shop.loops values (1, null); \
         update shop.loops set next = 1",
    )
    .await;
    if is_mariadb {
        execute(
            &mut session,
            "insert into shop.versioned values (1); do nextval(shop.counter)",
        )
        .await;
    }
    assert_eq!(
        text(&mut session, "select group_concat(name) from shop.users").await,
        "A,B"
    );

    scene.run(Verb::Clear).await;
    for sql in [
        "select count(*) from shop.users",
        "select count(*) from shop.orders",
        "select count(*) from shop.loops",
        "select count(*) from shop._dbreg_fixtures",
    ] {
        assert_eq!(number(&mut session, sql).await, 0, "{sql}");
    }
    assert_eq!(
        number(&mut session, "select count(*) from shop._sqlx_migrations").await,
        1
    );
    assert_eq!(
        number(&mut session, "select count(*) from shop._dbreg_metadata").await,
        2
    );
    if is_mariadb {
        let history = "select count(*) from shop.versioned for system_time all";
        assert_eq!(number(&mut session, history).await, 0);
        assert_eq!(
            number(&mut session, "select nextval(shop.counter)").await,
            1,
            "it begins again"
        );
    }
    assert_eq!(
        number(&mut session, "select count(*) from shop.`a view`").await,
        0,
        "the view is there"
    );
    scene.run(Verb::Fill).await;
    assert_eq!(
        text(&mut session, "select group_concat(id) from shop.users").await,
        "1,2",
        "numbers begin again"
    );

    scene.run(Verb::Purge).await;
    let left = "select group_concat(table_name) from information_schema.tables where table_schema = 'shop'";
    assert_eq!(text(&mut session, left).await, "_dbreg_metadata");
    for sql in [
        "select count(*) from information_schema.routines where routine_schema = 'shop'",
        "select count(*) from information_schema.events where event_schema = 'shop'",
        "select count(*) from information_schema.triggers where trigger_schema = 'shop'",
    ] {
        assert_eq!(number(&mut session, sql).await, 0, "{sql}");
    }
    scene.run(Verb::Build).await;
    scene.run(Verb::Rebuild).await;
    assert_eq!(number(&mut session, "select count(*) from shop.users").await, 2);
}

#[tokio::test]
async fn an_account_that_may_not_is_told_so() {
    let server = registry_dev::mysql().await.unwrap();
    server.create_database("shop", "shop", PASSWORD).await.unwrap();
    let port = server.port();
    let scene = Scene::new(&format!(
        "[mysql.main]\nhost = \"127.0.0.1\"\nport = {port}\nusername = \"shop\"\npassword = {{ file = \"$/secret\" }}\n\
         db = \"other\"\n"
    ));
    scene.write("secret", PASSWORD);
    let told = scene.fail(Verb::Create).await;
    assert!(told.contains("Access denied"), "{told}");
    assert!(!format!("{:?}", scene.tasks()).contains("canary"));
    assert!(!format!("{:?}", scene.builder()).contains("canary"));
}

#[tokio::test]
async fn a_server_that_comes_late_is_waited_for() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop");
    let port = server.port();
    server.stop().await.unwrap();
    let told = scene.fail(Verb::Create).await;
    assert!(
        told.contains("connection refused") && told.contains(&port.to_string()),
        "{told}"
    );

    let (waits, mut waiting) = tokio::sync::mpsc::unbounded_channel();
    let tasks = scene
        .builder()
        .wait(std::time::Duration::from_secs(120))
        .build()
        .unwrap();
    let running = tokio::spawn(async move {
        let observe = move |event| {
            if let dbreg::tasks::Event::Waiting { cause, .. } = event {
                let _ = waits.send(cause);
            }
        };
        tasks.run(Verb::Create, observe).await
    });
    let cause = waiting.recv().await.unwrap();
    assert!(cause.contains("connection refused"), "{cause}");
    server.start().await.unwrap();
    good(running.await.unwrap());
    let mut session = root(&server).await;
    assert_eq!(
        number(
            &mut session,
            "select count(*) from information_schema.schemata where schema_name = 'shop'"
        )
        .await,
        1
    );
    // What does not pass by itself is not waited for.
    let tasks = Scene::mysql(&server, "shop")
        .builder()
        .variable("DBREG_MYSQL__MAIN__USERNAME", "nobody");
    let tasks = tasks.wait(std::time::Duration::from_secs(600)).build().unwrap();
    assert!(!run(&tasks, Verb::Migrate).await.is_success());
}

#[tokio::test]
async fn the_end_of_the_wait_cuts_an_attempt_short() {
    // Nothing listens there at first, and then somebody who never says a word.
    let port = registry_dev::Port::claim().unwrap();
    let scene = Scene::new(&format!(
        "[mysql.main]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"root\"\ndb = \"shop\"\nconnect_timeout = \"10m\"\n",
        port.number()
    ));
    let silent = std::sync::OnceLock::new();
    let observe = |event| {
        if let dbreg::tasks::Event::Waiting { .. } = event {
            silent.get_or_init(|| std::net::TcpListener::bind(("127.0.0.1", port.number())).unwrap());
        }
    };
    let tasks = scene.builder().wait(Duration::from_secs(1)).build().unwrap();
    let run = tasks.run(Verb::Create, observe);
    let report = tokio::time::timeout(Duration::from_secs(60), run).await.unwrap();
    // What the attempt before found is told: the last found out nothing.
    let told = bad(&report);
    assert!(told.contains("connection refused"), "{told}");
    assert!(silent.get().is_some());
}

#[tokio::test]
async fn what_the_server_refuses_of_a_verb_a_person_has_to_mend() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    // A table of somebody else's, in the place of the record.
    execute(&mut session, "create database shop").await;
    execute(
        &mut session,
        "create table shop._dbreg_fixtures (id int primary key)",
    )
    .await;
    execute(&mut session, "create table shop.a (id int primary key)").await;
    let scene = Scene::mysql(&server, "shop");
    scene.fixture("mysql.main", "1-a.toml", "[[a]]\nid = 7\n");
    let report = run(&scene.tasks(), Verb::Fill).await;
    assert_eq!(report.exit_code(), 78, "{report}");
    assert!(bad(&report).contains("Unknown column"), "{report}");
}

#[tokio::test]
async fn clear_and_purge_wait_for_who_migrates_or_fills() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    let scene = Scene::mysql(&server, "shop");
    scene
        .migration("mysql.main", "1_a.sql", "create table a (id int primary key)")
        .fixture("mysql.main", "1-a.toml", "[[a]]\nid = 7\n");
    scene.run(Verb::Build).await;
    let lock = "select cast(get_lock(lower(hex(1026731422 * crc32('shop'))), 20) as char)";
    assert_eq!(text(&mut session, lock).await, "1");
    for verb in [Verb::Clear, Verb::Purge] {
        let tasks = scene.builder().step_deadline(Duration::from_millis(300));
        let told = bad(&run(&tasks.build().unwrap(), verb).await);
        assert!(told.contains("not done within 300ms"), "{verb}: {told}");
        assert_eq!(number(&mut session, "select id from shop.a").await, 7, "{verb}");
    }
    // Both at once, with one that fills: they wait, and then one goes after the other.
    let [clearing, purging, filling] = [(); 3].map(|()| scene.tasks());
    let all = async {
        tokio::join!(
            run(&clearing, Verb::Clear),
            run(&purging, Verb::Purge),
            run(&filling, Verb::Clear)
        )
    };
    let mut all = std::pin::pin!(all);
    let early = tokio::time::timeout(Duration::from_millis(300), all.as_mut()).await;
    assert!(early.is_err(), "{early:?}");
    assert_eq!(number(&mut session, "select id from shop.a").await, 7);
    let unlock = "select cast(release_lock(lower(hex(1026731422 * crc32('shop')))) as char)";
    assert_eq!(text(&mut session, unlock).await, "1");
    let (cleared, purged, again) = all.await;
    for report in [cleared, purged, again] {
        good(report);
    }
    let left = "select group_concat(table_name) from information_schema.tables where table_schema = 'shop'";
    assert_eq!(text(&mut session, left).await, "_dbreg_metadata");
}

#[tokio::test]
async fn a_mark_that_cannot_be_written_changes_nothing_and_holds_nobody_up() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    execute(
        &mut session,
        "create database shop; create table shop._dbreg_metadata (name varchar(100) not null primary key, \
            value varchar(255) not null, check (value not in ('yes', 'no')))",
    )
    .await;
    let scene = Scene::mysql(&server, "shop");
    scene.migration("mysql.main", "1_a.sql", "create table a (id int primary key)");
    let told = scene.fail(Verb::Migrate).await;
    assert!(told.to_lowercase().contains("constraint"), "{told}");
    // Half a mark would be one of `default` that protects nothing.
    assert_eq!(
        number(&mut session, "select count(*) from shop._dbreg_metadata").await,
        0
    );
    let tables = "select count(*) from information_schema.tables where table_schema = 'shop'";
    assert_eq!(number(&mut session, tables).await, 1, "no migration was begun");
    execute(&mut session, "drop table shop._dbreg_metadata").await;
    scene.run(Verb::Migrate).await;
    assert_eq!(
        number(&mut session, "select count(*) from shop._dbreg_metadata").await,
        2
    );
}
