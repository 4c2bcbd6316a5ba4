//! `#[dbreg::test]`: its arguments and its function, and the test that becomes of them.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, LitInt, LitStr, Path, Token, Type, Visibility, parenthesized};

/// What stands in the brackets.
struct Arguments {
    root: TokenStream,
    prepare: Ident,
    configured: bool,
    /// The folder with migrations and fixtures, relative to that of the crate.
    folder: Option<LitStr>,
    profile: Option<LitStr>,
    /// Whether the runtime has several threads, and their number.
    is_multi_thread: bool,
    worker_threads: Option<LitInt>,
}

/// The function.
struct Function {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    name: Ident,
    /// What its body calls the registry, with `mut`.
    pattern: TokenStream,
    /// The type as it stands, and the registry's own.
    argument: Type,
    registry: Type,
    is_reference: bool,
    output: TokenStream,
    body: TokenTree,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let parsed = syn::parse2::<Arguments>(arguments)
        .and_then(|arguments| Ok((arguments, syn::parse2::<Function>(item.clone())?)));
    match parsed {
        Ok((arguments, function)) => test(&arguments, &function),
        Err(error) => error.to_compile_error(),
    }
}

fn test(arguments: &Arguments, function: &Function) -> TokenStream {
    let Arguments {
        root,
        prepare,
        configured,
        profile,
        ..
    } = arguments;
    let Function {
        attributes,
        visibility,
        name,
        pattern,
        argument,
        registry,
        is_reference,
        output,
        body,
    } = function;
    let profile = match profile {
        Some(profile) => quote!(::core::option::Option::Some(#profile)),
        None => quote!(::core::option::Option::None),
    };
    let threads = match (&arguments.worker_threads, arguments.is_multi_thread) {
        (Some(number), _) => quote!(::core::option::Option::Some(#number)),
        (None, true) => quote!(::core::option::Option::Some(0)),
        (None, false) => quote!(::core::option::Option::None),
    };
    let should_panic = attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("should_panic"));
    let lent = is_reference.then(|| quote!(&));
    let folder = arguments.folder.iter();
    let text = name.unraw().to_string();
    // At the function's name: what is wrong with its type or what it gives back is shown there.
    let span = name.span();
    let run = quote_spanned! { span =>
        #root::__private::test::run(
            &TEST,
            |db: #registry| async move { __test(#lent db).await },
        )
    };
    quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        #visibility fn #name() #output {
            const TEST: #root::__private::test::Test = #root::__private::test::Test {
                name: ::core::concat!(::core::module_path!(), "::", #text),
                root: ::core::concat!(::core::env!("CARGO_MANIFEST_DIR") #(, "/", #folder)*),
                prepare: #root::__private::test::Prepare::#prepare,
                configured: #configured,
                profile: #profile,
                threads: #threads,
                should_panic: #should_panic,
            };
            async fn __test(#pattern: #argument) #output #body
            #run
        }
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut found = Self {
            root: quote!(::dbreg),
            prepare: Ident::new("Nothing", Span::call_site()),
            configured: false,
            folder: None,
            profile: None,
            is_multi_thread: false,
            worker_threads: None,
        };
        let mut seen: Vec<String> = Vec::new();
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            let word = key.to_string();
            if seen.contains(&word) {
                let message = format!("`{word}` stands twice; write it once instead");
                return Err(Error::new(key.span(), message));
            }
            found.read(&key, &word, input)?;
            seen.push(word);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if let (Some(number), false) = (&found.worker_threads, found.is_multi_thread) {
            let message =
                "`worker_threads` is for a runtime of several threads; write `flavor = \"multi_thread\"` too";
            return Err(Error::new(number.span(), message));
        }
        Ok(found)
    }
}

impl Arguments {
    fn read(&mut self, key: &Ident, word: &str, input: ParseStream<'_>) -> syn::Result<()> {
        match word {
            "migrate" if self.prepare != "Fill" => self.prepare = Ident::new("Migrate", key.span()),
            // Fixtures want their tables: `fill` migrates first, and `migrate` beside it says nothing new.
            "migrate" => {}
            "fill" => self.prepare = Ident::new("Fill", key.span()),
            "servers" => self.configured = one_of(input, &["throw-away", "configured"])? == "configured",
            "flavor" => {
                self.is_multi_thread = one_of(input, &["current_thread", "multi_thread"])? == "multi_thread";
            }
            "root" => {
                input.parse::<Token![=]>()?;
                self.folder = Some(input.parse()?);
            }
            "profile" => {
                input.parse::<Token![=]>()?;
                self.profile = Some(input.parse()?);
            }
            "worker_threads" => {
                input.parse::<Token![=]>()?;
                let number: LitInt = input.parse()?;
                if number.base10_parse::<usize>()? == 0 {
                    return Err(Error::new(number.span(), "expected one thread at least, found 0"));
                }
                self.worker_threads = Some(number);
            }
            "crate" => {
                input.parse::<Token![=]>()?;
                let path = input.call(Path::parse_mod_style)?;
                self.root = quote!(#path);
            }
            _ => {
                let known =
                    "`migrate`, `fill`, `root`, `profile`, `servers`, `flavor`, `worker_threads` and `crate`";
                let message = format!("unknown argument `{word}`; there are {known}");
                return Err(Error::new(key.span(), message));
            }
        }
        Ok(())
    }
}

/// `= "word"`
fn one_of(input: ParseStream<'_>, words: &[&str]) -> syn::Result<String> {
    input.parse::<Token![=]>()?;
    let literal: LitStr = input.parse()?;
    let word = literal.value();
    if words.contains(&word.as_str()) {
        return Ok(word);
    }
    let all: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
    let message = format!("expected {}, found `\"{word}\"`", all.join(" or "));
    Err(Error::new(literal.span(), message))
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility: Visibility = input.parse()?;
        if !input.peek(Token![async]) {
            let message = "expected an async function; write `async fn name(db: AppRegistry)` instead";
            return Err(input.error(message));
        }
        input.parse::<Token![async]>()?;
        input.parse::<Token![fn]>()?;
        let name: Ident = input.parse()?;
        if input.peek(Token![<]) {
            return Err(input.error("expected a function without generics, found parameters"));
        }
        let inside;
        parenthesized!(inside in input);
        let wants = || {
            let message =
                format!("expected one argument, the registry; write `async fn {name}(db: AppRegistry)`");
            Error::new(name.span(), message)
        };
        if inside.is_empty() {
            return Err(wants());
        }
        let mutable: Option<Token![mut]> = inside.parse()?;
        let pattern = match inside.parse::<Option<Token![_]>>()? {
            Some(underscore) => quote!(#underscore),
            None => {
                let ident: Ident = inside.parse()?;
                quote!(#mutable #ident)
            }
        };
        inside.parse::<Token![:]>()?;
        let argument: Type = inside.parse()?;
        inside.parse::<Option<Token![,]>>()?;
        if !inside.is_empty() {
            return Err(wants());
        }
        let output = match input.peek(Token![->]) {
            true => {
                let arrow: Token![->] = input.parse()?;
                let output: Type = input.parse()?;
                quote!(#arrow #output)
            }
            false => TokenStream::new(),
        };
        let body: TokenTree = input.parse()?;
        let (registry, is_reference) = match &argument {
            Type::Reference(reference) => ((*reference.elem).clone(), true),
            other => (other.clone(), false),
        };
        Ok(Self {
            attributes,
            visibility,
            name,
            pattern,
            argument,
            registry,
            is_reference,
            output,
            body,
        })
    }
}
