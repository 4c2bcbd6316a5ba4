#[derive(dbreg::DbRegistry)]
#[registry(toml = "[memcached.main]\nhost = \"c1\"\n[memcached.session-store]\nhost = \"c2\"")]
struct App;

async fn start() {
    let db = App::connect_or_exit().await;
    let _ = db.memcached.mian.ping().await;
    let _ = db.memcached.session_stor.ping().await;
    let _ = db.memcache.main.ping().await;
}

fn main() {
    drop(start());
}
