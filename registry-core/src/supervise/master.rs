//! The master: waits for events, asks the machine what to do, and does it.

use super::event::{Action, Event, Exit, Id, Time, Word};
use super::folder::Folder;
use super::live::{self, Live, Words};
use super::machine::Machine;
use super::notify::{self, Notice};
use super::process::{self, Spawner};
use super::tally::Tally;
use super::{control, probe, settings::Settings};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// When a program counts as ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// When it says so: `READY=1`, which an application does by itself when its registry is connected.
    #[default]
    Notify,
    /// When it has lived for a second: for programs that say nothing.
    Alive,
}

pub(super) struct Master {
    name: String,
    folder: Folder,
    spawner: Spawner,
    readiness: Readiness,
    machine: Machine,
    live: HashMap<Id, Live>,
    /// What each place last ended over.
    causes: HashMap<usize, String>,
    /// Where the databases are that the latest worker missed, and since when no worker has come up.
    hosts: Vec<String>,
    away_since: Option<Instant>,
    tally: Tally,
    readers: JoinSet<()>,
    sender: mpsc::Sender<(Id, Notice)>,
    notices: mpsc::Receiver<(Id, Notice)>,
    status: watch::Sender<Value>,
    systemd: Option<OsString>,
    told_ready: bool,
    told_status: String,
    began: Instant,
    end: Option<i32>,
}

type Looking = Pin<Box<dyn Future<Output = ()>>>;

impl Master {
    pub(super) fn new(
        name: String,
        folder: Folder,
        spawner: Spawner,
        readiness: Readiness,
        settings: Settings,
    ) -> Self {
        let (sender, notices) = mpsc::channel(64);
        Self {
            name,
            folder,
            spawner,
            readiness,
            machine: Machine::new(settings),
            live: HashMap::new(),
            causes: HashMap::new(),
            hosts: Vec::new(),
            away_since: None,
            tally: Tally::default(),
            readers: JoinSet::new(),
            sender,
            notices,
            status: watch::Sender::new(control::nothing()),
            systemd: std::env::var_os(notify::SOCKET),
            told_ready: false,
            told_status: String::new(),
            began: Instant::now(),
            end: None,
        }
    }

    /// Runs until every worker is gone for good; gives the exit code.
    pub(super) async fn run(mut self) -> std::io::Result<i32> {
        let mut child = signal(SignalKind::child())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut user = signal(SignalKind::user_defined1())?;
        let control = control::listen(&self.folder.socket())?;
        let mut serving = JoinSet::new();
        serving.spawn(control::serve(control, self.status.subscribe()));
        let pulse = watchdog();
        let mut pulses = tokio::time::interval(pulse.unwrap_or(Duration::from_secs(3_600)));
        let mut looking: Option<Looking> = None;

        self.handle(Event::Start);
        while self.end.is_none() {
            let waits = self.machine.waits_for_hosts() && !self.machine.is_stopping();
            if !waits {
                looking = None;
            } else if looking.is_none() {
                let since = *self.away_since.get_or_insert_with(Instant::now);
                let hosts = self.hosts.clone();
                looking = Some(Box::pin(probe::hosts_back(hosts, since, self.machine.cap())));
            }
            let deadline = self.machine.next_deadline().map(|at| self.began + at);
            let far = self.began + Duration::from_secs(365 * 24 * 3_600);
            let event = tokio::select! {
                biased;
                Some(()) = child.recv() => { self.reap(); continue }
                Some(()) = terminate.recv() => Event::Stop,
                Some(()) = interrupt.recv() => Event::Stop,
                Some(()) = hangup.recv() => Event::Roll,
                Some(()) = user.recv() => Event::Reload,
                () = async { looking.as_mut().expect("checked").await }, if looking.is_some() => {
                    looking = None;
                    Event::HostsBack
                }
                _ = pulses.tick(), if pulse.is_some() => { self.tell_systemd("WATCHDOG=1"); continue }
                Some(_) = self.readers.join_next() => continue,
                () = tokio::time::sleep_until(deadline.unwrap_or(far)) => Event::Tick,
                // Last: a worker that talks without end must not keep the master from all else.
                Some((id, notice)) = self.notices.recv() => {
                    if !self.noticed(id, notice) {
                        continue;
                    }
                    Event::Ready(id)
                }
            };
            self.handle(event);
        }
        Ok(self.end.unwrap_or_default())
    }

    fn now(&self) -> Time {
        self.began.elapsed()
    }

    /// What is due falls due after all that was said until now is heard: a master that was slow has read none of it.
    fn handle(&mut self, event: Event) {
        if self.machine.next_deadline().is_some_and(|at| at <= self.now()) {
            self.hear();
        }
        self.take_in(event);
    }

