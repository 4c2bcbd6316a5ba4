//! Opening a MongoDB connection: the attempt, and the proof by a command.

use super::options::Plan;
use super::topology::{self, Judged};
use crate::cause::{all_refuse, with_cause};
use crate::connection::Opened;
use crate::error::Error;
use crate::kind::ErrorKind;
use mongodb::Database;
use mongodb::bson::{Document, doc};
use std::time::Duration;

/// The proof by a command. The driver waits for a server until `connect_timeout` whatever the cause: plain sockets
/// beside it find out when there is nothing to wait for.
pub(super) async fn open(
    connect_timeout: Duration,
    plan: &Plan,
    ready: Option<&Database>,
) -> Result<(Database, Opened), Error> {
    let database = match ready {
        Some(database) => database.clone(),
        None => plan.resolved().await?,
    };
    let hosts = plan.hosts();
    let attempt = async {
        let ping = async {
            // `buildInfo` needs no right; `ping` would prove no login.
            let info = ask_someone(&database, hosts, doc! { "buildInfo": 1 }).await?;
            // A login is proven by a command that needs one.
            ask_someone(&database, hosts, doc! { "ping": 1 }).await?;
            Ok::<_, Error>(info.get_str("version").map(str::to_owned).unwrap_or_default())
        };
        if hosts.is_empty() {
            return ping.await;
        }
        tokio::select! {
            version = ping => version,
            refused = all_refuse(hosts) => Err(refused),
        }
    };
    let found = with_cause(hosts, connect_timeout, "MongoDB", |_| None, attempt).await;
    let version = found.map_err(|error| {
        // A server without TLS ends the session, as one does that is just being started.
        let error = match error.kind() {
            ErrorKind::Timeout if plan.is_encrypted() => error.help(topology::NO_TLS),
            _ => error,
        };
        if plan.from_file {
            error.with_credential_file()
        } else {
            error
        }
    })?;
    Ok((
        database,
        Opened {
            detail: format!("MongoDB {version}"),
        },
    ))
}

/// Runs a command where reads go: without a primary, those who read from secondaries have what they need.
pub(super) async fn ask(database: &Database, command: Document) -> mongodb::error::Result<Document> {
    let asking = database.run_command(command);
    match database.selection_criteria() {
        Some(criteria) => asking.selection_criteria(criteria.clone()).await,
        None => asking.await,
    }
}

/// The same, and no answer as long as the driver knows nothing about the hosts: plain sockets tell more then.
async fn ask_someone(
    database: &Database,
    hosts: &[(String, u16)],
    command: Document,
) -> Result<Document, Error> {
    let error = match ask(database, command).await {
        Ok(reply) => return Ok(reply),
        Err(error) => error,
    };
    match topology::judged(&error, hosts) {
        Judged::AsItIs => Err(error.into()),
        Judged::Explained(explained) => Err(explained.caused_by(error)),
        // The caller bounds it.
        Judged::Silent => std::future::pending().await,
    }
}
