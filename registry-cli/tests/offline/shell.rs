//! `dbreg completions` and `dbreg man`.

use crate::program::{dbreg, printed};

#[test]
fn each_shell_completes_commands_and_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = printed(&dbreg(&["completions", shell]));
        assert!(
            text.contains("explain") && text.contains("config-file"),
            "{shell}"
        );
        assert!(text.ends_with("status 0"));
    }
    assert!(printed(&dbreg(&["completions", "csh"])).ends_with("status 2"));
}

#[test]
fn bash_accepts_its_completions() {
    let output = dbreg(&["completions", "bash"]);
    let checked = std::process::Command::new("bash")
        .args(["-n", "/dev/stdin"])
        .stdin(std::process::Stdio::piped())
        .spawn();
    let mut child = checked.unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &output.stdout).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn each_command_has_a_page() {
    let page = printed(&dbreg(&["man"]));
    assert!(
        page.contains(".TH dbreg 1") && page.contains("supervise"),
        "{page}"
    );
    let folder = tempfile::tempdir().unwrap();
    let output = printed(&dbreg(&["man", "--folder", folder.path().to_str().unwrap()]));
    assert_eq!(output, "status 0");
    for name in ["dbreg.1", "dbreg-check.1", "dbreg-doctor.1"] {
        assert!(folder.path().join(name).exists(), "{name}");
    }
    assert!(printed(&dbreg(&["man", "--folder", "/nonexistent"])).ends_with("status 2"));
}

#[test]
fn a_slip_in_the_word_status_is_answered_with_it() {
    let words = printed(&dbreg(&["migrate", "stauts", "--file", "right.toml"]));
    assert!(words.contains("did you mean `status`?"), "{words}");
    assert!(words.ends_with("status 2"), "{words}");
}

/// A device on which there is never any room.
#[cfg(target_os = "linux")]
#[test]
fn what_could_not_be_written_is_no_success() {
    for arguments in [
        &["schema"][..],
        &["man"],
        &["completions", "bash"],
        &["check", "right.toml", "--format", "json"],
        &["list", "--file", "cache.toml", "--json"],
        &["explain", "--file", "cache.toml"],
        &["init", "-"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dbreg"));
        command.args(arguments).current_dir(crate::program::databases());
        let output = command.env_clear().stdout(full).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(
            told.contains("cannot write to standard output"),
            "{arguments:?}: {told}"
        );
    }
    // Who reads may have seen enough.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dbreg"));
    let output = command.arg("schema").env_clear().stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}
