//! The machine under every order of events that chance comes up with, and under the orders that matter.

use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn settings(workers: usize) -> Settings {
    Settings {
        workers,
        floor: 10 * MS,
        cap: 1_000 * MS,
        healthy_after: 5_000 * MS,
        start_deadline: 300 * MS,
        grace: 200 * MS,
        heartbeat: 100 * MS,
        restart_on_success: false,
    }
}

/// A machine with the processes that it believes in, and the time.
struct World {
    machine: Machine,
    now: Time,
    alive: Vec<(Id, usize)>,
    said: Vec<Word>,
    killed: Vec<Id>,
    terminated: Vec<Id>,
    end: Option<i32>,
}

impl World {
    fn new(settings: Settings) -> Self {
        let mut world = Self {
            machine: Machine::new(settings),
            now: Duration::ZERO,
            alive: Vec::new(),
            said: Vec::new(),
            killed: Vec::new(),
            terminated: Vec::new(),
            end: None,
        };
        world.happens(Event::Start);
        world
    }

    fn happens(&mut self, event: Event) {
        if let Event::Exited(id, _) = event {
            self.alive.retain(|(other, _)| *other != id);
        }
        for action in self.machine.handle(self.now, event, &mut || 0.5) {
            assert!(self.end.is_none(), "nothing is done after the end: {action:?}");
            match action {
                Action::Spawn { id, number, .. } => self.alive.push((id, number)),
                Action::Terminate(id) => self.terminated.push(id),
                Action::Kill(id) => self.killed.push(id),
                Action::Say(word) => self.said.push(word),
                Action::End(code) => self.end = Some(code),
                Action::Reload(_) => {}
            }
        }
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
        self.happens(Event::Tick);
    }

    fn latest(&self, number: usize) -> Id {
        self.alive
            .iter()
            .rev()
            .find(|(_, other)| *other == number)
            .expect("it lives")
            .0
    }

    fn ready(&mut self, number: usize) -> Id {
        let id = self.latest(number);
        self.happens(Event::Ready(id));
        id
    }

    fn exits(&mut self, id: Id, code: i32) {
        self.happens(Event::Exited(id, Exit::Code(code)));
    }
}

#[test]
fn a_worker_that_ends_over_and_over_is_started_at_growing_pauses() {
    let mut world = World::new(settings(1));
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let id = world.latest(0);
        world.exits(id, 69);
        assert!(world.alive.is_empty());
        let pause = world.machine.next_deadline().unwrap() - world.now;
        pauses.push(pause.as_millis());
        world.passes(pause);
        assert_eq!(world.alive.len(), 1);
    }
    // With a random number in the middle: half way from the floor to the double.
    assert_eq!(pauses, [15, 25, 45, 85, 165, 325, 505, 505, 505, 505]);
}

#[test]
fn only_a_worker_that_was_healthy_begins_anew_at_the_floor() {
    let mut world = World::new(settings(1));
    for _ in 0..5 {
        let id = world.ready(0);
        world.exits(id, 1);
        let pause = world.machine.next_deadline().unwrap() - world.now;
        world.passes(pause);
    }
    let id = world.ready(0);
    world.now += 5_000 * MS;
    world.exits(id, 1);
    assert_eq!(world.machine.next_deadline().unwrap() - world.now, 15 * MS);
}

#[test]
fn a_configuration_that_is_wrong_waits_at_the_cap_at_once() {
    let mut world = World::new(settings(1));
    let id = world.latest(0);
    world.exits(id, 78);
    assert_eq!(world.machine.next_deadline().unwrap() - world.now, 1_000 * MS);
}

#[test]
fn success_is_the_end_unless_asked_otherwise() {
    let mut world = World::new(settings(2));
    for number in 0..2 {
        let id = world.ready(number);
        assert_eq!(world.end, None);
        world.exits(id, 0);
    }
    assert_eq!(world.end, Some(0));
    let mut again = World::new(Settings {
        restart_on_success: true,
        ..settings(1)
    });
    let id = again.ready(0);
    again.exits(id, 0);
    assert_eq!(again.end, None);
    assert!(again.machine.next_deadline().is_some());
}

#[test]
fn one_that_is_never_ready_is_ended_and_then_killed() {
    let mut world = World::new(settings(1));
    let id = world.latest(0);
    world.passes(299 * MS);
    assert!(world.terminated.is_empty());
    world.passes(MS);
    assert_eq!(world.terminated, [id]);
    world.passes(199 * MS);
    assert!(world.killed.is_empty());
    world.passes(MS);
    assert_eq!(world.killed, [id]);
    world.happens(Event::Exited(id, Exit::Signal(9)));
    assert!(world.machine.next_deadline().is_some(), "it is started again");
}

