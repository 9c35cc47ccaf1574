//! The interface that every protocol's session has. Not here: any protocol.

use alloc::vec::Vec;
use core::fmt;

use rand_core::CryptoRng;

use crate::v2;
use crate::{
    Command, CommandError, Epoch, Identity, Output, ParticipantId, PublicKey, Refusal, Unconfirmed,
};

/// One participant's side of one topic, without any IO.
///
/// Everything enters through [`handle`](Self::handle) and leaves through [`poll`](Self::poll).
/// The same inputs at the same moments with the same entropy give the same outputs.
///
/// A caller's loop: handle one input, then poll until `None`, then wait for the next frame, the
/// next command, or the [`deadline`](Self::deadline). While an [`Output::Store`] is under way,
/// frames are better left with the link than put in: what they cause has to wait in the session.
pub trait Session: Send + Sync {
    /// The door in. Frames and timers never fail: what is wrong with a frame is reported as
    /// [`Event::Refused`](crate::Event::Refused).
    ///
    /// # Errors
    ///
    /// [`CommandError`] where a command can't be carried out; nothing has changed then.
    fn handle(&mut self, input: Input<'_>, moment: &mut Moment<'_>) -> Result<(), CommandError>;

    /// The costly part of reading a frame, which changes nothing. Several may be checked at the
    /// same time, on several cores, and then be put in as [`Input::Checked`] in their order:
    /// that does the same as putting the frames in.
    fn check<'a>(&self, frame: &'a [u8]) -> Checked<'a> {
        Checked::unchecked(frame)
    }

    /// The door out: the next thing to do, in order. After [`Output::Store`] there is nothing
    /// more until [`Input::Stored`].
    fn poll(&mut self) -> Option<Output>;

    /// When [`Input::Timer`] is wanted next, in milliseconds of the caller's monotonic clock.
    fn deadline(&self) -> Option<u64>;

    /// Whether this participant holds the topic's key and may publish.
    fn is_ready(&self) -> bool;

    /// Whether messages gather into one frame until [`poll`](Self::poll) is called. Otherwise each
    /// is a frame of its own.
    fn gathers(&self) -> bool {
        false
    }

    /// Whether a message would be taken now. Not so while the topic's members change keys, which
    /// takes moments; those that were taken then leave as soon as it is done.
    fn has_room(&self) -> bool {
        self.is_ready()
    }

    /// Whether messages wait in the outbox that could be sealed now, by
    /// [`Command::SendOn`](crate::Command::SendOn). The caller knows when the links have room.
    fn waits(&self) -> bool {
        false
    }

    /// The messages of ours that are not confirmed by all, in no order (V2).
    fn unconfirmed(&self) -> Vec<Unconfirmed> {
        Vec::new()
    }

    /// How many messages of ours wait in the outbox, and were never sent (V2).
    fn unsent(&self) -> usize {
        0
    }

    /// Who this participant is.
    fn identity(&self) -> &Identity;

    /// Who is trusted, ordered by id; ourselves not among them.
    fn participants(&self) -> Vec<PublicKey>;

    /// The members and their roles, ordered by id, ourselves included (V2; otherwise nobody).
    fn members(&self) -> Vec<(PublicKey, v2::Role)> {
        Vec::new()
    }

    /// What a member, or a newcomer that waits, calls itself (V2).
    fn name_of(&self, _id: ParticipantId) -> Option<&str> {
        None
    }

    /// The epoch in use, once we have joined (V2).
    fn epoch(&self) -> Option<Epoch> {
        None
    }

    /// The bytes that the protocol adds to a body.
    fn overhead(&self) -> usize;
}

/// What goes into a session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// Bytes from the channel: anybody may have written them.
    Frame(&'a [u8]),
    /// A frame that [`Session::check`] has looked at.
    Checked(Checked<'a>),
    /// How large frames may be from now on.
    FrameLimit(FrameLimit),
    /// Whether any link is up; until told, one is. While none is, an outbox keeps what is
    /// published, and nothing is sent again.
    Connected(bool),
    /// The deadline has passed.
    Timer,
    /// The records of the last [`Output::Store`] are stored.
    Stored,
    /// Something that the owner of this participant wants.
    Command(Command<'a>),
}

/// How large frames may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameLimit {
    /// Several messages share a frame up to this size: what the smallest link carries in one piece.
    pub fill: usize,
    /// No frame is larger: what the smallest link carries at all, in pieces if need be.
    pub largest: usize,
}

impl FrameLimit {
    /// For links that carry nothing in pieces.
    #[must_use]
    pub const fn of(bytes: usize) -> Self {
        Self { fill: bytes, largest: bytes }
    }

    /// At most this many bytes.
    pub(crate) fn within(self, bytes: usize) -> Self {
        Self { fill: self.fill.min(bytes), largest: self.largest.min(bytes) }
    }
}

/// A frame that was looked at, and that nothing follows from yet.
pub struct Checked<'a> {
    pub(crate) frame: &'a [u8],
    /// What looking at it gave; `None` where that costs little or changes something.
    pub(crate) verdict: Option<Result<alloc::boxed::Box<v2::Checked>, Refusal>>,
}

impl<'a> Checked<'a> {
    pub(crate) const fn unchecked(frame: &'a [u8]) -> Self {
        Self { frame, verdict: None }
    }
}

impl fmt::Debug for Checked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checked")
    }
}

/// When an input arrives, and entropy for what it needs.
#[non_exhaustive]
pub struct Moment<'a> {
    /// Milliseconds of a monotonic clock of the caller's; its zero does not matter.
    pub now: u64,
    /// Milliseconds since 1970 UTC, where the caller has a clock that it trusts.
    pub wall: Option<u64>,
    /// Entropy of cryptographic quality.
    pub entropy: &'a mut dyn CryptoRng,
}

impl<'a> Moment<'a> {
    /// A moment at `now` milliseconds of the caller's monotonic clock.
    pub fn new(now: u64, entropy: &'a mut dyn CryptoRng) -> Self {
        Self { now, wall: None, entropy }
    }

    /// The same, with the time of day: milliseconds since 1970 UTC.
    #[must_use]
    pub fn with_wall(self, wall: u64) -> Self {
        Self { wall: Some(wall), ..self }
    }
}

impl fmt::Debug for Moment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moment {{ now: {} }}", self.now)
    }
}

/// Bounds on what a session holds and takes, with the defaults that suit a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame in bytes, in and out (default 65,536).
    pub frame: usize,
    /// Introductions that wait for a decision at the same time (default 16).
    pub introductions: usize,
    /// Milliseconds that an introduction waits, and that a decision about one, or about an answer
    /// to ours, is remembered (default 60,000).
    pub introduction_ms: u64,
    /// Answers to our introduction that wait for confirmation at the same time (default 8).
    pub answers: usize,
    /// Participants trusted at the same time (default 4,096). A state that holds more is opened
    /// all the same.
    pub participants: usize,
    /// Operations of the roster, past ones included (default 16,384; V2).
    pub operations: usize,
    /// Frames remembered of each sender, to take each once (default 2,048; Classic).
    pub recent_frames: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 65_536,
            introductions: 16,
            introduction_ms: 60_000,
            answers: 8,
            participants: 4_096,
            operations: 16_384,
            recent_frames: 2_048,
        }
    }
}
