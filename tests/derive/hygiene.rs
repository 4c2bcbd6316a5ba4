//! The generated code in crates that are unlike ours: other names, other lints, no prelude.

use crate::scratch::{Message, Scratch};

const FILE: &str = "[memcached.main]\nhost = \"c1\"\n\n[memcached.match]\nhost = \"c2\"\nstart = \"optional\"\n\n\
                    [memcached.gen]\nhost = { env = \"CACHE\" }\n\n[profile.test.memcached.main]\nhost = \"c3\"\n";

pub(crate) fn check(name: &str, library: &str) -> Vec<Message> {
    check_with(name, library, |_| ())
}

fn check_with(name: &str, library: &str, more: impl FnOnce(&Scratch)) -> Vec<Message> {
    let scratch = Scratch::with_memcached(name);
    scratch.file("databases.toml", FILE).file("src/lib.rs", library);
    more(&scratch);
    scratch.messages()
}

pub(crate) fn assert_silent(messages: &[Message]) {
    let shown: String = messages.iter().map(|message| message.rendered.as_str()).collect();
    assert!(messages.is_empty(), "{shown}");
}

/// What a strict crate asks for: nothing of it may be refused because of generated code, nor may a user's own `forbid`
/// forbid the generated code.
pub(crate) const STRICT: &str = "#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused, \
                      unused_qualifications, single_use_lifetimes, elided_lifetimes_in_paths, unnameable_types, \
                      trivial_casts, unused_lifetimes, redundant_lifetimes, let_underscore_drop, \
                      nonstandard_style, future_incompatible, rust_2018_idioms, keyword_idents)]\n\
                      #![forbid(unsafe_code, dead_code, unused_imports, non_ascii_idents)]\n\
                      //! A strict crate.\n";

#[test]
fn strict_lints() {
    for (name, item) in [
        ("strict-pub", "/// The app.\n#[derive(dbreg::DbRegistry, Debug)]\npub struct App;\n".to_owned()),
        (
            "strict-private",
            "#[derive(dbreg::DbRegistry)]\nstruct App;\n/// Starts.\npub async fn start() { drop(App::connect().await); }\n"
                .to_owned(),
        ),
        (
            "strict-crate",
            "mod inner {\n#[derive(dbreg::DbRegistry)]\npub(crate) struct App;\n}\n/// Starts.\npub async fn start() { \
             let db = inner::App::connect_or_exit().await; drop(db.memcached.main.ping().await); }\n"
                .to_owned(),
        ),
    ] {
        assert_silent(&check(name, &format!("{STRICT}{item}")));
    }
}

#[test]
fn a_strict_binary_that_uses_little() {
    let main = format!(
        "{STRICT}#[derive(dbreg::DbRegistry)]\nstruct App;\nfn main() {{ drop(App::connect_or_exit()); }}\n"
    );
    assert_silent(&check_with("strict-binary", "", |scratch| {
        scratch.file("src/main.rs", &main);
    }));
}

#[test]
fn no_implicit_prelude() {
    let library = "#![no_implicit_prelude]\n#[derive(::dbreg::DbRegistry)]\npub struct App;\n\
                   pub async fn start() { let db = App::connect_or_exit().await; \
                   ::std::mem::drop(db.memcached.main.ping().await); }\n";
    assert_silent(&check("no-prelude", library));
}

#[test]
fn names_of_the_prelude_mean_something_else() {
    let library = "#![allow(non_camel_case_types, dead_code)]\n\
        pub struct Result; pub struct Option; pub struct String; pub struct Vec; pub struct Box; pub struct Ok; pub struct Err;\n\
        pub struct Some; pub struct None; pub struct Arc; pub struct Self_; pub struct Clone; pub struct Deref; pub struct Debug;\n\
        pub struct Root; pub struct Shape; pub struct Entry; pub struct Fields; pub struct At; pub struct Registry;\n\
        pub struct str; pub struct bool; pub struct u16; pub struct u32; pub struct u64; pub struct usize;\n\
        pub mod core {} pub mod std {} pub mod dbreg {} pub mod __private {} pub mod memcached {}\n\
        pub fn text() {} pub fn entry() {} pub fn at() {} pub fn host() {}\n\
        macro_rules! compile_error { () => {} }\nmacro_rules! concat { () => {} }\nmacro_rules! include_bytes { () => {} }\n\
        mod app { #[allow(unused_imports)] use super::*;\n#[derive(::dbreg::DbRegistry)]\npub struct App; }\n\
        #[derive(::dbreg::DbRegistry)]\n#[registry(name = \"Shape_\")]\npub struct App;\n\
        compile_error!(); concat!(); include_bytes!();\n\
        pub async fn start() { let db = App::connect_or_exit().await; let _ = db.memcached.main.ping().await; }\n";
    assert_silent(&check("other-names", library));
}

#[test]
fn names_of_the_generated_struct_that_the_run_time_has_too() {
    let library = ["Shape", "Entry", "Registry", "At", "Builder", "Root", "Fields", "Connections", "Opening", "P", "Core"]
        .map(|name| {
            let module = name.to_lowercase();
            format!("mod in_{module} {{\n#[derive(dbreg::DbRegistry)]\n#[registry(name = \"{name}\")]\npub struct App;\n}}\n\
                     pub use in_{module}::{{App as {name}App, {name}}};\n")
        })
        .concat();
    assert_silent(&check("run-time-names", &library));
}

