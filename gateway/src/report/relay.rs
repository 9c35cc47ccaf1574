//! What relays say. Not here: what topics say.

use std::fmt;

use serde::{Deserialize, Serialize};
use stringphone::RelayStats;

/// What a relay joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Relaying {
    pub(crate) channels: Vec<String>,
    /// Where others connect to, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    pub(crate) via: Vec<String>,
    /// Where other relays are, and nobody else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) peers: Vec<String>,
}

/// What a relay has done since it started, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Relayed {
    forwarded: u64,
    duplicates: u64,
    over_rate: u64,
    hops: u64,
    malformed: u64,
    unsent: u64,
    lost: u64,
}

/// A relay, as `status` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RelayStatus {
    #[serde(flatten)]
    pub(crate) between: Relaying,
    #[serde(flatten)]
    pub(crate) relayed: Relayed,
    /// Links that are down, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) down: Vec<String>,
}

impl From<RelayStats> for Relayed {
    fn from(stats: RelayStats) -> Self {
        Self {
            forwarded: stats.forwarded,
            duplicates: stats.duplicates,
            over_rate: stats.over_rate,
            hops: stats.hops,
            malformed: stats.malformed,
            unsent: stats.unsent,
            lost: stats.lost,
        }
    }
}

impl fmt::Display for Relaying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels: Vec<_> = self.channels.iter().map(|name| format!("{name:?}")).collect();
        let peers = self.peers.iter().map(|address| format!("{address} (other relays)"));
        let places = self.address.iter().chain(&self.via).cloned();
        let places: Vec<_> = places.chain(peers).collect();
        write!(f, "{} between {}", channels.join(", "), places.join(", "))
    }
}

/// What is zero is left out, but for what a relay is there for.
impl fmt::Display for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} frames forwarded", self.forwarded)?;
        let rest = [
            (self.duplicates, "duplicates"),
            (self.over_rate, "beyond the rate"),
            (self.hops, "through too many relays"),
            (self.malformed, "malformed"),
            (self.unsent, "not sent to one of the links"),
            (self.lost, "lost on the way in"),
        ];
        let rest = rest.iter().filter(|(frames, _)| *frames > 0);
        rest.into_iter().try_for_each(|(frames, what)| write!(f, ", {frames} {what}"))
    }
}
