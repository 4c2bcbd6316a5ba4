//! The command line of dbreg.

mod check;
mod completions;
mod dev;
mod doctor;
mod exit;
mod explain;
mod init;
mod list;
mod live;
mod man;
mod paint;
mod ping;
mod schema;
mod selection;
mod shown;
mod source;
mod start;
mod status;
mod supervise;
mod table;
mod verbs;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Every database connection of an application in one file: check it, prepare its databases, run it.
#[derive(Parser)]
#[command(
    name = "dbreg",
    version,
    propagate_version = true,
    after_help = "\
Examples:
  dbreg check                         # every mistake of databases.toml
  dbreg list                          # the connections, and where they lead
  dbreg explain mysql.main            # each value, and what set it
  dbreg build --wait 60s              # databases, migrations, fixtures
  dbreg dev --install -- cargo run    # the application on throw-away servers
  dbreg supervise -- ./shop           # kept alive, whatever its databases do"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Arguments),
    Check(check::Arguments),
    List(list::Arguments),
    Explain(explain::Arguments),
    Ping(ping::Arguments),
    Doctor(doctor::Arguments),
    Schema(schema::Arguments),
    #[command(flatten)]
    Verbs(verbs::Verbs),
    Dev(dev::Arguments),
    Status(status::Arguments),
    Supervise(supervise::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

fn main() -> ExitCode {
    let status = match Arguments::parse().command {
        Command::Init(arguments) => exit::status(init::run(&arguments)),
        Command::Check(arguments) => check::run(&arguments),
        Command::List(arguments) => exit::status(list::run(&arguments)),
        Command::Explain(arguments) => exit::status(explain::run(&arguments)),
        Command::Ping(arguments) => exit::status(ping::run(&arguments)),
        Command::Doctor(arguments) => exit::status(doctor::run(&arguments)),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Verbs(verbs) => exit::status(verbs::run(&verbs)),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => exit::status(man::run(&arguments)),
        Command::Supervise(arguments) => return supervise::run(&arguments),
    };
    ExitCode::from(status)
}
