//! The variables that lead a connection to its servers.

use super::plan::{Form, Planned, Target};
use std::net::SocketAddr;
use std::path::Path;

/// The keys that say where a connection leads. Those that the environment has already would contradict ours.
pub(crate) const PLACE: [&str; 10] = [
    "URL",
    "USERNAME",
    "PASSWORD",
    "DB",
    "CONNECTIONS",
    "HOST",
    "PORT",
    "SOCKET",
    "TLS",
    "PATH",
];

/// Where a connection leads.
pub(crate) struct Address<'a> {
    /// One for each of its parts.
    pub(crate) servers: &'a [SocketAddr],
    pub(crate) password: &'a str,
    /// For files.
    pub(crate) folder: &'a Path,
}

/// Names and values.
pub(crate) fn of(planned: &Planned, address: &Address<'_>) -> Vec<(String, String)> {
    let Address {
        servers,
        password,
        folder,
    } = *address;
    // The first is the primary, and the only one where a connection has one. Files have none.
    let first = servers.first();
    let (host, port) = first.map_or_else(Default::default, |at| (at.ip().to_string(), at.port()));
    let mut all: Vec<(&str, String)> = Vec::new();
    match &planned.target {
        Target::MySql { db, user } | Target::Postgres { db, user } if planned.form == Form::Url => {
            let (scheme, user, db) = (planned.backend, encoded(user), encoded(db));
            all.push(("URL", format!("{scheme}://{user}:{password}@{host}:{port}/{db}")));
        }
        Target::MongoDb { db } if planned.form == Form::Url => {
            all.push(("URL", format!("mongodb://{host}:{port}/{}", encoded(db))));
        }
        Target::Sqlite { file } => all.push(("PATH", folder.join(file).display().to_string())),
        Target::Memory => {}
        target => {
            match planned.form {
                Form::Hosts => {
                    let list: Vec<String> = servers.iter().map(ToString::to_string).collect();
                    all.push(("CONNECTIONS", list.join(",")));
                }
                Form::Values => {}
                _ => all.extend([("HOST", host), ("PORT", port.to_string())]),
            }
            match target {
                Target::MySql { db, user } | Target::Postgres { db, user } => {
                    all.extend([
                        ("USERNAME", user.clone()),
                        ("PASSWORD", password.to_owned()),
                        ("DB", db.clone()),
                    ]);
                }
                Target::MongoDb { db } => all.push(("DB", db.clone())),
                _ => {}
            }
        }
    }
    if matches!(
        planned.target,
        Target::MySql { .. } | Target::MongoDb { .. } | Target::Postgres { .. }
    ) {
        all.push(("TLS", "off".to_owned()));
    }
    all.into_iter()
        .map(|(key, value)| (format!("{}{key}", planned.stem), value))
        .collect()
}

/// Percent-encoded: what stands between the separators of a URL.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::super::plan::Plan;
    use super::*;

    /// What the variables say is what the application's own reading of them makes of the file.
    #[test]
    fn they_are_valid_and_win_over_the_file() {
        let text = r#"
            [mysql.main]
            connections = [{ host = { env = "DB_HOST" }, port = 3307 }]
            db = { env = "DB" }
            username = "sh op/@"
            password = { file = "/run/secrets/x" }
            tls = "verify"
            [mysql.socket]
            socket = "/run/mysqld.sock"
            [mysql.by-url]
            url = "mysql://a%40b@db.example.com/a%2Fb"
            [mongodb.logs]
            connections = [{ host = "m1" }, { host = "m2" }]
            db = "logs"
            [mongodb.audit]
            host = "m1"
            db = "audit"
            username = "x"
            password = { env = "Y" }
            [memcached.cache]
            host = "c"
            [postgres.main]
            host = "p1"
            username = "shop"
            password = { env = "PG" }
            [postgres.by-url]
            url = { env = "PG_URL" }
            [sqlite.local]
            path = "data/app.db"
            [profile.production.mysql.socket]
            host = "db9"
            "#;
        let loaded = registry_config::load(text, "databases.toml");
        assert_eq!(loaded.diagnostics, []);
        for profile in [None, Some("production")] {
            let plan = Plan::new(&loaded.shape, "DBREG", profile).unwrap();
            let folder = Path::new("/tmp/x");
            let servers = [SocketAddr::from(([127, 0, 0, 1], 20_001))];
            let address = Address {
                servers: &servers,
                password: "0123456789ab",
                folder,
            };
            let environment: Vec<(String, String)> = plan
                .connections
                .iter()
                .flat_map(|planned| of(planned, &address))
                .collect();
            let read = registry_config::variables(&loaded.shape, "DBREG", environment.clone());
            assert_eq!(read.diagnostics, []);
            for connection in loaded.shape.connections.iter() {
                let settings = registry_config::resolve(connection, profile, &read.overrides).unwrap();
                let place = ["url", "path"]
                    .iter()
                    .find_map(|key| settings.value(key))
                    .is_some();
                let led = settings
                    .hosts()
                    .iter()
                    .all(|host| host.to_owned().port == Some(20_001));
                assert!(place || (led && settings.hosts().len() == 1), "{settings:?}");
                assert!(settings.value("socket").is_none());
            }
            if profile.is_none() {
                let lines: Vec<String> = environment
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                insta::assert_snapshot!(lines.join("\n"));
            }
        }
    }
}