#[test]
fn one_that_is_at_work_has_the_time_that_it_asks_for() {
    let mut world = World::new(settings(1));
    let id = world.latest(0);
    for _ in 0..10 {
        world.now += 90 * MS;
        world.happens(Event::AtWork(id, 100 * MS));
        assert!(world.terminated.is_empty(), "{:?}", world.now);
    }
    world.passes(99 * MS);
    assert!(world.terminated.is_empty());
    world.passes(MS);
    assert_eq!(world.terminated, [id], "it is silent");
    let after = 1_000 * MS;
    assert_eq!(world.said, [Word::NeverReady { number: 0, after }]);
    // What is to end has its grace, whatever it says.
    world.happens(Event::AtWork(id, 1_000 * MS));
    world.passes(200 * MS);
    assert_eq!(world.killed, [id]);
}

#[test]
fn a_sign_of_work_takes_no_time_away() {
    let mut world = World::new(settings(1));
    let id = world.latest(0);
    world.happens(Event::AtWork(id, MS));
    world.passes(299 * MS);
    assert!(world.terminated.is_empty());
    world.passes(MS);
    assert_eq!(world.terminated, [id]);
}

#[test]
fn a_master_that_was_stopped_itself_takes_nobody_for_silent() {
    let mut world = World::new(settings(1));
    let id = world.ready(0);
    world.happens(Event::Beat(id));
    // Its machine slept for an hour.
    world.passes(Duration::from_secs(3_600));
    assert!(world.killed.is_empty());
    world.passes(99 * MS);
    assert!(world.killed.is_empty());
    world.passes(MS);
    assert_eq!(world.killed, [id]);
}

#[test]
fn silence_is_death_for_one_that_spoke_and_nothing_for_one_that_never_did() {
    let mut world = World::new(settings(2));
    let (silent, speaking) = (world.ready(0), world.ready(1));
    world.happens(Event::Beat(speaking));
    for _ in 0..5 {
        world.now += 90 * MS;
        world.happens(Event::Beat(speaking));
        assert!(world.killed.is_empty());
    }
    world.passes(100 * MS);
    assert_eq!(world.killed, [speaking]);
    assert!(world.alive.iter().any(|(id, _)| *id == silent));
}

#[test]
fn a_rolling_restart_starts_the_new_one_before_it_ends_the_old_one() {
    let mut world = World::new(settings(3));
    let old: Vec<Id> = (0..3).map(|number| world.ready(number)).collect();
    world.happens(Event::Roll);
    for (number, old) in old.into_iter().enumerate() {
        assert_eq!(world.alive.len(), 4, "one more, for this place");
        assert!(!world.terminated.contains(&old));
        world.ready(number);
        assert_eq!(world.terminated.last(), Some(&old));
        world.exits(old, 0);
    }
    assert_eq!(world.alive.len(), 3);
    assert_eq!(world.said.last(), Some(&Word::Rolled));
    assert_eq!(world.end, None);
}

#[test]
fn a_request_to_replace_every_worker_fills_the_place_of_one_that_had_ended() {
    let mut world = World::new(settings(2));
    let (ended, other) = (world.ready(0), world.ready(1));
    world.exits(ended, 0);
    world.passes(Duration::from_secs(3_600));
    assert_eq!(world.alive.len(), 1, "it has done its work");
    world.happens(Event::Roll);
    world.passes(MS);
    assert_ne!(world.ready(0), ended);
    world.passes(MS);
    assert_ne!(world.ready(1), other, "{:?}", world.said);
    world.exits(other, 0);
    assert_eq!(world.alive.len(), 2);
    assert!(world.said.contains(&Word::Rolled), "{:?}", world.said);
}

#[test]
fn a_new_version_that_does_not_come_up_leaves_the_old_one_in_place() {
    let mut world = World::new(settings(2));
    let old: Vec<Id> = (0..2).map(|number| world.ready(number)).collect();
    world.happens(Event::Roll);
    let new = world.latest(0);
    world.exits(new, 78);
    assert!(world.terminated.is_empty());
    assert!(world.said.contains(&Word::RollFailed { number: 0 }));
    let left: Vec<Id> = world.alive.iter().map(|(id, _)| *id).collect();
    assert_eq!(left, old);
    assert_eq!(world.machine.next_deadline(), None);
}

#[test]
fn an_old_one_that_ends_by_itself_in_a_rolling_restart_holds_nothing_up() {
    let mut world = World::new(settings(2));
    let old: Vec<Id> = (0..2).map(|number| world.ready(number)).collect();
    world.happens(Event::Roll);
    world.exits(old[0], 1);
    assert_eq!(world.alive.len(), 2, "the successor is the worker now");
    world.ready(0);
    assert_eq!(world.alive.len(), 3, "on with the next place");
    world.ready(1);
    world.exits(old[1], 0);
    assert_eq!(world.said.last(), Some(&Word::Rolled));
}

#[test]
fn the_return_of_hosts_starts_the_first_worker_and_its_readiness_the_next() {
    let mut world = World::new(settings(3));
    for number in 0..3 {
        for _ in 0..8 {
            let id = world.latest(number);
            world.exits(id, 69);
            if world.machine.slots[number].backoff.failures() < 8 {
                world.machine.slots[number].next = Some(world.now);
                world.happens(Event::Tick);
            }
        }
    }
    assert!(world.alive.is_empty() && world.machine.waits_for_hosts());
    world.happens(Event::HostsBack);
    assert_eq!(world.alive.len(), 1);
    let first = world.alive[0];
    world.happens(Event::Ready(first.0));
    assert_eq!(world.alive.len(), 2);
    let second = *world.alive.last().unwrap();
    world.happens(Event::Ready(second.0));
    assert_eq!(world.alive.len(), 3);
}

