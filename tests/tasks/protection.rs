//! What is protected, and every way around it that was thought of.

use crate::scene::{Scene, bad, execute, good, is_refused, number, outcomes, root, run};
use dbreg::tasks::{MigrateTo, Tasks, TasksBuilder, Verb};
use registry_dev::MySqlServer;

pub(crate) const DESTROYING: [Verb; 7] = [
    Verb::Drop,
    Verb::Fill,
    Verb::Clear,
    Verb::Purge,
    Verb::Build,
    Verb::Rebuild,
    Verb::Refill,
];

/// A database with a row, made without protection; then the file says more.
pub(crate) async fn filled(server: &MySqlServer, more: &str) -> Scene {
    let scene = Scene::mysql(server, "shop");
    migrations(&scene);
    scene.run(Verb::Build).await;
    scene.with(more)
}

pub(crate) fn migrations(scene: &Scene) {
    scene
        .migration("mysql.main", "1_a.up.sql", "create table a (id int primary key)")
        .migration("mysql.main", "1_a.down.sql", "drop table a")
        .fixture("mysql.main", "1-a.toml", "[[a]]\nid = 7\n");
}

/// Everything that could destroy is refused, and the row is there afterwards.
pub(crate) async fn holds(server: &MySqlServer, builder: impl Fn() -> TasksBuilder, why: &str) {
    let mut session = root(server).await;
    for verb in DESTROYING {
        for replace in [false, true] {
            refused(
                &builder().replace(replace).all_keys(true).build().unwrap(),
                verb,
                why,
            )
            .await;
        }
    }
    for to in [MigrateTo::RevertOne, MigrateTo::RevertTo(0)] {
        refused(&builder().migrate_to(to).build().unwrap(), Verb::Migrate, why).await;
    }
    assert_eq!(number(&mut session, "select id from shop.a").await, 7);
    assert_eq!(
        number(&mut session, "select count(*) from shop._dbreg_fixtures").await,
        1
    );
    for verb in [Verb::Create, Verb::Migrate] {
        good(run(&builder().build().unwrap(), verb).await);
    }
}

pub(crate) async fn refused(tasks: &Tasks, verb: Verb, why: &str) {
    let report = run(tasks, verb).await;
    assert!(is_refused(&report), "{verb}: {report}");
    assert_eq!(report.exit_code(), 78);
    let told = bad(&report);
    assert!(told.contains(why), "{why}: {told}");
    assert!(told.contains("--i-know-this-destroys mysql."), "{told}");
    let json = report.to_json();
    assert_eq!(json["connections"][0]["steps"][0]["outcome"], "refused");
    let plan = tasks.plan(verb).await;
    assert!(!plan.is_clear() && plan.to_string().contains("REFUSED"), "{plan}");
    assert_eq!(plan.exit_code(), 78);
}

#[tokio::test]
async fn a_connection_that_says_so() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = filled(&server, "protected = true\n").await;
    holds(
        &server,
        || scene.builder(),
        "`protected = true` (databases.toml:6)",
    )
    .await;
    // By a variable too, and never off by one.
    let scene = Scene::mysql(&server, "shop");
    migrations(&scene);
    let by_variable = || scene.builder().variable("DBREG_MYSQL__MAIN__PROTECTED", "true");
    holds(&server, by_variable, "(DBREG_MYSQL__MAIN__PROTECTED)").await;
    let scene = scene.with("protected = true\n");
    let off = scene
        .builder()
        .variable("DBREG_MYSQL__MAIN__PROTECTED", "false")
        .build()
        .unwrap();
    let told = bad(&run(&off, Verb::Drop).await);
    assert!(
        told.contains("what lies over a connection cannot change that"),
        "{told}"
    );
    let mut session = root(&server).await;
    assert_eq!(number(&mut session, "select id from shop.a").await, 7);
}

#[tokio::test]
async fn a_profile_named_production_and_one_that_is_listed() {
    let server = registry_dev::mysql().await.unwrap();
    let more = "[profile.production.mysql.main]\ntimeout = \"9s\"\n[profile.live]\nprotected = true\n\
        [profile.Production-eu.mysql.main]\nprotected = true\n";
    let scene = filled(&server, more).await;
    for (profile, why) in [
        ("production", "the profile is `production`"),
        ("live", "`protected = true` (databases.toml:9)"),
        ("Production-eu", "`protected = true` (databases.toml:11)"),
    ] {
        holds(&server, || scene.builder().profile(profile), why).await;
    }
    holds(
        &server,
        || scene.builder().variable("DBREG_PROFILE", "production"),
        "the profile is",
    )
    .await;
}

