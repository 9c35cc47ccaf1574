//! Devices, the links between them, and time. Not here: which of all that may happen does.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use stringphone_protocol::v2::{Entry, FoundOptions, InviteOptions, Settings, Suite, V2State};
use stringphone_protocol::{Command, CommandError, Identity, Input, ParticipantId, Session};

use crate::device::{Device, Done, EXPLAIN, Flaw, hash_of};
use crate::entropy::Entropy;
use crate::scenario::{Budget, Scenario, Step};

const TOPIC: &str = "house";
/// More frames than that for one cause, and they have no end.
const ENDLESS: usize = 20_000;

/// A frame on its way.
#[derive(Clone)]
pub(crate) struct Frame {
    bytes: Arc<[u8]>,
    hash: u64,
    /// Of two frames of one sender, the later one has the higher number.
    number: u32,
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) now: u64,
    devices: Vec<(Arc<Device>, u64)>,
    /// From each to each.
    links: Vec<VecDeque<Frame>>,
    frames: u32,
    sides: Vec<u8>,
    pub(crate) asleep: Vec<bool>,
    /// Who was evicted when each generation was begun, as far as its keeper knew. Its id says all
    /// that, so that it is no part of the state.
    begun: Arc<BTreeMap<[u8; 32], Vec<(ParticipantId, u32)>>>,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) left: Budget,
    /// Bits of the steps that were done.
    pub(crate) done: u32,
    /// Bits of those who must be out at the end, and of those who may be.
    pub(crate) must_go: u32,
    pub(crate) may_go: u32,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.now, &self.sides, &self.asleep, self.flaw, self.left).hash(state);
        (self.done, self.must_go, self.may_go).hash(state);
        self.devices.iter().for_each(|(_, hash)| hash.hash(state));
        for link in &self.links {
            link.len().hash(state);
            link.iter().for_each(|frame| frame.hash.hash(state));
        }
    }
}

/// Building.
impl World {
    /// The house of a scenario, with all that comes before it.
    pub(crate) fn of(scenario: &Scenario, seed: u64) -> Self {
        let count = scenario.devices;
        let mut world = Self {
            now: 1_000_000,
            devices: Vec::new(),
            links: vec![VecDeque::new(); count * count],
            frames: 0,
            sides: vec![0; count],
            asleep: vec![false; count],
            begun: Arc::default(),
            flaw: None,
            left: scenario.budget,
            done: 0,
            must_go: 0,
            may_go: 0,
        };
        let reboots = |(step, _): &(Step, _)| matches!(step, Step::Reboot(_));
        world.move_in(seed, scenario.steps.iter().any(reboots));
        for (by, whom) in scenario.appoints {
            world.step(Step::Appoint(*by, *whom));
            world.run(10_000);
        }
        for step in scenario.before {
            world.step(*step);
            world.run(10_000);
        }
        assert_eq!(world.flaw, None, "before {}", scenario.name);
        world
    }

    fn move_in(&mut self, seed: u64, keeps_store: bool) {
        let mut entropy = Entropy::new(seed, 1 << 32);
        let founder = Identity::generate(&mut entropy);
        let state = V2State::found(TOPIC, &founder, FoundOptions::default(), &mut entropy);
        self.open(founder, &state, Entry::default(), seed, keeps_store);
        for _ in 1..self.asleep.len() {
            let invite = Command::Invite(InviteOptions::default());
            let (outcome, done) = self.input(0, Input::Command(invite));
            outcome.expect("invites");
            let entry = Entry::Invitation(done.invited.expect("an invitation"));
            let newcomer = Identity::generate(&mut entropy);
            let state = V2State::join(TOPIC, &newcomer, Suite::X25519);
            let device = self.open(newcomer, &state, entry, seed, keeps_store);
            self.input(device, Input::Command(Command::Introduce)).0.expect("introduces itself");
            self.run(10_000);
            assert!(self.device(device).session.is_ready(), "joins");
        }
    }

    fn open(
        &mut self,
        identity: Identity,
        state: &V2State,
        entry: Entry,
        seed: u64,
        keeps_store: bool,
    ) -> usize {
        let number = self.devices.len();
        let seed = hash_of(&(seed, number));
        let settings = Settings { entry, ..Settings::default() };
        let (device, done) = Device::open(identity, state, settings, seed, self.now, keeps_store);
        self.devices.push((Arc::new(device), 0));
        self.notice(number, &done);
        self.carry(number, &done);
        number
    }
}

