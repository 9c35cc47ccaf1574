//! A house of V2 devices on one channel, in virtual time. Not here: what they say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use stringphone_protocol::v2::{
    Entry, FoundOptions, Invitation, InviteOptions, Pin, Settings, Suite, V2Session, V2State,
};
use stringphone_protocol::{
    Command, CommandError, Epoch, Event, Fingerprint, Identity, Input, Moment, Output,
    ParticipantId, Record, Refusal, Session,
};

pub(crate) const TOPIC: &str = "house";

/// Where the calendar stands when a house begins.
const CALENDAR: u64 = 1_790_000_000_000;

/// A device: a session, what it stored, and what it told.
pub(crate) struct Device {
    pub(crate) identity: Identity,
    pub(crate) session: V2Session,
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) events: Vec<Event>,
    pub(crate) has_clock: bool,
    /// Hears and says nothing.
    pub(crate) asleep: bool,
    /// Only devices of one side hear each other.
    pub(crate) side: u8,
}

/// See [`House::snapshot`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    store: Store,
    epoch: Option<Epoch>,
    members: BTreeSet<ParticipantId>,
    sent: usize,
}

impl Snapshot {
    pub(crate) fn clone_epoch(&self) -> Option<Epoch> {
        self.epoch
    }
}

/// What a device stored.
pub(crate) type Store = BTreeMap<String, Record>;

/// Devices on one channel.
pub(crate) struct House {
    pub(crate) now: u64,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) devices: Vec<Device>,
    /// Frames on their way, with who sent them.
    pub(crate) wire: VecDeque<(usize, Vec<u8>)>,
    /// Everything that was ever sent.
    pub(crate) recorded: Vec<(usize, Vec<u8>)>,
    /// Devices whose frames get lost.
    pub(crate) mute: BTreeSet<usize>,
    /// Frames that get lost, by who sent them and what they are.
    pub(crate) lost: fn(usize, &[u8]) -> bool,
    /// One delivery that gets lost: after so many frames, to this device or to all.
    pub(crate) lose: Option<(usize, Option<usize>)>,
}

impl House {
    /// A house with one device, which founded the topic.
    pub(crate) fn found(seed: u8) -> Self {
        Self::found_with(seed, FoundOptions::default(), Settings::default())
    }

    pub(crate) fn found_with(seed: u8, options: FoundOptions, settings: Settings) -> Self {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let founder = Identity::generate(&mut rng);
        let state = V2State::found(TOPIC, &founder, options, &mut rng);
        let mut house = Self {
            now: 1_000_000,
            rng,
            devices: Vec::new(),
            wire: VecDeque::new(),
            recorded: Vec::new(),
            mute: BTreeSet::new(),
            lost: |_, _| false,
            lose: None,
        };
        house.open(founder, state.records().to_vec(), settings);
        house.settle();
        house
    }

    /// A house with so many members that joined by invitation, the founder included.
    pub(crate) fn of(seed: u8, members: usize) -> Self {
        let mut house = Self::found(seed);
        for _ in 1..members {
            house.invite_in();
        }
        house
    }

    /// Opens a device on a state, and returns its number.
    pub(crate) fn open(
        &mut self,
        identity: Identity,
        records: Vec<Record>,
        settings: Settings,
    ) -> usize {
        let store = records.iter().map(|record| (record.key.clone(), record.clone())).collect();
        let state = V2State::from_records(records);
        let mut moment = Moment::new(self.now, &mut self.rng).with_wall(CALENDAR + self.now);
        let session = V2Session::open(identity.clone(), &state, settings.clone(), &mut moment);
        self.devices.push(Device {
            identity,
            session: session.expect("a state that opens"),
            settings,
            store,
            events: Vec::new(),
            has_clock: true,
            asleep: false,
            side: 0,
        });
        self.devices.len() - 1
    }

    /// A device that wants to join, and has introduced itself; nothing is delivered yet.
    pub(crate) fn newcomer(&mut self, entry: Entry) -> usize {
        self.newcomer_with(Settings { entry, ..Settings::default() })
    }

    pub(crate) fn newcomer_with(&mut self, settings: Settings) -> usize {
        let identity = Identity::generate(&mut self.rng);
        let records = V2State::join(TOPIC, &identity, Suite::X25519).records().to_vec();
        let device = self.open(identity, records, settings);
        self.command(device, Command::Introduce).expect("introduces itself");
        device
    }

    /// The founder invites a device, which joins.
    pub(crate) fn invite_in(&mut self) -> usize {
        let invitation = self.invitation(0);
        let device = self.newcomer(Entry::Invitation(invitation));
        self.settle();
        assert!(self.devices[device].session.is_ready(), "joins by invitation");
        device
    }

