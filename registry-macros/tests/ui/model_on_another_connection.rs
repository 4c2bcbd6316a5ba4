#[derive(dbreg::DbRegistry)]
#[registry(toml = "[memcached.carts]\nhost = \"c1\"\n[memcached.sessions]\nhost = \"c2\"")]
struct App;

#[derive(serde::Serialize, serde::Deserialize, dbreg::Model)]
#[model(app_registry::memcached::carts, key = "cart:{user}")]
struct Cart {
    user: u64,
}

async fn start() {
    let db = App::connect_or_exit().await;
    let _ = db.memcached.carts.fetch::<Cart>(7).await;
    let _ = db.memcached.sessions.fetch::<Cart>(7).await;
}

fn main() {
    drop(start());
}