/// Looking.
impl World {
    pub(crate) fn device(&self, number: usize) -> &Device {
        &self.devices[number].0
    }

    pub(crate) fn count(&self) -> usize {
        self.asleep.len()
    }

    pub(crate) fn id(&self, number: usize) -> ParticipantId {
        self.device(number).id()
    }

    pub(crate) fn waiting(&self, from: usize, to: usize) -> usize {
        self.links[from * self.count() + to].len()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.links.iter().all(VecDeque::is_empty)
    }

    /// When somebody who is awake wants to be woken next.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let awake = (0..self.devices.len()).filter(|device| !self.asleep[*device]);
        awake.filter_map(|device| self.device(device).session.deadline()).min()
    }
}

/// What happens.
impl World {
    fn input(&mut self, number: usize, input: Input<'_>) -> (Result<(), CommandError>, Done) {
        let now = self.now;
        let outcome = self.change(number, |device| device.input(input, now));
        self.carry(number, &outcome.1);
        outcome
    }

    fn change<T>(
        &mut self,
        number: usize,
        change: impl FnOnce(&mut Device) -> (T, Done),
    ) -> (T, Done) {
        let device = Arc::make_mut(&mut self.devices[number].0);
        let outcome = change(device);
        self.devices[number].1 = device.digest();
        self.notice(number, &outcome.1);
        outcome
    }

    /// Looks for what must never happen.
    fn notice(&mut self, number: usize, done: &Done) {
        let device = Arc::clone(&self.devices[number].0);
        self.flaw = self.flaw.or(done.flaw);
        let id = device.id();
        for held in device.session.held_generations() {
            match self.begun.get(&held.id) {
                None => {
                    let evicted = device.session.evicted();
                    Arc::make_mut(&mut self.begun).insert(held.id, evicted);
                }
                Some(evicted) if evicted.iter().any(|(who, _)| *who == id) => {
                    self.flaw = self.flaw.or(Some(Flaw::EvictedHolds));
                }
                Some(_) => {}
            }
        }
    }

    /// What a device sent goes to all who can hear it.
    fn carry(&mut self, from: usize, done: &Done) {
        if self.asleep[from] {
            return;
        }
        for bytes in &done.frames {
            self.frames += 1;
            let (bytes, hash) = (Arc::from(bytes.as_slice()), hash_of(bytes));
            let frame = Frame { bytes, hash, number: self.frames };
            for to in 0..self.count() {
                if to != from && self.hears(from, to) {
                    let link = from * self.count() + to;
                    self.links[link].push_back(frame.clone());
                }
            }
        }
    }

    /// Whether what one sends now gets to the other, and matters to it.
    fn hears(&self, from: usize, to: usize) -> bool {
        let listens = |device: &(Arc<Device>, u64)| device.0.is_listening();
        self.sides[to] == self.sides[from]
            && !self.asleep[to]
            && self.devices.get(to).is_some_and(listens)
    }

    /// The links on which the first frame that a device sent of those on their way is next.
    pub(crate) fn first_of(&self, from: usize) -> impl Iterator<Item = usize> {
        let first = move |to: &usize| Some(self.links[from * self.count() + to].front()?.number);
        let lowest = (0..self.count()).filter_map(|to| first(&to)).min();
        (0..self.count()).filter(move |to| lowest.is_some() && first(to) == lowest)
    }

    /// The first frame of a device arrives everywhere, as on a cable.
    pub(crate) fn broadcast(&mut self, from: usize) {
        let all: Vec<usize> = self.first_of(from).collect();
        for to in all {
            self.deliver(from, to);
        }
    }

    /// The first frame of a link arrives.
    pub(crate) fn deliver(&mut self, from: usize, to: usize) {
        if let Some(frame) = self.drop_first(from, to) {
            self.arrive(to, &frame);
        }
    }

    pub(crate) fn drop_first(&mut self, from: usize, to: usize) -> Option<Frame> {
        let link = from * self.count() + to;
        self.links[link].pop_front()
    }

    /// The first frame of a link arrives, and will again.
    pub(crate) fn duplicate(&mut self, from: usize, to: usize) {
        let link = from * self.count() + to;
        if let Some(frame) = self.links[link].front().cloned() {
            self.arrive(to, &frame);
        }
    }

