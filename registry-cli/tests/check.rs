//! What `dbreg check` prints, and its exit status.

use std::path::Path;
use std::process::{Command, Output};

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dbreg"));
    command
        .arg("check")
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/databases"));
    command.output().expect("the program runs")
}

fn printed(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let text = format!("{out}{err}");
    assert!(!text.contains("canary"), "{text}");
    format!("{text}status {}", output.status.code().expect("an exit status"))
}

#[test]
fn every_mistake_as_text() {
    insta::assert_snapshot!(printed(&check(&["wrong.toml"])));
}

#[test]
fn every_mistake_as_json() {
    let output = check(&["wrong.toml", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let array: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    insta::assert_snapshot!(format!("{:#}", array[0]));
    let places = array
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["line"].as_u64().unwrap());
    assert!(places.collect::<Vec<_>>().is_sorted());
}

#[test]
fn every_mistake_for_github() {
    insta::assert_snapshot!(printed(&check(&["--format", "github", "wrong.toml"])));
}

#[test]
fn a_doubt_is_a_warning_and_no_mistake() {
    insta::assert_snapshot!(printed(&check(&["doubtful.toml"])));
    let github = printed(&check(&["doubtful.toml", "--format", "github"]));
    assert!(github.starts_with("::warning file="), "{github}");
    assert!(github.ends_with("status 0"), "{github}");
}

#[test]
fn warnings_may_be_denied() {
    assert_eq!(check(&["doubtful.toml"]).status.code(), Some(0));
    assert_eq!(
        check(&["doubtful.toml", "--deny", "warnings"]).status.code(),
        Some(1)
    );
    assert_eq!(
        check(&["right.toml", "--deny", "warnings"]).status.code(),
        Some(0)
    );
    assert_eq!(
        check(&["right.toml", "--deny", "everything"]).status.code(),
        Some(2)
    );
}

#[test]
fn workers_with_more_sessions_than_a_server_takes_are_a_warning() {
    assert_eq!(
        check(&["right.toml", "--workers", "10", "--deny", "warnings"])
            .status
            .code(),
        Some(0)
    );
    insta::assert_snapshot!(printed(&check(&["right.toml", "--workers", "16"])));
    let github = printed(&check(&["right.toml", "--workers", "16", "--format", "github"]));
    assert!(
        github.starts_with("::warning file=right.toml,line=1,col=1,title=pool-over-server-limit::"),
        "{github}"
    );
}

#[test]
fn a_right_file_is_one_line() {
    let summary = "right.toml: 7 connections, 1 profile, no mistakes\nstatus 0";
    assert_eq!(printed(&check(&["right.toml"])), summary);
    assert_eq!(
        printed(&check(&["right.toml", "--format", "json"])),
        "[]\nstatus 0"
    );
    assert_eq!(printed(&check(&["right.toml", "--format", "github"])), "status 0");
}

#[test]
fn a_file_that_cannot_be_read_is_no_finding() {
    let message = printed(&check(&["nowhere.toml"]));
    assert!(
        message.starts_with("dbreg: cannot read nowhere.toml: ")
            && message.contains("`dbreg init`")
            && message.ends_with("status 2"),
        "{message}"
    );
    assert_eq!(check(&[]).status.code(), Some(2));
    #[cfg(unix)]
    {
        let message = printed(&check(&["/dev/zero"]));
        assert!(
            message.contains("more than 16777216 bytes") && message.ends_with("status 2"),
            "{message}"
        );
    }
    assert_eq!(check(&["--format", "yaml"]).status.code(), Some(2));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("databases.toml"),
        b"[mysql.main]\nhost = \"\xffcanary\"\n",
    )
    .unwrap();
    let output = printed(&check(&[folder.path().to_str().unwrap()]));
    assert!(
        output.ends_with("databases.toml:2:9: expected UTF-8, found other bytes\nstatus 2"),
        "{output}"
    );
}

#[test]
fn the_help_has_examples() {
    insta::assert_snapshot!(printed(&check(&["--help"])));
}
