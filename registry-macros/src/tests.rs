//! Snapshots of expansions: what is written for a file, and what a mistake becomes.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use std::fmt::Write as _;
use syn::parse::{Parse, ParseStream};
use syn::{LitStr, Macro};

/// The expansion as one would write it, the gates taken apart.
fn expansion(input: TokenStream) -> String {
    let expanded = crate::expand::derive(input);
    match syn::parse2::<Gates>(expanded.clone()) {
        Ok(gates) => gates.to_string(),
        Err(_) => pretty(expanded),
    }
}

fn pretty(tokens: TokenStream) -> String {
    prettyplease::unparse(&syn::parse2(tokens).expect("the derive writes items"))
}

/// `__gate_mysql! { {} {message} [__gate_end] {head} {tail} {code} }`
struct Gates {
    chain: Vec<String>,
    messages: Vec<TokenStream>,
    fallback: TokenStream,
    code: TokenStream,
}

impl Parse for Gates {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let gate: Macro = input.parse()?;
        let mut groups = Vec::new();
        for tree in gate.tokens {
            match tree {
                TokenTree::Group(group) => groups.push(group.stream()),
                other => panic!("{other} stands between the gates"),
            }
        }
        let path = gate.path;
        let mut chain = vec![quote!(#path).to_string()];
        let mut messages = Vec::new();
        let [code, tail, head] = [(); 3].map(|()| groups.pop().expect("a gate has these three"));
        for pair in groups[1..].chunks(2) {
            messages.push(pair[0].clone());
            chain.push(pair[1].to_string());
        }
        Ok(Self {
            chain,
            messages,
            fallback: quote!(#head {} #tail),
            code,
        })
    }
}

impl std::fmt::Display for Gates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "// {}", self.chain.join(", "))?;
        for message in &self.messages {
            writeln!(f, "{}", pretty(message.clone()).trim_end())?;
        }
        write!(
            f,
            "\n// or, with a message:\n{}\n// else:\n{}",
            pretty(self.fallback.clone()),
            pretty(self.code.clone())
        )
    }
}

/// What rustc would print for an input, without the places.
fn messages(input: TokenStream) -> String {
    fn collect(tokens: TokenStream, out: &mut String) {
        let mut last = String::new();
        for tree in tokens {
            match tree {
                TokenTree::Group(group) if last == "compile_error!" => {
                    let text: LitStr = syn::parse2(group.stream()).expect("one literal");
                    writeln!(out, "error: {}", text.value()).expect("a String takes everything");
                    last.clear();
                }
                TokenTree::Group(group) => collect(group.stream(), out),
                TokenTree::Ident(ident) => last = ident.to_string(),
                TokenTree::Punct(punct) => last.push(punct.as_char()),
                TokenTree::Literal(_) => last.clear(),
            }
        }
    }
    let expanded = crate::expand::derive(input);
    let mut out = String::new();
    match syn::parse2::<Gates>(expanded.clone()) {
        Ok(gates) => collect(gates.code, &mut out),
        Err(_) => collect(expanded, &mut out),
    }
    out
}

#[test]
fn one_connection() {
    insta::assert_snapshot!(expansion(quote! {
        #[registry(toml = "[memcached.cache]\nhost = \"c1\"\n")]
        pub struct App;
    }));
}

#[test]
fn every_kind_of_value() {
    let toml = include_str!("../../registry-config/reference.toml");
    insta::assert_snapshot!(expansion(quote! {
        #[registry(toml = #toml, name = "Db", env = "SHOP", crate = crate::other)]
        struct App {
            started: bool,
        }
    }));
}

#[test]
fn only_some_connections() {
    let toml = "[mysql.main]\nhost = \"db1\"\n[mysql.User-DB]\nhost = \"db2\"\n[sqlite.local]\npath = \"a.db\"\n\
                [memcached.cache]\nhost = \"c1\"\n";
    insta::assert_snapshot!(expansion(quote! {
        #[registry(toml = #toml, only("mysql.user_db", "sqlite"))]
        pub(crate) struct App;
    }));
}

#[test]
fn mistakes_where_the_names_are_certain() {
    insta::assert_snapshot!(expansion(quote! {
        #[registry(toml = "[memcached.cache]\nhots = \"c1\"\npool = { max = 0 }\n")]
        pub struct App;
    }));
}

#[test]
fn mistakes_where_they_are_not() {
    insta::assert_snapshot!(expansion(quote! {
        #[registry(toml = "[memcache.cache]\nhost = \"c1\"\n")]
        pub struct App;
    }));
}

