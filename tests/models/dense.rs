//! An entity in the dense format of SeaORM, whose macro writes a second struct beside the model.

use crate::sqlite::{self, app_registry};
use dbreg::sea_orm;
use dbreg::sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, dbreg::Model)]
#[sea_orm(table_name = "shop_order")]
#[model(app_registry::sqlite::local)]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) number: i64,
    #[sea_orm(unique)]
    pub(crate) customer: String,
    pub(crate) cents: i64,
}

impl ActiveModelBehavior for ActiveModel {}

#[tokio::test]
async fn it_lives_on_its_connection_as_any_other() {
    let db = sqlite::connect().await;
    let row = ActiveModel {
        customer: sea_orm::Set("Ada".to_owned()),
        cents: sea_orm::Set(1),
        ..Default::default()
    };
    let ada = db.sqlite.local.insert(row).await.unwrap();
    assert_eq!(db.sqlite.local.find::<Model>().all().await.unwrap(), [ada]);
}
