//! `dbreg check`: every mistake of the file, offline.

mod graphical;
mod machine;
mod plain;

use crate::source::{FILE, Source};
use crate::{exit, source};
use clap::{Args, ValueEnum};
use registry_config::{Loaded, Severity, load, over_capacity};
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

/// Check databases.toml and all its profiles, offline
///
/// Prints every mistake with its place and with what to write instead. No secret is printed, also when the line that
/// holds it is malformed.
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg check
  dbreg check config/databases.toml
  dbreg check --format github        # annotations of a pull request
  dbreg check --format json | jq '.[].message'
  dbreg check --workers 8 --deny warnings

Exit status: 0 no mistakes, 1 mistakes, or warnings that are denied; 2 the file cannot be read")]
pub(crate) struct Arguments {
    /// The file, or the folder that it is in
    #[arg(default_value = FILE)]
    path: PathBuf,
    /// How mistakes are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// How many workers will run, here and elsewhere: warns where their pools are more than a server usually takes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    workers: u32,
    /// What is to end with 1 as mistakes do
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Deny {
    /// What is valid and worth a second look
    Warnings,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people; with excerpts of the file on a terminal
    Text,
    /// An array of objects
    Json,
    /// Commands of GitHub Actions
    Github,
}

pub(crate) fn run(arguments: &Arguments) -> u8 {
    let source = match Source::read(&arguments.path) {
        Ok(source) => source,
        Err(message) => {
            exit::say(message);
            return exit::USAGE;
        }
    };
    let mut loaded = load(&source.text, &source.name);
    if !has_errors(&loaded) {
        let found = &mut loaded.diagnostics;
        found.extend(over_capacity(&loaded.shape, arguments.workers));
        found.sort_by_key(|diagnostic| diagnostic.position);
    }
    let rendered = match arguments.format {
        Format::Text if std::io::stdout().is_terminal() => text(&loaded, &source, graphical::render),
        Format::Text => text(&loaded, &source, plain::render),
        Format::Json => machine::json(&loaded.diagnostics, &source.name),
        Format::Github => machine::github(&loaded.diagnostics, &source.name),
    };
    let denied = arguments.deny.is_some() && !loaded.diagnostics.is_empty();
    let status = if denied || has_errors(&loaded) {
        exit::FINDINGS
    } else {
        exit::SUCCESS
    };
    exit::print(rendered, status)
}

/// Whether anything in the file keeps an application from being built.
pub(crate) fn has_errors(loaded: &Loaded) -> bool {
    loaded
        .diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// The mistakes for people, on standard error: for commands that need a right file and do something else with it.
pub(crate) fn complain(loaded: &Loaded, source: &source::Source) {
    let terminal = std::io::stderr().is_terminal();
    let rendered = if terminal {
        text(loaded, source, graphical::render)
    } else {
        text(loaded, source, plain::render)
    };
    let _ = std::io::stderr().write_all(rendered.as_bytes());
}

type Render = fn(&registry_config::Diagnostic, &Source) -> String;

fn text(loaded: &Loaded, source: &Source, render: Render) -> String {
    let mut out: String = loaded
        .diagnostics
        .iter()
        .map(|diagnostic| render(diagnostic, source))
        .collect();
    out.push_str(&plain::summary(loaded, &source.name));
    out
}
