//! The clients, each set up as well as its documentation allows: connections kept open, TCP_NODELAY, one write per
//! command, as many connections as the pool of the baseline has, and no ping before use.

use async_memcached::AsciiProtocol as _;
use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleError, RecycleResult};
use futures_util::io::BufWriter;
use memcache::exp::{AsyncMemcache, Memcache, MemcacheBuilder, Ttl};
use memcache_async::ascii::Protocol;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// Connections of every peer's pool.
const CONNECTIONS: usize = 8;

/// An answer, or that there was none; which error it was is of no use to a contest.
pub(crate) type Got<T> = Result<T, ()>;

/// What the contests ask of a client.
pub(crate) trait Cache: Clone + Send + Sync + 'static {
    /// The value of a key.
    fn get(&self, key: &str) -> impl Future<Output = Got<Option<Vec<u8>>>> + Send;
    /// Stores a value for good, and knows that it is stored.
    fn set(&self, key: &str, value: &[u8]) -> impl Future<Output = Got<()>> + Send;
    /// The values of several keys by one call.
    fn get_multi(&self, keys: &[String]) -> impl Future<Output = Got<HashMap<String, Vec<u8>>>> + Send;
}

impl Cache for dbreg::Memcached {
    async fn get(&self, key: &str) -> Got<Option<Vec<u8>>> {
        Self::get(self, key).await.map_err(drop)
    }

    async fn set(&self, key: &str, value: &[u8]) -> Got<()> {
        Self::set(self, key, value, None::<Duration>).await.map_err(drop)
    }

    async fn get_multi(&self, keys: &[String]) -> Got<HashMap<String, Vec<u8>>> {
        let found = Self::get_multi(self, keys).await.map_err(drop)?;
        if found.is_complete() {
            Ok(found.into_map())
        } else {
            Err(())
        }
    }
}

/// memcache-async behind deadpool.
#[derive(Clone)]
pub(crate) struct Pooled(Pool<Sessions>);

struct Sessions {
    port: u16,
    /// Whether a connection whose call was cancelled is thrown away. Nothing in the crate or the pool does so by itself.
    guarded: bool,
}

/// The crate writes a `set` in three parts; the buffer makes one write of them.
struct Session {
    protocol: Protocol<BufWriter<Compat<TcpStream>>>,
    busy: bool,
}

impl Manager for Sessions {
    type Type = Session;
    type Error = io::Error;

    async fn create(&self) -> io::Result<Session> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let protocol = Protocol::new(BufWriter::new(stream.compat()));
        Ok(Session {
            protocol,
            busy: false,
        })
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<io::Error> {
        if self.guarded && session.busy {
            return Err(RecycleError::message("a call on it was cancelled"));
        }
        Ok(())
    }
}

impl Pooled {
    /// A pool that throws away what a cancelled call leaves.
    pub(crate) fn guarded(port: u16) -> Self {
        Self::new(port, true)
    }

    /// The pool as one gets it.
    pub(crate) fn naive(port: u16) -> Self {
        Self::new(port, false)
    }

    fn new(port: u16, guarded: bool) -> Self {
        let pool = Pool::builder(Sessions { port, guarded })
            .max_size(CONNECTIONS)
            .build();
        Self(pool.expect("a pool without deadlines needs no runtime"))
    }

    async fn session(&self) -> Got<Object<Sessions>> {
        let mut session = self.0.get().await.map_err(drop)?;
        session.busy = true;
        Ok(session)
    }

    /// `set` as the crate has it: `noreply`, so that this returns when the bytes are written. With `drained` it waits
    /// until the server has carried out everything that was sent on this connection.
    pub(crate) async fn set_without_reply(&self, key: &str, value: &[u8], drained: bool) -> Got<()> {
        let mut session = self.session().await?;
        let mut answer = session.protocol.set(key, value, 0).await;
        if drained && answer.is_ok() {
            answer = session.protocol.version().await.map(drop);
        }
        session.busy = answer.is_err();
        answer.map_err(drop)
    }
}

impl Cache for Pooled {
    async fn get(&self, key: &str) -> Got<Option<Vec<u8>>> {
        let mut session = self.session().await?;
        let answer = match session.protocol.get(key).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(_) => Err(()),
        };
        session.busy = answer.is_err();
        answer
    }

    /// The crate's `set` has no answer. Its `add` has, and is the same work for client, wire and server; that the key
    /// is there already is an answer as good as another.
    async fn set(&self, key: &str, value: &[u8]) -> Got<()> {
        let mut session = self.session().await?;
        let answer = match session.protocol.add(key, value, 0).await {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(()),
            _ => Ok(()),
        };
        session.busy = answer.is_err();
        answer
    }

    async fn get_multi(&self, keys: &[String]) -> Got<HashMap<String, Vec<u8>>> {
        let mut session = self.session().await?;
        let answer = session.protocol.get_multi(keys).await.map_err(drop);
        session.busy = answer.is_err();
        answer
    }
}

