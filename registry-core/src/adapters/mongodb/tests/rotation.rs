//! A URL in a file that is rotated.

use super::super::MongoDb;
use crate::base::Base;
use crate::connection::Connection as _;
use crate::startup::Prepared;
use registry_dev::Proxy;
use std::sync::Arc;

#[tokio::test]
async fn a_url_that_changed_is_used_from_the_next_call_on() {
    let server = registry_dev::mongodb().await.unwrap();
    let (one, two) = (
        Proxy::to(server.address()).await.unwrap(),
        Proxy::to(server.address()).await.unwrap(),
    );
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("url");
    let put = |proxy: &Proxy| {
        let new = secret.with_extension("new");
        std::fs::write(&new, format!("mongodb://127.0.0.1:{}/logs", proxy.port())).unwrap();
        std::fs::rename(&new, &secret).unwrap();
    };
    put(&one);
    let text = format!("[mongodb.logs]\nurl = {{ file = \"{}\" }}\n", secret.display());
    let loaded = registry_config::load(&text, "databases.toml");
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    let shape = &loaded.shape.connections[0];
    let settings = registry_config::resolve(shape, None, &[]).unwrap();
    let handle = MongoDb::prepare(&Prepared {
        base: Base::new(shape, &settings),
        settings: Ok(Arc::new(settings)),
    });
    crate::attempt::open(&handle).await.unwrap();
    handle.ping().await.unwrap();
    assert!(one.accepted() > 0);
    assert_eq!(two.accepted(), 0);

    // A client that is in use while the file changes goes on.
    let held = handle.instance();
    put(&two);
    handle.ping().await.unwrap();
    assert!(two.accepted() > 0);
    held.list_collection_names().await.unwrap();
    assert!(handle.refresh().is_ok_and(|changed| !changed));
}
