//! The documentation of a field: where it comes from and what it leads to. Never a secret.

use registry_config::{
    ConnectionShape, ConnectionUrl, Host, Reference, Setting, Settings, Shape, Value, backend, resolve,
};

/// `[mysql.main]` of `databases.toml`, line 3: MySQL on `db1:3306`.
pub(crate) fn of_field(shape: &Shape, connection: &ConnectionShape, env: &str) -> String {
    let ConnectionShape {
        backend: table,
        name,
        field,
        ..
    } = connection;
    let title = backend(table).map_or(*table, |spec| spec.title);
    let place = match resolve(connection, None, &[]) {
        Ok(settings) => place(table, &settings)
            .map(|place| format!(" {place}"))
            .unwrap_or_default(),
        Err(_) => String::new(),
    };
    let line = connection.position.line;
    let mut doc = format!(
        "`[{table}.{name}]` of `{}`, line {line}: {title}{place}.",
        shape.file
    );
    if connection.optional {
        doc += "\n\nIt is optional: `available()` gives it while it is there.";
    }
    let variable = format!(
        "{env}_{}__{}__",
        table.to_ascii_uppercase(),
        field.to_ascii_uppercase()
    );
    doc + &format!("\n\nIts variables are named `{variable}…`.")
}

/// `on db1:3306`, `at data/app.db`, `at the URL in SHOP_URL`.
fn place(table: &str, settings: &Settings) -> Option<String> {
    let spec = backend(table)?;
    let hosts = |hosts: &[Host]| {
        let shown: Vec<String> = hosts
            .iter()
            .map(|host| format!("`{}`", host.address(spec.default_port)))
            .collect();
        format!("on {}", shown.join(", "))
    };
    if !settings.hosts().is_empty() {
        return Some(hosts(settings.hosts()));
    }
    if let Some(Setting { value, .. }) = settings.value("url") {
        return match value {
            Value::Reference(reference) => Some(format!("at the URL in {}", named(reference))),
            // Only the hosts: what stands before them may be a login.
            Value::Text(url) => ConnectionUrl::parse(url, spec).ok().map(|url| hosts(&url.hosts)),
            _ => None,
        };
    }
    let path = settings.text("socket").or_else(|| settings.text("path"))?;
    Some(format!("at `{path}`"))
}

fn named(reference: &Reference) -> String {
    match reference {
        Reference::Env(name) => format!("the variable `{name}`"),
        Reference::File(path) => format!("the file `{path}`"),
    }
}
