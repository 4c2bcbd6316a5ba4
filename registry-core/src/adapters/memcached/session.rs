//! One session with a server: its stream and its age.

use super::address::HostAddress;
use super::error::of_io;
use super::place::Place;
use super::stream::Stream;
use crate::base::Base;
use crate::error::Error;
use crate::kind::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How many calls a batch gathers at least, where they wait, and at most: more makes no call cheaper, and lets the first
/// wait for the last.
const BATCH: (usize, usize) = (8, 64);

/// How sessions with a host are made, and how long they are kept.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) base: Arc<Base>,
    /// How many at most, and how many are opened at the start.
    pub(super) max: usize,
    pub(super) min: usize,
    /// How long a call waits for one.
    pub(super) acquire_timeout: Duration,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) max_value: usize,
    /// How many hosts the connection has.
    pub(super) hosts: usize,
}

impl Terms {
    /// How many calls are at work on one host, as far as the connection can tell: its keys are spread evenly.
    fn calls(&self) -> usize {
        self.base.inside() / self.hosts
    }

    /// Whether so many calls are at work that there is always company: two for each session. Then a call waits for it even
    /// where a session rests, because what a packet costs is more than what it carries.
    pub(super) fn is_crowded(&self) -> bool {
        self.calls() > 2 * self.max
    }

    /// How many calls a batch gathers at most. Not all that wait: while one batch is with the server and one with us, a
    /// third is on its way, and nobody waits for anybody.
    pub(super) fn batch_limit(&self) -> usize {
        (self.calls() / self.max.min(3)).clamp(BATCH.0, BATCH.1)
    }
}

/// A session, in a box: it goes from hand to hand with every call. It is in step: everything that was sent on it was answered,
/// or it is not used again.
pub(super) struct Session {
    pub(super) stream: Stream,
    /// Whether it has answered anything: one that has may be closed by the server without our knowing.
    pub(super) used: bool,
    born: Instant,
    /// When it was last of use.
    rested: Instant,
    /// None for one that is only a proof.
    place: Option<Place>,
}

impl Session {
    /// One bare session, in a place of its host.
    pub(super) async fn connect(
        terms: &Terms,
        address: &HostAddress,
        place: Option<Place>,
    ) -> Result<Box<Self>, Error> {
        let deadline = terms.base.connect_timeout();
        let connecting = TcpStream::connect((address.host.as_str(), address.port));
        let Ok(connected) = tokio::time::timeout(deadline, connecting).await else {
            let message = format!("no session with {address} within {deadline:?}");
            return Err(Error::new(ErrorKind::Timeout, message).help(format!(
                "the limit is `connect_timeout` under [{}]",
                terms.base.label()
            )));
        };
        let stream = connected
            .and_then(|tcp| Stream::new(tcp, terms.max_value))
            .map_err(|cause| of_io(address, &cause))?;
        let now = Instant::now();
        Ok(Box::new(Self {
            stream,
            used: false,
            born: now,
            rested: now,
            place,
        }))
    }

    /// Ends it; another may be opened in its place.
    pub(super) fn into_place(self) -> Option<Place> {
        self.place
    }

    /// It was of use until now.
    pub(super) fn served(&mut self, now: Instant) {
        self.used = true;
        self.touch(now);
    }

    /// Its rest has not begun.
    pub(super) fn touch(&mut self, now: Instant) {
        self.rested = now;
    }

    /// Makes it ready for a rest.
    pub(super) fn rest(&mut self, now: Instant) {
        self.stream.rest();
        self.touch(now);
    }

    /// Whether it may go on: not past its time, and neither closed by the server nor out of step.
    pub(super) fn is_sound(&self, terms: &Terms, now: Instant) -> bool {
        !self.is_past(terms, now) && self.stream.is_alive()
    }

    /// Whether it has been open, or at rest, for longer than it may.
    pub(super) fn is_past(&self, terms: &Terms, now: Instant) -> bool {
        let past = |limit: Option<Duration>, since: Instant| {
            limit.is_some_and(|limit| now.saturating_duration_since(since) >= limit)
        };
        past(terms.max_lifetime, self.born) || past(terms.idle_timeout, self.rested)
    }
}
