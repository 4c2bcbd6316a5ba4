//! The steps of an examination: each needs the one before it.

use super::facts::{self, Facts};
use super::network::{self, Addresses};
use crate::live::Subject;
use registry_core::{AnyConnection, Error, ErrorKind, Place};
use std::time::{Duration, Instant};

/// A clock that is further away than this is worth a word: certificates, tokens and expiry depend on it.
const CLOCK: f64 = 2.0;
const BY_NTP: &str = "let a time service such as NTP set both";

/// What was found out about a connection.
#[derive(Default)]
pub(super) struct Exam {
    pub(super) steps: Vec<Step>,
    pub(super) facts: Facts,
    /// The time of one round trip of a session that is open.
    pub(super) latency: Option<Duration>,
    /// Why it is not well.
    pub(super) error: Option<Error>,
}

/// One step.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) mark: Mark,
    pub(super) time: Option<Duration>,
    pub(super) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Doubtful,
    Bad,
}

impl Exam {
    fn step(&mut self, name: &'static str, mark: Mark, time: Option<Duration>, detail: impl Into<String>) {
        self.steps.push(Step {
            name,
            mark,
            time,
            detail: detail.into(),
        });
    }

    fn fail(mut self, name: &'static str, error: Error) -> Self {
        self.step(name, Mark::Bad, None, error.message());
        self.error = Some(error);
        self
    }
}

/// All steps, up to the first that fails. Each has a deadline: `connect_timeout`, and `timeout` for the queries.
pub(super) async fn examine(subject: &Subject<'_>) -> Exam {
    let mut exam = Exam::default();
    let (settings, places) = match (&subject.settings, &subject.places) {
        (Ok(settings), Ok(places)) => (settings, places),
        (Err(error), _) | (_, Err(error)) => return exam.fail("values", error.clone()),
    };
    let handle = match handle(subject) {
        Ok(handle) => handle,
        Err(error) => return exam.fail("values", error),
    };
    exam.step("values", Mark::Good, None, subject.hosts());
    let limit = settings
        .duration("connect_timeout")
        .unwrap_or(Duration::from_secs(5));
    let addresses = match network::resolve(places, limit).await {
        Ok(addresses) => addresses,
        Err(error) => return exam.fail("resolve", error),
    };
    if let Some(detail) = addresses.detail() {
        exam.step("resolve", addresses.mark(), Some(addresses.time), detail);
    }
    if let Err(error) = connect(&mut exam, &addresses, places, limit).await {
        return exam.fail("connect", error);
    }
    let start = Instant::now();
    if let Err(error) = handle.ping().await {
        // A file is opened, and has no login.
        let name = match places.first() {
            Some(Place::File(_)) => "open",
            _ => step_of(&error),
        };
        return exam.fail(name, error);
    }
    let name = match places.first() {
        Some(Place::File(_)) => "open",
        _ => "login",
    };
    exam.step(name, Mark::Good, Some(start.elapsed()), "");
    query(exam, handle, subject).await
}

/// The handle; its own error when the values gave it no client.
fn handle<'s>(subject: &'s Subject<'_>) -> Result<&'s AnyConnection, Error> {
    let Some(handle) = &subject.handle else {
        let message = format!("this dbreg was built without {}", subject.backend);
        return Err(Error::new(ErrorKind::Config, message));
    };
    handle.instance().map(|_| handle)
}

/// What was being done when opening failed.
fn step_of(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Tls => "tls",
        ErrorKind::UnknownDatabase => "database",
        _ => "login",
    }
}

async fn connect(
    exam: &mut Exam,
    addresses: &Addresses,
    places: &[Place],
    limit: Duration,
) -> Result<(), Error> {
    let Some(found) = network::connect(addresses, places, limit).await? else {
        return Ok(());
    };
    let mark = if found.failed.is_empty() {
        Mark::Good
    } else {
        Mark::Doubtful
    };
    exam.step("connect", mark, found.time, found.detail());
    Ok(())
}

/// A round trip, and what the server tells of itself.
async fn query(mut exam: Exam, handle: &AnyConnection, subject: &Subject<'_>) -> Exam {
    let latency = match handle.ping().await {
        Ok(latency) => latency,
        Err(error) => return exam.fail("query", error),
    };
    exam.latency = Some(latency);
    match facts::ask(handle, subject).await {
        Ok(facts) => exam.facts = facts,
        Err(error) => return exam.fail("query", error),
    }
    let detail = exam.facts.version.clone().unwrap_or_default();
    exam.step("query", Mark::Good, Some(latency), detail);
    if let Some(tls) = exam.facts.tls.clone() {
        exam.step("tls", Mark::Good, None, tls);
    }
    if let Some(difference) = exam.facts.clock {
        let far = difference.abs() >= CLOCK;
        let (mark, detail) = match (far, difference >= 0.0) {
            (false, _) => (Mark::Good, "that of this machine".to_owned()),
            (true, true) => (
                Mark::Doubtful,
                format!("{difference:.0} s ahead of this machine; {BY_NTP}"),
            ),
            (true, false) => (
                Mark::Doubtful,
                format!("{:.0} s behind this machine; {BY_NTP}", -difference),
            ),
        };
        exam.step("clock", mark, None, detail);
    }
    exam
}
