//! A sound adapter: a wire between two ends in memory, with many channels.
//! Not broken; `main.rs` does that to it.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use async_trait::async_trait;
use futures::{Sink, StreamExt, channel::mpsc, stream};
use stringphone_transport::{Channels, Facts, Frame, Link, Transport, TransportError};

pub(crate) const MAX: usize = 2000;

/// What the two ends share: the way to each of them while it is up.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<[Option<Way>; 2]>>);

#[derive(Clone)]
struct Way {
    frames: mpsc::UnboundedSender<Frame>,
    channels: Channels,
    up: Arc<AtomicBool>,
}

impl Wire {
    pub(crate) fn end(&self, side: usize) -> End {
        End { wire: self.clone(), side }
    }

    pub(crate) fn cut(&self) {
        for way in self.0.lock().unwrap().iter_mut().filter_map(Option::take) {
            way.up.store(false, SeqCst);
        }
    }
}

pub(crate) struct End {
    wire: Wire,
    side: usize,
}

#[async_trait]
impl Transport for End {
    fn facts(&self) -> Facts {
        Facts::new("wire", MAX).reliable().many_channels()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let (frames, arriving) = mpsc::unbounded();
        let up = Arc::new(AtomicBool::new(true));
        let way = Way { frames, channels, up: Arc::clone(&up) };
        self.wire.0.lock().unwrap()[self.side] = Some(way);
        let end = stream::once(async { Err(TransportError::Closed) });
        let outgoing = Outgoing { wire: self.wire.clone(), to: 1 - self.side, up };
        Ok(Link::new(arriving.map(Ok).chain(end), outgoing))
    }
}

struct Outgoing {
    wire: Wire,
    to: usize,
    up: Arc<AtomicBool>,
}

type Polled = Poll<Result<(), TransportError>>;

impl Sink<Frame> for Outgoing {
    type Error = TransportError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
        let up = self.up.load(SeqCst);
        Poll::Ready(if up { Ok(()) } else { Err(TransportError::Closed) })
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), TransportError> {
        let (len, max) = (frame.bytes.len(), MAX);
        if len > max {
            return Err(TransportError::TooLarge { len, max });
        }
        let channel = frame.channel.as_ref().ok_or(TransportError::NoChannel)?;
        let ways = self.wire.0.lock().unwrap();
        if let Some(way) = ways[self.to].as_ref().filter(|way| way.channels.contains(channel)) {
            let _ = way.frames.unbounded_send(frame); // fails if that end dropped its link
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        self.poll_ready(cx)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
        Poll::Ready(Ok(()))
    }
}
