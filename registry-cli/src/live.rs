//! Connections as commands meet them live: what to open, how many at once, and what to say of a failure.

use crate::doctor::next;
use crate::exit::{self, Failure};
use crate::selection::{select, title};
use futures_util::StreamExt as _;
use registry_config::Settings;
use registry_core::{AnyConnection, Error, Inspection, Place};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// How many connections are looked at together, as a start has it.
pub(crate) const AT_ONCE: usize = registry_core::STARTUP_CONCURRENCY;

/// One connection, not opened yet.
pub(crate) struct Subject<'s> {
    pub(crate) title: String,
    pub(crate) backend: &'s str,
    pub(crate) settings: Result<Settings, Error>,
    pub(crate) places: Result<Vec<Place>, Error>,
    /// Opens at its first use. `None` where the backend is not compiled in.
    pub(crate) handle: Option<AnyConnection>,
}

/// The connections that the words name. Inside of a runtime.
pub(crate) fn subjects<'s>(
    inspection: &'s Inspection<'_>,
    words: &[String],
) -> Result<Vec<Subject<'s>>, Failure> {
    let selected = select(inspection.shape(), words)?;
    let handles = inspection.handles(&selected);
    let subjects = selected.into_iter().zip(handles).map(|(connection, handle)| {
        let settings = inspection.settings(connection);
        let places = settings
            .clone()
            .and_then(|settings| inspection.places(connection, &settings));
        Subject {
            title: title(connection),
            backend: connection.backend,
            settings,
            places,
            handle,
        }
    });
    Ok(subjects.collect())
}

impl Subject<'_> {
    /// `db1:3306,db2:3306`, a path.
    pub(crate) fn hosts(&self) -> String {
        let places = self.places.iter().flatten();
        let shown = places.map(|place| match place {
            Place::Host(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Place::Host(host, port) => format!("{host}:{port}"),
            Place::Socket(path) | Place::File(path) | Place::Service(path) => path.clone(),
        });
        shown.collect::<Vec<_>>().join(",")
    }

    /// The layer that set the value which a failure is about.
    pub(crate) fn layer(&self, error: &Error, inspection: &Inspection<'_>) -> String {
        let settings = self.settings.as_ref();
        settings.map_or_else(
            |_| String::new(),
            |settings| inspection.layer_in_question(error, settings),
        )
    }
}

/// Ends every session, all at once.
pub(crate) async fn close(subjects: &[Subject<'_>]) {
    let handles = subjects.iter().filter_map(|subject| subject.handle.as_ref());
    // What could not be closed in time ends with the process.
    let closing = handles.map(async |handle| drop(handle.close().await));
    let closing = futures_util::stream::iter(closing).buffer_unordered(AT_ONCE);
    closing.collect::<Vec<()>>().await;
}

/// What failed, for programs.
pub(crate) fn error_json(error: &Error, subject: &Subject<'_>, inspection: &Inspection<'_>) -> Json {
    let layer = subject.layer(error, inspection);
    json!({
        "kind": error.kind().name(),
        "message": error.message(),
        "from": (!layer.is_empty()).then_some(layer),
        "next": next::step(error, &subject.title),
        "transient": error.is_transient(),
        "exit_code": error.exit_code(),
    })
}

/// A runtime for one command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|cause| {
        Failure(
            exit::UNAVAILABLE,
            Some(format!("cannot start the runtime: {cause}")),
        )
    })
}

/// `0.4 ms`
pub(crate) fn millis(time: Duration) -> String {
    format!("{:.1} ms", milliseconds(time))
}

/// With microseconds behind the point.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
