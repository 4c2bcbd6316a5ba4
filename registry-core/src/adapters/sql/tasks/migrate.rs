//! Migrations through sqlx: its table, its checksums, its lock, its way to apply and to revert one.

use super::dialect::{Dialect, MIGRATIONS, Own};
use super::session::Session;
use crate::adapters::sql::NO_TABLE;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{
    Done, MigrateTo, Migration, MigrationState, MigrationStatus, Migrations, Script, Tell, may_begin, to_hex,
};
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, MigrationType};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Applies what is pending.
pub(super) async fn migrate(
    dialect: &dyn Dialect,
    migrations: &Migrations,
    to: MigrateTo,
    tell: Tell<'_>,
) -> Result<Done, Error> {
    let mut session = dialect.open().await?;
    session.lock().await?;
    let done = apply_pending(dialect, &mut *session, migrations, to, tell).await;
    // When this fails, the lock ends with the session.
    let unlocked = session.unlock().await;
    session.end().await;
    let done = done?;
    unlocked?;
    Ok(done)
}

/// Reverts what was applied.
pub(super) async fn revert(
    dialect: &dyn Dialect,
    migrations: &Migrations,
    to: MigrateTo,
    tell: Tell<'_>,
) -> Result<Done, Error> {
    let mut session = dialect.open().await?;
    session.lock().await?;
    let done = revert_applied(dialect, &mut *session, migrations, to, tell).await;
    let unlocked = session.unlock().await;
    session.end().await;
    let done = done?;
    unlocked?;
    Ok(done)
}

/// What became of each migration. It changes nothing.
pub(super) async fn status(
    dialect: &dyn Dialect,
    migrations: &Migrations,
) -> Result<Vec<MigrationStatus>, Error> {
    let mut session = dialect.open().await?;
    let recorded = recorded(dialect, &mut *session).await;
    session.end().await;
    Ok(joined(migrations, &recorded?))
}

/// A row of sqlx's table.
struct Recorded {
    name: String,
    at: String,
    success: bool,
    checksum: String,
}

async fn recorded(
    dialect: &dyn Dialect,
    session: &mut dyn Session,
) -> Result<BTreeMap<i64, Recorded>, Error> {
    let mut found = BTreeMap::new();
    let own = dialect.own(session, MIGRATIONS).await?;
    if !own.is_there {
        return Ok(found);
    }
    let table = &own.sql;
    let columns = ["version", "description", "installed_on", "success"].map(|column| dialect.as_text(column));
    let sql = format!("select {} from {table} order by version", columns.join(", "));
    let rows = session.rows(sql, Vec::new()).await?;
    let applied = session.migrator().list_applied_migrations(table).await;
    let applied = applied.map_err(|error| explained(error, &own.told, None))?;
    for row in rows {
        let Ok([Some(version), name, at, success]) = <[Option<String>; 4]>::try_from(row) else {
            continue;
        };
        let Ok(version) = version.parse::<i64>() else {
            continue;
        };
        let checksum = applied.iter().find(|one| one.version == version);
        let success = matches!(success.as_deref(), Some("1" | "true" | "t"));
        let recorded = Recorded {
            name: name.unwrap_or_default(),
            at: at.unwrap_or_default(),
            success,
            checksum: checksum.map(|one| to_hex(&one.checksum)).unwrap_or_default(),
        };
        found.insert(version, recorded);
    }
    Ok(found)
}

fn joined(migrations: &Migrations, recorded: &BTreeMap<i64, Recorded>) -> Vec<MigrationStatus> {
    let mut all = BTreeMap::new();
    for migration in &migrations.list {
        let state = match recorded.get(&migration.version) {
            None => MigrationState::Pending,
            Some(Recorded { success: false, .. }) => MigrationState::HalfApplied,
            Some(row) if row.checksum != to_hex(&up(migration).checksum) => MigrationState::Changed,
            Some(row) => MigrationState::Applied(Some(row.at.clone())),
        };
        let status = MigrationStatus::new(migration.version, &migration.name, state);
        all.insert(migration.version, status);
    }
    for (version, row) in recorded {
        all.entry(*version)
            .or_insert_with(|| MigrationStatus::new(*version, &row.name, MigrationState::Missing));
    }
    all.into_values().collect()
}

