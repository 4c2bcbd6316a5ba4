//! Spans: whoever listens hears of each call, and a call is what it is when nobody does.

use dbreg::DbRegistry;
use futures_util::FutureExt as _;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

#[derive(DbRegistry)]
#[registry(toml = "[memcached.cache]\nhost = \"127.0.0.1\"")]
struct App;

/// What was heard: `connection operation`.
static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn heard() -> MutexGuard<'static, Vec<String>> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Listener(AtomicU64);

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name() == "dbreg"
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        heard().push(fields.0);
        Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn each_call_of_memcached_is_heard_and_is_the_same() {
    tracing::subscriber::set_global_default(Listener(AtomicU64::new(1))).unwrap();
    let server = registry_dev::memcached().await.unwrap();
    let builder = App::builder().variable("DBREG_MEMCACHED__CACHE__PORT", server.port());
    let db = builder.connect().await.unwrap();
    let cache = &db.memcached.cache;
    let before = cache.status().calls;

    cache.set("k", "v", None::<Duration>).await.unwrap();
    assert_eq!(cache.get("k").await.unwrap().as_deref(), Some(&b"v"[..]));
    cache.get("no key").await.unwrap_err();
    // Given up on its way.
    assert!(cache.get("k").now_or_never().is_none());
    assert_eq!(cache.get("k").await.unwrap().as_deref(), Some(&b"v"[..]));

    let status = cache.status();
    assert_eq!(
        (status.calls - before, status.errors, status.in_flight),
        (5, 1, 0)
    );
    let heard = heard().concat();
    for operation in ["set", "get"] {
        let span = format!("connection=memcached.cache operation={operation:?}");
        assert!(heard.contains(&span), "expected {span} in {heard}");
    }
}
