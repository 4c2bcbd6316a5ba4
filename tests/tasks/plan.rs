//! The dry run: what it says against what the verb then does.

use crate::scene::{Scene, bad, execute, good, number, root, run};
use dbreg::sqlx;
use dbreg::tasks::{MigrateTo, Obstacle, Plan, PlannedRow, Verb};

#[tokio::test]
async fn a_plan_says_what_would_happen_and_changes_nothing() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop")
        .with("[mysql.away]\nhost = \"127.0.0.1\"\nport = 1\nusername = \"u\"\ndb = \"d\"\n[mysql.foreign]\nhost = \"127.0.0.1\"\ndb = \"f\"\ntasks = false\n");
    scene
        .migration("mysql.main", "1_a.sql", "create table a (id int primary key)")
        .migration("mysql.main", "2_b.sql", "create table b (id int primary key)")
        .fixture("mysql.main", "1-a.toml", "[[a]]\nid = 7\n");
    let plan = scene.tasks().plan(Verb::Build).await;
    let details: Vec<_> = plan.connections[0]
        .steps
        .iter()
        .flat_map(|step| step.details.clone())
        .collect();
    let target = format!("127.0.0.1:{}/shop", server.port());
    assert_eq!(
        details,
        [
            &format!("create {target}"),
            "apply 1 a",
            "apply 2 b",
            "fill 1-a.toml: 1 row"
        ]
    );
    assert_eq!(plan.excluded, ["mysql.foreign"]);
    assert_eq!((plan.is_clear(), plan.exit_code()), (false, 69), "{plan}");
    assert_eq!(
        plan.to_json()["connections"][1]["obstacle"]["kind"],
        "unreachable"
    );
    let mut session = root(&server).await;
    let count = "select count(*) from information_schema.schemata where schema_name = 'shop'";
    assert_eq!(number(&mut session, count).await, 0);

    let main = scene.builder().only("mysql.main").build().unwrap();
    good(run(&main, Verb::Build).await);
    scene.migration("mysql.main", "3_c.sql", "create table c (id int primary key)");
    let plan = main.plan(Verb::Migrate).await;
    assert_eq!(plan.connections[0].steps[0].details, ["apply 3 c"]);
    let plan = main.plan(Verb::Create).await;
    assert!(plan.connections[0].steps[0].details.is_empty(), "{plan}");
    let plan = main.plan(Verb::Rebuild).await;
    assert_eq!(
        plan.connections[0].steps[2].details,
        ["apply 1 a", "apply 2 b", "apply 3 c"]
    );
    assert!(plan.is_clear(), "{plan}");
    assert_eq!(number(&mut session, "select count(*) from shop.a").await, 1);

    scene.migration("mysql.main", "1_a.sql", "create table a (id bigint primary key)");
    let plan = main.plan(Verb::Migrate).await;
    assert_eq!(plan.exit_code(), 78);
    assert!(
        plan.to_string()
            .contains("the migration 1 a is applied, and its file was changed since"),
        "{plan}"
    );
}

