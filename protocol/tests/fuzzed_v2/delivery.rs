//! The body of the fuzz target for outbox, receipts, inbox and history: three devices that lose
//! their links, restart, and miss things.
//!
//! Whatever happens, no message comes twice, none that was acknowledged comes again, whoever
//! confirmed a message was given it; and once all is well everything is confirmed.

use std::collections::{BTreeMap, BTreeSet};

use stringphone_protocol::v2::{HistoryLimits, InboxLimits, OutboxLimits};
use stringphone_protocol::{
    Command, Event, Input, MessageId, ParticipantId, PublishOptions, Session as _,
};

use super::house::House;
use crate::fuzzed::Choices;

const DEVICES: usize = 3;
const FOUNDER: usize = 0;
/// Wants messages in order.
const ORDERLY: usize = 1;
/// May be evicted.
const LAST: usize = 2;

type Name = (ParticipantId, MessageId);

#[derive(Default)]
struct Ledger {
    /// What each device was given, and whether it acknowledged it.
    given: [BTreeMap<Name, (Vec<u8>, bool)>; DEVICES],
    /// Who published what with which ticket, and who confirmed it.
    published: BTreeMap<u64, (usize, Vec<u8>)>,
    confirmed: BTreeMap<u64, BTreeSet<ParticipantId>>,
    given_up: BTreeSet<u64>,
}

pub(crate) fn delivery(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut house = House::of(3, DEVICES);
    for device in 0..DEVICES {
        let settings = &mut house.devices[device].settings;
        settings.outbox = Some(OutboxLimits::default());
        settings.inbox = Some(InboxLimits::default());
        settings.history = Some(HistoryLimits::default());
        settings.order_ms = (device == ORDERLY).then_some(20_000);
        house.reboot(device);
        house.settle();
    }
    let mut ledger = Ledger::default();
    let mut steps = 0;
    while !choices.is_empty() && steps < 200 {
        steps += 1;
        step(&mut house, &mut choices, &mut ledger);
        ledger.read(&mut house);
    }
    for device in 0..DEVICES {
        connect(&mut house, device, true);
    }
    for _ in 0..96 {
        // Somebody has to speak, for the others to know where the topic is.
        for device in 0..DEVICES {
            let _ = house.command(device, Command::Publish(b""));
            send_on(&mut house, device);
        }
        house.run(400_000);
        ledger.read(&mut house);
    }
    ledger.judge(&house);
}

fn step(house: &mut House, choices: &mut Choices<'_>, ledger: &mut Ledger) {
    let device = choices.below(DEVICES);
    match choices.below(14) {
        0..=3 => publish(house, device, choices, ledger),
        4 => connect(house, device, choices.below(2) == 0),
        5 if house.devices[device].session.is_ready() => {
            // Whether it is connected, a session has to be told again.
            house.reboot(device);
            let connected = house.devices[device].side == 0;
            connect(house, device, connected);
        }
        6 => drop(house.wire.pop_front()),
        7 => {
            if let Some(frame) = house.wire.front().cloned() {
                house.wire.push_back(frame);
            }
        }
        8 => {
            if let Some((from, frame)) = house.wire.pop_back()
                && house.devices[from].side == house.devices[device].side
            {
                house.deliver(device, &frame);
            }
        }
        9 | 10 => acknowledge(house, device, choices, ledger),
        11 if choices.below(4) == 0 => {
            let _ = house.command(FOUNDER, Command::Rotate);
        }
        12 if choices.below(8) == 0 => {
            let id = house.id(LAST);
            let _ = house.command(FOUNDER, Command::Evict(id));
        }
        13 if choices.below(4) == 0 => house.run(u64::from(choices.byte()) * 100_000),
        _ => house.run(u64::from(choices.byte()) * 100),
    }
}

fn publish(house: &mut House, device: usize, choices: &mut Choices<'_>, ledger: &mut Ledger) {
    let ticket = u64::try_from(ledger.published.len()).expect("few") + 1;
    let body = ticket.to_be_bytes().to_vec();
    let wanted = choices.below(4) > 0;
    let options = PublishOptions { ticket: wanted.then_some(ticket), ..PublishOptions::default() };
    if house.command(device, Command::PublishWith(&body, options)).is_ok() && wanted {
        ledger.published.insert(ticket, (device, body));
    }
}

fn connect(house: &mut House, device: usize, connected: bool) {
    // Each that is cut off is alone.
    house.devices[device].side = if connected { 0 } else { u8::try_from(device).expect("few") + 1 };
    house.input(device, Input::Connected(connected)).expect("is told");
    send_on(house, device);
}

fn send_on(house: &mut House, device: usize) {
    while house.devices[device].session.waits() {
        house.command(device, Command::SendOn).expect("something waits");
    }
}

fn acknowledge(house: &mut House, device: usize, choices: &mut Choices<'_>, ledger: &mut Ledger) {
    let waiting: Vec<Name> =
        ledger.given[device].iter().filter(|(_, (_, done))| !done).map(|(name, _)| *name).collect();
    if waiting.is_empty() || !house.devices[device].session.is_ready() {
        return;
    }
    let (from, id) = waiting[usize::from(choices.byte()) % waiting.len()];
    house.command(device, Command::Acknowledge(from, id)).expect("it is kept");
    ledger.given[device].get_mut(&(from, id)).expect("it was given").1 = true;
}

impl Ledger {
    fn read(&mut self, house: &mut House) {
        for device in 0..DEVICES {
            for event in std::mem::take(&mut house.devices[device].events) {
                self.note(device, event);
            }
        }
    }

    fn note(&mut self, device: usize, event: Event) {
        match event {
            Event::Message { from, body, id: Some(id), redelivered, .. } => {
                let known = self.given[device].get(&(from, id));
                match known {
                    // What waited for its order was kept, and not delivered.
                    None => assert!(!redelivered || device == ORDERLY, "again what never came"),
                    Some((_, done)) => assert!(redelivered && !done, "delivered twice"),
                }
                self.given[device].entry((from, id)).or_insert((body, false));
            }
            Event::Confirmed { tickets, by: Some(by), .. } => {
                for ticket in tickets {
                    self.confirmed.entry(ticket).or_default().insert(by);
                }
            }
            Event::Unconfirmed { tickets, .. } | Event::Dropped { tickets, .. } => {
                self.given_up.extend(tickets);
            }
            _ => {}
        }
    }

    fn judge(&self, house: &House) {
        for (ticket, by) in &self.confirmed {
            let (sender, body) = &self.published[ticket];
            let sender = house.id(*sender);
            for device in (0..DEVICES).filter(|device| by.contains(&house.id(*device))) {
                let mut given = self.given[device].iter();
                let has = given.any(|((from, _), (given, _))| *from == sender && given == body);
                assert!(has, "device {device} confirmed what it was never given");
            }
        }
        for (ticket, (sender, _)) in &self.published {
            let (session, members) = (&house.devices[*sender].session, house.members(*sender));
            // Who was evicted while it was away may never learn it: nothing is left to tell it with.
            let out = !house.members(FOUNDER).contains(&house.id(*sender));
            if out || !session.is_ready() || self.given_up.contains(ticket) {
                continue;
            }
            let open = session.unconfirmed();
            assert!(
                open.iter().all(|open| open.ticket != *ticket),
                "{ticket} of {sender}: {open:?}"
            );
            for member in members.iter().filter(|id| **id != house.id(*sender)) {
                let confirmed = self.confirmed.get(ticket).is_some_and(|by| by.contains(member));
                assert!(confirmed, "{member} never confirmed {ticket}");
            }
        }
    }
}