#[tokio::test]
async fn only_the_exact_name_lets_it_go_on() {
    let server = registry_dev::mysql().await.unwrap();
    let port = server.port();
    let more = format!(
        "protected = true\n[mysql.other]\nhost = \"127.0.0.1\"\nport = {port}\nusername = \"root\"\ndb = \"other\"\nprotected = true\n"
    );
    let scene = filled(&server, &more).await;
    let mut session = root(&server).await;
    execute(&mut session, "create database other").await;
    for name in [
        "mysql",
        "main",
        "mysql.Main",
        "MYSQL.main",
        "mysql.mian",
        "*",
        "",
        "mysql.*",
    ] {
        let error = scene.builder().i_know_this_destroys(name).build().unwrap_err();
        assert!(error.to_string().contains("expected the exact name"), "{error}");
    }
    // The name of another connection is of no use.
    let other = || scene.builder().i_know_this_destroys("mysql.other");
    refused(
        &other().only("mysql.main").build().unwrap(),
        Verb::Drop,
        "protected = true",
    )
    .await;
    // One that refuses stops all: nothing is done to those that would not.
    let report = run(&other().build().unwrap(), Verb::Drop).await;
    assert_eq!(outcomes(&report, "mysql.main"), ["refused"]);
    assert_eq!(outcomes(&report, "mysql.other"), ["not-begun"]);
    assert_eq!(
        number(
            &mut session,
            "select count(*) from information_schema.schemata where schema_name in ('shop', 'other')"
        )
        .await,
        2
    );
    let both = other().i_know_this_destroys("mysql.main").build().unwrap();
    good(run(&both, Verb::Drop).await);
    assert_eq!(
        number(
            &mut session,
            "select count(*) from information_schema.schemata where schema_name in ('shop', 'other')"
        )
        .await,
        0
    );
}

#[tokio::test]
async fn what_cannot_be_reached_from_here_protects_all_the_same() {
    let server = registry_dev::mysql().await.unwrap();
    let port = server.port();
    let mut session = root(&server).await;
    let keys = format!("host = \"localhost\"\nport = {port}\nusername = \"root\"\ndb = \"shop\"\n");
    let no_password = format!("{keys}password = {{ env = \"NOT_SET_HERE\" }}\n");
    let no_url = "url = { env = \"NOT_SET_HERE\" }\n".to_owned();
    for (table, more) in [
        (&no_password, "protected = true"),
        (&no_password, "tasks = false"),
        (&no_url, "protected = true"),
        (&no_url, "tasks = false"),
    ] {
        execute(&mut session, "drop database if exists shop").await;
        let scene = filled(&server, &format!("[mysql.prod]\n{table}{more}\n")).await;
        let alone = || scene.builder().only("mysql.main");
        holds(&server, alone, "`mysql.prod` leads to the same database").await;
        let named = alone().i_know_this_destroys("mysql.prod").build().unwrap();
        good(run(&named, Verb::Clear).await);
    }
    // One that is not protected, and leads elsewhere or nowhere, is in nobody's way.
    execute(&mut session, "drop database if exists shop").await;
    let scene = filled(&server, &format!("[mysql.prod]\n{no_url}")).await;
    let alone = scene.builder().only("mysql.main").build().unwrap();
    good(run(&alone, Verb::Clear).await);
}

#[tokio::test]
async fn another_way_to_the_same_database_is_no_way_around() {
    let server = registry_dev::mysql().await.unwrap();
    let port = server.port();
    let mut session = root(&server).await;
    for (host, more, why) in [
        (
            "localhost",
            "protected = true",
            "`mysql.prod` leads to the same database, and it has `protected = true`",
        ),
        (
            "127.0.0.2",
            "protected = true",
            "`mysql.prod` leads to the same database",
        ),
    ] {
        execute(&mut session, "drop database if exists shop").await;
        let scene = filled(
            &server,
            &format!(
                "[mysql.prod]\nhost = \"{host}\"\nport = {port}\nusername = \"root\"\ndb = \"shop\"\n{more}\n"
            ),
        )
        .await;
        let alone = || scene.builder().only("mysql.main");
        holds(&server, alone, why).await;
        let mine = || alone().i_know_this_destroys("mysql.main");
        refused(&mine().build().unwrap(), Verb::Drop, why).await;
        good(
            run(
                &alone().i_know_this_destroys("mysql.prod").build().unwrap(),
                Verb::Clear,
            )
            .await,
        );
    }
    // A foreign database is somebody else's, by whatever name.
    execute(&mut session, "drop database if exists shop").await;
    let foreign = format!(
        "[mysql.foreign]\nhost = \"localhost\"\nport = {port}\nusername = \"root\"\ndb = \"SHOP\"\ntasks = false\n"
    );
    let scene = filled(&server, &foreign).await;
    let mine = || scene.builder().i_know_this_destroys("mysql.main");
    holds(
        &server,
        mine,
        "`mysql.foreign` leads to the same database, and it has `tasks = false`",
    )
    .await;
}

