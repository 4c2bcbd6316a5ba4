//! Whom a server runs as that refuses to run as root.

use crate::Error;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Who has no rights anywhere, on any system.
const NOBODY: &str = "nobody";

/// An account of the system, by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// `nobody`, where we are root; otherwise nothing: a server of ours is ours.
    pub(crate) fn unless_root_may() -> Result<Option<Self>, Error> {
        if !rustix::process::getuid().is_root() {
            return Ok(None);
        }
        let accounts = std::fs::read_to_string("/etc/passwd").map_err(Error::io("read /etc/passwd"))?;
        let found = accounts.lines().find_map(Self::of_nobody);
        let none = || Error::command("find the account `nobody`", "/etc/passwd does not have it");
        found.map(Some).ok_or_else(none)
    }

    /// The numbers in a line of `/etc/passwd`: `nobody:x:65534:65534:…`.
    fn of_nobody(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        if fields.next() != Some(NOBODY) {
            return None;
        }
        let mut numbers = fields.skip(1).map(str::parse);
        let (user, group) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(Self { user, group })
    }

    /// The command runs as this account, and in none of our groups.
    pub(crate) fn runs(self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
    }

    /// What runs a command as this account, in a shell of root.
    pub(crate) fn prefix(self) -> Vec<String> {
        let (user, group) = (
            format!("--reuid={}", self.user),
            format!("--regid={}", self.group),
        );
        ["setpriv".to_owned(), user, group, "--clear-groups".to_owned()].to_vec()
    }

    /// Gives it the folder, or the file, with all that is in it.
    pub(crate) fn owns(self, path: &Path) -> std::io::Result<()> {
        if path.is_dir() {
            for entry in std::fs::read_dir(path)? {
                self.owns(&entry?.path())?;
            }
        }
        chown(path, Some(self.user), Some(self.group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_nobody_is_found_and_no_other() {
        let line = "nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin";
        let account = Account {
            user: 65534,
            group: 65533,
        };
        assert_eq!(Account::of_nobody(line), Some(account));
        for line in [
            "nobody2:x:1:1::/:",
            "root:x:0:0:root:/root:/bin/bash",
            "nobody",
            "",
        ] {
            assert_eq!(Account::of_nobody(line), None);
        }
    }
}
