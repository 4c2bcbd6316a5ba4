//! The verbs, looked at with the server's own client.

use super::place::{DB, Place};
use crate::tasks::{MigrateTo, StepOutcome, Verb};

#[tokio::test]
async fn build_makes_everything_and_rows_hold_what_the_fixtures_say() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    assert_eq!(place.databases().await, format!("postgres\n{DB}\n"));
    let alice = "select id, name, mood, tags[2], born, seen, encode(data, 'hex'), more->'a'->>1, balance, active, \
        lower_name from users where id = 7";
    assert_eq!(
        place.sql(alice).await,
        "7\tÄlice\tsad\tb,c\t1990-05-01\t2024-01-02 01:04:05\t00ff\tx\t12.50\tt\tälice\n"
    );
    let posts =
        "select u.name, p.numbers[2], p.title from posts p join users u on u.id = p.author order by 2";
    assert_eq!(place.sql(posts).await, "bob\t2\tabc\nÄlice\t\t\n");
    // What was written with a number does not get in the way of what the server numbers.
    let next = "insert into users (name) values ('next') returning id; insert into numbered (n) values (3) returning id";
    assert_eq!(place.sql(next).await, "8\n42\n");
    // Each can be run again.
    place.succeeds(Verb::Create).await;
    place.succeeds(Verb::Migrate).await;
    let plan = place.builder().build().unwrap().plan(Verb::Fill).await;
    let left = |detail: &String| detail.starts_with("leave ") && detail.contains(": filled 20");
    let details = &plan.connections[0].steps[0].details;
    assert!(!details.is_empty() && details.iter().all(left), "{plan}");
    let again = place.run(Verb::Fill).await;
    assert!(!again.is_success(), "{again}");
    assert_eq!(place.sql("select count(*) from posts").await, "2\n");
    let replacing = place.builder().replace(true).build().unwrap();
    place.sql("update users set mood = 'happy' where id = 7").await;
    let replaced = replacing.run(Verb::Fill, |_| ()).await;
    assert!(replaced.is_success(), "{replaced}");
    assert_eq!(place.sql("select mood from users where id = 7").await, "sad\n");
    assert_eq!(place.sql("select count(*) from posts").await, "2\n");
}

#[tokio::test]
async fn a_row_that_is_refused_leaves_nothing_and_says_where() {
    let place = Place::new().await;
    place.succeeds(Verb::Create).await;
    place.succeeds(Verb::Migrate).await;
    for (text, words) in [
        (
            "[[users]]\nname = \"longer\"\n",
            "too long for type character varying(5)",
        ),
        (
            "[[users]]\nname = \"a\"\n[[users]]\nname = \"a\"\n",
            "duplicate key",
        ),
        (
            "[[users]]\nname = \"a\"\nborn = \"never\"\n",
            "invalid input syntax",
        ),
        (
            "[[users]]\nname = \"a\"\nmood = \"angry\"\n",
            "invalid input value for enum",
        ),
        ("[[posts]]\nauthor = 99\n", "violates foreign key"),
        ("[[user]]\nname = \"a\"\n", "there is no table `user`"),
    ] {
        place.file("fixtures/postgres.main/10-users.toml", text);
        let report = place.run(Verb::Fill).await;
        let told = report.to_string();
        assert!(!report.is_success() && told.contains(words), "{told}");
        assert!(told.contains("10-users.toml:"), "{told}");
        assert_eq!(place.sql("select count(*) from users").await, "0\n", "{text}");
    }
}

#[tokio::test]
async fn clear_keeps_the_structure_and_purge_does_not() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    place
        .sql("select nextval('counter'); refresh materialized view names")
        .await;
    place.succeeds(Verb::Clear).await;
    let counts = "select (select count(*) from users), (select count(*) from other.thing), \
        (select count(*) from names), (select count(*) from _sqlx_migrations), \
        (select count(*) from _dbreg_metadata), nextval('counter')";
    assert_eq!(place.sql(counts).await, "0\t0\t0\t1\t2\t1\n");
    // Nothing is left of the record of fixtures, or of numbers.
    place.succeeds(Verb::Fill).await;
    assert_eq!(place.sql("select count(*) from users").await, "2\n");
    place.succeeds(Verb::Refill).await;
    assert_eq!(place.sql("select count(*) from users").await, "2\n");

    place
        .sql("create extension citext; create table words (w citext)")
        .await;
    place.succeeds(Verb::Purge).await;
    let left = "select relname from pg_class c join pg_namespace n on n.oid = relnamespace \
        where relkind in ('r', 'v', 'm', 'S') and nspname !~ '^pg_' and nspname <> 'information_schema' \
        union all select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' \
        union all select typname from pg_type where typname in ('mood', 'citext') \
        union all select proname from pg_proc where proname in ('twice', 'nothing')";
    assert_eq!(place.sql(left).await, "_dbreg_metadata\npublic\ncitext\n");
    // From there, everything can be made again.
    place.succeeds(Verb::Build).await;
    place.succeeds(Verb::Rebuild).await;
    assert_eq!(place.sql("select count(*) from users").await, "2\n");
}