#[tokio::test]
async fn a_plan_knows_what_was_filled() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop").with("[sqlite.local]\npath = \"$/app.db\"\n");
    for label in ["mysql.main", "sqlite.local"] {
        scene
            .migration(label, "1_a.sql", "create table a (id int primary key)")
            .fixture(label, "1-a.toml", "[[a]]\nid = 7\n")
            .fixture(label, "2-a.sql", "insert into a values (8)");
    }
    let parts = |plan: &Plan| -> Vec<Vec<String>> {
        let last = plan.connections.iter().map(|row| row.steps.last().unwrap());
        last.map(|step| step.details.clone()).collect()
    };
    let planned = async |replace: bool, verb: Verb| {
        let tasks = scene.builder().replace(replace).build().unwrap();
        tasks.plan(verb).await
    };
    let all = ["fill 1-a.toml: 1 row", "fill 2-a.sql"];
    // Without a database, which `build` makes before, and without a record in it.
    assert_eq!(parts(&planned(false, Verb::Build).await), [all, all]);
    for verb in [Verb::Fill, Verb::Migrate] {
        let plan = planned(false, verb).await;
        assert_eq!(plan.exit_code(), 78, "{plan}");
        let told = plan.to_string();
        assert_eq!(told.matches("`dbreg create` makes it").count(), 2, "{told}");
        let failed = bad(&run(&scene.tasks(), verb).await);
        assert_eq!(failed.matches("`dbreg create` makes it").count(), 2, "{failed}");
    }
    scene.run(Verb::Create).await;
    scene.run(Verb::Migrate).await;
    assert_eq!(parts(&planned(false, Verb::Fill).await), [all, all]);
    let mut session = root(&server).await;
    let records = "select count(*) from information_schema.tables where table_name = '_dbreg_fixtures'";
    assert_eq!(number(&mut session, records).await, 0, "a plan makes nothing");
    let records = sqlx::query_scalar("select count(*) from sqlite_master where name = '_dbreg_fixtures'");
    let records: i64 = records.fetch_one(&mut scene.look().await).await.unwrap();
    assert_eq!(records, 0, "a plan makes nothing");

    // One that is filled, and one that is not.
    let main = scene.builder().only("mysql.main").build().unwrap();
    good(run(&main, Verb::Fill).await);
    let plan = planned(false, Verb::Fill).await;
    assert!(plan.is_clear(), "{plan}");
    assert!(plan.to_string().contains("leave 1-a.toml"), "{plan}");
    assert_eq!(parts(&plan)[1], all);
    good(run(&scene.tasks(), Verb::Fill).await);
    let plan = planned(false, Verb::Build).await;
    assert!(plan.is_clear(), "{plan}");
    for details in parts(&plan) {
        assert!(details[0].starts_with("leave 1-a.toml: filled 20"), "{details:?}");
        assert!(details[1].starts_with("leave 2-a.sql: filled 20"), "{details:?}");
    }
    let plan = planned(false, Verb::Fill).await;
    assert_eq!(plan.exit_code(), 78, "as the verb itself: {plan}");
    assert!(
        plan.to_string().contains("write `--replace` to fill them again"),
        "{plan}"
    );
    for details in parts(&planned(true, Verb::Fill).await) {
        assert_eq!(details[0], "replace 1-a.toml: 1 row");
        assert!(details[1].starts_with("leave 2-a.sql: filled 20"), "{details:?}");
    }
    for verb in [Verb::Refill, Verb::Rebuild] {
        assert_eq!(parts(&planned(false, verb).await), [all, all], "{verb}");
    }
    for label in ["mysql.main", "sqlite.local"] {
        scene.fixture(label, "1-a.toml", "[[a]]\nid = 7\n[[a]]\nid = 9\n");
    }
    // What the verb would stop at stands in the way of the plan, too.
    let plan = planned(false, Verb::Fill).await;
    assert_eq!(plan.exit_code(), 78);
    assert!(plan.to_string().contains("was changed since"), "{plan}");
    let Some(Obstacle::Failed(error)) = &plan.connections[0].obstacle else {
        panic!("{plan}")
    };
    assert_eq!((error.connection(), error.operation()), ("mysql.main", "fill"));
    assert!(plan.connections[0].steps.is_empty(), "{plan}");
    // The first of two is the one that it would stop at.
    let applied = "create table a (id int primary key)";
    scene.migration("mysql.main", "1_a.sql", &format!("{applied};"));
    let plan = planned(false, Verb::Build).await;
    let Some(Obstacle::Failed(error)) = &plan.connections[0].obstacle else {
        panic!("{plan}")
    };
    assert_eq!(error.operation(), "migrate", "{error}");
    scene.migration("mysql.main", "1_a.sql", applied);
    for details in parts(&planned(true, Verb::Fill).await) {
        assert_eq!(details[0], "replace 1-a.toml: 2 rows");
    }
    scene.fixture("mysql.main", "2-a.sql", "insert into a values (10)");
    let plan = planned(true, Verb::Fill).await;
    assert_eq!(plan.exit_code(), 78);
    let told = plan.to_string();
    assert!(
        told.contains("2-a.sql: it is a script that was changed since") && told.contains("`rebuild`"),
        "{told}"
    );
    let replacing = scene.builder().replace(true).build().unwrap();
    assert!(
        bad(&run(&replacing, Verb::Fill).await).contains("2-a.sql: it is a script that was changed since")
    );
    assert_eq!(
        number(&mut session, "select count(*) from shop.a where id = 10").await,
        0
    );
    // One that broke off, or that somebody runs now.
    let begun = "update shop._dbreg_fixtures set filled_rows = '\"begun\"' where file = 'mysql.main/2-a.sql'";
    execute(&mut session, begun).await;
    let plan = planned(true, Verb::Fill).await;
    assert!(plan.to_string().contains("2-a.sql: it was begun 20"), "{plan}");
}

