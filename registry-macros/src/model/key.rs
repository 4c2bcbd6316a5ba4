//! `key = "cart:{user}"`: the pattern of a cached value's keys, held against its fields.

use crate::mistakes::Mistakes;
use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Fields, LitStr, Type};

/// The longest key of memcached, in bytes.
const KEY_LIMIT: usize = 250;

pub(super) struct KeyPattern {
    pub(super) parts: Vec<Part>,
}

pub(super) enum Part {
    Literal(String),
    Field(Ident, Box<Type>),
}

impl KeyPattern {
    /// Reads the pattern; nothing when there is a mistake in it, which was told.
    pub(super) fn read(literal: &LitStr, input: &DeriveInput, mistakes: &mut Mistakes) -> Option<Self> {
        let parsed = Self::parse(&literal.value(), input);
        parsed
            .map_err(|message| mistakes.tell(literal.span(), message))
            .ok()
    }

    fn parse(text: &str, input: &DeriveInput) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(open);
            let inner = from.strip_prefix('{').and_then(|from| from.split_once('}'));
            let (name, after) = inner.ok_or("expected each `{` with its `}`; write `cart:{user}`, say")?;
            if !before.is_empty() {
                parts.push(Part::Literal(before.to_owned()));
            } else if matches!(parts.last(), Some(Part::Field(..))) {
                return Err(separated(name));
            }
            let (field, ty) = field_of(input, name)?;
            parts.push(Part::Field(field, ty));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        let pattern = Self { parts };
        pattern.check(text)?;
        Ok(pattern)
    }

    /// What the run time would refuse for every key, and what could give two values one key.
    fn check(&self, text: &str) -> Result<(), String> {
        if text.is_empty() || text.len() > KEY_LIMIT {
            return Err(format!(
                "expected a pattern of 1 to {KEY_LIMIT} bytes; write `cart:{{user}}`, say"
            ));
        }
        if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err("expected a pattern without spaces and control characters".to_owned());
        }
        for parts in self.parts.windows(3) {
            // Fields are written with letters, digits and these: a separator of them alone could be a field's own text.
            let may_be_of_a_field = |c: char| c.is_alphanumeric() || "-_.~@%".contains(c);
            if let [Part::Field(..), Part::Literal(between), Part::Field(next, _)] = parts
                && between.chars().all(may_be_of_a_field)
            {
                return Err(separated(&next.to_string()));
            }
        }
        Ok(())
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = (&Ident, &Type)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Field(field, ty) => Some((field, &**ty)),
            Part::Literal(_) => None,
        })
    }
}

fn separated(name: &str) -> String {
    format!(
        "expected a separator such as `:` before `{{{name}}}`; without one, two values could have one key"
    )
}

fn field_of(input: &DeriveInput, name: &str) -> Result<(Ident, Box<Type>), String> {
    let fields: Vec<(&Ident, &Type)> = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => named
                .named
                .iter()
                .filter_map(|field| Some((field.ident.as_ref()?, &field.ty)))
                .collect(),
            _ => Vec::new(),
        },
        Data::Enum(_) | Data::Union(_) => Vec::new(),
    };
    if let Some((field, ty)) = fields.iter().find(|(field, _)| field.unraw() == name) {
        return Ok(((*field).clone(), Box::new((*ty).clone())));
    }
    let names: Vec<String> = fields
        .iter()
        .map(|(field, _)| field.unraw().to_string())
        .collect();
    let help = match registry_config::suggest(name, names.iter().map(String::as_str)) {
        Some(known) => format!("did you mean `{known}`"),
        None if names.is_empty() => "only the fields of a struct with names can stand in a key".to_owned(),
        None => "a key is made of the value's own fields".to_owned(),
    };
    Err(format!("`{}` has no field `{name}`; {help}", input.ident))
}

/// How a field is handed over for a key, `&'k str` for a `String`, and how it is taken from the value.
pub(super) fn argument(field: &Ident, ty: &Type) -> (TokenStream, TokenStream) {
    let span = ty.span();
    let last = match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    };
    let name = last
        .filter(|last| last.arguments.is_none())
        .map(|last| last.ident.to_string());
    match name.as_deref() {
        Some(
            "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize"
            | "bool" | "char",
        ) => (quote!(#ty), quote!(self.#field)),
        Some("String") => (
            quote_spanned!(span=> &'k ::core::primitive::str),
            quote_spanned!(span=> &self.#field),
        ),
        _ => (
            quote_spanned!(span=> &'k #ty),
            quote_spanned!(span=> &self.#field),
        ),
    }
}
