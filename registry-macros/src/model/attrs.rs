//! `#[model(…)]` as it is written.

use super::index::Index;
use super::key::KeyPattern;
use super::{Kind, Model};
use crate::attrs::is_absolute;
use crate::mistakes::Mistakes;
use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Attribute, DeriveInput, Error, LitStr, Meta, Path, Token};

const KEYS: [&str; 5] = ["collection", "index", "key", "expiry", "crate"];
const EXAMPLE: &str = "#[model(app_registry::mysql::main)]";

#[derive(Default)]
pub(super) struct Found {
    pub(super) places: Vec<Path>,
    collection: Option<LitStr>,
    indexes: Vec<Index>,
    key: Option<LitStr>,
    expiry: Option<LitStr>,
    root: Option<Path>,
}

impl Found {
    pub(super) fn read(input: &DeriveInput, mistakes: &mut Mistakes) -> Self {
        let mut found = Self::default();
        let attributes = input.attrs.iter();
        for attribute in attributes.filter(|attribute| attribute.path().is_ident("model")) {
            found.take_attribute(attribute, mistakes);
        }
        found
    }

    fn take_attribute(&mut self, attribute: &Attribute, mistakes: &mut Mistakes) {
        if !matches!(attribute.meta, Meta::List(_)) {
            let message = format!("expected a place in parentheses; write `{EXAMPLE}`, say, instead");
            return mistakes.tell(attribute.span(), message);
        }
        match attribute.parse_args_with(Punctuated::<Entry, Token![,]>::parse_terminated) {
            Ok(entries) => entries.into_iter().for_each(|entry| self.take(entry, mistakes)),
            Err(error) => mistakes.add(error),
        }
    }

