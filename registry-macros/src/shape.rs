//! The model of the file as a constant. With a thousand connections, each token is felt in every build: the names are
//! imported, and short calls of `const fn`s stand for what is said often.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use registry_config::{
    ConnectionShape, Entry, Host, HostName, Layer, Position, Reference, Role, Scope, Shape, Value,
};

/// An expression of type `Shape`. All of `dbreg::__private` is in scope there.
///
/// Calls may stand for values only: what a call borrows does not live on, what a literal of a struct or a variant
/// borrows does.
pub(crate) fn expand(shape: &Shape) -> TokenStream {
    let Shape {
        file,
        profiles,
        connections,
        others,
    } = shape;
    let profiles = profiles.iter().map(|text| text.as_ref());
    let connections = connections.iter().map(connection);
    let others = others.iter().map(|text| text.as_ref());
    quote! {
        Shape {
            file: text(#file),
            profiles: Borrowed(&[#(text(#profiles)),*]),
            connections: Borrowed(&[#(#connections),*]),
            others: Borrowed(&[#(text(#others)),*]),
        }
    }
}

fn connection(connection: &ConnectionShape) -> TokenStream {
    let ConnectionShape {
        backend,
        name,
        field,
        optional,
        position,
        layers,
    } = connection;
    let position = at(*position);
    let layers = layers.iter().map(layer);
    quote! {
        ConnectionShape {
            backend: #backend,
            name: text(#name),
            field: text(#field),
            optional: #optional,
            position: at(#position),
            layers: Borrowed(&[#(#layers),*]),
        }
    }
}

fn layer(layer: &Layer) -> TokenStream {
    let scope = match &layer.scope {
        Scope::Defaults => quote!(Scope::Defaults),
        Scope::Connection => quote!(Scope::Connection),
        Scope::Profile(name) => quote!(Scope::Profile(text(#name))),
    };
    let entries = layer.entries.iter().map(entry);
    quote!(Layer { scope: #scope, entries: Borrowed(&[#(#entries),*]) })
}

fn entry(entry: &Entry) -> TokenStream {
    let key = entry.key;
    let position = at(entry.position);
    match &entry.value {
        Value::Text(text) => quote!(text_entry(#key, #text, #position)),
        Value::Reference(Reference::Env(name)) => quote!(env_entry(#key, #name, #position)),
        Value::Reference(Reference::File(path)) => quote!(file_entry(#key, #path, #position)),
        // The file holds no other secret than the empty one, and the binary never does.
        Value::Secret(_) => quote!(empty_entry(#key, #position)),
        Value::Count(count) => {
            let count = Literal::u64_unsuffixed(*count);
            quote!(count_entry(#key, #count, #position))
        }
        Value::Port(port) => {
            let port = Literal::u16_unsuffixed(*port);
            quote!(port_entry(#key, #port, #position))
        }
        Value::Duration(duration) => {
            let seconds = Literal::u64_unsuffixed(duration.as_secs());
            let nanos = Literal::u32_unsuffixed(duration.subsec_nanos());
            quote!(duration_entry(#key, #seconds, #nanos, #position))
        }
        Value::Bool(flag) => quote!(flag_entry(#key, #flag, #position)),
        Value::Hosts(hosts) => {
            let hosts = hosts.iter().map(host);
            quote!(Entry { key: #key, value: Value::Hosts(Borrowed(&[#(#hosts),*])), position: at(#position) })
        }
        _ => quote!(::core::compile_error!(
            "registry-config is newer than registry-macros; run `cargo update`"
        )),
    }
}

fn host(host: &Host) -> TokenStream {
    let Host {
        host,
        port,
        role,
        weight,
    } = host;
    let name = match host {
        HostName::Literal(text) => quote!(literal_host(#text)),
        HostName::Reference(Reference::Env(name)) => quote!(env_host(#name)),
        HostName::Reference(Reference::File(path)) => quote!(file_host(#path)),
    };
    let role = match role {
        Role::Primary => quote!(Role::Primary),
        Role::Replica => quote!(Role::Replica),
    };
    // A host has no port 0, so it stands for none.
    let port = Literal::u16_unsuffixed(port.unwrap_or(0));
    let weight = Literal::u32_unsuffixed(*weight);
    quote!(host(#name, #port, #role, #weight))
}

/// Line and column, as two arguments.
fn at(Position { line, column }: Position) -> TokenStream {
    let (line, column) = (Literal::u32_unsuffixed(line), Literal::u32_unsuffixed(column));
    quote!(#line, #column)
}
