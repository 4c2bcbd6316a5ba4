//! Models and transactions on PostgreSQL, which checks some constraints only at the end.

use crate::order::{self, Column, Model as Order};
use dbreg::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use dbreg::{DbRegistry, Error, ErrorKind, sqlx};
use registry_dev::PostgresServer;

#[derive(DbRegistry)]
#[registry(toml = r#"
[postgres.main]
host = "127.0.0.1"
username = "shop"
db = "shop"
"#)]
pub(crate) struct App;

async fn connect() -> (PostgresServer, AppRegistry) {
    let server = registry_dev::postgres().await.unwrap();
    server.create_database("shop", "shop", "secret").await.unwrap();
    let builder = App::builder()
        .variable("DBREG_POSTGRES__MAIN__PORT", server.port())
        .variable("DBREG_POSTGRES__MAIN__PASSWORD", "secret");
    let db = builder.connect().await.unwrap();
    let table = "create table shop_order (number bigserial primary key, customer text not null unique deferrable \
                 initially deferred, cents bigint not null)";
    sqlx::query(table).execute(&db.postgres.main).await.unwrap();
    (server, db)
}

#[tokio::test]
async fn models_live_there_as_elsewhere() {
    let (_server, db) = connect().await;
    let main = &db.postgres.main;
    let ada = main.insert(order::new("Ada", 350)).await.unwrap();
    assert_eq!(ada.number, 1);
    assert_eq!(main.insert_many([order::new("Grace", 720)]).await.unwrap(), 1);
    let found = main
        .find::<Order>()
        .filter(Column::Cents.gt(500))
        .all()
        .await
        .unwrap();
    assert_eq!(found[0].customer, "Grace");
    assert_eq!(order::Entity::find().all(&main.orm()).await.unwrap().len(), 2);
    assert!(main.delete(ada).await.unwrap());
    let pool = main.instance();
    let left: i64 = sqlx::query_scalar("select count(*) from shop_order")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!((left, main.errors().total), (1, 0));
}

#[tokio::test]
async fn a_commit_that_the_server_refuses_is_known_to_have_failed() {
    let (_server, db) = connect().await;
    let main = &db.postgres.main;
    let twice: Result<(), Error> = main
        .transaction(async |tx| {
            tx.insert(order::new("Ada", 1)).await?;
            tx.insert(order::new("Ada", 2)).await?;
            Ok(())
        })
        .await;
    let error = twice.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Operation, "transaction")
    );
    assert!(!error.message().contains("not known"), "{error}");
    assert_eq!(
        (main.find::<Order>().count().await.unwrap(), main.errors().total),
        (0, 1)
    );
}

#[tokio::test]
async fn what_a_server_answers_to_a_commit_is_known_or_not() {
    let (_server, db) = connect().await;
    let main = &db.postgres.main;
    sqlx::raw_sql(
        "create function refuse() returns trigger language plpgsql as $$ begin \
            raise exception using errcode = new.customer, message = 'refused'; end $$; \
         create constraint trigger refuses after insert on shop_order deferrable initially deferred \
            for each row execute function refuse()",
    )
    .execute(main)
    .await
    .unwrap();
    for (code, kind, is_known, is_transient) in [
        // Of the server's own words for it: it does not know, the connection went, it is going down.
        ("40003", ErrorKind::Operation, false, false),
        ("08007", ErrorKind::Unreachable, false, false),
        ("08006", ErrorKind::Unreachable, false, false),
        ("57P01", ErrorKind::Unreachable, false, false),
        ("08P01", ErrorKind::Protocol, false, false),
        // It refused, and rolled back.
        ("40001", ErrorKind::Operation, true, true),
        ("23514", ErrorKind::Operation, true, false),
        ("P0001", ErrorKind::Operation, true, false),
        ("XX000", ErrorKind::Operation, true, false),
        ("ZZ999", ErrorKind::Operation, true, false),
    ] {
        let refused: Result<(), Error> = main
            .transaction(async |tx| {
                tx.insert(order::new(code, 1)).await?;
                Ok(())
            })
            .await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), kind, "{code}: {error}");
        let words = "whether the transaction was committed is not known";
        assert_eq!(!error.message().contains(words), is_known, "{code}: {error}");
        assert_eq!(error.is_transient(), is_transient, "{code}: {error}");
    }
    assert_eq!(main.find::<Order>().count().await.unwrap(), 0);
}

#[tokio::test]
async fn an_error_that_is_passed_over_does_not_pass_for_a_commit() {
    let (_server, db) = connect().await;
    let main = &db.postgres.main;
    for lent in [false, true] {
        let passed_over: Result<(), Error> = main
            .transaction(async |tx| {
                tx.insert(order::new("Ada", 1)).await?;
                let wrong = sqlx::query("selec 1");
                let failed = match lent {
                    false => wrong.execute(&mut *tx).await,
                    true => wrong.execute(tx.session()).await,
                };
                failed.unwrap_err();
                Ok(())
            })
            .await;
        let error = passed_over.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
        assert!(
            error.message().starts_with("everything was rolled back"),
            "{error}"
        );
        assert_eq!(main.find::<Order>().count().await.unwrap(), 0);
    }
    // What a savepoint takes back was not passed over.
    main.transaction(async |tx| {
        let mut savepoint = sqlx::Connection::begin(tx.session()).await?;
        sqlx::query("selec 1").execute(&mut *savepoint).await.unwrap_err();
        savepoint.rollback().await?;
        tx.insert(order::new("Ada", 1)).await.map(drop)
    })
    .await
    .unwrap();
    assert_eq!(main.find::<Order>().count().await.unwrap(), 1);
}
