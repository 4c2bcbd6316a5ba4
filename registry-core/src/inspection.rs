//! What a tool sees of a file that no derive has seen: the values at start, and handles by name. Nothing is opened.

use crate::base::{Base, StartPolicy};
use crate::connection::AnyConnection;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::secret;
use crate::startup::{Opening, Prepared};
use crate::values::{self, Given, Values};
use registry_config::{
    BackendSpec, ConnectionShape, ConnectionUrl, Reference, Settings, Shape, Value, backend,
};
use std::sync::Arc;

/// The values that an application of this file would start with, here and now.
#[doc(hidden)]
#[derive(Debug)]
pub struct Inspection<'s>(Values<'s>);

/// Where the data of a connection is.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A server's name, with its port.
    Host(String, u16),
    /// A Unix socket, by path.
    Socket(String),
    /// A file, or `:memory:`.
    File(String),
    /// A name whose servers only the driver finds, `mongodb+srv://`.
    Service(String),
}

impl<'s> Inspection<'s> {
    /// Reads the second file and the variables of this process, whose names begin with `prefix`.
    pub fn new(shape: &'s Shape, prefix: &str, given: Given) -> Self {
        Self(values::read(shape, prefix, given))
    }

    /// What would stop a start before anything is opened, a text each.
    pub fn problems(&self) -> &[String] {
        &self.0.problems
    }

    /// What a start would warn about.
    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    /// The profile that is in use.
    pub fn profile(&self) -> Option<&str> {
        self.0.profile.as_deref()
    }

    /// Whether the name of the profile alone protects every connection from the verbs.
    #[cfg(feature = "tasks")]
    pub fn is_production(&self) -> bool {
        self.profile().is_some_and(crate::tasks::is_production)
    }

    /// Where the values come from: `compiled in, profile production, 2 variables`.
    pub fn summary(&self) -> &str {
        &self.0.summary
    }

    /// The model, with the tables of the second file.
    pub fn shape(&self) -> &Shape {
        &self.0.shape
    }

    /// The merged values of a connection of [`shape`](Self::shape).
    pub fn settings(&self, connection: &ConnectionShape) -> Result<Settings, Error> {
        self.0.of(connection, &self.0.shape.file)
    }

    /// The layer that set the value which a failure of a connection is about: `host from DBREG_MYSQL__MAIN__HOST`;
    /// empty when there is none.
    pub fn layer_in_question(&self, error: &Error, settings: &Settings) -> String {
        values::layer_in_question(error, settings, &self.0.shape.file)
    }

    /// Handles of these connections, in their order, whatever the file says of their start: each opens at its first use.
    /// `None` where the backend is not compiled in.
    pub fn handles(&self, connections: &[&ConnectionShape]) -> Vec<Option<AnyConnection>> {
        let prepared = connections.iter().map(|connection| {
            let settings = self.settings(connection);
            let none = Settings::default();
            let known = settings.as_ref().unwrap_or(&none);
            Prepared {
                base: Base::with_policy(connection, known, StartPolicy::Lazy),
                settings: settings.map(Arc::new),
            }
        });
        let mut opening = Opening {
            prepared: prepared.collect(),
            connections: Vec::new(),
        };
        let handles = (0..connections.len()).map(|index| {
            let made = opening.erased(index);
            made.then(|| opening.connections.pop().map(AnyConnection))
                .flatten()
        });
        handles.collect()
    }

    /// Where the data is, with every reference resolved.
    pub fn places(&self, connection: &ConnectionShape, settings: &Settings) -> Result<Vec<Place>, Error> {
        let Some(spec) = backend(connection.backend) else {
            return Ok(Vec::new());
        };
        if let Some(setting) = settings.value("url") {
            return places_of_url(&setting.value, spec);
        }
        if let Some(path) = settings.text("socket") {
            return Ok(vec![Place::Socket(path.to_owned())]);
        }
        if let Some(path) = settings.text("path") {
            return Ok(vec![Place::File(path.to_owned())]);
        }
        let hosts = secret::hosts(settings.hosts(), spec.default_port.unwrap_or_default())?;
        Ok(hosts
            .into_iter()
            .map(|(host, port)| Place::Host(host, port))
            .collect())
    }
}

/// How many characters a reference resolves to; the error says why it does not.
#[doc(hidden)]
pub fn reference_length(reference: &Reference) -> Result<usize, Error> {
    Ok(secret::resolve(reference)?.expose().chars().count())
}

fn places_of_url(value: &Value, spec: &BackendSpec) -> Result<Vec<Place>, Error> {
    let resolved;
    let text = match value {
        Value::Text(text) => text.as_ref(),
        Value::Secret(secret) => secret.expose(),
        Value::Reference(reference) => {
            resolved = secret::resolve(reference)?;
            resolved.expose()
        }
        _ => return Ok(Vec::new()),
    };
    let url = ConnectionUrl::parse(text, spec)
        .map_err(|reason| Error::new(ErrorKind::Config, format!("`url`: {reason}")))?;
    let service = url.scheme.ends_with("+srv");
    let hosts = url.hosts.iter().map(|host| {
        let name = host.host.to_string();
        match host.port.or(spec.default_port) {
            _ if service => Place::Service(name),
            _ if name.ends_with(".sock") => Place::Socket(name),
            port => Place::Host(name, port.unwrap_or_default()),
        }
    });
    Ok(hosts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<Place> {
        let shape = registry_config::load(text, "databases.toml").shape;
        let inspection = Inspection::new(&shape, "DBREG_TEST_NONE", Given::default());
        let connection = &inspection.shape().connections[0];
        let settings = inspection.settings(connection).unwrap();
        inspection.places(connection, &settings).unwrap()
    }

    #[test]
    fn a_place_is_found_however_it_is_written() {
        let host = |name: &str, port| Place::Host(name.to_owned(), port);
        for (text, expected) in [
            ("[mysql.a]\nhost = \"db1\"", vec![host("db1", 3306)]),
            (
                "[mysql.a]\nsocket = \"/run/m.sock\"",
                vec![Place::Socket("/run/m.sock".to_owned())],
            ),
            (
                "[mysql.a]\nurl = \"mysql://u@db1:3307/x\"",
                vec![host("db1", 3307)],
            ),
            (
                "[mongodb.a]\nurl = \"mongodb://m1,m2:27018/x\"",
                vec![host("m1", 27017), host("m2", 27018)],
            ),
            (
                "[mongodb.a]\nurl = \"mongodb+srv://cluster.example.com/x\"",
                vec![Place::Service("cluster.example.com".to_owned())],
            ),
            (
                "[sqlite.a]\npath = \":memory:\"",
                vec![Place::File(":memory:".to_owned())],
            ),
        ] {
            assert_eq!(places(text), expected, "{text}");
        }
    }

    #[test]
    fn problems_and_warnings_are_told_and_the_profile_too() {
        let text = "[sqlite.a]\npath = \"a.db\"\n[profile.live.sqlite.a]\npath = \"b.db\"\n";
        let shape = registry_config::load(text, "databases.toml").shape;
        let given = |profile: &str| Given {
            profile: Some(profile.to_owned()),
            variables: vec![("DBREG_STRAY".to_owned(), "1".to_owned())],
            ..Given::default()
        };
        let right = Inspection::new(&shape, "DBREG", given("live"));
        assert!(right.problems().is_empty());
        assert_eq!((right.profile(), right.warnings().len()), (Some("live"), 1));
        let wrong = Inspection::new(&shape, "DBREG", given("lvie"));
        assert!(
            wrong.problems()[0].contains("did you mean `live`"),
            "{:?}",
            wrong.problems()
        );
    }
}
