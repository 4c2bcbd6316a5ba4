//! What is written when the names are not certain: messages, and nothing that another error could follow from.

use crate::names::Names;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error};

/// What stands before and behind the messages of the gates. See [`expand`].
pub(crate) struct Fallback {
    pub(crate) head: TokenStream,
    pub(crate) tail: TokenStream,
}

/// The messages stand in the module: rustc tells of no name that is missing in a module with a `compile_error!`, so no
/// path into it and no import from it is an error of its own. The struct is an alias of such a missing name. Nothing can
/// be wrong with a type that is an error already, whatever is done with it.
pub(crate) fn parts(input: &DeriveInput, names: &Names, root: &TokenStream) -> Fallback {
    let Names { registry, module } = names;
    let (visibility, app) = (&input.vis, &input.ident);
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let tail = quote! {
        #[doc = "Not there before the mistakes are corrected."]
        #visibility type #registry = #module::#registry;

        impl #impl_generics #app #ty_generics #where_clause {
            #[doc = "Not there before the mistakes are corrected."]
            #visibility async fn connect() -> ::core::result::Result<#registry, #root::StartError> {
                loop {}
            }
            #[doc = "Not there before the mistakes are corrected."]
            #visibility fn builder() -> #root::Builder<#registry> {
                loop {}
            }
            #[doc = "Not there before the mistakes are corrected."]
            #visibility async fn connect_or_exit() -> #registry {
                loop {}
            }
        }
    };
    let head = quote!(#[doc = "Not there before the mistakes are corrected."] #visibility mod #module);
    Fallback { head, tail }
}

/// The fallback with these messages.
pub(crate) fn expand(input: &DeriveInput, names: &Names, root: &TokenStream, errors: &Error) -> TokenStream {
    let Fallback { head, tail } = parts(input, names, root);
    let errors = errors.to_compile_error();
    quote!(#head { #errors } #tail)
}

/// The messages beside the real struct. In a constant: in the module itself they would hide what else is wrong there.
pub(crate) fn beside(errors: &Error) -> TokenStream {
    let errors = errors.clone().into_iter().map(|error| error.to_compile_error());
    quote!(#(const _: () = { #errors };)*)
}
