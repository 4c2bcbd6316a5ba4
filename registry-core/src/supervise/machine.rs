//! What the master does next: a state machine without processes, clock or randomness of its own. Events and the time go
//! in, actions come out, so that every order of events can be tried.

use super::event::{Action, Event, Exit, Id, Snapshot, Time, Word};
use super::settings::Settings;
use crate::backoff::Backoff;
use crate::kind::{EXIT_CONFIG, EXIT_OK, EXIT_UNAVAILABLE};
use std::collections::BTreeMap;
use std::time::Duration;

/// How late the master may be: more than a busy machine makes it.
const LATE: Duration = Duration::from_secs(1);

/// A process from its start to its end.
#[derive(Clone, Debug)]
struct Child {
    number: usize,
    phase: Phase,
    started: Time,
    ready: Option<Time>,
    /// The latest heartbeat; a program that never sends one is not held to it.
    beat: Option<Time>,
    /// When it last said that it is at work on its start, and for how long that is good.
    at_work: Option<(Time, Duration)>,
}

impl Child {
    /// Whether it was ready for long enough for its past to be forgotten.
    fn is_healthy(&self, now: Time, settings: &Settings) -> bool {
        self.ready
            .is_some_and(|ready| now.saturating_sub(ready) >= settings.healthy_after)
    }

    fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. } | Phase::Killed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Ready,
    /// It was asked to end, and is killed at this time.
    Ending {
        kill: Time,
    },
    Killed,
}

/// The place of one worker.
#[derive(Clone, Debug)]
struct Slot {
    backoff: Backoff,
    /// When the next process starts; `None` while one is there, or when none is wanted any more.
    next: Option<Time>,
    restarts: u64,
    last: Option<(Time, Exit)>,
}

/// The master's mind.
#[derive(Debug)]
pub(crate) struct Machine {
    settings: Settings,
    slots: Vec<Slot>,
    children: BTreeMap<Id, Child>,
    spawned: u32,
    /// Numbers of the workers that are still to be replaced.
    rolling: Vec<usize>,
    /// The process that is to take the place of the first of them.
    replacing: Option<Id>,
    stopping: bool,
    ended: bool,
    actions: Vec<Action>,
}

impl Machine {
    pub(crate) fn new(settings: Settings) -> Self {
        let slot = Slot {
            backoff: Backoff::new(settings.floor, settings.cap),
            next: None,
            restarts: 0,
            last: None,
        };
        Self {
            slots: vec![slot; settings.workers],
            settings,
            children: BTreeMap::new(),
            spawned: 0,
            rolling: Vec::new(),
            replacing: None,
            stopping: false,
            ended: false,
            actions: Vec::new(),
        }
    }

    /// Takes in what happened at this time and gives what is to be done. `random` gives numbers from 0 up to 1.
    pub(crate) fn handle(&mut self, now: Time, event: Event, random: &mut dyn FnMut() -> f64) -> Vec<Action> {
        if self.ended {
            return Vec::new();
        }
        self.excuse(now);
        // A sign of life makes nothing due: those of others may not have been read yet.
        let is_alive = matches!(event, Event::Beat(_) | Event::AtWork(..));
        match event {
            Event::Start => (0..self.slots.len()).for_each(|number| self.spawn(now, number)),
            Event::Ready(id) => self.ready(now, id),
            Event::Beat(id) => {
                if let Some(child) = self.children.get_mut(&id) {
                    child.beat = Some(now);
                }
            }
            Event::AtWork(id, time) => {
                if let Some(child) = self.children.get_mut(&id) {
                    child.at_work = Some((now, time));
                }
            }
            Event::Exited(id, exit) => self.exited(now, id, exit, random),
            Event::NotSpawned(id) => self.exited(now, id, Exit::Code(EXIT_UNAVAILABLE), random),
            Event::Tick => {}
            Event::Stop => self.stop(now),
            Event::Roll => self.roll(),
            Event::Reload => {
                let ready = self
                    .children
                    .iter()
                    .filter(|(_, child)| child.phase == Phase::Ready);
                self.actions.extend(ready.map(|(id, _)| Action::Reload(*id)));
            }
            Event::HostsBack => {
                if !self.stopping {
                    self.hasten(now);
                }
            }
        }
        self.roll_on(now);
        if !is_alive {
            self.due(now);
        }
        self.end_if_done();
        std::mem::take(&mut self.actions)
    }

