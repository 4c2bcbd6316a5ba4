//! Fixtures: references, twice, replaced, and what is left of a file that fails.

use crate::scene::{Scene, bad, execute, good, number, root, run, text, words};
use dbreg::tasks::Verb;

const TABLES: &str =
    "create table users (id int primary key auto_increment, email varchar(90) not null unique,
        note varchar(20) default 'none', age int, at datetime, raw varbinary(9), more longtext, score double);
    create table orders (code varchar(9) primary key, user_id int not null, email varchar(90),
        foreign key (user_id) references users (id));
    create table lines_ (order_code varchar(9), nr int, primary key (order_code, nr),
        foreign key (order_code) references orders (code));
    create table heap (n int)";

const USERS: &str = r#"
[users.alice]
email = "a@x"
age   = 30
at    = 2024-03-01T00:30:00+02:00
raw   = { bytes = "hex:00ff" }
more  = { tags = ["x", 1] }
score = 1.5

[users.bob]
email = "b@x"
"#;

const ORDERS: &str = r#"
[orders.first]
code    = "A1"
user_id = { ref = "users.bob" }
email   = { ref = "users.bob#email" }

[[lines_]]
order_code = { ref = "orders.first" }
nr = 1
"#;

async fn scene(server: &registry_dev::MySqlServer) -> Scene {
    let scene = Scene::mysql(server, "shop");
    scene
        .migration("mysql.main", "1_tables.sql", TABLES)
        .fixture("mysql.main", "10-users.toml", USERS)
        .fixture("mysql.main", "20-orders.toml", ORDERS);
    scene.run(Verb::Create).await;
    scene.run(Verb::Migrate).await;
    scene
}

const ALL: &str = "select concat_ws('|', (select group_concat(id, email, note, ifnull(age, '-') order by id) from shop.users), \
    (select group_concat(code, user_id, email order by code) from shop.orders), \
    (select group_concat(order_code, nr order by nr) from shop.lines_))";
const FILLED: &str = "1a@xnone30,2b@xnone-|A12b@x|A11";

#[tokio::test]
async fn rows_refer_to_earlier_rows_and_values_of_every_kind_arrive() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = scene(&server).await;
    let report = scene.run(Verb::Fill).await;
    assert_eq!(words(&report), "filled 2 files");
    assert_eq!(
        report.connections[0].steps[0].details,
        ["filled 10-users.toml: 2 rows", "filled 20-orders.toml: 2 rows"]
    );
    let mut session = root(&server).await;
    assert_eq!(text(&mut session, ALL).await, FILLED);
    let values = "select concat_ws('|', at, hex(raw), more, score) from shop.users where id = 1";
    assert_eq!(
        text(&mut session, values).await,
        "2024-02-29 22:30:00|00FF|{\"tags\":[\"x\",1]}|1.5"
    );
}

#[tokio::test]
async fn twice_is_an_error_that_names_file_and_date_and_changes_nothing() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = scene(&server).await;
    scene.run(Verb::Fill).await;
    let report = run(&scene.tasks(), Verb::Fill).await;
    let told = bad(&report);
    assert_eq!(report.exit_code(), 78);
    let mut session = root(&server).await;
    let at = text(&mut session, "select min(filled_at) from shop._dbreg_fixtures").await;
    assert!(
        told.contains(&format!("`10-users.toml` was filled {at}")),
        "{told}"
    );
    assert!(told.contains("`--replace`"), "{told}");
    assert_eq!(text(&mut session, ALL).await, FILLED);

    // A new file is filled, and refers to what was filled before it.
    scene.fixture(
        "mysql.main",
        "30-more.toml",
        "[[orders]]\ncode = \"B2\"\nuser_id = { ref = \"users.alice\" }\n",
    );
    assert_eq!(
        words(&scene.run(Verb::Fill).await),
        "filled 1 file; 2 files filled before"
    );
    assert_eq!(
        number(&mut session, "select user_id from shop.orders where code = 'B2'").await,
        1
    );

    scene.fixture("mysql.main", "10-users.toml", &USERS.replace("30", "31"));
    let told = scene.fail(Verb::Fill).await;
    assert!(told.contains("and was changed since"), "{told}");
    assert_eq!(
        number(&mut session, "select age from shop.users where id = 1").await,
        30
    );
}

