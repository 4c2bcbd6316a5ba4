//! `dbreg dev`: a command on throw-away servers.

mod command;
mod names;
mod plan;
mod progress;
mod servers;
mod values;
mod variables;

use crate::check::{complain, has_errors};
use crate::exit::{self, Failure};
use crate::source::{FILE, Source};
use clap::Args;
pub(crate) use command::Signals;
use plan::{Form, Plan};
use progress::Progress;
use registry_config::load;
use registry_dev::Kind;
use servers::Servers;
use std::ffi::OsString;
use std::path::PathBuf;

/// Run a command on throw-away servers for every connection of databases.toml
///
/// Starts a server for each backend that has connections, with a database and a user of its own for each connection,
/// and runs the command with the variables that lead the connections there: DBREG_MYSQL__MAIN__HOST, …__PASSWORD and
/// so on, which take the place of what the file says. Servers and data are gone when the command ends.
///
/// A connection of several hosts gets several servers: servers of MySQL and PostgreSQL that replicate, a memcached server for
/// each host.
/// Roles and weights, which no variable holds, are in a file of values that DBREG_CONFIG names.
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg dev -- cargo run
  dbreg dev --install -- ./scripts/end-to-end
  dbreg dev --profile fleet -- cargo run
  dbreg dev --file config/databases.toml --prefix SHOP -- ./server --port 8080
  dbreg dev -- env                    # shows the variables

Servers: mariadbd or mysqld (DBREG_DEV_MYSQLD names another program), postgres, memcached, mongod as installed; else containers of a running Docker; for MongoDB else
nx-27017 from PyPI, which knows no logins and no replica sets.

Exit status: that of the command, 128 and the number of the signal that ended it, 127 or 126 when it cannot be run;
2 the file cannot be read, 78 the file has mistakes, 69 a server is missing or does not start")]
pub(crate) struct Arguments {
    /// Install missing servers first: with apt-get as root, with Homebrew, nx-27017 with pip
    #[arg(long)]
    install: bool,
    /// The file that names the connections
    #[arg(long, value_name = "PATH", default_value = FILE)]
    file: PathBuf,
    /// The profile: its values are planned for, and the command gets it as DBREG_PROFILE
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The first word of the variables: what `#[registry(env = "…")]` says
    #[arg(long, default_value = "DBREG")]
    prefix: String,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> u8 {
    match prepare(arguments) {
        Ok(plan) => serve(&plan, arguments),
        Err(failure) => failure.tell(),
    }
}

/// Reads and checks the file, and sees to it that its servers are installed.
fn prepare(arguments: &Arguments) -> Result<Plan, Failure> {
    let source = Source::read(&arguments.file).map_err(|message| Failure(exit::USAGE, Some(message)))?;
    let loaded = load(&source.text, &source.name);
    if !loaded.diagnostics.is_empty() {
        complain(&loaded, &source);
    }
    if has_errors(&loaded) {
        return Err(Failure(exit::CONFIG, None));
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let profile = arguments.profile.clone();
    let profile = profile.or_else(|| variable(&format!("{}_PROFILE", arguments.prefix)));
    let plan = Plan::new(&loaded.shape, &arguments.prefix, profile.as_deref());
    let plan = plan.map_err(|message| Failure(exit::CONFIG, Some(message)))?;
    let by_values = plan
        .connections
        .iter()
        .find(|planned| planned.form == Form::Values);
    if let (Some(planned), Some(_)) = (by_values, variable(&plan.config)) {
        let message = format!(
            "[{}] has hosts with roles or weights, which the command learns from a file of values, and `{}` names \
             another one; unset it",
            planned.title, plan.config
        );
        return Err(Failure(exit::CONFIG, Some(message)));
    }
    let kinds = plan.kinds();
    if arguments.install {
        registry_dev::install(&kinds, &mut std::io::stderr())?;
    }
    let missing: Vec<Kind> = kinds
        .into_iter()
        .filter(|kind| !registry_dev::is_installed(*kind))
        .collect();
    if missing.is_empty() {
        return Ok(plan);
    }
    let names: Vec<String> = missing.iter().map(Kind::to_string).collect();
    let command = registry_dev::install_command(&missing);
    let message = format!(
        "no server for {} is installed, and no Docker engine answers; run `dbreg dev --install`, or: {command}",
        names.join(", ")
    );
    Err(Failure(exit::UNAVAILABLE, Some(message)))
}

fn serve(plan: &Plan, arguments: &Arguments) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            exit::say(format_args!("cannot start: {error}"));
            return exit::UNAVAILABLE;
        }
    };
    let status = runtime.block_on(start_and_run(plan, arguments));
    // A server that was still starting when a signal came ends with us: there is nothing to wait for.
    runtime.shutdown_background();
    status
}

async fn start_and_run(plan: &Plan, arguments: &Arguments) -> u8 {
    // From here on a signal ends us in order.
    let mut signals = match command::Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            exit::say(format_args!("cannot listen to signals: {error}"));
            return exit::UNAVAILABLE;
        }
    };
    let started = tokio::select! {
        started = Servers::start(plan, Progress::new()) => started,
        signal = signals.next() => return exit::SIGNAL + signal.number(),
    };
    match started {
        Ok(servers) => {
            let mut variables = servers.variables().to_vec();
            let profile = arguments.profile.iter();
            variables.extend(profile.map(|name| (format!("{}_PROFILE", arguments.prefix), name.clone())));
            command::run(&arguments.command, &variables, plan, &mut signals).await
        }
        Err(failure) => failure.tell(),
    }
}
