//! Names of databases and users, each given once, and passwords.

use std::collections::HashSet;
use std::io::Read as _;

/// What a MySQL or a PostgreSQL server has already.
const TAKEN: [&str; 10] = [
    "mysql",
    "sys",
    "information_schema",
    "performance_schema",
    "root",
    "mariadb.sys",
    "public",
    "postgres",
    "template0",
    "template1",
];
/// The longest name of a user that MySQL takes.
const LENGTH: usize = 32;

/// Gives out names, none twice. MySQL may or may not tell upper from lower case: here they are the same.
#[derive(Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    /// The name that is wanted, if it is free; else one like it.
    pub(crate) fn give(&mut self, wanted: Option<&str>, otherwise: &str) -> String {
        let candidates = wanted.into_iter().chain([otherwise]).map(str::to_owned);
        let stem: String = otherwise.chars().take(LENGTH - 4).collect();
        let numbered = (2..).map(|number| format!("{stem}_{number}"));
        let mut free = candidates.chain(numbered).filter(|name| self.is_free(name));
        let name = free.next().expect("numbers do not end");
        self.0.insert(name.to_lowercase());
        name
    }

    fn is_free(&self, name: &str) -> bool {
        let lower = name.to_lowercase();
        let fits = !name.is_empty() && name.chars().count() <= LENGTH && !name.contains(char::is_control);
        // PostgreSQL keeps a prefix for itself.
        fits && !lower.starts_with("pg_") && !TAKEN.contains(&lower.as_str()) && !self.0.contains(&lower)
    }
}

/// 24 hexadecimal digits from the system.
pub(crate) fn password() -> std::io::Result<String> {
    let mut bytes = [0; 12];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_given_twice() {
        let mut names = Names::default();
        assert_eq!(names.give(Some("shop"), "main"), "shop");
        assert_eq!(names.give(Some("Shop"), "reports"), "reports");
        assert_eq!(names.give(Some("shop"), "reports"), "reports_2");
        assert_eq!(names.give(Some("root"), "x"), "x");
        assert_eq!(names.give(Some("pg_user"), "y"), "y");
        assert_eq!(names.give(None, "mysql"), "mysql_2");
        let long = "a".repeat(64);
        assert_eq!(names.give(Some(&long), &long), format!("{}_2", "a".repeat(28)));
    }

    #[test]
    fn passwords_differ() {
        assert_ne!(password().unwrap(), password().unwrap());
        assert_eq!(password().unwrap().len(), 24);
    }
}
