//! SQLite: the file, its tables, and what is left of them.

use crate::scene::{Scene, bad, good, run, words};
use dbreg::sqlx;
use dbreg::tasks::Verb;
use std::fs;

async fn number(scene: &Scene, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(&mut scene.look().await)
        .await
        .unwrap()
}

async fn names(scene: &Scene) -> Vec<String> {
    let sql = "select name from sqlite_master where name not like 'sqlite_%' order by name";
    sqlx::query_scalar(sql)
        .fetch_all(&mut scene.look().await)
        .await
        .unwrap()
}

fn shop() -> Scene {
    let scene = Scene::sqlite();
    scene
        .migration(
            "sqlite.local",
            "1_tables.sql",
            "create table users (id integer primary key autoincrement, name text not null);
             create table orders (id integer primary key, user_id integer not null references users on delete restrict);
             create table audit (what text);
             create trigger told after delete on users begin insert into audit values ('gone'); end;
             create view names as select name from users;",
        )
        .fixture(
            "sqlite.local",
            "10-users.toml",
            "[users.alice]\nname = \"Alice\"\n[users.bob]\nname = \"Bob\"\n",
        )
        .fixture(
            "sqlite.local",
            "20-orders.toml",
            "[[orders]]\nuser_id = { ref = \"users.bob\" }\n",
        );
    scene
}

#[tokio::test]
async fn create_makes_the_file_and_its_folder_and_drop_removes_all_of_it() {
    let scene = Scene::new("[sqlite.local]\npath = \"$/data/deep/app.db\"\n");
    assert_eq!(words(&scene.run(Verb::Create).await), "created the file");
    assert_eq!(words(&scene.run(Verb::Create).await), "the file is there already");
    let path = scene.path("data/deep/app.db");
    assert!(path.is_file());
    for ending in ["-wal", "-shm", "-journal", "-dbreg-lock"] {
        fs::write(format!("{}{ending}", path.display()), "").unwrap();
    }
    scene.write("data/deep/app.db-other", "stays");
    assert_eq!(words(&scene.run(Verb::Drop).await), "removed the file");
    let left: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["app.db-other"]);
    assert_eq!(words(&scene.run(Verb::Drop).await), "there is no such file");
}

#[tokio::test]
async fn what_is_no_database_is_not_removed() {
    let scene = Scene::sqlite();
    scene.write("app.db", "the only copy of a letter");
    let told = scene.fail(Verb::Drop).await;
    assert!(
        told.contains("the mark of the database cannot be read: file is not a database"),
        "{told}"
    );
    let known = || {
        scene
            .builder()
            .i_know_this_destroys("sqlite.local")
            .build()
            .unwrap()
    };
    let told = bad(&run(&known(), Verb::Drop).await);
    assert!(told.contains("app.db` is no SQLite database"), "{told}");
    assert_eq!(
        fs::read_to_string(scene.path("app.db")).unwrap(),
        "the only copy of a letter"
    );
    fs::remove_file(scene.path("app.db")).unwrap();
    scene.write("app.db/file", "");
    let told = bad(&run(&known(), Verb::Drop).await);
    assert!(told.contains("not a regular file"), "{told}");
    assert!(scene.path("app.db/file").exists());
}

#[tokio::test]
async fn no_other_verb_makes_a_file_by_the_way() {
    let scene = shop();
    for verb in [Verb::Migrate, Verb::Fill, Verb::Clear, Verb::Purge, Verb::Refill] {
        let told = scene.fail(verb).await;
        assert!(
            told.contains("there is no file") && told.contains("`dbreg create` makes it"),
            "{told}"
        );
        assert!(!scene.path("app.db").exists(), "{verb}");
    }
}

