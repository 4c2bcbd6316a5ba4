//! The shop on throw-away servers, as `cargo demo`: `dbreg dev` with the example `shop` and its sample.
//!
//! ```text
//! cargo demo
//! cargo demo --fleet        # three memcached hosts, a MySQL with a replica: the profile `fleet` of databases.toml
//! cargo demo orders.jsonl   # other orders than the sample
//! ```

#![expect(clippy::print_stderr, reason = "a program for people")]

use std::path::Path;
use std::process::{Command, ExitCode};

const CLI: &str = "run --quiet --package registry-cli --bin dbreg -- dev --install";
const SHOP: &str = "run --quiet --example shop --features mysql,mongodb,memcached,sea-orm --";
const SAMPLE: &str = "examples/shop/sample.jsonl";

fn main() -> ExitCode {
    let mut fleet = false;
    let mut orders = None;
    for argument in std::env::args_os().skip(1) {
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
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let mut command = Command::new(&cargo);
    command.current_dir(root.expect("a crate of the workspace"));
    command.args(CLI.split(' '));
    if fleet {
        command.args(["--profile", "fleet"]);
    }
    command.arg("--").arg(&cargo).args(SHOP.split(' '));
    command.arg(orders.unwrap_or_else(|| SAMPLE.into()));
    match command.status() {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            ExitCode::from(code.unwrap_or(1))
        }
        Err(error) => {
            eprintln!("demo: cannot run cargo: {error}");
            ExitCode::FAILURE
        }
    }
}