#[test]
fn mistakes_in_attributes() {
    let inputs = [
        quote!(
            #[registry(pth = "a.toml")]
            struct App;
        ),
        quote!(
            #[registry(whatever)]
            struct App;
        ),
        quote!(
            #[registry(path)]
            struct App;
        ),
        quote!(
            #[registry(path = 1, toml("x"), name = Db, env = , only = "mysql", crate = "::other")]
            struct App;
        ),
        quote!(
            #[registry(only())]
            struct App;
        ),
        quote!(
            #[registry(only(mysql.main))]
            struct App;
        ),
        quote!(
            #[registry(only["mysql"])]
            struct App;
        ),
        quote!(
            #[registry(path = "a.toml" "b.toml")]
            struct App;
        ),
        quote!(
            #[registry("databases.toml")]
            struct App;
        ),
        quote!(
            #[registry]
            struct App;
        ),
        quote!(
            #[registry()]
            struct App;
        ),
        quote!(
            #[registry = "databases.toml"]
            struct App;
        ),
        quote!(
            #[registry(path = "a.toml", path = "b.toml")]
            struct App;
        ),
        quote!(
            #[registry(name = "A")]
            #[registry(name = "B")]
            struct App;
        ),
        quote!(
            #[registry(path = "a.toml", toml = "")]
            struct App;
        ),
        quote!(
            #[registry(name = "App")]
            struct App;
        ),
        quote!(
            #[registry(name = "db")]
            struct App;
        ),
        quote!(
            #[registry(name = "Self")]
            struct App;
        ),
        quote!(
            #[registry(name = "My Db")]
            struct App;
        ),
        quote!(
            #[registry(env = "shop")]
            struct App;
        ),
        quote!(
            #[registry(env = "SHOP_")]
            struct App;
        ),
        quote!(
            #[registry(env = "A__B")]
            struct App;
        ),
        quote!(
            #[registry(env = "")]
            struct App;
        ),
        quote!(
            #[registry(crate = other)]
            struct App;
        ),
        quote!(
            #[registry(only("mysql.main", "mysql.main"))]
            struct App;
        ),
        quote!(
            struct App<T>(T);
        ),
        quote!(
            struct App<'a>(&'a str);
        ),
        quote!(
            enum App {
                One,
            }
        ),
        quote!(union App { one: u8 }),
        quote!(
            #[registry(pth = "a.toml", name = "x")]
            enum App<T> {
                One(T),
            }
        ),
    ];
    let told = inputs.map(|input| format!("{}\n{}", input.clone(), messages(input)));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn mistakes_in_only() {
    let toml = "[mysql.main]\nhost = \"db1\"\n[mysql.user-db]\nhost = \"db2\"\n";
    let told = [
        quote!("mysql.mian"),
        quote!("mysq"),
        quote!("memcached"),
        quote!("memcached.main"),
        quote!("main"),
        quote!("mysql."),
        quote!(""),
        quote!("mysql.main", "redis", "mysql.nothing-like-it"),
    ]
    .map(|only| {
        format!(
            "only({only})\n{}",
            messages(quote!(
                #[registry(toml = #toml, only(#only))]
                struct App;
            ))
        )
    });
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_mistake_of_the_file_and_one_of_only() {
    insta::assert_snapshot!(messages(quote! {
        #[registry(toml = "[mysql.main]\nhots = \"db1\"\n", only("mysql.mian"))]
        struct App;
    }));
}

#[test]
fn no_secret_is_written() {
    let toml = "[mysql.main]\nhost = \"db1\"\npassword = \"canary1\"\n[mysql.other]\nurl = \"mysql://u:canary2@db/shop\"\n\
                # canary3\n[mysql.third]\nhost = \"db\"\npasword = \"canary4\"\n";
    for toml in [
        toml.to_owned(),
        format!("{toml}password = \"canary5\n"),
        format!("{toml}password = canary5\n"),
    ] {
        let expanded = crate::expand::derive(quote! {
            #[registry(toml = #toml)]
            struct App;
        });
        assert!(!expanded.to_string().contains("canary"), "{expanded}");
    }
}

#[test]
fn models() {
    let models = [
        quote! {
            #[model(app_registry::mysql::main, app_registry::mysql::archive)]
            struct Order;
        },
        quote! {
            #[model(app_registry::mongodb::logs, collection = "events", crate = ::other::dbreg)]
            #[model(index("order", "-at", unique), index("at", expire_after = "30d", name = "by_age"))]
            struct Event<T> where T: Clone { order: T }
        },
        quote! {
            #[model(app_registry::memcached::cache, key = "cart:{tenant}:{user}", expiry = "10m")]
            struct Cart { tenant: String, user: u64 }
        },
        quote! {
            #[model(app_registry::memcached::cache, key = "motto")]
            enum Motto { Short }
        },
    ];
    let expanded: Vec<String> = models.map(|model| pretty(crate::model::derive(model))).into();
    insta::assert_snapshot!(expanded.join("\n"));
}
