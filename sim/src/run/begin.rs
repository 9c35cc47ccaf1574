//! How a house begins: who is where, and what is planned. Not what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stringphone_protocol::Identity;
use stringphone_protocol::v2::{FoundOptions, V2State};

use super::attacker::Attacker;
use super::{AUDIT, Device, Event, LAST_WORDS, Room, Run};
use crate::agenda::Agenda;
use crate::checks::Checks;
use crate::dice::{Dice, Stream, entropy};
use crate::house::House;
use crate::machine::TOPIC;
use crate::net::{Counts, Network, Topology};
use crate::report::Report;
use crate::schedule::Fault;
use crate::storage::Storage;
use crate::trace::{Trace, TraceHash};

/// So long passes between two invitations of one room.
const INVITES: Duration = Duration::from_millis(500);

impl Run {
    pub(crate) fn new(house: House) -> Self {
        let mut run = Self {
            now: Duration::ZERO,
            agenda: Agenda::new(),
            network: Network::seeded(house.seed),
            trace: Trace::new(),
            dice: Dice::new(house.seed, Stream::Traffic, usize::MAX),
            devices: BTreeMap::new(),
            nodes: BTreeMap::new(),
            rooms: BTreeMap::new(),
            checks: Checks::new(house.seed),
            report: empty_report(),
            violation: None,
            house,
        };
        for room in 0..run.house.rooms {
            if run.house.only.is_none_or(|only| only == room) {
                run.furnish(room);
            }
        }
        run.plan();
        run
    }

    /// A room with all its devices, of which the first has founded the topic.
    fn furnish(&mut self, room: usize) {
        // One more than the devices: the attacker's.
        let (first, places) = (self.house.first_of(room), self.house.places());
        let numbers = room.saturating_mul(Topology::numbers(places));
        let media = self.house.topology.build(&mut self.network, &self.house.link, places, numbers);
        let everywhere: BTreeSet<_> = media.iter().flatten().copied().collect();
        let attacker = Attacker::new(self.house.seed, room, self.network.node(everywhere));
        for (place, media) in media.iter().enumerate() {
            let number = first + place;
            let node = self.network.node(media.iter().copied());
            let mut entropy = entropy(self.house.seed, Stream::Identity, number, 0);
            let identity = Identity::generate(&mut entropy);
            let mut device = Device::new(room, node, identity, Storage::default());
            if place == 0 {
                let options = FoundOptions::default();
                let state = V2State::found(TOPIC, &device.identity, options, &mut entropy);
                device.storage = Storage::with(state.records());
                device.out = false;
            }
            self.nodes.insert(node, number);
            self.devices.insert(number, device);
        }
        self.rooms.insert(room, Room { media, attacker, orders: 0 });
    }

    fn plan(&mut self) {
        let rooms: Vec<usize> = self.rooms.keys().copied().collect();
        for room in rooms {
            let first = self.house.first_of(room);
            self.agenda.plan(Duration::ZERO, Event::Start(first, 0));
            for place in 0..self.house.in_a_room() {
                self.plan_device(first, first + place);
            }
            for place in self.house.in_a_room()..self.house.places() {
                self.plan_speech(first + place);
            }
        }
        let all = self.house.schedule.faults.iter().enumerate();
        for (number, planned) in all {
            let (devices, room) = planned.fault.concerns();
            let here = devices.iter().all(|device| self.devices.contains_key(device))
                && room.is_none_or(|room| self.rooms.contains_key(&room));
            if let Fault::RollBack { device, .. } = &planned.fault
                && let Some(device) = self.devices.get(device)
            {
                device.storage.keep_copies();
            }
            if here && planned.at < self.house.lasts {
                self.agenda.plan(planned.at, Event::Fault(number));
            }
        }
        self.agenda.plan(AUDIT, Event::Audit);
        self.agenda.plan(self.house.lasts, Event::Clear);
        self.agenda.plan(self.end().saturating_sub(LAST_WORDS), Event::LastWords);
        self.agenda.plan(self.end(), Event::End);
    }

    fn plan_device(&mut self, founder: usize, device: usize) {
        if self.house.without.contains(&device) {
            return;
        }
        if let Some(place) = device.checked_sub(founder).filter(|place| *place > 0) {
            let at = INVITES * u32::try_from(place).unwrap_or(u32::MAX);
            self.agenda.plan(at, Event::Invite { by: founder, device });
        }
        self.plan_speech(device);
    }

    fn plan_speech(&mut self, device: usize) {
        if let Some(every) = self.house.every {
            let phase = Dice::new(self.house.seed, Stream::Traffic, device).within(every);
            self.agenda.plan(phase, Event::Speak(device));
        }
    }
}

fn empty_report() -> Report {
    Report {
        trace: TraceHash::default(),
        events: 0,
        published: 0,
        delivered: 0,
        confirmed: 0,
        uncertain: 0,
        frames: 0,
        attacks: 0,
        alarms: 0,
        joined: 0,
        faults: 0,
        spied: 0,
        dropped: 0,
        together: 0,
        network: Counts::default(),
    }
}
