//! The command of a server, as a script for whoever wants to start it again.

use crate::account::Account;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A script that runs this command in this folder, as this account, when the process has ended that runs it now; it waits
/// for that as long as the process may take, and 5 s more.
pub(crate) fn of(
    command: &Command,
    account: Option<Account>,
    folder: &Path,
    running: Option<(u32, Duration)>,
) -> String {
    let prefix = account.map(Account::prefix).unwrap_or_default();
    let program = command.get_program().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|word| word.to_string_lossy().into_owned());
    let words = prefix.into_iter().chain([program]).chain(arguments);
    let words: Vec<String> = words.map(|word| quoted(&word)).collect();
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy().into_owned();
        Some(format!("export {}={}\n", name.to_string_lossy(), quoted(&value)))
    });
    let wait = running.map(|(pid, grace)| {
        let tries = (grace + Duration::from_secs(5)).as_millis() / 100;
        format!(
            "tries={tries}\nwhile kill -0 {pid} 2>/dev/null && [ $tries -gt 0 ]; do tries=$((tries - 1)); sleep 0.1; done\n"
        )
    });
    format!(
        "#!/bin/sh\n{}cd {} || exit\n{}exec {}\n",
        wait.unwrap_or_default(),
        quoted(&folder.to_string_lossy()),
        variables.collect::<String>(),
        words.join(" ")
    )
}

/// A word as a shell reads it, in quotes where it needs them.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_runs_it_with_the_same_words() {
        let folder = std::env::temp_dir();
        let mut command = Command::new("sh");
        command.args(["-c", r#"echo "$X|$1|$(pwd)""#, "sh", "it's $HOME\n"]);
        command.env("X", "a b");
        let text = of(&command, None, &folder, None);
        let output = Command::new("sh").arg("-c").arg(&text).output().unwrap();
        let expected = format!("a b|it's $HOME\n|{}\n", folder.display());
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{text}");
    }
}
