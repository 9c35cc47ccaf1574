//! A scenario as a model for the checker: which actions there are in a state, and what must hold in
//! all of them. Not here: what actions do, which is [`world`](crate::world).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use stateright::{Model, Property};

use crate::closing::{Ending, close};
use crate::device::{Flaw, hash_of};
use crate::scenario::{Scenario, Step};
use crate::world::World;

/// Later than that, nothing of interest is due: the closing sees to it.
const NEAR_MS: u64 = 60_000;

pub(crate) struct HouseModel {
    pub(crate) scenario: Scenario,
    pub(crate) seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Do(Step),
    /// To everybody.
    Send(usize),
    Deliver(usize, usize),
    Drop(usize, usize),
    Duplicate(usize, usize),
    Delay(usize, usize),
    Tick,
    Close,
}

/// A world, or how it ended.
#[derive(Clone)]
pub(crate) enum State {
    Open(Arc<World>, u64),
    Closed(Ending, Option<Flaw>),
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Open(_, hash) => hash.hash(state),
            Self::Closed(ending, flaw) => (ending, flaw).hash(state),
        }
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        hash_of(self) == hash_of(other)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Open(world, _) = self else {
            let Self::Closed(ending, flaw) = self else { return Ok(()) };
            return write!(f, "{ending:?} {flaw:?}");
        };
        write!(f, "{} ms:", world.now)?;
        for device in 0..world.count() {
            let held = world.device(device).session.held_generations();
            let held: Vec<String> = held
                .iter()
                .map(|held| format!("{}.{}/{:02x}", held.number, held.step, held.id[0]))
                .collect();
            write!(f, "  {device}: {}", held.join(" "))?;
        }
        Ok(())
    }
}

impl State {
    fn open(world: World) -> Self {
        let hash = hash_of(&world);
        Self::Open(Arc::new(world), hash)
    }

    fn flaw(&self) -> Option<Flaw> {
        match self {
            Self::Open(world, _) => world.flaw,
            Self::Closed(_, flaw) => *flaw,
        }
    }

    fn lacks(&self, flaw: Flaw) -> bool {
        self.flaw() != Some(flaw)
    }
}

impl Model for HouseModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::open(World::of(&self.scenario, self.seed))]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let State::Open(world, _) = state else { return };
        if world.flaw.is_some() {
            return;
        }
        self.steps(world, actions);
        if self.scenario.cable {
            cable(world, actions)
        } else {
            links(world, actions)
        }
        let quiet = world.is_quiet();
        let ticks = if quiet { world.left.ticks } else { world.left.early_ticks };
        if ticks > 0 && world.deadline().is_some_and(|next| next <= world.now + NEAR_MS) {
            actions.push(Action::Tick);
        }
        if quiet {
            actions.push(Action::Close);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let State::Open(last, _) = last else { return None };
        let mut world = World::clone(last);
        if self.act(&mut world, action) {
            return Some(State::open(world));
        }
        (action == Action::Close).then(|| State::Closed(close(&mut world), world.flaw))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("the members end up together", |_, state| {
                !matches!(state, State::Closed(Ending::Apart(_), _))
            }),
            Property::always("no message is delivered twice", |_, state: &State| {
                state.lacks(Flaw::DeliveredTwice)
            }),
            Property::always("no nonce is used for two frames", |_, state: &State| {
                state.lacks(Flaw::NonceReused)
            }),
            Property::always("nobody hears whom it knows to be evicted", |_, state: &State| {
                state.lacks(Flaw::HeardEvicted)
            }),
            Property::always("the evicted get no key of those who know it", |_, state: &State| {
                state.lacks(Flaw::EvictedHolds)
            }),
            Property::always("frames come to an end", |_, state: &State| {
                state.lacks(Flaw::NeverQuiet)
            }),
            Property::always("there are no false alarms", |_, state: &State| {
                state.lacks(Flaw::FalseAlarm)
            }),
            // Keeps the search going, and shows that there was something to be searched.
            Property::sometimes("some end is reached", |_, state| {
                matches!(state, State::Closed(Ending::Together(_), _))
            }),
        ]
    }
}

impl HouseModel {
    fn steps(&self, world: &World, actions: &mut Vec<Action>) {
        for (number, (step, after)) in self.scenario.steps.iter().enumerate() {
            let done = |number: usize| world.done >> number & 1 == 1;
            if !done(number) && after.is_none_or(done) {
                actions.push(Action::Do(*step));
            }
        }
    }

    /// `false` where it is the end.
    fn act(&self, world: &mut World, action: Action) -> bool {
        match action {
            Action::Do(step) => {
                let number = self.number_of(step, world.done);
                world.done |= 1 << number;
                // What can't be done any more is forgone.
                world.step(step);
            }
            Action::Send(from) => world.broadcast(from),
            Action::Deliver(from, to) => world.deliver(from, to),
            Action::Drop(from, to) => {
                world.left.drops -= 1;
                world.drop_first(from, to);
            }
            Action::Duplicate(from, to) => {
                world.left.duplicates -= 1;
                world.duplicate(from, to);
            }
            Action::Delay(from, to) => {
                world.left.delays -= 1;
                world.delay(from, to);
            }
            Action::Tick if world.is_quiet() => {
                world.left.ticks -= 1;
                world.tick();
            }
            Action::Tick => {
                world.left.early_ticks -= 1;
                world.tick();
            }
            Action::Close => return false,
        }
        true
    }

    fn number_of(&self, step: Step, done: u32) -> usize {
        let numbered = self.scenario.steps.iter().enumerate();
        let mut same =
            numbered.filter(|(number, (other, _))| *other == step && done >> number & 1 == 0);
        same.next().map_or(0, |(number, _)| number)
    }
}

fn cable(world: &World, actions: &mut Vec<Action>) {
    for from in 0..world.count() {
        let next: Vec<usize> = world.first_of(from).collect();
        if next.is_empty() {
            continue;
        }
        actions.push(Action::Send(from));
        if world.left.drops > 0 {
            actions.extend(next.iter().map(|to| Action::Drop(from, *to)));
        }
        if world.left.duplicates > 0 {
            actions.extend(next.iter().map(|to| Action::Duplicate(from, *to)));
        }
    }
}

fn links(world: &World, actions: &mut Vec<Action>) {
    for from in 0..world.count() {
        for to in 0..world.count() {
            let waiting = world.waiting(from, to);
            if waiting == 0 {
                continue;
            }
            actions.push(Action::Deliver(from, to));
            if world.left.drops > 0 {
                actions.push(Action::Drop(from, to));
            }
            if world.left.duplicates > 0 {
                actions.push(Action::Duplicate(from, to));
            }
            if world.left.delays > 0 && waiting > 1 {
                actions.push(Action::Delay(from, to));
            }
        }
    }
}
