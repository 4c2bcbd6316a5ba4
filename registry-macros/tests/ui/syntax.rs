#[derive(dbreg::DbRegistry)]
#[registry(toml = "[memcached.main\nhost = \"c1\"")]
struct App;

async fn start() {
    let db = App::connect().await.unwrap();
    let _ = db.memcached.main.ping().await;
}

fn main() {
    drop(start());
}
