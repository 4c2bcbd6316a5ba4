//! Migrations: up, down, to a version, two at once, and what is said when something is wrong.

use crate::scene::{Scene, bad, execute, good, number, root, run, words};
use dbreg::sqlx;
use dbreg::tasks::{MigrateTo, Tasks, Verb};

const LABELS: [&str; 2] = ["mysql.main", "sqlite.local"];

/// Three migrations, the first two of which can be reverted, on each of the two backends.
fn three(scene: &Scene) {
    for label in LABELS {
        scene
            .migration(
                label,
                "1_users.up.sql",
                "create table users (id integer primary key)",
            )
            .migration(label, "1_users.down.sql", "drop table users")
            .migration(
                label,
                "2_orders.up.sql",
                "create table orders (id integer primary key)",
            )
            .migration(label, "2_orders.down.sql", "drop table orders")
            .migration(label, "10_last.sql", "create table last (id integer primary key)");
    }
}

async fn status(tasks: &Tasks, label: &str) -> Vec<String> {
    let all = tasks.migration_status().await;
    let (_, found) = all.into_iter().find(|(name, _)| name == label).unwrap();
    let line = |one: &dbreg::tasks::MigrationStatus| {
        let state = one.state.to_string();
        let state = if state.starts_with("applied 2") {
            "applied at some time"
        } else {
            &state
        };
        format!("{} {}: {state}", one.version, one.name)
    };
    found.unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn goes_up_and_down_and_says_where_it_is() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop").with("[sqlite.local]\npath = \"$/app.db\"\n");
    three(&scene);
    let pending = ["1 users: pending", "2 orders: pending", "10 last: pending"];
    for label in LABELS {
        assert_eq!(
            status(&scene.tasks(), label).await,
            pending,
            "before the database is there"
        );
    }
    scene.run(Verb::Create).await;
    let to = |to| scene.builder().migrate_to(to).build().unwrap();
    let report = good(run(&to(MigrateTo::Version(2)), Verb::Migrate).await);
    for row in &report.connections {
        assert_eq!(row.steps[0].outcome.words(), "applied 2 migrations, at version 2");
        assert_eq!(row.steps[0].details, ["applied 1 users", "applied 2 orders"]);
    }
    for label in LABELS {
        assert_eq!(
            status(&scene.tasks(), label).await,
            [
                "1 users: applied at some time",
                "2 orders: applied at some time",
                "10 last: pending"
            ]
        );
    }
    assert_eq!(
        words(&scene.run(Verb::Migrate).await),
        "applied 1 migration, at version 10"
    );
    assert_eq!(words(&scene.run(Verb::Migrate).await), "at version 10 already");
    let mut session = root(&server).await;
    assert_eq!(number(&mut session, "select count(*) from shop.last").await, 0);

    let told = bad(&run(&to(MigrateTo::Version(2)), Verb::Migrate).await);
    assert!(
        told.contains("at version 10, which is above 2; write `--revert --to 2`"),
        "{told}"
    );
    let told = bad(&run(&to(MigrateTo::RevertOne), Verb::Migrate).await);
    assert!(
        told.contains("10 last cannot be reverted: it has no `.down` file"),
        "{told}"
    );
    let told = bad(&run(&to(MigrateTo::RevertTo(1)), Verb::Migrate).await);
    assert!(told.contains("10 last cannot be reverted"), "{told}");
    assert_eq!(
        number(&mut session, "select count(*) from shop.orders").await,
        0,
        "none was reverted"
    );
    let told = bad(&run(&to(MigrateTo::RevertTo(3)), Verb::Migrate).await);
    assert!(told.contains("has the version 3; the last one is 10"), "{told}");
}

