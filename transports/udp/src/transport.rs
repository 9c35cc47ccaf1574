//! The transport: a group and how to speak to it.
//! Not the link that it brings up.

use std::{io, net::SocketAddr, ops::RangeInclusive};

use async_trait::async_trait;
use stringphone_transport::{
    Channels, Facts, Link, Transport, TransportError, address::AddressError, framing,
};

use crate::{
    group::Group,
    link::{self, SENDER, Sender},
};

/// The group that an address stands for which names none.
pub(crate) const GROUP: &str = "239.77.83.80";

/// The port that an address stands for which names none.
pub(crate) const PORT: u16 = 7700;

/// A datagram of this many bytes and its headers fit a packet of Ethernet and Wi-Fi, through a VPN
/// too.
const DATAGRAM: usize = 1400;

/// What IPv4 carries at most, in bytes.
const LARGEST_DATAGRAM: usize = 65_507;

/// What a frame takes in a datagram besides its own bytes, with the longest channel.
const HEADER: usize = SENDER + framing::max_body(0);

/// All that use a multicast group: unreliable, with many channels.
///
/// Each connects on its own and hears all channels, of which the carrier drops those that nobody
/// wants.
#[derive(Debug)]
pub struct Udp {
    group: Group,
    ttl: u8,
    max_frame: usize,
    /// Drawn once: an echo may come after the link was connected again.
    sender: Option<Sender>,
}

impl Udp {
    /// The smallest and the largest frame that may be the largest, in bytes. The link carries it in
    /// one datagram, if need be in many packets, which are lost together.
    pub const MAX_FRAMES: RangeInclusive<usize> = 16..=LARGEST_DATAGRAM - HEADER;

    /// A transport that speaks to this group, as in `239.77.83.80:7700` or `[ff05::4d53]:7700`. Of
    /// IPv6 groups in `ff02::/16` each interface has one of its own, so they need its number, as in
    /// `[ff02::4d53%2]:7700`.
    ///
    /// By default on the interface that the system chooses, and not beyond the next router; frames
    /// have at most 1,327 bytes, which fit a packet.
    ///
    /// # Errors
    /// [`AddressError`] where that is no multicast group with a port.
    pub fn multicast(group: &str) -> Result<Self, AddressError> {
        let group = group.parse::<SocketAddr>().ok().and_then(Group::new).ok_or_else(|| {
            AddressError::Other(format!(
                "{group} is no multicast group with a port, as {GROUP}:{PORT} or [ff05::4d53]:{PORT}"
            ))
        })?;
        Ok(Self { group, ttl: 1, max_frame: DATAGRAM - HEADER, sender: None })
    }

    /// Speaks and listens on this interface alone: the one with this address, as in `192.168.1.20`;
    /// with an IPv6 group the one of this number.
    ///
    /// # Errors
    /// [`AddressError::Option`] where it is something else.
    pub fn interface(mut self, interface: &str) -> Result<Self, AddressError> {
        let (name, value) = ("interface", interface.to_owned());
        let expected = "an IPv4 address of it, or with an IPv6 group its number";
        let refused = AddressError::Option { name, expected, value };
        self.group = self.group.on(interface).ok_or(refused)?;
        Ok(self)
    }

    /// How many networks a datagram may come through, if routers pass it on: 0 is this machine, 1
    /// this network.
    #[must_use]
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// The largest frame in bytes, moved into [`MAX_FRAMES`](Self::MAX_FRAMES). All in the group
    /// should agree on it: larger ones are dropped.
    #[must_use]
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes.clamp(*Self::MAX_FRAMES.start(), *Self::MAX_FRAMES.end());
        self
    }

    pub(crate) fn group(&self) -> Group {
        self.group
    }

    fn sender(&mut self) -> io::Result<Sender> {
        if let Some(sender) = self.sender {
            return Ok(sender);
        }
        let mut sender = Sender::default();
        getrandom::fill(&mut sender).map_err(io::Error::other)?;
        self.sender = Some(sender);
        Ok(sender)
    }

    fn link(&mut self) -> io::Result<Link> {
        let sender = self.sender()?;
        let speaks = self.group.sender(self.ttl)?;
        let hears = self.group.receiver()?;
        link::link(self.group, sender, hears, speaks, self.max_frame)
    }
}

#[async_trait]
impl Transport for Udp {
    fn facts(&self) -> Facts {
        Facts::new(format!("udp {}", self.group), self.max_frame).many_channels()
    }

    async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
        self.link().map_err(TransportError::Connect)
    }
}
