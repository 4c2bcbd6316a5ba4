//! `#[registry(…)]` and the struct that it stands on.

use crate::mistakes::Mistakes;
use crate::names::Names;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Error, LitStr, Meta, Path, Token};

const KEYS: [&str; 6] = ["path", "toml", "only", "name", "env", "crate"];

/// What the attributes say, with the defaults where they say nothing.
pub(crate) struct Attrs {
    pub(crate) source: Source,
    /// `only(…)`; empty for every connection.
    pub(crate) only: Vec<LitStr>,
    pub(crate) names: Names,
    /// The prefix of environment variables.
    pub(crate) env: String,
    /// Where dbreg is to be found.
    pub(crate) root: TokenStream,
}

/// Where the text of the file comes from.
pub(crate) enum Source {
    /// `databases.toml`, or the file of `path = "…"`.
    File(Option<LitStr>),
    /// `toml = "…"`
    Inline(LitStr),
}

impl Source {
    /// Where rustc shows the mistakes of the file.
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::File(Some(literal)) => literal.span(),
            // rustc prints the lines at a span, and the mistake may be a password in an inline text: the derive has none.
            Self::File(None) | Self::Inline(_) => Span::call_site(),
        }
    }
}

/// Reads the attributes, and holds the struct against what the derive accepts. With a mistake, the rest is as good as it
/// can be: the fallback needs the names.
pub(crate) fn read(input: &DeriveInput) -> (Attrs, Result<(), Error>) {
    let mut mistakes = Mistakes::default();
    check_struct(input, &mut mistakes);
    let mut found = Found::default();
    for attribute in input
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("registry"))
    {
        found.read(attribute, &mut mistakes);
    }
    (found.attrs(input, &mut mistakes), mistakes.into_result())
}

fn check_struct(input: &DeriveInput, mistakes: &mut Mistakes) {
    let found = match &input.data {
        Data::Struct(_) => None,
        Data::Enum(data) => Some((data.enum_token.span, "an enum")),
        Data::Union(data) => Some((data.union_token.span, "a union")),
    };
    if let Some((span, found)) = found {
        let app = &input.ident;
        mistakes.tell(
            span,
            format!("expected a struct, found {found}; write `struct {app};` instead"),
        );
    }
    if !input.generics.params.is_empty() {
        let app = &input.ident;
        mistakes.tell(
            input.generics.span(),
            format!("expected a struct without generics, found parameters; write `struct {app}` without them instead"),
        );
    }
}

/// The attributes as they are written.
#[derive(Default)]
struct Found {
    path: Option<LitStr>,
    toml: Option<LitStr>,
    only: Option<Vec<LitStr>>,
    name: Option<LitStr>,
    env: Option<LitStr>,
    root: Option<Path>,
}

impl Found {
    fn read(&mut self, attribute: &Attribute, mistakes: &mut Mistakes) {
        let Meta::List(list) = &attribute.meta else {
            mistakes.tell(
                attribute.span(),
                "expected keys in parentheses; write `#[registry(path = \"…\")]` instead",
            );
            return;
        };
        match attribute.parse_args_with(Punctuated::<Entry, Token![,]>::parse_terminated) {
            Ok(entries) => entries.into_iter().for_each(|entry| self.take(entry, mistakes)),
            Err(error) => mistakes.add(error),
        }
        if list.tokens.is_empty() {
            mistakes.tell(
                attribute.span(),
                format!("expected at least one key; the keys are {}", keys()),
            );
        }
    }

    fn take(&mut self, entry: Entry, mistakes: &mut Mistakes) {
        let Entry { key, value } = entry;
        let name = key.unraw().to_string();
        let is_new = match (name.as_str(), value) {
            (_, Value::Missing(message)) => return mistakes.tell(key.span(), message),
            ("path", Value::Text(text)) => self.path.replace(text).is_none(),
            ("toml", Value::Text(text)) => self.toml.replace(text).is_none(),
            ("name", Value::Text(text)) => self.name.replace(text).is_none(),
            ("env", Value::Text(text)) => self.env.replace(text).is_none(),
            ("crate", Value::Path(path)) => self.root.replace(path).is_none(),
            ("only", Value::List(texts)) => self.only.replace(texts).is_none(),
            _ => {
                let help = match registry_config::suggest(&name, KEYS) {
                    Some(known) => format!("did you mean `{known}`"),
                    None => format!("the keys are {}", keys()),
                };
                return mistakes.tell(key.span(), format!("unknown key `{name}`; {help}"));
            }
        };
        if !is_new {
            mistakes.tell(
                key.span(),
                format!("expected `{name}` once, found it again; remove one of the two"),
            );
        }
    }

