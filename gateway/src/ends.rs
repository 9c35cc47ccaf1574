//! Links that are opened, and not up yet. Not here: how addresses are written.

use std::net::SocketAddr;

use stringphone::tcp::{Tcp, TcpRoom};
use stringphone::{Carrier, Relay, RelayLimits, Transport};

use crate::failure::Failure;
use crate::home::TopicConfig;
use crate::report::Relaying;
use crate::via;

/// The links of a topic, or of a relay.
#[derive(Default)]
pub(crate) struct Ends {
    pub(crate) room: Option<TcpRoom>,
    /// Where participants are.
    pub(crate) via: Vec<Box<dyn Transport>>,
    /// Where other relays are, and nobody else.
    pub(crate) peers: Vec<Box<dyn Transport>>,
}

impl Ends {
    /// Those of these addresses. What is wrong with one is said without repeating it.
    pub(crate) fn open(via: &[String], peers: &[String]) -> Result<Self, String> {
        let peers = via::open(peers).map_err(|error| format!("--peer: {error}"))?;
        Ok(Self { room: None, via: via::open(via)?, peers })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    fn count(&self) -> usize {
        usize::from(self.room.is_some()) + self.via.len() + self.peers.len()
    }

    /// Opens a room as well; gives the address that it got.
    pub(crate) async fn listen(&mut self, address: &str) -> Result<SocketAddr, Failure> {
        let room = self.room.insert(Tcp::listen(address));
        room.bind().await.map_err(|error| {
            Failure::failed(format!(
                "can't listen on {address}: {error}. Choose another address with --listen HOST:PORT"
            ))
        })
    }

    /// Refuses what a relay has nothing to do with: a link alone.
    pub(crate) fn enough_to_relay(&self) -> Result<(), Failure> {
        match self.count() {
            count @ 0..2 => Err(Failure::Usage(format!(
                "a relay needs at least two links, and has {count}: name each with --via ADDRESS, \
                 --listen HOST:PORT, or --peer ADDRESS where another relay is. `stringphone relay \
                 --help` lists the kinds of addresses"
            ))),
            _ => Ok(()),
        }
    }

    /// A relay between them.
    pub(crate) fn relay(self, limits: RelayLimits) -> Relay {
        let room = self.room.map(Carrier::start);
        let via = room.into_iter().chain(self.via.into_iter().map(Carrier::start));
        let relay = via.fold(Relay::new().limits(limits), Relay::link);
        self.peers.into_iter().map(Carrier::start).fold(relay, Relay::peer)
    }
}

impl Relaying {
    /// What the relay of this topic joins, where its links are tied together.
    pub(crate) fn of(topic: &str, how: &TopicConfig) -> Option<Self> {
        let relay = how.relay.as_ref()?;
        let channels = std::iter::once(topic).chain(relay.also.iter().map(String::as_str));
        Some(Self {
            channels: distinct(channels),
            address: how.listen.clone(),
            via: how.via.clone(),
            peers: relay.peers.clone(),
        })
    }
}

/// The same channels, each once, in their order.
pub(crate) fn distinct<'a>(channels: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for channel in channels {
        if !distinct.iter().any(|known| known == channel) {
            distinct.push(channel.to_owned());
        }
    }
    distinct
}
