//! What each connection of the file gets.

use super::names::Names;
use registry_config::{ConnectionShape, ConnectionUrl, Host, Role, Settings, Shape, Value, backend, resolve};
use registry_dev::Kind;
use std::collections::BTreeMap;

/// The connections of the file, each with its place on a throw-away server.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) connections: Vec<Planned>,
    /// The variable that names a file of values: `DBREG_CONFIG`.
    pub(crate) config: String,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) backend: &'static str,
    /// `mysql.main`
    pub(crate) title: String,
    /// `DBREG_MYSQL__MAIN__`
    pub(crate) stem: String,
    pub(crate) target: Target,
    /// How its address is given.
    pub(crate) form: Form,
    /// What each of its servers is for, in the order of the file; one at least.
    pub(crate) parts: Vec<Part>,
}

/// One of the hosts of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) role: Role,
    pub(crate) weight: u32,
}

impl Part {
    const ONLY: Self = Self {
        role: Role::Primary,
        weight: 1,
    };
}

/// What it is led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    MySql {
        db: String,
        user: String,
    },
    MongoDb {
        db: String,
    },
    Postgres {
        db: String,
        user: String,
    },
    Memcached,
    Sqlite {
        file: String,
    },
    /// `:memory:`, which is throw-away as it is.
    Memory,
}

/// As what the variables give the address: the way in which the file gives it, where that is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Url,
    Host,
    /// The list, for connections of several hosts.
    Hosts,
    /// The list in a file of values: no variable holds a role or a weight.
    Values,
}

impl Plan {
    /// # Errors
    /// What no throw-away server can give, in words for the user.
    pub(crate) fn new(shape: &Shape, prefix: &str, profile: Option<&str>) -> Result<Self, String> {
        if let Some(profile) = profile {
            shape
                .check_profile(profile)
                .map_err(|diagnostic| diagnostic.render(&shape.file))?;
        }
        let mut planner = Planner {
            databases: Vec::new(),
            given: BTreeMap::new(),
        };
        let mut connections = Vec::new();
        for connection in shape.connections.iter() {
            let settings = resolve(connection, profile, &[]).map_err(|diagnostics| {
                let lines: Vec<String> = diagnostics.iter().map(|d| d.render(&shape.file)).collect();
                lines.join("\n")
            })?;
            connections.push(planner.plan(connection, &settings, prefix)?);
        }
        let config = format!("{prefix}_CONFIG");
        Ok(Self { connections, config })
    }

    /// The servers that it takes.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let wanted = |kind: &Kind| {
            self.connections
                .iter()
                .any(|planned| planned.backend == kind.backend())
        };
        Kind::ALL.into_iter().filter(wanted).collect()
    }
}

/// The connections of one server share neither databases nor users.
struct Planner {
    /// Databases by what the file says of them: two connections to one database of one host share it here, too.
    databases: Vec<(&'static str, String, String)>,
    /// Names of databases and of users, by backend.
    given: BTreeMap<&'static str, (Names, Names)>,
}

impl Planner {
    fn plan(
        &mut self,
        connection: &ConnectionShape,
        settings: &Settings,
        prefix: &str,
    ) -> Result<Planned, String> {
        let title = format!("{}.{}", connection.backend, connection.name);
        refuse(settings, &title)?;
        let field = connection.field.as_ref();
        let url = url(settings, connection.backend);
        let db = settings
            .text("db")
            .map(str::to_owned)
            .or_else(|| url.as_ref()?.db.clone());
        let hosts = match &url {
            Some(url) => url.hosts.as_slice(),
            None => settings.hosts(),
        };
        let place = db
            .as_ref()
            .map(|db| (connection.backend, format!("{hosts:?}"), db.clone()));
        let target = match connection.backend {
            backend @ ("mysql" | "postgres") => {
                let db = self.database(backend, place, db.as_deref(), field);
                let user = settings
                    .text("username")
                    .or_else(|| url.as_ref()?.username.as_deref());
                let (_, users) = self.given.entry(backend).or_default();
                let user = users.give(user, field);
                match backend {
                    "mysql" => Target::MySql { db, user },
                    _ => Target::Postgres { db, user },
                }
            }
            "mongodb" => Target::MongoDb {
                db: self.database("mongodb", place, db.as_deref(), field),
            },
            "memcached" => Target::Memcached,
            "sqlite" if settings.text("path") == Some(":memory:") => Target::Memory,
            "sqlite" => Target::Sqlite {
                file: format!("{field}.db"),
            },
            other => {
                return Err(format!(
                    "[{title}]: there are no throw-away servers of {other} yet"
                ));
            }
        };
        // MongoDB's are without logins, and only a URL takes a `username` of the file away.
        let login = settings.value("username").is_some() && connection.backend == "mongodb";
        let form = match settings.value("url") {
            Some(_) => Form::Url,
            None if login => Form::Url,
            None if settings.hosts().len() > 1 => list(settings.hosts()),
            None => Form::Host,
        };
        let parts = parts(connection.backend, settings.hosts());
        let upper = |name: &str| name.to_ascii_uppercase();
        let stem = format!("{prefix}_{}__{}__", upper(connection.backend), upper(field));
        Ok(Planned {
            backend: connection.backend,
            title,
            stem,
            target,
            form,
            parts,
        })
    }

