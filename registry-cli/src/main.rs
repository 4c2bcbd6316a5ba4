//! The command line of dbreg.

mod check;
mod dev;
mod exit;
mod source;

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
  dbreg dev --install -- cargo run    # the application on throw-away servers"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Arguments),
    Dev(dev::Arguments),
}

fn main() -> ExitCode {
    let status = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
    };
    ExitCode::from(status)
}
