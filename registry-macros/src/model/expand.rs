//! The code of a model.

use super::index::Index;
use super::key::{KeyPattern, Part, argument};
use super::{Kind, Model};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use std::time::Duration;
use syn::spanned::Spanned as _;
use syn::{DeriveInput, LitStr, Path};

/// The places that the model belongs to. Each at the place's own span: that is where the compiler says that it lives.
pub(super) fn places(input: &DeriveInput, places: &[Path], root: &TokenStream) -> TokenStream {
    let name = &input.ident;
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let places = places.iter().map(|place| {
        quote_spanned! {place.span()=>
            #[automatically_derived]
            impl #impl_generics #root::ModelOf<#place> for #name #ty_generics #where_clause {}
        }
    });
    quote!(#(#places)*)
}

pub(super) fn model(input: &DeriveInput, model: &Model) -> TokenStream {
    let places = places(input, &model.places, &model.root);
    let more = match &model.kind {
        Kind::Plain => TokenStream::new(),
        Kind::Collection { name, indexes } => expand_collection(input, &model.root, name, indexes),
        Kind::Cached { pattern, expiry } => expand_cached(input, &model.root, pattern, *expiry),
    };
    quote!(#places #more)
}

fn expand_collection(
    input: &DeriveInput,
    root: &TokenStream,
    name: &LitStr,
    indexes: &[Index],
) -> TokenStream {
    let model = &input.ident;
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let indexes = indexes.iter().map(|index| {
        let keys = index
            .keys
            .iter()
            .map(|(field, direction)| quote!((#field, #direction)));
        let unique = index.unique.then(|| quote!(.unique()));
        let sparse = index.sparse.then(|| quote!(.sparse()));
        let expire_after = index.expire_after.map(|after| {
            let seconds = after.as_secs();
            quote!(.expire_after(::core::time::Duration::from_secs(#seconds)))
        });
        let name = index.name.as_ref().map(|name| quote!(.named(#name)));
        quote!(#root::CollectionIndex::new(&[#(#keys),*]) #unique #sparse #expire_after #name)
    });
    quote! {
        #[automatically_derived]
        impl #impl_generics #root::CollectionModel for #model #ty_generics #where_clause {
            const COLLECTION: &'static ::core::primitive::str = #name;
            const INDEXES: &'static [#root::CollectionIndex] = &[#(#indexes),*];
        }
        #root::__mongodm_model! { {#impl_generics} {#model #ty_generics} {#where_clause} }
    }
}

fn expand_cached(
    input: &DeriveInput,
    root: &TokenStream,
    pattern: &KeyPattern,
    expiry: Option<Duration>,
) -> TokenStream {
    let model = &input.ident;
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let arguments: Vec<(TokenStream, TokenStream)> =
        pattern.fields().map(|(field, ty)| argument(field, ty)).collect();
    let (types, values): (Vec<_>, Vec<_>) = arguments.into_iter().unzip();
    // One field stands for itself, several are a tuple, none is the empty one.
    let (key_type, key_value) = match (&types[..], &values[..]) {
        ([ty], [value]) => (quote!(#ty), quote!(#value)),
        _ => (quote!((#(#types),*)), quote!((#(#values),*))),
    };
    let names: Vec<Ident> = (0..types.len())
        .map(|index| format_ident!("part{index}"))
        .collect();
    let names_pattern = match &names[..] {
        [name] => quote!(#name),
        _ => quote!((#(#names),*)),
    };
    let mut next = names.iter();
    let writes = pattern.parts.iter().map(|part| match part {
        Part::Literal(text) => quote!(.literal(#text)),
        Part::Field(..) => {
            let name = next.next();
            quote!(.field(&#name))
        }
    });
    let expiry = match expiry {
        Some(after) => {
            let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            quote!(After(::core::time::Duration::from_millis(#millis)))
        }
        None => quote!(Never),
    };
    quote! {
        #[automatically_derived]
        impl #impl_generics #root::CacheModel for #model #ty_generics #where_clause {
            type Key<'k> = #key_type where Self: 'k;
            const EXPIRY: #root::Expiry = #root::Expiry::#expiry;

            fn key(&self) -> Self::Key<'_> {
                #key_value
            }

            fn write_key(#names_pattern: Self::Key<'_>) -> ::std::string::String {
                #root::__private::CacheKey::new() #(#writes)* .finish()
            }
        }
    }
}