#[tokio::test]
async fn what_is_excluded_is_excluded_from_every_verb() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = filled(&server, "tasks = false\n[sqlite.local]\npath = \"$/app.db\"\n").await;
    for verb in Verb::ALL {
        let error = scene.builder().only("mysql.main").build().unwrap_err();
        assert!(error.to_string().contains("`tasks = false`"), "{verb}: {error}");
        let report = run(&scene.tasks(), verb).await;
        assert!(
            report
                .connections
                .iter()
                .all(|row| row.connection == "sqlite.local"),
            "{report}"
        );
        assert_eq!(report.excluded, ["mysql.main"]);
        assert!(
            report.to_string().contains("left out: `tasks = false`"),
            "{report}"
        );
        let named = run(&scene.builder().only("sqlite").build().unwrap(), verb).await;
        assert!(named.excluded.is_empty(), "{named}");
    }
    let on = scene
        .builder()
        .variable("DBREG_MYSQL__MAIN__TASKS", "true")
        .build()
        .unwrap();
    assert!(!run(&on, Verb::Drop).await.is_success());
    let off = Scene::mysql(&server, "shop")
        .builder()
        .variable("DBREG_MYSQL__MAIN__TASKS", "false")
        .build();
    assert!(
        off.unwrap_err()
            .to_string()
            .contains("every connection has `tasks = false`")
    );
    let mut session = root(&server).await;
    assert_eq!(number(&mut session, "select id from shop.a").await, 7);
}

#[tokio::test]
async fn a_file_of_sqlite_is_known_by_every_path_to_it() {
    let scene = Scene::sqlite();
    scene.migration(
        "sqlite.local",
        "1_a.sql",
        "create table a (id integer primary key)",
    );
    scene.run(Verb::Create).await;
    scene.run(Verb::Migrate).await;
    std::os::unix::fs::symlink(scene.path("app.db"), scene.path("link.db")).unwrap();
    std::fs::create_dir(scene.path("folder")).unwrap();
    for path in ["$/link.db", "$/hard.db", "$/folder/../app.db", "$/./app.db"] {
        let other = Scene::new(&format!(
            "[sqlite.other]\npath = \"{path}\"\n[sqlite.safe]\npath = \"$/app.db\"\nprotected = true\n"
        ));
        std::fs::rename(scene.path("app.db"), other.path("app.db")).unwrap();
        let _ = std::fs::create_dir(other.path("folder"));
        let _ = std::os::unix::fs::symlink(other.path("app.db"), other.path("link.db"));
        let _ = std::fs::hard_link(other.path("app.db"), other.path("hard.db"));
        let tasks = other.builder().only("sqlite.other").build().unwrap();
        for verb in DESTROYING {
            let report = run(&tasks, verb).await;
            assert!(is_refused(&report), "{path}: {report}");
        }
        std::fs::rename(other.path("app.db"), scene.path("app.db")).unwrap();
    }
    assert!(scene.path("app.db").exists());
}

#[tokio::test]
async fn a_server_is_known_by_its_socket_and_by_its_port() {
    let server = registry_dev::mysql().await.unwrap();
    let socket = server.socket().unwrap();
    let scene = Scene::mysql(&server, "shop").with(&format!(
        "[mysql.safe]\nsocket = \"{}\"\nusername = \"root\"\ndb = \"shop\"\ntasks = false\n",
        socket.display()
    ));
    let mut session = root(&server).await;
    execute(&mut session, "create database shop").await;
    execute(&mut session, "create table shop.a (id int primary key)").await;
    execute(&mut session, "insert into shop.a values (7)").await;
    let tasks = scene.builder().only("mysql.main").build().unwrap();
    for verb in DESTROYING {
        let report = run(&tasks, verb).await;
        assert!(is_refused(&report), "{report}");
        assert!(bad(&report).contains("mysql.safe"), "{report}");
    }
    assert_eq!(number(&mut session, "select id from shop.a").await, 7);
}
