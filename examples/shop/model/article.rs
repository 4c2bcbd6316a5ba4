//! An article of the catalogue: a row of SQLite.

use crate::app_registry;
use dbreg::sea_orm;
use dbreg::sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, dbreg::Model)]
#[sea_orm(table_name = "article")]
#[model(app_registry::sqlite::catalogue)]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) product: String,
    /// The weight of one.
    pub(crate) grams: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
