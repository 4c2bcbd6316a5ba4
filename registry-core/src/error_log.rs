//! The error log of a connection: the latest errors, and how many there were.

use crate::error::Error;
use crate::kind::ErrorKind;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// How many different errors a log keeps.
pub const ERROR_LOG_CAPACITY: usize = 32;

/// What [`errors()`](crate::AnyConnection::errors) gives: a copy of the log.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Errors {
    /// Every error since the start, also those that the log no longer holds.
    pub total: u64,
    /// The latest errors, at most [`ERROR_LOG_CAPACITY`], the newest last.
    pub latest: Vec<ErrorRecord>,
}

/// One error of the log. It holds no secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ErrorRecord {
    /// When it happened; of a repeated error, the last time.
    pub at: SystemTime,
    /// What was being done.
    pub operation: String,
    /// Why it failed.
    pub kind: ErrorKind,
    /// The cause in words.
    pub message: String,
    /// How often, while it was among the latest: an outage is a few records with counts, and its cause is not lost among what
    /// follows from it.
    pub count: u64,
}

#[derive(Debug, Default)]
pub(crate) struct ErrorLog(Mutex<Errors>);

impl ErrorLog {
    pub(crate) fn record(&self, error: &Error) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.total += 1;
        let at = SystemTime::now();
        let same = |known: &ErrorRecord| {
            (known.kind, known.operation.as_str(), known.message.as_str())
                == (error.kind(), error.operation(), error.message())
        };
        // The newest last; in an outage two or three take turns.
        if let Some(found) = log.latest.iter().rposition(same) {
            let mut known = log.latest.remove(found);
            known.at = at;
            known.count += 1;
            log.latest.push(known);
            return;
        }
        if log.latest.len() == ERROR_LOG_CAPACITY {
            log.latest.remove(0);
        }
        log.latest.push(ErrorRecord {
            at,
            operation: error.operation().to_owned(),
            kind: error.kind(),
            message: error.message().to_owned(),
            count: 1,
        });
    }

    pub(crate) fn snapshot(&self) -> Errors {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_latest_and_counts_all() {
        let log = ErrorLog::default();
        for n in 0..ERROR_LOG_CAPACITY + 3 {
            let error = Error::new(ErrorKind::Timeout, format!("number {n}")).during("get");
            log.record(&error);
            if n > 0 {
                // Errors that take turns are a record each.
                let other = Error::new(ErrorKind::Timeout, format!("number {}", n - 1)).during("get");
                log.record(&other);
            }
            if n == ERROR_LOG_CAPACITY + 2 {
                log.record(&error);
            }
        }
        let errors = log.snapshot();
        assert_eq!(errors.total, 2 * (ERROR_LOG_CAPACITY as u64 + 3));
        assert_eq!(errors.latest.len(), ERROR_LOG_CAPACITY);
        assert_eq!(errors.latest[0].message, "number 3");
        assert!(
            errors
                .latest
                .iter()
                .all(|record| record.count == 2 && record.operation == "get")
        );
    }
}
