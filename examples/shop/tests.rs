//! The shop on databases of each test's own: empty, migrated, or filled as `dbreg build` fills them.

#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

use crate::cache::{self, Source};
use crate::model::{Event, Parcel, Summary};
use crate::{AppRegistry, catalogue, events, input, orders, warehouse};
use dbreg::mongodb::bson::{Document, doc};
use dbreg::{CacheModel as _, Error, ErrorKind, sqlx};
use std::path::Path;

/// The rows as MySQL has them, whatever the models say: customer, product, quantity, cents of each line of an order.
async fn lines(db: &AppRegistry, number: i64) -> Vec<(String, String, i64, i64)> {
    let sql = "select customer, product, quantity, cents from shop_order \
               join shop_order_line on order_number = number where number = ? order by product";
    let rows = sqlx::query_as(sql).bind(number).fetch_all(&db.mysql.main);
    rows.await.unwrap()
}

async fn count(db: &AppRegistry, sql: &'static str) -> i64 {
    let count = sqlx::query_scalar(sql).fetch_one(&db.mysql.main);
    count.await.unwrap()
}

fn line(product: &str, quantity: i64, cents: i64) -> input::Line {
    input::Line {
        product: product.to_owned(),
        quantity,
        cents,
    }
}

fn order(customer: &str, lines: Vec<input::Line>) -> input::Order {
    input::Order {
        customer: customer.to_owned(),
        lines,
    }
}

fn summary(number: i64, customer: &str, articles: i64, cents: i64) -> Summary {
    Summary {
        number,
        customer: customer.to_owned(),
        articles,
        cents,
    }
}

fn parcel(order_number: i64, articles: i64, grams: Option<i64>) -> Parcel {
    Parcel {
        order_number,
        articles,
        grams,
    }
}

#[dbreg::test(fill)]
async fn it_opens_with_the_orders_of_the_fixtures(db: AppRegistry) -> Result<(), Error> {
    assert_eq!(orders::latest(&db, 3).await?, [1, 2]);
    assert_eq!(orders::latest(&db, 1).await?, [2]);
    let of = |product: &str, quantity, cents| ("Edsger".to_owned(), product.to_owned(), quantity, cents);
    assert_eq!(lines(&db, 1).await, [of("tea", 4, 350), of("teapot", 1, 1990)]);

    assert_eq!(events::of_order(&db, 1).await?, ["placed", "shown"]);
    assert_eq!(events::of_order(&db, 2).await?, ["placed"]);
    let documents = db.mongodb.logs.collection::<Document>("events");
    let shown = documents.find_one(doc! { "what": "shown" }).await?.unwrap();
    let at = shown.get_datetime("at").unwrap();
    assert_eq!(at.try_to_rfc3339_string().unwrap(), "2026-01-05T09:15:30Z");

    // What the fixture keeps of the first order is what MySQL has of it.
    let written = db.mysql.main.write_token().await?;
    let (cached, source) = cache::summary(&db, 1, &written).await?;
    assert_eq!(source, Source::Cache);
    assert_eq!(cached, summary(1, "Edsger", 5, 3390));
    assert_eq!(cached, orders::summary(&db, 1, &written).await?);
    // And the parcel is made of what MySQL and the catalogue have of it.
    let lines = [line("tea", 4, 350), line("teapot", 1, 1990)];
    let grams = catalogue::grams(&db, &lines).await?;
    assert_eq!(warehouse::parcel(&db, 1).await?, Some(parcel(1, 5, grams)));
    assert_eq!(grams, Some(1250));
    assert_eq!(warehouse::parcel(&db, 2).await?, None);
    Ok(())
}

#[dbreg::test(fill)]
async fn the_cache_is_asked_first_and_then_filled(db: AppRegistry) -> Result<(), Error> {
    let written = db.mysql.main.write_token().await?;
    let second = summary(2, "Barbara", 1, 720);
    let raw = async || db.memcached.cache.get(Summary::write_key(2)).await;
    assert_eq!(raw().await?, None);
    let first_look = cache::summary(&db, 2, &written).await?;
    assert_eq!(first_look, (summary(2, "Barbara", 1, 720), Source::Database));
    let kept = raw().await?.unwrap();
    assert_eq!(serde_json::from_slice::<Summary>(&kept).unwrap(), second);
    let second_look = cache::summary(&db, 2, &written).await?;
    assert_eq!(second_look, (second, Source::Cache));

    cache::forget(&db, 1).await;
    let (_, source) = cache::summary(&db, 1, &written).await?;
    assert_eq!(source, Source::Database);
    Ok(())
}

