//! The command lines of the verbs.

use crate::exit::{self, Failure};
use crate::start::Start;
use crate::supervise::time;
use clap::{Args, Subcommand};
use registry_core::tasks::{MigrateTo, Verb};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Subcommand)]
pub(crate) enum Verbs {
    Create(Create),
    Drop(Drop),
    Migrate(Migrate),
    Fill(Fill),
    Clear(Clear),
    Purge(Purge),
    Build(Build),
    Rebuild(Rebuild),
    Refill(Refill),
}

/// What every verb can be told.
#[derive(Args)]
pub(crate) struct Common {
    /// `mysql.main`, or `mysql` for all of a backend. Default: every connection without `tasks = false`
    #[arg(value_name = "CONNECTION")]
    pub(super) connections: Vec<String>,
    /// Say what would happen, and what is refused; change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// How long to wait for servers that are still starting
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    pub(super) wait: Duration,
    /// How long one step on one connection may take. Default: 1h
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(super) step_deadline: Option<Duration>,
    /// Print the report, or the plan, as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// The folder with migrations/ and fixtures/. Default: that of the file
    #[arg(long, value_name = "PATH")]
    pub(super) root: Option<PathBuf>,
    /// The folder of migrations, when it is not migrations/ of the root
    #[arg(long, value_name = "PATH")]
    pub(super) migrations: Option<PathBuf>,
    #[command(flatten)]
    pub(super) start: Start,
}

impl Common {
    /// The folder with migrations/ and fixtures/.
    pub(super) fn root(&self) -> PathBuf {
        self.root.clone().unwrap_or_else(|| self.start.folder())
    }
}

/// A time that something may take: not none at all.
fn some_time(text: &str) -> Result<Duration, String> {
    let given = time(text)?;
    if given.is_zero() {
        return Err("expected a time above zero such as `10m` or `4h`".to_owned());
    }
    Ok(given)
}

/// The way around protection.
#[derive(Args)]
pub(crate) struct Destroy {
    /// Go on although this connection is protected; its exact name, such as mysql.main. May be said several times
    #[arg(long = "i-know-this-destroys", value_name = "NAME")]
    known: Vec<String>,
}

/// For servers that others use too.
#[derive(Args)]
pub(crate) struct Keys {
    /// memcached without a `prefix`, or that cannot list its keys: flush the whole server, with the keys of others
    #[arg(long)]
    all_keys: bool,
}

/// For fixtures that were filled before.
#[derive(Args)]
pub(crate) struct Again {
    /// Write fixtures again that were filled before, with the same result as once
    #[arg(long)]
    replace: bool,
}

/// Create the databases that are missing
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg create
  dbreg create mysql.main --wait 60s

Exit status: 0 done; 78 a person has to mend something, 69 an outage; 2 the command line is wrong; 128 + n a signal")]
pub(crate) struct Create {
    #[command(flatten)]
    common: Common,
}

/// Remove the databases with everything in them
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg drop mysql.main --dry-run
  dbreg drop mysql.main --profile production --i-know-this-destroys mysql.main

Exit status: 0 done; 78 a person has to mend something, or a connection is protected and nothing was done to any; 69 an
outage; 2 the command line is wrong; 128 + n a signal")]
pub(crate) struct Drop {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    destroy: Destroy,
}

/// Apply the migrations that were not applied yet, or take some back
///
/// They are in migrations/BACKEND.CONNECTION/, as VERSION_NAME.sql, or VERSION_NAME.up.sql and .down.sql; for MongoDB as
/// .json or .toml. Two at once are safe: each is applied once.
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg migrate
  dbreg migrate mysql.main --to 20261101
  dbreg migrate mysql.main --revert           # the last one
  dbreg migrate mysql.main --revert --to 0    # all of them
  dbreg migrate status mysql.main             # or --status

Exit status: 0 done, or with --status nothing is amiss; 78 a person has to mend something, or a connection is protected
and was not to be reverted; 69 an outage; 2 the command line is wrong; 128 + n a signal")]
pub(crate) struct Migrate {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    destroy: Destroy,
    /// Take back the last migration, or with --to those above a version
    #[arg(long, conflicts_with = "status")]
    revert: bool,
    /// The version to go to; with --revert, 0 is before the first
    #[arg(long, value_name = "VERSION", conflicts_with = "status", value_parser = clap::value_parser!(i64).range(0..))]
    to: Option<i64>,
    /// Say what became of each migration; change nothing
    #[arg(long, conflicts_with = "dry_run")]
    status: bool,
}

/// Write the fixtures: rows, documents, entries
///
/// They are in fixtures/BACKEND.CONNECTION/, as GROUP-NAME.toml, .json, .csv or .sql, and are written by ascending group.
/// A file that was filled before is left alone; when there is no other, it is an error without --replace.
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg fill
  dbreg fill mysql.main --replace

Exit status: 0 done; 78 a person has to mend something, or a connection is protected and nothing was done to any; 69 an
outage; 2 the command line is wrong; 128 + n a signal")]
pub(crate) struct Fill {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    destroy: Destroy,
    #[command(flatten)]
    again: Again,
}

/// Remove the data; the structure and the record of migrations stay
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg clear mysql.main
  dbreg clear memcached.cache --all-keys

Exit status: 0 done; 78 a person has to mend something, or a connection is protected and nothing was done to any; 69 an
outage; 2 the command line is wrong; 128 + n a signal")]
pub(crate) struct Clear {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    destroy: Destroy,
    #[command(flatten)]
    keys: Keys,
}

