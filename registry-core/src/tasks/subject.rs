//! A connection as the verbs see it: its names, its steps, and what protects it.

use super::steps::Steps;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::values::Values;
use registry_config::{ConnectionShape, Settings};
use std::sync::Arc;
use std::time::Duration;

/// One connection.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// `mysql.main`
    pub(crate) label: String,
    pub(crate) backend: &'static str,
    /// The name as written, `main`.
    pub(crate) name: String,
    /// The field, which a name may be given as too.
    pub(crate) field: String,
    /// What works on it, or why nothing can.
    pub(crate) steps: Result<Arc<dyn Steps>, Error>,
    /// How long a look at it may take.
    pub(crate) connect_timeout: Duration,
    /// False when it has `tasks = false`.
    pub(crate) takes_tasks: bool,
    /// Whether the verbs are to work on it.
    pub(crate) selected: bool,
    /// Whether they are not to, though it is one of those that were named, because of `tasks = false`.
    pub(crate) left_out: bool,
    /// Why it is protected by its own settings, a text each.
    pub(crate) reasons: Vec<String>,
    /// Where it leads. What is protected and may lead anywhere leads everywhere.
    pub(crate) places: Vec<String>,
    /// The other connections that lead to the same database.
    pub(crate) shares_with: Vec<usize>,
}

/// Every connection of the shape.
pub(crate) fn all(values: &Values<'_>) -> Vec<Subject> {
    let shape = &values.shape;
    let connections = shape.connections.iter();
    let mut subjects: Vec<Subject> = connections
        .map(|connection| subject(values, connection, &shape.file))
        .collect();
    for at in 0..subjects.len() {
        let others =
            (0..subjects.len()).filter(|other| *other != at && meet(&subjects[at], &subjects[*other]));
        subjects[at].shares_with = others.collect();
    }
    subjects
}

/// Whether a profile of this name is protected by its name alone.
pub(crate) fn is_production(profile: &str) -> bool {
    profile.trim().eq_ignore_ascii_case("production")
}

fn subject(values: &Values<'_>, connection: &ConnectionShape, file: &str) -> Subject {
    let label = format!("{}.{}", connection.backend, connection.name);
    let settings = values.of(connection, file);
    let mut reasons = Vec::new();
    if let Some(profile) = values.profile().filter(|profile| is_production(profile)) {
        reasons.push(format!("the profile is `{profile}`"));
    }
    let found = settings.as_ref().ok();
    if found.and_then(|settings| settings.flag("protected")) == Some(true) {
        let origin = found.and_then(|settings| settings.origin("protected"));
        let place = origin.map(|origin| format!(" ({})", origin.describe(file)));
        reasons.push(format!("it has `protected = true`{}", place.unwrap_or_default()));
    }
    let takes_tasks = found.and_then(|settings| settings.flag("tasks")) != Some(false);
    let connect_timeout = found.and_then(|settings| settings.duration("connect_timeout"));
    let found = found.cloned();
    let steps = settings.and_then(|settings| steps(connection, &settings));
    let places = match (&steps, found) {
        (Ok(steps), _) => Some(steps.places()),
        // A login that is missing here does not change where it leads.
        (Err(_), Some(settings)) => {
            let places = self::steps(connection, &settings.without_login());
            places.map(|steps| steps.places()).ok()
        }
        (Err(_), None) => None,
    };
    // Its database may be that of any other, and nothing but its own word protects it.
    let anywhere = || match reasons.is_empty() && takes_tasks {
        true => Vec::new(),
        false => vec![format!("{}:*", connection.backend)],
    };
    let places = places.unwrap_or_else(anywhere);
    Subject {
        label: label.clone(),
        backend: connection.backend,
        name: connection.name.to_string(),
        field: connection.field.to_string(),
        steps: steps.map_err(|error| error.connection_named(label)),
        connect_timeout: connect_timeout.unwrap_or(Duration::from_secs(5)),
        takes_tasks,
        selected: false,
        left_out: false,
        reasons,
        places,
        shares_with: Vec::new(),
    }
}

/// The steps of a backend.
#[cfg_attr(
    not(any(
        feature = "mysql",
        feature = "sqlite",
        feature = "postgres",
        feature = "mongodb",
        feature = "memcached"
    )),
    expect(unused_variables, reason = "no backend is on")
)]
fn steps(connection: &ConnectionShape, settings: &Settings) -> Result<Arc<dyn Steps>, Error> {
    match connection.backend {
        #[cfg(feature = "memcached")]
        "memcached" => Ok(Arc::new(crate::adapters::memcached::tasks(connection, settings)?)),
        #[cfg(feature = "mongodb")]
        "mongodb" => Ok(Arc::new(crate::adapters::mongodb::tasks(settings)?)),
        #[cfg(feature = "mysql")]
        "mysql" => Ok(Arc::new(crate::adapters::mysql::tasks(settings)?)),
        #[cfg(feature = "postgres")]
        "postgres" => Ok(Arc::new(crate::adapters::postgres::tasks(settings)?)),
        #[cfg(feature = "sqlite")]
        "sqlite" => crate::adapters::sqlite::tasks(settings),
        other => {
            let message = format!("the verbs do not know the backend {other}, or its feature is off");
            Err(Error::new(ErrorKind::Config, message))
        }
    }
}

/// Whether two connections lead to one database.
fn meet(one: &Subject, other: &Subject) -> bool {
    let meets = |place: &String| other.places.iter().any(|other| overlap(place, other));
    one.places.iter().any(meets)
}

/// A host in the one spelling that places have: whatever is loopback is `localhost`.
#[cfg(any(
    feature = "mysql",
    feature = "postgres",
    feature = "mongodb",
    feature = "memcached"
))]
pub(crate) fn spelled(host: &str, port: u16) -> String {
    if registry_config::is_loopback(host) {
        return format!("localhost:{port}");
    }
    format!("{}:{port}", host.to_lowercase())
}

/// A socket in the one spelling that places have: `/var/run` is `/run`.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "mongodb"))]
pub(crate) fn spelled_socket(path: &std::path::Path) -> String {
    let real = path.canonicalize();
    real.as_deref().unwrap_or(path).display().to_string()
}

/// Whether two places are one, or one is within the other: a place that ends in `*` is all that begins like it.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    match (one.strip_suffix('*'), other.strip_suffix('*')) {
        (None, None) => one == other,
        (Some(wide), None) => other.starts_with(wide),
        (None, Some(wide)) => one.starts_with(wide),
        (Some(one), Some(other)) => one.starts_with(other) || other.starts_with(one),
    }
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn a_prefix_is_within_a_shorter_one() {
        for (one, other, expected) in [
            ("mysql://h:1/shop", "mysql://h:1/shop", true),
            ("mysql://h:1/shop", "mysql://h:1/shop2", false),
            ("memcached://h:1/*", "memcached://h:1/shop:*", true),
            ("memcached://h:1/shop:*", "memcached://h:1/shop:eu:*", true),
            ("memcached://h:1/a:*", "memcached://h:1/b:*", false),
            ("memcached://h:1/*", "memcached://h:11/*", false),
        ] {
            assert_eq!(overlap(one, other), expected, "{one} {other}");
            assert_eq!(overlap(other, one), expected, "{other} {one}");
        }
    }
}
