//! From the derive's input to its output.

use crate::attrs::{self, Attrs};
use crate::fallback::{self, Fallback};
use crate::fields::{self, Backend, Fields};
use crate::names::Names;
use crate::source::SourceText;
use crate::{only, source};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use registry_config::{Diagnostic, Loaded, Severity, Shape};
use std::borrow::Cow;
use syn::{DeriveInput, Error, Visibility};

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let (attrs, checked) = attrs::read(&input);
    match checked.and_then(|()| try_derive(&input, &attrs)) {
        Ok(code) => code,
        Err(errors) => fallback::expand(&input, &attrs.names, &attrs.root, &errors),
    }
}

/// The code. An error here means that names are not certain.
fn try_derive(input: &DeriveInput, attrs: &Attrs) -> Result<TokenStream, Error> {
    let span = attrs.source.span();
    let text = source::read(&attrs.source).map_err(|message| Error::new(span, message))?;
    let Loaded {
        mut shape,
        diagnostics,
        names_certain,
        ..
    } = registry_config::load(&text.text, &text.name);
    let mistakes = combine(
        diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .map(|diagnostic| Error::new(span, diagnostic.render(&text.name))),
    );
    let is_certain = names_certain && !shape.connections.is_empty();
    let mistakes = match mistakes {
        Some(mistakes) if !is_certain => return Err(mistakes),
        mistakes => mistakes,
    };
    if let Err(unknown) = only::apply(&attrs.only, &mut shape) {
        return Err(combine(mistakes.into_iter().chain([unknown])).expect("one of them is there"));
    }
    if mistakes.is_some() {
        forget_values(&mut shape);
    }
    Ok(expand(input, attrs, &text, &shape, mistakes.as_ref()))
}

/// Several mistakes as one.
pub(crate) fn combine(errors: impl IntoIterator<Item = Error>) -> Option<Error> {
    errors.into_iter().reduce(|mut all, error| {
        all.combine(error);
        all
    })
}

/// A file with mistakes gives its names, and nothing else is of use.
fn forget_values(shape: &mut Shape) {
    for connection in shape.connections.to_mut() {
        connection.layers = Cow::Borrowed(&[]);
    }
}

/// The code, within the gates of the backends: each that is off in dbreg adds its message, and with any message the
/// fallback takes the place of the code.
fn expand(
    input: &DeriveInput,
    attrs: &Attrs,
    text: &SourceText,
    shape: &Shape,
    mistakes: Option<&Error>,
) -> TokenStream {
    let Attrs { names, root, .. } = attrs;
    let backends = fields::backends(shape);
    let gates = backends
        .iter()
        .map(|backend| format_ident!("__gate_{}", backend.spec.name));
    let mut gates = gates.chain([format_ident!("__gate_end")]);
    let first = gates.next();
    let messages = backends
        .iter()
        .map(|backend| missing_feature(attrs.source.span(), text, backend));
    let Fallback { head, tail } = fallback::parts(input, names, root);
    let beside = mistakes.map(fallback::beside);
    let code = expand_code(input, attrs, text, shape, &backends);
    quote! {
        #root::#first! { {} #({ #messages } [#root::#gates])* { #head } { #beside #tail } { #beside #code } }
    }
}

fn missing_feature(span: Span, text: &SourceText, backend: &Backend<'_>) -> TokenStream {
    let feature = backend.spec.name;
    let mut message = String::new();
    if let Some((_, first)) = backend.connections.first() {
        let what = format!(
            "[{feature}.{}] needs the feature `{feature}` of dbreg, which is off",
            first.name
        );
        let help = format!("run `cargo add dbreg --features {feature}`");
        message = Diagnostic::error("feature-off", what)
            .at(first.position)
            .help(help)
            .render(&text.name);
    }
    Error::new(span, message).to_compile_error()
}

