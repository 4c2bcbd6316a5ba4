//! What a person sees while a verb runs: a line for each thing that happens, on standard error of a terminal.

use crate::paint::{Ink, Paint, printable};
use registry_core::tasks::{Event, StepOutcome};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

pub(super) struct Progress {
    paint: Paint,
    /// Why each connection waits: it is told once.
    waiting: Mutex<BTreeMap<String, String>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            paint: Paint::of(&std::io::stderr()),
            waiting: Mutex::default(),
        }
    }

    /// Called from the task that runs the verb: a line is all that it takes.
    pub(super) fn tell(&self, event: &Event) {
        if !self.paint.terminal {
            return;
        }
        let words = match event {
            Event::Waiting { connection, cause } if self.is_new(connection, cause) => self
                .paint
                .draw(Ink::Doubtful, &format!("waiting: {}", printable(cause))),
            Event::Began { step, .. } => format!("{step} …"),
            Event::Progress { step, words, .. } => format!("{step}: {}", printable(words)),
            Event::Ended {
                step,
                outcome: StepOutcome::Failed(_) | StepOutcome::Refused(_),
                ..
            } => self.paint.draw(Ink::Bad, &format!("{step} failed")),
            // The report at the end has the words of what went well.
            _ => return,
        };
        let _ = writeln!(std::io::stderr(), "  {}  {words}", event.connection());
    }

    fn is_new(&self, connection: &str, cause: &str) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.insert(connection.to_owned(), cause.to_owned());
        before.as_deref() != Some(cause)
    }
}