async fn apply_pending(
    dialect: &dyn Dialect,
    session: &mut dyn Session,
    migrations: &Migrations,
    to: MigrateTo,
    tell: Tell<'_>,
) -> Result<Done, Error> {
    let own = dialect.own(session, MIGRATIONS).await?;
    let applied = checked(session, &own, migrations).await?;
    let last = applied.last().copied().unwrap_or(0);
    let target = match to {
        MigrateTo::Version(version) => version,
        _ => i64::MAX,
    };
    if target < i64::MAX && migrations.get(target).is_none() {
        return Err(migrations.no_such_version(target));
    }
    if target < last {
        return Err(Migrations::is_above(last, target));
    }
    let mut count = 0_usize;
    for migration in &migrations.list {
        if migration.version > target || applied.contains(&migration.version) {
            continue;
        }
        may_begin(migration)?;
        let result = session.migrator().apply(&own.sql, &up(migration)).await;
        result.map_err(|error| explained(error, &own.told, Some(&migration.up)))?;
        enter(dialect, session).await?;
        tell(format!("applied {}", migration.label()));
        count += 1;
    }
    let at = migrations
        .list
        .iter()
        .map(|one| one.version)
        .filter(|version| *version <= target);
    let version = at.max().unwrap_or(0).max(last);
    Ok(match count {
        0 => Done::nothing(format!("at version {version} already")),
        1 => Done::changed(format!("applied 1 migration, at version {version}")),
        many => Done::changed(format!("applied {many} migrations, at version {version}")),
    })
}

async fn revert_applied(
    dialect: &dyn Dialect,
    session: &mut dyn Session,
    migrations: &Migrations,
    to: MigrateTo,
    tell: Tell<'_>,
) -> Result<Done, Error> {
    let own = dialect.own(session, MIGRATIONS).await?;
    let applied = checked(session, &own, migrations).await?;
    let target = match to {
        MigrateTo::RevertTo(0) => 0,
        MigrateTo::RevertTo(version) | MigrateTo::Version(version) => {
            if migrations.get(version).is_none() {
                return Err(migrations.no_such_version(version));
            }
            version
        }
        _ => applied.iter().rev().nth(1).copied().unwrap_or(0),
    };
    let doomed: Vec<&Migration> = applied
        .iter()
        .rev()
        .filter(|version| **version > target)
        .filter_map(|version| migrations.get(*version))
        .collect();
    // Before the first is reverted: a gap in the middle would leave the database between two versions.
    if let Some(stuck) = doomed.iter().find(|migration| migration.down.is_none()) {
        return Err(stuck.cannot_be_reverted());
    }
    let mut count = 0_usize;
    for migration in doomed {
        let Some(script) = &migration.down else { continue };
        let down = as_sqlx(migration, script, MigrationType::ReversibleDown);
        let result = session.migrator().revert(&own.sql, &down).await;
        result.map_err(|error| explained(error, &own.told, Some(script)))?;
        enter(dialect, session).await?;
        tell(format!("reverted {}", migration.label()));
        count += 1;
    }
    Ok(match count {
        0 => Done::nothing("nothing to revert"),
        1 => Done::changed(format!("reverted 1 migration, at version {target}")),
        many => Done::changed(format!("reverted {many} migrations, at version {target}")),
    })
}

/// What follows a migration begins where it began.
async fn enter(dialect: &dyn Dialect, session: &mut dyn Session) -> Result<(), Error> {
    match dialect.enter()? {
        Some(sql) => session.script(sql).await,
        None => Ok(()),
    }
}

