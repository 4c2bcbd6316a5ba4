//! The generated registry at work. Its connections are lazy or missing, so no server is needed.

use dbreg::__private::{Root, Shape};
use dbreg::{At, DbRegistry, Memcached, Optional};

#[derive(DbRegistry)]
#[registry(toml = "
    [memcached.main]
    host = 'c1'
    start = 'lazy'

    [memcached.User-DB]
    host = 'c2'
    start = 'lazy'

    [memcached.audit]
    host = '127.0.0.1'
    port = 1
    start = 'optional'
")]
struct App;

#[derive(DbRegistry)]
#[registry(
    path = "registry-config/reference.toml",
    only("memcached"),
    name = "Caches",
    env = "SHOP"
)]
struct Reference;

#[cfg(all(
    feature = "mysql",
    feature = "mongodb",
    feature = "sqlite",
    feature = "postgres"
))]
mod every_backend {
    #[derive(dbreg::DbRegistry)]
    #[registry(path = "registry-config/reference.toml")]
    pub(super) struct App;
}

fn shape_of<R: Root>() -> &'static Shape {
    R::shape()
}

fn reference() -> Shape {
    let text = include_str!("../../registry-config/reference.toml");
    registry_config::load(text, "registry-config/reference.toml").shape
}

#[test]
fn the_shape_is_what_the_loader_says() {
    let mut shape = reference();
    #[cfg(all(
        feature = "mysql",
        feature = "mongodb",
        feature = "sqlite",
        feature = "postgres"
    ))]
    {
        drop(every_backend::App::builder());
        assert_eq!(*shape_of::<every_backend::AppRegistry>(), shape);
    }

    let (caches, others): (Vec<_>, Vec<_>) = shape
        .connections
        .into_owned()
        .into_iter()
        .partition(|connection| connection.backend == "memcached");
    shape.connections = caches.into();
    shape.others = others
        .iter()
        .map(|other| format!("{}.{}", other.backend, other.field).into())
        .collect();
    assert_eq!(*shape_of::<Caches>(), shape);
    drop(Reference::builder());
    assert_eq!((Caches::ENV, AppRegistry::ENV), ("SHOP", "DBREG"));
}

#[tokio::test]
async fn fields_and_names_lead_to_the_same_connections() {
    let db = App::connect().await.unwrap();
    let main: &At<Memcached, app_registry::memcached::main> = &db.memcached.main;
    let handle: &Memcached = main;
    assert_eq!((handle.backend(), handle.name()), ("memcached", "main"));
    assert_eq!(db.memcached.user_db.name(), "User-DB");
    assert_eq!(size_of_val(main), size_of::<Memcached>(), "the tag costs nothing");

    let names: Vec<String> = db
        .connections()
        .map(|connection| connection.name().to_owned())
        .collect();
    assert_eq!(names, ["main", "User-DB", "audit"]);
    assert_eq!(db.report().connections.len(), 3);
    for name in ["User-DB", "user_db"] {
        assert_eq!(
            db.backend("memcached").unwrap().get(name).unwrap().name(),
            "User-DB"
        );
    }
    assert!(db.backend("mysql").is_err());
}

/// What a future holds is moved with it, and what it is made of is compiled with whoever waits for it: see ARCHITECTURE.md.
#[tokio::test]
async fn what_is_called_seldom_is_a_future_of_few_bytes() {
    let start = App::connect();
    assert!(size_of_val(&start) <= 1024, "connect: {}", size_of_val(&start));
    let db = start.await.unwrap();
    let main = &db.memcached.main;
    for (name, size) in [
        ("reload", size_of_val(&db.reload())),
        ("close", size_of_val(&db.close())),
        ("ping", size_of_val(&main.ping())),
        ("close of one", size_of_val(&main.close())),
    ] {
        assert!(size <= 64, "{name}: {size}");
    }
}

/// A call of memcached may be one of hundreds that wait at once, and what it holds goes with its task from one processor
/// to the other.
#[tokio::test]
async fn what_is_called_often_is_a_future_of_few_bytes() {
    let db = App::connect().await.unwrap();
    let main = &db.memcached.main;
    for (name, size) in [
        ("get", size_of_val(&main.get("key"))),
        (
            "set",
            size_of_val(&main.set("key", "value", None::<std::time::Duration>)),
        ),
        ("incr", size_of_val(&main.incr("key", 1))),
    ] {
        assert!(size <= 192, "{name}: {size}");
    }
}

#[tokio::test]
async fn an_optional_connection_that_is_missing_is_not_available() {
    let db = App::builder()
        .deadline(std::time::Duration::from_secs(10))
        .connect()
        .await
        .unwrap();
    let audit: &Optional<At<Memcached, app_registry::memcached::audit>> = &db.memcached.audit;
    assert!(audit.available().is_none());
}

#[tokio::test]
async fn clones_share_the_connections() {
    let db = App::connect().await.unwrap();
    let (copy, handle) = (db.clone(), db.memcached.main.clone());
    copy.close().await.unwrap();
    let error = handle.ping().await.unwrap_err();
    assert_eq!(error.kind(), dbreg::ErrorKind::Closed);
    assert!(db.memcached.main.ping().await.is_err());
}

#[tokio::test]
async fn debug_shows_every_connection() {
    let db = App::connect().await.unwrap();
    let shown = format!("{db:?}");
    for part in ["AppRegistry", "memcached", "main", "User-DB", "audit"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
