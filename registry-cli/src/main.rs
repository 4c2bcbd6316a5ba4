//! The command line of dbreg.

mod check;
mod dev;
mod exit;
mod source;
mod status;
mod supervise;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Every database connection of an application in one file: check it, and run it on throw-away servers.
#[derive(Parser)]
#[command(
    name = "dbreg",
    version,
    propagate_version = true,
    after_help = "\
Examples:
  dbreg check                         # every mistake of databases.toml
  dbreg dev --install -- cargo run    # the application on throw-away servers
  dbreg supervise -- ./shop           # kept alive, whatever its databases do"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Arguments),
    Dev(dev::Arguments),
    Status(status::Arguments),
    Supervise(supervise::Arguments),
}

fn main() -> ExitCode {
    let status = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Supervise(arguments) => return supervise::run(&arguments),
    };
    ExitCode::from(status)
}
