//! Cached values: keys, expiry and type stand on the value.

use dbreg::{CacheModel, DbRegistry, ErrorKind, Expiry};
use registry_dev::MemcachedServer;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(DbRegistry)]
#[registry(toml = r#"
[memcached.cache]
host = "127.0.0.1"
prefix = "shop:"
"#)]
pub(crate) struct App;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, dbreg::Model)]
#[model(app_registry::memcached::cache, key = "cart:{tenant}:{user}", expiry = "10m")]
struct Cart {
    tenant: String,
    user: u64,
    articles: Vec<String>,
}

/// Another shape under the keys of a cart, as an older version of the application may have left it.
#[derive(Debug, Serialize, Deserialize, dbreg::Model)]
#[model(app_registry::memcached::cache, key = "cart:{tenant}:{user}")]
struct OldCart {
    tenant: String,
    user: u64,
    articles: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, dbreg::Model)]
#[model(app_registry::memcached::cache, key = "motto")]
enum Motto {
    Short,
}

async fn connect() -> (MemcachedServer, AppRegistry) {
    let server = registry_dev::memcached().await.unwrap();
    let builder = App::builder().variable("DBREG_MEMCACHED__CACHE__PORT", server.port());
    (server, builder.connect().await.unwrap())
}

fn cart(tenant: &str) -> Cart {
    Cart {
        tenant: tenant.to_owned(),
        user: 7,
        articles: vec!["tea".to_owned()],
    }
}

#[tokio::test]
async fn a_value_knows_its_key() {
    let (_server, db) = connect().await;
    let cache = &db.memcached.cache;
    let ada = cart("ada: 1\r\n");
    cache.store(&ada).await.unwrap();
    assert_eq!(cache.fetch::<Cart>(("ada: 1\r\n", 7)).await.unwrap(), Some(ada));
    assert_eq!(cache.fetch::<Cart>(("ada", 7)).await.unwrap(), None);
    // As any other client sees it.
    let text = cache.get("cart:ada%3A%201%0D%0A:7").await.unwrap().unwrap();
    assert_eq!(text, br#"{"tenant":"ada: 1\r\n","user":7,"articles":["tea"]}"#);
    assert!(cache.forget::<Cart>(("ada: 1\r\n", 7)).await.unwrap());
    assert!(!cache.forget::<Cart>(("ada: 1\r\n", 7)).await.unwrap());
    cache.store(&Motto::Short).await.unwrap();
    assert_eq!(cache.fetch::<Motto>(()).await.unwrap(), Some(Motto::Short));
    assert_eq!(Cart::EXPIRY, Expiry::After(Duration::from_secs(600)));
    assert_eq!(Motto::EXPIRY, Expiry::Never);
}

#[tokio::test]
async fn what_is_no_such_value_is_an_error() {
    let (_server, db) = connect().await;
    let cache = &db.memcached.cache;
    for wrong in [&b"\xff\xfe\0"[..], b"", b"{\"tenant\":\"hunter2", b"[1]", b"null"] {
        cache.set("cart:ada:7", wrong, Expiry::Never).await.unwrap();
        let before = cache.errors().total;
        let error = cache.fetch::<Cart>(("ada", 7)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Operation);
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(cache.errors().total, before + 1);
    }
    let old = OldCart {
        tenant: "ada".to_owned(),
        user: 7,
        articles: 3,
    };
    cache.store(&old).await.unwrap();
    assert!(cache.fetch::<Cart>(("ada", 7)).await.is_err());
    let error = cache.store(&cart(&"x".repeat(300))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    assert!(error.message().contains("1 to 245 bytes"), "{error}");
}
