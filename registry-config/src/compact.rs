//! A model as one text, and back. The macro compiles it in like this: for a thousand connections, one literal costs
//! rustc nothing where a constant of structs took most of the build.
//!
//! One line for each part, in the order of the model, with tabs between the fields; a part belongs to the one above it.

use crate::backends::backend;
use crate::name;
use crate::shape::{ConnectionShape, Entry, Layer, Position, Scope, Shape};
use crate::spec::BackendSpec;
use crate::value::{Host, HostName, Reference, Role, Secret, Value};
use std::borrow::Cow;
use std::str::Split;
use std::time::Duration;

/// The model as text. A secret is never in it: the file has none but the empty one.
#[must_use]
pub fn encode(shape: &Shape) -> String {
    let mut lines = vec![line(["file", &shape.file])];
    lines.extend(shape.profiles.iter().map(|name| line(["profile", name])));
    lines.extend(shape.others.iter().map(|name| line(["other", name])));
    for connection in shape.connections.iter() {
        let Position { line: at, column } = connection.position;
        let optional = u8::from(connection.optional);
        lines.push(format!(
            "connection\t{}\t{}\t{at}\t{column}\t{optional}",
            connection.backend, connection.name
        ));
        for layer in connection.layers.iter() {
            lines.push(match &layer.scope {
                Scope::Defaults => "defaults".to_owned(),
                Scope::Connection => "own".to_owned(),
                Scope::Profile(name) => line(["over", name]),
                Scope::Config(file) => line(["config", file]),
            });
            lines.extend(layer.entries.iter().map(encode_entry));
        }
    }
    lines.join("\n")
}

/// The model of a text that [`encode`] wrote.
///
/// # Panics
/// When it is another text: then the macro and the run time are not of one version.
#[must_use]
pub fn decode(text: &str) -> Shape {
    let mut shape = Shape {
        file: Cow::Borrowed(""),
        profiles: Cow::Borrowed(&[]),
        connections: Cow::Borrowed(&[]),
        others: Cow::Borrowed(&[]),
    };
    for line in text.split('\n') {
        let mut fields = Fields(line.split('\t'));
        match fields.text() {
            "file" => shape.file = fields.owned(),
            "profile" => shape.profiles.to_mut().push(fields.owned()),
            "other" => shape.others.to_mut().push(fields.owned()),
            "connection" => shape.connections.to_mut().push(fields.connection()),
            word => {
                let connection = shape.connections.to_mut().last_mut().expect(WRITTEN);
                let layers = connection.layers.to_mut();
                let scope = match word {
                    "defaults" => Scope::Defaults,
                    "own" => Scope::Connection,
                    "over" => Scope::Profile(fields.owned()),
                    "config" => Scope::Config(fields.owned()),
                    key => {
                        let spec = backend(connection.backend).expect(WRITTEN);
                        let entry = fields.entry(spec, key);
                        layers.last_mut().expect(WRITTEN).entries.to_mut().push(entry);
                        continue;
                    }
                };
                let entries = Cow::Borrowed(&[][..]);
                layers.push(Layer { scope, entries });
            }
        }
    }
    shape
}

const WRITTEN: &str = "the text was written by the same version";

fn line<const N: usize>(fields: [&str; N]) -> String {
    fields.map(escape).join("\t")
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        out.push(match c {
            '\\' => match rest.next().expect(WRITTEN) {
                't' => '\t',
                'n' => '\n',
                other => other,
            },
            other => other,
        });
    }
    out
}

/// The key, its place, one letter for the kind, and what the kind needs.
fn encode_entry(entry: &Entry) -> String {
    let Position { line: at, column } = entry.position;
    let value = match &entry.value {
        Value::Text(text) => line(["t", text]),
        Value::Reference(reference) => encode_reference(reference),
        Value::Secret(_) => "s".to_owned(),
        Value::Count(count) => format!("n\t{count}"),
        Value::Port(port) => format!("p\t{port}"),
        Value::Duration(length) => format!("d\t{}\t{}", length.as_secs(), length.subsec_nanos()),
        Value::Bool(flag) => format!("b\t{}", u8::from(*flag)),
        Value::Hosts(hosts) => {
            let hosts: Vec<String> = hosts.iter().map(encode_host).collect();
            format!("h\t{}\t{}", hosts.len(), hosts.join("\t"))
        }
    };
    format!("{}\t{at}\t{column}\t{value}", entry.key)
}

