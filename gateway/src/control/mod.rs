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
    Listen {
        #[serde(default)]
        events: bool,
    },
    Participants,
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

fn lines() -> LinesCodec {
    LinesCodec::new_with_max_length(LINE)
}