#[tokio::test]
async fn replace_gives_the_same_result_however_often_and_whatever_happened_to_the_rows() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = scene(&server).await;
    let replacing = || scene.builder().replace(true).build().unwrap();
    let mut session = root(&server).await;
    for _ in 0..3 {
        good(run(&replacing(), Verb::Fill).await);
        assert_eq!(text(&mut session, ALL).await, FILLED);
    }
    execute(
        &mut session,
        "update shop.users set email = concat('changed', id), note = 'changed', age = 7; delete from shop.lines_; \
         delete from shop.orders; insert into shop.users (id, email) values (50, 'own')",
    )
    .await;
    good(run(&replacing(), Verb::Fill).await);
    execute(&mut session, "delete from shop.users where id = 50").await;
    assert_eq!(
        text(&mut session, ALL).await,
        FILLED,
        "keys that the server gave stay the same"
    );

    // A row more, a row less, another value.
    scene.fixture(
        "mysql.main",
        "20-orders.toml",
        &ORDERS.replace("nr = 1", "nr = 2"),
    );
    scene.fixture(
        "mysql.main",
        "10-users.toml",
        &format!("{USERS}age = 9\n\n[users.carol]\nemail = \"c@x\"\n"),
    );
    good(run(&replacing(), Verb::Fill).await);
    assert_eq!(
        text(&mut session, ALL).await,
        "1a@xnone30,2b@xnone9,51c@xnone-|A12b@x|A12"
    );
    scene.fixture(
        "mysql.main",
        "10-users.toml",
        &USERS.replace("[users.alice]", "[users.alicia]"),
    );
    scene.fixture("mysql.main", "20-orders.toml", ORDERS);
    let told = bad(&run(&replacing(), Verb::Fill).await);
    // The unique address of `alice` is still there when `alicia` comes: nothing is written, and it is said.
    assert!(told.contains("10-users.toml:2:1: "), "{told}");
    assert_eq!(number(&mut session, "select count(*) from shop.users").await, 3);
}

#[tokio::test]
async fn a_row_that_others_need_is_not_removed() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = scene(&server).await;
    scene.run(Verb::Fill).await;
    scene.fixture("mysql.main", "10-users.toml", "[users.alice]\nemail = \"a@x\"\n");
    scene.fixture("mysql.main", "20-orders.toml", "[[heap]]\nn = 1\n");
    let replacing = scene.builder().replace(true).build().unwrap();
    let told = bad(&run(&replacing, Verb::Fill).await);
    assert!(
        told.contains("the row bob of `users` is no longer in the file, and cannot be removed"),
        "{told}"
    );
    let mut session = root(&server).await;
    assert_eq!(text(&mut session, ALL).await, FILLED);
}

#[tokio::test]
async fn a_file_is_filled_as_a_whole_or_not_at_all() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = scene(&server).await;
    let mut session = root(&server).await;
    for (content, words) in [
        (
            "[[orders]]\ncode = \"C\"\nuser_id = 1\n[[orders]]\ncode = \"D\"\nuser_id = 999\n",
            ":4:1: ",
        ),
        (
            "[[orders]]\ncode = \"C\"\nuser_id = 1\n[[order]]\ncode = \"D\"\n",
            "there is no table `order`; did you mean `orders`?",
        ),
        (
            "[[orders]]\ncode = \"C\"\nuser_id = 1\n[[orders]]\ncod = \"D\"\n",
            "has no column `cod`; did you mean `code`?",
        ),
        (
            "[[orders]]\ncode = \"C\"\nuser_id = 1\n[[_dbreg_metadata]]\nname = \"x\"\n",
            "belongs to dbreg",
        ),
        (
            "[[orders]]\ncode = \"C\"\nuser_id = 1\n[[heap]]\nn = \"x\"\n",
            ":4:1: ",
        ),
    ] {
        scene.fixture("mysql.main", "20-orders.toml", content);
        let told = scene.fail(Verb::Refill).await;
        assert!(
            told.contains("20-orders.toml:4:1: ") && told.contains(words),
            "{told}"
        );
        assert!(
            told.contains("before that: filled 10-users.toml: 2 rows"),
            "{told}"
        );
        assert_eq!(
            number(&mut session, "select count(*) from shop.orders").await,
            0,
            "{words}"
        );
        assert_eq!(
            number(&mut session, "select count(*) from shop._dbreg_fixtures").await,
            1
        );
    }
    // And it can be run again.
    scene.fixture("mysql.main", "20-orders.toml", ORDERS);
    assert_eq!(
        words(&scene.run(Verb::Fill).await),
        "filled 1 file; 1 file filled before"
    );
    assert_eq!(text(&mut session, ALL).await, FILLED);
}

