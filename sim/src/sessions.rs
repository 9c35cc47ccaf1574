//! Devices that are bare protocol sessions: frames in, outputs out, and a store that takes its
//! time. Not what happens between them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use stringphone_protocol::v2::{InviteOptions, V2Session, V2State};
use stringphone_protocol::{
    Command, Event, Input, MessageId, Moment, Output, ParticipantId, PublishOptions, Record,
    Session,
};

use crate::checks;
use crate::clock::Clock;
use crate::dice::{Dice, Stream, entropy};
use crate::machine::{Boot, Happening, Machines, Order, View};
use crate::storage::Storage;

/// Frames that wait while a device stores something; what is beyond is dropped.
const INBOX: usize = 256;
/// A commit takes less than this.
pub(crate) const COMMIT: Duration = Duration::from_millis(5);

#[derive(Default)]
pub(crate) struct Sessions {
    machines: BTreeMap<usize, Machine>,
    happened: VecDeque<(usize, Happening)>,
}

struct Machine {
    session: Box<dyn Session>,
    entropy: ChaCha20Rng,
    dice: Dice,
    clock: Clock,
    storage: Storage,
    life: u32,
    /// Whether messages are confirmed and acknowledged.
    confirms: bool,
    /// What is being stored, and when that is done.
    storing: Option<(Duration, Vec<Record>)>,
    inbox: VecDeque<Bytes>,
    /// When it will be woken.
    armed: Option<Duration>,
}

impl Sessions {
    pub(crate) fn view(&self, number: usize) -> Option<View> {
        let session = &self.machines.get(&number)?.session;
        Some(View {
            ready: session.is_ready(),
            members: session.members().iter().map(|(key, _)| key.id()).collect(),
            epoch: session.epoch(),
        })
    }

    /// Does something with a device, and takes out what comes of it.
    fn with(&mut self, now: Duration, number: usize, act: impl FnOnce(&mut Machine)) {
        let Some(machine) = self.machines.get_mut(&number) else { return };
        act(machine);
        machine.drain(now, |happening| self.happened.push_back((number, happening)));
    }
}

impl Machines for Sessions {
    fn start(&mut self, now: Duration, number: usize, boot: Boot) {
        match Machine::open(now, number, boot) {
            Ok(machine) => {
                self.machines.insert(number, machine);
                self.with(now, number, |machine| {
                    // Who is no member yet asks to be let in; who is one asks what it missed.
                    let _ = machine.put(now, Input::Command(Command::Introduce));
                });
            }
            Err(error) => self.happened.push_back((number, Happening::Broken(error))),
        }
    }

    fn kill(&mut self, number: usize) {
        self.machines.remove(&number);
    }

    fn stop(&mut self, now: Duration, number: usize) {
        if let Some(machine) = self.machines.remove(&number)
            && let Some((_, batch)) = machine.storing
        {
            machine.storage.commit(now, machine.life, batch);
        }
        self.happened.push_back((number, Happening::Stopped));
    }

    fn hear(&mut self, now: Duration, number: usize, frame: Bytes) {
        let mut dropped = false;
        self.with(now, number, |machine| {
            dropped = machine.inbox.len() >= INBOX;
            if !dropped {
                machine.inbox.push_back(frame);
            }
        });
        if dropped {
            self.happened.push_back((number, Happening::Dropped(1)));
        }
    }

    fn say(&mut self, now: Duration, number: usize, body: Vec<u8>, expires: Option<Duration>) {
        let expires_in_ms = expires.and_then(|after| u64::try_from(after.as_millis()).ok());
        self.with(now, number, |machine| {
            let ticket = machine.confirms.then(|| checks::number(&body)).flatten();
            let options = PublishOptions { expires_in_ms, ticket, ..PublishOptions::default() };
            // Who is no member now says nothing.
            let _ = machine.put(now, Input::Command(Command::PublishWith(&body, options)));
        });
    }

    fn order(&mut self, now: Duration, number: usize, order: Order) {
        let command = match order {
            Order::Evict(id) => Command::Evict(id),
            Order::Appoint(id) => Command::Appoint(id),
            Order::Rotate => Command::Rotate,
            Order::Invite => Command::Invite(InviteOptions::default()),
        };
        let mut done = false;
        self.with(now, number, |machine| done = machine.put(now, Input::Command(command)));
        if !done && matches!(order, Order::Invite) {
            self.happened.push_back((number, Happening::Invited(None)));
        }
    }

    fn wake(&mut self, now: Duration, number: usize) {
        self.with(now, number, |machine| machine.wake(now));
    }

    fn set_clock(&mut self, now: Duration, number: usize, clock: Clock) {
        self.with(now, number, |machine| machine.clock = clock);
    }

    fn next(&mut self) -> Option<(usize, Happening)> {
        self.happened.pop_front()
    }
}

