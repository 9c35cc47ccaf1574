//! A room whose link is polled from the start, as a carrier does: peers shake hands only then, and
//! the suite waits for both ends before it polls one.
//! Not tests.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use async_trait::async_trait;
use futures::{Stream, StreamExt, stream};
use stringphone_transport::{Channels, Facts, Frame, Incoming, Link, Transport, TransportError};
use stringphone_websocket::WebSocketRoom;
use tokio_util::task::AbortOnDropHandle;

type Item = Result<Frame, TransportError>;

pub(crate) struct Attended(pub(crate) WebSocketRoom);

#[async_trait]
impl Transport for Attended {
    fn facts(&self) -> Facts {
        self.0.facts()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let Link { incoming, outgoing } = self.0.connect(channels).await?;
        let shared = Arc::new(Mutex::new(Shared { incoming, first: None }));
        let attended = Arc::clone(&shared);
        let attending = tokio::spawn(poll_fn(move |cx| attended.lock().unwrap().poll_first(cx)));
        let attending = AbortOnDropHandle::new(attending);
        Ok(Link::new(Polled { shared, _attending: attending }, outgoing))
    }
}

struct Shared {
    incoming: Incoming,
    /// What came before anybody asked.
    first: Option<Option<Item>>,
}

impl Shared {
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.first.is_none()
            && let Poll::Ready(item) = self.incoming.poll_next_unpin(cx)
        {
            self.first = Some(item);
        }
        if self.first.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Whoever polls last is woken: the task until the suite does.
struct Polled {
    shared: Arc<Mutex<Shared>>,
    _attending: AbortOnDropHandle<()>,
}

impl Stream for Polled {
    type Item = Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut shared = self.shared.lock().unwrap();
        match shared.first.take() {
            Some(item) => Poll::Ready(item),
            None => shared.incoming.poll_next_unpin(cx),
        }
    }
}

impl Drop for Polled {
    /// The port is free at once, whenever the task ends.
    fn drop(&mut self) {
        self.shared.lock().unwrap().incoming = Box::pin(stream::empty());
    }
}
