//! What an MQTT transport counts.
//! Not events: those go to `tracing`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use stringphone_transport::ChannelName;

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Refusal {
    /// A message came that the broker had retained: a frame of some day in the past.
    Retained,
    /// A message came that is larger than any frame.
    TooLarge,
    /// A message came that is no hexadecimal text where it should be.
    NotHex,
    /// A message came on a topic that is no channel.
    NoChannel,
    /// The broker refused a frame of ours. In MQTT 3.1.1 it does so without a word.
    Publishing,
    /// The broker refused a subscription of ours.
    Subscribing,
}

impl Refusal {
    /// As it is reported of garbage that came in.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Retained => "a retained message is no frame",
            Self::TooLarge => "a message is larger than any frame",
            Self::NotHex => "a message is not hexadecimal",
            Self::NoChannel => "a message is on a topic that is no channel",
            Self::Publishing => "the broker refused a frame",
            Self::Subscribing => "the broker refused a subscription",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

/// The counters of a transport; a clone reads the same ones, wherever the transport went.
#[derive(Clone, Debug, Default)]
pub struct MqttStats(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    refused: BTreeMap<Refusal, u64>,
    deaf: BTreeSet<ChannelName>,
}

impl MqttStats {
    /// How often something was refused for this reason.
    pub fn refused(&self, why: Refusal) -> u64 {
        self.counts().refused.get(&why).copied().unwrap_or(0)
    }

    /// The channels that are open and hear nothing, since the broker refused the subscription; it
    /// is asked again at the next [`connect`](stringphone_transport::Transport::connect), and when
    /// the channel is opened anew.
    pub fn refused_channels(&self) -> Vec<ChannelName> {
        self.counts().deaf.iter().cloned().collect()
    }

    pub(crate) fn count(&self, why: Refusal) -> u64 {
        let mut counts = self.counts();
        let times = counts.refused.entry(why).or_default();
        *times += 1;
        *times
    }

    pub(crate) fn set_deaf(&self, channel: &ChannelName, deaf: bool) {
        let mut counts = self.counts();
        if deaf {
            counts.deaf.insert(channel.clone());
        } else {
            counts.deaf.remove(channel);
        }
    }

    /// On a new connection, all of them are asked for again.
    pub(crate) fn forget_refused_channels(&self) {
        self.counts().deaf.clear();
    }

    /// No code panics while it holds the lock, so poisoned counters are sound ones.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
