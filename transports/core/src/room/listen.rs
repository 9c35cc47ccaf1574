//! The side that listens, as a transport.
//! Not its link: see `link`.

use std::{io, marker::PhantomData, net::SocketAddr};

use async_trait::async_trait;
use tokio::net::TcpListener;

use super::{Limits, RoomStats, Wire, link, members::Members};
use crate::{
    Channels, Facts, Link, Transport, TransportError,
    address::{Address, AddressError, FromAddress, Scheme},
};

/// A transport that is a room: reliable, with many channels.
///
/// The link is up as long as it is held; peers come and go within. Frames to and from peers are
/// taken as long as the link's incoming half is polled now and then, which also lets peers in.
#[derive(Debug)]
pub struct Room<W> {
    address: String,
    limits: Limits,
    stats: RoomStats,
    listener: Option<TcpListener>,
    /// Where it listened first, so that port 0 stays the same port after a loss.
    local: Option<SocketAddr>,
    wire: PhantomData<fn() -> W>,
}

impl<W: Wire> Room<W> {
    /// A room at `address`, as in `0.0.0.0:7000`.
    ///
    /// Port 0 means any; [`bind`](Self::bind) tells which.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            limits: Limits::default(),
            stats: RoomStats::default(),
            listener: None,
            local: None,
            wire: PhantomData,
        }
    }

    /// The same transport with limits of your own.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The counters, to keep a hold of when the room is given away.
    pub fn stats(&self) -> RoomStats {
        self.stats.clone()
    }

    /// Binds the port now rather than at the first `connect`, and tells the address.
    ///
    /// # Errors
    /// [`TransportError::Connect`] if the address cannot be bound.
    pub async fn bind(&mut self) -> Result<SocketAddr, TransportError> {
        let local = self.bind_listener().await?;
        // From now on the room is known by the port it got.
        self.address = local.to_string();
        Ok(local)
    }

    async fn bind_listener(&mut self) -> Result<SocketAddr, TransportError> {
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => self.listen().await.map_err(TransportError::Connect)?,
        };
        let local = listener.local_addr().map_err(TransportError::Connect)?;
        self.listener = Some(listener);
        self.local = Some(local);
        Ok(local)
    }

    /// On Unix, `bind` sets SO_REUSEADDR, so connections of a former life do not block the port.
    async fn listen(&self) -> io::Result<TcpListener> {
        match self.local {
            Some(local) => TcpListener::bind(local).await,
            None => TcpListener::bind(&self.address).await,
        }
    }
}

impl<W: Wire> FromAddress for Room<W> {
    const SCHEMES: &'static [Scheme] = &[W::LISTEN];

    fn from_address(address: &mut Address) -> Result<Self, AddressError> {
        address.host_alone()?;
        Ok(Self::new(address.host_and_port(None)?))
    }
}

#[async_trait]
impl<W: Wire> Transport for Room<W> {
    fn facts(&self) -> Facts {
        let name = format!("{} room {}", W::NAME, self.address);
        Facts::new(name, self.limits.max_frame).reliable().many_channels()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        self.bind_listener().await?;
        let Some(listener) = self.listener.take() else {
            return Err(TransportError::Closed);
        };
        let members = Members::new(self.limits, self.stats.clone());
        Ok(link::link(listener, W::open, members, channels))
    }
}
