//! What a person sees while a verb runs: a line for each thing that happens, on standard error of a terminal.

use crate::paint::{Ink, Paint, printable};
use registry_core::tasks::{Event, Step, StepOutcome};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After so long without a word of a step it is said that it goes on, and again after twice as long each time.
const QUIET: Duration = Duration::from_secs(10);
/// Between two looks at what goes on.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Progress {
    paint: Paint,
    /// Why each connection waits: it is told once.
    waiting: Mutex<BTreeMap<String, String>>,
    /// The step that each connection is at.
    at_work: Mutex<BTreeMap<String, AtWork>>,
}

struct AtWork {
    step: Step,
    began: Instant,
    /// When it is told next that it goes on.
    next: Duration,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            paint: Paint::of(&std::io::stderr()),
            waiting: Mutex::default(),
            at_work: Mutex::default(),
        }
    }

    /// Waits for a run, and tells of steps that nothing was heard of for long.
    pub(super) async fn attend<T>(&self, run: impl Future<Output = T>) -> T {
        let mut run = std::pin::pin!(run);
        loop {
            match tokio::time::timeout(LOOK, &mut run).await {
                Ok(done) => return done,
                Err(_) => self.tell_of_the_quiet(Instant::now()).into_iter().for_each(say),
            }
        }
    }

    /// What there is to say of the steps that are at work at this moment.
    fn tell_of_the_quiet(&self, now: Instant) -> Vec<String> {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = at_work.iter_mut().filter_map(|(connection, work)| {
            let since = now.duration_since(work.began);
            if since < work.next {
                return None;
            }
            work.next = since * 2;
            let words = format!(
                "{}: at work for {} s, or waiting for another `dbreg` on this database",
                work.step,
                since.as_secs()
            );
            Some(format!("  {connection}  {}", self.paint.draw(Ink::Faint, &words)))
        });
        quiet.collect()
    }

    /// Called from the task that runs the verb: a line is all that it takes.
    pub(super) fn tell(&self, event: &Event) {
        if !self.paint.terminal {
            return;
        }
        self.note(event);
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
        say(format!("  {}  {words}", event.connection()));
    }

    /// Remembers which step the connection is at.
    fn note(&self, event: &Event) {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Began { connection, step } | Event::Progress { connection, step, .. } => {
                let work = AtWork {
                    step: *step,
                    began: Instant::now(),
                    next: QUIET,
                };
                at_work.insert(connection.clone(), work);
            }
            _ => drop(at_work.remove(event.connection())),
        }
    }

    fn is_new(&self, connection: &str, cause: &str) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.insert(connection.to_owned(), cause.to_owned());
        before.as_deref() != Some(cause)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it ends a chain")]
fn say(line: String) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_says_nothing_is_told_of_less_and_less_often() {
        let progress = Progress {
            paint: Paint::TERMINAL,
            ..Progress::new()
        };
        let connection = || "mongodb.logs".to_owned();
        progress.note(&Event::Began {
            connection: connection(),
            step: Step::Fill,
        });
        let began = Instant::now();
        let told = |seconds| progress.tell_of_the_quiet(began + Duration::from_secs(seconds));
        let lines: Vec<usize> = [1, 9, 11, 12, 20, 23, 44, 47].map(|at| told(at).len()).to_vec();
        assert_eq!(lines, [0, 0, 1, 0, 0, 1, 0, 1]);
        assert!(told(200)[0].contains("mongodb.logs  fill: at work for 200 s"));
        progress.note(&Event::Ended {
            connection: connection(),
            step: Step::Fill,
            outcome: StepOutcome::Done(String::new()),
            elapsed: Duration::ZERO,
        });
        assert!(told(1000).is_empty());
    }
}
