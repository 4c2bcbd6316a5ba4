//! Models on SQLite: what the typed methods do to the rows, and what is left of their errors.

use crate::order::{self, Column, Model as Order};
use dbreg::sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Set,
};
use dbreg::{DbRegistry, Error, ErrorKind, sqlx};

#[derive(DbRegistry)]
#[registry(toml = r#"
[sqlite.local]
path = ":memory:"
timeout = "2s"
"#)]
pub(crate) struct App;

pub(crate) const TABLE: &str = "create table shop_order (number integer primary key, customer text not null unique, cents bigint not null)";

pub(crate) async fn connect() -> AppRegistry {
    let db = App::connect().await.unwrap();
    sqlx::query(TABLE).execute(&db.sqlite.local).await.unwrap();
    db
}

/// As the driver's own pool sees them.
async fn rows(db: &AppRegistry) -> Vec<(String, i64)> {
    let pool = db.sqlite.local.instance();
    let rows = sqlx::query_as("select customer, cents from shop_order order by number");
    rows.fetch_all(&pool).await.unwrap()
}

#[tokio::test]
async fn rows_come_and_go() {
    let db = connect().await;
    let local = &db.sqlite.local;
    let ada = local.insert(order::new("Ada", 350)).await.unwrap();
    assert_eq!((ada.number, ada.customer.as_str()), (1, "Ada"));
    let more = [order::new("Grace", 720), order::new("Alan", 120)];
    assert_eq!(local.insert_many(more).await.unwrap(), 2);
    assert_eq!(
        rows(&db).await,
        [
            ("Ada".to_owned(), 350),
            ("Grace".to_owned(), 720),
            ("Alan".to_owned(), 120)
        ]
    );

    let found = local
        .find::<Order>()
        .filter(Column::Cents.gt(200))
        .order_by_desc(Column::Cents)
        .limit(1)
        .all()
        .await
        .unwrap();
    assert_eq!(found[0].customer, "Grace");
    assert_eq!(local.find::<Order>().count().await.unwrap(), 3);
    assert_eq!(local.find_by_id::<Order>(1).one().await.unwrap().unwrap(), ada);
    assert!(local.find_by_id::<Order>(9).one().await.unwrap().is_none());

    let mut changed = ada.clone().into_active_model();
    changed.cents = Set(360);
    assert_eq!(local.update(changed).await.unwrap().cents, 360);
    assert!(local.delete_by_id::<Order>(3).await.unwrap());
    assert!(!local.delete_by_id::<Order>(3).await.unwrap());
    assert_eq!(
        rows(&db).await,
        [("Ada".to_owned(), 360), ("Grace".to_owned(), 720)]
    );
    assert!(local.delete(ada.clone()).await.unwrap());
    assert!(!local.delete(ada).await.unwrap());
    assert_eq!(rows(&db).await, [("Grace".to_owned(), 720)]);
    assert_eq!(local.errors().total, 0);
}

#[tokio::test]
async fn an_error_is_recorded_once_and_keeps_the_cause() {
    let db = connect().await;
    let local = &db.sqlite.local;
    local.insert(order::new("Ada", 1)).await.unwrap();
    let error = local.insert(order::new("Ada", 2)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.connection()),
        (ErrorKind::Operation, "sqlite.local")
    );
    let cause = std::error::Error::source(&error)
        .unwrap()
        .downcast_ref::<dbreg::sea_orm::DbErr>();
    assert!(matches!(
        cause.unwrap().sql_err(),
        Some(dbreg::sea_orm::SqlErr::UniqueConstraintViolation(_))
    ));
    assert_eq!(local.errors().total, 1, "{:?}", local.errors());

    // What no statement failed with is recorded, too.
    let nobody = order::ActiveModel {
        number: Set(9),
        cents: Set(1),
        ..Default::default()
    };
    assert_eq!(
        local.update(nobody).await.unwrap_err().kind(),
        ErrorKind::Operation
    );
    assert_eq!(local.errors().total, 2, "{:?}", local.errors());

    // Through `process` it is the same error on its way out.
    let copy = local.clone();
    let failed: Result<(), Error> = local
        .process(async |_| {
            sqlx::query("select * from nowhere").execute(&copy).await?;
            Ok(())
        })
        .await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Operation);
}

#[tokio::test]
async fn seaorm_takes_the_connection_itself_and_its_own() {
    let db = connect().await;
    let local = &db.sqlite.local;
    order::new("Ada", 350).insert(local).await.unwrap();
    let handle: dbreg::Sqlite = local.clone();
    assert_eq!(order::Entity::find().all(&handle).await.unwrap().len(), 1);
    let updated = order::Entity::update_many()
        .col_expr(Column::Cents, 7.into())
        .exec(local)
        .await
        .unwrap();
    assert_eq!(updated.rows_affected, 1);
    let tuples: Vec<i64> = local
        .find::<Order>()
        .into_select()
        .select_only()
        .column(Column::Cents)
        .into_tuple()
        .all(local)
        .await
        .unwrap();
    assert_eq!(tuples, [7]);

    // A second pool would have a memory of its own, without the row.
    let orm = local.orm();
    let before = local.status();
    assert_eq!(order::Entity::find().all(&orm).await.unwrap().len(), 1);
    assert!(order::new("Ada", 1).insert(&orm).await.is_err());
    let after = local.status();
    assert_eq!((after.calls - before.calls, after.errors - before.errors), (2, 1));
    assert_eq!(after.last_error.unwrap().operation, "orm");

    db.close().await.unwrap();
    assert!(order::Entity::find().all(&orm).await.is_err(), "closed along");
    let error = local.find::<Order>().all().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}
