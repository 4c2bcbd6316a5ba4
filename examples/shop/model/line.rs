//! A line of an order: a row of MySQL.

use crate::app_registry;
use dbreg::sea_orm;
use dbreg::sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, dbreg::Model)]
#[sea_orm(table_name = "shop_order_line")]
#[model(app_registry::mysql::main)]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) order_number: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) product: String,
    pub(crate) quantity: i64,
    /// The price of one.
    pub(crate) cents: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