impl Machine {
    fn open(now: Duration, number: usize, boot: Boot) -> Result<Self, String> {
        let Boot { life, seed, identity, storage, clock, mut settings, invitation, .. } = boot;
        if let Some(invitation) = invitation {
            settings.entry = stringphone_protocol::v2::Entry::Invitation(invitation);
        }
        let confirms = settings.outbox.is_some();
        let mut entropy = entropy(seed, Stream::Entropy, number, life);
        let records = storage.records();
        #[cfg(test)]
        let records = crate::house::Bug::spoil(boot.bug, records);
        let state = V2State::from_records(records);
        let mut moment = Moment::new(clock.monotonic(now), &mut entropy).with_wall(clock.wall(now));
        let session = V2Session::open(identity, &state, settings, &mut moment)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            session: session.into(),
            entropy,
            dice: Dice::new(seed, Stream::Traffic, number),
            clock,
            storage,
            life,
            confirms,
            storing: None,
            inbox: VecDeque::new(),
            armed: None,
        })
    }

    /// Whether it was taken.
    fn put(&mut self, now: Duration, input: Input<'_>) -> bool {
        let mut moment = Moment::new(self.clock.monotonic(now), &mut self.entropy)
            .with_wall(self.clock.wall(now));
        self.session.handle(input, &mut moment).is_ok()
    }

    fn wake(&mut self, now: Duration) {
        if self.armed.is_some_and(|armed| armed <= now) {
            self.armed = None;
        }
        if let Some((_, batch)) = self.storing.take_if(|(done, _)| *done <= now) {
            self.storage.commit(now, self.life, batch);
            self.put(now, Input::Stored);
        }
        let monotonic = self.clock.monotonic(now);
        if self.session.deadline().is_some_and(|deadline| deadline <= monotonic) {
            self.put(now, Input::Timer);
        }
    }

    /// Takes out what there is, and puts in what waits, until nothing more comes.
    fn drain(&mut self, now: Duration, mut happened: impl FnMut(Happening)) {
        loop {
            let mut given = Vec::new();
            while let Some(output) = self.session.poll() {
                if let Output::Event(Event::Message { from, id: Some(id), .. }) = &output {
                    given.push((*from, *id));
                }
                match output {
                    Output::Store(batch) => {
                        let done = now + self.dice.within(COMMIT);
                        self.storing = Some((done, batch));
                    }
                    Output::Send(frame) => happened(Happening::Sent(frame.into())),
                    Output::Event(event) => happened(translate(event)),
                    _ => {}
                }
            }
            if self.confirms && self.deal_with(now, given) {
                continue;
            }
            // While something is stored, frames are better left outside.
            let next = if self.storing.is_some() { None } else { self.inbox.pop_front() };
            let Some(frame) = next else { break };
            self.put(now, Input::Frame(&frame));
        }
        if let Some(at) = self.next_wake(now) {
            happened(Happening::Wake(at));
        }
    }

    /// Acknowledges what came, and sends on what waits. Whether there was anything.
    fn deal_with(&mut self, now: Duration, given: Vec<(ParticipantId, MessageId)>) -> bool {
        let mut dealt = !given.is_empty();
        for (from, id) in given {
            self.put(now, Input::Command(Command::Acknowledge(from, id)));
        }
        while self.session.waits() && self.put(now, Input::Command(Command::SendOn)) {
            dealt = true;
        }
        dealt
    }

    /// When to be woken, if not then already.
    fn next_wake(&mut self, now: Duration) -> Option<Duration> {
        let stored = self.storing.as_ref().map(|(done, _)| *done);
        // A deadline that has passed is tried again in a moment, should it be there still.
        let soonest = now + Duration::from_millis(1);
        let timer = self.session.deadline().map(|at| self.clock.when(at).max(soonest));
        let at = stored.into_iter().chain(timer).min()?;
        if self.armed.is_some_and(|armed| armed <= at) {
            return None;
        }
        self.armed = Some(at);
        Some(at)
    }
}

fn translate(event: Event) -> Happening {
    match event {
        Event::Message { from, body, id, redelivered, .. } => {
            Happening::Delivered { from, id, body: body.into(), again: redelivered }
        }
        Event::Confirmed { tickets, by: Some(by), .. } => Happening::Confirmed { tickets, by },
        Event::Uncertain { .. } => Happening::Uncertain,
        Event::Invited(invitation) => Happening::Invited(Some(invitation)),
        Event::Ready => Happening::Ready,
        Event::Joined(key) => Happening::Joined(key.id()),
        Event::Removed(id) => Happening::Removed(id),
        Event::Evicted => Happening::Evicted,
        Event::Cloned(_) | Event::RolledBack | Event::InsiderAlarm => Happening::Alarm,
        other => Happening::Other(format!("{other:?}")),
    }
}
