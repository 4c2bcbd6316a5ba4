//! MySQL: scripts of fixtures, which may end the transaction that records them.

use crate::scene::{Scene, bad, execute, number, root, run, text};
use dbreg::tasks::Verb;
use registry_dev::MySqlServer;

/// A database with an empty table `a`.
async fn with_table(server: &MySqlServer) -> Scene {
    let scene = Scene::mysql(server, "shop");
    scene.migration("mysql.main", "1_a.sql", "create table a (id int)");
    scene.run(Verb::Create).await;
    scene.run(Verb::Migrate).await;
    scene
}

#[tokio::test]
async fn a_script_that_ended_its_transaction_and_broke_off_is_not_run_again() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    let scene = with_table(&server).await;
    // Without a change of structure all of it is rolled back, and it can be mended.
    let broken = "insert into a values (1); insert into missing values (1)";
    scene.fixture("mysql.main", "10-a.sql", broken);
    let told = scene.fail(Verb::Fill).await;
    assert!(told.contains("missing") && !told.contains("broke off"), "{told}");
    assert_eq!(number(&mut session, "select count(*) from shop.a").await, 0);
    assert_eq!(
        number(&mut session, "select count(*) from shop._dbreg_fixtures").await,
        0
    );
    let broken = "insert into a values (1); create table b (id int); insert into a values (2); \
        insert into missing values (1)";
    scene.fixture("mysql.main", "10-a.sql", broken);
    let told = scene.fail(Verb::Fill).await;
    assert!(told.contains("missing") && told.contains("broke off"), "{told}");
    let mended = "insert into a values (1); create table if not exists b (id int); insert into a values (2)";
    scene.fixture("mysql.main", "10-a.sql", mended);
    scene.fixture("mysql.main", "20-a.toml", "[[a]]\nid = 3\n");
    for replace in [false, true] {
        let tasks = scene.builder().replace(replace).build().unwrap();
        let told = bad(&run(&tasks, Verb::Fill).await);
        assert!(
            told.contains("it was begun") && told.contains("broke off"),
            "{told}"
        );
        let by_hand = "`delete from _dbreg_fixtures where file = 'mysql.main/10-a.sql'`";
        assert!(told.contains("`rebuild`") && told.contains("`refill`"), "{told}");
        assert!(told.contains(by_hand), "{told}");
        assert_eq!(number(&mut session, "select count(*) from shop.a").await, 2);
    }
    // As it says: with the database anew, or, for it makes its table only where there is none, with what is there.
    let begun = "insert into shop._dbreg_fixtures select 'mysql.main/10-a.sql', '', '', '\"begun\"'";
    for verb in [Verb::Refill, Verb::Rebuild] {
        scene.run(verb).await;
        let whole = "select count(*) from shop._dbreg_fixtures where filled_rows = '[]'";
        assert_eq!(number(&mut session, whole).await, 1, "{verb}");
        assert_eq!(
            number(&mut session, "select count(*) from shop.a").await,
            3,
            "{verb}"
        );
        let forget = "delete from shop._dbreg_fixtures where file = 'mysql.main/10-a.sql'; delete from shop.a where id < 3";
        execute(&mut session, forget).await;
        execute(&mut session, begun).await;
        let told = scene.fail(Verb::Fill).await;
        assert!(told.contains("it was begun"), "{told}");
    }
    // As it says: undone by hand.
    execute(
        &mut session,
        "delete from shop.a where id < 3; delete from shop._dbreg_fixtures where file = 'mysql.main/10-a.sql'",
    )
    .await;
    scene.run(Verb::Fill).await;
    assert_eq!(number(&mut session, "select count(*) from shop.a").await, 3);
    scene.run(Verb::Refill).await;
    assert_eq!(number(&mut session, "select count(*) from shop.a").await, 3);
}

#[tokio::test]
async fn a_script_with_a_transaction_of_its_own_is_refused_before_it_begins() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    let scene = with_table(&server).await;
    for (opening, word) in [
        ("start transaction", "start transaction"),
        (
            "-- An export.\nset sql_mode = '';\nSTART TRANSACTION",
            "start transaction",
        ),
        ("/* a */ begin", "begin"),
    ] {
        let script = format!("{opening}; insert into a values (1); insert into missing values (1); commit");
        scene.fixture("mysql.main", "10-a.sql", &script);
        let told = scene.fail(Verb::Fill).await;
        assert!(
            told.contains(&format!("expected statements alone, found `{word}`")),
            "{told}"
        );
        assert!(told.contains("leave out `begin` and `commit`"), "{told}");
        assert_eq!(
            number(&mut session, "select count(*) from shop._dbreg_fixtures").await,
            0
        );
        assert_eq!(number(&mut session, "select count(*) from shop.a").await, 0);
    }
    let mended = "set @transaction = 'begin'; insert into a values (1)";
    scene.fixture("mysql.main", "10-a.sql", mended);
    scene.run(Verb::Fill).await;
    assert_eq!(number(&mut session, "select count(*) from shop.a").await, 1);
}

#[tokio::test]
async fn what_a_script_does_in_another_database_is_recorded_in_its_own() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    execute(
        &mut session,
        "create database other; create table other.a (id int); \
            create table other._dbreg_fixtures (file varchar(400) not null primary key, \
                checksum varchar(64) not null, filled_at varchar(40) not null, filled_rows longtext not null)",
    )
    .await;
    // A name that is a word of SQL, and one of SQL.
    for name in ["group", "sh`op"] {
        let scene = Scene::mysql(&server, name);
        scene
            .migration("mysql.main", "1_other.sql", "use other; insert into a values (1)")
            .migration("mysql.main", "2_a.sql", "create table b (id int)")
            .fixture("mysql.main", "10-a.sql", "use other; insert into a values (2)");
        scene.run(Verb::Build).await;
        let told = scene.fail(Verb::Fill).await;
        assert!(told.contains("was filled") && !told.contains("begun"), "{told}");
        scene.run(Verb::Migrate).await;
    }
    assert_eq!(number(&mut session, "select count(*) from other.a").await, 4);
    assert_eq!(
        number(&mut session, "select count(*) from other._dbreg_fixtures").await,
        0
    );
    let tables = "select group_concat(table_name order by binary table_name) from information_schema.tables \
        where table_schema = ";
    for (name, theirs) in [
        ("'other'", "_dbreg_fixtures,a"),
        ("'group'", "_dbreg_fixtures,_dbreg_metadata,_sqlx_migrations,b"),
        ("'sh`op'", "_dbreg_fixtures,_dbreg_metadata,_sqlx_migrations,b"),
    ] {
        let found: String = dbreg::sqlx::query_scalar(dbreg::sqlx::AssertSqlSafe(format!("{tables}{name}")))
            .fetch_one(&mut session)
            .await
            .unwrap();
        assert_eq!(found, theirs, "{name}");
    }
}

#[tokio::test]
async fn the_record_of_a_script_that_ended_its_transaction_is_never_missing() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    let scene = Scene::mysql(&server, "shop");
    scene.run(Verb::Create).await;
    // Of what is written when the script is through, nothing may be a row that is taken away first.
    let script = "create table a (id int); \
        create trigger refused before insert on _dbreg_fixtures for each row signal sqlstate '45000'; \
        create trigger kept before delete on _dbreg_fixtures for each row signal sqlstate '45000'";
    scene.fixture("mysql.main", "10-a.sql", script);
    scene.run(Verb::Fill).await;
    let rows = "select group_concat(filled_rows) from shop._dbreg_fixtures";
    assert_eq!(text(&mut session, rows).await, "[]");
}
