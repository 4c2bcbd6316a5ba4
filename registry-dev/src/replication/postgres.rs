//! Several PostgreSQL servers, of which one is the primary and the others are its hot standbys.

use super::standby::options;
use super::{CATCH_UP, FAREWELL, Replicated};
use crate::Error;
use crate::postgres::{PostgresServer, postgres_with, text};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// A write waits for any one replica.
const ANY: &str = "ANY 1 (*)";

/// PostgreSQL servers with streaming replication between them: server 0 is the primary at first, the others are its replicas
/// and refuse every write.
///
/// Each server stops, starts, hangs and dies by its own methods. It comes back in the role that it had: a primary
/// writable, and a replica, or a primary that was replaced by [`promote`](Self::promote) meanwhile, read only.
///
/// A write is acknowledged when its primary has it, and is there after a kill and a start of that server. Replicas receive it in
/// milliseconds. [`synchronous`](Self::synchronous) makes a write wait until one has it.
#[derive(Debug)]
pub struct PostgresReplicated {
    all: Replicated<PostgresServer>,
    /// Whether a write waits for a replica.
    synchronous: AtomicBool,
    /// The newest timeline that any primary has written: a server that is promoted begins one.
    timeline: AtomicU32,
    /// The servers that may follow nobody before they begin anew.
    strays: Mutex<BTreeSet<usize>>,
}

impl std::ops::Deref for PostgresReplicated {
    type Target = Replicated<PostgresServer>;

    fn deref(&self) -> &Replicated<PostgresServer> {
        &self.all
    }
}

/// Starts this many servers, one primary and its replicas, and returns when they replicate. They are of version 14 or newer.
///
/// # Errors
/// As [`postgres`](crate::postgres), and `Command` when only Docker is there.
///
/// # Panics
/// With no server at all.
pub async fn postgres_replicated(servers: usize) -> Result<PostgresReplicated, Error> {
    // All are copies of one template, which makes them servers of one system.
    let starting = (0..servers).map(|index| postgres_with(options(index == 0)));
    let all = PostgresReplicated {
        all: Replicated::start(starting).await?,
        synchronous: AtomicBool::new(false),
        timeline: AtomicU32::new(1),
        strays: Mutex::default(),
    };
    let account = "create role replication login replication password 'replication'";
    all.primary().sql(account).await?;
    for index in 1..servers {
        all.server(index).follow(&all.leader(0, index)).await?;
    }
    for index in 1..servers {
        all.server(index).becomes(&all.streams().await?).await?;
        all.caught_up(index).await?;
    }
    Ok(all)
}

impl PostgresReplicated {
    /// Creates a database and a user who may do everything in it, and may ask how far replication is (`pg_monitor`).
    /// Returns when every server that lives has both.
    pub async fn create_database(&self, name: &str, user: &str, password: &str) -> Result<(), Error> {
        self.primary().create_database(name, user, password).await?;
        let grant = format!("select format('grant pg_monitor to %I', {}) \\gexec", text(user));
        self.primary().sql(grant).await?;
        for index in self.living() {
            self.caught_up(index).await?;
        }
        Ok(())
    }

    /// Returns when this server has applied everything that the primary has now.
    ///
    /// # Errors
    /// `Command` when it has not after 30 s: its replication stands still, or the primary is away.
    pub async fn caught_up(&self, index: usize) -> Result<(), Error> {
        if index == self.primary_index() {
            return Ok(());
        }
        let position = self.primary().sql("select pg_current_wal_lsn()").await?;
        let has_it = format!("pg_last_wal_replay_lsn() >= '{}'", position.trim());
        self.server(index).becomes(&has_it).await
    }

    /// Stops receiving and applying on this replica.
    pub async fn stop_replication(&self, index: usize) -> Result<(), Error> {
        self.stop_receiving(index).await?;
        self.stop_applying(index).await
    }

    /// Receives and applies again on this replica, from where it stopped.
    pub async fn start_replication(&self, index: usize) -> Result<(), Error> {
        self.start_receiving(index).await?;
        self.start_applying(index).await
    }

