//! Where a connection stands among all of them, by the names of backend and connection.
//!
//! A tool may look a name up on every request: it costs a few nanoseconds however many connections there are, and
//! allocates nothing.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The backends of a registry: few, so that looking through them is quicker than anything else.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<(&'static str, Numbers)>);

/// The connections of one backend: the number of each under its name as written and under its field.
#[derive(Debug, Default)]
pub(crate) struct Numbers(HashMap<Box<str>, usize, BuildHasherDefault<Fnv>>);

/// FNV-1a. The names are those of the file, and short: nobody can choose them so that they collide.
#[derive(Debug)]
pub(crate) struct Fnv(u64);

impl Names {
    /// The names of connections, in the order of their numbers.
    pub(crate) fn new<'a>(names: impl Iterator<Item = (&'static str, &'a str)>) -> Self {
        let mut all = Self::default();
        for (number, (backend, name)) in names.enumerate() {
            let known = all.0.iter().position(|(known, _)| *known == backend);
            let at = known.unwrap_or_else(|| {
                all.0.push((backend, Numbers::default()));
                all.0.len() - 1
            });
            let numbers = &mut all.0[at].1.0;
            // Two names of one backend never meet as a field: that is a mistake in the file.
            numbers.insert(name.into(), number);
            let field = name.to_ascii_lowercase().replace('-', "_");
            numbers.entry(field.into()).or_insert(number);
        }
        all
    }

    /// The backend of this name.
    #[inline]
    pub(crate) fn backend(&self, name: &str) -> Option<(&'static str, &Numbers)> {
        let found = self.0.iter().find(|(backend, _)| *backend == name);
        found.map(|(backend, numbers)| (*backend, numbers))
    }
}

impl Numbers {
    /// The number of the connection with this name, as written or as its field.
    #[inline]
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }
}

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_written_and_as_its_field() {
        let names = Names::new([("mysql", "User-DB"), ("memcached", "main"), ("mysql", "main")].into_iter());
        let number = |backend: &str, name: &str| names.backend(backend).unwrap().1.number(name);
        assert_eq!(number("mysql", "User-DB"), Some(0));
        assert_eq!(number("mysql", "user_db"), Some(0));
        assert_eq!(
            number("mysql", "user-db"),
            None,
            "neither as written nor the field"
        );
        assert_eq!(number("mysql", "main"), Some(2));
        assert_eq!(number("memcached", "main"), Some(1));
        assert_eq!(number("memcached", "user_db"), None);
        assert!(names.backend("mongodb").is_none());
    }
}
