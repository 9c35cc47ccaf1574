//! Devices of our V2 on one channel, in a time of their own; what they store is stored at once.
//! Not here: what is measured.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::collections::{BTreeMap, VecDeque};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use stringphone_protocol::v2::{
    Entry, FoundOptions, Invitation, InviteOptions, Settings, Suite, V2Session, V2State,
};
use stringphone_protocol::{Command, Event, Identity, Input, Moment, Output, Record, Session};

use crate::Done;

/// Where the clock begins: long after all that is limited by time was last done.
const START: u64 = 100_000_000;
/// Between two admissions: a keeper checks four newcomers a second.
const PAUSE: u64 = 300;

/// A participant.
pub(crate) struct Device {
    pub(crate) session: V2Session,
    identity: Identity,
    entropy: ChaCha20Rng,
    now: u64,
    /// What it stored, if somebody wants to know.
    records: Option<BTreeMap<String, Record>>,
}

/// What came out.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) events: Vec<Event>,
}

impl Told {
    pub(crate) fn invitation(self) -> Done<Invitation> {
        let found = self.events.into_iter().find_map(|event| match event {
            Event::Invited(invitation) => Some(invitation),
            _ => None,
        });
        found.ok_or_else(|| "no invitation".into())
    }

    /// The only message.
    pub(crate) fn body(mut self) -> Done<Vec<u8>> {
        match (self.events.pop(), self.events.pop()) {
            (Some(Event::Message { body, .. }), None) => Ok(body),
            other => Err(format!("no message: {other:?}").into()),
        }
    }
}

impl Device {
    pub(crate) fn founder(number: u64) -> Done<Self> {
        let mut entropy = ChaCha20Rng::seed_from_u64(number);
        let identity = Identity::generate(&mut entropy);
        let state = V2State::found("house", &identity, FoundOptions::default(), &mut entropy);
        Self::open(identity, state.records().to_vec(), Entry::default(), entropy, START)
    }

    fn newcomer(number: u64, invitation: Invitation, now: u64) -> Done<Self> {
        let mut entropy = ChaCha20Rng::seed_from_u64(number);
        let identity = Identity::generate(&mut entropy);
        let state = V2State::join("house", &identity, Suite::X25519);
        let entry = Entry::Invitation(invitation);
        Self::open(identity, state.records().to_vec(), entry, entropy, now)
    }

    fn open(
        identity: Identity,
        records: Vec<Record>,
        entry: Entry,
        mut entropy: ChaCha20Rng,
        now: u64,
    ) -> Done<Self> {
        let settings = Settings { entry, ..Settings::default() };
        let kept = records.iter().map(|record| (record.key.clone(), record.clone())).collect();
        let state = V2State::from_records(records);
        let mut moment = Moment::new(now, &mut entropy);
        let session = V2Session::open(identity.clone(), &state, settings, &mut moment)?;
        let mut device = Self { session, identity, entropy, now, records: Some(kept) };
        device.outputs();
        Ok(device)
    }

    /// The same, switched off and on.
    pub(crate) fn restored(&self) -> Done<Self> {
        let records = self.records.as_ref().ok_or("nothing was kept")?;
        let records = records.values().cloned().collect();
        let entropy = ChaCha20Rng::from_seed([9; 32]);
        Self::open(self.identity.clone(), records, Entry::default(), entropy, self.now)
    }

    /// From now on, what it stores is forgotten.
    pub(crate) fn forgetful(mut self) -> Self {
        self.records = None;
        self
    }

    pub(crate) fn command(&mut self, command: Command<'_>) -> Done<Told> {
        self.handle(Input::Command(command))?;
        Ok(self.outputs())
    }

    pub(crate) fn hear(&mut self, frame: &[u8]) -> Told {
        self.handle(Input::Frame(frame)).expect("frames never fail");
        self.outputs()
    }

    pub(crate) fn publish(&mut self, body: &[u8]) -> Done<Vec<u8>> {
        let mut told = self.command(Command::Publish(body))?;
        told.frames.pop().ok_or_else(|| "no frame".into())
    }

    pub(crate) fn handle(&mut self, input: Input<'_>) -> Done {
        let mut moment = Moment::new(self.now, &mut self.entropy);
        Ok(self.session.handle(input, &mut moment)?)
    }

    pub(crate) fn outputs(&mut self) -> Told {
        let mut told = Told::default();
        while let Some(output) = self.session.poll() {
            match output {
                Output::Store(records) => {
                    self.handle(Input::Stored).expect("no command");
                    let Some(kept) = &mut self.records else { continue };
                    for record in records {
                        kept.insert(record.key.clone(), record);
                    }
                }
                Output::Send(frame) => told.frames.push(frame),
                Output::Event(event) => told.events.push(event),
                _ => {}
            }
        }
        told
    }

    fn wait_until(&mut self, now: u64) -> Told {
        self.now = now;
        if self.session.deadline().is_some_and(|deadline| deadline <= now) {
            self.handle(Input::Timer).expect("no command");
        }
        self.outputs()
    }
}

/// The first invites one more, and all of these hear of it.
pub(crate) fn admit(number: u64, members: &mut [&mut Device]) -> Done<Device> {
    let (invitation, now) = {
        let keeper = members.first_mut().ok_or("nobody")?;
        let told = keeper.command(Command::Invite(InviteOptions::default()))?;
        (told.invitation()?, keeper.now)
    };
    let mut newcomer = Device::newcomer(number, invitation, now)?;
    let introduction = newcomer.command(Command::Introduce)?.frames;
    let mut here: Vec<&mut Device> = members.iter_mut().map(|member| &mut **member).collect();
    here.push(&mut newcomer);
    let last = here.len() - 1;
    let mut wire: VecDeque<_> = introduction.into_iter().map(|frame| (last, frame)).collect();
    for _ in 0..100 {
        while let Some((from, frame)) = wire.pop_front() {
            for (to, device) in here.iter_mut().enumerate().filter(|(to, _)| *to != from) {
                wire.extend(device.hear(&frame).frames.into_iter().map(|frame| (to, frame)));
            }
        }
        let ready = here[last].session.is_ready();
        let now = if ready {
            here[last].now + PAUSE
        } else {
            let deadlines = here.iter().filter_map(|device| device.session.deadline());
            deadlines.min().ok_or("nobody waits for anything")?.max(here[last].now)
        };
        for (from, device) in here.iter_mut().enumerate() {
            wire.extend(device.wait_until(now).frames.into_iter().map(|frame| (from, frame)));
        }
        if ready && wire.is_empty() {
            return Ok(newcomer);
        }
    }
    Err("nobody is admitted".into())
}

/// A founder, and others that heard all that was said.
pub(crate) fn house(members: u64) -> Done<Vec<Device>> {
    let mut house = vec![Device::founder(0)?];
    for number in 1..members {
        let mut all: Vec<&mut Device> = house.iter_mut().collect();
        let newcomer = admit(number, &mut all)?;
        house.push(newcomer);
    }
    Ok(house)
}

/// A founder and the last of so many that joined; the others are switched off after
/// `before_sleep`.
pub(crate) fn crowd(
    members: u64,
    mut before_sleep: impl FnMut(&mut Device, &mut Device) -> Done,
) -> Done<(Device, Device)> {
    let mut founder = Device::founder(0)?;
    let mut last = None;
    for number in 1..members {
        let mut newcomer = admit(number, &mut [&mut founder])?;
        before_sleep(&mut founder, &mut newcomer)?;
        last = Some(newcomer);
    }
    Ok((founder, last.ok_or("a house of one")?))
}
