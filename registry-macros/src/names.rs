//! The names of what is generated, and how visible it is.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Visibility;

/// The struct `AppRegistry` and the module `app_registry`.
pub(crate) struct Names {
    pub(crate) registry: Ident,
    pub(crate) module: Ident,
}

impl Names {
    /// The default for a struct with this name.
    pub(crate) fn of(app: &Ident) -> Self {
        Self::named(&format!("{}Registry", app.to_string().trim_start_matches("r#")))
            .unwrap_or_else(|| Self::call_site("AppRegistry", "app_registry"))
    }

    /// A struct with this name; nothing when it is not an identifier, or when struct and module would be one name.
    pub(crate) fn named(registry: &str) -> Option<Self> {
        let is_identifier = syn::parse_str::<Ident>(registry).is_ok() && !registry.starts_with("r#");
        let module = snake_case(registry);
        let is_free = module != registry && !cannot_be_raw(&module);
        (is_identifier && is_free).then(|| Self::call_site(registry, &module))
    }

    fn call_site(registry: &str, module: &str) -> Self {
        Self {
            registry: Ident::new(registry, Span::call_site()),
            module: field(module),
        }
    }
}

/// A name of the file as an identifier: raw where it is a keyword of any edition.
pub(crate) fn field(name: &str) -> Ident {
    if cannot_be_raw(name) {
        // The loader refuses these names, so nobody ever sees this.
        return Ident::new(&format!("{name}_"), Span::call_site());
    }
    // `syn` takes `gen` for an identifier; edition 2024 does not.
    if name == "gen" || syn::parse_str::<Ident>(name).is_err() {
        Ident::new_raw(name, Span::call_site())
    } else {
        Ident::new(name, Span::call_site())
    }
}

/// `Ident::new_raw` panics for these.
fn cannot_be_raw(name: &str) -> bool {
    matches!(name, "self" | "super" | "crate" | "Self" | "_" | "")
}

/// `AppRegistry` -> `app_registry`, `HTTPApp2` -> `http_app2`.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, &letter) in letters.iter().enumerate() {
        let after_lower = i > 0 && !letters[i - 1].is_uppercase() && letters[i - 1] != '_';
        let before_lower =
            i > 0 && letters[i - 1].is_uppercase() && letters.get(i + 1).is_some_and(|c| c.is_lowercase());
        if letter.is_uppercase() && (after_lower || before_lower) {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// The visibility of the user's struct, as written some modules further in.
///
/// Plain `pub` for everything would trip `unreachable_pub` in a crate whose struct is private.
pub(crate) fn deeper(visibility: &Visibility, modules: usize) -> TokenStream {
    let up = vec![quote!(super); modules];
    match visibility {
        _ if modules == 0 => visibility.to_token_stream(),
        Visibility::Inherited => quote!(pub(in #(#up)::*)),
        Visibility::Restricted(restricted) => {
            let path = &restricted.path;
            match path
                .segments
                .first()
                .map(|segment| segment.ident.to_string())
                .as_deref()
            {
                Some("self") => {
                    let rest = path.segments.iter().skip(1);
                    quote!(pub(in #(#up)::* #(:: #rest)*))
                }
                Some("super") => quote!(pub(in #(#up)::* :: #path)),
                _ => visibility.to_token_stream(),
            }
        }
        Visibility::Public(_) => quote!(pub),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_structs() {
        for (app, registry, module) in [
            ("App", "AppRegistry", "app_registry"),
            ("HTTPApp2", "HTTPApp2Registry", "http_app2_registry"),
            ("My_App", "My_AppRegistry", "my_app_registry"),
            ("app", "appRegistry", "app_registry"),
            ("Größe", "GrößeRegistry", "größe_registry"),
        ] {
            let names = Names::of(&Ident::new(app, Span::call_site()));
            assert_eq!(
                (names.registry.to_string(), names.module.to_string()),
                (registry.into(), module.into())
            );
        }
        assert_eq!(
            Names::of(&Ident::new_raw("type", Span::call_site()))
                .registry
                .to_string(),
            "typeRegistry"
        );
    }

    #[test]
    fn chosen_names() {
        for (name, module) in [
            ("Db", Some("db")),
            ("Type", Some("r#type")),
            ("Gen", Some("r#gen")),
        ] {
            assert_eq!(
                Names::named(name)
                    .map(|names| names.module.to_string())
                    .as_deref(),
                module,
                "{name}"
            );
        }
        for name in [
            "", "_", "db", "Self", "Crate", "Super", "type", "r#type", "r#Type", "My Db", "1st", "a::B",
            "Db<T>",
        ] {
            assert!(Names::named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn fields_are_raw_where_they_must_be() {
        for word in "abstract as async await become box break const continue do dyn else enum extern false final fn for \
                     gen if impl in let loop macro match mod move mut override priv pub ref return static struct trait \
                     true try type typeof unsafe unsized use virtual where while yield"
            .split_whitespace()
        {
            assert_eq!(field(word).to_string(), format!("r#{word}"));
        }
        for word in [
            "main", "user_db", "union", "auto", "default", "raw", "safe", "core", "std", "str", "u8", "dbreg",
        ] {
            assert_eq!(field(word).to_string(), word);
        }
        for word in ["self", "super", "crate", "_", ""] {
            assert_eq!(field(word).to_string(), format!("{word}_"));
        }
    }

    #[test]
    fn visibilities_keep_their_meaning_further_in() {
        for (written, one, two) in [
            ("", "pub (in super)", "pub (in super :: super)"),
            ("pub", "pub", "pub"),
            ("pub(crate)", "pub (crate)", "pub (crate)"),
            ("pub(self)", "pub (in super)", "pub (in super :: super)"),
            (
                "pub(super)",
                "pub (in super :: super)",
                "pub (in super :: super :: super)",
            ),
            ("pub(in crate::a)", "pub (in crate :: a)", "pub (in crate :: a)"),
            (
                "pub(in super::super)",
                "pub (in super :: super :: super)",
                "pub (in super :: super :: super :: super)",
            ),
        ] {
            let visibility: Visibility = syn::parse_str(written).unwrap();
            assert_eq!(deeper(&visibility, 1).to_string(), one, "{written}");
            assert_eq!(deeper(&visibility, 2).to_string(), two, "{written}");
        }
    }
}
