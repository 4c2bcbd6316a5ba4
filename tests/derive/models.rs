//! `#[derive(Model)]` in crates that are unlike ours.

use crate::hygiene::{STRICT, assert_silent, check};
use crate::scratch::Scratch;

/// A model of each kind that the feature `memcached` compiles, with serde by hand: the crates have no other dependency.
const MODELS: &str = "#[derive(::dbreg::Model)]\n#[model(app_registry::memcached::main, app_registry::memcached::r#match)]\n\
    pub(crate) struct Plain<'a, T: ::std::clone::Clone>(pub(crate) &'a T) where T: ::core::marker::Copy;\n\
    #[derive(::dbreg::Model)]\n#[model(app_registry::memcached::main, key = \"a:{type}:{user}/{list}\", expiry = \"1h30m\")]\n\
    #[model(app_registry::memcached::r#gen)]\n\
    pub(crate) struct Cart<T: ::core::fmt::Display> { r#type: ::std::string::String, user: u64, list: T }\n\
    #[derive(::dbreg::Model)]\n#[model(app_registry::memcached::main, key = \"motto\")]\npub(crate) enum Motto { Short }\n\
    pub(crate) fn text() -> ::std::string::String {\n\
        let cart = Cart { r#type: ::std::string::ToString::to_string(\"x:y\"), user: 7, list: 1.5 };\n\
        ::std::mem::drop((*Plain(&7).0, Motto::Short));\n\
        ::std::mem::drop(<Motto as ::dbreg::CacheModel>::write_key(()));\n\
        <Cart<f64> as ::dbreg::CacheModel>::write_key(::dbreg::CacheModel::key(&cart))\n\
    }\n\
    fn lives<P, M: ::dbreg::ModelOf<P>>() {}\n\
    pub(crate) fn everywhere() { lives::<app_registry::memcached::r#match, Plain<'static, u8>>(); \
    lives::<app_registry::memcached::r#gen, Cart<u8>>(); lives::<app_registry::memcached::main, Motto>(); }\n";

#[test]
fn strict_lints_and_no_prelude() {
    let models = MODELS;
    let used = format!(
        "#[derive(::dbreg::DbRegistry)]\npub(crate) struct App;\n{models}\
         /// Used.\npub fn used() -> ::std::string::String {{ everywhere(); ::std::mem::drop(App::builder()); text() }}\n"
    );
    assert_silent(&check("model-strict", &format!("{STRICT}{used}")));
    assert_silent(&check(
        "model-no-prelude",
        &format!("#![no_implicit_prelude]\n{used}"),
    ));
}

#[test]
fn names_of_the_prelude_mean_something_else() {
    let models = MODELS;
    let library = format!(
        "#![allow(non_camel_case_types, dead_code)]\n#[derive(::dbreg::DbRegistry)]\npub struct App;\n\
         pub struct Result; pub struct Option; pub struct String; pub struct str; pub struct u64_; pub struct Some; pub struct None;\n\
         pub struct Expiry; pub struct CacheModel; pub struct ModelOf; pub struct CacheKey; pub struct Key; pub struct Model;\n\
         pub mod core {{}} pub mod std {{}} pub mod dbreg {{}} pub mod __private {{}}\npub fn part0() {{}} pub fn key() {{}}\n\
         {models}pub fn used() {{ everywhere(); text(); }}\n"
    );
    assert_silent(&check("model-names", &library));
}

#[test]
fn a_model_of_another_crates_connection() {
    let registry =
        "[package]\nname = \"connections\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\n\
                    dbreg = { path = \"$DBREG\", features = [\"memcached\"] }\n"
            .replace("$DBREG", env!("CARGO_MANIFEST_DIR"));
    let scratch = Scratch::new("model-elsewhere", "connections = { path = \"connections\" }");
    scratch
        .file("connections/Cargo.toml", &registry)
        .file("connections/databases.toml", "[memcached.main]\nhost = \"c1\"\n[memcached.other]\nhost = \"c2\"\n")
        .file("connections/src/lib.rs", "pub use dbreg;\n#[derive(dbreg::DbRegistry)]\npub struct App;\n")
        .file(
            "src/lib.rs",
            "use connections::app_registry::memcached as places;\n\
             #[derive(connections::dbreg::Model)]\n\
             #[model(places::main, key = \"cart:{user}\", crate = ::connections::dbreg)]\npub struct Cart { pub user: u64 }\n\
             pub async fn forget(db: &connections::AppRegistry) { let _ = db.memcached.main.forget::<Cart>(7).await; }\n",
        );
    assert_silent(&scratch.messages());
}
