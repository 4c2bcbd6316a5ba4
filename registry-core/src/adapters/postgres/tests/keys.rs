//! Keys that the server makes, beside those that fixtures write.

use super::place::Place;
use crate::tasks::Verb;

/// A database with these tables, and a file of fixtures for them.
async fn with(tables: &str, fixtures: &str) -> Place {
    let place = Place::new().await;
    place.file("migrations/postgres.main/2_tables.sql", tables);
    place.file("fixtures/postgres.main/20-tables.toml", fixtures);
    place
}

#[tokio::test]
async fn a_key_of_texts_stays_one() {
    let place = with(
        "create sequence invs; create domain number as int; create domain key as number; \
         create table inv (no text primary key default to_char(nextval('invs'), 'FM0000'), n text); \
         create table orders (id key primary key default nextval('invs'), n text)",
        "[inv.a]\nn = \"x\"\n[orders.a]\nn = \"x\"\n",
    )
    .await;
    place.succeeds(Verb::Build).await;
    let replacing = place.builder().replace(true).build().unwrap();
    let replaced = replacing.run(Verb::Fill, |_| ()).await;
    assert!(replaced.is_success(), "{replaced}");
    assert_eq!(place.sql("select no, n from inv").await, "0001\tx\n");
    let record = "select filled_rows from _dbreg_fixtures where file like '%tables%'";
    let record = place.sql(record).await;
    assert!(
        record.contains("\"0001\"") && !record.contains("\"2\""),
        "{record}"
    );
    place.succeeds(Verb::Refill).await;
    assert_eq!(place.sql("select no from inv").await, "0001\n");
}