#[tokio::test]
async fn scripts_and_tables_without_a_key_are_not_replaced_blindly() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = scene(&server).await;
    scene.fixture(
        "mysql.main",
        "30-script.sql",
        "insert into heap values (1); insert into heap values (2)",
    );
    scene.run(Verb::Fill).await;
    let mut session = root(&server).await;
    assert_eq!(number(&mut session, "select count(*) from shop.heap").await, 2);
    let replacing = || scene.builder().replace(true).build().unwrap();
    let said = words(&good(run(&replacing(), Verb::Fill).await));
    assert_eq!(said, "filled 2 files; 1 file filled before");
    assert_eq!(number(&mut session, "select count(*) from shop.heap").await, 2);
    scene.fixture("mysql.main", "30-script.sql", "insert into heap values (3)");
    let told = bad(&run(&replacing(), Verb::Fill).await);
    assert!(
        told.contains("a script that was changed") && told.contains("`refill`"),
        "{told}"
    );
    scene.run(Verb::Refill).await;
    assert_eq!(
        number(&mut session, "select sum(n) div 1 from shop.heap").await,
        3
    );

    scene.fixture("mysql.main", "40-heap.toml", "[[heap]]\nn = 4\n");
    scene.run(Verb::Fill).await;
    let told = bad(&run(&replacing(), Verb::Fill).await);
    assert!(told.contains("the table has no primary key"), "{told}");
}

#[tokio::test]
async fn a_file_that_was_renamed_is_the_same_file() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = scene(&server).await;
    let (rows, script) = ("[[heap]]\nn = 1\n", "insert into heap values (2)");
    scene
        .fixture("mysql.main", "30-heap.toml", rows)
        .fixture("mysql.main", "40-more.sql", script);
    scene.run(Verb::Fill).await;
    for (old, new) in [("30-heap.toml", "50-heap.toml"), ("40-more.sql", "35-more.sql")] {
        let path = |name: &str| scene.path(&format!("fixtures/mysql.main/{name}"));
        std::fs::rename(path(old), path(new)).unwrap();
    }
    let plan = scene.tasks().plan(Verb::Fill).await.to_string();
    assert!(plan.contains("`50-heap.toml` was filled"), "{plan}");
    let told = scene.fail(Verb::Fill).await;
    assert!(
        told.contains("`50-heap.toml` was filled") && told.contains("`35-more.sql` was filled"),
        "{told}"
    );
    let mut session = root(&server).await;
    assert_eq!(number(&mut session, "select count(*) from shop.heap").await, 2);
    let names = "select group_concat(file order by file) from shop._dbreg_fixtures where file like '%e.%' or file like '%p.%'";
    assert_eq!(
        text(&mut session, names).await,
        "mysql.main/35-more.sql,mysql.main/50-heap.toml"
    );
    // It has this name now, whatever it says; a copy beside it is another file.
    scene
        .fixture("mysql.main", "50-heap.toml", "[[heap]]\nn = 3\n")
        .fixture("mysql.main", "60-copy.sql", script);
    let told = scene.fail(Verb::Fill).await;
    assert!(
        told.contains("`50-heap.toml` was filled") && told.contains("changed since"),
        "{told}"
    );
    scene.fixture("mysql.main", "50-heap.toml", rows);
    assert_eq!(
        words(&scene.run(Verb::Fill).await),
        "filled 1 file; 4 files filled before"
    );
    assert_eq!(number(&mut session, "select count(*) from shop.heap").await, 3);
    // One takes the name that another had.
    let path = |name: &str| scene.path(&format!("fixtures/mysql.main/{name}"));
    std::fs::rename(path("60-copy.sql"), path("70-copy.sql")).unwrap();
    std::fs::rename(path("50-heap.toml"), path("60-heap.toml")).unwrap();
    scene.fixture("mysql.main", "80-heap.toml", "[[heap]]\nn = 8\n");
    let plan = scene.tasks().plan(Verb::Fill).await;
    assert_eq!(plan.connections[0].steps[0].details.len(), 6, "{plan}");
    assert_eq!(plan.to_string().matches("leave").count(), 5, "{plan}");
    let report = scene.run(Verb::Fill).await;
    assert_eq!(words(&report), "filled 1 file; 5 files filled before");
    let told = &report.connections[0].steps[0].details;
    assert!(
        told.contains(
            &"recorded `mysql.main/50-heap.toml` as `mysql.main/60-heap.toml`: it was renamed".to_owned()
        ),
        "{told:?}"
    );
    assert_eq!(number(&mut session, "select count(*) from shop.heap").await, 4);
}

#[tokio::test]
async fn a_database_of_another_character_set_takes_the_record_of_any_label() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    execute(&mut session, "create database shop character set latin1").await;
    let scene = Scene::mysql(&server, "shop");
    scene
        .migration(
            "mysql.main",
            "1_a.sql",
            "create table a (name varchar(9) character set utf8mb4 primary key)",
        )
        .fixture("mysql.main", "1-a.toml", "[a.\"漢\"]\nname = \"漢\"\n")
        .fixture("mysql.main", "2-A.toml", "[[a]]\nname = \"ü\"\n");
    scene.run(Verb::Build).await;
    good(run(&scene.builder().replace(true).build().unwrap(), Verb::Fill).await);
    assert_eq!(
        text(
            &mut session,
            "select group_concat(name order by name desc) from shop.a"
        )
        .await,
        "漢,ü"
    );
}

