//! Fixtures whose values a column compares, keeps or gives back in a way of its own.

use crate::scene::{Scene, bad, execute, number, root, run, text};
use dbreg::sqlx;
use dbreg::tasks::Verb;

#[tokio::test]
async fn a_number_that_is_the_key_of_a_text_column_is_no_other_text() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop");
    scene
        .migration(
            "mysql.main",
            "1_z.sql",
            "create table z (code varchar(10) primary key, city varchar(20))",
        )
        .fixture(
            "mysql.main",
            "1-z.csv",
            "code,city\n5,Bonn\n7,Koeln\n\"9\",Kiel\n",
        );
    scene.run(Verb::Build).await;
    let mut session = root(&server).await;
    // Of the application; as numbers they are those of the file.
    execute(
        &mut session,
        "insert into shop.z values ('05', 'mine'), ('5.0', 'mine'), ('007', 'mine')",
    )
    .await;
    // A cell with quotes is a text, and the same key.
    scene.fixture("mysql.main", "1-z.csv", "code,city\n\"5\",Bonn2\n9,Kiel2\n");
    scene.replace().await;
    let all = "select group_concat(code, '=', city order by code) from shop.z";
    assert_eq!(
        text(&mut session, all).await,
        "007=mine,05=mine,5=Bonn2,5.0=mine,9=Kiel2"
    );
}

#[tokio::test]
async fn a_zero_is_a_key_as_any_other() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop");
    scene
        .migration(
            "mysql.main",
            "1_z.sql",
            "create table z (id int primary key auto_increment, city varchar(20), over_ int)",
        )
        .fixture(
            "mysql.main",
            "1-z.toml",
            "[z.zero]\nid = 0\ncity = \"Null\"\n[z.next]\ncity = \"Eins\"\nover_ = { ref = \"z.zero\" }\n",
        );
    scene.run(Verb::Build).await;
    scene.replace().await;
    let mut session = root(&server).await;
    let all = "select group_concat(id, city, ifnull(over_, '') order by id) from shop.z";
    assert_eq!(text(&mut session, all).await, "0Null,1Eins0");
}

#[tokio::test]
async fn a_key_that_the_server_keeps_otherwise_is_refused_at_once() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    for (kind, given, kept) in [
        ("float", "0.1", "0.5"),
        ("decimal(5,2)", "1.005", "1.01"),
        ("datetime", "2024-01-01T10:00:00.25Z", "2024-01-01T10:00:00Z"),
        ("date", "\"2024-01-01 10:00:00\"", "2024-01-01"),
        (
            "binary(4)",
            "{ bytes = \"hex:00ff\" }",
            "{ bytes = \"hex:00ff0000\" }",
        ),
    ] {
        let scene = Scene::mysql(&server, "shop");
        let table = format!("create table k (id {kind} primary key, n int)");
        scene.migration("mysql.main", "1_k.sql", &table).fixture(
            "mysql.main",
            "1-k.toml",
            &format!("[[k]]\nid = {given}\nn = 1\n"),
        );
        scene.run(Verb::Create).await;
        scene.run(Verb::Migrate).await;
        let report = run(&scene.tasks(), Verb::Fill).await;
        let told = bad(&report);
        assert_eq!(report.exit_code(), 78, "{kind}: {told}");
        assert!(
            told.contains("`id` of `k` keeps another key than it was given") && told.contains(kind),
            "{kind}: {told}"
        );
        assert_eq!(
            number(&mut session, "select count(*) from shop.k").await,
            0,
            "{kind}"
        );
        for n in [1, 2] {
            scene.fixture(
                "mysql.main",
                "1-k.toml",
                &format!("[[k]]\nid = {kept}\nn = {n}\n"),
            );
            scene.replace().await;
        }
        assert_eq!(
            number(&mut session, "select cast(sum(n) as signed) from shop.k").await,
            2,
            "{kind}"
        );
        scene.run(Verb::Drop).await;
    }
}

