#[derive(dbreg::DbRegistry)]
#[registry(toml = "[memcached.carts]\nhost = \"c1\"")]
struct App;

#[derive(dbreg::Model)]
#[model(app_registry::memcached::cart)]
struct Cart;

fn main() {}
