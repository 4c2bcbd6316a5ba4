#[derive(dbreg::DbRegistry)]
#[registry(toml = "[memcached.main]\nhost = \"c1\"\nport = 0\npool = { min = 9, max = 3 }\n[profile.test.memcached.mian]\nhost = \"c2\"")]
struct App;

async fn start() {
    let db = App::connect().await.unwrap();
    let _ = db.memcached.main.ping().await;
}

fn main() {
    drop(start());
}
