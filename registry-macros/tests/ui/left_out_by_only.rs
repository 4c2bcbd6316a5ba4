#[derive(dbreg::DbRegistry)]
#[registry(
    toml = "[memcached.main]\nhost = \"c1\"\n[memcached.other]\nhost = \"c2\"",
    only("memcached.main")
)]
struct App;

async fn start() {
    let db = App::connect_or_exit().await;
    let _ = db.memcached.other.ping().await;
}

fn main() {
    drop(start());
}