    fn database(
        &mut self,
        backend: &'static str,
        place: Option<(&'static str, String, String)>,
        db: Option<&str>,
        field: &str,
    ) -> String {
        // The name that the file gave first is the name of the database; a second place of this name has another.
        let (names, _) = self.given.entry(backend).or_default();
        let Some(place) = place else {
            return names.give(db, field);
        };
        let key = (place.0, format!("{}/{}", place.1, place.2));
        if let Some((_, _, name)) = self
            .databases
            .iter()
            .find(|(backend, at, _)| (*backend, at) == (key.0, &key.1))
        {
            return name.clone();
        }
        let name = names.give(db, field);
        self.databases.push((key.0, key.1, name.clone()));
        name
    }
}

/// Settings that ask a server for more than a throw-away one has, and that no variable takes away.
fn refuse(settings: &Settings, title: &str) -> Result<(), String> {
    for (key, what) in [("tls_ca", "a certificate"), ("replica_set", "a replica set")] {
        if settings.value(key).is_some() {
            return Err(format!(
                "[{title}]: `{key}` asks for {what}, which a throw-away server does not have, and no variable takes it \
                 away; write `{key}` under [profile.production.{title}] instead"
            ));
        }
    }
    Ok(())
}

/// As what several hosts are given.
fn list(hosts: &[Host]) -> Form {
    let plain = |host: &Host| (host.role, host.weight) == (Part::ONLY.role, Part::ONLY.weight);
    if hosts.iter().all(plain) {
        Form::Hosts
    } else {
        Form::Values
    }
}

/// A server for each host where the connection is a fleet of its own. One MongoDB server stands for all seeds: the
/// driver learns the members of a set from whichever it reaches.
fn parts(backend: &str, hosts: &[Host]) -> Vec<Part> {
    if hosts.is_empty() || backend == "mongodb" {
        return vec![Part::ONLY];
    }
    let part = |host: &Host| Part {
        role: host.role,
        weight: host.weight,
    };
    hosts.iter().map(part).collect()
}

/// The URL, where it is written in the file.
fn url(settings: &Settings, name: &str) -> Option<ConnectionUrl> {
    match &settings.value("url")?.value {
        Value::Text(text) => ConnectionUrl::parse(text, backend(name)?).ok(),
        Value::Secret(secret) => ConnectionUrl::parse(secret.expose(), backend(name)?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Plan, String> {
        let loaded = registry_config::load(text, "databases.toml");
        assert_eq!(loaded.diagnostics, []);
        Plan::new(&loaded.shape, "DBREG", None)
    }

    #[test]
    fn each_connection_has_its_own_database_and_user() {
        let plan = plan(
            r#"
            [mysql.main]
            host = "a"
            db = "shop"
            username = "shop"
            password = { env = "X" }
            [mysql.reader]
            host = "a"
            db = "shop"
            username = "reader"
            [mysql.other]
            host = "b"
            db = "shop"
            username = "shop"
            [mysql.by-url]
            url = { env = "U" }
            [mongodb.logs]
            connections = [{ host = "m1" }, { host = "m2" }]
            db = "logs"
            [mongodb.audit]
            host = "m1"
            db = "audit"
            username = "x"
            password = ""
            [memcached.cache]
            host = "c"
            [postgres.main]
            host = "p"
            db = "shop"
            username = "postgres"
            [postgres.by-url]
            url = "postgres://shop@p/shop"
            [sqlite.local]
            path = "data/app.db"
            [sqlite.quick]
            path = ":memory:"
            "#,
        );
        let plan = plan.unwrap();
        let lines: Vec<String> = plan
            .connections
            .iter()
            .map(|c| format!("{} {} {:?} {:?}", c.title, c.stem, c.form, c.target))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
        assert_eq!(plan.kinds(), Kind::ALL);
    }

    #[test]
    fn a_fleet_has_a_part_for_each_host_and_a_file_where_variables_do_not_suffice() {
        let plan = plan(
            r#"
            [mysql.roles]
            connections = [{ host = "a" }, { host = "b", role = "replica", weight = 3 }]
            db = "shop"
            [mysql.failover]
            connections = [{ host = "a" }, { host = "b" }]
            db = "shop"
            [memcached.plain]
            connections = [{ host = "a" }, { host = "b" }, { host = "c" }]
            [memcached.weights]
            connections = [{ host = "a" }, { host = "b", weight = 2 }]
            [mongodb.logs]
            connections = [{ host = "m1" }, { host = "m2" }]
            db = "logs"
            [postgres.roles]
            connections = [{ host = "a" }, { host = "b", role = "replica" }]
            username = "shop"
            "#,
        );
        let plan = plan.unwrap();
        let found: Vec<(&str, Form, usize)> = plan
            .connections
            .iter()
            .map(|c| (c.title.as_str(), c.form, c.parts.len()))
            .collect();
        assert_eq!(
            found,
            [
                ("mysql.roles", Form::Values, 2),
                ("mysql.failover", Form::Hosts, 2),
                ("mongodb.logs", Form::Hosts, 1),
                ("memcached.plain", Form::Hosts, 3),
                ("memcached.weights", Form::Values, 2),
                ("postgres.roles", Form::Values, 2),
            ]
        );
    }

    #[test]
    fn what_a_throw_away_server_does_not_have_is_said() {
        let message = plan("[mongodb.logs]\nhost = \"m\"\ndb = \"l\"\nreplica_set = \"rs0\"\n").unwrap_err();
        assert!(message.contains("[profile.production.mongodb.logs]"), "{message}");
    }
}
