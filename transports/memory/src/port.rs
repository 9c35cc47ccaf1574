//! One port of a hub as a transport: the two halves of its link.
//! Not the hub's bookkeeping of who listens to what.

use std::{
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use futures::{FutureExt, Sink, Stream};
use stringphone_transport::{
    ChannelCount, Channels, Facts, Frame, Link, Transport, TransportError,
};

use crate::{hub::Hub, queue::Queue};

/// One port of a [`Hub`]: a reliable transport with many channels.
#[derive(Debug)]
pub struct MemoryPort {
    hub: Hub,
    name: String,
    link: Weak<Queue>,
}

impl MemoryPort {
    pub(crate) fn new(hub: Hub, name: String) -> Self {
        Self { hub, name, link: Weak::new() }
    }
}

#[async_trait]
impl Transport for MemoryPort {
    fn facts(&self) -> Facts {
        let name = format!("memory {}", self.name);
        Facts::new(name, self.hub.limits().max_frame).reliable().many_channels()
    }

    /// Always succeeds, and takes down the port's former link if that is still up.
    async fn connect(&mut self, mut channels: Channels) -> Result<Link, TransportError> {
        if let Some(former) = self.link.upgrade() {
            self.hub.remove(&former);
        }
        let queue = self.hub.connect(&self.name);
        // What is open by now is heard from the first frame.
        if let Some(changes) = channels.changed().now_or_never() {
            self.hub.listen(&queue, changes);
        }
        self.link = Arc::downgrade(&queue);
        let hub = self.hub.clone();
        let outgoing =
            PortOutgoing { hub: hub.clone(), own: Arc::clone(&queue), frame: None, full: vec![] };
        Ok(Link::new(PortIncoming { hub, own: queue, channels, ended: false }, outgoing))
    }
}

struct PortIncoming {
    hub: Hub,
    own: Arc<Queue>,
    channels: Channels,
    ended: bool,
}

impl Stream for PortIncoming {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let coop = ready!(tokio::task::coop::poll_proceed(cx));
        self.poll_channels(cx);
        match ready!(self.own.poll_pop(cx)) {
            Some(frame) => {
                coop.made_progress();
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                self.ended = true;
                Poll::Ready(Some(Err(TransportError::Closed)))
            }
        }
    }
}

impl PortIncoming {
    /// Listens to the channels that are open by now.
    fn poll_channels(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(changes) = self.channels.poll_changed(cx) {
            self.hub.listen(&self.own, changes);
        }
    }
}

impl Drop for PortIncoming {
    fn drop(&mut self) {
        self.hub.remove(&self.own);
    }
}

struct PortOutgoing {
    hub: Hub,
    own: Arc<Queue>,
    /// The frame that listeners in `full` still have to take.
    frame: Option<Frame>,
    full: Vec<Arc<Queue>>,
}

impl PortOutgoing {
    /// Ready once every listener has taken the last frame.
    fn poll_delivered(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        let Some(frame) = &self.frame else {
            let closed = self.own.is_closed();
            return Poll::Ready(if closed { Err(TransportError::Closed) } else { Ok(()) });
        };
        self.full.retain(|listener| listener.poll_push(frame, cx).is_pending());
        if !self.full.is_empty() {
            ready!(self.own.poll_closed(cx));
            return Poll::Ready(Err(TransportError::Closed));
        }
        self.frame = None;
        Poll::Ready(Ok(()))
    }
}

impl Sink<Frame> for PortOutgoing {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_delivered(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        frame.check(self.hub.limits().max_frame, ChannelCount::Many)?;
        // An empty one is no frame that a carrier may be handed.
        let channel = frame.channel.as_ref().filter(|_| !frame.bytes.is_empty());
        let listeners = channel.and_then(|channel| self.hub.listeners(channel));
        let Some(listeners) = listeners else {
            return Ok(());
        };
        let own = self.own.id();
        for listener in listeners.iter().filter(|listener| listener.id() != own) {
            if !listener.push(&frame) {
                self.full.push(Arc::clone(listener));
            }
        }
        if !self.full.is_empty() {
            self.frame = Some(frame);
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_delivered(cx)
    }

    /// Gives up on listeners that still have no room: closing waits for nobody.
    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.frame = None;
        self.full.clear();
        Poll::Ready(Ok(()))
    }
}
