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