#[tokio::test]
async fn migrations_are_reverted_and_two_at_once_apply_each_once() {
    let place = Place::new().await;
    place.succeeds(Verb::Create).await;
    let (one, two) = (place.tasks(), place.tasks());
    let (one, two) = tokio::join!(one.run(Verb::Migrate, |_| ()), two.run(Verb::Migrate, |_| ()));
    assert!(one.is_success() && two.is_success(), "{one}{two}");
    assert_eq!(place.sql("select count(*) from numbered").await, "1\n");
    // One that fails leaves nothing behind, and can be mended.
    place.file(
        "migrations/postgres.main/2_more.sql",
        "create table more (n int); select 1 / 0",
    );
    let failed = place.run(Verb::Migrate).await;
    assert!(failed.to_string().contains("division by zero"), "{failed}");
    assert_eq!(place.sql("select to_regclass('more') is null").await, "t\n");
    place.file("migrations/postgres.main/2_more.sql", "create table more (n int)");
    place.succeeds(Verb::Migrate).await;
    std::fs::remove_file(place.folder.path().join("migrations/postgres.main/2_more.sql")).unwrap();
    place
        .sql("delete from _sqlx_migrations where version = 2; drop table more")
        .await;
    let reverting = place
        .builder()
        .migrate_to(MigrateTo::RevertTo(0))
        .build()
        .unwrap();
    let reverted = reverting.run(Verb::Migrate, |_| ()).await;
    assert!(reverted.is_success(), "{reverted}");
    assert_eq!(place.sql("select to_regclass('users') is null").await, "t\n");
}

#[tokio::test]
async fn drop_ends_sessions_and_touches_nothing_else() {
    let place = Place::new().await;
    place.server.create_database("other", "other", "x").await.unwrap();
    place.succeeds(Verb::Create).await;
    let mut held = place.session().await;
    place.succeeds(Verb::Drop).await;
    assert!(sqlx::Connection::ping(&mut held).await.is_err());
    assert_eq!(place.databases().await, "other\npostgres\n");
    let again = place.succeeds(Verb::Drop).await;
    let outcome = &again.connections[0].steps[0].outcome;
    assert!(matches!(outcome, StepOutcome::Unchanged(_)), "{outcome:?}");
    let filled = place.run(Verb::Fill).await;
    assert!(filled.to_string().contains("`dbreg create` makes it"), "{filled}");
}

#[tokio::test]
async fn an_account_that_may_not_create_is_told_what_to_do() {
    let place = Place::new().await;
    place.server.sql("alter role shop nocreatedb").await.unwrap();
    let report = place.run(Verb::Create).await;
    assert!(report.to_string().contains("createdb"), "{report}");
    assert_eq!(place.databases().await, "postgres\n");
}

#[tokio::test]
async fn a_mark_protects_from_whatever_schema_it_is_in() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    place
        .sql("update _dbreg_metadata set value = 'yes' where name = 'protected'; \
            create schema shop authorization shop; create table shop.kept (n int); insert into shop.kept values (1); \
            alter table shop.kept owner to shop")
        .await;
    // New things are made in `shop` from now on.
    for verb in [Verb::Clear, Verb::Purge, Verb::Drop, Verb::Rebuild, Verb::Refill] {
        let report = place.run(verb).await;
        assert!(
            report.to_string().contains("marked as protected"),
            "{verb:?}: {report}"
        );
    }
    let count = "select (select count(*) from users), (select count(*) from shop.kept)";
    assert_eq!(place.sql(count).await, "2\t1\n");
    place
        .sql("update _dbreg_metadata set value = 'no' where name = 'protected'")
        .await;
    place.succeeds(Verb::Clear).await;
    assert_eq!(place.sql(count).await, "0\t0\n");
    place.succeeds(Verb::Purge).await;
    assert_eq!(
        place.sql("select count(*) from public._dbreg_metadata").await,
        "2\n"
    );
}

#[tokio::test]
async fn a_name_that_the_server_would_cut_off_is_not_sent() {
    let place = Place::new().await;
    let (cut, long) = ("a".repeat(63), "a".repeat(64));
    place.server.create_database(&cut, &cut, "secret").await.unwrap();
    place
        .server
        .sql(format!("alter role {cut} superuser; alter role shop superuser"))
        .await
        .unwrap();
    let keep = "create table kept (n int); insert into kept values (1)";
    place.server.sql_in(&cut, keep).await.unwrap();
    let builders = || {
        let named = place.builder_of("username = \"shop\"\n");
        // Without `db`, it is the name of the user.
        [
            named.variable("DBREG_POSTGRES__MAIN__DB", long.as_str()),
            place.builder_of(&format!("username = \"{long}\"\n")),
        ]
    };
    for verb in [
        Verb::Create,
        Verb::Purge,
        Verb::Migrate,
        Verb::Fill,
        Verb::Clear,
        Verb::Build,
        Verb::Rebuild,
        Verb::Refill,
        Verb::Drop,
    ] {
        for builder in builders() {
            let told = match builder.build() {
                Ok(tasks) => tasks.run(verb, |_| ()).await.to_string(),
                Err(error) => error.to_string(),
            };
            assert!(told.contains("63 bytes"), "{verb:?}: {told}");
        }
        let left = "select (select count(*) from kept), (select count(*) from pg_class where relname ~ 'dbreg|sqlx')";
        assert_eq!(
            place.server.sql_in(&cut, left).await.unwrap(),
            "1\t0\n",
            "{verb:?}"
        );
    }
}
