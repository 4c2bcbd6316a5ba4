//! The derive macros of dbreg.
//!
//! `#[derive(DbRegistry)]` reads `databases.toml` while the application is compiled, and writes the struct with one
//! field per connection. The documentation for users is at `dbreg::DbRegistry`. The way of an input:
//!
//! 1. `attrs` reads `#[registry(…)]` and the struct itself.
//! 2. `source` finds the file and reads it.
//! 3. `registry_config::load` tells what it says, and every mistake in it.
//! 4. `only` leaves out what this binary does not want.
//! 5. `expand` decides: the code, or the code with mistakes beside it, or `fallback`.
//! 6. `fields` writes the module with the fields; `registry_config::encode` gives the model that the run time starts from.
//!
//! `#[derive(Model)]` is in `model`, documented at `dbreg::Model`: `model::attrs` reads `#[model(…)]` and tells every
//! mistake, and `model::expand` writes the code of what is left.
//!
//! One mistake is one message. Where all names are certain, the real struct is written beside the messages; where they
//! are not, `fallback` writes a type that nothing can be wrong with, so that no other error follows.

mod attrs;
mod docs;
mod expand;
mod fallback;
mod fields;
mod mistakes;
mod model;
mod names;
mod only;
mod source;
mod test_function;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Reads `databases.toml` and generates a struct with one field per connection.
///
/// ```text
/// #[derive(DbRegistry)]
/// pub struct App;
///
/// let db = App::connect().await?;
/// db.mysql.main.ping().await?;
/// ```
///
/// For a struct `App` it generates the struct `AppRegistry`, the module `app_registry` with its parts, and
/// `App::connect()`, `App::builder()` and `App::connect_or_exit()`; nothing else. The struct `App` may have fields; it
/// is left alone. Every field is documented with the line of the file that it comes from.
///
/// # Attributes
///
/// Each may stand once, in one or several `#[registry(…)]`:
///
/// | key | meaning |
/// |---|---|
/// | `path = "config/databases.toml"` | the file, relative to the folder of `Cargo.toml`; default `databases.toml` |
/// | `toml = "…"` | the text itself, for tests and documentation: as source code it is in what is compiled, comments and all |
/// | `only("mysql.main", "memcached")` | the connections of this binary: one, or all of a backend; the others have no field |
/// | `name = "Db"` | another name for the generated struct; the module is `db` then |
/// | `env = "SHOP"` | the prefix of environment variables; default `DBREG` |
/// | `crate = ::other::dbreg` | where dbreg is to be found, as an absolute path; default `::dbreg` |
///
/// # Mistakes
///
/// Every mistake in the file is a compile error, all of them at once, each as `databases.toml:LINE:COLUMN: …` with
/// what to write instead.
///
/// # Editors
///
/// An edit of the file rebuilds. rust-analyzer keeps an expansion until the derive's own input changes: after an edit
/// of the file its completion is stale until the struct is touched, or its macro expansions are rebuilt.
#[proc_macro_derive(DbRegistry, attributes(registry))]
pub fn derive_db_registry(input: TokenStream) -> TokenStream {
    expand::derive(input.into()).into()
}

/// A test with a registry of its own: `#[dbreg::test] async fn pays(db: AppRegistry) { … }`.
///
/// Each test gets its own database on MySQL, PostgreSQL and MongoDB, its own file of SQLite and its own key prefix on
/// memcached, on throw-away servers that all tests of the process share. A server that is not installed is a failure that
/// says the command to install it. The databases are dropped when the test passes; when it fails, they are kept, and it is
/// printed where they are and what starts their servers again. With the variable `DBREG_TEST_HOLD=10m` the servers stay for
/// that long.
///
/// The function is `async` and takes the registry, as `AppRegistry` or `&AppRegistry`; it gives `()` or a `Result`.
/// `#[should_panic]`, `#[ignore]` and others may stand beside the attribute. Tests run in parallel, each on a tokio runtime
/// of its own.
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | `migrate` | the migrations of the crate's folder `migrations/` are applied before |
/// | `fill` | that, and the fixtures of its folder `fixtures/` are filled |
/// | `root = "tests/shop"` | the folder with `migrations/` and `fixtures/`, relative to that of `Cargo.toml`, which is the default |
/// | `profile = "ci"` | the profile to lay over the base; default: the variable `DBREG_PROFILE`, else none |
/// | `servers = "configured"` | the servers that the file names, each test in databases of its own there; also by the variable `DBREG_TEST_SERVERS=configured` |
/// | `flavor = "multi_thread"` | a runtime of several threads; default: `"current_thread"` |
/// | `worker_threads = 4` | their number; default: as many as there are cores |
/// | `crate = ::other::dbreg` | where dbreg is to be found, as an absolute path; default `::dbreg` |
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    test_function::expand(arguments.into(), item.into()).into()
}

/// Binds a model to its connection, at compile time.
///
/// ```text
/// #[derive(dbreg::Model)]
/// #[model(app_registry::mysql::main)]
/// ```
///
/// `app_registry::mysql::main` is the place of `db.mysql.main`, a type that `#[derive(DbRegistry)]` generates; as a path
/// it may be of another crate. A model may name several places: then it lives on each of them. The typed methods of a
/// connection take only models of its place.
///
/// What the type has to be otherwise depends on the backend:
///
/// - **SQL**: the `Model` of an entity of SeaORM (feature `sea-orm`); the derive stands beside `DeriveEntityModel`.
/// - **MongoDB**: a document, with serde's `Serialize` and `Deserialize`, and `collection = "…"`.
/// - **memcached**: a value, with the same of serde, and `key = "…"`.
///
/// # Attributes
///
/// In one or several `#[model(…)]`:
///
/// | key | meaning |
/// |---|---|
/// | a path | the place of a connection; at least one |
/// | `collection = "events"` | the collection of MongoDB that its documents are in |
/// | `index("order", "-at", unique)` | an index of the collection; `-` for descending. Options: `unique`, `sparse`, `expire_after = "30d"`, `name = "…"`. Made when `sync_indexes` is called, and never else |
/// | `key = "cart:{user}"` | the pattern of the keys in memcached; each `{field}` is a field of the value |
/// | `expiry = "10m"` | how long memcached keeps the value; without it, for as long as there is room |
/// | `crate = ::other::dbreg` | where dbreg is to be found, as an absolute path; default `::dbreg` |
///
/// # Keys
///
/// A field's text stands in a key with every character escaped that could end it or be a command: all but letters, digits
/// and `-_.~@` are written as `%3A`. So two values with different fields never have one key.
#[proc_macro_derive(Model, attributes(model))]
pub fn derive_model(input: TokenStream) -> TokenStream {
    model::derive(input.into()).into()
}
