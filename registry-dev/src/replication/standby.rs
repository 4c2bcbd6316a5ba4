//! What one PostgreSQL server does as a standby: whom it follows, how far it is, and whether it can follow at all.

use super::{CATCH_UP, POLL};
use crate::account::Account;
use crate::postgres::{PostgresOptions, PostgresServer, STANDBY, without_variables};
use crate::server::blocking;
use crate::{Error, run};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::process::Command;
use std::time::{Duration, Instant};

const BACKUP: Duration = Duration::from_secs(120);
/// How long a server stands still that has a piece of a change only: the rest of it will never come.
const STILL: Duration = Duration::from_secs(1);

/// What makes a server fit to be a primary and a standby. `hot_standby` and `wal_level=replica` are defaults.
const REPLICATES: [(&str, &str); 7] = [
    // A commit is in the system's hands: it is there after a kill of the server.
    ("synchronous_commit", "on"),
    // A standby that was away finds everything when it comes back.
    ("wal_keep_size", "256MB"),
    ("max_wal_senders", "20"),
    // A primary notices soon which standbys are gone, and a standby that it stands again.
    ("wal_receiver_status_interval", "1s"),
    ("wal_retrieve_retry_interval", "100ms"),
    // One that hangs holds up the end of the other no longer than a server may take to end.
    ("wal_sender_timeout", "10s"),
    ("wal_receiver_timeout", "10s"),
];

/// What the log of a standby says when it cannot follow: it has changes that the other never had, or has been away for
/// longer than the other keeps its changes. No view of the server tells that; it would try again for ever.
const DIVERGED: [&str; 6] = [
    "forked off current database system timeline",
    "is not in this server's history",
    "is behind recovery timeline",
    "has already been removed",
    // These two are said at a start, which fails.
    "is not a child of this server's history",
    "does not contain minimum recovery point",
];

/// How far a standby is, whether its startup process, which applies changes, waits before it looks for more, and whether it
/// has applied everything that came.
const PROGRESS: &str = "select pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0'),
    exists (select from pg_stat_activity
        where backend_type = 'startup' and wait_event = 'RecoveryRetrieveRetryInterval'),
    pg_last_wal_replay_lsn() >= coalesce(pg_last_wal_receive_lsn(), '0/0')";

/// The options of a server that replicates.
pub(super) fn options(is_primary: bool) -> PostgresOptions {
    let options = if is_primary {
        PostgresOptions::default()
    } else {
        PostgresOptions::default().standby()
    };
    REPLICATES
        .iter()
        .fold(options, |options, (name, value)| options.setting(name, value))
}

impl PostgresServer {
    /// Changes settings by `alter system`, for the rest of its life.
    pub(super) async fn set(&self, statements: &str) -> Result<(), Error> {
        self.sql(format!("{statements}; select pg_reload_conf();"))
            .await?;
        // A session that begins now is let in by a server that has read the file, and has told its processes.
        self.sql("select 1").await.map(drop)
    }

    /// Follows another server, as one of this address and account, and applies what comes at once.
    pub(super) async fn follow(&self, leader: &str) -> Result<(), Error> {
        self.set(&format!(
            "alter system set primary_conninfo = '{leader}';
             alter system reset recovery_min_apply_delay;
             select pg_wal_replay_resume()"
        ))
        .await
    }

    /// Writes into its data that it follows another server from its next start on, or nobody where that is empty.
    pub(super) async fn demote(&self, leader: &str) -> Result<(), Error> {
        let data = self.folder().join("data");
        // The last line of a name is the one that counts.
        let line = format!("primary_conninfo = '{leader}'\n");
        blocking(move || {
            let account = Account::unless_root_may()?;
            let signal = data.join(STANDBY);
            let write = || {
                fs::write(&signal, "")?;
                if let Some(account) = account {
                    account.owns(&signal)?;
                }
                let settings = data.join("postgresql.auto.conf");
                File::options()
                    .append(true)
                    .open(settings)?
                    .write_all(line.as_bytes())
            };
            write().map_err(Error::io(format!("make a standby of {}", data.display())))
        })
        .await
    }

    /// Starts it as the standby that its data say it is; one that still runs as a primary starts again.
    pub(super) async fn start_as_standby(&self) -> Result<(), Error> {
        self.start().await?;
        if self.is("not pg_is_in_recovery()").await? {
            self.restart().await?;
        }
        Ok(())
    }

