//! One attempt to open a connection, within its deadline.

use crate::connection::{Connection, Opened};
use crate::error::Error;
use crate::kind::ErrorKind;

/// Opens within `connect_timeout`; marks the connection as open.
pub(crate) async fn open(connection: &dyn Connection) -> Result<Opened, Error> {
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
