//! Orders, in MySQL.

use crate::AppRegistry;
use crate::input;
use crate::model::{Line, Order, Summary, line, order};
use dbreg::sea_orm::{ColumnTrait as _, NotSet, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set};
use dbreg::{Error, ErrorKind, WriteToken};

/// The numbers of the latest orders, the oldest first.
pub(crate) async fn latest(db: &AppRegistry, limit: u64) -> Result<Vec<i64>, Error> {
    let orders = db.mysql.main.find::<Order>();
    let orders = orders.order_by_desc(order::Column::Number).limit(limit);
    let numbers = orders.all().await?.into_iter().map(|order| order.number);
    Ok(numbers.rev().collect())
}

/// Writes the order and its lines, or nothing at all; gives the order's number.
pub(crate) async fn place(db: &AppRegistry, order: &input::Order) -> Result<i64, Error> {
    let place = db.mysql.main.transaction(async |tx| {
        let placed = tx
            .insert(order::ActiveModel {
                number: NotSet,
                customer: Set(order.customer.clone()),
            })
            .await?;
        let lines = order.lines.iter().map(|line| line::ActiveModel {
            order_number: Set(placed.number),
            product: Set(line.product.clone()),
            quantity: Set(line.quantity),
            cents: Set(line.cents),
        });
        tx.insert_many(lines).await?;
        Ok(placed.number)
    });
    place.await
}

/// Reads from a replica, where there is one; from one that has at least what this token stands for.
pub(crate) async fn summary(db: &AppRegistry, number: i64, written: &WriteToken) -> Result<Summary, Error> {
    let reader = db.mysql.main.read_after(written);
    let order = reader.find_by_id::<Order>(number).one().await?;
    let Some(Order { customer, .. }) = order else {
        return Err(Error::new(
            ErrorKind::Operation,
            format!("there is no order {number}"),
        ));
    };
    let of_order = line::Column::OrderNumber.eq(number);
    let lines = reader.find::<Line>().filter(of_order).all().await?;
    Ok(Summary {
        number,
        customer,
        articles: lines.iter().map(|line| line.quantity).sum(),
        cents: lines.iter().map(|line| line.quantity * line.cents).sum(),
    })
}
