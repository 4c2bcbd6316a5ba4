//! Models on MySQL: the handle, its readers, and a foreign place.

use crate::order::{self, Column, Model as Order};
use dbreg::sea_orm::{ActiveModelTrait as _, ColumnTrait, QueryFilter};
use dbreg::{At, DbRegistry, Error, ErrorKind, ModelOf, MySql, sqlx};
use registry_dev::{MySqlServer, Proxy};
use std::net::Ipv4Addr;

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
host = "127.0.0.1"
username = "shop"
db = "shop"
timeout = "5s"

[mysql.spare]
host = "127.0.0.1"
username = "shop"
db = "shop"
start = "optional"
"#)]
pub(crate) struct App;

async fn server() -> MySqlServer {
    let server = registry_dev::mysql().await.unwrap();
    server.create_database("shop", "shop", "secret").await.unwrap();
    server
}

pub(crate) async fn connect() -> (MySqlServer, AppRegistry) {
    let server = server().await;
    let db = connect_at(server.port(), 10).await;
    (server, db)
}

/// With a network between the two that can be made a bad one.
pub(crate) async fn connect_by_proxy(sessions: u32) -> (MySqlServer, Proxy, AppRegistry) {
    let server = server().await;
    let proxy = Proxy::to((Ipv4Addr::LOCALHOST, server.port())).await.unwrap();
    let db = connect_at(proxy.port(), sessions).await;
    (server, proxy, db)
}

async fn connect_at(port: u16, sessions: u32) -> AppRegistry {
    let mut builder = App::builder().variable("DBREG_MYSQL__MAIN__POOL__MAX", sessions);
    for name in ["MAIN", "SPARE"] {
        builder = builder
            .variable(format!("DBREG_MYSQL__{name}__PORT"), port)
            .variable(format!("DBREG_MYSQL__{name}__PASSWORD"), "secret");
    }
    let db = builder.connect().await.unwrap();
    let table = "create table shop_order (number bigint auto_increment primary key, customer varchar(80) not null unique, \
                 cents bigint not null)";
    sqlx::query(table).execute(&db.mysql.main).await.unwrap();
    db
}

/// For any connection that orders live on.
async fn count<P>(db: &At<MySql, P>) -> Result<u64, Error>
where
    Order: ModelOf<P>,
{
    db.find::<Order>().count().await
}

#[tokio::test]
async fn models_live_on_the_handle_and_are_read_on_its_readers() {
    let (_server, db) = connect().await;
    let main = &db.mysql.main;
    let ada = main.insert(order::new("Ada", 350)).await.unwrap();
    assert_eq!(ada.number, 1, "the number that the server chose");
    main.insert_many([order::new("Grace", 720)]).await.unwrap();
    let counted: i64 = sqlx::query_scalar("select count(*) from shop_order")
        .fetch_one(&main.instance())
        .await
        .unwrap();
    assert_eq!(counted, 2);

    let reader = main.read();
    let found = reader
        .find::<Order>()
        .filter(Column::Customer.eq("Ada"))
        .all()
        .await
        .unwrap();
    assert_eq!(found, std::slice::from_ref(&ada));
    let token = main.write_token().await.unwrap();
    assert_eq!(main.read_after(&token).find::<Order>().count().await.unwrap(), 2);
    // The reader is still the executor of sqlx that it was.
    let name: String = sqlx::query_scalar("select customer from shop_order where number = 2")
        .fetch_one(&main.read())
        .await
        .unwrap();
    assert_eq!(name, "Grace");

    // The compiler refuses `insert` of the reader itself; what SeaORM is told to do, the server refuses.
    let alan = order::new("Alan", 1).insert(&reader).await;
    let error = Error::from(alan.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    assert!(
        error.message().contains("READ ONLY") || error.message().contains("1792"),
        "{error}"
    );
    assert_eq!(main.errors().total, 1, "{:?}", main.errors());
    assert_eq!(count(main).await.unwrap(), 2);

    assert!(main.delete(ada).await.unwrap());
    assert_eq!(
        main.orm().get_database_backend(),
        dbreg::sea_orm::DbBackend::MySql
    );
    db.close().await.unwrap();
}
