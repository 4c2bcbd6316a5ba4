//! Opening a MySQL connection: the bare attempt, the proof, the pool.

use super::MySql;
use super::target::{Target, Way};
use crate::adapters::sql;
use crate::cause::{unreachable_words, with_cause};
use crate::connection::Opened;
use crate::error::Error;
use crate::kind::ErrorKind;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

/// One bare attempt, the proof by a command, then the pool's first sessions.
pub(super) async fn open(handle: &MySql, target: &Target) -> Result<Opened, Error> {
    // What cannot be read now leaves the way as it was; without one, this is the error.
    let refreshed = target.refresh();
    let way = target.way().or_else(|error| refreshed.and(Err(error)))?;
    let attempt = async {
        // No session variables, and a command as text: every round trip counts behind a slow network.
        let options = way
            .options
            .clone()
            .pipes_as_concat(false)
            .no_engine_substitution(false);
        let mut session = options
            .timezone(None)
            .set_names(false)
            .connect()
            .await
            .map_err(|error| explain(error, &way, target.from_file))?;
        // An expired password connects, and fails its first command.
        let row = sqlx::raw_sql("select version()").fetch_one(&mut session).await;
        let version: String = row
            .and_then(|row| row.try_get(0))
            .map_err(|e| explain(e, &way, target.from_file))?;
        // The server has answered; how the session ends tells nothing.
        let _ = session.close().await;
        target.set_there(&way);
        sql::fill(&target.pool, target.min).await?;
        Ok(version)
    };
    let version = with_cause(&way.hosts, handle.inner.base.connect_timeout(), "MySQL", attempt).await?;
    Ok(Opened { detail: version })
}

/// The driver's error with the cause and the next step.
fn explain(error: sqlx::Error, way: &Way, from_file: bool) -> Error {
    const TLS_STEP: &str = "write `tls_ca = \"path\"` for a private authority, `tls = \"require\"` to encrypt without \
        checking who answers, or `tls = \"off\"` if this network is yours";
    // A certificate that is refused comes as an I/O error with the verdict of the TLS library in it.
    if let sqlx::Error::Io(cause) = &error
        && cause.kind() == std::io::ErrorKind::InvalidData
    {
        return Error::new(ErrorKind::Tls, cause.to_string())
            .caused_by(error)
            .help(TLS_STEP);
    }
    if let (sqlx::Error::Io(cause), Some((host, port))) = (&error, way.hosts.first()) {
        return Error::new(ErrorKind::Unreachable, unreachable_words(host, *port, cause)).caused_by(error);
    }
    let error = Error::from(error);
    match error.kind() {
        ErrorKind::Auth if from_file => error.with_credential_file(),
        ErrorKind::Tls => error.help(TLS_STEP),
        _ => error,
    }
}
