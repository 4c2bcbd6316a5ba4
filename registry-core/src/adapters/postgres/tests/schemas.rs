//! The records of the verbs, when the schema moves in which new things are made.

use super::place::Place;
use crate::tasks::Verb;

/// Where tables of our own are.
const OWN: &str = "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where c.relkind = 'r' and c.relname in ('_sqlx_migrations', '_dbreg_fixtures', '_dbreg_metadata') order by 1, 2";

const ALL_IN_PUBLIC: &str = "public\t_dbreg_fixtures\npublic\t_dbreg_metadata\npublic\t_sqlx_migrations\n";

fn migration(place: &Place, version: u32, text: &str) {
    place.file(&format!("migrations/postgres.main/{version}_more.sql"), text);
}

/// How many migrations are recorded, and how many rows two of them have written.
const STATE: &str = "select (select count(*) from public._sqlx_migrations), (select count(*) from numbered)";

#[tokio::test]
async fn a_schema_of_the_roles_name_takes_no_record_along() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    migration(&place, 2, "create schema shop; create table shop.own (n int)");
    migration(&place, 3, "insert into numbered (n) values (7)");
    place.succeeds(Verb::Migrate).await;
    let state = place.sql(STATE).await;
    migration(&place, 4, "create table newer (n int)");
    place.succeeds(Verb::Migrate).await;
    place.succeeds(Verb::Migrate).await;
    assert_eq!(state, "3\t3\n");
    assert_eq!(place.sql(STATE).await, "4\t3\n");
    // The tables of the application are made where its own sessions make them.
    assert_eq!(
        place.sql("select to_regclass('shop.newer') is not null").await,
        "t\n"
    );
    let again = place.run(Verb::Fill).await;
    assert!(again.to_string().contains("was filled"), "{again}");
    place.file("fixtures/postgres.main/20-new.toml", "[[newer]]\nn = 1\n");
    place.succeeds(Verb::Fill).await;
    place.succeeds(Verb::Refill).await;
    assert_eq!(place.sql(OWN).await, ALL_IN_PUBLIC);
    let status = place.tasks().migration_status().await;
    assert_eq!(status.len(), 1);
}

#[tokio::test]
async fn a_migration_or_a_script_that_moves_its_own_search_path_is_recorded_where_the_others_are() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    migration(
        &place,
        2,
        "create schema app; set search_path = app; create table inside (n int)",
    );
    migration(&place, 3, "create table app.other (n int)");
    place.succeeds(Verb::Migrate).await;
    place.succeeds(Verb::Migrate).await;
    assert_eq!(place.sql(STATE).await, "3\t2\n");
    place.file(
        "fixtures/postgres.main/20-script.sql",
        "select set_config('search_path', '', false); insert into app.inside values (1)",
    );
    place.succeeds(Verb::Fill).await;
    let again = place.run(Verb::Fill).await;
    assert!(
        again.to_string().contains("`20-script.sql` was filled"),
        "{again}"
    );
    assert_eq!(place.sql("select count(*) from app.inside").await, "1\n");
    assert_eq!(place.sql(OWN).await, ALL_IN_PUBLIC);
}

#[tokio::test]
async fn records_that_the_search_path_does_not_lead_to_are_not_made_anew() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    migration(
        &place,
        2,
        "create schema app; alter role shop set search_path = app",
    );
    place.succeeds(Verb::Migrate).await;
    for verb in [Verb::Migrate, Verb::Fill] {
        let told = place.run(verb).await.to_string();
        let words = "is in the schema public, and the search path of this role, `app`, does not lead there";
        assert!(told.contains(words), "{told}");
        assert!(told.contains("set search_path = …"), "{told}");
    }
    assert_eq!(place.sql(OWN).await, ALL_IN_PUBLIC);
    place.sql("alter role shop set search_path = app, public").await;
    place.succeeds(Verb::Migrate).await;
    let again = place.run(Verb::Fill).await;
    assert!(again.to_string().contains("was filled"), "{again}");
    assert_eq!(place.sql(STATE).await, "2\t2\n");

    // What another role has is nobody's business.
    place
        .sql("alter role shop set search_path = app; create role other; alter table _sqlx_migrations owner to other; \
            delete from public._sqlx_migrations")
        .await;
    place.file(
        "migrations/postgres.main/1_start.up.sql",
        "create table own (n int)",
    );
    migration(&place, 2, "select 1");
    place.succeeds(Verb::Migrate).await;
    assert_eq!(
        place
            .sql("select to_regclass('app._sqlx_migrations') is not null")
            .await,
        "t\n"
    );
}

