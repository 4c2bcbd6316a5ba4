//! What refuses to be destroyed: by its settings, by the profile, by the mark in the database itself.

use super::steps::{Mark, Marked, Steps};
use super::subject::{Subject, is_production};
use crate::error::Error;
use crate::kind::ErrorKind;
use std::fmt;

/// Why a verb that destroys data refuses a connection. `Display` is the whole of it, with the way around.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Why, a text each: ``the profile is `production` ``.
    pub reasons: Vec<String>,
    /// The exact names that have to be given to do it all the same. None where that is not what to do.
    pub needs: Vec<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "protected: {}", self.reasons.join("; "))?;
        if !self.needs.is_empty() {
            let flags: Vec<_> = self
                .needs
                .iter()
                .map(|name| format!("--i-know-this-destroys {name}"))
                .collect();
            write!(f, "; to do it all the same, write `{}`", flags.join(" "))?;
        }
        Ok(())
    }
}

/// Why a connection must not be touched, or could not be asked.
#[derive(Clone, Debug)]
pub(crate) enum Objection {
    Refused(Refusal),
    Failed(Error),
}

/// What the settings say of a connection, and of those that lead to the same database. Nothing when it may be destroyed.
pub(crate) fn by_settings(subjects: &[Subject], at: usize, known: &[String]) -> Option<Refusal> {
    let mine = &subjects[at];
    let mut refusal = Refusal {
        reasons: Vec::new(),
        needs: Vec::new(),
    };
    let is_known = |subject: &Subject| known.contains(&subject.label);
    if !mine.reasons.is_empty() && !is_known(mine) {
        refusal.reasons.clone_from(&mine.reasons);
        refusal.needs.push(mine.label.clone());
    }
    for other in mine.shares_with.iter().map(|other| &subjects[*other]) {
        let mut reasons = other.reasons.clone();
        if !other.takes_tasks {
            reasons.push("it has `tasks = false`".to_owned());
        }
        if !reasons.is_empty() && !is_known(other) {
            let why = reasons.join(", ");
            let reason = format!("`{}` leads to the same database, and {why}", other.label);
            refusal.reasons.push(reason);
            refusal.needs.push(other.label.clone());
        }
    }
    (!refusal.reasons.is_empty()).then_some(refusal)
}

/// Asks the database itself. Whoever knows that it is destroyed need not ask.
pub(crate) async fn by_mark(subject: &Subject, steps: &dyn Steps, known: &[String]) -> Result<(), Objection> {
    if known.contains(&subject.label) {
        return Ok(());
    }
    let refused = |reason: String| {
        let (reasons, needs) = (vec![reason], vec![subject.label.clone()]);
        Err(Objection::Refused(Refusal { reasons, needs }))
    };
    match steps.mark().await {
        Ok(Marked::NoDatabase | Marked::Unmarked) => Ok(()),
        Ok(Marked::As(Mark {
            environment,
            protected,
        })) => {
            if is_production(&environment) {
                return refused(format!(
                    "the database itself is marked `environment = {environment}`"
                ));
            }
            if protected {
                return refused(format!(
                    "the database itself is marked as protected, `environment = {environment}`"
                ));
            }
            Ok(())
        }
        // An outage is no reason to look for a way around.
        Err(error) if error.is_transient() => Err(Objection::Failed(error)),
        // Nor is a missing right, which stops the others too: nobody knows what the mark says.
        Err(error) if error.kind() == ErrorKind::Auth => Err(Objection::Refused(Refusal {
            reasons: vec![format!(
                "the mark of the database cannot be read: {}; the account needs the right to read it",
                error.message()
            )],
            needs: Vec::new(),
        })),
        Err(error) => refused(format!(
            "the mark of the database cannot be read: {}",
            error.message()
        )),
    }
}
