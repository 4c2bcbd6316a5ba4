#[derive(dbreg::DbRegistry)]
#[registry(toml = "[memcached.carts]\nhost = \"c1\"")]
struct App;

#[derive(dbreg::Model)]
struct NoPlace;

#[derive(dbreg::Model)]
#[model(app_registry::memcached::carts, key = "cart:{usr}", expiry = "10 minutes")]
struct Field {
    user: u64,
}

#[derive(dbreg::Model)]
#[model(app_registry::memcached::carts, key = "{tenant}{user}")]
struct NotSeparated {
    tenant: String,
    user: u64,
}

#[derive(dbreg::Model)]
#[model(app_registry::memcached::carts, ky = "cart", expiry = "10m")]
struct Key;

#[derive(dbreg::Model)]
#[model(app_registry::memcached::carts, app_registry::memcached::carts, collection = "a$", index("at", uniqe))]
struct Several;

#[derive(dbreg::Model)]
#[model("memcached.carts")]
struct Text;

fn main() {}