fn expand_code(
    input: &DeriveInput,
    attrs: &Attrs,
    text: &SourceText,
    shape: &Shape,
    backends: &[Backend<'_>],
) -> TokenStream {
    let Attrs { names, root, env, .. } = attrs;
    let fields = Fields {
        shape,
        backends,
        names,
        visibility: &input.vis,
        root,
        env,
    };
    let registry = expand_registry(&input.vis, &input.ident, attrs, text);
    let module = fields.expand_module();
    let root_impl = expand_root(attrs, shape, &fields);
    let track = text.tracked.as_deref().map(expand_track);
    quote!(#registry #module #root_impl #track)
}

/// The generated struct, and the way to it from the user's.
fn expand_registry(visibility: &Visibility, app: &Ident, attrs: &Attrs, text: &SourceText) -> TokenStream {
    let Attrs {
        names: Names { registry, module },
        root,
        ..
    } = attrs;
    let file = &text.name;
    let about = format!("Every connection of `{file}`, open. Cheap to clone; generated for [`{app}`].");
    let about_connect =
        format!("Opens every connection of `{file}` at once. The error is the report of all of them.");
    let name = registry.to_string();
    quote! {
        #[doc = #about]
        #visibility struct #registry(::std::sync::Arc<(#module::Fields, #root::Registry)>);

        impl #app {
            #[doc = #about_connect]
            #visibility async fn connect() -> ::core::result::Result<#registry, #root::StartError> {
                #root::Builder::<#registry>::new().connect().await
            }

            /// A start with other than the default settings; its `connect` is to follow.
            #visibility fn builder() -> #root::Builder<#registry> {
                #root::Builder::<#registry>::new()
            }

            /// Like `connect`, for `main` only: when the start fails, prints the report and ends the process.
            #visibility async fn connect_or_exit() -> #registry {
                #root::Builder::<#registry>::new().connect_or_exit().await
            }
        }

        impl #registry {
            /// The connections of a backend by its name, for tools. The error proposes the nearest name.
            #visibility fn backend<'a>(
                &'a self,
                name: &'a ::core::primitive::str,
            ) -> ::core::result::Result<#root::Backend<'a>, #root::Error> {
                self.0.1.backend(name)
            }

            /// Every connection, in the order of the report.
            #visibility fn connections(&self) -> impl ::core::iter::Iterator<Item = #root::AnyConnection> + '_ {
                self.0.1.connections()
            }

            /// What the start found.
            #visibility fn report(&self) -> &#root::Report {
                self.0.1.report()
            }

            /// The changes of every connection's state from now on.
            #visibility fn watch(&self) -> #root::Watch {
                self.0.1.watch()
            }

            /// Reads the files of every secret again and proves what they say.
            #visibility async fn reload(&self) -> ::core::result::Result<(), #root::Error> {
                self.0.1.reload().await
            }

            /// Closes every connection, all at once: each waits for its work in hand, up to a deadline.
            #visibility async fn close(&self) -> ::core::result::Result<(), #root::Error> {
                self.0.1.close().await
            }
        }

        #[automatically_derived]
        impl ::core::clone::Clone for #registry {
            fn clone(&self) -> Self {
                Self(::core::clone::Clone::clone(&self.0))
            }
        }

        #[automatically_derived]
        impl ::core::ops::Deref for #registry {
            type Target = #module::Fields;

            fn deref(&self) -> &Self::Target {
                &self.0.0
            }
        }

        #[automatically_derived]
        impl ::core::fmt::Debug for #registry {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_tuple(#name).field(&self.0.0).finish()
            }
        }
    }
}

/// What the run time asks of the generated struct.
fn expand_root(attrs: &Attrs, shape: &Shape, fields: &Fields<'_>) -> TokenStream {
    let Attrs {
        names: Names { registry, module },
        root,
        env,
        ..
    } = attrs;
    // One literal: a constant of structs took rustc two thirds of a build with a thousand connections.
    let shape = registry_config::encode(shape);
    let build = fields.expand_build();
    quote! {
        const _: () = {
            use #root::__private;

            #[automatically_derived]
            impl __private::Root for #registry {
                type Fields = #module::Fields;
                const ENV: &'static ::core::primitive::str = #env;

                fn shape() -> &'static __private::Shape {
                    static SHAPE: __private::Model = __private::Model::new(|| __private::decode(#shape));

                    &SHAPE
                }

                fn build(opening: &mut __private::Opening) -> Self::Fields {
                    #build
                }

                fn assemble(fields: Self::Fields, registry: #root::Registry) -> Self {
                    Self(::std::sync::Arc::new((fields, registry)))
                }

                fn registry(&self) -> &#root::Registry {
                    &self.0.1
                }
            }
        };
    }
}

/// Makes cargo watch the file. As a constant, its text would be in the library; as a path, the machine's folders.
fn expand_track(path: &str) -> TokenStream {
    let path = format!("/{path}");
    quote! {
        const _: () = {
            fn _track() {
                let _ = ::core::include_bytes!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #path));
            }
        };
    }
}