/// A role with a schema of its own, beside the application of another, whose records the search path leads to.
async fn beside_another() -> Place {
    let place = Place::new().await;
    place.succeeds(Verb::Create).await;
    place
        .sql("create schema shop authorization shop; create role blog; \
            create table public._sqlx_migrations (version bigint primary key, description text not null, \
                installed_on timestamptz not null default now(), success boolean not null, checksum bytea not null, \
                execution_time bigint not null); \
            insert into public._sqlx_migrations values (1, 'posts', now(), true, '\\x00', 1); \
            alter table public._sqlx_migrations owner to blog")
        .await;
    place
}

#[tokio::test]
async fn the_records_of_another_role_are_not_those_of_this_one() {
    let place = beside_another().await;
    let status = &place.tasks().migration_status().await[0];
    assert!(format!("{status:?}").contains("Pending"), "{status:?}");
    let theirs = "select version, description from public._sqlx_migrations";
    place.succeeds(Verb::Build).await;
    place.succeeds(Verb::Migrate).await;
    assert_eq!(
        place.sql(OWN).await,
        "public\t_sqlx_migrations\nshop\t_dbreg_fixtures\nshop\t_dbreg_metadata\nshop\t_sqlx_migrations\n"
    );
    assert_eq!(place.sql(theirs).await, "1\tposts\n");

    // Nor are they when it may do everything.
    let place = beside_another().await;
    place.sql("alter role shop superuser").await;
    place.succeeds(Verb::Build).await;
    assert_eq!(
        place.sql("select count(*) from shop._sqlx_migrations").await,
        "1\n"
    );
    assert_eq!(place.sql(theirs).await, "1\tposts\n");
}

#[tokio::test]
async fn who_may_make_no_table_any_more_migrates_and_fills_with_those_that_are_there() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    place
        .sql("revoke create on schema public from public, shop; alter schema public owner to postgres")
        .await;
    assert_eq!(
        place
            .sql("select has_schema_privilege('shop', 'public', 'create')")
            .await,
        "f\n"
    );
    migration(&place, 2, "insert into numbered (n) values (7)");
    place.succeeds(Verb::Migrate).await;
    place.file("fixtures/postgres.main/20-new.toml", "[[numbered]]\nn = 9\n");
    place.succeeds(Verb::Fill).await;
    assert_eq!(place.sql(STATE).await, "2\t4\n");
}

#[tokio::test]
async fn a_table_that_the_search_path_does_not_lead_to_is_told_where_it_is() {
    let place = Place::new().await;
    migration(
        &place,
        2,
        "create schema sales; create table sales.orders (n int); create table \"with.dot\" (n int)",
    );
    place.succeeds(Verb::Build).await;
    let away = "the table `orders` is in the schema sales, and the search path of this role, `\"$user\", public`, does not";
    for (name, words) in [
        ("sales.orders", away),
        ("orders", away),
        ("public.users", "write `users`"),
        ("user", "did you mean `users`?"),
    ] {
        place.file(
            "fixtures/postgres.main/20-new.toml",
            &format!("[[\"{name}\"]]\nn = 1\n"),
        );
        let told = place.run(Verb::Fill).await.to_string();
        assert!(told.contains(words), "{told}");
    }
    place.file("fixtures/postgres.main/20-new.toml", "[[\"with.dot\"]]\nn = 1\n");
    place.succeeds(Verb::Fill).await;
    place.sql("alter role shop set search_path = public, sales").await;
    place.file("fixtures/postgres.main/30-new.toml", "[[orders]]\nn = 1\n");
    place.succeeds(Verb::Fill).await;
    assert_eq!(place.sql("select count(*) from sales.orders").await, "1\n");
}