    /// Stops applying on this replica, which goes on to receive: it falls behind until
    /// [`start_applying`](Self::start_applying) or its next start. Returns when nothing is applied any more.
    pub async fn stop_applying(&self, index: usize) -> Result<(), Error> {
        let server = self.server(index);
        server.sql("select pg_wal_replay_pause()").await?;
        // One that keeps back what is delayed looks for a word of ours afterwards.
        let stands = "pg_get_wal_replay_pause_state() = 'paused' or exists (select from pg_stat_activity
            where backend_type = 'startup' and wait_event = 'RecoveryApplyDelay')";
        server.becomes(stands).await
    }

    /// Applies again on this replica.
    pub async fn start_applying(&self, index: usize) -> Result<(), Error> {
        self.server(index)
            .sql("select pg_wal_replay_resume()")
            .await
            .map(drop)
    }

    /// Stops receiving on this replica, which applies what it has received, until
    /// [`start_receiving`](Self::start_receiving). Returns when nothing comes any more.
    pub async fn stop_receiving(&self, index: usize) -> Result<(), Error> {
        self.server(index).stop_receiving().await
    }

    /// Receives again on this replica; when it does not apply, only after it does.
    pub async fn start_receiving(&self, index: usize) -> Result<(), Error> {
        let leader = self.leader(self.primary_index(), index);
        let follow = format!("alter system set primary_conninfo = '{leader}'");
        self.server(index).set(&follow).await
    }

    /// Applies every commit this much later, in milliseconds, on this replica, which goes on to receive. Zero ends it.
    pub async fn delay(&self, index: usize, by: Duration) -> Result<(), Error> {
        // The most that the server takes, 24 days.
        let by = by.as_millis().min(i32::MAX.unsigned_abs().into());
        let delay = format!("alter system set recovery_min_apply_delay = '{by}ms'");
        self.server(index).set(&delay).await
    }

    /// Acknowledges a write only when a replica has received it, so that it outlives the loss of its primary; `false` ends
    /// that. While no replica receives, writes wait.
    ///
    /// A new primary keeps to it, unless nobody follows it: then it is off.
    pub async fn synchronous(&self, on: bool) -> Result<(), Error> {
        let primary = self.primary();
        primary.set(&synchronous_to(on)).await?;
        // The process that writes checkpoints is the one that makes sessions wait.
        primary.sql("checkpoint").await?;
        self.synchronous.store(on, Ordering::SeqCst);
        Ok(())
    }

    /// Makes this server the primary. The primary so far is stopped in order, when it answers within 5 s, and comes back as
    /// a replica. When it does not answer it is left as it is, and is read only after its next start: kill it first if it
    /// hangs, or it takes writes that are lost.
    ///
    /// The new primary first gets everything that any server that lives has received, so that no write is lost that was
    /// acknowledged by a replica. Then it takes writes, and the others follow it, without a stop or a delay that they had. A server
    /// that has what the new primary has not begins anew; one that does not run follows after its next start.
    ///
    /// # Errors
    /// `Command` when a server that lives does not follow, or when this one has to [`rejoin`](Self::rejoin) first.
    ///
    /// # Panics
    /// When there is no server of this number.
    pub async fn promote(&self, index: usize) -> Result<(), Error> {
        let (old, new) = (self.primary_index(), self.server(index));
        if old == index {
            return Ok(());
        }
        if self.is_stray(index) {
            let cause = format!("server {index} has writes that the primary never got: rejoin it first");
            return Err(Error::command("pg_promote", cause));
        }
        // Before anything changes: it has to be there.
        new.sql("select 1").await?;
        let old_lives = self.retire(old).await?;
        if !old_lives {
            self.server(old).demote(&self.leader(index, old)).await?;
        }
        let mut living: Vec<usize> = self.living().filter(|other| !self.is_stray(*other)).collect();
        if self.server(old).pid().is_none() {
            for replica in &living {
                self.server(*replica).drain(FAREWELL).await?;
            }
        }
        living.extend(old_lives.then_some(old));
        self.gather(index, &living).await?;
        // Before it takes the first write.
        let synchronous = self.synchronous.load(Ordering::SeqCst) && living.len() > 1;
        new.set(&synchronous_to(synchronous)).await?;
        if !new.is("pg_promote(true, 30)").await? {
            return Err(Error::command("pg_promote", format!("waited for {CATCH_UP:?}")));
        }
        self.synchronous.store(synchronous, Ordering::SeqCst);
        self.primary.store(index, Ordering::SeqCst);
        self.lead_the_dead(&living).await?;
        for other in living.into_iter().filter(|other| *other != index) {
            self.join(other).await?;
        }
        Ok(())
    }

    /// Makes this server a replica of the primary: one that was the primary before it was killed, say. It is started
    /// when it does not run. Where it has writes that the primary never got, it begins anew, with a copy of the primary's data.
    ///
    /// # Errors
    /// `Command` when it does not follow.
    ///
    /// # Panics
    /// When it is the primary: promote another first.
    pub async fn rejoin(&self, index: usize) -> Result<(), Error> {
        assert_ne!(index, self.primary_index(), "the primary cannot follow itself");
        let (server, leader) = (self.server(index), self.leader(self.primary_index(), index));
        let is_stray = self.is_stray(index);
        let mark = server.mark()?;
        server.demote(if is_stray { "" } else { &leader }).await?;
        let starts = match server.start_as_standby().await {
            Err(error) if !server.has_diverged(mark)? => return Err(error),
            started => started.is_ok(),
        };
        if is_stray || !starts {
            server.begin_anew(self.primary(), &leader).await?;
            self.strays().remove(&index);
        }
        self.join(index).await?;
        self.caught_up(index).await
    }

    /// Where a server finds its leader, and who it is for it.
    fn leader(&self, leader: usize, index: usize) -> String {
        format!(
            "host=127.0.0.1 port={} user=replication password=replication application_name=server{index} \
             sslmode=disable gssencmode=disable connect_timeout=2",
            self.server(leader).port()
        )
    }

    /// The condition on which a server follows the primary: it gets what the primary writes now.
    async fn streams(&self) -> Result<String, Error> {
        let (port, timeline) = (self.primary().port(), self.timeline_of_primary().await?);
        Ok(format!(
            "exists (select from pg_stat_wal_receiver
                where status = 'streaming' and sender_port = {port} and received_tli = {timeline})"
        ))
    }

    async fn timeline_of_primary(&self) -> Result<u32, Error> {
        let statement = "select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int";
        let answer = self.primary().sql(statement).await?;
        let unexpected =
            || Error::command(statement, format!("expected a number, found `{}`", answer.trim()));
        answer.trim().parse().map_err(|_| unexpected())
    }

    /// Makes a replica of nobody of the primary, when it answers.
    async fn retire(&self, index: usize) -> Result<bool, Error> {
        let server = self.server(index);
        // A question without effect: what hangs answers it when it goes on.
        let lives = server.pid().is_some()
            && tokio::time::timeout(FAREWELL, server.sql("select 1"))
                .await
                .is_ok_and(|answer| answer.is_ok());
        if lives {
            server.stop().await?;
            server.demote("").await?;
            server.start().await?;
        }
        Ok(lives)
    }

    /// Lets a server have everything that any of these has.
    async fn gather(&self, index: usize, living: &[usize]) -> Result<(), Error> {
        let mut positions = Vec::new();
        for other in living {
            positions.push((self.server(*other).apply_received().await?, *other));
        }
        let own = positions.iter().find(|(_, other)| *other == index);
        let own = own.map_or(0, |(position, _)| *position);
        positions.retain(|(position, _)| *position > own);
        positions.sort_unstable();
        let server = self.server(index);
        // The first has what the others have, unless what it has is of no use to anybody else.
        while let Some((position, other)) = positions.pop() {
            let mark = server.mark()?;
            server.follow(&self.leader(other, index)).await?;
            let has_it = format!("pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') >= {position}");
            if server.follows(&has_it, mark).await? {
                break;
            }
        }
        server.stop_receiving().await
    }

    /// Lets the servers that are not among the living follow the new primary when they start.
    async fn lead_the_dead(&self, living: &[usize]) -> Result<(), Error> {
        let timeline = self.timeline_of_primary().await?;
        // A primary that never heard of the one before it begins a timeline of the same number. Whoever was away could take the one
        // for the other, and would become a mixture of both.
        let is_taken = self.timeline.fetch_max(timeline, Ordering::SeqCst) >= timeline;
        for other in self.others().filter(|other| !living.contains(other)) {
            if is_taken {
                self.strays().insert(other);
            }
            let leader = if self.is_stray(other) {
                String::new()
            } else {
                self.leader(self.primary_index(), other)
            };
            self.server(other).demote(&leader).await?;
        }
        Ok(())
    }

    /// Lets a server that runs as a standby follow the primary, with a copy of the primary's data where its own do not fit.
    async fn join(&self, index: usize) -> Result<(), Error> {
        let (server, leader) = (self.server(index), self.leader(self.primary_index(), index));
        let (streams, mark) = (self.streams().await?, server.mark()?);
        server.follow(&leader).await?;
        if server.follows(&streams, mark).await? {
            return Ok(());
        }
        server.begin_anew(self.primary(), &leader).await?;
        server.becomes(&streams).await
    }

    fn is_stray(&self, index: usize) -> bool {
        self.strays().contains(&index)
    }

    fn strays(&self) -> std::sync::MutexGuard<'_, BTreeSet<usize>> {
        self.strays.lock().expect("no holder of this lock panics")
    }
}

fn synchronous_to(on: bool) -> String {
    let names = if on { ANY } else { "" };
    format!("alter system set synchronous_standby_names = '{names}'")
}
