// Every way in which an application may use a registry as a whole. Compiled in a crate of its own by
// derive_mistakes.rs: in that of a file that is refused, none of this may be an error.
#[allow(unused_imports, reason = "an import is one of the uses")]
use self::app_registry::Fields as Parts;

#[derive(Clone, Debug)]
pub struct State {
    pub db: AppRegistry,
    pub again: std::sync::Arc<AppRegistry>,
}

impl From<AppRegistry> for State {
    fn from(db: AppRegistry) -> Self {
        Self { again: std::sync::Arc::new(db.clone()), db }
    }
}

pub trait Service {
    fn database(&self) -> &AppRegistry;
}

impl Service for State {
    fn database(&self) -> &AppRegistry {
        &self.db
    }
}

impl Service for AppRegistry {
    fn database(&self) -> &AppRegistry {
        self
    }
}

impl AppRegistry {
    pub fn all(&self) -> usize {
        self.connections().count()
    }
}

pub static DB: std::sync::OnceLock<AppRegistry> = std::sync::OnceLock::new();

pub fn spawn<F: Future<Output = ()> + Send + 'static>(work: F) {
    drop(work);
}

pub async fn start() -> Result<State, Box<dyn std::error::Error>> {
    let db = App::connect().await?;
    let other: AppRegistry = App::builder().deadline(std::time::Duration::from_secs(1)).connect().await?;
    println!("{db:?} {:?} {}", other.report(), other.all());
    for connection in db.connections() {
        println!("{} {}", connection.backend(), connection.name());
    }
    db.backend("memcached")?.get("main")?.ping().await?;
    let copy = db.clone();
    spawn(async move { drop(copy.close().await) });
    let parts: &Parts = &db;
    println!("{parts:?}");
    other.close().await?;
    Ok(State::from(db))
}

fn main() {
    spawn(async {
        let db = App::connect_or_exit().await;
        let _ = DB.set(db);
        let state = start().await.unwrap();
        println!("{:?}", state.database());
    });
}
