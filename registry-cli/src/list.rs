//! `dbreg list`: the connections at a glance.

use crate::exit::{self, Failure};
use crate::paint::{Ink, Paint};
use crate::selection::{select, title};
use crate::shown;
use crate::start::Start;
use crate::table::Table;
use clap::Args;
use registry_config::{ConnectionShape, Settings, Value, backend};
use registry_core::{Error, Inspection};
use serde_json::{Value as Json, json};

/// List the connections: hosts, database, start policy, which verbs they take, and what says so
///
/// The values are those that an application would start with, here and now: with the profile, the second file and the
/// variables of this shell. Nothing is opened; `dbreg ping` does.
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg list
  dbreg list mysql                          # of one backend
  dbreg list --profile production
  dbreg list | cut -f1                      # in a pipe: tabs, and no head
  dbreg list --json | jq '.[].hosts[]'

Exit status: 0, 2 no such connection or the file cannot be read, 78 the file or a value has a mistake")]
pub(crate) struct Arguments {
    /// `mysql.main`, or `mysql` for all of a backend. Default: every connection
    #[arg(value_name = "CONNECTION")]
    connections: Vec<String>,
    /// Print JSON: an array of objects
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    start: Start,
}

pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let shape = arguments.start.shape()?;
    let inspection = arguments.start.inspect(&shape)?;
    let paint = Paint::of(&std::io::stdout());
    let (mut table, mut array) = (
        Table::new(&["CONNECTION", "HOSTS", "DB", "START", "VERBS", "FROM"]),
        Vec::new(),
    );
    let mut status = exit::SUCCESS;
    for connection in select(inspection.shape(), &arguments.connections)? {
        let settings = inspection.settings(connection);
        match (&settings, arguments.json) {
            (Err(_), false) => table.row(broken(connection)),
            (Ok(settings), false) => table.row(cells(connection, settings, &inspection)),
            (settings, true) => array.push(object(connection, settings.as_ref(), &inspection)),
        }
        if let Err(error) = settings {
            exit::say(format_args!("{}: {}", title(connection), error.message()));
            status = exit::CONFIG;
        }
    }
    let text = if arguments.json {
        format!("{:#}\n", Json::Array(array))
    } else {
        table.render(paint)
    };
    Ok(exit::print(text, status))
}

fn cells(
    connection: &ConnectionShape,
    settings: &Settings,
    inspection: &Inspection<'_>,
) -> [(Ink, String); 6] {
    let (hosts, setting, db) = target(connection, settings);
    let file = &inspection.shape().file;
    let from = setting.map_or_else(String::new, |setting| setting.origin.describe(file));
    let (policy, ink) = match policy(connection, settings) {
        "required" => ("required", Ink::Plain),
        other => (other, Ink::Doubtful),
    };
    let verbs = match (takes_verbs(settings), is_protected(settings, inspection)) {
        (false, _) => (Ink::Faint, "none"),
        (true, true) => (Ink::Doubtful, "protected"),
        (true, false) => (Ink::Plain, "all"),
    };
    let verbs = (verbs.0, verbs.1.to_owned());
    [
        (Ink::Plain, title(connection)),
        (Ink::Plain, hosts.join(",")),
        (Ink::Plain, db.unwrap_or_else(|| "-".to_owned())),
        (ink, policy.to_owned()),
        verbs,
        (Ink::Faint, from),
    ]
}

/// The row of a connection whose values are not in order.
fn broken(connection: &ConnectionShape) -> [(Ink, String); 6] {
    let none = || (Ink::Plain, "-".to_owned());
    [
        (Ink::Bad, title(connection)),
        none(),
        none(),
        none(),
        none(),
        none(),
    ]
}

fn object(
    connection: &ConnectionShape,
    settings: Result<&Settings, &Error>,
    inspection: &Inspection<'_>,
) -> Json {
    let name = title(connection);
    let mut object = json!({
        "connection": name,
        "backend": connection.backend,
        "name": connection.name,
        "field": format!("{}.{}", connection.backend, connection.field),
    });
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            object["error"] = json!(error.message());
            return object;
        }
    };
    let (hosts, setting, db) = target(connection, settings);
    let file = &inspection.shape().file;
    let from = setting.map(|setting| shown::place_json(&setting.origin, file, &name));
    object["hosts"] = json!(hosts);
    object["db"] = json!(db);
    object["start"] = json!(policy(connection, settings));
    object["tasks"] = json!(takes_verbs(settings));
    object["protected"] = json!(is_protected(settings, inspection));
    object["from"] = json!(from);
    object
}

type Target<'s> = (Vec<String>, Option<&'s registry_config::Setting>, Option<String>);

/// Hosts, what says so, and the database.
fn target<'s>(connection: &ConnectionShape, settings: &'s Settings) -> Target<'s> {
    let Some(spec) = backend(connection.backend) else {
        return (Vec::new(), None, None);
    };
    let (hosts, setting) = shown::target(spec, settings);
    let by_url = || {
        let text = match &settings.value("url")?.value {
            Value::Text(text) => text.as_ref(),
            Value::Secret(secret) => secret.expose(),
            _ => return None,
        };
        registry_config::ConnectionUrl::parse(text, spec).ok()?.db
    };
    let db = match settings.value("db").map(|setting| &setting.value) {
        Some(Value::Text(text)) => Some(text.to_string()),
        Some(Value::Reference(reference)) => Some(format!("<{reference}>")),
        _ => by_url(),
    };
    (hosts, setting, db)
}

/// Whether `migrate`, `fill` and the others work on it.
fn takes_verbs(settings: &Settings) -> bool {
    settings.flag("tasks") != Some(false)
}

/// Whether those that destroy refuse it, as far as its values say: a database may be marked as well.
fn is_protected(settings: &Settings, inspection: &Inspection<'_>) -> bool {
    settings.flag("protected") == Some(true) || inspection.is_production()
}

fn policy<'s>(connection: &ConnectionShape, settings: &'s Settings) -> &'s str {
    if connection.optional {
        return "optional";
    }
    settings.text("start").unwrap_or("required")
}