#[tokio::test]
async fn bytes_stay_bytes_through_a_reference() {
    let first = "[t.a]\nid = 1\nraw = { bytes = \"hex:ff0041\" }\n[t.none]\nid = 2\n";
    let second =
        "[[u]]\nid = 1\nraw = { ref = \"t.a#raw\" }\n[[u]]\nid = 2\nraw = { ref = \"t.none#raw\" }\n";

    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop");
    scene
        .migration(
            "mysql.main",
            "1_t.sql",
            "create table t (id int primary key, raw varbinary(9)); create table u (id int primary key, raw blob)",
        )
        .fixture("mysql.main", "1-t.toml", first)
        .fixture("mysql.main", "2-u.toml", second);
    scene.run(Verb::Build).await;
    let mut session = root(&server).await;
    let all = "select group_concat(id, ifnull(hex(raw), '-') order by id) from shop.u";
    assert_eq!(text(&mut session, all).await, "1FF0041,2-");

    let scene = Scene::sqlite();
    scene
        .migration(
            "sqlite.local",
            "1_t.sql",
            "create table t (id integer primary key, raw); create table u (id integer primary key, raw)",
        )
        .fixture("sqlite.local", "1-t.toml", first)
        .fixture("sqlite.local", "2-u.toml", second);
    scene.run(Verb::Build).await;
    let all = "select group_concat(typeof(raw) || ifnull(hex(raw), '')) from u";
    let found: String = sqlx::query_scalar(all)
        .fetch_one(&mut scene.look().await)
        .await
        .unwrap();
    assert_eq!(found, "blobFF0041,null");
}

#[tokio::test]
async fn what_json_has_no_form_for_is_not_lost_in_it() {
    let scene = Scene::sqlite();
    scene.migration(
        "sqlite.local",
        "1_t.sql",
        "create table t (id integer primary key, j text)",
    );
    scene.run(Verb::Build).await;
    for (value, words) in [
        ("{ a = [inf] }", "no form for `inf`"),
        ("[1.5, nan]", "no form for `NaN`"),
        ("[{ bytes = \"hex:00ff\" }]", "no form for bytes"),
    ] {
        scene.fixture("sqlite.local", "1-t.toml", &format!("[[t]]\nj = {value}\n"));
        let told = scene.fail(Verb::Fill).await;
        assert!(told.contains(words), "{value}: {told}");
    }
}

#[tokio::test]
async fn where_a_column_has_both_a_number_and_its_text_are_two_keys() {
    let scene = Scene::sqlite();
    scene
        .migration(
            "sqlite.local",
            "1_y.sql",
            "create table y (k primary key, t text)",
        )
        .fixture(
            "sqlite.local",
            "1-y.toml",
            "[[y]]\nk = 1\nt = \"int\"\n[[y]]\nk = \"1\"\nt = \"text\"\n",
        );
    scene.run(Verb::Build).await;
    scene.fixture(
        "sqlite.local",
        "1-y.toml",
        "[[y]]\nk = \"1\"\nt = \"text\"\n[[y]]\nk = 1\nt = \"int\"\n",
    );
    scene.replace().await;
    let all = "select group_concat(typeof(k) || t, ' ') from (select k, t from y order by k)";
    let found: String = sqlx::query_scalar(all)
        .fetch_one(&mut scene.look().await)
        .await
        .unwrap();
    assert_eq!(found, "integerint texttext");
}

#[tokio::test]
async fn the_values_of_an_enum_say_nothing_of_its_type() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop");
    scene
        .migration(
            "mysql.main",
            "1_e.sql",
            "create table e (id enum('text','blob','c') primary key, kind enum('blob','binary'), n int);
             create table s (id set('b','a') primary key); create table j (id int primary key, j longtext)",
        )
        .fixture(
            "mysql.main",
            "1-e.toml",
            "[e.a]\nid = 1\nkind = \"blob\"\nn = 1\n",
        )
        .fixture(
            "mysql.main",
            "2-j.toml",
            "[[j]]\nid = 1\nj = { kind = { ref = \"e.a#kind\" } }\n",
        );
    scene.run(Verb::Build).await;
    scene.fixture(
        "mysql.main",
        "1-e.toml",
        "[e.a]\nid = 1\nkind = \"blob\"\nn = 2\n",
    );
    scene.replace().await;
    let mut session = root(&server).await;
    let all = "select concat((select group_concat(id, kind, n) from shop.e), (select j from shop.j))";
    assert_eq!(text(&mut session, all).await, "textblob2{\"kind\":\"blob\"}");
    scene.fixture("mysql.main", "3-s.toml", "[[s]]\nid = \"a,b\"\n");
    let told = scene.fail(Verb::Fill).await;
    assert!(told.contains("`id` of `s` keeps another key"), "{told}");
    // What does not fit is not cut off, whatever the server's own mode is.
    execute(&mut session, "set global sql_mode = ''").await;
    scene.fixture("mysql.main", "3-s.toml", "[[e]]\nid = 2\nn = 99999999999\n");
    let told = scene.fail(Verb::Fill).await;
    assert!(told.contains("Out of range"), "{told}");
}