    fn take(&mut self, entry: Entry, mistakes: &mut Mistakes) {
        match entry {
            Entry::Place(place) => {
                let text = quote!(#place).to_string();
                if self.places.iter().any(|known| quote!(#known).to_string() == text) {
                    mistakes.tell(
                        place.span(),
                        "expected this place once, found it again; remove one of the two",
                    );
                } else {
                    self.places.push(place);
                }
            }
            Entry::Index(index) => self.indexes.push(index),
            Entry::Root(key, path) => once(&mut self.root, &key, path, mistakes),
            Entry::Text(key, text) => {
                let name = key.unraw().to_string();
                match name.as_str() {
                    "collection" => once(&mut self.collection, &key, text, mistakes),
                    "key" => once(&mut self.key, &key, text, mistakes),
                    "expiry" => once(&mut self.expiry, &key, text, mistakes),
                    _ => mistakes.tell(key.span(), unknown(&name)),
                }
            }
            Entry::Unknown(key) => mistakes.tell(key.span(), unknown(&key.unraw().to_string())),
            Entry::Mistake(error) => mistakes.add(error),
        }
    }

    /// Where dbreg is to be found.
    pub(super) fn root(&self) -> TokenStream {
        self.root
            .as_ref()
            .map_or_else(|| quote!(::dbreg), |path| quote!(#path))
    }

    /// What the attributes mean together; nothing when no place is known.
    pub(super) fn model(self, input: &DeriveInput, mistakes: &mut Mistakes) -> Option<Model> {
        if mistakes.any() {
            // What is missing may only be what was not understood.
            return None;
        }
        let root = self.root();
        if let Some(path) = self.root.as_ref().filter(|path| !is_absolute(path)) {
            let message = "expected an absolute path; write `crate = ::other::dbreg` or `crate = crate::dbreg`, say, instead";
            mistakes.tell(path.span(), message);
        }
        if self.places.is_empty() {
            let message =
                format!("expected the connection that the model belongs to; write `{EXAMPLE}`, say");
            mistakes.tell(input.ident.span(), message);
            return None;
        }
        if let (Some(index), None) = (self.indexes.first(), &self.collection) {
            mistakes.tell(
                index.span,
                "expected `collection = \"…\"` beside an index; write the collection's name, too",
            );
        }
        if let (Some(expiry), None) = (&self.expiry, &self.key) {
            mistakes.tell(
                expiry.span(),
                "expected `key = \"…\"` beside an expiry; write the pattern of the keys, too",
            );
        }
        let kind = match (self.collection, self.key) {
            (Some(_), Some(key)) => {
                let message = "expected `collection` or `key`, found both; a type is a document of MongoDB or a value of \
                               memcached: write two types";
                mistakes.tell(key.span(), message);
                return None;
            }
            (Some(name), None) => {
                check_collection(&name, mistakes);
                Kind::Collection {
                    name,
                    indexes: self.indexes,
                }
            }
            (None, Some(key)) => Kind::Cached {
                pattern: KeyPattern::read(&key, input, mistakes)?,
                expiry: self.expiry.and_then(|expiry| {
                    let duration = registry_config::parse_duration(&expiry.value());
                    if duration.is_none_or(|duration| duration.is_zero()) {
                        let message = "expected a length of time such as \"10m\"; leave `expiry` out for values that do not \
                                       expire";
                        mistakes.tell(expiry.span(), message);
                    }
                    duration
                }),
            },
            (None, None) => Kind::Plain,
        };
        Some(Model {
            places: self.places,
            kind,
            root,
        })
    }
}

fn once<T>(slot: &mut Option<T>, key: &Ident, value: T, mistakes: &mut Mistakes) {
    if slot.replace(value).is_some() {
        let message = format!("expected `{key}` once, found it again; remove one of the two");
        mistakes.tell(key.span(), message);
    }
}

fn unknown(name: &str) -> String {
    match registry_config::suggest(name, KEYS) {
        Some(known) => format!("unknown key `{name}`; did you mean `{known}`"),
        None => format!(
            "unknown key `{name}`; the keys are {}",
            KEYS.map(|key| format!("`{key}`")).join(", ")
        ),
    }
}

/// What the server would refuse at the first write.
fn check_collection(name: &LitStr, mistakes: &mut Mistakes) {
    let text = name.value();
    if text.is_empty() || text.starts_with("system.") || text.contains(['$', '\0']) {
        let message =
            "expected the name of a collection: not empty, without `$`, not beginning with `system.`";
        mistakes.tell(name.span(), message);
    }
}

/// A place, `key = value`, or `index(…)`.
enum Entry {
    Place(Path),
    Text(Ident, LitStr),
    Root(Ident, Path),
    Index(Index),
    /// A key that is none. The tokens up to the next comma are gone.
    Unknown(Ident),
    Mistake(Error),
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        let key = ahead.call(Ident::parse_any).ok();
        if let Some(key) = key
            && (ahead.peek(Token![=]) || ahead.peek(syn::token::Paren))
        {
            let _: Ident = input.call(Ident::parse_any)?;
            return Self::of_key(key, input);
        }
        let place = input.call(Path::parse_mod_style).map_err(|error| {
            let message = format!("expected the place of a connection or a key; write `{EXAMPLE}`, say");
            Error::new(error.span(), message)
        })?;
        Ok(Self::Place(place))
    }
}

impl Entry {
    fn of_key(key: Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let name = key.unraw().to_string();
        let (entry, example) = match name.as_str() {
            "collection" => (
                assigned(input).map(|text| Self::Text(key.clone(), text)),
                "collection = \"events\"",
            ),
            "key" => (
                assigned(input).map(|text| Self::Text(key.clone(), text)),
                "key = \"cart:{user}\"",
            ),
            "expiry" => (
                assigned(input).map(|text| Self::Text(key.clone(), text)),
                "expiry = \"10m\"",
            ),
            "crate" => (
                assigned(input).map(|path| Self::Root(key.clone(), path)),
                "crate = ::other::dbreg",
            ),
            "index" => {
                // A group that is parsed on its own: `parenthesized!` would tell of what is left in it once more.
                let group: Group = match input.parse() {
                    Ok(group) => group,
                    Err(_) => return Self::skipped(input, Self::expected(&key, "index(\"order\", \"-at\")")),
                };
                let index = (|input: ParseStream<'_>| Index::parse(input, key.span())).parse2(group.stream());
                return Ok(index.map_or_else(Self::Mistake, Self::Index));
            }
            _ => return Self::skipped(input, Self::Unknown(key)),
        };
        match entry {
            Ok(entry) if input.is_empty() || input.peek(Token![,]) => Ok(entry),
            _ => Self::skipped(input, Self::expected(&key, example)),
        }
    }

    fn expected(key: &Ident, example: &str) -> Self {
        Self::Mistake(Error::new(
            key.span(),
            format!("expected `{key}` in the form `{example}`"),
        ))
    }

    /// The entry, with the tokens up to the next comma gone.
    fn skipped(input: ParseStream<'_>, entry: Self) -> syn::Result<Self> {
        while !input.is_empty() && !input.peek(Token![,]) {
            let _: TokenTree = input.parse()?;
        }
        Ok(entry)
    }
}

fn assigned<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}
