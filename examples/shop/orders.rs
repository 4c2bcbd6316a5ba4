//! Orders, in MySQL.

use crate::input::Order;
use dbreg::{Error, MySql, WriteToken, sqlx};
use serde::{Deserialize, Serialize};

/// An order as customers see it. It goes through the cache, hence serde.
#[derive(Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) customer: String,
    pub(crate) articles: i64,
    pub(crate) cents: i64,
}

pub(crate) async fn create_tables(mysql: &MySql) -> Result<(), Error> {
    mysql
        .process(async |pool| {
            sqlx::raw_sql(include_str!("schema.sql")).execute(&pool).await?;
            Ok(())
        })
        .await
}

/// Writes the order and its lines, or nothing at all; gives the order's number.
pub(crate) async fn place(mysql: &MySql, order: &Order) -> Result<i64, Error> {
    // A transaction that is dropped on the way out with `?` is rolled back.
    let mut transaction = mysql.begin().await?;
    let inserted = sqlx::query("insert into shop_order (customer) values (?)")
        .bind(&order.customer)
        .execute(&mut *transaction)
        .await?;
    let number = i64::try_from(inserted.last_insert_id()).expect("a bigint of MySQL");
    for line in &order.lines {
        sqlx::query(
            "insert into shop_order_line (order_number, product, quantity, cents) values (?, ?, ?, ?)",
        )
        .bind(number)
        .bind(&line.product)
        .bind(line.quantity)
        .bind(line.cents)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(number)
}

/// Reads from a replica, where there is one; from one that has at least what this token stands for.
pub(crate) async fn summary(mysql: &MySql, number: i64, written: &WriteToken) -> Result<Summary, Error> {
    let (customer, articles, cents) = sqlx::query_as(
        "select customer, cast(sum(quantity) as signed), cast(sum(quantity * cents) as signed)
         from shop_order join shop_order_line on order_number = number
         where number = ?
         group by number, customer",
    )
    .bind(number)
    .fetch_one(&mysql.read_after(written))
    .await?;
    Ok(Summary {
        customer,
        articles,
        cents,
    })
}