#[test]
fn the_second_stop_kills() {
    let mut world = World::new(settings(2));
    let first = world.ready(0);
    let second = world.latest(1);
    world.happens(Event::Stop);
    assert_eq!(world.terminated, [first, second]);
    world.happens(Event::Stop);
    assert_eq!(world.killed, [first, second]);
    world.happens(Event::Exited(first, Exit::Signal(9)));
    assert_eq!(world.end, None);
    world.happens(Event::Exited(second, Exit::Signal(9)));
    assert_eq!(world.end, Some(0));
}

#[derive(Clone, Debug)]
enum Step {
    Ready(prop::sample::Index),
    Beat(prop::sample::Index),
    AtWork(prop::sample::Index, u64),
    Exits(prop::sample::Index, i32),
    Passes(u64),
    Stop,
    Roll,
    Reload,
    HostsBack,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<prop::sample::Index>().prop_map(Step::Ready),
        2 => any::<prop::sample::Index>().prop_map(Step::Beat),
        2 => (any::<prop::sample::Index>(), 0_u64..1_000)
            .prop_map(|(index, ms)| Step::AtWork(index, ms)),
        4 => (any::<prop::sample::Index>(), prop::sample::select(vec![0, 1, 69, 78]))
            .prop_map(|(index, code)| Step::Exits(index, code)),
        6 => (0_u64..2_000).prop_map(Step::Passes),
        1 => Just(Step::Stop),
        2 => Just(Step::Roll),
        1 => Just(Step::Reload),
        1 => Just(Step::HostsBack),
    ]
}

proptest! {
    #[test]
    fn holds_its_promises_in_every_order_of_events(
        workers in 1_usize..5,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut world = World::new(settings(workers));
        let mut stopped = false;
        let mut spawned = world.alive.len();
        for step in steps {
            if world.end.is_some() {
                break;
            }
            let pick = |index: prop::sample::Index, alive: &[(Id, usize)]| {
                (!alive.is_empty()).then(|| alive[index.index(alive.len())].0)
            };
            let failures: Vec<_> = world.machine.slots.iter().map(|slot| slot.next).collect();
            match step {
                Step::Ready(index) => {
                    if let Some(id) = pick(index, &world.alive) { world.happens(Event::Ready(id)); }
                }
                Step::Beat(index) => {
                    if let Some(id) = pick(index, &world.alive) { world.happens(Event::Beat(id)); }
                }
                Step::AtWork(index, ms) => {
                    let time = Duration::from_millis(ms);
                    if let Some(id) = pick(index, &world.alive) { world.happens(Event::AtWork(id, time)); }
                }
                Step::Exits(index, code) => {
                    if let Some(id) = pick(index, &world.alive) { world.exits(id, code); }
                }
                Step::Passes(ms) => world.passes(Duration::from_millis(ms)),
                Step::Stop => { stopped = true; world.happens(Event::Stop); }
                Step::Roll => world.happens(Event::Roll),
                Step::Reload => world.happens(Event::Reload),
                Step::HostsBack => world.happens(Event::HostsBack),
            }
            // Never more than one process per place, and one more in a rolling restart.
            prop_assert!(world.alive.len() <= workers + 1, "{:?}", world.alive);
            // What is to happen next is never before now, and never later than the longest wait.
            if let Some(next) = world.machine.next_deadline() {
                prop_assert!(next >= world.now, "{next:?} is before {:?}", world.now);
                prop_assert!(next <= world.now + 1_000 * MS);
            }
            // A place waits between the floor and the cap.
            for (slot, before) in world.machine.slots.iter().zip(failures) {
                if let Some(next) = slot.next && before.is_none() {
                    prop_assert!(next - world.now >= 10 * MS && next - world.now <= 1_000 * MS);
                }
            }
            let now_spawned = usize::try_from(world.machine.spawned).unwrap();
            if stopped {
                prop_assert_eq!(now_spawned, spawned, "nothing starts after a stop");
            }
            spawned = now_spawned;
            // While nobody stopped it, every place has a process, waits for one, or is done.
            for (number, slot) in world.machine.slots.iter().enumerate() {
                let lives = world.alive.iter().any(|(_, other)| *other == number);
                let done = matches!(slot.last, Some((_, Exit::Code(0))));
                prop_assert!(stopped || lives || slot.next.is_some() || done, "place {number} is forgotten");
            }
        }
        // Whatever came before, it ends.
        if world.end.is_none() {
            world.happens(Event::Stop);
            if world.end.is_none() {
                world.happens(Event::Stop);
            }
            for (id, _) in world.alive.clone() {
                world.happens(Event::Exited(id, Exit::Signal(9)));
            }
            prop_assert_eq!(world.end, Some(0));
        }
    }
}
