//! `dbreg migrate --status`: what became of each migration.

use super::code;
use crate::exit;
use crate::paint::{Ink, Paint};
use crate::table::Table;
use registry_core::tasks::{MigrationState, MigrationStatus, Tasks};
use registry_core::{EXIT_CONFIG, Error};
use serde_json::{Value as Json, json};

/// Prints it. What is amiss, a migration that was changed, is lost or half applied, needs a person.
pub(super) async fn tell(tasks: &Tasks, as_json: bool, paint: Paint) -> u8 {
    let all = tasks.migration_status().await;
    let mut table = Table::new(&["CONNECTION", "VERSION", "NAME", "STATE"]);
    let mut array = Vec::new();
    let mut codes = vec![0];
    for (connection, status) in &all {
        match status {
            Ok(status) => {
                codes.extend(status.iter().filter(|one| is_amiss(one)).map(|_| EXIT_CONFIG));
                if status.is_empty() {
                    table.row(cells(connection, "-", "-", (Ink::Faint, "no migrations")));
                }
                for one in status {
                    let state = one.state.to_string();
                    table.row(cells(
                        connection,
                        &one.version.to_string(),
                        &one.name,
                        (ink(one), &state),
                    ));
                }
            }
            Err(error) => {
                codes.push(error.exit_code());
                table.row(cells(connection, "-", "-", (Ink::Bad, error.message())));
            }
        }
        array.push(object(connection, status));
    }
    let text = if as_json {
        format!("{:#}\n", Json::Array(array))
    } else {
        table.render(paint)
    };
    exit::print(text, codes.into_iter().max().map_or(exit::SUCCESS, code))
}

fn is_amiss(one: &MigrationStatus) -> bool {
    !matches!(one.state, MigrationState::Pending | MigrationState::Applied(_))
}

fn ink(one: &MigrationStatus) -> Ink {
    match one.state {
        MigrationState::Applied(_) => Ink::Good,
        MigrationState::Pending => Ink::Doubtful,
        _ => Ink::Bad,
    }
}

fn cells(connection: &str, version: &str, name: &str, (ink, state): (Ink, &str)) -> [(Ink, String); 4] {
    [
        (Ink::Plain, connection.to_owned()),
        (Ink::Plain, version.to_owned()),
        (Ink::Plain, name.to_owned()),
        (ink, state.to_owned()),
    ]
}

fn object(connection: &str, status: &Result<Vec<MigrationStatus>, Error>) -> Json {
    let migration = |one: &MigrationStatus| {
        let (state, at) = match &one.state {
            MigrationState::Pending => ("pending", None),
            MigrationState::Applied(at) => ("applied", at.as_ref()),
            MigrationState::Changed => ("changed", None),
            MigrationState::Missing => ("missing", None),
            MigrationState::HalfApplied => ("half-applied", None),
            _ => ("unknown", None),
        };
        json!({ "version": one.version, "name": one.name, "state": state, "applied_at": at })
    };
    match status {
        Ok(status) => {
            let migrations: Vec<Json> = status.iter().map(migration).collect();
            json!({ "connection": connection, "migrations": migrations, "error": null })
        }
        Err(error) => json!({
            "connection": connection,
            "migrations": [],
            "error": { "kind": error.kind().name(), "message": error.message(), "next": error.next_step() },
        }),
    }
}