/// async-memcached behind deadpool.
#[derive(Clone)]
pub(crate) struct AsyncMemcached(Pool<Clients>);

struct Clients(u16);

impl Manager for Clients {
    type Type = async_memcached::Client;
    type Error = async_memcached::Error;

    async fn create(&self) -> Result<async_memcached::Client, async_memcached::Error> {
        async_memcached::Client::new(format!("tcp://127.0.0.1:{}", self.0)).await
    }

    async fn recycle(
        &self,
        client: &mut async_memcached::Client,
        _: &Metrics,
    ) -> RecycleResult<async_memcached::Error> {
        if client.is_closed() {
            return Err(RecycleError::message("closed"));
        }
        Ok(())
    }
}

impl AsyncMemcached {
    pub(crate) fn new(port: u16) -> Self {
        let pool = Pool::builder(Clients(port)).max_size(CONNECTIONS).build();
        Self(pool.expect("a pool without deadlines needs no runtime"))
    }
}

impl Cache for AsyncMemcached {
    async fn get(&self, key: &str) -> Got<Option<Vec<u8>>> {
        let mut client = self.0.get().await.map_err(drop)?;
        let found = client.get(key).await.map_err(drop)?;
        Ok(found.and_then(|value| value.data))
    }

    async fn set(&self, key: &str, value: &[u8]) -> Got<()> {
        let mut client = self.0.get().await.map_err(drop)?;
        client.set(key, value, None, None).await.map_err(drop)
    }

    async fn get_multi(&self, keys: &[String]) -> Got<HashMap<String, Vec<u8>>> {
        let mut client = self.0.get().await.map_err(drop)?;
        let found = client.get_multi(keys).await.map_err(drop)?;
        let pairs = found.into_iter().filter_map(|value| {
            let key = String::from_utf8(value.key).ok()?;
            Some((key, value.data?))
        });
        Ok(pairs.collect())
    }
}

/// The builder of both faces of memcache. By default it opens connections without limit and throws away all but eight.
fn builder() -> MemcacheBuilder {
    Memcache::builder()
        .max_connections(CONNECTIONS)
        .max_idle(CONNECTIONS)
}

/// memcache, its async face.
#[derive(Clone)]
pub(crate) struct MemcacheAsyncFace(AsyncMemcache);

impl MemcacheAsyncFace {
    pub(crate) async fn new(port: u16) -> Self {
        let client = builder().connect_async([("127.0.0.1", port)]).await;
        Self(client.expect("the server is there"))
    }
}

impl Cache for MemcacheAsyncFace {
    async fn get(&self, key: &str) -> Got<Option<Vec<u8>>> {
        self.0.get(key).await.map_err(drop)
    }

    async fn set(&self, key: &str, value: &[u8]) -> Got<()> {
        self.0.set(key, value, Ttl::NEVER).await.map_err(drop)
    }

    async fn get_multi(&self, keys: &[String]) -> Got<HashMap<String, Vec<u8>>> {
        self.0.get_many(keys.to_vec()).await.map_err(drop)
    }
}

/// memcache, its blocking face, on tokio's threads for blocking work.
#[derive(Clone)]
pub(crate) struct MemcacheBlocking(std::sync::Arc<Memcache>);

impl MemcacheBlocking {
    pub(crate) fn new(port: u16) -> Self {
        let client = builder().connect([("127.0.0.1", port)]);
        Self(std::sync::Arc::new(client.expect("the server is there")))
    }

    async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Memcache) -> memcache::exp::Result<T> + Send + 'static,
    ) -> Got<T> {
        let client = std::sync::Arc::clone(&self.0);
        let ended = tokio::task::spawn_blocking(move || call(&client)).await;
        ended.map_err(drop)?.map_err(drop)
    }
}

impl Cache for MemcacheBlocking {
    async fn get(&self, key: &str) -> Got<Option<Vec<u8>>> {
        let key = key.to_owned();
        self.run(move |client| client.get(key)).await
    }

    async fn set(&self, key: &str, value: &[u8]) -> Got<()> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.run(move |client| client.set(key, value, Ttl::NEVER)).await
    }

    async fn get_multi(&self, keys: &[String]) -> Got<HashMap<String, Vec<u8>>> {
        let keys = keys.to_vec();
        self.run(move |client| client.get_many(keys)).await
    }
}
