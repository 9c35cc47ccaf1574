//! How a transport reaches its broker and what it says there.
//! Not the connection.

use std::{collections::BTreeMap, fmt, num::NonZeroU16};

use stringphone_transport::ChannelName;
use zeroize::Zeroizing;

use crate::{
    Tls,
    encoding::Encoding,
    topics::Topics,
    wire::{Qos, Version},
};

/// The largest frame by default, in bytes.
const MAX_FRAME: usize = 64 * 1024;
/// A packet of MQTT has at most 256 MiB, which is out of reach with this, in hexadecimal too.
pub(crate) const LARGEST_FRAME: usize = 64 * 1024 * 1024;
/// By default, a connection is down once nothing came for so many seconds.
const KEEP_ALIVE: NonZeroU16 = NonZeroU16::new(30).unwrap();
/// How many bytes of a message may be neither topic nor frame: properties that others add, and white
/// space.
const SLACK: usize = 4096;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Host and port.
    pub(crate) address: String,
    pub(crate) topics: Topics,
    pub(crate) version: Version,
    pub(crate) qos: Qos,
    /// Where it is not the one above.
    pub(crate) channel_qos: BTreeMap<ChannelName, Qos>,
    pub(crate) encoding: Encoding,
    pub(crate) max_frame: usize,
    pub(crate) keep_alive: NonZeroU16,
    /// None stands for one by chance.
    pub(crate) client: Option<String>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) tls: Option<Tls>,
    /// A topic without wildcards.
    pub(crate) will: Option<String>,
}

impl Settings {
    pub(crate) fn new(address: String) -> Self {
        Self {
            address,
            topics: Topics::default(),
            version: Version::default(),
            qos: Qos::default(),
            channel_qos: BTreeMap::new(),
            encoding: Encoding::default(),
            max_frame: MAX_FRAME,
            keep_alive: KEEP_ALIVE,
            client: None,
            credentials: None,
            tls: None,
            will: None,
        }
    }

    /// The host without its port.
    pub(crate) fn host(&self) -> &str {
        let host = self.address.rsplit_once(':').map_or(&*self.address, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn qos(&self, channel: &ChannelName) -> Qos {
        self.channel_qos.get(channel).copied().unwrap_or(self.qos)
    }

    /// The largest packet that is taken, in bytes without its first two to five.
    pub(crate) fn largest_packet(&self) -> usize {
        self.encoding.len(self.max_frame) + self.topics.longest() + SLACK
    }

    /// For logs and events, without secrets.
    pub(crate) fn name(&self) -> String {
        let scheme = if self.tls.is_some() { "mqtts" } else { "mqtt" };
        match self.topics.prefix() {
            "" => format!("{scheme} {}", self.address),
            prefix => format!("{scheme} {}/{prefix}", self.address),
        }
    }
}

/// Who logs in.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: Option<Zeroizing<String>>,
}

/// Without the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_address_without_port_and_brackets() {
        for (address, host) in
            [("hub.lan:8883", "hub.lan"), ("[::1]:8883", "::1"), ("10.0.0.1:1", "10.0.0.1")]
        {
            assert_eq!(Settings::new(address.into()).host(), host);
        }
    }
}
