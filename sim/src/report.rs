//! What came of a run. Not how it came about.

use std::fmt;
use std::time::Duration;

use stringphone_protocol::v2::Timing;

use crate::house::House;
use crate::net::Counts;
use crate::schedule::{DeviceId, Schedule};
use crate::trace::TraceHash;

/// A run in which nothing happened that must not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The fingerprint of all that happened.
    pub trace: TraceHash,
    /// Events of all kinds.
    pub events: u64,
    /// Messages that devices were told to publish.
    pub published: u64,
    /// Messages that were delivered.
    pub delivered: u64,
    /// Receipts that arrived, where messages are confirmed.
    pub confirmed: u64,
    /// Messages of which their receiver can't know whether they were delivered before.
    pub uncertain: u64,
    /// Frames that devices sent.
    pub frames: u64,
    /// Frames that an attacker sent.
    pub attacks: u64,
    /// Alarms: clones, rollbacks, members gone bad.
    pub alarms: u64,
    /// Times that somebody got in.
    pub joined: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Frames of others that were shown to who must not read them.
    pub spied: u64,
    /// Frames or messages that a device had no room for.
    pub dropped: u64,
    /// Devices that were members at the end, and hear each other.
    pub together: u64,
    /// What the network did.
    pub network: Counts,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, published, delivered, frames, attacks, faults, together, .. } = self;
        write!(
            f,
            "trace {trace}: {faults} faults, {published} messages published, {delivered} \
             delivered, {frames} frames, {attacks} of an attacker, {together} together at the end"
        )
    }
}

/// Something happened that must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("after {at:?}, at device {device}: {reason}")]
pub struct Violation {
    /// When, since the house began.
    pub at: Duration,
    /// Where.
    pub device: DeviceId,
    /// What.
    pub reason: Reason,
}

/// What must not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A message was delivered a second time.
    #[error("message {number} of device {from} was delivered twice")]
    DeliveredTwice {
        /// Whose.
        from: DeviceId,
        /// Which.
        number: u64,
    },
    /// A message was confirmed by a device that was not given it.
    #[error("device {by} confirmed message {number}, and was never given it")]
    ConfirmedInVain {
        /// Who.
        by: DeviceId,
        /// Which.
        number: u64,
    },
    /// A message was delivered that its sender never published.
    #[error("a message was delivered that nobody sent: {0}")]
    NeverSent(String),
    /// Two messages have one name.
    #[error("messages {numbers:?} of device {from} have the same name")]
    CounterReused {
        /// Whose.
        from: DeviceId,
        /// Which.
        numbers: [u64; 2],
    },
    /// Two frames were sealed with one nonce.
    #[error("two frames have the same nonce")]
    NonceRepeated,
    /// Who was evicted can read what was sent by who knew.
    #[error("what was sent here can be read with what evicted device {evicted} stored")]
    ReadByEvicted {
        /// Who.
        evicted: DeviceId,
    },
    /// A newcomer can read what was sent before its admission.
    #[error("a newcomer can read what was sent before its admission")]
    ReadByNewcomer,
    /// Members disagree about who is in.
    #[error("it is not together with the others: {0}")]
    Apart(String),
    /// A member does not hear another.
    #[error("it did not hear the last words of device {from}")]
    Unheard {
        /// Whom.
        from: DeviceId,
    },
    /// There is more of something than there can have to be.
    #[error("it holds {have} {what}, more than {bound}")]
    Unbounded {
        /// Of what.
        what: &'static str,
        /// How much.
        have: usize,
        /// How much there may be.
        bound: usize,
    },
    /// A device does not start on what it stored.
    #[error("it does not start: {0}")]
    DoesNotStart(String),
}

impl Reason {
    /// Whether it is the same kind of failure, by which a shorter schedule is known to do.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// A run that failed, with what it takes to see it again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What happened.
    pub violation: Violation,
    /// The fingerprint of all that happened until then.
    pub trace: TraceHash,
    /// Where it happened.
    pub house: Box<House>,
}

impl Failure {
    /// The faults of the house that it happened in.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.house.schedule
    }
}

impl std::error::Error for Failure {}

/// The violation, and a program that brings it about again.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.violation)?;
        writeln!(f, "trace {}; to see it again:\n\n{}", self.trace, self.house)
    }
}

/// As it would be written in a program.
impl fmt::Display for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "House::seeded({})", self.seed)?;
        writeln!(f, "    .devices({}).rooms({})", self.devices, self.rooms)?;
        writeln!(f, "    .newcomers({}).topology(\"{}\".parse()?)", self.newcomers, self.topology)?;
        writeln!(f, "    .link({})", self.link)?;
        writeln!(f, "    .lasts({}).quiet({})", Rust(self.lasts), Rust(self.quiet))?;
        let every = self.every.map(|every| Rust(every).to_string());
        writeln!(
            f,
            "    .every({})",
            every.map_or("None".into(), |every| format!("Some({every})"))
        )?;
        if self.settings.timing != Timing::default() {
            writeln!(f, "    .timing({:?})", self.settings.timing)?;
        }
        if let Some(room) = self.only {
            writeln!(f, "    .only({room})")?;
        }
        for device in &self.without {
            writeln!(f, "    .without({device})")?;
        }
        write!(f, "    .schedule(\"\n{}\".parse()?)", self.schedule)
    }
}

struct Rust(Duration);

impl fmt::Display for Rust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Duration::from_millis({})", self.0.as_millis())
    }
}
