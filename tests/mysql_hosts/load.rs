//! Writers and readers at work while servers are killed, hang, fall behind and change their roles: what was
//! acknowledged is there afterwards, and nothing is there twice.

use crate::servers::{PATIENCE, servers, until, with_roles, without_roles};
use dbreg::{MySql, MySqlHostState, sqlx};
use registry_dev::MySqlReplicated;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const WRITERS: usize = 4;
const READERS: usize = 3;
/// What has to succeed after each event before the next.
const PROGRESS: usize = 100;

/// Tasks that write each number once, and tasks that read.
struct Load {
    tally: Arc<Tally>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    next: AtomicI64,
    acknowledged: Mutex<BTreeSet<i64>>,
    failed: Mutex<BTreeSet<i64>>,
    reads: AtomicU64,
    failed_reads: AtomicU64,
    slowest: Mutex<Duration>,
}

impl Tally {
    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    fn took(&self, since: Instant) {
        let mut slowest = self.slowest.lock().unwrap();
        *slowest = since.elapsed().max(*slowest);
    }
}

impl Load {
    fn start(db: &MySql) -> Self {
        let tally = Arc::new(Tally::default());
        let mut tasks = JoinSet::new();
        for _ in 0..WRITERS {
            tasks.spawn(write(db.clone(), Arc::clone(&tally)));
        }
        for _ in 0..READERS {
            tasks.spawn(read(db.clone(), Arc::clone(&tally)));
        }
        Self { tally, tasks }
    }

    /// Returns when writes and reads go on.
    async fn goes_on(&self, what: &str) {
        let (writes, reads) = (self.tally.acknowledged(), self.tally.reads.load(Ordering::SeqCst));
        until(&format!("writes and reads go on after {what}"), async || {
            let reads_now = self.tally.reads.load(Ordering::SeqCst);
            self.tally.acknowledged() >= writes + PROGRESS && reads_now >= reads + PROGRESS as u64
        })
        .await;
    }

    /// Returns when reads go on, whatever becomes of writes.
    async fn is_read(&self, what: &str) {
        let reads = self.tally.reads.load(Ordering::SeqCst);
        until(&format!("reads go on {what}"), async || {
            self.tally.reads.load(Ordering::SeqCst) >= reads + PROGRESS as u64
        })
        .await;
    }

    /// Ends the load, and looks for what it wrote on every server.
    async fn end(mut self, servers: &MySqlReplicated) {
        self.tally.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        let (acknowledged, failed) = (
            self.tally.acknowledged.lock().unwrap().clone(),
            self.tally.failed.lock().unwrap().clone(),
        );
        assert!(
            !failed.is_empty(),
            "the faults were felt, or this test shows nothing"
        );
        for index in 0..servers.len() {
            if index != servers.primary_index() {
                servers.caught_up(index).await.unwrap();
            }
            let found = servers.server(index).sql("select n from shop.w").await.unwrap();
            let mut times: BTreeMap<i64, usize> = BTreeMap::new();
            for n in found.lines() {
                *times.entry(n.parse().unwrap()).or_default() += 1;
            }
            let lost: Vec<_> = acknowledged.iter().filter(|n| !times.contains_key(n)).collect();
            assert!(
                lost.is_empty(),
                "server {index} lost {lost:?} of {}",
                acknowledged.len()
            );
            let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
            assert!(twice.is_empty(), "server {index} has more than once: {twice:?}");
            let strange = times
                .keys()
                .find(|n| !acknowledged.contains(n) && !failed.contains(n));
            assert_eq!(strange, None, "server {index} has what nobody wrote");
        }
        let slowest = *self.tally.slowest.lock().unwrap();
        // `timeout` is 10 s: this is for calls without a deadline.
        assert!(slowest < PATIENCE, "a call took {slowest:?}");
        tell(&format!(
            "{} acknowledged, {} failed, {} read, {} reads failed, the slowest call took {slowest:?}",
            acknowledged.len(),
            failed.len(),
            self.tally.reads.load(Ordering::SeqCst),
            self.tally.failed_reads.load(Ordering::SeqCst)
        ));
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the figures of a run, for who asks for them with --nocapture"
)]
fn tell(figures: &str) {
    println!("{figures}");
}