#[tokio::test]
async fn clear_removes_rows_and_keeps_everything_else() {
    let scene = shop();
    scene.run(Verb::Build).await;
    assert_eq!(number(&scene, "select user_id from orders").await, 2);
    let before = names(&scene).await;
    assert_eq!(words(&scene.run(Verb::Clear).await), "cleared 3 tables");
    for sql in [
        "select count(*) from users",
        "select count(*) from orders",
        // The trigger that would have written was not there.
        "select count(*) from audit",
        "select count(*) from _dbreg_fixtures",
    ] {
        assert_eq!(number(&scene, sql).await, 0, "{sql}");
    }
    assert_eq!(
        names(&scene).await,
        before,
        "structure, triggers and views are as before"
    );
    assert_eq!(number(&scene, "select count(*) from _sqlx_migrations").await, 1);
    assert_eq!(number(&scene, "select count(*) from _dbreg_metadata").await, 2);
    scene.run(Verb::Fill).await;
    assert_eq!(
        number(&scene, "select max(id) from users").await,
        2,
        "numbers begin again"
    );
    assert_eq!(number(&scene, "select user_id from orders").await, 2);
}

#[tokio::test]
async fn purge_leaves_the_mark_alone_and_migrate_begins_anew() {
    let scene = shop();
    scene.run(Verb::Build).await;
    scene.run(Verb::Purge).await;
    assert_eq!(names(&scene).await, ["_dbreg_metadata"]);
    scene.run(Verb::Build).await;
    assert_eq!(number(&scene, "select count(*) from users").await, 2);
}

#[tokio::test]
async fn rebuild_and_refill_do_what_they_are_made_of() {
    let scene = shop();
    scene.run(Verb::Build).await;
    sqlx::raw_sql("insert into users (name) values ('Mallory')")
        .execute(&mut scene.look().await)
        .await
        .unwrap();
    scene.run(Verb::Refill).await;
    assert_eq!(number(&scene, "select count(*) from users").await, 2);
    sqlx::raw_sql("create table more (id integer)")
        .execute(&mut scene.look().await)
        .await
        .unwrap();
    scene.run(Verb::Rebuild).await;
    assert!(!names(&scene).await.contains(&"more".to_owned()));
    assert_eq!(number(&scene, "select count(*) from users").await, 2);
}

#[tokio::test]
async fn a_script_that_is_unchanged_is_left_alone_and_not_said_to_be_replaced() {
    let scene = Scene::sqlite();
    scene.migration("sqlite.local", "1_a.sql", "create table a (id integer)");
    scene.fixture("sqlite.local", "10-a.sql", "insert into a values (1)");
    scene.run(Verb::Build).await;
    let replacing = scene.builder().replace(true).build().unwrap();
    let said = words(&good(run(&replacing, Verb::Fill).await));
    assert!(
        said.starts_with("`10-a.sql` was filled 20") && said.ends_with("; a script is not run again"),
        "{said}"
    );
    assert_eq!(number(&scene, "select count(*) from a").await, 1);
}

#[tokio::test]
async fn fixtures_are_filled_once_and_replaced_as_if_it_had_been_once() {
    let scene = Scene::sqlite();
    scene.migration(
        "sqlite.local",
        "1_tables.sql",
        "create table users (id integer primary key, name text not null unique, note text default ('n' || 1), raw blob,
            twice integer generated always as (id * 2) stored);
         create table orders (code text primary key, user_id integer not null references users, score real);
         create table pairs (a text, b integer, primary key (a, b)) without rowid;",
    );
    scene.fixture(
        "sqlite.local",
        "10-users.json",
        r#"{ "users": { "alice": { "name": "Alice", "raw": { "bytes": "hex:00ff" } }, "bob": { "name": "Bob" } } }"#,
    );
    scene.fixture(
        "sqlite.local",
        "20-orders.csv",
        "code,user_id,score\nA1,ref:users.bob,1.5\n",
    );
    scene.fixture("sqlite.local", "30-pairs.toml", "[[pairs]]\na = \"x\"\nb = 1\n");
    let all = "select group_concat(u.id || u.name || u.note || iif(u.raw is null, '-', hex(u.raw)) || u.twice, ' ') || '|' || \
        (select code || user_id || score from orders) || '|' || (select a || b from pairs) from users u";
    let told = async || {
        let text: String = sqlx::query_scalar(all)
            .fetch_one(&mut scene.look().await)
            .await
            .unwrap();
        text
    };
    scene.run(Verb::Build).await;
    let expected = "1Alicen100FF2 2Bobn1-4|A121.5|x1";
    assert_eq!(told().await, expected);
    assert!(scene.fail(Verb::Fill).await.contains("was filled 20"));
    sqlx::raw_sql("update users set note = 'changed', raw = null; update orders set score = null")
        .execute(&mut scene.look().await)
        .await
        .unwrap();
    for _ in 0..2 {
        good(run(&scene.builder().replace(true).build().unwrap(), Verb::Fill).await);
        assert_eq!(told().await, expected);
    }
    // Another session writes: it passes, so it is an outage and no mistake.
    let mut writing = scene.look().await;
    sqlx::raw_sql("begin immediate")
        .execute(&mut writing)
        .await
        .unwrap();
    let report = run(&scene.builder().replace(true).build().unwrap(), Verb::Fill).await;
    assert!(bad(&report).contains("database is locked"));
    assert!(report.failures().all(dbreg::Error::is_transient));
}

