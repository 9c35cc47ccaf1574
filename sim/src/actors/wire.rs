//! The link of a simulated device as a transport. Not the network behind it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{sink, stream};
use stringphone::transport::{Channels, Facts, Frame, Link};
use stringphone::{Transport, TransportError};
use tokio::sync::mpsc;

use super::News;
use crate::machine::Happening;
use crate::schedule::DeviceId;

/// PROTOCOL §3.15.
const FRAME: usize = 65_536;

pub(super) struct Wire {
    number: DeviceId,
    life: u32,
    /// Until it is up.
    frames: Option<mpsc::Receiver<Bytes>>,
    news: Arc<News>,
}

impl Wire {
    pub(super) const fn new(
        number: DeviceId,
        life: u32,
        frames: mpsc::Receiver<Bytes>,
        news: Arc<News>,
    ) -> Self {
        Self { number, life, frames: Some(frames), news }
    }
}

#[async_trait]
impl Transport for Wire {
    fn facts(&self) -> Facts {
        Facts::new(format!("simulated {}", self.number), FRAME)
    }

    /// Up for as long as the device lives.
    async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
        let mut frames = self.frames.take().ok_or(TransportError::Closed)?;
        let incoming = stream::poll_fn(move |cx| {
            frames.poll_recv(cx).map(|frame| frame.map(|bytes| Ok(Frame::bare(bytes))))
        });
        let (number, life, news) = (self.number, self.life, self.news.clone());
        let outgoing = sink::unfold((), move |(), frame: Frame| {
            news.tell(number, life, Happening::Sent(frame.bytes));
            std::future::ready(Ok(()))
        });
        Ok(Link::new(incoming, outgoing))
    }
}
