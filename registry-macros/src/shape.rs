//! The model of the file as a constant. Short calls of `const fn`s in `dbreg::__private` keep the tokens few.

use proc_macro2::TokenStream;
use quote::quote;
use registry_config::{
    ConnectionShape, Entry, Host, HostName, Layer, Position, Reference, Role, Scope, Shape, Value,
};

/// An expression of type `Shape`. `__private` is in scope there.
pub(crate) fn expand(shape: &Shape) -> TokenStream {
    let Shape {
        file,
        profiles,
        connections,
        others,
    } = shape;
    let profiles = texts(profiles);
    let connections = connections.iter().map(connection);
    let others = texts(others);
    quote! {
        __private::Shape {
            file: __private::text(#file),
            profiles: #profiles,
            connections: __private::Cow::Borrowed(&[#(#connections),*]),
            others: #others,
        }
    }
}

fn texts(texts: &[registry_config::Text]) -> TokenStream {
    let texts = texts.iter().map(|text| text.as_ref());
    quote!(__private::Cow::Borrowed(&[#(__private::text(#texts)),*]))
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
        __private::ConnectionShape {
            backend: #backend,
            name: __private::text(#name),
            field: __private::text(#field),
            optional: #optional,
            position: #position,
            layers: __private::Cow::Borrowed(&[#(#layers),*]),
        }
    }
}

fn layer(layer: &Layer) -> TokenStream {
    let scope = match &layer.scope {
        Scope::Defaults => quote!(__private::Scope::Defaults),
        Scope::Connection => quote!(__private::Scope::Connection),
        Scope::Profile(name) => quote!(__private::Scope::Profile(__private::text(#name))),
    };
    let entries = layer.entries.iter().map(entry);
    quote!(__private::Layer { scope: #scope, entries: __private::Cow::Borrowed(&[#(#entries),*]) })
}

fn entry(entry: &Entry) -> TokenStream {
    let key = entry.key;
    let position = at(entry.position);
    let value = match &entry.value {
        Value::Hosts(hosts) => {
            let hosts = hosts.iter().map(host);
            // Only a literal of struct and variant makes what it borrows live as long as the program.
            let hosts = quote!(__private::Value::Hosts(__private::Cow::Borrowed(&[#(#hosts),*])));
            return quote!(__private::Entry { key: #key, value: #hosts, position: #position });
        }
        Value::Text(text) => quote!(__private::Value::Text(__private::text(#text))),
        Value::Reference(reference) => {
            let reference = self::reference(reference);
            quote!(__private::Value::Reference(#reference))
        }
        // The file holds no other secret than the empty one, and the binary never does.
        Value::Secret(_) => quote!(__private::Value::Secret(__private::Secret::new(__private::text(
            ""
        )))),
        Value::Count(count) => quote!(__private::Value::Count(#count)),
        Value::Port(port) => quote!(__private::Value::Port(#port)),
        Value::Duration(duration) => {
            let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
            quote!(__private::Value::Duration(__private::Duration::new(#seconds, #nanos)))
        }
        Value::Bool(flag) => quote!(__private::Value::Bool(#flag)),
        _ => quote!(::core::compile_error!(
            "registry-config is newer than registry-macros; run `cargo update`"
        )),
    };
    quote!(__private::Entry { key: #key, value: #value, position: #position })
}

fn host(host: &Host) -> TokenStream {
    let Host {
        host,
        port,
        role,
        weight,
    } = host;
    let host = match host {
        HostName::Literal(text) => quote!(__private::HostName::Literal(__private::text(#text))),
        HostName::Reference(reference) => {
            let reference = self::reference(reference);
            quote!(__private::HostName::Reference(#reference))
        }
    };
    let port = match port {
        Some(port) => quote!(::core::option::Option::Some(#port)),
        None => quote!(::core::option::Option::None),
    };
    let role = match role {
        Role::Primary => quote!(__private::Role::Primary),
        Role::Replica => quote!(__private::Role::Replica),
    };
    quote!(__private::Host { host: #host, port: #port, role: #role, weight: #weight })
}

fn reference(reference: &Reference) -> TokenStream {
    match reference {
        Reference::Env(name) => quote!(__private::Reference::Env(__private::text(#name))),
        Reference::File(path) => quote!(__private::Reference::File(__private::text(#path))),
    }
}

fn at(Position { line, column }: Position) -> TokenStream {
    quote!(__private::at(#line, #column))
}
