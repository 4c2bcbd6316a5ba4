//! Migrations: applied and reverted command by command, so that one that broke off can go on.

use super::command::Command;
use super::journal::{self, Journal, Loaded, Record, State};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{
    Done, MigrateTo, Migration, MigrationState, MigrationStatus, Migrations, Script, Tell, may_begin,
};
use mongodb::Database;

/// Applies what was not applied yet, by ascending version.
pub(super) async fn migrate(
    database: &Database,
    migrations: &Migrations,
    to: MigrateTo,
    tell: Tell<'_>,
) -> Result<Done, Error> {
    let journal = Journal::new(database);
    let loaded = journal::load(migrations)?;
    let records = journal.read().await?;
    check(&loaded, &records)?;
    let last = match to {
        MigrateTo::Version(version) => limit(migrations, &records, version)?,
        _ => i64::MAX,
    };
    let mut applied = 0_usize;
    for one in loaded.iter().filter(|one| one.migration.version <= last) {
        let record = records
            .iter()
            .find(|record| record.version == one.migration.version);
        if record.is_some_and(|record| record.state == State::Applied) {
            continue;
        }
        may_begin(one.migration)?;
        apply(database, &journal, one, record).await?;
        applied += 1;
        tell(format!("applied {}", one.migration.label()));
    }
    let of_folder = loaded.iter().map(|one| one.migration.version);
    let applied_before = records.iter().map(|record| record.version);
    let reached = of_folder.filter(|version| *version <= last).chain(applied_before);
    let version = reached.max().unwrap_or(0);
    Ok(match applied {
        0 => Done::nothing(format!("at version {version} already")),
        1 => Done::changed(format!("applied 1 migration, at version {version}")),
        many => Done::changed(format!("applied {many} migrations, at version {version}")),
    })
}

/// Takes back what was applied, by descending version.
pub(super) async fn revert(
    database: &Database,
    migrations: &Migrations,
    to: MigrateTo,
    tell: Tell<'_>,
) -> Result<Done, Error> {
    let journal = Journal::new(database);
    let loaded = journal::load(migrations)?;
    let records = journal.read().await?;
    check(&loaded, &records)?;
    let above = match to {
        MigrateTo::RevertTo(0) => 0,
        MigrateTo::RevertTo(version) if migrations.get(version).is_none() => {
            return Err(no_such_version(migrations, version));
        }
        MigrateTo::RevertTo(version) => version,
        _ => records.iter().rev().nth(1).map_or(0, |record| record.version),
    };
    let mut chosen = Vec::new();
    for record in records.iter().rev().filter(|record| record.version > above) {
        let one = loaded.iter().find(|one| one.migration.version == record.version);
        let one = one.expect("a record without its migration was refused");
        let label = one.migration.label();
        if record.state == State::Applying {
            let message = format!("migration {label} is half applied");
            return Err(
                Error::new(ErrorKind::Operation, message).help("run `migrate` first: it goes on with it")
            );
        }
        let (Some(down), Some(script)) = (&one.down, &one.migration.down) else {
            let message = format!("migration {label} cannot be reverted: it has no `.down` file");
            return Err(Error::new(ErrorKind::Config, message).help(format!(
                "write what takes it back beside `{}`, as `.up` and `.down`",
                one.migration.up.path.display()
            )));
        };
        chosen.push((one, record, down, script));
    }
    let reverted = chosen.len();
    for (one, record, down, script) in chosen {
        take_back(database, &journal, one, record, down, script).await?;
        tell(format!("reverted {}", one.migration.label()));
    }
    Ok(match reverted {
        0 => Done::nothing("nothing to revert"),
        1 => Done::changed(format!("reverted 1 migration, at version {above}")),
        many => Done::changed(format!("reverted {many} migrations, at version {above}")),
    })
}

