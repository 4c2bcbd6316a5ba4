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