#[tokio::test]
async fn reverts_the_last_one_or_all_above_a_version() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop").with("[sqlite.local]\npath = \"$/app.db\"\n");
    three(&scene);
    scene.run(Verb::Create).await;
    let to = |to| scene.builder().migrate_to(to).build().unwrap();
    good(run(&to(MigrateTo::Version(2)), Verb::Migrate).await);
    let report = good(run(&to(MigrateTo::RevertOne), Verb::Migrate).await);
    assert_eq!(words(&report), "reverted 1 migration, at version 1");
    assert_eq!(report.connections[0].steps[0].step.name(), "revert");
    let mut session = root(&server).await;
    let left = "select group_concat(table_name order by binary table_name) from information_schema.tables \
        where table_schema = 'shop'";
    let tables: String = sqlx::query_scalar(left).fetch_one(&mut session).await.unwrap();
    assert_eq!(tables, "_dbreg_metadata,_sqlx_migrations,users");
    good(run(&to(MigrateTo::Version(2)), Verb::Migrate).await);
    let report = good(run(&to(MigrateTo::RevertTo(0)), Verb::Migrate).await);
    assert_eq!(
        report.connections[1].steps[0].details,
        ["reverted 2 orders", "reverted 1 users"]
    );
    let report = good(run(&to(MigrateTo::RevertTo(0)), Verb::Migrate).await);
    assert_eq!(words(&report), "nothing to revert");
    let tables: i64 =
        sqlx::query_scalar("select count(*) from sqlite_master where name in ('users', 'orders')")
            .fetch_one(&mut scene.look().await)
            .await
            .unwrap();
    assert_eq!(tables, 0);
}

#[tokio::test]
async fn two_at_once_apply_each_migration_once() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop").with("[sqlite.local]\npath = \"$/app.db\"\n");
    for label in LABELS {
        scene.migration(label, "1_count.sql", "create table counts (n integer)");
        for n in 2..12 {
            scene.migration(label, &format!("{n}_one.sql"), "insert into counts values (1)");
        }
    }
    scene.run(Verb::Create).await;
    let all: Vec<Tasks> = (0..6).map(|_| scene.tasks()).collect();
    let runs = all.iter().map(|tasks| run(tasks, Verb::Migrate));
    let reports = futures_util::future::join_all(runs).await;
    for label in LABELS {
        let applied: usize = reports
            .iter()
            .map(|report| {
                assert!(report.is_success(), "{report}");
                let row = report
                    .connections
                    .iter()
                    .find(|row| row.connection == label)
                    .unwrap();
                row.steps[0].details.len()
            })
            .sum();
        assert_eq!(applied, 11, "{label}");
    }
    let mut session = root(&server).await;
    assert_eq!(number(&mut session, "select count(*) from shop.counts").await, 10);
    let count: i64 = sqlx::query_scalar("select count(*) from counts")
        .fetch_one(&mut scene.look().await)
        .await
        .unwrap();
    assert_eq!(count, 10);
}

#[tokio::test]
async fn waits_for_whoever_has_the_lock_of_sqlx_no_longer_than_it_may() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop");
    scene.migration("mysql.main", "1_a.sql", "create table a (id integer primary key)");
    scene.run(Verb::Create).await;
    let mut theirs = root(&server).await;
    // The name that sqlx makes of `shop`. Its own way to the lock gets none from MariaDB.
    assert_eq!(
        number(&mut theirs, "select get_lock('293775f3d108c5fc', 60)").await,
        1
    );
    let short = scene
        .builder()
        .step_deadline(std::time::Duration::from_millis(300));
    let report = run(&short.build().unwrap(), Verb::Migrate).await;
    let told = bad(&report);
    assert!(told.contains("not done within 300ms"), "{told}");
    assert_eq!(report.exit_code(), 69);
    let tasks = scene.tasks();
    let waiting = tokio::spawn(async move { run(&tasks, Verb::Migrate).await });
    let mut looking = root(&server).await;
    let waits = "select count(*) from information_schema.processlist where info like '%get_lock%' and id <> connection_id()";
    tokio::time::timeout(std::time::Duration::from_secs(60), async {
        while number(&mut looking, waits).await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(
        number(&mut theirs, "select release_lock('293775f3d108c5fc')").await,
        1
    );
    assert_eq!(
        words(&good(waiting.await.unwrap())),
        "applied 1 migration, at version 1"
    );
}

#[tokio::test]
async fn a_migration_that_fails_leaves_what_was_applied_before_it() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop").with("[sqlite.local]\npath = \"$/app.db\"\n");
    for label in LABELS {
        scene
            .migration(label, "1_good.sql", "create table good (id integer primary key)")
            .migration(
                label,
                "2_bad.sql",
                "insert into good values (1); insert into missing values (1)",
            );
    }
    scene.run(Verb::Create).await;
    let report = run(&scene.tasks(), Verb::Migrate).await;
    let told = bad(&report);
    assert_eq!(report.exit_code(), 78, "no waiting mends it");
    assert_eq!(told.matches("2_bad.sql: ").count(), 2, "{told}");
    assert_eq!(told.matches("before that: applied 1 good").count(), 2, "{told}");
    let mut session = root(&server).await;
    assert_eq!(
        number(&mut session, "select count(*) from shop.good").await,
        0,
        "rolled back"
    );
    for label in LABELS {
        scene.migration(label, "2_bad.sql", "insert into good values (1)");
    }
    assert_eq!(
        words(&scene.run(Verb::Migrate).await),
        "applied 1 migration, at version 2"
    );
    assert_eq!(number(&mut session, "select count(*) from shop.good").await, 1);
}

