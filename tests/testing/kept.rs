//! What is left of a test: nothing when it passed, its databases when it failed.

use dbreg::sqlx::{
    self, ConnectOptions as _, Connection as _, mysql::MySqlConnectOptions, postgres::PgConnectOptions,
};
use dbreg::{DbRegistry, Error, ErrorKind};
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::sync::Mutex;

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
host = "db1.invalid"
username = "shop"
[postgres.main]
host = "pg1.invalid"
username = "shop"
[sqlite.local]
path = "data/app.db"
"#)]
#[expect(dead_code, reason = "tests open its registry")]
struct App;

/// Where the databases of a test are.
#[derive(Debug)]
struct Found {
    mysql: (String, u16),
    postgres: (String, u16),
    file: PathBuf,
}

async fn find(db: &AppRegistry) -> Found {
    let mysql: (String, i64) = sqlx::query_as("select database(), cast(@@port as signed)")
        .fetch_one(&db.mysql.main)
        .await
        .unwrap();
    let postgres: (String, i32) = sqlx::query_as("select current_database()::text, inet_server_port()")
        .fetch_one(&db.postgres.main)
        .await
        .unwrap();
    let file: String = sqlx::query_scalar("select file from pragma_database_list where name = 'main'")
        .fetch_one(&db.sqlite.local)
        .await
        .unwrap();
    Found {
        mysql: (mysql.0, u16::try_from(mysql.1).unwrap()),
        postgres: (postgres.0, u16::try_from(postgres.1).unwrap()),
        file: PathBuf::from(file),
    }
}

/// Whether each of the databases is there, with the account and the password that the report of a failure names.
fn is_there(found: &Found) -> [bool; 3] {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let (db, port) = &found.mysql;
        let options = MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(*port)
            .username(db)
            .password("test")
            .database(db);
        let mysql = options.connect().await;
        let (db, port) = &found.postgres;
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(*port)
            .username(db)
            .password("test")
            .database(db);
        let postgres = options.connect().await;
        let there = [mysql.is_ok(), postgres.is_ok(), found.file.exists()];
        if let Ok(session) = mysql {
            session.close().await.unwrap();
        }
        if let Ok(session) = postgres {
            session.close().await.unwrap();
        }
        there
    })
}

static FOUND: Mutex<Vec<Found>> = Mutex::new(Vec::new());

fn remember(found: Found) {
    FOUND.lock().unwrap().push(found);
}

fn last() -> Found {
    FOUND.lock().unwrap().pop().unwrap()
}

// One after the other: they leave what they found to whoever looks.
#[test]
#[expect(
    unnameable_test_items,
    reason = "they are run from here, and what is left is looked at"
)]
fn databases_are_dropped_after_a_success_and_kept_after_a_failure() {
    #[dbreg::test]
    async fn passes(db: AppRegistry) {
        remember(find(&db).await);
    }

    #[dbreg::test]
    async fn panics(db: AppRegistry) {
        remember(find(&db).await);
        panic!("as a test does");
    }

    #[dbreg::test]
    async fn gives_an_error(db: AppRegistry) -> Result<(), Error> {
        remember(find(&db).await);
        Err(Error::new(ErrorKind::Operation, "as a test does"))
    }

    #[dbreg::test]
    #[should_panic]
    async fn panics_as_wanted(db: AppRegistry) {
        remember(find(&db).await);
        panic!("as a test does");
    }

    passes();
    assert_eq!(is_there(&last()), [false; 3]);
    catch_unwind(panics).unwrap_err();
    let left = last();
    assert_eq!(is_there(&left), [true; 3], "{left:?}");
    std::fs::remove_dir_all(left.file.parent().unwrap()).unwrap();
    gives_an_error().unwrap_err();
    let left = last();
    assert_eq!(is_there(&left), [true; 3], "{left:?}");
    std::fs::remove_dir_all(left.file.parent().unwrap()).unwrap();
    catch_unwind(panics_as_wanted).unwrap_err();
    assert_eq!(is_there(&last()), [false; 3]);
}
