//! A verb on several connections, of which one fails: what is told, and that it can be run again.

use crate::scene::{Scene, bad, execute, good, number, outcomes, root, run};
use dbreg::tasks::{Event, MigrateTo, Tasks, Verb};
use std::sync::Mutex;

#[tokio::test]
async fn one_that_fails_stops_neither_the_others_nor_the_next_attempt() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop").with(
        "[sqlite.local]\npath = \"$/app.db\"\n[mysql.away]\nhost = \"127.0.0.1\"\nport = 1\nusername = \"u\"\ndb = \"d\"\n",
    );
    for label in ["mysql.main", "sqlite.local"] {
        scene.migration(label, "1_a.sql", "create table a (id integer primary key)");
    }
    scene
        .fixture("mysql.main", "1-a.toml", "[[a]]\nid = 7\n")
        .fixture("sqlite.local", "1-a.toml", "[[b]]\nid = 7\n");
    let events: Mutex<Vec<String>> = Mutex::default();
    let report = scene
        .tasks()
        .run(Verb::Build, |event| {
            let line = match &event {
                Event::Began { step, .. } => format!("{} {step}", event.connection()),
                Event::Ended { step, outcome, .. } => {
                    format!("{} {step} {}", event.connection(), outcome.name())
                }
                Event::Progress { words, .. } => format!("{} {words}", event.connection()),
                _ => return,
            };
            events.lock().unwrap().push(line);
        })
        .await;
    let told = bad(&report);
    assert_eq!(outcomes(&report, "mysql.main"), ["done", "done", "done"]);
    assert_eq!(outcomes(&report, "sqlite.local"), ["done", "done", "failed"]);
    assert_eq!(
        outcomes(&report, "mysql.away"),
        ["failed", "not-begun", "not-begun"]
    );
    assert!(told.contains("dbreg: build of 1 of 3 connections"), "{told}");
    assert!(told.contains("there is no table `b`"), "{told}");
    assert!(told.contains("`create` failed before it"), "{told}");
    assert_eq!(report.exit_code(), 78, "one of them needs a person");
    let json = report.to_json();
    assert_eq!(json["connections"][0]["connection"], "mysql.main");
    assert_eq!(json["connections"][2]["steps"][2]["outcome"], "failed");
    assert_eq!(json["connections"][1]["steps"][0]["kind"], "unreachable");

    let events = events.into_inner().unwrap();
    let mine: Vec<_> = events
        .iter()
        .filter_map(|line| line.strip_prefix("sqlite.local "))
        .collect();
    assert_eq!(
        mine,
        [
            "create",
            "create done",
            "migrate",
            "applied 1 a",
            "migrate done",
            "fill",
            "fill failed"
        ]
    );
    assert!(!events.iter().any(|line| line.starts_with("mysql.away")));

    let mut session = root(&server).await;
    assert_eq!(number(&mut session, "select id from shop.a").await, 7);
    scene.fixture("sqlite.local", "1-a.toml", "[[a]]\nid = 7\n");
    let again = scene.builder().only("sqlite").build().unwrap();
    let report = good(run(&again, Verb::Build).await);
    assert_eq!(
        outcomes(&report, "sqlite.local"),
        ["unchanged", "unchanged", "done"]
    );

    // What is done is done, and the whole of it may be run again.
    let report = run(&scene.tasks(), Verb::Build).await;
    for label in ["mysql.main", "sqlite.local"] {
        assert_eq!(
            outcomes(&report, label),
            ["unchanged", "unchanged", "unchanged"],
            "{label}"
        );
    }
    assert_eq!(report.exit_code(), 69, "{report}");

    let away = scene.builder().only("mysql.away").build().unwrap();
    let report = run(&away, Verb::Migrate).await;
    assert_eq!(report.exit_code(), 69, "it passes by itself");
}