#[tokio::test]
async fn what_is_half_applied_changed_or_missing_says_what_to_do() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop");
    let label = "mysql.main";
    scene.migration(
        label,
        "1_half.sql",
        "create table half (id int); insert into missing values (1)",
    );
    scene.run(Verb::Create).await;
    scene.fail(Verb::Migrate).await;
    let told = scene.fail(Verb::Migrate).await;
    assert!(
        told.contains("1_half.sql: the migration 1 is half applied"),
        "{told}"
    );
    assert!(
        told.contains("`delete from _sqlx_migrations where version = 1`"),
        "{told}"
    );
    assert_eq!(status(&scene.tasks(), label).await, ["1 half: half applied"]);
    // As it says.
    let mut session = root(&server).await;
    execute(
        &mut session,
        "drop table shop.half; delete from shop._sqlx_migrations where version = 1",
    )
    .await;
    scene.migration(label, "1_half.sql", "create table half (id int)");
    scene.run(Verb::Migrate).await;

    scene.migration(label, "1_half.sql", "create table half (id bigint)");
    let told = scene.fail(Verb::Migrate).await;
    assert!(
        told.contains("the migration 1 was changed after it was applied"),
        "{told}"
    );
    assert!(told.contains("put the file back as it was"), "{told}");
    assert_eq!(
        status(&scene.tasks(), label).await,
        ["1 half: applied, and its file was changed since"]
    );

    std::fs::rename(
        scene.path("migrations/mysql.main/1_half.sql"),
        scene.path("2_half.sql"),
    )
    .unwrap();
    scene.migration(label, "2_more.sql", "create table more (id int)");
    let told = scene.fail(Verb::Migrate).await;
    assert!(
        told.contains("the migration 1 was applied, and no file of the folder has this version"),
        "{told}"
    );
    assert_eq!(
        status(&scene.tasks(), label).await,
        ["1 half: applied, and its file is gone", "2 more: pending"]
    );
}

#[tokio::test]
async fn is_one_with_what_sqlx_itself_has_applied() {
    let scene = Scene::sqlite();
    scene.migration(
        "sqlite.local",
        "1_a_table.sql",
        "create table a (id integer primary key)",
    );
    scene.run(Verb::Create).await;
    let theirs = sqlx::migrate::Migrator::new(scene.path("migrations/sqlite.local"))
        .await
        .unwrap();
    theirs.run(&mut scene.look().await).await.unwrap();
    assert_eq!(words(&scene.run(Verb::Migrate).await), "at version 1 already");
    scene.migration(
        "sqlite.local",
        "2_b.sql",
        "create table b (id integer primary key)",
    );
    scene.run(Verb::Migrate).await;
    let theirs = sqlx::migrate::Migrator::new(scene.path("migrations/sqlite.local"))
        .await
        .unwrap();
    theirs.run(&mut scene.look().await).await.unwrap();
    let names: Vec<String> = sqlx::query_scalar("select description from _sqlx_migrations order by version")
        .fetch_all(&mut scene.look().await)
        .await
        .unwrap();
    assert_eq!(names, ["a table", "b"]);
}

#[tokio::test]
async fn mistakes_of_the_folder_are_told_before_anything_is_done() {
    let scene = Scene::sqlite();
    scene
        .migration("sqlite.local", "1_a.sql", "create table a (id integer)")
        .migration("sqlite.local", "b.sql", "create table b (id integer)")
        .migration("sqlite.local", "01_c.sql", "create table c (id integer)");
    let told = scene.fail(Verb::Build).await;
    assert!(told.contains("b.sql: expected the name"), "{told}");
    assert!(told.contains("the version 1 stands in"), "{told}");
    assert!(!scene.path("app.db").exists());
    let scene = Scene::sqlite();
    scene.migration("sqlite.locale", "1_a.sql", "create table a (id integer)");
    let error = scene.builder().build().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("belongs to no connection\nhelp: did you mean `sqlite.local`?"),
        "{error}"
    );
}

