//! `#[derive(Model)]`: attributes, then what they mean, then code.

mod attrs;
mod expand;
mod index;
mod key;

use crate::mistakes::Mistakes;
use attrs::Found;
use index::Index;
use key::KeyPattern;
use proc_macro2::TokenStream;
use std::time::Duration;
use syn::{DeriveInput, LitStr, Path};

/// What is known of a model once nothing can be wrong with it any more.
struct Model {
    /// The places that it belongs to: at least one.
    places: Vec<Path>,
    kind: Kind,
    /// Where dbreg is to be found.
    root: TokenStream,
}

enum Kind {
    /// What it is made of is no matter of ours: a model of SQL.
    Plain,
    /// `collection = "…"`: a document of MongoDB.
    Collection { name: LitStr, indexes: Vec<Index> },
    /// `key = "…"`: a value of memcached.
    Cached {
        pattern: KeyPattern,
        /// None for ever.
        expiry: Option<Duration>,
    },
}

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut mistakes = Mistakes::default();
    let found = Found::read(&input, &mut mistakes);
    // The places are worth their code even beside a mistake: otherwise every use of the model is one, too.
    let places = expand::places(&input, &found.places, &found.root());
    let model = found.model(&input, &mut mistakes);
    match (model, mistakes.into_result()) {
        (Some(model), Ok(())) => expand::model(&input, &model),
        (_, Ok(())) => places,
        (_, Err(errors)) => {
            let errors = errors.to_compile_error();
            quote::quote!(#places #errors)
        }
    }
}
