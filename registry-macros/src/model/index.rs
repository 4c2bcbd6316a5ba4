//! `index("order", "-at", unique, expire_after = "30d", name = "by_order")`

use proc_macro2::{Ident, Span};
use std::time::Duration;
use syn::parse::ParseStream;
use syn::{Error, LitStr, Token};

/// An index of a collection.
pub(super) struct Index {
    pub(super) span: Span,
    /// Each field with 1, or -1 for descending: at least one.
    pub(super) keys: Vec<(String, i32)>,
    pub(super) unique: bool,
    pub(super) sparse: bool,
    pub(super) expire_after: Option<Duration>,
    pub(super) name: Option<LitStr>,
}

impl Index {
    pub(super) fn parse(input: ParseStream<'_>, span: Span) -> syn::Result<Self> {
        let mut index = Self {
            span,
            keys: Vec::new(),
            unique: false,
            sparse: false,
            expire_after: None,
            name: None,
        };
        while !input.is_empty() {
            if input.peek(LitStr) {
                index.take_field(&input.parse()?)?;
            } else {
                index.take_option(input)?;
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if index.keys.is_empty() {
            let message = "expected at least one field; write `index(\"order\", \"-at\")`, say";
            return Err(Error::new(span, message));
        }
        if index.expire_after.is_some() && index.keys.len() > 1 {
            let message =
                "expected one field beside `expire_after`, found several; MongoDB expires by one date";
            return Err(Error::new(span, message));
        }
        Ok(index)
    }

    fn take_field(&mut self, literal: &LitStr) -> syn::Result<()> {
        let text = literal.value();
        let (field, direction) = text
            .strip_prefix('-')
            .map_or((text.as_str(), 1), |field| (field, -1));
        let is_path = field.split('.').all(|part| !part.is_empty()) && !field.contains(['$', '\0', ' ']);
        if !is_path {
            let message =
                format!("expected a field such as \"at\", \"-at\" or \"customer.name\", found `{text}`");
            return Err(Error::new(literal.span(), message));
        }
        if self.keys.iter().any(|(known, _)| known == field) {
            let message = format!("expected `{field}` once in an index, found it again");
            return Err(Error::new(literal.span(), message));
        }
        self.keys.push((field.to_owned(), direction));
        Ok(())
    }

    fn take_option(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let key: Ident = input.parse().map_err(|error| {
            Error::new(
                error.span(),
                "expected a field in quotes or an option; write `index(\"order\", unique)`, say",
            )
        })?;
        match key.to_string().as_str() {
            "unique" => self.unique = true,
            "sparse" => self.sparse = true,
            "expire_after" => {
                input.parse::<Token![=]>()?;
                let text: LitStr = input.parse()?;
                let duration = registry_config::parse_duration(&text.value());
                let whole = duration.filter(|duration| duration.subsec_nanos() == 0);
                self.expire_after = Some(whole.ok_or_else(|| {
                    Error::new(text.span(), "expected whole seconds such as \"30d\" or \"90s\"")
                })?);
            }
            "name" => {
                input.parse::<Token![=]>()?;
                self.name = Some(input.parse()?);
            }
            other => {
                let options = ["unique", "sparse", "expire_after", "name"];
                let help = match registry_config::suggest(other, options) {
                    Some(known) => format!("did you mean `{known}`"),
                    None => "fields stand in quotes, and the options are `unique`, `sparse`, `expire_after`, `name`".to_owned(),
                };
                return Err(Error::new(
                    key.span(),
                    format!("unknown option `{other}` of an index; {help}"),
                ));
            }
        }
        Ok(())
    }
}
