//! What commands and topics say: one object a line with `--json` and on the control socket. Not
//! here: where it goes.

mod human;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stringphone::{Event, Participant, ReceiveError, Received};

use crate::failure::Failure;
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
    /// A topic is served here.
    Up {
        topic: String,
        address: String,
        #[serde(flatten)]
        who: Who,
        /// What to type on the other side.
        invitation: String,
    },
    /// We have asked to be admitted to a topic.
    Joining {
        topic: String,
        address: String,
        #[serde(flatten)]
        who: Who,
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
    Joined {
        #[serde(flatten)]
        who: Who,
    },
    Removed {
        id: String,
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
    Participant {
        #[serde(flatten)]
        who: Who,
    },
    /// A message was published.
    Sent {
        messages: u64,
        links_up: usize,
    },
    Imported {
        topic: String,
        participants: usize,
        #[serde(flatten)]
        who: Who,
    },
    Status(Status),
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
    pub(crate) links: Vec<LinkStatus>,
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
    /// What the event of a topic says; `None` for events that a later release may bring.
    pub(crate) fn of_event(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Ready => Self::Ready,
            Event::Introduced(who) => Self::Introduced { who: who.into() },
            Event::Lapsed(id) => Self::Lapsed { id: id.to_string() },
            Event::Joined(who) => Self::Joined { who: who.into() },
            Event::Removed(id) => Self::Removed { id: id.to_string() },
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
            _ => return None,
        })
    }
}

impl From<Result<Received, ReceiveError>> for Report {
    fn from(item: Result<Received, ReceiveError>) -> Self {
        match item {
            Ok(received) => {
                Self::Message { from: received.from.to_string(), body: Body::of(&received.body) }
            }
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

impl From<&Participant> for Who {
    fn from(participant: &Participant) -> Self {
        Self {
            id: participant.id().to_string(),
            public_key: participant.public_key().to_string(),
            fingerprint: participant.fingerprint().to_string(),
        }
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
