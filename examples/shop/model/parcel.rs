//! The parcel of an order: a row of PostgreSQL.

use crate::app_registry;
use dbreg::sea_orm;
use dbreg::sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, dbreg::Model)]
#[sea_orm(table_name = "parcel")]
#[model(app_registry::postgres::warehouse)]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) order_number: i64,
    pub(crate) articles: i64,
    /// Without what the catalogue does not know there is no weight.
    pub(crate) grams: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
