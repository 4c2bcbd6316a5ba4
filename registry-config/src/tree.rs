//! The TOML tree with its spans, in the order of the file.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Error};

/// A key, and where it stands.
pub type Key<'s> = Spanned<DeString<'s>>;
/// A value, and where it stands.
pub type Node<'s> = Spanned<DeValue<'s>>;

/// A parsed text. However deep it is, dropping it needs no stack.
#[derive(Debug)]
pub struct Tree<'s> {
    root: DeTable<'s>,
}

impl<'s> Tree<'s> {
    /// What can be read of the text, and what cannot.
    #[must_use]
    pub fn parse(text: &'s str) -> (Self, Vec<Error>) {
        let (root, errors) = DeTable::parse_recoverable(text);
        (
            Self {
                root: root.into_inner(),
            },
            errors,
        )
    }

    /// The table of the file itself.
    #[must_use]
    pub fn root(&self) -> &DeTable<'s> {
        &self.root
    }
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        // A key of a hundred thousand dots is a hundred thousand tables, one within the other.
        let mut waiting: Vec<DeValue<'_>> = vec![DeValue::Table(std::mem::take(&mut self.root))];
        while let Some(value) = waiting.pop() {
            match value {
                DeValue::Table(table) => {
                    waiting.extend(table.into_iter().map(|(_, value)| value.into_inner()))
                }
                DeValue::Array(array) => waiting.extend(array.into_iter().map(Spanned::into_inner)),
                _ => {}
            }
        }
    }
}

/// The entries of a table in the order of the file. The parser sorts them by name.
#[must_use]
pub fn in_order<'t, 's>(table: &'t DeTable<'s>) -> Vec<(&'t Key<'s>, &'t Node<'s>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// What a value is, as messages say it.
pub(crate) fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
