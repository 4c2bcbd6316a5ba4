//! `dbreg explain`: each value of a connection, and which layer set it.

use crate::exit::{self, Failure};
use crate::paint::{Ink, Paint};
use crate::selection::{select, title};
use crate::shown;
use crate::start::Start;
use crate::table::Table;
use clap::Args;
use registry_config::{BackendSpec, KeySpec, Origin, Setting, Settings, backend};
use registry_core::Inspection;
use serde_json::{Map, Value as Json, json};

/// Explain a connection: each of its values, and which layer set it
///
/// The later of these wins: the backend's default, [defaults.BACKEND], [BACKEND.CONNECTION], the profile's table, the
/// second file, variables. A value that may be a secret is shown by its length alone.
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg explain mysql.main
  dbreg explain mysql.main --profile production
  dbreg explain                             # every connection
  dbreg explain mysql.main --json | jq '.[0].values.password.from'

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
    let (mut text, mut array, mut status) = (String::new(), Vec::new(), exit::SUCCESS);
    for connection in select(inspection.shape(), &arguments.connections)? {
        let name = title(connection);
        match inspection.settings(connection) {
            Ok(settings) => {
                let Some(spec) = backend(connection.backend) else {
                    continue;
                };
                let explained = Explained {
                    title: &name,
                    spec,
                    settings: &settings,
                    file: &inspection.shape().file,
                    by_profile: inspection.profile().filter(|_| inspection.is_production()),
                };
                if arguments.json {
                    array.push(explained.json(inspection.profile()));
                } else {
                    text += &explained.text(paint, &inspection);
                }
            }
            Err(error) => {
                exit::say(format_args!("{name}: {}", error.message()));
                status = exit::CONFIG;
            }
        }
    }
    if arguments.json {
        text = format!("{:#}\n", Json::Array(array));
    }
    Ok(exit::print(text, status))
}

/// The key of what a profile named `production` does, too.
const PROTECTED: &str = "protected";

/// A connection with its values.
struct Explained<'a> {
    title: &'a str,
    spec: &'static BackendSpec,
    settings: &'a Settings,
    file: &'a str,
    /// The profile, where its name alone protects the connection.
    by_profile: Option<&'a str>,
}

impl Explained<'_> {
    /// The values in the order of the documentation.
    fn values(&self) -> impl Iterator<Item = (&'static KeySpec, &Setting)> {
        let known = self.settings.iter();
        known.filter_map(|(path, setting)| Some((self.spec.key(path)?, setting)))
    }

    /// A heading and a table on a terminal; in a pipe the name is the first cell of each line.
    fn text(&self, paint: Paint, inspection: &Inspection<'_>) -> String {
        let mut table = Table::new(if paint.terminal {
            &["KEY", "VALUE", "FROM"]
        } else {
            &["CONNECTION", "KEY", "VALUE", "FROM"]
        });
        for (key, setting) in self.values() {
            let ink = match setting.origin {
                Origin::Default => Ink::Faint,
                _ => Ink::Plain,
            };
            let (ink, value, from) = match self.by_profile {
                Some(profile) if key.path == PROTECTED => {
                    let from = format!("the name of the profile `{profile}`");
                    (Ink::Plain, "true".to_owned(), from)
                }
                _ => (
                    ink,
                    shown::value(self.spec, key, &setting.value),
                    shown::place(&setting.origin, self.file, self.title),
                ),
            };
            let cells = [
                (Ink::Plain, self.title.to_owned()),
                (Ink::Plain, key.path.to_owned()),
                (ink, value),
                (Ink::Faint, from),
            ];
            table.row(cells.into_iter().skip(usize::from(paint.terminal)));
        }
        let table = table.render(paint);
        if !paint.terminal {
            return table;
        }
        let head = paint.draw(Ink::Head, &format!("[{}]", self.title));
        format!("{head} values: {}\n{table}\n", inspection.summary())
    }

    fn json(&self, profile: Option<&str>) -> Json {
        let values: Map<String, Json> = self
            .values()
            .map(|(key, setting)| {
                let value = match self.by_profile {
                    Some(profile) if key.path == PROTECTED => {
                        json!({ "value": true, "from": { "profile": profile } })
                    }
                    _ => {
                        let mut value = shown::json(self.spec, key, &setting.value);
                        value["from"] = shown::place_json(&setting.origin, self.file, self.title);
                        value
                    }
                };
                (key.path.to_owned(), value)
            })
            .collect();
        json!({ "connection": self.title, "backend": self.spec.name, "profile": profile, "values": values })
    }
}
