//! Which host writes go to: of one host that one, of several the first that answers and is writable.

use super::Hosted;
use super::way::{HostWay, Way};
use crate::adapters::sql;
use crate::error::Error;
use crate::kind::ErrorKind;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use sqlx::{ConnectOptions as _, Connection as _};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long hosts that stand earlier in the order may still take, once another is known to be writable.
const GRACE: Duration = Duration::from_millis(200);
/// How soon a host that is read only is asked again while the first keeps us waiting: it may be about to take its place.
const AGAIN: Duration = Duration::from_millis(250);

/// The host that was found.
pub(crate) struct Elected {
    pub(crate) host: usize,
    /// Its server, where another may be elected.
    pub(super) server: Option<ServerId>,
    /// What its server says of itself: `10.11.19-MariaDB`.
    pub(super) version: String,
    /// The hosts that answered, this one among them.
    pub(super) answering: Vec<usize>,
}

/// What tells a server from the others, as long as it runs, in words of its backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerId(pub(crate) String);

/// What a server says of writes.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) server: ServerId,
    /// Whether it takes writes of an account without special rights.
    pub(crate) writable: bool,
}

/// What was heard of the hosts so far, in words, for whoever has no time to wait for all of them: by place in the order.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<BTreeMap<usize, String>>);

impl Heard {
    fn note(&self, place: usize, words: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(place, words);
    }

    pub(super) fn of(&self, place: usize) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&place).cloned()
    }
}

/// What a host said.
#[derive(Clone)]
struct Answer {
    version: String,
    /// Nothing where there is no other host, and nobody asked.
    standing: Option<Standing>,
}

impl Answer {
    fn is_writable(&self) -> bool {
        self.standing.as_ref().is_none_or(|standing| standing.writable)
    }
}

/// Proves that a host answers, by a session of its own and a command on it.
pub(super) async fn prove<DB: Hosted>(host: &HostWay<DB>, from_file: bool) -> Result<String, Error> {
    ask(host, false, from_file).await.map(|answer| answer.version)
}

/// Asks the hosts of `order` for one that is writable. Only the first is asked as long as it answers: the others when it
/// refuses, is read only, or keeps us waiting for a quarter of `limit`. The earliest of the order wins. A single host
/// wins when it answers, writable or not: there is no other. Where the first `works` for sessions that are there already,
/// what it refuses a new one is its own affair, and the error: another is asked only when it is out of reach.
///
/// It may take for ever when hosts do: the caller bounds it.
pub(crate) async fn elect<DB: Hosted>(
    way: &Way<DB>,
    order: &[usize],
    from_file: bool,
    limit: Duration,
    works: bool,
    heard: &Heard,
) -> Result<Elected, Error> {
    let several = order.len() > 1;
    let ask = |place: usize, pause: Duration| {
        let host = way.host(order[place]);
        async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            (place, ask(host, several, from_file).await)
        }
    };
    let mut asked = FuturesUnordered::new();
    asked.push(ask(0, Duration::ZERO));
    let mut verdicts: Vec<Option<Result<Answer, Error>>> = vec![None; order.len()];
    let (mut waits_for_first, mut graced) = (several, false);
    let patience = tokio::time::sleep(limit / 4);
    tokio::pin!(patience);
    loop {
        let mut late = false;
        tokio::select! {
            Some((place, verdict)) = asked.next() => {
                if place == 0
                    && works
                    && let Err(error) = &verdict
                    && !is_out_of_reach(error)
                {
                    return Err(error.clone());
                }
                if verdicts[0].is_none() && matches!(&verdict, Ok(answer) if place > 0 && !answer.is_writable()) {
                    asked.push(ask(place, AGAIN));
                }
                heard.note(place, in_words(&way.host(order[place]).address(), &verdict));
                verdicts[place] = Some(verdict);
            }
            () = &mut patience => late = true,
        }
        if let Some((place, answer)) = winner(&verdicts, late && !waits_for_first) {
            let (host, version) = (order[place], answer.version.clone());
            let server = answer.standing.as_ref().map(|standing| standing.server.clone());
            let answers = |(place, verdict): (usize, &Option<Result<Answer, Error>>)| {
                matches!(verdict, Some(Ok(_))).then_some(order[place])
            };
            let answering = verdicts.iter().enumerate().filter_map(answers).collect();
            return Ok(Elected {
                host,
                server,
                version,
                answering,
            });
        }
        if waits_for_first {
            waits_for_first = false;
            asked.extend((1..order.len()).map(|place| ask(place, Duration::ZERO)));
        } else if verdicts.iter().all(Option::is_some) {
            return Err(nobody(way, order, &verdicts, from_file));
        }
        let writable =
            |verdict: &Option<Result<Answer, Error>>| matches!(verdict, Some(Ok(a)) if a.is_writable());
        // The clock matters again once somebody is writable; until then the caller's deadline holds.
        if !graced && verdicts.iter().any(writable) {
            graced = true;
            patience.as_mut().reset(tokio::time::Instant::now() + GRACE);
        } else if late {
            patience.as_mut().reset(tokio::time::Instant::now() + limit);
        }
    }
}

