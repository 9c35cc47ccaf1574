//! A sound adapter: a wire between two ends in memory, with many channels.
//! Not broken; `main.rs` does that to it.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use futures::{Sink, StreamExt, future, stream};
use stringphone_transport::{
    ChannelCount, Channels, Facts, Frame, Link, Transport, TransportError,
};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

pub(crate) const MAX: usize = 2000;

/// How many frames wait for an end, if it is sound.
const QUEUE: usize = 64;

/// What the two ends share: the way to each of them while it is up.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<[Option<Way>; 2]>>);

#[derive(Clone)]
struct Way {
    frames: mpsc::Sender<Frame>,
    channels: Channels,
    up: Arc<AtomicBool>,
}

impl Wire {
    pub(crate) fn end(&self, side: usize) -> End {
        End { wire: self.clone(), side, queue: QUEUE, drops_empty: true }
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
    /// How many frames wait for this end.
    pub(crate) queue: usize,
    pub(crate) drops_empty: bool,
}

#[async_trait]
impl Transport for End {
    fn facts(&self) -> Facts {
        Facts::new("wire", MAX).reliable().many_channels()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let (frames, mut arriving) = mpsc::channel(self.queue);
        let drops_empty = self.drops_empty;
        let arriving = stream::poll_fn(move |cx| arriving.poll_recv(cx))
            .filter(move |frame: &Frame| future::ready(!(drops_empty && frame.bytes.is_empty())));
        let up = Arc::new(AtomicBool::new(true));
        let way = Way { frames, channels, up: Arc::clone(&up) };
        self.wire.0.lock().unwrap()[self.side] = Some(way);
        let end = stream::once(async { Err(TransportError::Closed) });
        let outgoing = Outgoing { wire: self.wire.clone(), to: 1 - self.side, up, waiting: None };
        Ok(Link::new(arriving.map(Ok).chain(end), outgoing))
    }
}

struct Outgoing {
    wire: Wire,
    to: usize,
    up: Arc<AtomicBool>,
    /// A frame that the other end has no room for yet, and the way there.
    waiting: Option<(PollSender<Frame>, Frame)>,
}

type Polled = Poll<Result<(), TransportError>>;

impl Sink<Frame> for Outgoing {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        if !self.up.load(SeqCst) {
            return Poll::Ready(Err(TransportError::Closed));
        }
        if let Some((way, _)) = &mut self.waiting {
            let reserved = ready!(way.poll_reserve(cx));
            // An end that dropped its link hears nothing.
            if let Some((mut way, frame)) = self.waiting.take().filter(|_| reserved.is_ok()) {
                let _ = way.send_item(frame);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), TransportError> {
        frame.check(MAX, ChannelCount::Many)?;
        let way = self.wire.0.lock().unwrap()[self.to].clone();
        let listens = |way: &Way| frame.channel.as_ref().is_some_and(|x| way.channels.contains(x));
        let way = way.filter(listens);
        self.waiting = way.map(|way| (PollSender::new(way.frames), frame));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        self.poll_ready(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        // Whoever has no room now does not read.
        let _ = self.poll_ready(cx);
        Poll::Ready(Ok(()))
    }
}