/// What became of each migration.
pub(super) async fn status(
    database: &Database,
    migrations: &Migrations,
) -> Result<Vec<MigrationStatus>, Error> {
    let loaded = journal::load(migrations)?;
    let records = Journal::new(database).read().await?;
    let mut all: Vec<MigrationStatus> = Vec::new();
    for one in &loaded {
        let Migration { version, name, .. } = one.migration;
        let record = records.iter().find(|record| record.version == *version);
        let state = match record {
            None => MigrationState::Pending,
            Some(record) if record.state != State::Applied => MigrationState::HalfApplied,
            Some(record) if record.checksum != one.checksum => MigrationState::Changed,
            Some(record) => MigrationState::Applied(record.at.clone()),
        };
        all.push(MigrationStatus::new(*version, name.as_str(), state));
    }
    for record in &records {
        if migrations.get(record.version).is_none() {
            let name = record.name.as_str();
            all.push(MigrationStatus::new(
                record.version,
                name,
                MigrationState::Missing,
            ));
        }
    }
    all.sort_by_key(|one| one.version);
    Ok(all)
}

/// Refuses when the folder and the record do not fit, and tells all of it.
fn check(loaded: &[Loaded<'_>], records: &[Record]) -> Result<(), Error> {
    let mut found = Vec::new();
    for record in records {
        let Record { version, name, .. } = record;
        match loaded.iter().find(|one| one.migration.version == *version) {
            None => found.push(format!(
                "migration {version} {name} was applied, and its file is gone"
            )),
            Some(one) if record.state == State::Applied && record.checksum != one.checksum => {
                found.push(format!(
                    "migration {version} {name} was applied, and its file was changed since"
                ));
            }
            Some(_) => {}
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, found.join("; "))
        .help("give back the files as they were applied, and write what is to change into a new migration"))
}

fn no_such_version(migrations: &Migrations, version: i64) -> Error {
    let message = format!(
        "there is no migration {version} in `{}`",
        migrations.folder.display()
    );
    Error::new(ErrorKind::Config, message).help(format!("the last one is {}", migrations.last_version()))
}

/// The version to go to, if it can be gone to.
fn limit(migrations: &Migrations, records: &[Record], version: i64) -> Result<i64, Error> {
    if migrations.get(version).is_none() {
        return Err(no_such_version(migrations, version));
    }
    match records.last() {
        Some(last) if last.version > version => {
            let message = format!(
                "migration {} {} is applied already, which is above {version}",
                last.version, last.name
            );
            Err(Error::new(ErrorKind::Config, message).help("`migrate --revert --to VERSION` goes back"))
        }
        _ => Ok(version),
    }
}

async fn apply(
    database: &Database,
    journal: &Journal,
    one: &Loaded<'_>,
    record: Option<&Record>,
) -> Result<(), Error> {
    let Migration {
        version, name, up, ..
    } = one.migration;
    let begun = match record {
        Some(record) if record.state == State::Reverting => {
            let message = format!("migration {} is half reverted", one.migration.label());
            return Err(Error::new(ErrorKind::Operation, message)
                .help("run `migrate --revert` first: it goes on with it"));
        }
        begun => begun,
    };
    let mut record = Record {
        version: *version,
        name: name.clone(),
        checksum: one.checksum.clone(),
        state: State::Applying,
        done: begun.map(|record| record.done.clone()).unwrap_or_default(),
        running: begun.and_then(|record| record.running),
        at: None,
    };
    let run = carry_out(database, journal, &mut record, &one.up, up).await;
    if run.is_err() && record.done.is_empty() && record.running.is_none() {
        // Nothing of it was carried out: it is as it was.
        journal.remove(record.version).await?;
    }
    run?;
    record.state = State::Applied;
    record.at = Some(journal::now());
    journal.write(&record).await
}

async fn take_back(
    database: &Database,
    journal: &Journal,
    one: &Loaded<'_>,
    applied: &Record,
    down: &[Command],
    script: &Script,
) -> Result<(), Error> {
    let mut record = applied.clone();
    if record.state == State::Applied {
        record.state = State::Reverting;
        record.done.clear();
        record.running = None;
    }
    let run = carry_out(database, journal, &mut record, down, script).await;
    if run.is_err() && record.done.is_empty() && record.running.is_none() && applied.state == State::Applied {
        journal.write(applied).await?;
    }
    run?;
    journal.remove(one.migration.version).await
}

/// Carries out the commands that are not done yet.
async fn carry_out(
    database: &Database,
    journal: &Journal,
    record: &mut Record,
    commands: &[Command],
    script: &Script,
) -> Result<(), Error> {
    let path = script.path.display();
    let label = format!("{} {}", record.version, record.name);
    let same = |(done, command): (&String, &Command)| *done == command.checksum;
    if record.done.len() > commands.len() || !record.done.iter().zip(commands).all(same) {
        let message = format!(
            "migration {label} is half done, and its first commands, which were carried out, have been changed in `{path}`"
        );
        return Err(Error::new(ErrorKind::Config, message).help(format!(
            "give back the first {} commands as they were",
            record.done.len()
        )));
    }
    let again = again(record, commands, &label)?;
    for (at, command) in commands.iter().enumerate().skip(record.done.len()) {
        record.running = i64::try_from(at).ok();
        journal.write(record).await?;
        let place = || {
            format!(
                "command {} of {} (`{}`) of `{path}`",
                at + 1,
                commands.len(),
                command.name
            )
        };
        match send(database, command, again == Some(at)).await {
            Ok(()) => record.done.push(command.checksum.clone()),
            Err((error, true)) => {
                record.running = None;
                journal.write(record).await?;
                let message = format!("{}: {}", place(), error.message());
                return Err(Error::new(error.kind(), message)
                    .transient(error.is_transient())
                    .help("correct it and run this again: it goes on with this command"));
            }
            Err((error, false)) => {
                let message = format!(
                    "{}: {}; it is not known whether it was carried out",
                    place(),
                    error.message()
                );
                return Err(Error::new(error.kind(), message)
                    .transient(error.is_transient())
                    .help(
                        "run this again: it goes on where that is safe, and says what to do where it is not",
                    ));
            }
        }
    }
    record.running = None;
    Ok(())
}

/// The command that may have been carried out before, if it may be sent again.
fn again(record: &Record, commands: &[Command], label: &str) -> Result<Option<usize>, Error> {
    let Some(running) = record.running.and_then(|running| usize::try_from(running).ok()) else {
        return Ok(None);
    };
    let Some(command) = commands.get(running).filter(|_| running == record.done.len()) else {
        // Its answer was there, and the next one was not sent yet; or it is not in the file any more, and so is not sent.
        return Ok(None);
    };
    if journal::is_repeatable(&command.name) {
        return Ok(Some(running));
    }
    let number = running + 1;
    let message = format!(
        "migration {label} broke off in its command {number} of {} (`{}`), and it is not known whether that was carried out",
        commands.len(),
        command.name
    );
    let version = record.version;
    let was = format!(
        "{{ $push: {{ done: \"{}\" }}, $set: {{ running: null }} }}",
        command.checksum
    );
    let was = journal::by_hand(version, &was);
    let was_not = journal::by_hand(version, "{ $set: { running: null } }");
    Err(Error::new(ErrorKind::Operation, message).help(format!(
        "look, and then write in the shell of MongoDB, if it was: `{was}`; if it was not: `{was_not}`; and run this again"
    )))
}

/// Sends a command. The error comes with whether the server surely did nothing.
async fn send(database: &Database, command: &Command, again: bool) -> Result<(), (Error, bool)> {
    let reply = match database.run_command(command.document.clone()).await {
        Ok(reply) => reply,
        Err(error) => {
            let Some((code, message)) = journal::refusal(&error) else {
                return Err((error.into(), false));
            };
            if again && journal::was_done_before(&command.name, code) {
                return Ok(());
            }
            let error = Error::from(error);
            return Err(match error.kind() {
                ErrorKind::Auth | ErrorKind::Operation => (error, true),
                ErrorKind::Protocol => (Error::new(ErrorKind::Operation, message), true),
                // By a server that was interrupted.
                _ => (error, false),
            });
        }
    };
    match journal::failure_in(&reply) {
        Some((message, is_clean)) => Err((Error::new(ErrorKind::Operation, message), is_clean)),
        None => Ok(()),
    }
}
