//! An entity of SeaORM that belongs to two connections: what `mysql` and `sqlite` have of it is tested alike.

use dbreg::sea_orm;
use dbreg::sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, dbreg::Model)]
#[sea_orm(table_name = "shop_order")]
#[model(
    crate::mysql::app_registry::mysql::main,
    crate::sqlite::app_registry::sqlite::local
)]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) number: i64,
    #[sea_orm(unique)]
    pub(crate) customer: String,
    pub(crate) cents: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A new order, whose number the database chooses.
pub(crate) fn new(customer: &str, cents: i64) -> ActiveModel {
    ActiveModel {
        number: sea_orm::NotSet,
        customer: sea_orm::Set(customer.to_owned()),
        cents: sea_orm::Set(cents),
    }
}