    fn hear(&mut self) {
        let mut said = Vec::new();
        while let Ok(notice) = self.notices.try_recv() {
            said.push(notice);
        }
        for (id, live) in &self.live {
            said.extend(live.words.unread().into_iter().map(|notice| (*id, notice)));
        }
        // First every sign of life, then what makes a difference to others.
        said.retain(|(id, notice)| self.noticed(*id, notice.clone()));
        for (id, _) in said {
            self.take_in(Event::Ready(id));
        }
    }

    fn take_in(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let now = self.now();
            for action in self.machine.handle(now, event.clone(), &mut fastrand::f64) {
                if let Some(follows) = self.act(action) {
                    events.push(follows);
                }
            }
        }
        self.publish();
    }

    /// Does it; gives the event that follows from it at once, if one does.
    fn act(&mut self, action: Action) -> Option<Event> {
        let pid = |id: &Id| self.live.get(id).map(|live| live.pid);
        match action {
            Action::Spawn { id, number, failures } => return self.spawn(id, number, failures),
            Action::Terminate(id) => drop(pid(&id).map(process::terminate)),
            Action::Kill(id) => drop(pid(&id).map(process::kill)),
            Action::Reload(id) => {
                let takes_it = self.live.get(&id).is_some_and(|live| live.notice.reloads);
                if let Some(pid) = pid(&id).filter(|_| takes_it) {
                    process::reload(pid);
                }
            }
            Action::Say(word) => self.say(&word),
            Action::End(code) => self.end = Some(code),
        }
        None
    }

    fn spawn(&mut self, id: Id, number: usize, failures: u32) -> Option<Event> {
        let socket = self.folder.notify(id.0);
        let spawned = Words::bind(&socket)
            .and_then(|words| Ok((words, self.spawner.spawn(number, failures, &socket)?)));
        match spawned {
            Ok(((words, reader), pid)) => {
                let reading = live::read(id, reader, self.sender.clone(), self.readiness);
                let live = Live {
                    pid,
                    socket,
                    words,
                    reader: self.readers.spawn(reading),
                    notice: Notice::default(),
                };
                self.live.insert(id, live);
                None
            }
            Err(cause) => {
                let _ = std::fs::remove_file(&socket);
                self.causes.insert(number, format!("cannot be started: {cause}"));
                Some(Event::NotSpawned(id))
            }
        }
    }

    /// Takes in what a worker says; true when it says that it is ready, which is left to do.
    fn noticed(&mut self, id: Id, notice: Notice) -> bool {
        let Some(live) = self.live.get_mut(&id) else {
            return false;
        };
        let news = notice.status.is_some();
        let Notice {
            ready, beat, at_work, ..
        } = notice;
        live.notice.renew(notice);
        if beat {
            self.take_in(Event::Beat(id));
        }
        if let Some(time) = at_work {
            // systemd waits for the first worker, and for this one as long as the master does.
            if !self.told_ready && self.machine.is_starting(id) {
                self.tell_systemd(&format!("EXTEND_TIMEOUT_USEC={}", time.as_micros()));
            }
            self.take_in(Event::AtWork(id, time));
        }
        if news {
            self.publish();
        }
        ready
    }

    /// Collects everything that ended, workers and orphans.
    fn reap(&mut self) {
        while let Some((pid, exit)) = process::reap() {
            let found = self
                .live
                .iter()
                .find(|(_, live)| live.pid == pid)
                .map(|(id, _)| *id);
            if let Some(id) = found {
                self.gone(id, exit);
            }
        }
    }

    fn gone(&mut self, id: Id, exit: Exit) {
        let Some(mut live) = self.live.remove(&id) else {
            return;
        };
        // What it said last may lie in its socket still: the news that it has ended is faster.
        live.reader.abort();
        self.drain(id, &mut live);
        let _ = std::fs::remove_file(&live.socket);
        // What it started goes with it.
        process::kill_group(live.pid);
        if let Some(number) = self.machine.number_of(id) {
            let failed = exit != Exit::Code(crate::EXIT_OK);
            match live.notice.status.filter(|_| failed) {
                Some(status) => drop(self.causes.insert(number, status)),
                None => drop(self.causes.remove(&number)),
            }
        }
        if exit == Exit::Code(crate::EXIT_UNAVAILABLE) {
            self.hosts = live.notice.hosts;
        }
        self.handle(Event::Exited(id, exit));
    }

    /// Takes what one that has ended sent, and was not read yet.
    fn drain(&mut self, id: Id, live: &mut Live) {
        while let Ok((other, notice)) = self.notices.try_recv() {
            if other == id {
                live.notice.renew(notice);
            } else if self.noticed(other, notice) {
                self.handle(Event::Ready(other));
            }
        }
        for notice in live.words.unread() {
            live.notice.renew(notice);
        }
    }

    /// One line for each event; what is repeated is counted.
    fn say(&mut self, word: &Word) {
        let cause = word.worker().and_then(|number| self.causes.get(&number)).cloned();
        let mut times = Some(1);
        match *word {
            Word::Ready { number, .. } => {
                self.causes.remove(&number);
                self.away_since = None;
                times = self.tally.ready(number);
                self.tell_ready();
            }
            Word::Ended {
                number,
                exit,
                settled,
                ..
            } => {
                if settled {
                    self.tally.forget();
                }
                let what = format!("{number} {exit} {}", cause.as_deref().unwrap_or_default());
                times = self.tally.count(&what);
            }
            Word::Stopping { .. } => self.tell_systemd("STOPPING=1"),
            _ => {}
        }
        if let Some(times) = times {
            self.log(word, cause.as_deref(), times);
        }
    }

    fn log(&self, word: &Word, cause: Option<&str>, times: u64) {
        let text = word.text(cause, times);
        let (exit, next) = match word {
            Word::Ended { exit, next, .. } => (Some(exit), *next),
            _ => (None, None),
        };
        // The level of a tracing event is fixed where it stands.
        macro_rules! event {
            ($level:ident) => {
                tracing::event!(
                    tracing::Level::$level,
                    master = %self.name,
                    worker = word.worker(),
                    exit = exit.map(tracing::field::display),
                    cause = cause.filter(|_| exit.is_some()),
                    next_attempt_ms = next.map(|next| next.as_millis()),
                    times,
                    "{text}"
                )
            };
        }
        match word.level() {
            tracing::Level::ERROR => event!(ERROR),
            tracing::Level::WARN => event!(WARN),
            _ => event!(INFO),
        }
        // Without a subscriber somebody must still see why. A log that nobody takes any more is no reason to end, as it
        // would be for `eprintln!`.
        if !tracing::dispatcher::has_been_set() {
            let _ = writeln!(std::io::stderr(), "dbreg master: {text}");
        }
    }

    fn tell_ready(&mut self) {
        let first = !std::mem::replace(&mut self.told_ready, true);
        if first {
            self.tell_systemd("READY=1");
        }
    }

    fn tell_systemd(&self, lines: &str) {
        if let Some(socket) = &self.systemd
            && let Err(cause) = notify::send(socket, lines)
        {
            tracing::debug!("systemd does not listen: {cause}");
        }
    }

    /// Makes the status that the socket answers with, and that systemd shows.
    fn publish(&mut self) {
        let now = self.now();
        // Unix time in seconds, of the past and of the future.
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = |time: Time| (epoch + time).saturating_sub(now).as_secs();
        let workers = self.machine.snapshots().into_iter().map(|worker| {
            let live = worker.id.and_then(|id| self.live.get(&id));
            json!({
                "worker": worker.number,
                "state": worker.state,
                "pid": live.map(|live| live.pid.as_raw_nonzero().get()),
                "since": at(worker.since),
                "restarts": worker.restarts,
                "says": live.and_then(|live| live.notice.status.clone()),
                "last_exit": worker.last.map(|(when, exit)| json!({
                    "at": at(when),
                    "how": exit.to_string(),
                    "cause": self.causes.get(&worker.number),
                })),
                "next_attempt": worker.next.map(at),
            })
        });
        let status = json!({
            "name": self.name,
            "pid": std::process::id(),
            "ready": self.machine.ready_workers(),
            "stopping": self.machine.is_stopping(),
            "workers": workers.collect::<Vec<_>>(),
        });
        if self.systemd.is_some() {
            let line = match self.causes.values().next() {
                Some(cause) => format!("STATUS={} workers ready; {cause}", self.machine.ready_workers()),
                None => format!("STATUS={} workers ready", self.machine.ready_workers()),
            };
            if line != self.told_status {
                self.tell_systemd(&line);
                self.told_status = line;
            }
        }
        self.status.send_replace(status);
    }
}

/// How often systemd wants to hear from this process; `None` when it does not.
fn watchdog() -> Option<Duration> {
    let mine = std::env::var(notify::WATCHDOG_PID).map_or(true, |pid| pid.parse() == Ok(std::process::id()));
    let limit: u64 = std::env::var(notify::WATCHDOG).ok()?.parse().ok()?;
    (mine && limit > 0).then(|| Duration::from_micros(limit / 2))
}
