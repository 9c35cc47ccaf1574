//! What commands and topics say: one object a line with `--json` and on the control socket. Not
//! here: where it goes.

mod delivery;
mod human;
mod relay;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stringphone::{Event, Participant, ParticipantId, ReceiveError, Received, Role};

pub(crate) use relay::{RelayStatus, Relayed, Relaying};

use crate::failure::Failure;
use crate::secret::Secret;
use crate::text;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Report {
    /// Who lives in a home.
    Identity {
        #[serde(flatten)]
        who: Who,
        home: String,
    },
    /// The keys of this home are sealed with a passphrase from now on, or with none.
    Passphrase {
        set: bool,
    },
    /// A topic was founded, and is not up yet.
    Founded {
        topic: String,
    },
    /// A topic is served here.
    Up {
        topic: String,
        /// Where others connect to, if they do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// Where we meet others.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        via: Vec<String>,
        #[serde(flatten)]
        who: Who,
        /// What to type here, where newcomers are invited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        invite: Option<String>,
        /// What to type on the other side.
        join: String,
    },
    /// We have asked to be admitted to a topic.
    Joining {
        topic: String,
        via: Vec<String>,
        #[serde(flatten)]
        who: Who,
        by: By,
    },
    /// Somebody has to decide: `admit` or `deny`.
    Question {
        about: About,
        #[serde(flatten)]
        who: Who,
        /// What to type, for yes.
        answer: String,
    },
    Message {
        from: String,
        /// What the sender calls itself, which anybody can.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its own name, which never comes twice but for this message; of what is kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Whether it was perhaps told before; of what is kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        redelivered: Option<bool>,
        #[serde(flatten)]
        body: Body,
    },
    /// A message that may have been told before the last restart.
    Uncertain {
        from: String,
        #[serde(flatten)]
        body: Body,
    },
    /// Messages or events were lost on the way to a slow reader.
    Lagged {
        missed: u64,
    },
    /// The topic key is held.
    Ready,
    Introduced {
        #[serde(flatten)]
        who: Who,
    },
    Lapsed {
        id: String,
    },
    /// Somebody was let in, and is a member once its side has agreed.
    Admitted {
        #[serde(flatten)]
        who: Who,
    },
    Joined {
        #[serde(flatten)]
        who: Who,
    },
    Removed {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// For good, with new keys for everybody else; otherwise only its messages are refused.
        evicted: bool,
    },
    Appointed {
        #[serde(flatten)]
        who: Who,
    },
    /// Everybody has other keys.
    Rekeyed {
        generation: u32,
    },
    /// Messages came too late to be acted on.
    Expired {
        from: String,
        messages: u64,
    },
    /// Messages that expire came, and nobody here knows what time it is.
    Unverifiable {
        from: String,
        messages: u64,
    },
    /// Messages of this participant are missing, and are waited for no longer.
    Gap {
        from: String,
        frames: u64,
    },
    /// The outbox gave messages up unsent.
    Dropped {
        messages: u64,
    },
    PinBurnt,
    /// The topic went on without us.
    Behind,
    CaughtUp {
        id: String,
    },
    /// We are no member any more.
    Evicted,
    /// An alarm: a copy of this participant is about.
    Cloned {
        id: String,
    },
    /// An alarm: our own storage went back to an old state.
    RolledBack,
    /// An alarm: a member is not honest.
    InsiderAlarm,
    /// All is there that this device can have, as far as anybody says.
    Recovered {
        topic: String,
        /// Which keys are in use.
        generation: Option<u32>,
        /// Members gave us the keys that we lacked.
        caught_up: bool,
        /// Our own storage had gone back to an old state.
        rolled_back: bool,
    },
    /// We left a topic.
    Left {
        topic: String,
    },
    Denied {
        id: String,
    },
    LinkUp {
        link: String,
    },
    LinkDown {
        link: String,
        reason: String,
        retry_in_ms: u64,
    },
    /// Frames were refused: told now and then for each reason. `status` counts them.
    Refused {
        reason: String,
    },
    Lost {
        link: String,
        frames: u64,
    },
    /// A member of a V2 topic.
    Member {
        role: Standing,
        #[serde(flatten)]
        who: Who,
        /// It is this very participant.
        us: bool,
    },
    /// Somebody whose messages are believed in a Classic topic.
    Participant {
        #[serde(flatten)]
        who: Who,
    },
    Invitation {
        topic: String,
        url: Secret,
        role: Standing,
        lifetime_ms: u64,
    },
    Pin {
        topic: String,
        pin: Secret,
        lifetime_ms: u64,
    },
    /// A message was published.
    Sent {
        messages: u64,
        links_up: usize,
        /// Nobody is connected who could hear it.
        #[serde(default)]
        alone: bool,
        /// It is kept for later: for a link, or for those who are away.
        #[serde(default)]
        kept: bool,
    },
    /// Who has stored a message, of those that were waited for.
    Confirmed {
        number: u64,
        by: Vec<Named>,
        missing: Vec<Named>,
    },
    /// How many messages wait to be sent.
    Outbox {
        topic: String,
        unsent: usize,
    },
    /// A message whose receipts are not all there.
    Unconfirmed {
        number: u64,
        sent: bool,
        /// Who has not confirmed it, of one that was sent.
        missing: Vec<Named>,
    },
    GivenUp {
        number: u64,
    },
    /// Whether messages are kept until they are told.
    Inbox {
        topic: String,
        on: bool,
    },
    Imported {
        topic: String,
        participants: usize,
        #[serde(flatten)]
        who: Who,
    },
    Status(Status),
    /// A relay runs here.
    Relaying(Relaying),
    /// What a relay has done by now.
    Relayed(Relayed),
    /// A serial port of this machine.
    Port {
        path: String,
        /// What the USB device calls itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
        /// How to name it as a link.
        address: String,
    },
    /// The end of a reply on the control socket.
    Done,
    /// The other end of a reply on the control socket.
    Error {
        code: u8,
        message: String,
    },
}

