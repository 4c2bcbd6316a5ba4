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
    /// How often in a row: an outage is one record with a count, not 32 equal ones.
    pub count: u64,
}

#[derive(Debug, Default)]
pub(crate) struct ErrorLog(Mutex<Errors>);

impl ErrorLog {
    pub(crate) fn record(&self, error: &Error) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.total += 1;
        let at = SystemTime::now();
        if let Some(last) = log.latest.last_mut()
            && (last.kind, last.operation.as_str(), last.message.as_str())
                == (error.kind(), error.operation(), error.message())
        {
            last.at = at;
            last.count += 1;
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
            log.record(&error);
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