#[tokio::test]
async fn a_fill_goes_on_where_it_stopped_and_is_an_error_when_nothing_is_left() {
    let scene = Scene::new("[sqlite.one]\npath = \"$/one.db\"\n[sqlite.two]\npath = \"$/two.db\"\n");
    for label in ["sqlite.one", "sqlite.two"] {
        scene.migration(label, "1_a.sql", "create table a (id integer primary key)");
    }
    scene
        .fixture("sqlite.one", "1-a.toml", "[[a]]\nid = 7\n")
        .fixture("sqlite.two", "1-a.toml", "[[b]]\nid = 7\n");
    let report = run(&scene.tasks(), Verb::Build).await;
    assert_eq!(outcomes(&report, "sqlite.two"), ["done", "done", "failed"]);

    let report = run(&scene.tasks(), Verb::Fill).await;
    assert_eq!(outcomes(&report, "sqlite.one"), ["unchanged"], "{report}");
    assert_eq!(outcomes(&report, "sqlite.two"), ["failed"], "{report}");
    scene.fixture("sqlite.two", "1-a.toml", "[[a]]\nid = 7\n");
    let report = good(run(&scene.tasks(), Verb::Fill).await);
    assert_eq!(outcomes(&report, "sqlite.one"), ["unchanged"]);
    assert_eq!(outcomes(&report, "sqlite.two"), ["done"]);

    let ended: Mutex<Vec<&str>> = Mutex::default();
    let report = scene
        .tasks()
        .run(Verb::Fill, |event| {
            if let Event::Ended { outcome, .. } = event {
                ended.lock().unwrap().push(outcome.name());
            }
        })
        .await;
    assert!(bad(&report).contains("`1-a.toml` was filled 20"), "{report}");
    assert_eq!(report.exit_code(), 78);
    assert_eq!(ended.into_inner().unwrap(), ["failed", "failed"]);
    good(run(&scene.tasks(), Verb::Build).await);
}

#[tokio::test]
async fn connections_to_one_database_go_through_each_step_together() {
    let server = registry_dev::mysql().await.unwrap();
    let port = server.port();
    let scene = Scene::mysql(&server, "shop").with(&format!(
        "[mysql.second]\nhost = \"localhost\"\nport = {port}\nusername = \"root\"\ndb = \"shop\"\n"
    ));
    scene.migration("mysql.main", "1_a.sql", "create table a (id int primary key)");
    for label in ["mysql.main", "mysql.second"] {
        let id = label.len();
        scene.fixture(label, "1-a.toml", &format!("[[a]]\nid = {id}\n"));
    }
    let mut session = root(&server).await;
    for verb in [Verb::Build, Verb::Rebuild, Verb::Refill] {
        scene.run(verb).await;
        // Whoever came second neither dropped nor cleared what the first had written.
        assert_eq!(
            number(&mut session, "select count(*) from shop.a").await,
            2,
            "{verb}"
        );
    }
    scene.fixture("mysql.main", "1-a.toml", "[[missing]]\nid = 1\n");
    let report = run(&scene.tasks(), Verb::Refill).await;
    assert_eq!(outcomes(&report, "mysql.second"), ["done", "not-begun"]);
    assert!(
        bad(&report).contains("`fill` of mysql.main, which leads to the same database, failed before it")
    );
}

