//! The file of values, for what variables cannot say of a list of hosts: roles and weights.

use super::plan::Planned;
use registry_config::Role;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// The table of a connection, with a server for each of its parts.
pub(crate) fn table(planned: &Planned, servers: &[SocketAddr]) -> String {
    let mut text = format!("[{}]\nconnections = [\n", planned.title);
    for (part, at) in planned.parts.iter().zip(servers) {
        let role = match part.role {
            Role::Primary => "",
            Role::Replica => ", role = \"replica\"",
        };
        let weight = match part.weight {
            1 => String::new(),
            weight => format!(", weight = {weight}"),
        };
        let (host, port) = (at.ip(), at.port());
        let _ = writeln!(text, "    {{ host = \"{host}\", port = {port}{role}{weight} }},");
    }
    text.push_str("]\n");
    text
}

#[cfg(test)]
mod tests {
    use super::super::plan::Plan;
    use super::*;

    /// What the file says is what the application's own reading makes of it.
    #[test]
    fn the_application_finds_its_servers_with_roles_and_weights() {
        let text = r#"
            [mysql.main]
            connections = [{ host = "a" }, { host = "b", role = "replica", weight = 3 }, { host = "c", role = "replica" }]
            [memcached.user-cache]
            connections = [{ host = "a" }, { host = "b", weight = 2 }]
            "#;
        let loaded = registry_config::load(text, "databases.toml");
        assert_eq!(loaded.diagnostics, []);
        let plan = Plan::new(&loaded.shape, "DBREG", None).unwrap();
        let servers: Vec<SocketAddr> = (20_001..20_004)
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
            .collect();
        let tables: String = plan
            .connections
            .iter()
            .map(|planned| table(planned, &servers))
            .collect();
        let read = registry_config::config_file(&loaded.shape, &tables, "values.toml");
        assert_eq!(read.diagnostics, []);
        let hosts = |index: usize| -> Vec<(String, Option<u16>, Role, u32)> {
            let connection = &read.shape.connections[index];
            let settings = registry_config::resolve(connection, None, &[]).unwrap();
            let hosts = settings.hosts().iter();
            hosts
                .map(|host| (host.host.to_string(), host.port, host.role, host.weight))
                .collect()
        };
        let host = |port, role, weight| ("127.0.0.1".to_owned(), Some(port), role, weight);
        assert_eq!(
            hosts(0),
            [
                host(20_001, Role::Primary, 1),
                host(20_002, Role::Replica, 3),
                host(20_003, Role::Replica, 1),
            ]
        );
        assert_eq!(
            hosts(1),
            [host(20_001, Role::Primary, 1), host(20_002, Role::Primary, 2)]
        );
    }
}
