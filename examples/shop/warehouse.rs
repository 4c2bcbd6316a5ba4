//! Parcels, in PostgreSQL.

use crate::AppRegistry;
use crate::catalogue;
use crate::input;
use crate::model::{Parcel, parcel};
use dbreg::Error;
use dbreg::sea_orm::Set;

/// Packs the order, once: no transaction goes over two databases, so this is safe to repeat after whatever stopped it.
pub(crate) async fn pack(db: &AppRegistry, number: i64, order: &input::Order) -> Result<Parcel, Error> {
    let grams = catalogue::grams(db, &order.lines).await?;
    let pack = db.postgres.warehouse.transaction(async |tx| {
        if let Some(packed) = tx.find_by_id::<Parcel>(number).one().await? {
            return Ok(packed);
        }
        let parcel = parcel::ActiveModel {
            order_number: Set(number),
            articles: Set(order.lines.iter().map(|line| line.quantity).sum()),
            grams: Set(grams),
        };
        tx.insert(parcel).await
    });
    pack.await
}

/// The parcel of an order, once it is packed: from a standby where there is one, which may hear of it a moment later.
pub(crate) async fn parcel(db: &AppRegistry, number: i64) -> Result<Option<Parcel>, Error> {
    let reader = db.postgres.warehouse.read();
    reader.find_by_id::<Parcel>(number).one().await
}
