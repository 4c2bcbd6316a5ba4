//! Sessions add up: every worker has a pool for each host of each connection, and a server takes only so many.

use crate::backends::backends;
use crate::diagnostic::Diagnostic;
use crate::settings::{Origin, Settings, resolve};
use crate::shape::{ConnectionShape, Shape};
use crate::spec::BackendSpec;
use crate::value::Host;

/// Warnings about servers that so many workers may open more sessions to than a server of this kind usually takes:
/// for the file as it is, and for each of its profiles. What a profile leaves as it was is told once.
///
/// ```
/// let loaded = registry_config::load("[mysql.main]\nhost = \"db1\"\npool = { max = 40 }\n", "databases.toml");
/// assert!(registry_config::over_capacity(&loaded.shape, 3).is_empty());
/// assert_eq!(registry_config::over_capacity(&loaded.shape, 4)[0].code, "pool-over-server-limit");
/// ```
#[must_use]
pub fn over_capacity(shape: &Shape, workers: u32) -> Vec<Diagnostic> {
    let profiles = shape.profiles.iter().map(AsRef::as_ref).map(Some);
    let mut found: Vec<Diagnostic> = Vec::new();
    for profile in std::iter::once(None).chain(profiles) {
        for spec in backends() {
            for diagnostic in of_backend(shape, spec, profile, workers) {
                if !found.contains(&diagnostic) {
                    found.push(diagnostic);
                }
            }
        }
    }
    found
}

/// A server, and who asks how much of it.
struct Server<'s> {
    address: String,
    /// The most that one worker may open, over all connections.
    sessions: u64,
    /// The connection with the largest part, its values, and that part.
    largest: (&'s ConnectionShape, Settings, u64),
}

fn of_backend(shape: &Shape, spec: &BackendSpec, profile: Option<&str>, workers: u32) -> Vec<Diagnostic> {
    let Some((limit, option)) = spec.session_limit else {
        return Vec::new();
    };
    let over = |server: &Server<'_>| server.sessions * u64::from(workers) > limit;
    let servers = servers(shape, spec, profile);
    let told = servers.iter().filter(|server| over(server));
    told.map(|server| tell(server, spec, (limit, option), workers))
        .collect()
}

fn servers<'s>(shape: &'s Shape, spec: &BackendSpec, profile: Option<&str>) -> Vec<Server<'s>> {
    let mut servers: Vec<Server<'s>> = Vec::new();
    for connection in shape
        .connections
        .iter()
        .filter(|found| found.backend == spec.name)
    {
        // What does not resolve is a mistake that was told.
        let Ok(settings) = resolve(connection, profile, &[]) else {
            continue;
        };
        let Some(most) = settings.count("pool.max") else {
            continue;
        };
        let by_url = settings.written_url(spec).map(|url| url.hosts);
        let hosts = by_url.as_deref().unwrap_or_else(|| settings.hosts());
        for address in hosts.iter().map(|host| address(host, spec)) {
            match servers.iter_mut().find(|server| server.address == address) {
                Some(server) => {
                    server.sessions += most;
                    if most > server.largest.2 {
                        server.largest = (connection, settings.clone(), most);
                    }
                }
                None => servers.push(Server {
                    address,
                    sessions: most,
                    largest: (connection, settings.clone(), most),
                }),
            }
        }
    }
    servers
}

fn address(host: &Host, spec: &BackendSpec) -> String {
    host.address(spec.default_port).to_ascii_lowercase()
}

fn tell(server: &Server<'_>, spec: &BackendSpec, (limit, option): (u64, &str), workers: u32) -> Diagnostic {
    let (connection, settings, most) = &server.largest;
    let all = server.sessions * u64::from(workers);
    let pools = match server.sessions == *most {
        true => format!("`pool.max` {most}"),
        false => format!("pools of {} sessions together", server.sessions),
    };
    let s = if workers == 1 { "" } else { "s" };
    let message = format!(
        "{workers} worker{s} with {pools} may open {all} sessions to {}, and a server of {} takes {limit} unless told \
         otherwise",
        server.address, spec.title
    );
    let diagnostic = Diagnostic::warning("pool-over-server-limit", message);
    let diagnostic = match settings.origin("pool.max") {
        Some(origin @ Origin::File { .. }) => diagnostic.of(origin),
        _ => diagnostic.at(connection.position),
    };
    let share = (limit / u64::from(workers.max(1))).saturating_sub(server.sessions - most);
    match share {
        0 => diagnostic.help(format!("raise `{option}` of the server, or run fewer workers")),
        share => diagnostic.help(format!(
            "write `pool = {{ max = {share} }}` under [{}.{}], or raise `{option}` of the server",
            spec.name, connection.name
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    fn told(text: &str, workers: u32) -> Vec<String> {
        let loaded = load(text, "databases.toml");
        assert_eq!(loaded.diagnostics, []);
        let found = over_capacity(&loaded.shape, workers);
        found.iter().map(|found| found.render("databases.toml")).collect()
    }

    #[test]
    fn pools_of_one_server_add_up() {
        let text = "[mysql.a]\nhost = \"DB1\"\n[mysql.b]\nhost = \"db1\"\npool = { max = 20 }\n[mysql.c]\nurl = \"mysql://u@db2/x\"\n";
        assert_eq!(told(text, 5), [""; 0]);
        let found = told(text, 6);
        let expected = "databases.toml:5:16: 6 workers with pools of 30 sessions together may open 180 sessions to \
            db1:3306, and a server of MySQL takes 151 unless told otherwise [pool-over-server-limit]\n  \
            help: write `pool = { max = 15 }` under [mysql.b], or raise `max_connections` of the server";
        assert_eq!(found, [expected]);
        assert!(told(text, 16)[1].contains("160 sessions to db2:3306"));
    }

    #[test]
    fn a_default_is_told_at_its_connection_and_a_profile_once() {
        let text = "[mysql.a]\nhost = \"db1\"\n[profile.live.mysql.a]\nhost = \"db9\"\n[profile.test.mysql.a]\ndb = \"t\"\n";
        let found = told(text, 16);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with(
            "databases.toml:1:1: 16 workers with `pool.max` 10 may open 160 sessions to db1:3306"
        ));
        assert!(found[1].contains("db9:3306"), "{found:?}");
        let alone = told("[mysql.a]\nhost = \"db1\"\n", 200);
        assert!(
            alone[0].ends_with("raise `max_connections` of the server, or run fewer workers"),
            "{alone:?}"
        );
    }
}
