//! The verbs, and the plain steps that each is made of.

use std::fmt;
use std::str::FromStr;

/// What can be done to the databases of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// Makes the database, where it is missing.
    Create,
    /// Removes the database with everything in it.
    Drop,
    /// Applies the migrations that were not applied yet, or reverts some.
    Migrate,
    /// Writes what the fixtures say.
    Fill,
    /// Removes the data; the structure and the record of migrations stay.
    Clear,
    /// Removes tables or collections with what is in them; the database stays.
    Purge,
    /// `create`, `migrate`, `fill`.
    Build,
    /// `drop`, then `build`.
    Rebuild,
    /// `clear`, `fill`.
    Refill,
}

/// One step of a verb on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Makes the database.
    Create,
    /// Removes the database.
    Drop,
    /// Applies migrations.
    Migrate,
    /// Takes migrations back.
    Revert,
    /// Writes fixtures.
    Fill,
    /// Removes the data.
    Clear,
    /// Removes the structure.
    Purge,
}

/// Which way `migrate` goes, and how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MigrateTo {
    /// Up to the last migration of the folder. The default.
    #[default]
    Latest,
    /// Up to this version and no further. Later ones that are applied already are an error, not reverted.
    Version(i64),
    /// The migration that was applied last is reverted.
    RevertOne,
    /// Every migration above this version is reverted; 0 reverts all.
    RevertTo(i64),
}

impl Verb {
    /// Every verb, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Create,
        Self::Drop,
        Self::Migrate,
        Self::Fill,
        Self::Clear,
        Self::Purge,
        Self::Build,
        Self::Rebuild,
        Self::Refill,
    ];

    /// The verb as it is written: `create`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Drop => "drop",
            Self::Migrate => "migrate",
            Self::Fill => "fill",
            Self::Clear => "clear",
            Self::Purge => "purge",
            Self::Build => "build",
            Self::Rebuild => "rebuild",
            Self::Refill => "refill",
        }
    }

    /// Its steps, in their order.
    #[must_use]
    pub const fn steps(self, to: MigrateTo) -> &'static [Step] {
        match (self, to) {
            (Self::Create, _) => &[Step::Create],
            (Self::Drop, _) => &[Step::Drop],
            (Self::Migrate, MigrateTo::RevertOne | MigrateTo::RevertTo(_)) => &[Step::Revert],
            (Self::Migrate, _) => &[Step::Migrate],
            (Self::Fill, _) => &[Step::Fill],
            (Self::Clear, _) => &[Step::Clear],
            (Self::Purge, _) => &[Step::Purge],
            (Self::Build, _) => &[Step::Create, Step::Migrate, Step::Fill],
            (Self::Rebuild, _) => &[Step::Drop, Step::Create, Step::Migrate, Step::Fill],
            (Self::Refill, _) => &[Step::Clear, Step::Fill],
        }
    }
}

impl Step {
    /// The step as it is written: `create`, `revert`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Drop => "drop",
            Self::Migrate => "migrate",
            Self::Revert => "revert",
            Self::Fill => "fill",
            Self::Clear => "clear",
            Self::Purge => "purge",
        }
    }

    /// Whether it can destroy data, or put some where none of it belongs: what protection is about.
    #[must_use]
    pub const fn destroys(self) -> bool {
        match self {
            Self::Create | Self::Migrate => false,
            Self::Drop | Self::Revert | Self::Fill | Self::Clear | Self::Purge => true,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Verb {
    type Err = String;

    /// # Errors
    /// A text that names the nearest verb, or all of them.
    fn from_str(word: &str) -> Result<Self, String> {
        if let Some(verb) = Self::ALL.into_iter().find(|verb| verb.name() == word) {
            return Ok(verb);
        }
        let names = Self::ALL.map(Self::name);
        Err(match registry_config::suggest(word, names) {
            Some(near) => format!("no verb `{word}`; did you mean `{near}`?"),
            None => format!("no verb `{word}`; there are: {}", names.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_that_could_destroy_has_a_step_that_is_guarded() {
        let guarded = |verb: Verb, to| verb.steps(to).iter().any(|step| step.destroys());
        for verb in Verb::ALL {
            let harmless = matches!(verb, Verb::Create | Verb::Migrate);
            assert_eq!(guarded(verb, MigrateTo::Latest), !harmless, "{verb}");
            assert_eq!(verb.name().parse(), Ok(verb));
        }
        assert!(guarded(Verb::Migrate, MigrateTo::RevertOne));
        assert!(guarded(Verb::Migrate, MigrateTo::RevertTo(3)));
    }

    #[test]
    fn a_slip_of_the_pen_is_answered_with_the_verb() {
        assert_eq!(
            "migrat".parse::<Verb>().unwrap_err(),
            "no verb `migrat`; did you mean `migrate`?"
        );
        assert!(
            "x".parse::<Verb>()
                .unwrap_err()
                .contains("there are: create, drop")
        );
    }
}
