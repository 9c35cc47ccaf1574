//! What a driver of devices does, and what it tells: bare sessions or actors.
//! Not what a house makes of it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use stringphone_protocol::v2::{Invitation, Settings};
use stringphone_protocol::{Epoch, Identity, MessageId, ParticipantId};

use crate::clock::Clock;
use crate::storage::Storage;

pub(crate) const TOPIC: &str = "house";

/// The devices of a house, by number. One that is off, or has no such thing, does nothing.
pub(crate) trait Machines {
    /// Starts a device on what its storage holds.
    fn start(&mut self, now: Duration, number: usize, boot: Boot);
    /// Ends a device without warning.
    fn kill(&mut self, number: usize);
    /// Ends a device in order. Its storage is its own until [`Happening::Stopped`].
    fn stop(&mut self, now: Duration, number: usize);
    /// Hands a frame to a device.
    fn hear(&mut self, now: Duration, number: usize, frame: Bytes);
    /// Has a device publish something, that may expire after this long.
    fn say(&mut self, now: Duration, number: usize, body: Vec<u8>, expires: Option<Duration>);
    /// Has a device do what its owner wants.
    fn order(&mut self, now: Duration, number: usize, order: Order);
    /// The time has come that [`Happening::Wake`] named.
    fn wake(&mut self, now: Duration, number: usize);
    /// The time of day, or the speed of the clock, is another.
    fn set_clock(&mut self, now: Duration, number: usize, clock: Clock);
    /// What happened since, in order.
    fn next(&mut self) -> Option<(usize, Happening)>;
}

/// What a device starts with.
pub(crate) struct Boot {
    pub(crate) life: u32,
    pub(crate) seed: u64,
    pub(crate) identity: Identity,
    pub(crate) storage: Storage,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) invitation: Option<Invitation>,
    #[cfg(test)]
    pub(crate) bug: Option<crate::house::Bug>,
}

/// What an owner wants.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Evict(ParticipantId),
    Appoint(ParticipantId),
    Rotate,
    Invite,
}

/// What happens at a device.
pub(crate) enum Happening {
    Sent(Bytes),
    Delivered {
        from: ParticipantId,
        id: Option<MessageId>,
        body: Bytes,
        /// Perhaps not for the first time, as it says itself.
        again: bool,
    },
    /// Somebody has stored messages of this device, by their numbers.
    Confirmed {
        tickets: Vec<u64>,
        by: ParticipantId,
    },
    /// A message that may have been delivered before; no news for [`checks`](crate::checks).
    Uncertain,
    /// The answer to [`Order::Invite`]; none where it is not done.
    Invited(Option<Invitation>),
    Ready,
    Joined(ParticipantId),
    Removed(ParticipantId),
    Evicted,
    Alarm,
    /// It wants to be woken then.
    Wake(Duration),
    /// Messages were thrown away by who was too slow.
    Dropped(u64),
    /// It has ended in order.
    Stopped,
    /// It does not start.
    Broken(String),
    /// Something else, only to be told.
    Other(String),
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(frame) => {
                let kind = frame.first().copied().unwrap_or(0);
                write!(f, "sends {} bytes of type {kind:#x}", frame.len())
            }
            Self::Delivered { from, id, .. } => {
                let id = id.map(|id| (id.incarnation, id.counter, id.place));
                write!(f, "is given message {id:?} of {from}")
            }
            Self::Confirmed { tickets, by } => write!(f, "hears that {by} has {tickets:?}"),
            Self::Uncertain => f.write_str("is given an uncertain message"),
            Self::Invited(invitation) => write!(f, "invites: {}", invitation.is_some()),
            Self::Ready => f.write_str("is ready"),
            Self::Joined(id) => write!(f, "knows that {id} is in"),
            Self::Removed(id) => write!(f, "knows that {id} is out"),
            Self::Evicted => f.write_str("is out"),
            Self::Alarm => f.write_str("raises an alarm"),
            Self::Wake(at) => write!(f, "wants to be woken at {at:?}"),
            Self::Dropped(count) => write!(f, "drops {count}"),
            Self::Stopped => f.write_str("has stopped"),
            Self::Broken(error) => write!(f, "does not start: {error}"),
            Self::Other(event) => f.write_str(event),
        }
    }
}

/// What a device believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) ready: bool,
    pub(crate) members: BTreeSet<ParticipantId>,
    pub(crate) epoch: Option<Epoch>,
}
