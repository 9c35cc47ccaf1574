//! One port of a hub as a transport: the two halves of its link.
//! Not the hub's bookkeeping of who listens to what.

use std::{
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use futures::{Sink, Stream};
use stringphone_transport::{Channels, Facts, Frame, Link, Transport, TransportError};

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
        let open = channels.take_current();
        let queue = self.hub.connect(&self.name, open);
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
        // Asked first so that a port under load still hears a channel that it opens.
        if self.channels.has_changed() {
            self.listen();
        }
        loop {
            match self.own.poll_pop(cx) {
                Poll::Ready(Some(frame)) => {
                    coop.made_progress();
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(TransportError::Closed)));
                }
                Poll::Pending => {}
            }
            ready!(self.channels.poll_changed(cx));
            self.listen();
        }
    }
}

impl PortIncoming {
    fn listen(&mut self) {
        let open = self.channels.take_current();
        self.hub.listen(&self.own, open);
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
        let (len, max) = (frame.bytes.len(), self.hub.limits().max_frame);
        if len > max {
            return Err(TransportError::TooLarge { len, max });
        }
        let channel = frame.channel.as_ref().ok_or(TransportError::NoChannel)?;
        let Some(listeners) = self.hub.listeners(channel) else {
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
