//! What the log says.

use super::event::{Exit, Word};
use crate::kind::EXIT_CONFIG;
use std::time::Duration;

impl Word {
    /// The worker that it is about.
    pub(crate) fn worker(&self) -> Option<usize> {
        match *self {
            Self::Ready { number, .. }
            | Self::Ended { number, .. }
            | Self::NeverReady { number, .. }
            | Self::NoHeartbeat { number, .. }
            | Self::Ignores { number, .. }
            | Self::RollFailed { number } => Some(number),
            Self::Rolling | Self::Rolled | Self::Stopping { .. } | Self::StoppingNow => None,
        }
    }

    /// Whether something went wrong, in the eyes of an operator.
    pub(crate) fn level(&self) -> tracing::Level {
        match self {
            Self::Ended {
                exit: Exit::Code(EXIT_CONFIG),
                next: Some(_),
                ..
            } => tracing::Level::ERROR,
            Self::Ended { settled: true, .. }
            | Self::Ended { next: None, .. }
            | Self::Ready { .. }
            | Self::Rolling
            | Self::Rolled
            | Self::Stopping { .. } => tracing::Level::INFO,
            _ => tracing::Level::WARN,
        }
    }

    /// The line, with the cause of an end and how often it was met.
    pub(crate) fn text(&self, cause: Option<&str>, times: u64) -> String {
        let times = match times {
            0 | 1 => String::new(),
            _ => format!(" ({times} times so far)"),
        };
        match *self {
            Self::Ready { number, after } => format!("worker {number} is ready after {}", shown(after)),
            Self::Ended {
                number, exit, next, ..
            } => {
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                let next = next.map(|next| format!("; next attempt in {}", shown(next)));
                let loud = match exit {
                    Exit::Code(EXIT_CONFIG) if next.is_some() => {
                        "; this does not pass by itself: a person has to mend it"
                    }
                    _ => "",
                };
                let next = next.unwrap_or_default();
                format!("worker {number} ended with {exit}{cause}{times}{next}{loud}")
            }
            Self::NeverReady { number, after } => format!(
                "worker {number} was not ready within {}: it is ended (a program that never says `READY=1` \
                 needs `--ready alive`)",
                shown(after)
            ),
            Self::NoHeartbeat { number, after } => format!(
                "worker {number} gave no sign of life for {}: its runtime is blocked; it is killed",
                shown(after)
            ),
            Self::Ignores { number, after } => format!(
                "worker {number} did not end within {} of TERM: it is killed",
                shown(after)
            ),
            Self::Rolling => "replacing every worker, one after the other".to_owned(),
            Self::Rolled => "every worker has been replaced".to_owned(),
            Self::RollFailed { number } => format!(
                "the new worker {number} did not come up: the old ones stay, the rest is not replaced"
            ),
            Self::Stopping { workers } => format!("ending {workers} workers"),
            Self::StoppingNow => "killing every worker".to_owned(),
        }
    }
}

fn shown(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.0} s", time.as_secs_f32())
    }
}