    /// When [`Event::Tick`] is wanted next.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        let starts = self.slots.iter().filter_map(|slot| slot.next);
        let ends = self.children.values().filter_map(|child| self.deadline_of(child));
        starts.chain(ends).min()
    }

    /// Whether a place waits because a worker ended over an outage.
    pub(crate) fn waits_for_hosts(&self) -> bool {
        self.slots.iter().any(Slot::waits_for_hosts)
    }

    /// The longest pause between attempts.
    pub(crate) fn cap(&self) -> Duration {
        self.settings.cap
    }

    pub(crate) fn number_of(&self, id: Id) -> Option<usize> {
        self.children.get(&id).map(|child| child.number)
    }

    /// Whether a worker is on its way to ready, and was not asked to end.
    pub(crate) fn is_starting(&self, id: Id) -> bool {
        let child = self.children.get(&id);
        child.is_some_and(|child| child.phase == Phase::Starting)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// How many workers are ready.
    pub(crate) fn ready_workers(&self) -> usize {
        self.children
            .values()
            .filter(|child| child.phase == Phase::Ready)
            .count()
    }

    /// The state of every place.
    pub(crate) fn snapshots(&self) -> Vec<Snapshot> {
        let of = |(number, slot): (usize, &Slot)| {
            let child = self
                .children
                .iter()
                .rev()
                .find(|(_, child)| child.number == number);
            let ended = slot.last.map_or(Time::ZERO, |(at, _)| at);
            let (state, since) = match child.map(|(_, child)| child) {
                Some(child) => match child.phase {
                    Phase::Starting => ("starting", child.started),
                    Phase::Ready => ("ready", child.ready.unwrap_or(child.started)),
                    Phase::Ending { .. } | Phase::Killed => ("ending", child.started),
                },
                None if slot.next.is_some() => ("waiting", ended),
                None => ("done", ended),
            };
            Snapshot {
                number,
                id: child.map(|(id, _)| *id),
                state,
                since,
                restarts: slot.restarts,
                last: slot.last,
                next: slot.next,
            }
        };
        self.slots.iter().enumerate().map(of).collect()
    }

    fn say(&mut self, word: Word) {
        self.actions.push(Action::Say(word));
    }

    fn spawn(&mut self, now: Time, number: usize) {
        self.spawned += 1;
        let id = Id(self.spawned);
        self.slots[number].next = None;
        self.children.insert(
            id,
            Child {
                number,
                phase: Phase::Starting,
                started: now,
                ready: None,
                beat: None,
                at_work: None,
            },
        );
        let failures = self.slots[number].backoff.failures();
        self.actions.push(Action::Spawn { id, number, failures });
    }

    fn ready(&mut self, now: Time, id: Id) {
        let Some(child) = self.children.get_mut(&id) else {
            return;
        };
        if child.phase != Phase::Starting {
            return;
        }
        child.phase = Phase::Ready;
        child.ready = Some(now);
        let (number, after) = (child.number, now.saturating_sub(child.started));
        self.say(Word::Ready { number, after });
        if self.replacing == Some(id) {
            let old: Vec<Id> = self
                .children
                .iter()
                .filter(|(other, child)| **other != id && child.number == number)
                .map(|(other, _)| *other)
                .collect();
            old.into_iter().for_each(|old| self.terminate(now, old));
        }
        // The databases are there: the next worker that waits for them need not sit out its delay. One after the
        // other, so that their return is no stampede.
        self.hasten(now);
    }

    /// Lets the first of those that wait for hosts start now.
    fn hasten(&mut self, now: Time) {
        let waiting = self.slots.iter_mut().filter(|slot| slot.waits_for_hosts());
        if let Some(slot) = waiting.min_by_key(|slot| slot.next) {
            slot.next = Some(now);
        }
    }

    fn terminate(&mut self, now: Time, id: Id) {
        let kill = now + self.settings.grace;
        if let Some(child) = self.children.get_mut(&id)
            && matches!(child.phase, Phase::Starting | Phase::Ready)
        {
            child.phase = Phase::Ending { kill };
            self.actions.push(Action::Terminate(id));
        }
    }

    fn kill(&mut self, id: Id) {
        if let Some(child) = self.children.get_mut(&id)
            && child.phase != Phase::Killed
        {
            child.phase = Phase::Killed;
            self.actions.push(Action::Kill(id));
        }
    }

    fn exited(&mut self, now: Time, id: Id, exit: Exit, random: &mut dyn FnMut() -> f64) {
        let Some(child) = self.children.remove(&id) else {
            return;
        };
        let number = child.number;
        let others = self.children.values().any(|other| other.number == number);
        let mut next = None;
        if self.replacing == Some(id) {
            self.rolling.clear();
            self.replacing = None;
            if !self.stopping {
                self.say(Word::RollFailed { number });
            }
        }
        if !self.stopping && !others {
            next = self.pause(now, number, &child, exit, random);
        }
        let slot = &mut self.slots[number];
        slot.last = Some((now, exit));
        slot.next = next.map(|pause| now + pause);
        slot.restarts += u64::from(next.is_some());
        self.say(Word::Ended {
            number,
            exit,
            next,
            settled: child.is_ending() || child.is_healthy(now, &self.settings),
        });
    }

    /// How long the place stays empty; `None` when it is not filled again.
    fn pause(
        &mut self,
        now: Time,
        number: usize,
        child: &Child,
        exit: Exit,
        random: &mut dyn FnMut() -> f64,
    ) -> Option<Duration> {
        let asked = child.is_ending();
        let slot = &mut self.slots[number];
        if exit == Exit::Code(EXIT_OK) && !asked && !self.settings.restart_on_success {
            return None;
        }
        if child.is_healthy(now, &self.settings) {
            slot.backoff.reset();
        }
        let pause = slot.backoff.next_with(random);
        // What a person has to mend is not mended sooner by asking more often.
        Some(if exit == Exit::Code(EXIT_CONFIG) {
            self.settings.cap
        } else {
            pause
        })
    }

    fn stop(&mut self, now: Time) {
        let all: Vec<Id> = self.children.keys().copied().collect();
        if self.stopping {
            self.say(Word::StoppingNow);
            all.into_iter().for_each(|id| self.kill(id));
            return;
        }
        self.stopping = true;
        self.rolling.clear();
        self.replacing = None;
        self.slots.iter_mut().for_each(|slot| slot.next = None);
        self.say(Word::Stopping { workers: all.len() });
        all.into_iter().for_each(|id| self.terminate(now, id));
    }

    fn roll(&mut self) {
        if self.stopping {
            return;
        }
        // A second request during the first: the one under way is replaced once more.
        let under_way = self.rolling.first().copied().filter(|_| self.replacing.is_some());
        self.rolling = under_way.into_iter().chain(0..self.slots.len()).collect();
        self.say(Word::Rolling);
    }

    /// Goes on with the replacement of one worker after the other, as far as it can now.
    fn roll_on(&mut self, now: Time) {
        while let Some(number) = self.rolling.first().copied() {
            let mut here = self.children.iter().filter(|(_, child)| child.number == number);
            let (first, alone) = (here.next(), here.next().is_none());
            match (first, self.replacing) {
                // The successor has the place to itself.
                (Some((id, child)), Some(successor))
                    if alone && *id == successor && child.phase == Phase::Ready =>
                {
                    self.replacing = None;
                }
                (_, Some(_)) => return,
                (Some((_, child)), None) if alone && child.phase == Phase::Ready => {
                    self.spawn(now, number);
                    self.replacing = Some(Id(self.spawned));
                    return;
                }
                // It is being started or ended: when that is over this goes on.
                (Some(_), None) => return,
                // It starts anew, and what is new it is then; also one that had ended with 0: every place is to be filled.
                (None, None) => self.slots[number].next = Some(now),
            }
            self.rolling.remove(0);
            if self.rolling.is_empty() {
                self.say(Word::Rolled);
            }
        }
    }

    fn deadline_of(&self, child: &Child) -> Option<Time> {
        match child.phase {
            Phase::Starting => {
                let deadline = child.started + self.settings.start_deadline;
                let at_work = child.at_work.map(|(said, time)| said + time);
                Some(at_work.unwrap_or_default().max(deadline))
            }
            Phase::Ready => child.beat.map(|beat| beat + self.settings.heartbeat),
            Phase::Ending { kill } => Some(kill),
            Phase::Killed => None,
        }
    }

    /// A master that comes much too late was itself stopped, as with its whole machine: it has not read the heartbeats
    /// and signs of work that were sent meanwhile, and the workers may have been stopped as well. Their time begins anew.
    fn excuse(&mut self, now: Time) {
        if self.next_deadline().is_some_and(|deadline| now > deadline + LATE) {
            for child in self.children.values_mut() {
                child.beat = child.beat.map(|_| now);
                child.at_work = child.at_work.map(|(_, time)| (now, time));
            }
        }
    }

    /// Does what the time asks for.
    fn due(&mut self, now: Time) {
        let late: Vec<(Id, Phase, usize, Duration)> = self
            .children
            .iter()
            .filter(|(_, child)| self.deadline_of(child).is_some_and(|deadline| deadline <= now))
            .map(|(id, child)| {
                let deadline = self.deadline_of(child).unwrap_or(now);
                let after = deadline.saturating_sub(child.started);
                (*id, child.phase, child.number, after)
            })
            .collect();
        for (id, phase, number, after) in late {
            match phase {
                Phase::Starting => {
                    self.say(Word::NeverReady { number, after });
                    self.terminate(now, id);
                }
                Phase::Ready => {
                    let after = self.settings.heartbeat;
                    self.say(Word::NoHeartbeat { number, after });
                    self.kill(id);
                }
                Phase::Ending { .. } => {
                    let after = self.settings.grace;
                    self.say(Word::Ignores { number, after });
                    self.kill(id);
                }
                Phase::Killed => {}
            }
        }
        for number in 0..self.slots.len() {
            if self.slots[number].next.is_some_and(|next| next <= now) {
                self.spawn(now, number);
            }
        }
    }

    fn end_if_done(&mut self) {
        let none_wanted = self.slots.iter().all(|slot| slot.next.is_none());
        if self.children.is_empty() && none_wanted && !self.ended {
            self.ended = true;
            self.actions.push(Action::End(EXIT_OK));
        }
    }
}

impl Slot {
    fn waits_for_hosts(&self) -> bool {
        let outage = matches!(self.last, Some((_, Exit::Code(EXIT_UNAVAILABLE))));
        outage && self.next.is_some()
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
