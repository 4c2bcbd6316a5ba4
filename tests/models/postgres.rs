//! Models on PostgreSQL: the handle, its transactions, and SeaORM's own connection on the same pool.

use crate::order::{self, Column, Model as Order};
use dbreg::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use dbreg::{DbRegistry, Error, ErrorKind, sqlx};

#[derive(DbRegistry)]
#[registry(toml = r#"
[postgres.main]
host = "127.0.0.1"
username = "shop"
db = "shop"
timeout = "5s"
"#)]
pub(crate) struct App;

#[tokio::test]
async fn models_live_on_the_handle_and_in_its_transactions() {
    let server = registry_dev::postgres().await.unwrap();
    server.create_database("shop", "shop", "secret").await.unwrap();
    let db = App::builder()
        .variable("DBREG_POSTGRES__MAIN__PORT", server.port())
        .variable("DBREG_POSTGRES__MAIN__PASSWORD", "secret")
        .connect()
        .await
        .unwrap();
    let main = &db.postgres.main;
    let table = "create table shop_order (number bigserial primary key, customer varchar(80) not null unique, \
                 cents bigint not null)";
    sqlx::query(table).execute(main).await.unwrap();

    let ada = main.insert(order::new("Ada", 350)).await.unwrap();
    assert_eq!(ada.number, 1, "the number that the server chose");
    let found = main.find::<Order>().filter(Column::Customer.eq("Ada")).all();
    assert_eq!(found.await.unwrap(), std::slice::from_ref(&ada));

    let rolled_back = main
        .transaction(async |tx| {
            tx.insert(order::new("Grace", 720)).await?;
            Err::<(), _>(Error::new(ErrorKind::Operation, "no"))
        })
        .await;
    rolled_back.unwrap_err();
    assert_eq!(main.find::<Order>().count().await.unwrap(), 1);
    let number = main
        .transaction(async |tx| Ok::<_, Error>(tx.insert(order::new("Grace", 720)).await?.number))
        .await
        .unwrap();
    let twice = main.insert(order::new("Grace", 1)).await.unwrap_err();
    assert!(twice.message().contains("(23505)"), "{twice}");

    let orm = main.orm();
    assert_eq!(orm.get_database_backend(), dbreg::sea_orm::DbBackend::Postgres);
    let found = order::Entity::find_by_id(number).one(&orm).await.unwrap();
    assert_eq!(found.unwrap().customer, "Grace");
    assert!(main.delete(ada).await.unwrap());
    db.close().await.unwrap();
}