    /// Throws the data away and starts it with a copy of another server's, which it follows.
    pub(super) async fn begin_anew(&self, from: &Self, leader: &str) -> Result<(), Error> {
        // In order: a server that is killed leaves a segment of shared memory, which it finds again by its old data alone.
        self.stop().await?;
        let (folder, fresh) = (self.folder().to_owned(), self.folder().join("fresh"));
        let mut command = Command::new(self.program("pg_basebackup"));
        command.arg("--host").arg(from.folder());
        command.arg("--port").arg(from.port().to_string());
        command.arg("--pgdata").arg(&fresh).current_dir(&folder);
        command.args([
            "--username=postgres",
            "--no-password",
            "--checkpoint=fast",
            "--no-sync",
            "--no-manifest",
        ]);
        without_variables(&mut command);
        blocking(move || {
            let removed = |path| match fs::remove_dir_all(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
            // A copy that was not finished.
            removed(&fresh).map_err(Error::io(format!("remove {}", fresh.display())))?;
            if let Some(account) = Account::unless_root_may()? {
                account.runs(&mut command);
            }
            run::output(command, None, BACKUP)?;
            let data = folder.join("data");
            let replaced = removed(&data).and_then(|()| fs::rename(&fresh, &data));
            replaced.map_err(Error::io(format!("replace {}", data.display())))
        })
        .await?;
        self.demote(leader).await?;
        self.start().await
    }

    /// Receives nothing until it follows somebody again. Returns when nothing comes any more.
    pub(super) async fn stop_receiving(&self) -> Result<(), Error> {
        self.set("alter system set primary_conninfo = ''").await?;
        let deadline = Instant::now() + CATCH_UP;
        while let Some(receiver) = self.receiver().await? {
            late(deadline, "it goes on to receive")?;
            // Where applying stands still, nobody would end it. It may have ended meanwhile.
            let _ = kill_process(receiver, Signal::TERM);
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Lets it take in what a dead server had sent it, which is in the hands of the system.
    pub(super) async fn drain(&self, limit: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline && self.receiver().await?.is_some() {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// The process that receives, where one is connected.
    async fn receiver(&self) -> Result<Option<Pid>, Error> {
        let pid = self.sql("select pid from pg_stat_wal_receiver").await?;
        Ok(pid.trim().parse().ok().and_then(Pid::from_raw))
    }

    /// Lets it apply everything that it has received, and receive no more; gives how far it is then.
    pub(super) async fn apply_received(&self) -> Result<u64, Error> {
        self.stop_receiving().await?;
        self.follow("").await?;
        let deadline = Instant::now() + CATCH_UP;
        let (mut before, mut since) = (String::new(), Instant::now());
        loop {
            let progress = self.sql(PROGRESS).await?;
            if progress != before {
                since = Instant::now();
            }
            let mut columns = progress.trim().split('\t');
            let applied = columns.next().and_then(|applied| applied.parse().ok());
            let [waits, has_all] = [(); 2].map(|()| columns.next() == Some("t"));
            if let Some(applied) = applied.filter(|_| waits && (has_all || since.elapsed() > STILL)) {
                return Ok(applied);
            }
            late(deadline, "it has not applied what it received")?;
            before = progress;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether the server says that a condition holds.
    pub(super) async fn is(&self, condition: &str) -> Result<bool, Error> {
        Ok(self.sql(format!("select {condition}")).await?.trim() == "t")
    }

    /// Waits until a condition holds.
    pub(super) async fn becomes(&self, condition: &str) -> Result<(), Error> {
        let deadline = Instant::now() + CATCH_UP;
        while !self.is(condition).await? {
            late(deadline, condition)?;
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits until a condition of a standby holds; `false` when its log says, after this place, that it cannot follow.
    pub(super) async fn follows(&self, condition: &str, mark: u64) -> Result<bool, Error> {
        let deadline = Instant::now() + CATCH_UP;
        loop {
            // In this order: what it says after it follows is about somebody else.
            if self.is(condition).await? {
                return Ok(true);
            }
            if self.has_diverged(mark)? {
                return Ok(false);
            }
            late(deadline, condition)?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// The end of its log.
    pub(super) fn mark(&self) -> Result<u64, Error> {
        let log = self.log_path();
        let length = fs::metadata(log).map(|meta| meta.len());
        length.map_err(Error::io(format!("look at {}", log.display())))
    }

    /// Whether its log says, after this place, that it cannot follow.
    pub(super) fn has_diverged(&self, mark: u64) -> Result<bool, Error> {
        let read = || {
            let (mut log, mut said) = (File::open(self.log_path())?, Vec::new());
            log.seek(SeekFrom::Start(mark))?;
            log.read_to_end(&mut said)?;
            Ok(said)
        };
        let said = read().map_err(Error::io(format!("read {}", self.log_path().display())))?;
        let said = String::from_utf8_lossy(&said);
        Ok(DIVERGED.iter().any(|words| said.contains(words)))
    }
}

fn late(deadline: Instant, what: &str) -> Result<(), Error> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(Error::command(what, format!("waited for {CATCH_UP:?}")))
}
