//! `dbreg init`: a first databases.toml, with every key that there is and a word about each.

use crate::exit::{self, Failure};
use crate::paint::{Ink, Paint};
use crate::source::FILE;
use clap::Args;
use registry_config::{BackendSpec, KeySpec, Kind, backends, suggest};
use std::fs::OpenOptions;
use std::io::{BufRead as _, ErrorKind, IsTerminal as _, Write as _};
use std::path::PathBuf;

/// Write a first databases.toml, with a word about every key
///
/// On a terminal it asks which backends; in a pipe it asks nothing and takes those of `--backend`. A file that is
/// there is never overwritten.
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg init
  dbreg init --backend mysql,memcached
  dbreg init --backend sqlite config/databases.toml
  dbreg init --backend mysql -              # on standard output

Exit status: 0, 2 the file is there already or cannot be written")]
pub(crate) struct Arguments {
    /// The file; `-` is standard output
    #[arg(default_value = FILE)]
    path: PathBuf,
    /// The backends, with commas between. Default: a question on a terminal, else mysql
    #[arg(long, value_name = "BACKEND,…", value_delimiter = ',', value_parser = known)]
    backend: Vec<&'static BackendSpec>,
}

/// How often a wrong answer is asked about again.
const QUESTIONS: usize = 5;
/// What is taken where nobody says anything.
const DEFAULT: &str = "mysql";

pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let to_stdout = arguments.path.as_os_str() == "-";
    let usage = |message: String| Failure(exit::USAGE, Some(message));
    let shown = arguments.path.display();
    if !to_stdout && arguments.path.exists() {
        return Err(usage(format!("{shown} is there already, and is left as it is")));
    }
    let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let mut wanted = match (arguments.backend.is_empty(), asks) {
        (false, _) => arguments.backend.clone(),
        (true, true) => ask().map_err(usage)?,
        (true, false) => vec![known(DEFAULT).map_err(usage)?],
    };
    wanted.sort_by_key(|spec| backends().iter().position(|other| other.name == spec.name));
    wanted.dedup_by_key(|spec| spec.name);
    let text = file(&wanted);
    if to_stdout {
        return Ok(exit::print(text, exit::SUCCESS));
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&arguments.path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => {
            let names: Vec<&str> = wanted.iter().map(|spec| spec.name).collect();
            let features = names.join(",");
            exit::say(format_args!(
                "{shown} is written; `cargo add dbreg --features {features}` goes with it, and `dbreg check` reads it"
            ));
            Ok(exit::SUCCESS)
        }
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
            Err(usage(format!("{shown} is there already, and is left as it is")))
        }
        Err(cause) => Err(usage(format!("cannot write {shown}: {cause}"))),
    }
}

/// A backend by its name; the nearest right one where there is none of this name.
fn known(name: &str) -> Result<&'static BackendSpec, String> {
    let name = name.trim();
    if let Some(spec) = backends().iter().find(|spec| spec.name == name) {
        return Ok(spec);
    }
    let names: Vec<&str> = backends().iter().map(|spec| spec.name).collect();
    Err(match suggest(name, names.iter().copied()) {
        Some(near) => format!("no backend `{}`; did you mean `{near}`", name.escape_debug()),
        None => format!(
            "no backend `{}`; there are: {}",
            name.escape_debug(),
            names.join(", ")
        ),
    })
}

/// The backends that a person at the terminal wants.
fn ask() -> Result<Vec<&'static BackendSpec>, String> {
    let paint = Paint::of(&std::io::stderr());
    let names: Vec<&str> = backends().iter().map(|spec| spec.name).collect();
    for _ in 0..QUESTIONS {
        let question = format!("Which backends, of {}? [{DEFAULT}] ", names.join(", "));
        let _ = write!(std::io::stderr(), "{}", paint.draw(Ink::Head, &question));
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        if read.map_err(|cause| format!("cannot read the answer: {cause}"))? == 0 {
            return Err("no answer; say it with `--backend`".to_owned());
        }
        let words: Vec<&str> = line
            .split([',', ' ', '\n'])
            .filter(|word| !word.trim().is_empty())
            .collect();
        let words = if words.is_empty() { vec![DEFAULT] } else { words };
        let found: Result<Vec<_>, String> = words.into_iter().map(known).collect();
        match found {
            Ok(found) => return Ok(found),
            Err(message) => exit::say(message),
        }
    }
    Err("no backend was named; say it with `--backend`".to_owned())
}