fn encode_reference(reference: &Reference) -> String {
    match reference {
        Reference::Env(name) => line(["e", name]),
        Reference::File(path) => line(["f", path]),
    }
}

/// Port 0 stands for none: no host has it.
fn encode_host(host: &Host) -> String {
    let name = match &host.host {
        HostName::Literal(text) => line(["t", text]),
        HostName::Reference(reference) => encode_reference(reference),
    };
    let role = u8::from(host.role == Role::Replica);
    format!("{name}\t{}\t{role}\t{}", host.port.unwrap_or(0), host.weight)
}

/// What is left of a line.
struct Fields<'a>(Split<'a, char>);

impl<'a> Fields<'a> {
    fn text(&mut self) -> &'a str {
        self.0.next().expect(WRITTEN)
    }

    fn owned(&mut self) -> Cow<'static, str> {
        Cow::Owned(unescape(self.text()))
    }

    fn number<T: TryFrom<u64>>(&mut self) -> T {
        let number: Option<u64> = self.text().parse().ok();
        number.and_then(|number| T::try_from(number).ok()).expect(WRITTEN)
    }

    fn flag(&mut self) -> bool {
        self.text() == "1"
    }

    fn position(&mut self) -> Position {
        Position {
            line: self.number(),
            column: self.number(),
        }
    }

    fn connection(&mut self) -> ConnectionShape {
        let backend = backend(self.text()).expect(WRITTEN).name;
        let name = self.text();
        ConnectionShape {
            backend,
            name: Cow::Owned(name.to_owned()),
            field: Cow::Owned(name::field(name)),
            position: self.position(),
            optional: self.flag(),
            layers: Cow::Borrowed(&[]),
        }
    }

    fn entry(&mut self, spec: &'static BackendSpec, key: &str) -> Entry {
        Entry {
            key: spec.key(key).expect(WRITTEN).path,
            position: self.position(),
            value: self.value(),
        }
    }

    fn value(&mut self) -> Value {
        match self.text() {
            "t" => Value::Text(self.owned()),
            "s" => Value::Secret(Secret::new(Cow::Borrowed(""))),
            "n" => Value::Count(self.number()),
            "p" => Value::Port(self.number()),
            "d" => Value::Duration(Duration::new(self.number(), self.number())),
            "b" => Value::Bool(self.flag()),
            "h" => {
                let count: usize = self.number();
                Value::Hosts((0..count).map(|_| self.host()).collect())
            }
            kind => Value::Reference(self.reference(kind)),
        }
    }

    fn reference(&mut self, kind: &str) -> Reference {
        match kind {
            "e" => Reference::Env(self.owned()),
            _ => Reference::File(self.owned()),
        }
    }

    fn host(&mut self) -> Host {
        let host = match self.text() {
            "t" => HostName::Literal(self.owned()),
            kind => HostName::Reference(self.reference(kind)),
        };
        let port = Some(self.number()).filter(|port| *port != 0);
        let role = if self.flag() { Role::Replica } else { Role::Primary };
        Host {
            host,
            port,
            role,
            weight: self.number(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    #[test]
    fn whatever_is_encoded_comes_back() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reject");
        let cases = std::fs::read_dir(folder).unwrap();
        let mut texts: Vec<String> = cases
            .map(|case| std::fs::read_to_string(case.unwrap().path()).unwrap())
            .collect();
        texts.push(include_str!("../reference.toml").to_owned());
        texts.push(
            "[sqlite.a]\npath = 'C:\\new\\table.db'\n[mongodb.b]\ndb = \"x\"\nconnections = [{ host = { file = '\\t' } }, \
             { host = { env = \"E\" }, port = 1 }, { host = \"::1\" }]\npassword = \"\"\n[mysql.User-DB]\nsocket = '/\\\\n'\n"
                .to_owned(),
        );
        for text in texts {
            let mut shape = load(&text, "a\tfolder\\of\n/databases.toml").shape;
            shape.others = vec!["mysql.x".into(), "sqlite.y".into()].into();
            assert_eq!(decode(&encode(&shape)), shape, "{text}");
        }
    }
}
