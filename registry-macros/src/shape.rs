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
    let value = match &entry.value {
        Value::Hosts(hosts) => {
            let hosts = hosts.iter().map(host);
            return quote!(Entry { key: #key, value: Value::Hosts(Borrowed(&[#(#hosts),*])), position: at(#position) });
        }
        Value::Text(text) => quote!(Value::Text(text(#text))),
        Value::Reference(reference) => {
            let reference = self::reference(reference);
            quote!(Value::Reference(#reference))
        }
        // The file holds no other secret than the empty one, and the binary never does.
        Value::Secret(_) => quote!(Value::Secret(Secret::new(text("")))),
        Value::Count(count) => {
            let count = Literal::u64_unsuffixed(*count);
            quote!(Value::Count(#count))
        }
        Value::Port(port) => {
            let port = Literal::u16_unsuffixed(*port);
            quote!(Value::Port(#port))
        }
        Value::Duration(duration) => {
            let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
            quote!(Value::Duration(Duration::new(#seconds, #nanos)))
        }
        Value::Bool(flag) => quote!(Value::Bool(#flag)),
        _ => quote!(::core::compile_error!(
            "registry-config is newer than registry-macros; run `cargo update`"
        )),
    };
    quote!(entry(#key, #value, #position))
}

fn host(host: &Host) -> TokenStream {
    let Host {
        host,
        port,
        role,
        weight,
    } = host;
    let host = match host {
        HostName::Literal(text) => quote!(HostName::Literal(text(#text))),
        HostName::Reference(reference) => {
            let reference = self::reference(reference);
            quote!(HostName::Reference(#reference))
        }
    };
    let role = match role {
        Role::Primary => quote!(Role::Primary),
        Role::Replica => quote!(Role::Replica),
    };
    // A host has no port 0, so it stands for none.
    let (port, weight) = (
        Literal::u16_unsuffixed(port.unwrap_or(0)),
        Literal::u32_unsuffixed(*weight),
    );
    quote!(host(#host, #port, #role, #weight))
}

fn reference(reference: &Reference) -> TokenStream {
    match reference {
        Reference::Env(name) => quote!(Reference::Env(text(#name))),
        Reference::File(path) => quote!(Reference::File(text(#path))),
    }
}

/// Line and column, as two arguments.
fn at(Position { line, column }: Position) -> TokenStream {
    let (line, column) = (Literal::u32_unsuffixed(line), Literal::u32_unsuffixed(column));
    quote!(#line, #column)
}
