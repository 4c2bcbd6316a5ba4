#[derive(dbreg::DbRegistry)]
#[registry(path = 1, name = "db", name = "Db", env = "shop", crate = dbreg)]
struct App;

async fn start() {
    let db = App::connect().await.unwrap();
    let _ = db.memcached.main.ping().await;
}

fn main() {
    drop(start());
}
