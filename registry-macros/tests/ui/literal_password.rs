#[derive(dbreg::DbRegistry)]
#[registry(toml = "[mysql.main]\nhost = \"db1\"\nusername = \"shop\"\npassword = \"hunter2\"")]
struct App;

async fn start() {
    let db = App::connect().await.unwrap();
    let _ = db.memcached.main.ping().await;
}

fn main() {
    drop(start());
}
