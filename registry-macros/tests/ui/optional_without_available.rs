#[derive(dbreg::DbRegistry)]
#[registry(toml = "[memcached.main]\nhost = \"c1\"\nstart = \"optional\"")]
struct App;

async fn start() {
    let db = App::connect_or_exit().await;
    let _ = db.memcached.main.ping().await;
}

fn main() {
    drop(start());
}
