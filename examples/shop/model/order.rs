//! An order: a row of MySQL.

use crate::app_registry;
use dbreg::sea_orm;
use dbreg::sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, dbreg::Model)]
#[sea_orm(table_name = "shop_order")]
#[model(app_registry::mysql::main)]
pub(crate) struct Model {
    /// Chosen by the database.
    #[sea_orm(primary_key)]
    pub(crate) number: i64,
    pub(crate) customer: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