#[test]
fn connections_with_the_names_of_types_and_crates() {
    let names = [
        "core",
        "std",
        "str",
        "u8",
        "bool",
        "dbreg",
        "connections",
        "fields",
        "at",
        "memcached",
        "alloc",
        "option",
    ];
    let file: String = names
        .iter()
        .map(|name| format!("[memcached.{name}]\nhost = \"c1\"\n"))
        .collect();
    let uses: String = names
        .iter()
        .map(|name| format!("pub fn {name}_(db: &AppRegistry) -> &dbreg::At<dbreg::Memcached, app_registry::memcached::{name}> \
                             {{ &db.memcached.{name} }}\n"))
        .collect();
    let library = format!("#[derive(dbreg::DbRegistry)]\npub struct App;\n{uses}");
    assert_silent(&check_with("type-names", &library, |scratch| {
        scratch.file("databases.toml", &file);
    }));
}

#[test]
fn every_keyword_of_every_edition_as_a_name() {
    let words = "abstract as async await become box break const continue do dyn else enum extern false final fn for gen if \
                 impl in let loop macro match mod move mut override priv pub ref return static struct trait true try type \
                 typeof unsafe unsized use virtual where while yield union auto default raw safe macro_rules"
        .split_whitespace();
    let file: String = words
        .clone()
        .map(|word| format!("[memcached.{word}]\nhost = \"c1\"\n"))
        .collect();
    let uses: String = words
        .map(|word| format!("pub fn {word}_(db: &AppRegistry) {{ let _ = &db.memcached.r#{word}; }}\n"))
        .collect();
    let library = format!("#[derive(dbreg::DbRegistry)]\npub struct App;\n{uses}");
    for edition in ["2021", "2024"] {
        let name = format!("keywords-{edition}");
        let manifest = |scratch: &Scratch| {
            let path = scratch.folder().join("Cargo.toml");
            let text = std::fs::read_to_string(&path)
                .unwrap()
                .replace("edition = \"2024\"", &format!("edition = \"{edition}\""));
            std::fs::write(path, text).unwrap();
            scratch.file("databases.toml", &file);
        };
        assert_silent(&check_with(&name, &library, manifest));
    }
}

#[test]
fn another_name_of_the_crate() {
    let scratch = Scratch::new(
        "renamed",
        "other = { package = \"dbreg\", path = \"$DBREG\", features = [\"memcached\"] }",
    );
    scratch.file("databases.toml", FILE).file(
        "src/lib.rs",
        "#[derive(other::DbRegistry)]\n#[registry(crate = ::other)]\npub struct App;\n\
         pub mod database { pub use other::*; }\n\
         mod inner {\n#[derive(crate::database::DbRegistry)]\n#[registry(crate = crate::database)]\npub struct App;\n\
         #[derive(crate::database::DbRegistry)]\n#[registry(crate = crate::database, toml = \"[mysql.main]\\nhots = 1\")]\n\
         pub struct Wrong;\n}\npub use inner::App as Other;\n",
    );
    let messages = scratch.messages();
    let mut texts: Vec<&str> = messages
        .iter()
        .map(|message| message.text.lines().next().unwrap())
        .collect();
    texts.sort_unstable();
    assert_eq!(
        texts,
        [
            "#[registry(toml)]:1:1: [mysql.main] needs the feature `mysql` of dbreg, which is off [feature-off]",
            "#[registry(toml)]:2:1: unknown key `hots` of mysql [unknown-key]",
        ]
    );
}

#[test]
fn a_crate_that_exports_it_again() {
    let framework =
        "[package]\nname = \"framework\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\n\
                     dbreg = { path = \"$DBREG\", features = [\"memcached\"] }\n"
            .replace("$DBREG", env!("CARGO_MANIFEST_DIR"));
    let scratch = Scratch::new("exported-again", "framework = { path = \"framework\" }");
    scratch
        .file("framework/Cargo.toml", &framework)
        .file(
            "framework/src/lib.rs",
            "pub use dbreg as database;\n\
             #[macro_export]\nmacro_rules! app { ($name:ident) => {\n#[derive($crate::database::DbRegistry)]\n\
             #[registry(crate = $crate::database)]\npub struct $name;\n} }\n",
        )
        .file("databases.toml", FILE)
        .file(
            "src/lib.rs",
            "#[derive(framework::database::DbRegistry)]\n#[registry(crate = ::framework::database)]\npub struct App;\n\
             pub mod by_macro { framework::app!(App); pub async fn start() { let db = App::connect_or_exit().await; \
             let _ = db.memcached.main.ping().await; } }\n",
        );
    assert_silent(&scratch.messages());
}

#[test]
fn several_structs_and_places() {
    let library = "mod a { pub mod b {\n#[derive(dbreg::DbRegistry)]\npub(in crate::a) struct App;\n\
                   #[derive(dbreg::DbRegistry)]\n#[registry(only(\"memcached.main\"), name = \"Cache\")]\npub(super) struct Small { \
                   pub started: bool, }\n}\n\
                   pub async fn start() { let db = b::App::connect_or_exit().await; let cache = b::Small::connect_or_exit().await; \
                   let _ = (&db.memcached.r#match, &cache.memcached.main, b::Small { started: true }.started); } }\n\
                   pub async fn start() { a::start().await; }\n\
                   pub async fn within() {\n#[derive(dbreg::DbRegistry)]\nstruct App;\nlet db = App::connect_or_exit().await; \
                   let _ = db.memcached.main.ping().await; fn tag(_: &dbreg::At<dbreg::Memcached, app_registry::memcached::main>) {} \
                   tag(&db.memcached.main); }\n";
    assert_silent(&check("places", library));
}
