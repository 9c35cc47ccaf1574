//! A room whose carrier is a queue, clients, and peers that speak raw bytes.
//! Not tests.

use std::{future::Future, net::SocketAddr, time::Duration};

use bytes::BytesMut;
use futures::{SinkExt, StreamExt};
use stringphone_tcp::{Limits, RoomStats, Tcp};
use stringphone_transport::{
    ChannelName, Channels, ChannelsOwner, Frame, Link, Outgoing, Transport, framing::LengthPrefixed,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};
use tokio_util::{codec::Encoder, task::AbortOnDropHandle};

pub(crate) fn on(channel: &str, bytes: impl Into<bytes::Bytes>) -> Frame {
    Frame::on(channel.try_into().unwrap(), bytes)
}

/// What the room's carrier listens to.
pub(crate) const OPEN: &[&str] = &["x", "1st", "2nd", "3rd", "4th"];

/// A set of channels that stays.
pub(crate) fn channels(open: &[&str]) -> (ChannelsOwner, Channels) {
    Channels::new(open.iter().map(|channel| ChannelName::try_from(*channel).unwrap()))
}

/// A room that is up, and whose carrier takes every frame.
pub(crate) struct Room {
    pub(crate) address: SocketAddr,
    pub(crate) stats: RoomStats,
    pub(crate) outgoing: Outgoing,
    pub(crate) heard: mpsc::UnboundedReceiver<Frame>,
    /// Each client says that it is there on a channel of its own, so that no other hears it.
    came: usize,
    _carrier: AbortOnDropHandle<()>,
}

impl Room {
    pub(crate) async fn with(limits: Limits) -> Self {
        let mut room = Tcp::listen("127.0.0.1:0").limits(limits);
        let (address, stats) = (room.bind().await.unwrap(), room.stats());
        let (_owner, channels) = channels(OPEN);
        let Link { mut incoming, outgoing } = room.connect(channels).await.unwrap();
        let (carrier, heard) = mpsc::unbounded_channel();
        let carrying = tokio::spawn(async move {
            while let Some(Ok(frame)) = incoming.next().await {
                let _ = carrier.send(frame);
            }
        });
        let _carrier = AbortOnDropHandle::new(carrying);
        Self { address, stats, outgoing, heard, came: 0, _carrier }
    }

    /// A client that hears the channel `x` already.
    pub(crate) async fn client(&mut self) -> Link {
        let (_owner, open) = channels(&["x"]);
        let mut link = Tcp::connect(self.address.to_string()).connect(open).await.unwrap();
        // The room has taken the announcement when it has taken what comes after it.
        let ready = self.ready();
        link.outgoing.send(ready.clone()).await.unwrap();
        self.until_heard(&ready).await;
        link
    }

    /// A peer that speaks raw bytes.
    pub(crate) async fn raw(&self) -> Raw {
        Raw(TcpStream::connect(self.address).await.unwrap())
    }

    /// A raw peer that the room has heard on the channel `x`.
    pub(crate) async fn raw_on_x(&mut self) -> Raw {
        let mut raw = self.raw().await;
        let ready = self.ready();
        raw.send(&wire(&[on("x", vec![]), ready.clone()])).await;
        self.until_heard(&ready).await;
        raw
    }

    async fn until_heard(&mut self, frame: &Frame) {
        soon(async { while self.heard.recv().await.unwrap() != *frame {} }).await;
    }

    fn ready(&mut self) -> Frame {
        self.came += 1;
        on(OPEN[self.came], vec![1])
    }
}

pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Waits until the room closes the connection, whatever it sends before.
    pub(crate) async fn put_out(&mut self) {
        let mut bytes = [0; 4096];
        soon(async { while let Ok(1..) = self.0.read(&mut bytes).await {} }).await;
    }
}

/// A broken room fails its tests rather than to hang them.
async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), event).await.unwrap()
}

/// What frames look like on the wire.
pub(crate) fn wire(frames: &[Frame]) -> BytesMut {
    let mut bytes = BytesMut::new();
    for frame in frames {
        LengthPrefixed::new(usize::MAX >> 1).encode(frame.clone(), &mut bytes).unwrap();
    }
    bytes
}

pub(crate) async fn next(link: &mut Link) -> Frame {
    soon(link.incoming.next()).await.unwrap().unwrap()
}

/// Both clients hear each other.
pub(crate) async fn talk(a: &mut Link, b: &mut Link) {
    a.outgoing.send(on("x", "from a")).await.unwrap();
    assert_eq!(next(b).await, on("x", "from a"));
    b.outgoing.send(on("x", "from b")).await.unwrap();
    assert_eq!(next(a).await, on("x", "from b"));
}