/// The text of the file.
fn file(wanted: &[&BackendSpec]) -> String {
    let mut text = String::from(
        "# Every database connection of this application. The derive of dbreg reads it while the application is\n\
         # compiled, and each table becomes a field: [mysql.main] is `db.mysql.main`.\n\
         # `dbreg check` tells its mistakes, `dbreg explain` what each value is here and now.\n",
    );
    for spec in wanted {
        text += &table(spec);
    }
    if let Some(spec) = wanted.iter().find(|spec| !spec.host_keys.is_empty()) {
        let title = title(spec);
        text += &format!(
            "\n# What another place has otherwise: chosen with DBREG_PROFILE=production.\n\
             # [profile.production.{title}]\n# host = \"db1.example.com\"\n"
        );
    }
    text
}

fn title(spec: &BackendSpec) -> String {
    let name = match spec.name {
        "memcached" => "cache",
        "mongodb" => "logs",
        "sqlite" => "local",
        _ => "main",
    };
    format!("{}.{name}", spec.name)
}

/// A connection: what it needs, and every other key as a comment with its default.
fn table(spec: &BackendSpec) -> String {
    let title = title(spec);
    let variable = title.to_ascii_uppercase().replace('.', "_");
    let needed = |key: &str| match (spec.name, key) {
        ("sqlite", "path") => Some("\"app.db\"".to_owned()),
        (_, "host") => Some("\"127.0.0.1\"".to_owned()),
        (_, "db") => Some("\"app\"".to_owned()),
        ("mongodb", _) => None,
        (_, "username") => Some("\"app\"".to_owned()),
        (_, "password") => Some(format!("{{ env = \"{variable}_PASSWORD\" }}")),
        _ => None,
    };
    let mut text = format!("\n[{title}]\n");
    for key in spec.keys {
        if let Some(value) = needed(key.path) {
            text += &line("", key, &value);
        }
    }
    let others = spec.keys.iter().filter(|key| needed(key.path).is_none());
    for (key, default) in others.filter_map(|key| Some((key, key.default?))) {
        let quoted = match key.kind {
            Kind::Count { .. } | Kind::Port | Kind::Bool => default.to_owned(),
            _ => format!("\"{default}\""),
        };
        text += &line("# ", key, &quoted);
    }
    text
}

/// `host = "127.0.0.1"  # The name or address of the server`
fn line(before: &str, key: &KeySpec, value: &str) -> String {
    let setting = format!("{before}{} = {value}", key.path);
    format!("{setting:<46}  # {}\n", key.doc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use registry_config::load;

    #[test]
    fn what_it_writes_is_valid_also_with_every_comment_taken_away() {
        let all: Vec<&BackendSpec> = backends().iter().collect();
        let each = all.iter().map(|spec| vec![*spec]);
        for wanted in each.chain([all.clone()]) {
            let text = file(&wanted);
            let loaded = load(&text, "databases.toml");
            assert_eq!(loaded.diagnostics, [], "{text}");
            assert_eq!(loaded.shape.connections.len(), wanted.len());
            let is_setting = |line: &str| line.starts_with("# ") && line.split_once(" = ").is_some();
            let open: Vec<&str> = text
                .lines()
                .map(|line| match line {
                    line if is_setting(line) || line.starts_with("# [") => &line[2..],
                    line => line,
                })
                .collect();
            let open = open.join("\n");
            let loaded = load(&open, "databases.toml");
            assert_eq!(loaded.diagnostics, [], "{open}");
        }
    }

    #[test]
    fn every_key_with_a_default_stands_in_it() {
        let spec = known("mysql").unwrap();
        let text = file(&[spec]);
        for key in spec.keys.iter().filter(|key| key.default.is_some()) {
            assert!(text.contains(&format!("# {} = ", key.path)), "{}", key.path);
        }
    }
}