/// A participant, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Who {
    pub(crate) id: String,
    pub(crate) public_key: String,
    pub(crate) fingerprint: String,
    /// What it calls itself, which anybody can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// A participant, where its key is not the matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: String,
    /// What it calls itself, which anybody can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Member,
    Keeper,
}

/// What we have to show for ourselves when we ask to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    Fingerprint,
    Invitation,
    Pin,
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum About {
    /// Somebody introduced itself to us.
    Newcomer,
    /// Somebody answered our own introduction.
    Admitter,
}

/// What a message says: text, or hex digits where it is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Fields")]
pub(crate) enum Body {
    Text(String),
    Hex(String),
}

/// A body as it comes in: with the enum alone, serde would take the first and forget the other.
#[derive(Deserialize)]
struct Fields {
    text: Option<String>,
    hex: Option<String>,
}

impl TryFrom<Fields> for Body {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        match (fields.text, fields.hex) {
            (Some(text), None) => Ok(Self::Text(text)),
            (None, Some(hex)) => Ok(Self::Hex(hex)),
            _ => Err("a message has either `text` or `hex`"),
        }
    }
}

/// How a topic is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) topic: String,
    pub(crate) ready: bool,
    /// Which keys are in use, in V2: one more with each rekey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) generation: Option<u32>,
    pub(crate) links: Vec<LinkStatus>,
    /// Where a relay ties the links together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) relay: Option<RelayStatus>,
    /// Peers that are connected to the address listened on.
    pub(crate) peers: Option<usize>,
    pub(crate) published: u64,
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) unsent: u64,
    /// How many frames were refused, by reason.
    pub(crate) refused: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkStatus {
    pub(crate) name: String,
    pub(crate) up: bool,
}

