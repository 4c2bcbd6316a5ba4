//! The record of migrations: what was carried out, command by command.
//!
//! Before a command is sent, its number is in `running`; after it, in `done`. Whoever finds a number in `running` does not
//! know whether that command was carried out.

use super::MIGRATIONS;
use super::command::{self, Command};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{Migration, Migrations};
use futures_util::TryStreamExt as _;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::{Collection, Database};
use serde::{Deserialize, Serialize};

/// The record of one migration.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub(super) struct Record {
    #[serde(rename = "_id")]
    pub(super) version: i64,
    pub(super) name: String,
    /// Of all its commands.
    pub(super) checksum: String,
    pub(super) state: State,
    /// The checksums of the commands that were carried out.
    pub(super) done: Vec<String>,
    /// The command that was sent and has no answer yet, from 0.
    pub(super) running: Option<i64>,
    /// When its last command was carried out, by the clock of who sent it, as RFC 3339 writes it.
    pub(super) at: Option<String>,
}

/// How far a migration is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Applying,
    Applied,
    Reverting,
}

/// This moment, as RFC 3339 writes it: text, which a shell shows as it is.
pub(super) fn now() -> String {
    let now = DateTime::now();
    now.try_to_rfc3339_string().unwrap_or_else(|_| now.to_string())
}

/// The collection of records.
pub(super) struct Journal {
    records: Collection<Record>,
}

impl Journal {
    pub(super) fn new(database: &Database) -> Self {
        Self {
            records: database.collection(MIGRATIONS),
        }
    }

    /// Every record, by ascending version.
    pub(super) async fn read(&self) -> Result<Vec<Record>, Error> {
        let found = self.records.find(doc! {}).await?.try_collect().await;
        let mut records: Vec<Record> = found.map_err(|error| {
            use mongodb::error::ErrorKind as Driver;
            match error.kind.as_ref() {
                Driver::BsonDeserialization(_) => {
                    let message = format!("`{MIGRATIONS}` holds a document that is no record of a migration");
                    Error::new(ErrorKind::Operation, message)
                        .help("it is for `dbreg` alone; remove what is not its own")
                }
                _ => error.into(),
            }
        })?;
        records.sort_by_key(|record| record.version);
        Ok(records)
    }

    /// Writes a record, in place of the one that is there.
    pub(super) async fn write(&self, record: &Record) -> Result<(), Error> {
        let of = doc! { "_id": record.version };
        self.records.replace_one(of, record).upsert(true).await?;
        Ok(())
    }

    pub(super) async fn remove(&self, version: i64) -> Result<(), Error> {
        self.records.delete_one(doc! { "_id": version }).await?;
        Ok(())
    }
}

/// A migration with its commands.
pub(super) struct Loaded<'m> {
    pub(super) migration: &'m Migration,
    pub(super) up: Vec<Command>,
    pub(super) down: Option<Vec<Command>>,
    pub(super) checksum: String,
}

/// Reads the commands of every migration.
///
/// # Errors
/// The mistakes of all files.
pub(super) fn load(migrations: &Migrations) -> Result<Vec<Loaded<'_>>, Error> {
    let mut loaded = Vec::with_capacity(migrations.list.len());
    let mut mistakes = Vec::new();
    for migration in &migrations.list {
        let up = command::read(&migration.up);
        let down = migration.down.as_ref().map(command::read).transpose();
        match (up, down) {
            (Ok(up), Ok(down)) => {
                let checksums: Vec<&str> = up.iter().map(|command| command.checksum.as_str()).collect();
                loaded.push(Loaded {
                    migration,
                    checksum: command::checksum(&checksums.join("\n")),
                    up,
                    down,
                });
            }
            (up, down) => {
                let errors = [up.err(), down.err()].into_iter().flatten();
                mistakes.extend(errors.map(|error| error.message().to_owned()));
            }
        }
    }
    if mistakes.is_empty() {
        return Ok(loaded);
    }
    Err(Error::new(ErrorKind::Config, mistakes.join("; ")))
}

/// A command that can be sent twice, and has the same effect as once.
pub(super) fn is_repeatable(name: &str) -> bool {
    matches!(
        name,
        "createIndexes" | "collMod" | "drop" | "dropIndexes" | "create"
    )
}

/// Whether a server refused a command because it was carried out before: the second time of one that is repeatable.
pub(super) fn was_done_before(name: &str, code: i32) -> bool {
    // Codes: NamespaceNotFound, IndexNotFound, NamespaceExists.
    matches!(
        (name, code),
        ("drop", 26) | ("dropIndexes", 27 | 26) | ("create", 48)
    )
}

/// The code and the words with which a server refused a command; nothing when it is not known whether it has.
pub(super) fn refusal(error: &mongodb::error::Error) -> Option<(i32, String)> {
    use mongodb::error::ErrorKind as Driver;
    match error.kind.as_ref() {
        Driver::Command(refusal) => Some((refusal.code, refusal.message.clone())),
        // Some stand-ins of MongoDB give no code, which the driver does not take for a refusal.
        Driver::InvalidResponse { .. } => {
            let message = error.server_response()?.get_str("errmsg").ok()?;
            Some((0, message.to_owned()))
        }
        _ => None,
    }
}

/// What the shell of MongoDB would be told about the record of a migration whose outcome a person has found out.
pub(super) fn by_hand(version: i64, change: &str) -> String {
    format!("db.{MIGRATIONS}.updateOne({{ _id: {version} }}, {change})")
}

/// The reply of a command as a failure: `ok: 1` may hold errors of single writes.
pub(super) fn failure_in(reply: &Document) -> Option<(String, bool)> {
    let errors = reply
        .get_array("writeErrors")
        .ok()
        .filter(|errors| !errors.is_empty());
    if let Some(errors) = errors {
        let first = errors.first().and_then(|error| error.as_document());
        let message = first
            .and_then(|error| error.get_str("errmsg").ok())
            .unwrap_or("a write failed");
        let written = reply
            .get_i32("n")
            .map_or_else(|_| reply.get_i64("n").unwrap_or(1), i64::from);
        return Some((message.to_owned(), written == 0));
    }
    let concern = reply.get_document("writeConcernError").ok()?;
    let message = concern
        .get_str("errmsg")
        .unwrap_or("the write is not known to be kept");
    Some((message.to_owned(), false))
}
