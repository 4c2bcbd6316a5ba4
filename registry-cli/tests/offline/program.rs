//! The program, beside the files of `tests/databases`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) fn databases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/databases")
}

/// `dbreg` with these arguments and no variable but these.
pub(crate) fn dbreg_with(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dbreg"));
    command.args(arguments).current_dir(databases());
    command.env_clear().envs(variables.iter().copied());
    command.output().expect("the program runs")
}

/// `dbreg` without variables.
pub(crate) fn dbreg(arguments: &[&str]) -> Output {
    dbreg_with(arguments, &[])
}

/// All that it printed, with its exit status. No secret is in it.
pub(crate) fn printed(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let text = format!("{out}{err}");
    assert!(!text.contains("canary"), "{text}");
    format!("{text}status {}", output.status.code().expect("an exit status"))
}
