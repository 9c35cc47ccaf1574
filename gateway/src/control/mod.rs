//! How other commands speak to the process that owns the home: a line of JSON for a request, lines
//! of JSON for the reply. Not here: what requests do.

mod client;
mod server;

use serde::{Deserialize, Serialize};
use tokio_util::codec::LinesCodec;

pub(crate) use client::Client;
pub(crate) use server::Server;

use crate::report::Body;

/// The longest line; what is longer is refused.
const LINE: usize = 1 << 20;

/// What can be asked of a running topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Request {
    Publish {
        #[serde(flatten)]
        body: Body,
    },
    /// Publish, and wait until these have it, or everybody; V2, as all that follow up to `Recover`.
    Confirm {
        #[serde(flatten)]
        body: Body,
        #[serde(default)]
        to: Vec<String>,
        timeout_ms: u64,
    },
    /// What is not sent, or not confirmed.
    Outbox,
    GiveUp {
        number: u64,
    },
    /// The messages that are kept: each is answered with an `Ack`, once it was dealt with.
    Inbox,
    Ack {
        id: String,
    },
    /// Wait until nothing is missing any more.
    Recover {
        timeout_ms: u64,
    },
    Listen {
        #[serde(default)]
        events: bool,
    },
    #[serde(alias = "participants")]
    Members,
    /// V2, as all that follow up to `Leave`.
    Invite {
        keeper: bool,
        lifetime_ms: u64,
    },
    Pin,
    Evict {
        who: String,
    },
    Appoint {
        who: String,
    },
    Rotate,
    Leave {
        anyway: bool,
    },
    Trust {
        key: String,
    },
    Remove {
        who: String,
    },
    Admit {
        who: String,
    },
    Deny {
        who: String,
    },
    Status,
}

impl Request {
    /// Whether other members have to learn of it.
    pub(crate) fn concerns_others(&self) -> bool {
        matches!(
            self,
            Self::Evict { .. } | Self::Appoint { .. } | Self::Rotate | Self::Leave { .. }
        )
    }
}

fn lines() -> LinesCodec {
    LinesCodec::new_with_max_length(LINE)
}