    pub(crate) fn invitation(&mut self, keeper: usize) -> Invitation {
        self.command(keeper, Command::Invite(InviteOptions::default())).expect("invites");
        self.take_event(keeper, |event| match event {
            Event::Invited(invitation) => Some(invitation.clone()),
            _ => None,
        })
    }

    pub(crate) fn pin(&mut self, keeper: usize) -> Pin {
        self.command(keeper, Command::OfferPin).expect("offers a PIN");
        self.take_event(keeper, |event| match event {
            Event::PinOffered(pin) => Some(pin.clone()),
            _ => None,
        })
    }

    fn take_event<T>(&mut self, device: usize, pick: impl Fn(&Event) -> Option<T>) -> T {
        let found = self.devices[device].events.iter().rev().find_map(pick);
        found.expect("an event")
    }

    pub(crate) fn command(
        &mut self,
        device: usize,
        command: Command<'_>,
    ) -> Result<(), CommandError> {
        self.input(device, Input::Command(command))
    }

    pub(crate) fn publish(&mut self, device: usize, body: &[u8]) {
        self.command(device, Command::Publish(body)).expect("publishes");
    }

    /// Puts something into a device, and takes everything out; what it stores is stored at once.
    pub(crate) fn input(&mut self, device: usize, input: Input<'_>) -> Result<(), CommandError> {
        let wall = CALENDAR + self.now;
        let known = &mut self.devices[device];
        let mut moment = Moment::new(self.now, &mut self.rng);
        if known.has_clock {
            moment = moment.with_wall(wall);
        }
        let done = known.session.handle(input, &mut moment);
        while let Some(output) = known.session.poll() {
            match output {
                Output::Store(records) => {
                    for record in records {
                        known.store.insert(record.key.clone(), record);
                    }
                    known.session.handle(Input::Stored, &mut moment).expect("is told");
                }
                Output::Send(frame) => {
                    self.recorded.push((device, frame.clone()));
                    let lost = self.mute.contains(&device) || (self.lost)(device, &frame);
                    if !lost && !known.asleep {
                        self.wire.push_back((device, frame));
                    }
                }
                Output::Event(event) => known.events.push(event),
                _ => {}
            }
        }
        done
    }

    /// Delivers one frame to one device.
    pub(crate) fn deliver(&mut self, device: usize, frame: &[u8]) {
        self.input(device, Input::Frame(frame)).expect("frames never fail");
    }

    /// Puts a frame into a device, and tells why it was refused, if it was.
    pub(crate) fn inject(&mut self, device: usize, frame: &[u8]) -> Option<Refusal> {
        let before = self.devices[device].events.len();
        self.deliver(device, frame);
        self.devices[device].events[before..].iter().find_map(|event| match event {
            Event::Refused(refusal) => Some(*refusal),
            _ => None,
        })
    }

    /// What a device stored, and what it knows: to see that nothing changed.
    pub(crate) fn snapshot(&self, device: usize) -> Snapshot {
        Snapshot {
            store: self.devices[device].store.clone(),
            epoch: self.devices[device].session.epoch(),
            members: self.members(device),
            sent: self.recorded.len(),
        }
    }

    /// Does something, and returns the frames that a device sent meanwhile.
    pub(crate) fn sent_by(&mut self, device: usize, act: impl FnOnce(&mut Self)) -> Vec<Vec<u8>> {
        let before = self.recorded.len();
        act(self);
        let sent = self.recorded[before..].iter().filter(|(from, _)| *from == device);
        sent.map(|(_, frame)| frame.clone()).collect()
    }

    /// What a newcomer introduced itself with last; nothing of the rest is on its way any more.
    pub(crate) fn introduction(&mut self, device: usize) -> Vec<u8> {
        self.wire.clear();
        let introduced = |(from, frame): &&(usize, Vec<u8>)| *from == device && frame[0] == 0x21;
        self.recorded.iter().rfind(introduced).expect("an introduction").1.clone()
    }

    /// A frame that says this, as this device sends it, and that nobody hears.
    pub(crate) fn frame(&mut self, device: usize, body: &[u8]) -> Vec<u8> {
        let sent = self.sent_by(device, |house| house.publish(device, body));
        self.wire.clear();
        sent.last().expect("a frame").clone()
    }

    /// Delivers what is on its way, and what that causes, without time passing.
    pub(crate) fn deliver_all(&mut self) {
        let mut frames = 0;
        while let Some((from, frame)) = self.wire.pop_front() {
            frames += 1;
            assert!(frames < 200_000, "the house does not fall quiet");
            let lost = self.count_down();
            for device in 0..self.devices.len() {
                let hears = !self.devices[device].asleep
                    && self.devices[device].side == self.devices[from].side;
                let lost = lost.is_some_and(|whom| whom.is_none_or(|whom| whom == device));
                if device != from && hears && !lost {
                    self.deliver(device, &frame);
                }
            }
        }
    }

