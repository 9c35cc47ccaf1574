//! What becomes of the packets that a broker sends.
//! Not the connection, and nothing of what is written but acknowledgements.

use futures::StreamExt;
use stringphone_transport::{Channels, Frame, TransportError};
use tokio::{io::ReadHalf, sync::mpsc};
use tokio_util::codec::FramedRead;

use crate::{
    session::Session,
    stats::Refusal,
    stream::Stream,
    wire::{Packet, Packets, Publish, words},
};

pub(crate) type Reader = FramedRead<ReadHalf<Stream>, Packets>;

/// Reads packets until the connection is down, and tells why it is.
pub(crate) struct Reading<'a> {
    pub(crate) session: &'a Session,
    pub(crate) channels: Channels,
    /// To the half of the link that receives.
    pub(crate) frames: mpsc::Sender<Result<Frame, TransportError>>,
    /// Ids of messages that the broker may forget.
    pub(crate) acks: mpsc::Sender<u16>,
}

impl Reading<'_> {
    pub(crate) async fn run(self, mut reader: Reader) -> TransportError {
        loop {
            let packet = match reader.next().await {
                Some(Ok(packet)) => packet,
                Some(Err(error)) => return self.session.error(error),
                None => return TransportError::Closed,
            };
            if let Err(error) = self.handle(packet).await {
                return error;
            }
        }
    }

    async fn handle(&self, packet: Packet) -> Result<(), TransportError> {
        match packet {
            Packet::Publish(publish) => {
                let id = publish.id;
                match self.frame(publish) {
                    Ok(Some(frame)) => self.hand_up(Ok(frame)).await,
                    Ok(None) => {}
                    Err(why) => self.refuse(why).await,
                }
                self.acknowledge(id).await;
            }
            Packet::Oversized(id) => {
                self.refuse(Refusal::TooLarge).await;
                self.acknowledge(id).await;
            }
            Packet::PubAck(id, refused) => self.acknowledged(id, refused),
            Packet::SubAck(id, codes) => self.subscribed(id, &codes),
            Packet::UnsubAck(id) => self.subscribed(id, &[]),
            Packet::PingResp => {}
            Packet::Disconnect(code) => {
                let why = words(self.session.settings.version, code);
                return Err(TransportError::other(format!(
                    "the broker ends the connection: {why}"
                )));
            }
            Packet::ConnAck(_) => {
                return Err(TransportError::Framing("the broker says hello for the second time"));
            }
        }
        Ok(())
    }

    /// The frame of a message, if it is one that is handed up.
    fn frame(&self, publish: Publish) -> Result<Option<Frame>, Refusal> {
        let Publish { topic, payload, retained, .. } = publish;
        let settings = &self.session.settings;
        if retained {
            return Err(Refusal::Retained);
        }
        if self.session.is_echo(&topic, &payload) {
            return Ok(None);
        }
        let channel = settings.topics.channel(&topic).ok_or(Refusal::NoChannel)?;
        if !self.channels.contains(&channel) {
            return Ok(None); // it was closed just now
        }
        let bytes = settings.encoding.decode(payload).ok_or(Refusal::NotHex)?;
        if bytes.len() > settings.max_frame {
            return Err(Refusal::TooLarge);
        }
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()).map(|bytes| Frame::on(channel, bytes)))
    }

    async fn refuse(&self, why: Refusal) {
        self.session.stats.count(why);
        tracing::debug!(%why, "a message was refused");
        self.hand_up(Err(TransportError::Malformed { dropped: 1, reason: why.reason() })).await;
    }

    /// Waits for whoever reads the link; nothing else is read until then.
    async fn hand_up(&self, item: Result<Frame, TransportError>) {
        let _ = self.frames.send(item).await; // that half may be gone
    }

    /// A message is taken, one way or another.
    async fn acknowledge(&self, id: Option<u16>) {
        if let Some(id) = id {
            let _ = self.acks.send(id).await; // whoever writes ends the link if it ends
        }
    }

    fn acknowledged(&self, id: u16, refused: Option<u8>) {
        let session = self.session;
        session.outbox.acked(id);
        if let Some(code) = refused {
            let why = words(session.settings.version, code);
            match session.stats.count(Refusal::Publishing) {
                1 => tracing::warn!(why, "the broker refuses frames; this is told only once"),
                _ => tracing::debug!(why, "the broker refused a frame"),
            }
        }
    }

    fn subscribed(&self, id: u16, codes: &[u8]) {
        let session = self.session;
        let settled = session.subscriptions().answered(id, codes);
        for (channel, outcome) in settled {
            session.stats.set_deaf(&channel, outcome.is_err());
            if let Err(code) = outcome {
                let why = words(session.settings.version, code);
                session.stats.count(Refusal::Subscribing);
                tracing::warn!(%channel, why, "the broker refuses a channel: nothing is heard on it");
            }
        }
    }
}