/// All of the shop, on the sample of `cargo demo` and after the orders of the fixtures.
#[dbreg::test(fill, profile = "fleet", flavor = "multi_thread")]
async fn the_sample_is_placed_logged_and_cached(db: AppRegistry) -> Result<(), Error> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop/sample.jsonl");
    let sample = input::read(&sample).map_err(|mistakes| mistakes.len()).unwrap();
    crate::work(&db, &sample).await?;

    assert_eq!(orders::latest(&db, 9).await?, [1, 2, 3, 4, 5]);
    assert_eq!(count(&db, "select count(*) from shop_order_line").await, 8);
    let last = |product: &str, quantity, cents| ("Łukasz".to_owned(), product.to_owned(), quantity, cents);
    assert_eq!(lines(&db, 5).await, [last("sugar", 4, 115), last("tea", 1, 350)]);
    let events = db.mongodb.logs.collection::<Document>("events");
    assert_eq!(events.count_documents(doc! {}).await?, 3 + 3 * 3);
    // Nothing weighs the sugar of the last order.
    let parcels = sqlx::query_as("select order_number, articles, grams from parcel order by 1");
    let parcels: Vec<(i64, i64, Option<i64>)> = parcels.fetch_all(&db.postgres.warehouse).await.unwrap();
    let expected = [
        (1, 5, Some(1250)),
        (3, 3, Some(1050)),
        (4, 3, Some(1500)),
        (5, 5, None),
    ];
    assert_eq!(parcels, expected);
    let cached = db.memcached.cache.fetch::<Summary>(5).await?;
    assert_eq!(cached, Some(summary(5, "Łukasz", 5, 810)));
    // The one mistake is that which the shop shows on purpose.
    let errors = db.connections().map(|connection| connection.errors().total);
    assert_eq!(errors.sum::<u64>(), 1);
    Ok(())
}

#[dbreg::test(migrate)]
async fn an_order_is_placed_as_a_whole_or_not_at_all(db: AppRegistry) -> Result<(), Error> {
    assert_eq!(orders::latest(&db, 3).await?, [0; 0]);
    let twice = order("Ada", vec![line("tea", 1, 350), line("tea", 2, 350)]);
    let refused = orders::place(&db, &twice).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Operation, "{refused}");
    let long = order(&"x".repeat(81), vec![line("tea", 1, 350)]);
    orders::place(&db, &long).await.unwrap_err();
    assert_eq!(count(&db, "select count(*) from shop_order").await, 0);
    assert_eq!(count(&db, "select count(*) from shop_order_line").await, 0);

    // Names are told apart by their characters.
    let accents = order(
        "Zoë",
        vec![line("cafe", 1, 1), line("café", 2, 10), line("Cafe", 3, 100)],
    );
    let number = orders::place(&db, &accents).await?;
    let written = db.mysql.main.write_token().await?;
    let placed = orders::summary(&db, number, &written).await?;
    assert_eq!(placed, summary(number, "Zoë", 6, 321));
    assert_eq!(lines(&db, number).await.len(), 3);
    Ok(())
}

#[dbreg::test(fill)]
async fn an_order_is_packed_once(db: AppRegistry) -> Result<(), Error> {
    let first = order("Barbara", vec![line("coffee", 2, 720), line("tea", 1, 350)]);
    let packed = parcel(2, 3, Some(1100));
    assert_eq!(warehouse::pack(&db, 2, &first).await?, packed);
    let again = order("Barbara", vec![line("coffee", 9, 720)]);
    assert_eq!(warehouse::pack(&db, 2, &again).await?, packed);
    assert_eq!(warehouse::parcel(&db, 2).await?, Some(packed));
    let heavy = [line("teapot", i64::MAX, 1990)];
    assert_eq!(catalogue::grams(&db, &heavy).await?, None);
    Ok(())
}

#[dbreg::test(migrate)]
async fn the_index_that_the_model_declares_is_that_of_the_migration(db: AppRegistry) -> Result<(), Error> {
    let synced = db.mongodb.logs.sync_indexes::<Event>().await?;
    assert_eq!(synced.unchanged, ["order_1_at_1"], "{synced:?}");
    let changed = [synced.created, synced.replaced, synced.undeclared].concat();
    assert_eq!(changed, [""; 0]);
    Ok(())
}

#[dbreg::test(migrate)]
async fn the_migration_can_be_reverted(db: AppRegistry) -> Result<(), sqlx::Error> {
    let of_the_shop = "select count(*) from information_schema.tables \
                       where table_schema = database() and table_name like 'shop%'";
    assert_eq!(count(&db, of_the_shop).await, 2);
    let down = include_str!("../../migrations/mysql.main/0001_orders.down.sql");
    sqlx::raw_sql(down).execute(&db.mysql.main).await?;
    assert_eq!(count(&db, of_the_shop).await, 0);
    let down = include_str!("../../migrations/postgres.warehouse/0001_parcels.down.sql");
    sqlx::raw_sql(down).execute(&db.postgres.warehouse).await?;
    let down = include_str!("../../migrations/sqlite.catalogue/0001_articles.down.sql");
    sqlx::raw_sql(down).execute(&db.sqlite.catalogue).await?;
    let parcels = "select count(*) from information_schema.tables where table_name = 'parcel'";
    let parcels = sqlx::query_scalar::<_, i64>(parcels).fetch_one(&db.postgres.warehouse);
    let articles = "select count(*) from sqlite_schema where name = 'article'";
    let articles = sqlx::query_scalar::<_, i64>(articles).fetch_one(&db.sqlite.catalogue);
    assert_eq!((parcels.await?, articles.await?), (0, 0));
    Ok(())
}

#[dbreg::test]
async fn on_empty_databases_the_shop_says_what_prepares_them(db: AppRegistry) {
    let error = crate::work(&db, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    assert!(error.message().contains("shop_order"), "{error}");
    assert!(error.next_step().unwrap().contains("`dbreg build`"), "{error:?}");
    // It is what the shop prints.
    assert!(format!("{error:?}").contains("`dbreg build`"), "{error:?}");
    let tables = "select count(*) from information_schema.tables where table_schema = database()";
    assert_eq!(count(&db, tables).await, 0);
}