/// Remove tables or collections with what is in them; the database stays
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg purge mysql.main --dry-run
  dbreg purge mysql.main

Exit status: 0 done; 78 a person has to mend something, or a connection is protected and nothing was done to any; 69 an
outage; 2 the command line is wrong; 128 + n a signal")]
pub(crate) struct Purge {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    destroy: Destroy,
    #[command(flatten)]
    keys: Keys,
}

/// Prepare the databases: create, migrate, fill
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg build --wait 60s
  dbreg dev -- sh -c 'dbreg build && cargo run'

Exit status: 0 done; 78 a person has to mend something, or a connection is protected and nothing was done to any; 69 an
outage; 2 the command line is wrong; 128 + n a signal")]
pub(crate) struct Build {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    destroy: Destroy,
    #[command(flatten)]
    again: Again,
}

/// Start over: drop, create, migrate, fill
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg rebuild
  dbreg rebuild sqlite.local --json

Exit status: 0 done; 78 a person has to mend something, or a connection is protected and nothing was done to any; 69 an
outage; 2 the command line is wrong; 128 + n a signal")]
pub(crate) struct Rebuild {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    destroy: Destroy,
    #[command(flatten)]
    again: Again,
}

/// Write the data anew: clear, fill
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg refill mysql.main
  dbreg refill memcached.cache --all-keys

Exit status: 0 done; 78 a person has to mend something, or a connection is protected and nothing was done to any; 69 an
outage; 2 the command line is wrong; 128 + n a signal")]
pub(crate) struct Refill {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    destroy: Destroy,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    again: Again,
}

/// What was asked for, whichever verb it is.
pub(super) struct Request<'a> {
    pub(super) verb: Verb,
    pub(super) common: &'a Common,
    pub(super) connections: &'a [String],
    pub(super) known: &'a [String],
    pub(super) all_keys: bool,
    pub(super) replace: bool,
    pub(super) to: MigrateTo,
    pub(super) status: bool,
}

impl<'a> Request<'a> {
    fn new(verb: Verb, common: &'a Common) -> Self {
        Self {
            verb,
            common,
            connections: &common.connections,
            known: &[],
            all_keys: false,
            replace: false,
            to: MigrateTo::default(),
            status: false,
        }
    }

    fn destroys(self, destroy: &'a Destroy) -> Self {
        Self {
            known: &destroy.known,
            ..self
        }
    }

    fn keys(self, keys: &Keys) -> Self {
        Self {
            all_keys: keys.all_keys,
            ..self
        }
    }

    fn again(self, again: &Again) -> Self {
        Self {
            replace: again.replace,
            ..self
        }
    }
}

impl Verbs {
    pub(super) fn request(&self) -> Result<Request<'_>, Failure> {
        Ok(match self {
            Self::Create(Create { common }) => Request::new(Verb::Create, common),
            Self::Drop(it) => Request::new(Verb::Drop, &it.common).destroys(&it.destroy),
            Self::Migrate(it) => it.request()?,
            Self::Fill(it) => Request::new(Verb::Fill, &it.common)
                .destroys(&it.destroy)
                .again(&it.again),
            Self::Clear(it) => Request::new(Verb::Clear, &it.common)
                .destroys(&it.destroy)
                .keys(&it.keys),
            Self::Purge(it) => Request::new(Verb::Purge, &it.common)
                .destroys(&it.destroy)
                .keys(&it.keys),
            Self::Build(it) => Request::new(Verb::Build, &it.common)
                .destroys(&it.destroy)
                .again(&it.again),
            Self::Rebuild(it) => Request::new(Verb::Rebuild, &it.common)
                .destroys(&it.destroy)
                .again(&it.again),
            Self::Refill(it) => Request::new(Verb::Refill, &it.common)
                .destroys(&it.destroy)
                .keys(&it.keys)
                .again(&it.again),
        })
    }
}

/// The word that `migrate` takes in place of `--status`.
const STATUS: &str = "status";

fn is_near(word: &str) -> bool {
    registry_config::suggest(word, [STATUS]).is_some()
}

impl Migrate {
    /// `migrate status` is `migrate --status`: no connection has such a name, which has a `.` or is a backend's.
    fn request(&self) -> Result<Request<'_>, Failure> {
        let request = Request {
            to: self.to()?,
            status: self.status,
            ..Request::new(Verb::Migrate, &self.common).destroys(&self.destroy)
        };
        Ok(match request.connections.split_first() {
            Some((word, connections)) if word == STATUS => Request {
                status: true,
                connections,
                ..request
            },
            // It cannot be a connection, and looks like the other word that may stand there.
            Some((word, _))
                if !word.contains('.') && registry_config::backend(word).is_none() && is_near(word) =>
            {
                let message =
                    format!("expected `status` or a connection, found `{word}`; did you mean `{STATUS}`?");
                return Err(Failure(exit::USAGE, Some(message)));
            }
            _ => request,
        })
    }

    fn to(&self) -> Result<MigrateTo, Failure> {
        match (self.revert, self.to) {
            (false, None) => Ok(MigrateTo::Latest),
            (false, Some(0)) => {
                let message =
                    "no migration has the version 0; write `--revert --to 0` to take all of them back";
                Err(Failure(exit::USAGE, Some(message.to_owned())))
            }
            (false, Some(version)) => Ok(MigrateTo::Version(version)),
            (true, None) => Ok(MigrateTo::RevertOne),
            (true, Some(version)) => Ok(MigrateTo::RevertTo(version)),
        }
    }
}
