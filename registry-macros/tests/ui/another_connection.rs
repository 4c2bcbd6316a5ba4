#[derive(dbreg::DbRegistry)]
#[registry(toml = "[memcached.main]\nhost = \"c1\"\n[memcached.other]\nhost = \"c2\"")]
struct App;

fn of_main(_: &dbreg::At<dbreg::Memcached, app_registry::memcached::main>) {}

async fn start() {
    let db = App::connect_or_exit().await;
    of_main(&db.memcached.main);
    of_main(&db.memcached.other);
}

fn main() {
    drop(start());
}