    /// Whether the next frame gets lost, and to whom.
    fn count_down(&mut self) -> Option<Option<usize>> {
        let (left, whom) = self.lose?;
        if left == 0 {
            self.lose = None;
            return Some(whom);
        }
        self.lose = Some((left - 1, whom));
        None
    }

    /// Lets some seconds pass, so that everything under way comes to its end.
    pub(crate) fn settle(&mut self) {
        self.run(10_000);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        self.deliver_all();
        let end = self.now + ms;
        let mut timers = 0;
        loop {
            let awake = self.devices.iter().filter(|device| !device.asleep);
            let next = awake.filter_map(|device| device.session.deadline()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            timers += 1;
            assert!(timers < 100_000, "timers that never rest");
            self.now = self.now.max(next);
            for device in 0..self.devices.len() {
                let known = &self.devices[device];
                let due = known.session.deadline().is_some_and(|deadline| deadline <= self.now);
                if due && !known.asleep {
                    self.input(device, Input::Timer).expect("timers never fail");
                }
            }
            self.deliver_all();
        }
        self.now = end;
    }

    /// Switches a device off and on: only what it stored remains.
    pub(crate) fn reboot(&mut self, device: usize) {
        let store = self.devices[device].store.clone();
        self.restore(device, store);
    }

    /// Gives a device the storage of another time.
    pub(crate) fn restore(&mut self, device: usize, store: Store) {
        let (identity, settings) =
            (self.devices[device].identity.clone(), self.devices[device].settings.clone());
        let again = self.open(identity, store.into_values().collect(), settings);
        let mut fresh = self.devices.remove(again);
        let old = &self.devices[device];
        (fresh.side, fresh.has_clock, fresh.asleep) = (old.side, old.has_clock, old.asleep);
        self.devices[device] = fresh;
        self.input(device, Input::Timer).expect("timers never fail");
    }

    /// Restarts a device on what somebody gone bad made of its storage.
    pub(crate) fn spoil(&mut self, device: usize, spoil: impl FnOnce(&mut Store)) {
        let mut store = self.devices[device].store.clone();
        spoil(&mut store);
        self.restore(device, store);
    }

    pub(crate) fn id(&self, device: usize) -> ParticipantId {
        self.devices[device].identity.id()
    }

    pub(crate) fn fingerprint(&self, device: usize) -> Fingerprint {
        self.devices[device].identity.public_key().fingerprint()
    }

    pub(crate) fn epoch(&self, device: usize) -> Epoch {
        self.devices[device].session.epoch().expect("an epoch")
    }

    /// The bodies that a device was given of another's messages, in order.
    pub(crate) fn heard(&self, device: usize, from: usize) -> Vec<Vec<u8>> {
        let from = self.id(from);
        self.devices[device]
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Message { from: sender, body, .. } if *sender == from => Some(body.clone()),
                _ => None,
            })
            .collect()
    }

    /// How often a device refused frames for this reason.
    pub(crate) fn refused(&self, device: usize, refusal: Refusal) -> usize {
        let wanted = Event::Refused(refusal);
        self.devices[device].events.iter().filter(|event| **event == wanted).count()
    }

    pub(crate) fn told(&self, device: usize, wanted: &Event) -> bool {
        self.devices[device].events.contains(wanted)
    }

    /// The members that a device knows of, itself included.
    pub(crate) fn members(&self, device: usize) -> BTreeSet<ParticipantId> {
        self.devices[device].session.members().iter().map(|(key, _)| key.id()).collect()
    }

    /// All these devices are the members, are on one epoch, and hear each other.
    #[track_caller]
    pub(crate) fn assert_together(&mut self, devices: &[usize]) {
        let members: BTreeSet<_> = devices.iter().map(|device| self.id(*device)).collect();
        for device in devices {
            assert_eq!(self.members(*device), members, "members as device {device} sees them");
        }
        self.assert_hear_each_other(devices);
    }

    /// All these devices are on one epoch, and hear each other.
    #[track_caller]
    pub(crate) fn assert_hear_each_other(&mut self, devices: &[usize]) {
        let first = self.epoch(devices[0]);
        for device in devices {
            assert_eq!(self.epoch(*device).generation, first.generation, "device {device}");
        }
        for from in devices {
            let body = format!("from {from} at {}", self.now).into_bytes();
            self.publish(*from, &body);
            self.settle();
            for to in devices.iter().filter(|to| *to != from) {
                assert!(self.heard(*to, *from).contains(&body), "{to} hears {from}");
            }
        }
    }
}