#[tokio::test]
async fn a_plan_is_in_vain_where_the_fill_is() {
    let scene = Scene::new("[sqlite.one]\npath = \"$/one.db\"\n[sqlite.none]\npath = \"$/none.db\"\n")
        .with("[sqlite.memory]\npath = \":memory:\"\n");
    for label in ["sqlite.one", "sqlite.memory"] {
        scene.migration(label, "1_a.sql", "create table a (id integer primary key)");
        scene.fixture(label, "1-a.sql", "insert into a values (7)");
    }
    good(run(&scene.tasks(), Verb::Build).await);
    // Beside one without fixtures, and one that has no place for them.
    let plan = scene.tasks().plan(Verb::Fill).await;
    assert_eq!(plan.exit_code(), 78, "{plan}");
    let in_the_way = |row: &PlannedRow| row.obstacle.is_some();
    assert_eq!(
        plan.connections.iter().filter(|row| in_the_way(row)).count(),
        1,
        "{plan}"
    );
    assert_eq!(
        bad(&run(&scene.tasks(), Verb::Fill).await)
            .matches("FAIL")
            .count(),
        1
    );
    // Nothing is there to replace, and that is no error.
    let replacing = scene.builder().replace(true).build().unwrap();
    let plan = replacing.plan(Verb::Fill).await;
    assert!(plan.is_clear(), "{plan}");
    good(run(&replacing, Verb::Fill).await);
}

#[tokio::test]
async fn a_fixture_that_no_run_would_fill_stands_in_the_way() {
    let scene = Scene::sqlite();
    scene.fixture(
        "sqlite.local",
        "1-mark.toml",
        "[[_dbreg_metadata]]\nname = \"x\"\nvalue = \"y\"\n",
    );
    let plan = scene.tasks().plan(Verb::Build).await;
    assert_eq!(plan.exit_code(), 78, "{plan}");
    assert!(plan.to_string().contains("belongs to dbreg"), "{plan}");
    assert!(!scene.path("app.db").exists());
    assert!(scene.fail(Verb::Build).await.contains("belongs to dbreg"));
}

#[tokio::test]
async fn what_cannot_be_reverted_is_told_by_the_plan_as_by_the_verb() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop");
    scene
        .migration("mysql.main", "1_a.up.sql", "create table a (id int primary key)")
        .migration("mysql.main", "1_a.down.sql", "drop table a")
        .migration("mysql.main", "2_b.sql", "create table b (id int primary key)");
    good(run(&scene.tasks(), Verb::Build).await);
    for to in [MigrateTo::RevertOne, MigrateTo::RevertTo(0)] {
        let tasks = scene.builder().migrate_to(to).build().unwrap();
        let plan = tasks.plan(Verb::Migrate).await;
        let told = "the migration 2 b cannot be reverted: it has no `.down` file";
        assert!(plan.to_string().contains(told), "{plan}");
        assert_eq!(plan.exit_code(), 78);
        let told = bad(&run(&tasks, Verb::Migrate).await);
        assert!(
            told.contains("cannot be reverted: it has no `.down` file"),
            "{told}"
        );
    }
    for (to, told) in [
        (MigrateTo::RevertTo(7), "has the version 7"),
        (MigrateTo::Version(7), "has the version 7"),
        (MigrateTo::Version(1), "at version 2, which is above 1"),
    ] {
        let tasks = scene.builder().migrate_to(to).build().unwrap();
        let plan = tasks.plan(Verb::Migrate).await;
        assert!(plan.to_string().contains(told), "{plan}");
        let report = run(&tasks, Verb::Migrate).await;
        assert!(bad(&report).contains(told), "{report}");
        assert_eq!(plan.exit_code(), report.exit_code());
    }
}