#[tokio::test]
async fn names_of_tables_are_quoted() {
    let scene = Scene::sqlite();
    scene.migration(
        "sqlite.local",
        "1_odd.sql",
        r#"create table "a""b; drop table kept; --" (id integer primary key, "c'd""" text);
           create table kept (id integer primary key);"#,
    );
    scene.fixture(
        "sqlite.local",
        "1-odd.json",
        r#"{ "a\"b; drop table kept; --": [{ "c'd\"": "x'); drop table kept; --" }] }"#,
    );
    scene.run(Verb::Build).await;
    assert_eq!(
        number(&scene, "select count(*) from kept").await,
        0,
        "it is still there"
    );
    let text: String = sqlx::query_scalar(r#"select "c'd""" from "a""b; drop table kept; --""#)
        .fetch_one(&mut scene.look().await)
        .await
        .unwrap();
    assert_eq!(text, "x'); drop table kept; --");
    scene.run(Verb::Clear).await;
    scene.run(Verb::Purge).await;
    assert_eq!(names(&scene).await, ["_dbreg_metadata"]);
}

#[tokio::test]
async fn a_database_in_memory_has_nothing_to_prepare() {
    let scene = Scene::new("[sqlite.memory]\npath = \":memory:\"\n");
    scene.migration("sqlite.memory", "1_a.sql", "create table a (id integer)");
    for verb in Verb::ALL {
        let report = good(run(&scene.tasks(), verb).await);
        let is_said = |step: &dbreg::tasks::StepRow| step.outcome.name() == "unchanged";
        assert!(report.connections[0].steps.iter().all(is_said), "{report}");
        let text = report.to_string();
        assert_eq!(
            text.contains("a database in memory begins"),
            verb != Verb::Fill,
            "{text}"
        );
    }
}

#[tokio::test]
async fn clear_empties_indexes_of_texts_whose_rows_are_elsewhere() {
    let scene = Scene::sqlite();
    scene.migration(
        "sqlite.local",
        "1_texts.sql",
        "create table texts (id integer primary key, content text); insert into texts values (1, 'hello');
         create virtual table own using fts5(content, title); insert into own values ('hello', 'x');
         create virtual table stale using fts5(content, content = 'texts', content_rowid='id');
         insert into stale (rowid, content) values (1, 'hello'), (9, 'ghost');
         create virtual table old_fts5 using fts4(content='texts', content); insert into old_fts5 (docid, content) values (1, 'hello');
         create virtual table bare using fts5(t, content=''); insert into bare (rowid, t) values (1, 'hello')",
    );
    scene.run(Verb::Create).await;
    scene.run(Verb::Migrate).await;
    let found = "select (select count(*) from own where own match 'hello') \
        + (select count(*) from stale where stale match 'ghost OR hello') \
        + (select count(*) from bare where bare match 'hello') + (select count(*) from texts)";
    assert_eq!(number(&scene, found).await, 5);
    scene.run(Verb::Clear).await;
    assert_eq!(number(&scene, found).await, 0);
}