#[tokio::test]
async fn two_at_once_fill_once() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = scene(&server).await;
    let all: Vec<_> = (0..4).map(|_| scene.tasks()).collect();
    let reports = futures_util::future::join_all(all.iter().map(|tasks| run(tasks, Verb::Fill))).await;
    assert!(
        reports.iter().any(dbreg::tasks::TasksReport::is_success),
        "{reports:#?}"
    );
    let mut session = root(&server).await;
    scene.builder().build().unwrap();
    assert_eq!(number(&mut session, "select count(*) from shop.lines_").await, 1);
    assert_eq!(number(&mut session, "select count(*) from shop.users").await, 2);
}

#[tokio::test]
async fn keys_that_are_no_numbers_of_the_server() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop");
    scene.migration(
        "mysql.main",
        "1_tables.sql",
        "create table texts (code varchar(20) primary key, n int default 1);
         create table bytes_ (id binary(4) primary key, n int default 1);
         create table days (day date primary key, n int default 1);
         create table pairs (one varchar(9), two int, n int default 1, primary key (one, two));
         create table made (id char(36) primary key default (uuid()), name varchar(9) unique);
         create table refers (nr int primary key, code varchar(20), id binary(4), day date, two int,
            foreign key (code) references texts (code), foreign key (id) references bytes_ (id),
            foreign key (day) references days (day))",
    );
    let rows = |n: u32| {
        format!(
            "[texts.a]\ncode = \"ä'\\\"\"\nn = {n}\n[bytes_.a]\nid = {{ bytes = \"hex:00ff8041\" }}\nn = {n}\n\
             [days.a]\nday = 2024-02-29\nn = {n}\n[pairs.a]\none = \"x\"\ntwo = 7\nn = {n}\n\
             [[refers]]\nnr = 1\ncode = {{ ref = \"texts.a\" }}\nid = {{ ref = \"bytes_.a\" }}\n\
             day = {{ ref = \"days.a\" }}\ntwo = {{ ref = \"pairs.a#two\" }}\n"
        )
    };
    scene.fixture("mysql.main", "10-rows.toml", &rows(1));
    scene.run(Verb::Build).await;
    let mut session = root(&server).await;
    let all = "select concat_ws('|', t.code, hex(b.id), d.day, r.two, t.n + b.n + d.n + p.n) from shop.refers r \
        join shop.texts t on t.code = r.code join shop.bytes_ b on b.id = r.id join shop.days d on d.day = r.day \
        join shop.pairs p on p.two = r.two";
    assert_eq!(text(&mut session, all).await, "ä'\"|00FF8041|2024-02-29|7|4");
    // Replaced, each is found again by its key.
    scene.fixture("mysql.main", "10-rows.toml", &rows(2));
    let replacing = || scene.builder().replace(true).build().unwrap();
    good(run(&replacing(), Verb::Fill).await);
    assert_eq!(text(&mut session, all).await, "ä'\"|00FF8041|2024-02-29|7|8");
    let counts = "select (select count(*) from shop.texts) + (select count(*) from shop.bytes_) + \
        (select count(*) from shop.days) + (select count(*) from shop.pairs) + (select count(*) from shop.refers)";
    assert_eq!(number(&mut session, counts).await, 5);
    // The references of a file lead to keys of one that was filled before, too.
    scene.fixture(
        "mysql.main",
        "20-more.toml",
        "[[refers]]\nnr = 2\ncode = { ref = \"texts.a\" }\nid = { ref = \"bytes_.a\" }\nday = { ref = \"days.a\" }\n",
    );
    scene.run(Verb::Fill).await;
    assert_eq!(number(&mut session, "select count(*) from shop.refers").await, 2);

    // A key of several columns, and one that the server makes and does not tell.
    for (rows, words) in [
        (
            "[[refers]]\nnr = 3\ntwo = { ref = \"pairs.a\" }\n",
            "leads to a row whose primary key has several columns",
        ),
        (
            "[made.a]\nname = \"a\"\n[[refers]]\nnr = 3\ncode = { ref = \"made.a\" }\n",
            "the key of `made.a` is not known",
        ),
    ] {
        scene.fixture("mysql.main", "30-more.toml", rows);
        let told = scene.fail(Verb::Fill).await;
        assert!(told.contains(words), "{told}");
        assert_eq!(number(&mut session, "select count(*) from shop.made").await, 0);
    }
    scene.fixture("mysql.main", "30-more.toml", "[made.a]\nname = \"a\"\n");
    scene.run(Verb::Fill).await;
    let told = bad(&run(&replacing(), Verb::Fill).await);
    assert!(
        told.contains("the rows of `made` cannot be found again"),
        "{told}"
    );
    scene.run(Verb::Refill).await;
    assert_eq!(number(&mut session, "select count(*) from shop.made").await, 1);
}