    fn attrs(self, input: &DeriveInput, mistakes: &mut Mistakes) -> Attrs {
        if let (Some(_), Some(toml)) = (&self.path, &self.toml) {
            mistakes.tell(
                toml.span(),
                "expected `path` or `toml`, found both; remove one of the two",
            );
        }
        let names = self.name.and_then(|name| {
            let chosen = Names::named(&name.value()).filter(|names| names.registry != input.ident);
            if chosen.is_none() {
                let message = "expected the name of a new struct in upper camel case; write `name = \"Db\"`, say, instead";
                mistakes.tell(name.span(), message);
            }
            chosen
        });
        if let Some(only) = self.only.as_ref().and_then(|only| repeated(only)) {
            mistakes.tell(
                only.span(),
                format!(
                    "expected `{}` once, found it again; remove one of the two",
                    only.value()
                ),
            );
        }
        let env = self.env.map_or_else(|| "DBREG".to_owned(), |env| {
            if !is_prefix(&env.value()) {
                let message = "expected upper-case letters, digits and single `_` between them; write `env = \"SHOP\"`, \
                               say, instead";
                mistakes.tell(env.span(), message);
            }
            env.value()
        });
        let root = self.root.map_or_else(|| quote!(::dbreg), |path| {
            if !is_absolute(&path) {
                let message = "expected an absolute path; write `crate = ::other::dbreg` or `crate = crate::dbreg`, say, \
                               instead";
                mistakes.tell(path.span(), message);
                // Not as it is: the compiler would look for it, and tell the same once more.
                return quote!(::dbreg);
            }
            quote!(#path)
        });
        Attrs {
            source: match self.toml {
                Some(toml) => Source::Inline(toml),
                None => Source::File(self.path),
            },
            only: self.only.unwrap_or_default(),
            names: names.unwrap_or_else(|| Names::of(&input.ident)),
            env,
            root,
        }
    }
}

fn keys() -> String {
    KEYS.map(|key| format!("`{key}`")).join(", ")
}

fn repeated(texts: &[LitStr]) -> Option<&LitStr> {
    let is_repeated =
        |(i, text): &(usize, &LitStr)| texts[..*i].iter().any(|before| before.value() == text.value());
    texts.iter().enumerate().find(is_repeated).map(|(_, text)| text)
}

/// What can stand before `_MYSQL__MAIN__DB` without changing how that is read.
fn is_prefix(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.split('_').all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        })
}

/// A relative path would be looked up in the modules that are generated.
pub(crate) fn is_absolute(path: &Path) -> bool {
    path.leading_colon.is_some()
        || path
            .segments
            .first()
            .is_some_and(|first| first.ident == "crate" || first.ident == "$crate")
}

/// `key = value` or `key(…)`.
struct Entry {
    key: Ident,
    value: Value,
}

enum Value {
    Text(LitStr),
    Path(Path),
    List(Vec<LitStr>),
    /// It is not what the key takes; what to write instead. The tokens up to the next comma are gone.
    Missing(String),
    /// The key is unknown.
    Skipped,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any).map_err(|error| {
            Error::new(
                error.span(),
                format!("expected a key such as `path = \"…\"`; the keys are {}", keys()),
            )
        })?;
        let name = key.unraw().to_string();
        let (value, example) = match name.as_str() {
            "only" => (parse_list(input), "only(\"mysql.main\", \"memcached\")"),
            "crate" => (parse_assigned(input).map(Value::Path), "crate = ::other::dbreg"),
            "path" => (
                parse_assigned(input).map(Value::Text),
                "path = \"config/databases.toml\"",
            ),
            "toml" => (parse_assigned(input).map(Value::Text), "toml = \"…\""),
            "name" => (parse_assigned(input).map(Value::Text), "name = \"Db\""),
            "env" => (parse_assigned(input).map(Value::Text), "env = \"SHOP\""),
            _ => (Ok(Value::Skipped), ""),
        };
        let value =
            value.unwrap_or_else(|_| Value::Missing(format!("expected `{name}` in the form `{example}`")));
        if matches!(value, Value::Missing(_) | Value::Skipped) {
            skip_to_comma(input)?;
        }
        Ok(Self { key, value })
    }
}

fn parse_assigned<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    let value = input.parse()?;
    at_end_of_entry(input)?;
    Ok(value)
}

fn parse_list(input: ParseStream<'_>) -> syn::Result<Value> {
    // A group that is parsed on its own: `parenthesized!` would tell of what is left in it once more.
    let group: Group = input.parse()?;
    let texts: Vec<LitStr> = Punctuated::<LitStr, Token![,]>::parse_terminated
        .parse2(group.stream())?
        .into_iter()
        .collect();
    at_end_of_entry(input)?;
    if group.delimiter() == Delimiter::Parenthesis && !texts.is_empty() {
        Ok(Value::List(texts))
    } else {
        Err(input.error("expected names in parentheses"))
    }
}

fn at_end_of_entry(input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        Ok(())
    } else {
        Err(input.error("expected `,`"))
    }
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        let _: TokenTree = input.parse()?;
    }
    Ok(())
}