async fn write(db: MySql, tally: Arc<Tally>) {
    while !tally.stop.load(Ordering::SeqCst) {
        let n = tally.next.fetch_add(1, Ordering::SeqCst);
        let began = Instant::now();
        let written = sqlx::query("insert into w values (?)").bind(n).execute(&db).await;
        tally.took(began);
        // Once, whatever came of it: a write that failed may have happened.
        let told = if written.is_ok() {
            &tally.acknowledged
        } else {
            &tally.failed
        };
        told.lock().unwrap().insert(n);
        if written.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

async fn read(db: MySql, tally: Arc<Tally>) {
    while !tally.stop.load(Ordering::SeqCst) {
        let began = Instant::now();
        let read = sqlx::query_scalar::<_, i64>("select count(*) from (select n from w limit 50) as some");
        let told = match read.fetch_one(&db.read()).await {
            Ok(_) => &tally.reads,
            Err(_) => &tally.failed_reads,
        };
        told.fetch_add(1, Ordering::SeqCst);
        tally.took(began);
        tokio::task::yield_now().await;
    }
}

/// Servers with a table that takes a number as often as it is written.
async fn with_table(number: usize) -> MySqlReplicated {
    let servers = servers(number).await;
    servers
        .primary()
        .sql("create table shop.w (n bigint not null, key (n))")
        .await
        .unwrap();
    for index in 1..number {
        servers.caught_up(index).await.unwrap();
    }
    servers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_hangs_or_steps_down_loses_no_acknowledged_write() {
    let servers = with_table(3).await;
    let db = without_roles(&servers).connect().await.unwrap();
    let load = Load::start(&db.mysql.main);
    load.goes_on("the start").await;

    servers.server(0).kill().await.unwrap();
    load.is_read("while the primary is dead").await;
    servers.promote(1).await.unwrap();
    load.goes_on("a kill and a promotion").await;
    servers.rejoin(0).await.unwrap();

    servers.stop_applying(2).await.unwrap();
    load.goes_on("a replica stands still").await;
    servers.start_replication(2).await.unwrap();

    servers.server(1).pause().await.unwrap();
    load.is_read("while the primary hangs").await;
    servers.server(1).kill().await.unwrap();
    servers.promote(2).await.unwrap();
    load.goes_on("a primary that hung, and a promotion").await;
    servers.rejoin(1).await.unwrap();

    servers.promote(0).await.unwrap();
    load.goes_on("a promotion in order").await;
    load.end(&servers).await;
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_and_its_replica_come_and_go() {
    let servers = with_table(2).await;
    let db = with_roles(&servers, "max_lag = \"1s\"").await;
    let load = Load::start(&db.mysql.main);
    load.goes_on("the start").await;
    servers.server(1).kill().await.unwrap();
    load.goes_on("the replica was killed").await;
    servers.server(1).start().await.unwrap();
    // Without what was written meanwhile it would be too old to be read from.
    let replica_is_fit = || {
        until("the replica has caught up", async || {
            db.mysql.main.hosts().unwrap()[1].state == MySqlHostState::Fit
        })
    };
    replica_is_fit().await;
    servers.server(0).kill().await.unwrap();
    load.is_read("while the primary is dead").await;
    servers.server(0).start().await.unwrap();
    load.goes_on("the primary came back").await;
    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    load.goes_on("the replica falls behind").await;
    servers.delay(1, Duration::ZERO).await.unwrap();
    replica_is_fit().await;
    servers.server(0).pause().await.unwrap();
    load.is_read("while the primary hangs").await;
    servers.server(0).resume().await.unwrap();
    load.goes_on("the primary goes on").await;
    load.end(&servers).await;
    db.close().await.unwrap();
}