    /// The first frame of a link is overtaken.
    pub(crate) fn delay(&mut self, from: usize, to: usize) {
        let link = from * self.count() + to;
        self.links[link].swap(0, 1);
    }

    fn arrive(&mut self, to: usize, frame: &Frame) {
        if EXPLAIN.load(Ordering::Relaxed) {
            let name: String = self.id(to).to_string();
            println!("      {} ms: 0x{:x} to {to} ({name:.4})", self.now, frame.bytes[0]);
        }
        if !self.asleep[to] {
            self.input(to, Input::Frame(&frame.bytes)).0.expect("frames never fail");
        }
    }

    /// Goes to the next deadline, and wakes whoever wanted that.
    pub(crate) fn tick(&mut self) {
        self.now = self.now.max(self.deadline().unwrap_or(0));
        for device in 0..self.devices.len() {
            let deadline = self.device(device).session.deadline();
            if !self.asleep[device] && deadline.is_some_and(|at| at <= self.now) {
                self.input(device, Input::Timer).0.expect("timers never fail");
            }
        }
    }

    /// Delivers everything, in the order in which links are numbered.
    pub(crate) fn deliver_all(&mut self) {
        let mut frames = 0;
        while !self.is_quiet() {
            for link in 0..self.links.len() {
                let (from, to) = (link / self.count(), link % self.count());
                frames += self.waiting(from, to);
                self.deliver(from, to);
            }
            if frames > ENDLESS {
                self.flaw = self.flaw.or(Some(Flaw::NeverQuiet));
                return;
            }
        }
    }

    /// Lets time pass in an orderly network.
    pub(crate) fn run(&mut self, ms: u64) {
        self.deliver_all();
        let end = self.now + ms;
        let mut ticks = 0;
        while self.deadline().is_some_and(|next| next <= end) {
            self.tick();
            self.deliver_all();
            ticks += 1;
            if ticks > ENDLESS || self.flaw == Some(Flaw::NeverQuiet) {
                self.flaw = self.flaw.or(Some(Flaw::NeverQuiet));
                return;
            }
        }
        self.now = end;
    }

    pub(crate) fn command(&mut self, number: usize, command: Command<'_>) -> bool {
        self.input(number, Input::Command(command)).0.is_ok()
    }

    pub(crate) fn publish(&mut self, number: usize, body: &[u8]) -> bool {
        self.command(number, Command::Publish(body))
    }

    /// What devices heard up to now is of no interest any more.
    pub(crate) fn forget_heard(&mut self) {
        for number in 0..self.count() {
            self.change(number, |device| {
                device.heard.clear();
                ((), Done::default())
            });
        }
    }

    /// Does a step. `false` where it could not be done, and nothing has changed.
    pub(crate) fn step(&mut self, step: Step) -> bool {
        match step {
            Step::Rotate(keeper) => self.command(keeper, Command::Rotate),
            Step::Evict(keeper, whom) => self.evict(keeper, whom),
            Step::Appoint(keeper, whom) => {
                let id = self.id(whom);
                self.command(keeper, Command::Appoint(id))
            }
            Step::Leave(who) => {
                let left = self.command(who, Command::Leave);
                self.may_go |= u32::from(left) << who;
                left
            }
            Step::Publish(who) => self.publish(who, &[b'p', who as u8]),
            Step::Sleep(who) => {
                self.asleep[who] = true;
                true
            }
            Step::Wake(who) => {
                self.asleep[who] = false;
                true
            }
            Step::Part(sides) => {
                self.sides = sides.to_vec();
                true
            }
            Step::Heal => {
                self.sides.fill(0);
                true
            }
            Step::Minutes(minutes) => {
                self.run(minutes * 60_000);
                true
            }
            Step::Reboot(who) => {
                let now = self.now;
                let reboot = |device: &mut Device| ((), device.reboot(Settings::default(), now));
                let ((), done) = self.change(who, reboot);
                self.carry(who, &done);
                true
            }
        }
    }

    fn evict(&mut self, keeper: usize, whom: usize) -> bool {
        let id = self.id(whom);
        let done = self.command(keeper, Command::Evict(id));
        self.may_go |= u32::from(done) << whom;
        // Nobody stands before the founder.
        self.must_go |= u32::from(done && keeper == 0) << whom;
        done
    }
}
