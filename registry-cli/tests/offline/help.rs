//! The help of every command.

use crate::program::{dbreg, printed};

/// The commands, as the program lists them.
fn commands() -> Vec<String> {
    let help = printed(&dbreg(&["--help"]));
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    let words = lines.filter_map(|line| line.split_whitespace().next());
    words.filter(|word| *word != "help").map(str::to_owned).collect()
}

#[test]
fn the_program_names_its_commands() {
    insta::assert_snapshot!(printed(&dbreg(&["--help"])));
}

#[test]
fn every_command_has_examples_and_says_its_exit_status() {
    let commands = commands();
    assert!(commands.len() >= 12, "{commands:?}");
    for command in commands {
        let help = printed(&dbreg(&[&command, "--help"]));
        assert!(help.contains("\nExamples:\n  dbreg "), "{command}: {help}");
        let says = help.contains("\nExit status: ") || help.contains("\nExit codes: ");
        assert!(says && help.ends_with("status 0"), "{command}: {help}");
        insta::assert_snapshot!(command.as_str(), help);
    }
}

#[test]
fn every_command_stands_in_the_documentation() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
    let text = std::fs::read_to_string(path).unwrap();
    for command in commands() {
        assert!(text.contains(&format!("`dbreg {command}")), "{command}");
    }
}

#[test]
fn a_wrong_command_is_answered_with_the_nearest_right_one() {
    let text = printed(&dbreg(&["chekc"]));
    assert!(text.contains("'check'") && text.ends_with("status 2"), "{text}");
}