impl Report {
    /// What the event of a topic says, where it says enough by itself; `None` for the others, and
    /// for events that a later release may bring.
    pub(crate) fn of_event(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Ready => Self::Ready,
            Event::Introduced(who) => Self::Introduced { who: who.into() },
            Event::Lapsed(id) => Self::Lapsed { id: id.to_string() },
            Event::Joined(who) => Self::Joined { who: who.into() },
            Event::LinkUp { name, .. } => Self::LinkUp { link: name.clone() },
            Event::LinkDown { name, reason, retry_in, .. } => Self::LinkDown {
                link: name.clone(),
                reason: reason.clone(),
                retry_in_ms: u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX),
            },
            Event::Refused(refusal) => Self::Refused { reason: refusal.to_string() },
            Event::Lost { link, frames } => {
                Self::Lost { link: format!("{link:?}"), frames: *frames }
            }
            Event::Uncertain(message) => {
                Self::Uncertain { from: message.from.to_string(), body: Body::of(&message.body) }
            }
            Event::Expired(id) => Self::Expired { from: id.to_string(), messages: 1 },
            Event::Unverifiable(id) => Self::Unverifiable { from: id.to_string(), messages: 1 },
            Event::Gap { from, frames } => Self::Gap { from: from.to_string(), frames: *frames },
            Event::Dropped { messages } => {
                Self::Dropped { messages: u64::try_from(*messages).unwrap_or(u64::MAX) }
            }
            Event::PinBurnt => Self::PinBurnt,
            Event::Behind => Self::Behind,
            Event::CaughtUp(id) => Self::CaughtUp { id: id.to_string() },
            Event::Evicted => Self::Evicted,
            Event::Cloned(id) => Self::Cloned { id: id.to_string() },
            Event::RolledBack => Self::RolledBack,
            Event::InsiderAlarm => Self::InsiderAlarm,
            _ => return None,
        })
    }

    /// Whether there is something in it that others chose the words of.
    pub(crate) fn quotes_others(&self) -> bool {
        matches!(
            self,
            Self::Message { .. }
                | Self::Uncertain { .. }
                | Self::Question { .. }
                | Self::Introduced { .. }
                | Self::Admitted { .. }
                | Self::Joined { .. }
                | Self::Removed { .. }
                | Self::Appointed { .. }
                | Self::Member { .. }
                | Self::Confirmed { .. }
                | Self::Unconfirmed { .. }
                | Self::Port { .. }
        )
    }

    /// What came in, from somebody who is called that.
    pub(crate) fn received(
        item: Result<Received, ReceiveError>,
        name: impl Fn(ParticipantId) -> Option<String>,
    ) -> Self {
        match item {
            Ok(received) => Self::Message {
                from: received.from.to_string(),
                name: name(received.from),
                id: None,
                redelivered: None,
                body: Body::of(&received.body),
            },
            Err(ReceiveError::Lagged(lagged)) => Self::Lagged { missed: lagged.0 },
            Err(error) => Self::Refused { reason: error.to_string() },
        }
    }
}

impl From<&Failure> for Report {
    fn from(failure: &Failure) -> Self {
        Self::Error { code: failure.code(), message: failure.to_string() }
    }
}

impl Report {
    /// What was replied, if it was not that the request failed.
    pub(crate) fn into_result(self) -> Result<Self, Failure> {
        match self {
            Self::Error { code: 2, message } => Err(Failure::Usage(message)),
            Self::Error { code: 3, message } => Err(Failure::Unanswered(message)),
            Self::Error { message, .. } => Err(Failure::Failed(message)),
            report => Ok(report),
        }
    }
}

impl From<&Participant> for Who {
    fn from(participant: &Participant) -> Self {
        Self {
            id: participant.id().to_string(),
            public_key: participant.public_key().to_string(),
            fingerprint: participant.fingerprint().to_string(),
            name: None,
        }
    }
}

impl Who {
    pub(crate) fn called(self, name: Option<String>) -> Self {
        Self { name, ..self }
    }
}

impl From<Role> for Standing {
    fn from(role: Role) -> Self {
        // What a later release may bring stands above members.
        if role == Role::Member { Self::Member } else { Self::Keeper }
    }
}

impl Body {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Hex(text::hex(bytes)),
        }
    }

    /// The bytes; `None` where the hex digits are none.
    pub(crate) fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.into_bytes()),
            Self::Hex(hex) => text::unhex(&hex),
        }
    }
}
