//! One end of a link, and numbered frames.
//! Not the tests.
#![allow(dead_code, reason = "each test uses its part")]

use std::time::Duration;

use futures::{SinkExt, StreamExt, sink, stream};
use stringphone_nats::Nats;
use stringphone_transport::{
    ChannelName, Channels, ChannelsOwner, Frame, Link, Transport, TransportError,
};
use tokio::time::timeout;

/// Nothing that is waited for takes longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn channel() -> ChannelName {
    ChannelName::try_from("green.house = 100%").unwrap()
}

pub(crate) fn numbered(number: u32) -> Frame {
    Frame::on(channel(), number.to_be_bytes().to_vec())
}

pub(crate) fn number(frame: &Frame) -> u32 {
    u32::from_be_bytes(frame.bytes[..4].try_into().unwrap())
}

/// A transport, and its link.
pub(crate) struct End {
    pub(crate) transport: Nats,
    pub(crate) channels: ChannelsOwner,
    pub(crate) link: Link,
}

impl End {
    /// Listens to the channel.
    pub(crate) async fn up(mut transport: Nats) -> Self {
        let (channels, watch) = Channels::new([channel()]);
        let link = transport.connect(watch).await.unwrap();
        Self { transport, channels, link }
    }

    /// [`up`](Self::up), as soon as a cluster has elected who keeps streams.
    pub(crate) async fn elected(transport: Nats) -> Self {
        let (channels, _) = Channels::new([channel()]);
        let link = Link::new(stream::pending(), sink::drain().sink_map_err(|never| match never {}));
        Self { transport, channels, link }.reconnect().await
    }

    /// Drops the link, and connects the same transport again as soon as it can.
    pub(crate) async fn reconnect(self) -> Self {
        let Self { mut transport, channels, link } = self;
        drop(link);
        let connecting = async {
            loop {
                match transport.connect(channels.watch()).await {
                    Ok(link) => return link,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let link = timeout(LIMIT, connecting).await.expect("it comes up again");
        Self { transport, channels, link }
    }

    /// Sends frames of these numbers, and flushes.
    pub(crate) async fn send(
        &mut self,
        numbers: impl IntoIterator<Item = u32>,
    ) -> Result<(), TransportError> {
        for number in numbers {
            self.link.outgoing.feed(numbered(number)).await?;
        }
        self.link.outgoing.flush().await
    }

    /// The next number, or why there is none.
    pub(crate) async fn next(&mut self) -> Result<u32, TransportError> {
        let next = timeout(LIMIT, self.link.incoming.next()).await.expect("something arrives");
        next.unwrap_or(Err(TransportError::Closed)).map(|frame| number(&frame))
    }

    /// All numbers up to this one.
    pub(crate) async fn until(&mut self, last: u32) -> Vec<u32> {
        let mut numbers = vec![];
        while numbers.last() != Some(&last) {
            numbers.push(self.next().await.unwrap());
        }
        numbers
    }
}