#[tokio::test]
async fn a_look_that_fails_keeps_every_verb_from_the_database_of_its_neighbours() {
    let server = registry_dev::mysql().await.unwrap();
    let port = server.port();
    let scene = Scene::mysql(&server, "shop");
    scene
        .migration("mysql.main", "1_a.up.sql", "create table a (id int primary key)")
        .migration("mysql.main", "1_a.down.sql", "drop table a")
        .fixture("mysql.main", "1-a.toml", "[[a]]\nid = 7\n");
    scene.run(Verb::Build).await;
    scene.fixture("mysql.main", "2-a.toml", "[[a]]\nid = 8\n");
    let scene = scene.with(&format!(
        "[mysql.second]\nhost = \"localhost\"\nport = {port}\nusername = \"root\"\ndb = \"shop\"\n"
    ));
    let mut session = root(&server).await;
    let holds = async |tasks: &Tasks, verb: Verb, session: &mut dbreg::sqlx::MySqlConnection| {
        let report = run(tasks, verb).await;
        let told = bad(&report);
        assert!(
            told.contains("the look at mysql.second failed before it"),
            "{verb}: {told}"
        );
        for outcome in outcomes(&report, "mysql.main") {
            assert_eq!(outcome, "not-begun", "{verb}: {told}");
        }
        assert_eq!(outcomes(&report, "mysql.second")[0], "failed", "{verb}: {told}");
        assert_eq!(
            number(session, "select sum(id) div 1 from shop.a").await,
            7,
            "{verb}"
        );
    };
    let stranger = || {
        scene
            .builder()
            .variable("DBREG_MYSQL__SECOND__USERNAME", "stranger")
    };
    for verb in [
        Verb::Create,
        Verb::Drop,
        Verb::Migrate,
        Verb::Fill,
        Verb::Clear,
        Verb::Purge,
        Verb::Build,
        Verb::Rebuild,
        Verb::Refill,
    ] {
        holds(&stranger().build().unwrap(), verb, &mut session).await;
    }
    let reverting = stranger().migrate_to(MigrateTo::RevertTo(0)).build().unwrap();
    holds(&reverting, Verb::Migrate, &mut session).await;
    // Not the server alone: a mistake in a file is one of the look, too.
    scene.fixture("mysql.second", "1-a.toml", "[[a]]\nid = { ref = \"a.nobody\" }\n");
    for verb in [Verb::Fill, Verb::Refill, Verb::Rebuild] {
        holds(&scene.tasks(), verb, &mut session).await;
    }
    // One that has the database to itself is not held up.
    let alone = stranger().only("mysql.main").build().unwrap();
    good(run(&alone, Verb::Fill).await);
    assert_eq!(number(&mut session, "select sum(id) div 1 from shop.a").await, 15);
}

/// Gives a verb so many chances to go on, and then drops it.
async fn dropped_after(tasks: &Tasks, verb: Verb, polls: u32) {
    let running = tasks.run(verb, |_| {});
    let mut running = std::pin::pin!(running);
    for _ in 0..polls {
        if futures_util::poll!(running.as_mut()).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn dropped_at_any_moment_it_can_be_run_again() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    execute(
        &mut session,
        "create database shop; create table shop.a (id int primary key)",
    )
    .await;
    let scene = Scene::mysql(&server, "shop").with("[sqlite.local]\npath = \"$/app.db\"\n");
    scene.migration(
        "sqlite.local",
        "1_a.sql",
        "create table a (id integer primary key)",
    );
    for label in ["mysql.main", "sqlite.local"] {
        for n in 2..6 {
            // No changes of structure: MySQL could not roll them back.
            scene.migration(
                label,
                &format!("{n}_row.sql"),
                &format!("insert into a values ({n})"),
            );
        }
        scene.fixture(label, "1-a.toml", "[[a]]\nid = 11\n[[a]]\nid = 12\n");
        scene.fixture(label, "2-a.toml", "[[a]]\nid = 13\n");
    }
    scene.run(Verb::Create).await;
    for polls in (0..12).map(|power| 1 << power) {
        dropped_after(&scene.tasks(), Verb::Migrate, polls).await;
        dropped_after(&scene.tasks(), Verb::Fill, polls).await;
    }
    scene.run(Verb::Migrate).await;
    // Those that were not dropped may have filled everything.
    let replacing = scene.builder().replace(true).build().unwrap();
    good(run(&replacing, Verb::Fill).await);
    assert_eq!(number(&mut session, "select count(*) from shop.a").await, 7);
    assert_eq!(
        number(
            &mut session,
            "select count(*) from shop._sqlx_migrations where success"
        )
        .await,
        4
    );
    let count: i64 = dbreg::sqlx::query_scalar("select count(*) from a")
        .fetch_one(&mut scene.look().await)
        .await
        .unwrap();
    assert_eq!(count, 7);
}
