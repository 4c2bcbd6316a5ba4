//! The shop on throw-away servers, as `cargo demo`: `dbreg dev` starts them and runs this program again, which prepares
//! the databases with `dbreg build` and runs the example `shop` on its sample.
//!
//! ```text
//! cargo demo
//! cargo demo --fleet        # three memcached hosts, MySQL and PostgreSQL with a replica: the profile `fleet` of databases.toml
//! cargo demo orders.jsonl   # other orders than the sample
//! ```

#![expect(clippy::print_stderr, reason = "a program for people")]

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, ExitCode};

const CLI: &str = "run --quiet --package registry-cli --bin dbreg --";
const SHOP: &str = "run --quiet --example shop --features mysql,mongodb,memcached,postgres,sqlite,sea-orm --";
const SAMPLE: &str = "examples/shop/sample.jsonl";
/// The first argument of the run within `dbreg dev`; the second is the file of orders.
const ON_SERVERS: &str = "--on-servers";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|argument| argument == ON_SERVERS).is_some() {
        return on_servers(&arguments.next().unwrap_or_else(|| SAMPLE.into()));
    }
    let mut fleet = false;
    let mut orders = None;
    for argument in arguments {
        match argument.to_str() {
            Some("--fleet") => fleet = true,
            Some(option) if option.starts_with('-') => {
                eprintln!("demo: unknown option `{option}`; expected `--fleet`, or a file of orders");
                return ExitCode::from(2);
            }
            _ if orders.is_some() => {
                eprintln!("demo: expected one file of orders");
                return ExitCode::from(2);
            }
            // Before the change of the folder below.
            _ => orders = Some(std::path::absolute(&argument).unwrap_or_else(|_| argument.into())),
        }
    }
    let itself = match std::env::current_exe() {
        Ok(itself) => itself,
        Err(error) => {
            eprintln!("demo: cannot find itself: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut dev: Vec<OsString> = vec!["dev".into(), "--install".into()];
    if fleet {
        dev.extend(["--profile".into(), "fleet".into()]);
    }
    dev.extend(["--".into(), itself.into(), ON_SERVERS.into()]);
    dev.push(orders.unwrap_or_else(|| SAMPLE.into()).into());
    ExitCode::from(cargo(CLI, &dev))
}

/// Where the variables of `dbreg dev` lead to servers whose databases are empty.
fn on_servers(orders: &OsStr) -> ExitCode {
    let code = match cargo(CLI, &["build".into()]) {
        0 => cargo(SHOP, &[orders.to_owned()]),
        unprepared => unprepared,
    };
    ExitCode::from(code)
}

/// Runs a program of the workspace; gives its exit status, 1 where it has none.
fn cargo(program: &str, arguments: &[OsString]) -> u8 {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root.expect("a crate of the workspace"));
    command.args(program.split(' ')).args(arguments);
    for name in registry_dev::cargo_variables(env!("CARGO_PKG_NAME")) {
        command.env_remove(name);
    }
    match command.status() {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            code.unwrap_or(1)
        }
        Err(error) => {
            eprintln!("demo: cannot run cargo: {error}");
            1
        }
    }
}