#[tokio::test]
async fn a_second_connection_to_the_database_has_none_of_the_migrations_of_the_first() {
    let scene = Scene::sqlite().with("[sqlite.again]\npath = \"$/app.db\"\n");
    scene.migration(
        "sqlite.local",
        "1_a.sql",
        "create table a (id integer primary key)",
    );
    scene.run(Verb::Build).await;
    assert_eq!(
        status(&scene.tasks(), "sqlite.local").await,
        ["1 a: applied at some time"]
    );
    assert!(status(&scene.tasks(), "sqlite.again").await.is_empty());
    let plan = scene.tasks().plan(Verb::Migrate).await;
    assert!(plan.is_clear(), "{plan}");
    scene.run(Verb::Migrate).await;
    // Where neither has any, they are lost.
    std::fs::remove_dir_all(scene.path("migrations")).unwrap();
    for label in ["sqlite.local", "sqlite.again"] {
        let found = status(&scene.tasks(), label).await;
        assert_eq!(found, ["1 a: applied, and its file is gone"]);
    }
}

#[tokio::test]
async fn a_migration_without_a_transaction_says_that_the_first_half_of_it_stays() {
    let scene = Scene::sqlite();
    let text = "-- no-transaction\ncreate table a (i int);\ninsert into nope values (1);\n";
    scene.migration("sqlite.local", "1_a.sql", text);
    scene.run(Verb::Create).await;
    let told = scene.fail(Verb::Migrate).await;
    assert!(told.contains("no such table: nope"), "{told}");
    assert!(
        told.contains("without a transaction") && told.contains("undo that by hand"),
        "{told}"
    );
    // It is `dbreg migrate` that failed.
    scene.migration("sqlite.local", "1_a.sql", "insert into nope values (1);\n");
    let told = scene.fail(Verb::Migrate).await;
    assert!(told.contains("no such table: nope"), "{told}");
    assert!(
        !told.contains("without a transaction") && !told.contains("dbreg migrate"),
        "{told}"
    );
}

#[tokio::test]
async fn the_byte_order_mark_of_an_editor_is_no_part_of_a_migration() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop");
    let file = "\u{feff}create table a (id int primary key)";
    scene.migration("mysql.main", "1_a.sql", file);
    scene.run(Verb::Build).await;
    scene.run(Verb::Migrate).await;
    // The checksum is that of the file, for sqlx's own command line.
    let folder = scene.path("migrations/mysql.main");
    let migrator = sqlx::migrate::Migrator::new(folder).await.unwrap();
    let checksum = migrator.iter().next().unwrap().checksum.to_vec();
    let mut session = root(&server).await;
    let found: Vec<u8> = sqlx::query_scalar("select checksum from shop._sqlx_migrations")
        .fetch_one(&mut session)
        .await
        .unwrap();
    assert_eq!(found, checksum);
}

/// A deployment that forgot to bring its migrations along is told so.
#[tokio::test]
async fn a_folder_that_is_lost_is_no_success() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop");
    scene.write(
        "migrations/mysql.main/1_a.sql",
        "create table a (id int primary key)",
    );
    good(run(&scene.tasks(), Verb::Build).await);
    std::fs::remove_file(scene.path("migrations/mysql.main/1_a.sql")).unwrap();
    for verb in [Verb::Migrate, Verb::Build] {
        let told = bad(&run(&scene.tasks(), verb).await);
        let expected = "migration 1 was applied, and no file of the folder has this version";
        assert!(told.contains(expected), "{verb}: {told}");
        let plan = scene.tasks().plan(verb).await;
        assert_eq!(plan.exit_code(), 78, "{plan}");
    }
    good(run(&scene.tasks(), Verb::Rebuild).await);
    let text = words(&good(run(&scene.tasks(), Verb::Migrate).await));
    assert!(text.contains("nothing to migrate"), "{text}");
}
