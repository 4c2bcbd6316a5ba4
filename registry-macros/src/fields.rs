//! The module with the parts: the struct of all backends, and for each backend its connections and their places.

use crate::docs;
use crate::names::{Names, deeper, field};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;
use registry_config::{BackendSpec, ConnectionShape, Shape, backend};
use syn::Visibility;

/// A backend with the connections of this binary, each with its index in the shape.
pub(crate) struct Backend<'a> {
    pub(crate) spec: &'static BackendSpec,
    pub(crate) connections: Vec<(usize, &'a ConnectionShape)>,
}

/// The backends of this binary, in the order of the backend table.
pub(crate) fn backends(shape: &Shape) -> Vec<Backend<'_>> {
    let mut backends: Vec<Backend<'_>> = Vec::new();
    for (index, connection) in shape.connections.iter().enumerate() {
        let Some(spec) = backend(connection.backend) else {
            continue;
        };
        match backends.iter_mut().find(|known| known.spec.name == spec.name) {
            Some(known) => known.connections.push((index, connection)),
            None => backends.push(Backend {
                spec,
                connections: vec![(index, connection)],
            }),
        }
    }
    backends
}

/// Everything that is needed to write the fields.
pub(crate) struct Fields<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) backends: &'a [Backend<'a>],
    pub(crate) names: &'a Names,
    pub(crate) visibility: &'a Visibility,
    pub(crate) root: &'a TokenStream,
    pub(crate) env: &'a str,
}

impl Fields<'_> {
    /// `mod app_registry { … }`
    pub(crate) fn expand_module(&self) -> TokenStream {
        let Names { registry, module } = self.names;
        let (here, inner) = (self.visibility, deeper(self.visibility, 1));
        let file = &self.shape.file;
        let about_module = format!("The parts of [`{registry}`](super::{registry}).");
        let about_fields = format!("Every connection of `{file}`, by backend.");
        let modules = self.backends.iter().map(|backend| self.expand_backend(backend));
        let fields = self.backends.iter().map(|backend| {
            let name = field(backend.spec.name);
            let about = format!("The connections of {}.", backend.spec.title);
            quote!(#[doc = #about] #inner #name: #name::Connections)
        });
        quote! {
            #[doc = #about_module]
            #here mod #module {
                #[doc = #about_fields]
                #[derive(::core::fmt::Debug)]
                #[non_exhaustive]
                #inner struct Fields { #(#fields),* }
                #(#modules)*
            }
        }
    }

    fn expand_backend(&self, backend: &Backend<'_>) -> TokenStream {
        let (outer, inner) = (deeper(self.visibility, 1), deeper(self.visibility, 2));
        let BackendSpec {
            name, title, handle, ..
        } = backend.spec;
        let root = self.root;
        let (module, handle) = (field(name), Ident::new(handle, Span::call_site()));
        let about_module = format!("The connections of {title}, and their places.");
        let about_struct = format!("The connections of {title}.");
        let fields = backend.connections.iter().map(|(_, connection)| {
            let about = docs::of_field(self.shape, connection, self.env);
            let place = field(&connection.field);
            let tagged = quote!(#root::At<#root::#handle, #place>);
            let ty = if connection.optional {
                quote!(#root::Optional<#tagged>)
            } else {
                tagged
            };
            quote!(#[doc = #about] #inner #place: #ty)
        });
        let places = backend.connections.iter().map(|(_, connection)| {
            let about = format!(
                "The place of `{name}.{}`: a type that tells it from the others.",
                connection.name
            );
            let place = field(&connection.field);
            quote!(#[doc = #about] #[allow(non_camel_case_types)] #inner enum #place {})
        });
        quote! {
            #[doc = #about_module]
            #outer mod #module {
                #[doc = #about_struct]
                #[derive(::core::fmt::Debug)]
                #[non_exhaustive]
                #inner struct Connections { #(#fields),* }
                #(#places)*
            }
        }
    }

    /// The expression that builds every handle; `opening` and `__private` are in scope there.
    pub(crate) fn expand_build(&self) -> TokenStream {
        let module = &self.names.module;
        let fields = self.backends.iter().map(|backend| {
            let name = field(backend.spec.name);
            let connections = backend.connections.iter().map(|(index, connection)| {
                let (field, index) = (field(&connection.field), Literal::usize_unsuffixed(*index));
                let tagged = quote!(__private::At::new(opening.#name(#index)));
                if connection.optional {
                    quote!(#field: __private::Optional::new(#tagged))
                } else {
                    quote!(#field: #tagged)
                }
            });
            quote!(#name: #module::#name::Connections { #(#connections),* })
        });
        quote!(#module::Fields { #(#fields),* })
    }
}
