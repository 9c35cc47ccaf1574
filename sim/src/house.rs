//! The house as a user describes it. Not what happens in it.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use stringphone_protocol::v2::{HistoryLimits, InboxLimits, OutboxLimits, Settings, Timing};

use crate::net::{Link, Topology};
use crate::report::{Failure, Report};
use crate::run::{self, Run};
use crate::schedule::{DeviceId, Schedule, random};

/// A house of devices about to be simulated. All that is random comes from the seed.
///
/// Every room is a topic of its own: its first device founds it, and invites the others. Then each
/// publishes now and then, until the time is over, while faults strike. After the last one the
/// links are perfect, and the devices are given a quiet time to find together. What has to hold is
/// checked all the while.
///
/// ```
/// use std::time::Duration;
/// use stringphone_sim::{House, Link};
///
/// let report = House::seeded(7)
///     .devices(10)
///     .rooms(2)
///     .link(Link::radio().loss(0.05))
///     .storm(5)
///     .lasts(Duration::from_secs(600))
///     .run()
///     .map_err(Box::new)?;
/// assert!(report.delivered > 0);
/// # Ok::<(), Box<stringphone_sim::Failure>>(())
/// ```
#[derive(Clone, Debug)]
pub struct House {
    pub(crate) seed: u64,
    pub(crate) devices: usize,
    pub(crate) rooms: usize,
    pub(crate) newcomers: usize,
    pub(crate) link: Link,
    pub(crate) topology: Topology,
    pub(crate) schedule: Schedule,
    pub(crate) lasts: Duration,
    pub(crate) quiet: Duration,
    pub(crate) every: Option<Duration>,
    pub(crate) settings: Settings,
    pub(crate) tell: Option<Tell>,
    /// The one room that there is, of all that there would be.
    pub(crate) only: Option<usize>,
    /// Devices that never start.
    pub(crate) without: BTreeSet<DeviceId>,
    #[cfg(test)]
    pub(crate) bug: Option<Bug>,
}

/// Is told when what happens at which device.
pub(crate) type Tell = fn(Duration, DeviceId, &dyn Display);

/// Faults of a storm begin this long after the house, when all have joined.
const FOUNDED: Duration = Duration::from_secs(120);

impl House {
    /// A house of two devices in one room with perfect links, for an hour.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            devices: 2,
            rooms: 1,
            newcomers: 0,
            link: Link::perfect(),
            topology: Topology::Bus,
            schedule: Schedule::new(),
            lasts: Duration::from_secs(3_600),
            quiet: Duration::from_secs(1_200),
            every: Some(Duration::from_secs(300)),
            settings: Settings::default(),
            tell: None,
            only: None,
            without: BTreeSet::new(),
            #[cfg(test)]
            bug: None,
        }
    }

    /// How many devices there are, in all rooms together.
    #[must_use]
    pub fn devices(mut self, devices: usize) -> Self {
        self.devices = devices;
        self
    }

    /// Into how many rooms they are divided evenly.
    #[must_use]
    pub fn rooms(mut self, rooms: usize) -> Self {
        self.rooms = rooms.max(1);
        self
    }

    /// How many devices there are in each room besides, which join when a fault says so.
    #[must_use]
    pub fn newcomers(mut self, in_each_room: usize) -> Self {
        self.newcomers = in_each_room;
        self
    }

    /// How good the links are.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// How the devices of a room are connected.
    #[must_use]
    pub fn topology(mut self, topology: Topology) -> Self {
        self.topology = topology;
        self
    }

    /// Has every message confirmed by all, kept until it is, acknowledged by who gets it, and told
    /// to who was away. For bare sessions.
    #[must_use]
    pub fn confirmed(mut self) -> Self {
        self.settings.outbox = Some(OutboxLimits::default());
        self.settings.inbox = Some(InboxLimits::default());
        self.settings.history = Some(HistoryLimits::default());
        self
    }

    /// What goes wrong.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// So many random faults in each room, by the seed, besides those of the schedule so far. To be
    /// called once all else is said: they depend on it.
    #[must_use]
    pub fn storm(mut self, in_each_room: usize) -> Self {
        for number in 0..self.rooms {
            let (first, devices) = (self.first_of(number), self.in_a_room());
            let room = random::Room { number, first, devices, newcomers: self.newcomers };
            let faults = random::storm(self.seed, &room, in_each_room, FOUNDED, self.lasts);
            self.schedule.faults.extend(faults);
        }
        self.schedule.faults.sort();
        self
    }

    /// For how long faults strike (an hour by default).
    #[must_use]
    pub fn lasts(mut self, time: Duration) -> Self {
        self.lasts = time;
        self
    }

    /// How long the devices are then given to find together (20 minutes by default).
    #[must_use]
    pub fn quiet(mut self, time: Duration) -> Self {
        self.quiet = time;
        self
    }

    /// How often each device publishes 32 bytes (every five minutes by default); `None`: only its
    /// last words, by which is seen who hears whom.
    #[must_use]
    pub fn every(mut self, time: Option<Duration>) -> Self {
        self.every = time.filter(|time| !time.is_zero());
        self
    }

    /// When keys change.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.settings.timing = timing;
        self
    }

    /// Calls this with everything that happens at devices, to see how a failure comes about.
    #[must_use]
    pub fn tell(mut self, tell: fn(Duration, DeviceId, &dyn Display)) -> Self {
        self.tell = Some(tell);
        self
    }

    /// Only this room is there, in which the same happens as with all others beside it.
    #[must_use]
    pub fn only(mut self, room: usize) -> Self {
        self.only = Some(room);
        self
    }

    /// This device never starts.
    #[must_use]
    pub fn without(mut self, device: DeviceId) -> Self {
        self.without.insert(device);
        self
    }

    /// Runs the house with bare protocol sessions.
    ///
    /// # Errors
    ///
    /// The first thing that must not happen, and the house that it happened in.
    pub fn run(&self) -> Result<Report, Failure> {
        let mut run = Run::new(self.clone());
        let outcome = run::with_sessions(&mut run);
        run.conclude(outcome)
    }

    pub(crate) fn in_a_room(&self) -> usize {
        (self.devices / self.rooms.max(1)).max(1)
    }

    /// Places of a room, those of newcomers included.
    pub(crate) fn places(&self) -> usize {
        self.in_a_room() + self.newcomers
    }

    pub(crate) fn first_of(&self, room: usize) -> usize {
        room * self.places()
    }
}

/// What is wrong with the devices on purpose, to see that it is found.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Which frames were taken is forgotten when a device restarts.
    ForgetsWindows,
}

#[cfg(test)]
impl Bug {
    pub(crate) fn spoil(
        bug: Option<Self>,
        mut records: Vec<stringphone_protocol::Record>,
    ) -> Vec<stringphone_protocol::Record> {
        match bug {
            Some(Self::ForgetsWindows) => {
                records.retain(|record| !record.key.starts_with("window/"));
            }
            None => {}
        }
        records
    }
}