fn is_out_of_reach(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout)
}

/// The first in the order that is writable. One that has not answered is passed over only when it is too `late` for it.
fn winner(verdicts: &[Option<Result<Answer, Error>>], late: bool) -> Option<(usize, &Answer)> {
    for (place, verdict) in verdicts.iter().enumerate() {
        match verdict {
            Some(Ok(answer)) if answer.is_writable() => return Some((place, answer)),
            None if !late => return None,
            _ => {}
        }
    }
    None
}

/// What a host said that is not elected.
fn in_words(address: &str, verdict: &Result<Answer, Error>) -> String {
    match verdict {
        Ok(answer) if answer.is_writable() => format!("{address} answers"),
        Ok(_) => format!("{address} is read only"),
        Err(error) if error.message().contains(address) => error.message().to_owned(),
        Err(error) => format!("{address}: {}", error.message()),
    }
}

/// Why no host was found: the one cause where all that are not read only have the same kind, else an outage.
fn nobody<DB: Hosted>(
    way: &Way<DB>,
    order: &[usize],
    verdicts: &[Option<Result<Answer, Error>>],
    from_file: bool,
) -> Error {
    if let [Some(Err(only))] = verdicts {
        return only.clone();
    }
    let mut words = Vec::new();
    let mut kinds = Vec::new();
    let mut help = None;
    for (index, verdict) in order.iter().zip(verdicts) {
        let address = way.host(*index).address();
        let Some(verdict) = verdict else { continue };
        words.push(in_words(&address, verdict));
        if let Err(error) = verdict {
            kinds.push(error.kind());
            help = help.or_else(|| error.next_step().map(str::to_owned));
        }
    }
    let same = kinds.windows(2).all(|two| two[0] == two[1]);
    let kind = kinds
        .first()
        .copied()
        .filter(|_| same)
        .unwrap_or(ErrorKind::Unreachable);
    let mut error = Error::new(kind, format!("no host is writable: {}", words.join("; ")));
    if let Some(help) = help {
        error = error.help(help);
    }
    if from_file {
        error.with_credential_file()
    } else {
        error
    }
}

/// One bare attempt, and the proof by a command: an expired password connects, and fails its first one.
async fn ask<DB: Hosted>(host: &HostWay<DB>, several: bool, from_file: bool) -> Result<Answer, Error> {
    let attempt = async {
        let mut session = DB::bare(&host.options).connect().await?;
        let version = DB::version(&mut session).await?;
        let standing = match several {
            true => Some(DB::standing(&mut session).await?),
            false => None,
        };
        // The server has answered; how the session ends tells nothing.
        let _ = session.close().await;
        Ok(Answer { version, standing })
    };
    attempt.await.map_err(|error| explain(error, host, from_file))
}

/// The driver's error with the cause and the next step.
pub(crate) fn explain<DB: Hosted>(error: sqlx::Error, host: &HostWay<DB>, from_file: bool) -> Error {
    sql::explain(error, host.place.as_ref(), from_file)
}

#[cfg(all(test, feature = "mysql"))]
mod tests {
    use super::*;

    fn answer(writable: bool) -> Option<Result<Answer, Error>> {
        let (version, server) = (
            "10.11".to_owned(),
            ServerId("db1 3306 /var/lib/mysql/".to_owned()),
        );
        let standing = Some(Standing { server, writable });
        Some(Ok(Answer { version, standing }))
    }

    fn refusal() -> Option<Result<Answer, Error>> {
        Some(Err(Error::new(ErrorKind::Unreachable, "refused")))
    }

    #[test]
    fn the_earliest_that_is_writable_wins_and_is_waited_for() {
        let won = |verdicts: &[_], late| winner(verdicts, late).map(|(place, _)| place);
        assert_eq!(won(&[answer(true), None], false), Some(0));
        assert_eq!(won(&[refusal(), answer(true), answer(true)], false), Some(1));
        assert_eq!(won(&[answer(false), None, answer(true)], false), None);
        assert_eq!(won(&[answer(false), None, answer(true)], true), Some(2));
        assert_eq!(won(&[answer(false), refusal()], true), None);
    }

    #[test]
    fn who_is_read_only_has_no_say_in_the_kind() {
        let text =
            "[mysql.main]\nconnections = [{ host = \"db4\" }, { host = \"db5\" }]\nusername = \"shop\"\n";
        let loaded = registry_config::load(text, "databases.toml");
        let settings = registry_config::resolve(&loaded.shape.connections[0], None, &[]).unwrap();
        let way = Way::<sqlx::MySql>::new(&settings, "mysql.main").unwrap();
        let kind = |verdicts: &[_]| nobody(&way, &[0, 1], verdicts, false).kind();
        let refused = |kind| Some(Err(Error::new(kind, "refused")));
        assert_eq!(kind(&[refused(ErrorKind::Auth), answer(false)]), ErrorKind::Auth);
        assert_eq!(
            kind(&[refused(ErrorKind::Auth), refused(ErrorKind::Unreachable)]),
            ErrorKind::Unreachable
        );
        assert_eq!(kind(&[answer(false), answer(false)]), ErrorKind::Unreachable);
    }
}
