//! One attempt to open a connection, in its turn and within its deadline.

use crate::connection::{Connection, Opened};
use crate::error::Error;
use crate::kind::ErrorKind;
use std::time::Duration;

/// How long a connection that comes back holds its turn: a server that keeps silent holds up no other for longer.
const TURN: Duration = Duration::from_millis(500);

/// Waits for a turn, then opens within `connect_timeout`; marks the connection as open.
pub(crate) async fn open(connection: &dyn Connection) -> Result<Opened, Error> {
    let _turn = connection.base().turn().await;
    in_turn(connection).await
}

/// The same for a connection that was lost, beside others that may be back sooner.
pub(crate) async fn reopen(connection: &dyn Connection) -> Result<Opened, Error> {
    let turn = connection.base().turn().await;
    let attempt = in_turn(connection);
    tokio::pin!(attempt);
    if let Ok(result) = tokio::time::timeout(TURN, &mut attempt).await {
        return result;
    }
    drop(turn);
    attempt.await
}

/// Opens within `connect_timeout` from now on; the caller holds a turn.
pub(crate) async fn in_turn(connection: &dyn Connection) -> Result<Opened, Error> {
    let base = connection.base();
    let deadline = base.connect_timeout();
    let opened = match tokio::time::timeout(deadline, connection.open()).await {
        Ok(result) => result?,
        Err(_) => {
            let error = Error::new(ErrorKind::Timeout, format!("not open within {deadline:?}"));
            return Err(error.help(format!("the limit is `connect_timeout` under [{}]", base.label())));
        }
    };
    base.set_open(&opened.detail);
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Base;
    use crate::connection::Instance;
    use crate::status::Sessions;
    use crate::turns::Turns;
    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::time::{Instant, advance};

    /// A connection whose server answers at once, or never.
    #[derive(Debug)]
    struct Server {
        base: Arc<Base>,
        answers: bool,
        /// How often it was asked to go back to its first host.
        moves: AtomicU32,
    }

    impl Server {
        fn new(answers: bool, turns: &Turns) -> Self {
            let text = "[memcached.cache]\nhost = \"c\"\nconnect_timeout = \"3s\"\n";
            let shape = registry_config::load(text, "databases.toml").shape;
            let settings = registry_config::resolve(&shape.connections[0], None, &[]).unwrap();
            let base = Base::new(&shape.connections[0], &settings);
            base.take_turns(turns);
            Self {
                base,
                answers,
                moves: AtomicU32::new(0),
            }
        }
    }

    impl Connection for Server {
        fn base(&self) -> &Arc<Base> {
            &self.base
        }

        fn open(&self) -> BoxFuture<'_, Result<Opened, Error>> {
            if !self.answers {
                return std::future::pending().boxed();
            }
            let detail = "here".to_owned();
            std::future::ready(Ok(Opened { detail })).boxed()
        }

        fn refresh(&self) -> Result<bool, Error> {
            Err(Error::new(ErrorKind::Config, "the file is gone"))
        }

        fn prefer_first_host(&self) -> bool {
            self.moves.fetch_add(1, Ordering::SeqCst) > 0
        }

        fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
            std::future::ready(Ok(())).boxed()
        }

        fn shutdown(&self) -> BoxFuture<'_, ()> {
            std::future::ready(()).boxed()
        }

        fn sessions(&self) -> Option<Sessions> {
            None
        }

        fn hosts(&self) -> String {
            "c:11211".to_owned()
        }

        fn instance(&self) -> Result<Instance, Error> {
            Err(Error::new(ErrorKind::Config, "none"))
        }
    }

    /// It would move by the next attempt, whoever makes that.
    #[tokio::test]
    async fn a_reload_that_fails_moves_nobody_to_another_host() {
        let server = Server::new(true, &Turns::new(1));
        open(&server).await.unwrap();
        let error = crate::connection::reload(&server).await.unwrap_err();
        assert_eq!(error.message(), "the file is gone");
        assert_eq!(server.moves.load(Ordering::SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_start_a_turn_lasts_and_the_deadline_begins_with_it() {
        let turns = Turns::new(1);
        let (silent, other) = (Server::new(false, &turns), Server::new(false, &turns));
        let began = Instant::now();
        let (first, second) = tokio::join!(open(&silent), open(&other));
        assert_eq!(first.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(second.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(began.elapsed().as_secs(), 6, "3 s each, one after the other");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_keeps_silent_holds_up_no_other_for_long() {
        let turns = Turns::new(1);
        let (silent, back) = (Server::new(false, &turns), Server::new(true, &turns));
        let mut first = Box::pin(reopen(&silent));
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = Box::pin(reopen(&back));
        assert!(
            second.as_mut().now_or_never().is_none(),
            "the other has the only turn"
        );
        advance(TURN).await;
        assert!(
            first.as_mut().now_or_never().is_none(),
            "it goes on without the turn"
        );
        assert_eq!(second.await.unwrap().detail, "here");
        assert!(back.base.is_open());
        assert_eq!(first.await.unwrap_err().kind(), ErrorKind::Timeout);
    }
}