/// The versions that are applied, ascending, after a look whether they are those of the folder.
async fn checked(session: &mut dyn Session, own: &Own, migrations: &Migrations) -> Result<Vec<i64>, Error> {
    let migrator = session.migrator();
    let table = own.sql.as_str();
    let read = async {
        if !own.is_there {
            migrator.ensure_migrations_table(table).await?;
        }
        if let Some(version) = migrator.dirty_version(table).await? {
            return Err(MigrateError::Dirty(version));
        }
        migrator.list_applied_migrations(table).await
    };
    let half = |error: &MigrateError| match error {
        MigrateError::Dirty(version) => migrations.get(*version).map(|migration| &migration.up),
        _ => None,
    };
    let applied = read.await.map_err(|error| {
        let script = half(&error);
        explained(error, &own.told, script)
    })?;
    for one in &applied {
        let Some(migration) = migrations.get(one.version) else {
            return Err(explained(
                MigrateError::VersionMissing(one.version),
                &own.told,
                None,
            ));
        };
        if up(migration).checksum != one.checksum {
            let error = MigrateError::VersionMismatch(one.version);
            return Err(explained(error, &own.told, Some(&migration.up)));
        }
    }
    let mut versions: Vec<i64> = applied.iter().map(|one| one.version).collect();
    versions.sort_unstable();
    Ok(versions)
}

fn up(migration: &Migration) -> sqlx::migrate::Migration {
    let kind = match migration.down {
        Some(_) => MigrationType::ReversibleUp,
        None => MigrationType::Simple,
    };
    as_sqlx(migration, &migration.up, kind)
}

fn as_sqlx(migration: &Migration, script: &Script, kind: MigrationType) -> sqlx::migrate::Migration {
    let of = |text: &str| {
        sqlx::migrate::Migration::new(
            migration.version,
            Cow::Owned(migration.name.clone()),
            kind,
            sqlx::AssertSqlSafe(text.to_owned()).into_sql_str(),
            is_without_transaction(script),
        )
    };
    let text = without_mark(script);
    let mut whole = of(text);
    if text.len() < script.text.len() {
        // As sqlx's own command line has it: that of the file.
        whole.checksum = of(&script.text).checksum;
    }
    whole
}

/// The text without the byte order mark of some editors, which servers take for a part of the first word.
fn without_mark(script: &Script) -> &str {
    script.text.trim_start_matches('\u{feff}')
}

fn is_without_transaction(script: &Script) -> bool {
    without_mark(script).starts_with("-- no-transaction")
}

/// What sqlx says of a migration, with the file, and with what to do.
fn explained(error: MigrateError, table: &str, script: Option<&Script>) -> Error {
    let file = script
        .map(|script| format!("{}: ", script.path.display()))
        .unwrap_or_default();
    match error {
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => {
            let cause = Error::from(cause);
            // A right that is missing, too: the login was taken.
            let refused = matches!(cause.kind(), ErrorKind::Operation | ErrorKind::Auth);
            if !refused || cause.is_transient() {
                return cause;
            }
            // The server understood and refused: what passes by no waiting.
            let mut message = format!("{file}{}", cause.message());
            let mut help = cause
                .next_step()
                .filter(|help| *help != NO_TABLE)
                .map(str::to_owned);
            if script.is_some_and(is_without_transaction) {
                message += "; it runs without a transaction, so that what came before this statement stays";
                help.get_or_insert("undo that by hand, and then migrate again".to_owned());
            }
            let told = Error::new(ErrorKind::Config, message).caused_by(cause);
            match help {
                Some(help) => told.help(help),
                None => told,
            }
        }
        MigrateError::Dirty(version) => {
            let message = format!("{file}the migration {version} is half applied: it began and did not end");
            let help = format!(
                "see which of its statements were done and undo them by hand, then \
                 `delete from {table} where version = {version}` and migrate again"
            );
            Error::new(ErrorKind::Config, message).help(help)
        }
        MigrateError::VersionMismatch(version) => {
            let message = format!("{file}the migration {version} was changed after it was applied");
            let help = "put the file back as it was, and write the change as a new migration";
            Error::new(ErrorKind::Config, message).help(help)
        }
        MigrateError::VersionMissing(version) => {
            let message =
                format!("the migration {version} was applied, and no file of the folder has this version");
            let help =
                "put the file back: a newer state of the folder was applied, or that of another connection";
            Error::new(ErrorKind::Config, message).help(help)
        }
        other => Error::new(ErrorKind::Config, other.to_string()),
    }
}
