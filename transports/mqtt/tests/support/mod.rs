//! Ends of links that tests send and hear by.
//! Not the broker.

#![allow(dead_code, reason = "each test uses its part")]

use std::{future::Future, time::Duration};

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use stringphone_mqtt::{Mqtt, MqttStats};
use stringphone_servers::mosquitto::Mosquitto;
use stringphone_transport::{
    ChannelName, Channels, ChannelsOwner, Frame, Link, Transport, TransportError,
};
use tokio::time::{sleep, timeout};

/// How long anything may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A transport by way of this broker.
pub(crate) fn mqtt(broker: &Mosquitto) -> Mqtt {
    Mqtt::broker(format!("127.0.0.1:{}", broker.port()))
}

pub(crate) fn channel(name: &str) -> ChannelName {
    name.try_into().unwrap()
}

/// Fails what takes too long.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(LIMIT, what).await.expect("it takes too long")
}

/// A transport, the channels that are open, and its link.
pub(crate) struct End {
    pub(crate) transport: Mqtt,
    pub(crate) stats: MqttStats,
    pub(crate) channels: ChannelsOwner,
    /// None while it is down.
    pub(crate) link: Option<Link>,
}

impl End {
    /// An end whose link is up.
    pub(crate) async fn up(transport: Mqtt, open: &[&str]) -> Self {
        let (channels, _) = Channels::new(open.iter().map(|name| channel(name)));
        let mut end = Self { stats: transport.stats(), transport, channels, link: None };
        end.connect().await.unwrap();
        end
    }

    pub(crate) async fn connect(&mut self) -> Result<(), TransportError> {
        self.link = None;
        self.link = Some(soon(self.transport.connect(self.channels.watch())).await?);
        Ok(())
    }

    pub(crate) fn link(&mut self) -> &mut Link {
        self.link.as_mut().unwrap()
    }

    /// Sends a frame, and waits until it is through.
    pub(crate) async fn send(
        &mut self,
        name: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<(), TransportError> {
        let frame = Frame::on(channel(name), bytes);
        soon(self.link().outgoing.send(frame)).await
    }

    /// Sends a frame, and does not wait.
    pub(crate) async fn feed(&mut self, name: &str, bytes: impl Into<Bytes>) {
        let frame = Frame::on(channel(name), bytes);
        soon(self.link().outgoing.feed(frame)).await.unwrap();
    }

    /// The next frame or report.
    pub(crate) async fn item(&mut self) -> Result<Frame, TransportError> {
        soon(self.link().incoming.next()).await.expect("an error comes before the end")
    }

    /// The next frame, which is on this channel.
    pub(crate) async fn hear(&mut self, name: &str) -> Bytes {
        let frame = self.item().await.unwrap();
        assert_eq!(frame.channel, Some(channel(name)));
        frame.bytes
    }

    /// Why the link went down.
    pub(crate) async fn failure(&mut self) -> TransportError {
        loop {
            match self.item().await {
                Err(error) if !error.link_goes_on() => return error,
                _ => {}
            }
        }
    }
}

/// Waits until what one end sends arrives at the other, and what is sent for that is gone.
pub(crate) async fn settle(from: &mut End, to: &mut End, name: &str) {
    let settling = async {
        let mut number = 0_u32;
        loop {
            number += 1;
            let bytes = [&b"settle"[..], &number.to_be_bytes()].concat();
            from.send(name, bytes.clone()).await.unwrap();
            let arriving = async { while to.hear(name).await != bytes {} };
            if timeout(Duration::from_millis(200), arriving).await.is_ok() {
                return;
            }
        }
    };
    soon(settling).await;
}

/// Waits until something holds that nobody tells of.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
