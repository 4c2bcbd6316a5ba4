//! Which connection a model belongs to, for the compiler.

/// A model that belongs to the connection with the place `P`: `Order: ModelOf<app_registry::mysql::main>`.
///
/// Written by `#[derive(dbreg::Model)]` from `#[model(app_registry::mysql::main)]`. The typed methods of a connection,
/// `db.mysql.main.find::<Order>()` say, take only models of its place, so a model on the wrong connection does not
/// compile, and the compiler says where it belongs. Nothing of it is left at run time.
#[diagnostic::on_unimplemented(
    message = "the model `{Self}` does not belong to the connection `{P}`",
    label = "not a model of `{P}`",
    note = "a model names its connections on its type: `#[derive(dbreg::Model)] #[model(app_registry::mysql::main)]`, say"
)]
pub trait ModelOf<P> {}
