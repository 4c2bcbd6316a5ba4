//! `dbreg schema`: the format as a JSON Schema, for editors. Everything in it comes from the rows of the backends.

mod rule;
mod value;

use crate::exit;
use clap::Args;
use registry_config::{BackendSpec, KeySpec, backends};
use serde_json::{Map, Value as Json, json};

/// Print the JSON Schema (2020-12) of databases.toml, for editors
///
/// It knows every key and most rules; `dbreg check` knows all of them.
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg schema > databases.schema.json

The first line of databases.toml then leads taplo and Even Better TOML to it:
  #:schema ./databases.schema.json

Exit status: 0, 2 the output cannot be written")]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> u8 {
    exit::print(format!("{:#}\n", schema()), exit::SUCCESS)
}

/// What a table is for: rules that hold in one need not hold in another, which is only a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// `[BACKEND.CONNECTION]`
    Connection,
    /// `[defaults.BACKEND]`
    Defaults,
    /// `[profile.NAME.BACKEND.CONNECTION]`
    Profile,
}

impl Part {
    const ALL: [Self; 3] = [Self::Connection, Self::Defaults, Self::Profile];

    /// The name of the definition of such a table.
    fn definition(self, spec: &BackendSpec) -> String {
        let suffix = match self {
            Self::Connection => "",
            Self::Defaults => "-defaults",
            Self::Profile => "-profile",
        };
        format!("{}{suffix}", spec.name)
    }

    fn reference(self, spec: &BackendSpec) -> Json {
        json!({ "$ref": format!("#/$defs/{}", self.definition(spec)) })
    }
}

fn schema() -> Json {
    let known = backends();
    let each = |make: &dyn Fn(&BackendSpec) -> Json| -> Map<String, Json> {
        known
            .iter()
            .map(|spec| (spec.name.to_owned(), make(spec)))
            .collect()
    };
    let mut properties = each(&|spec| {
        let description = format!("The connections of {}, each a table with a name.", spec.title);
        named(Part::Connection.reference(spec), &description)
    });
    let defaults = each(&|spec| Part::Defaults.reference(spec));
    let mut overlays = each(&|spec| {
        named(
            Part::Profile.reference(spec),
            "Values of connections in this profile.",
        )
    });
    properties.insert(
        "defaults".to_owned(),
        closed(defaults, "Values for every connection of a backend."),
    );
    overlays.insert(
        "protected".to_owned(),
        json!({ "const": true, "description": "Verbs that destroy data refuse every connection in this profile." }),
    );
    let profile = closed(overlays, "What is laid over the connections in this profile.");
    properties.insert(
        "profile".to_owned(),
        named(profile, "The profiles, each a table with a name."),
    );
    let mut definitions = value::definitions();
    for spec in known {
        for part in Part::ALL {
            definitions.insert(part.definition(spec), table(spec, part));
        }
        if !spec.host_keys.is_empty() {
            definitions.insert(format!("{}-host", spec.name), host(spec));
        }
    }
    let any: Vec<Json> = known
        .iter()
        .map(|spec| json!({ "required": [spec.name] }))
        .collect();
    let mut rules: Vec<Json> = vec![json!({ "anyOf": any })];
    rules.extend(known.iter().flat_map(rule::unless_by_default));
    let mut root = closed(
        properties,
        "One file names every database connection of an application.",
    );
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("databases.toml of dbreg");
    root["$defs"] = Json::Object(definitions);
    root["allOf"] = Json::Array(rules);
    root
}

/// A table of tables whose keys are names.
fn named(inner: Json, description: &str) -> Json {
    json!({
        "type": "object",
        "description": description,
        "propertyNames": { "$ref": "#/$defs/name" },
        "additionalProperties": inner,
    })
}

/// A table with these keys and no others.
fn closed(properties: Map<String, Json>, description: &str) -> Json {
    json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": false,
    })
}

/// One of the tables of a backend. `pool.max` is the key `max` of the table `pool`.
fn table(spec: &BackendSpec, part: Part) -> Json {
    let mut properties = Map::new();
    for key in spec.keys {
        let value = value::of(key, spec, part);
        match key.path.split_once('.') {
            None => {
                properties.insert(key.path.to_owned(), value);
            }
            Some((outer, inner)) => {
                let description = format!("`{outer}` of a connection.");
                let table = properties
                    .entry(outer)
                    .or_insert_with(|| closed(Map::new(), &description));
                table["properties"][inner] = value;
            }
        }
    }
    let mut table = closed(properties, &description(spec, part));
    let rules = rule::within(spec, part);
    if !rules.is_empty() {
        table["allOf"] = Json::Array(rules);
    }
    table
}

fn description(spec: &BackendSpec, part: Part) -> String {
    match part {
        Part::Connection => format!(
            "A connection of {}: the field `db.{}.NAME`.",
            spec.title, spec.name
        ),
        Part::Defaults => format!("Values for every connection of {}.", spec.title),
        Part::Profile => format!(
            "What is laid over a connection of {} in this profile.",
            spec.title
        ),
    }
}

/// One entry of `connections`.
fn host(spec: &BackendSpec) -> Json {
    let keys = spec.host_keys.iter();
    let keys = keys.map(|key: &KeySpec| (key.path.to_owned(), value::of(key, spec, Part::Connection)));
    let mut host = closed(keys.collect(), "One of the hosts of a connection.");
    host["required"] = json!(["host"]);
    host
}
