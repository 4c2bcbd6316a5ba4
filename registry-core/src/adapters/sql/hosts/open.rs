//! Opening a connection: the bare attempt, the proof, the pool.

use super::Hosted;
use super::election::{Elected, Heard, elect, prove};
use super::target::Target;
use super::way::Way;
use crate::adapters::sql;
use crate::base::Base;
use crate::cause::with_cause;
use crate::connection::Opened;
use crate::error::Error;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::time::Duration;

/// How long the hosts that are not needed to start may take to be counted, once the start needs nothing else.
const CENSUS_GRACE: Duration = Duration::from_millis(100);

/// One bare attempt, the proof by a command, then the pool's first sessions.
pub(super) async fn open<DB: Hosted>(base: &Base, target: &Target<DB>) -> Result<Opened, Error> {
    // What cannot be read now leaves the way as it was; without one, this is the error.
    let refreshed = target.refresh();
    let way = target.way().or_else(|error| refreshed.and(Err(error)))?;
    let moves = target.moves();
    let order = target.order(&way);
    let limit = base.connect_timeout();
    let works = base.is_open() && order[0] == target.host();
    let heard = Heard::default();
    let attempt = async {
        let election = elect(&way, &order, target.has_credential_file(), limit, works, &heard);
        let (elected, answering) = if way.hosts.len() > 1 && !base.has_been_open() {
            with_census(&way, order[0], target.has_credential_file(), election).await?
        } else {
            (election.await?, None)
        };
        target.set_there(&way, &elected, moves);
        sql::fill(&target.pool, target.min()).await?;
        Ok((elected, answering))
    };
    let (elected, answering) = with_cause(
        &way.places(&order),
        limit,
        DB::TITLE,
        |place| heard.of(place),
        attempt,
    )
    .await?;
    let mut detail = elected.version;
    if order.len() > 1 {
        detail = format!("{detail} at {}", way.host(elected.host).address());
    }
    if let Some(answering) = answering {
        detail = format!("{detail}, {answering} of {} hosts", way.hosts.len());
    }
    // It is kept as long as the connection.
    detail.shrink_to_fit();
    Ok(Opened { detail })
}

/// The election, and beside it, for the report, how many hosts answer. The start waits for none that it does not need.
async fn with_census<DB: Hosted>(
    way: &Way<DB>,
    first: usize,
    from_file: bool,
    election: impl Future<Output = Result<Elected, Error>>,
) -> Result<(Elected, Option<usize>), Error> {
    let others = (0..way.hosts.len()).filter(|index| *index != first);
    let mut asked: FuturesUnordered<_> = others
        .map(|index| async move { (index, prove(way.host(index), from_file).await.is_ok()) })
        .collect();
    let mut answering = Vec::new();
    tokio::pin!(election);
    let elected = loop {
        tokio::select! {
            elected = &mut election => break elected?,
            Some((index, answers)) = asked.next() => if answers { answering.push(index) },
        }
    };
    let rest = async {
        while let Some((index, answers)) = asked.next().await {
            if answers {
                answering.push(index);
            }
        }
    };
    // Who has not answered by then does not count.
    let _ = tokio::time::timeout(CENSUS_GRACE, rest).await;
    answering.extend(&elected.answering);
    answering.sort_unstable();
    answering.dedup();
    Ok((elected, Some(answering.len())))
}
