//! On a terminal, which `script` of util-linux makes: tables, colours, questions.

use crate::program::databases;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What `dbreg` with these arguments shows on a terminal where this is typed.
fn shown(arguments: &str, folder: &Path, variables: &[(&str, &str)], typed: &str) -> String {
    let mut command = Command::new("script");
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_dbreg"));
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.current_dir(folder).env_clear();
    command.envs([("TERM", "xterm"), ("PATH", "/usr/bin:/bin")]);
    command.envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .expect("`script` runs; it is in the package bsdutils");
    let mut stdin = child.stdin.take().expect("it was piped");
    stdin.write_all(typed.as_bytes()).expect("it is read");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8(output.stdout).expect("text").replace('\r', "")
}

const LIST: &str = "list --file right.toml";

#[test]
fn a_table_has_a_head_and_colours() {
    let text = shown(LIST, &databases(), &[], "");
    assert!(text.contains("\x1b[1mCONNECTION\x1b[0m"), "{text:?}");
    assert!(
        text.contains("\nmysql.main          db1.example.com:3306"),
        "{text:?}"
    );
}

#[test]
fn no_color_and_a_dumb_terminal_have_none() {
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let text = shown(LIST, &databases(), &[variable], "");
        assert!(
            text.contains("CONNECTION  ") && !text.contains('\x1b'),
            "{variable:?}: {text:?}"
        );
        let text = shown("check wrong.toml", &databases(), &[variable], "");
        assert!(
            text.contains("error[") && !text.contains('\x1b'),
            "{variable:?}: {text:?}"
        );
    }
    // Empty, it says nothing.
    assert!(shown(LIST, &databases(), &[("NO_COLOR", "")], "").contains('\x1b'));
}

#[test]
fn init_asks_which_backends_and_asks_again_about_a_wrong_one() {
    let folder = tempfile::tempdir().unwrap();
    let text = shown("init", folder.path(), &[], "mysq\nsqlite, memcached\n");
    assert!(
        text.contains("Which backends") && text.contains("did you mean `mysql`"),
        "{text:?}"
    );
    let file = std::fs::read_to_string(folder.path().join("databases.toml")).unwrap();
    assert!(
        file.contains("\n[memcached.cache]\n") && file.contains("\n[sqlite.local]\n"),
        "{file}"
    );
    assert!(!file.contains("\n[mysql.main]\n"), "{file}");
}
