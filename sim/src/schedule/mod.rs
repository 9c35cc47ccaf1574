//! What goes wrong in a house, and when: plain data that can be printed, read back and shortened.
//! Not how any of it is brought about.
//!
//! ```
//! use stringphone_sim::Schedule;
//!
//! let schedule: Schedule = "
//!     120.0s  crash 3 for 20.0s
//!     130.0s  partition 3,4 for 60.0s
//!     200.0s  evict 4 by 0
//! "
//! .parse()?;
//! assert_eq!(schedule.to_string().parse::<Schedule>()?, schedule);
//! # Ok::<(), stringphone_sim::ScheduleError>(())
//! ```

pub(crate) mod random;
mod text;

use std::time::Duration;

pub use text::ScheduleError;

/// A device of a house, by its number: those of room r begin at r times the places of a room.
pub type DeviceId = usize;

/// What goes wrong, or what its owner does that makes keys change. What can't be done when its time
/// comes, such as an eviction by who is no keeper, is passed over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It is killed without warning: what was not stored by then is gone. It starts again.
    Crash {
        /// Which.
        device: DeviceId,
        /// How long it stays off.
        lasts: Duration,
    },
    /// It stops in order, and starts at once.
    Reboot {
        /// Which.
        device: DeviceId,
    },
    /// It loses its storage, and stays off, until it is admitted again.
    Wipe {
        /// Which.
        device: DeviceId,
    },
    /// It restarts on a copy of its storage.
    RollBack {
        /// Which.
        device: DeviceId,
        /// How old the copy is, at least.
        by: Duration,
    },
    /// A copy of its identity and storage runs beside it: a clone, or a thief.
    Copy {
        /// Of which.
        device: DeviceId,
        /// For how long.
        lasts: Duration,
    },
    /// Its monotonic clock goes too fast from now on (too slow, if negative).
    Drift {
        /// Which.
        device: DeviceId,
        /// Millionths.
        ppm: i32,
    },
    /// Its calendar jumps. Actors notice when they start next.
    Jump {
        /// Which.
        device: DeviceId,
        /// Seconds into the future; negative: into the past.
        seconds: i64,
    },
    /// These devices hear only each other, and the others hear none of them.
    Partition {
        /// Which.
        devices: Vec<DeviceId>,
        /// For how long.
        lasts: Duration,
    },
    /// A member is locked out.
    Evict {
        /// Who.
        device: DeviceId,
        /// By which keeper.
        by: DeviceId,
    },
    /// A member becomes a keeper.
    Appoint {
        /// Who.
        device: DeviceId,
        /// By which keeper.
        by: DeviceId,
    },
    /// A keeper gives everybody new keys.
    Rotate {
        /// Which keeper.
        by: DeviceId,
    },
    /// A device joins by an invitation, with empty storage, whatever it was before.
    Admit {
        /// Which.
        device: DeviceId,
        /// Which keeper invites it.
        by: DeviceId,
    },
    /// An attacker sends what it recorded again, a frame every 10 ms.
    Replay {
        /// In which room.
        room: usize,
        /// How many frames.
        frames: u32,
    },
    /// An attacker sends damaged copies of what it recorded, a frame every 10 ms.
    Forge {
        /// In which room.
        room: usize,
        /// How many frames.
        frames: u32,
    },
    /// An attacker sends noise with first bytes that mean something, a frame every millisecond.
    Flood {
        /// In which room.
        room: usize,
        /// How many frames.
        frames: u32,
    },
}

/// A fault, and when it strikes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Planned {
    /// Since the house began.
    pub at: Duration,
    /// What.
    pub fault: Fault,
}

/// Faults in order of time. As text, one a line: a time, and what happens then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    pub(crate) faults: Vec<Planned>,
}

impl Schedule {
    /// No faults.
    #[must_use]
    pub const fn new() -> Self {
        Self { faults: Vec::new() }
    }

    /// One fault more.
    #[must_use]
    pub fn at(mut self, at: Duration, fault: Fault) -> Self {
        self.faults.push(Planned { at, fault });
        self.sorted()
    }

    /// The faults, in order.
    #[must_use]
    pub fn faults(&self) -> &[Planned] {
        &self.faults
    }

    fn sorted(mut self) -> Self {
        self.faults.sort();
        self
    }
}

impl FromIterator<Planned> for Schedule {
    fn from_iter<I: IntoIterator<Item = Planned>>(faults: I) -> Self {
        Self { faults: faults.into_iter().collect() }.sorted()
    }
}

impl Fault {
    /// The devices and the room that it is about, by which it is left out of smaller houses.
    pub(crate) fn concerns(&self) -> (Vec<DeviceId>, Option<usize>) {
        match self {
            Self::Crash { device, .. }
            | Self::Reboot { device }
            | Self::Wipe { device }
            | Self::RollBack { device, .. }
            | Self::Copy { device, .. }
            | Self::Drift { device, .. }
            | Self::Jump { device, .. } => (vec![*device], None),
            Self::Partition { devices, .. } => (devices.clone(), None),
            Self::Evict { device, by }
            | Self::Appoint { device, by }
            | Self::Admit { device, by } => (vec![*device, *by], None),
            Self::Rotate { by } => (vec![*by], None),
            Self::Replay { room, .. } | Self::Forge { room, .. } | Self::Flood { room, .. } => {
                (Vec::new(), Some(*room))
            }
        }
    }
}
