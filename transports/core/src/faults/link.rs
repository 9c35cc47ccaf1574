//! A link whose incoming frames suffer, and that breaks in both directions.
//! Not the choice of faults: the settings and the dice make it.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    future::Future,
    io,
    ops::Range,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{Sink, SinkExt, Stream, StreamExt, stream, task::AtomicWaker};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Faults, counts::SharedCounts, dice::Dice};
use crate::{Frame, Incoming, Link, Outgoing, TransportError};

/// A frame to be overtaken is held back for up to so long.
const OVERTAKEN_WITHIN: Range<Duration> = Duration::from_millis(1)..Duration::from_millis(10);

/// So many frames are taken in one poll: a link that loses nearly all, and always has more, still
/// lets others have their turn.
const TAKEN_AT_ONCE: usize = 256;

pub(super) fn wrap(link: Link, faults: Faults, dice: Dice, counts: SharedCounts) -> Link {
    let cut = Arc::new(Cut::default());
    let incoming = FaultyIncoming {
        inner: link.incoming,
        faults,
        dice,
        counts,
        cut: Arc::clone(&cut),
        held: BinaryHeap::new(),
        received: 0,
        numbered: 0,
        latest: Instant::now(),
        wake_up: None,
        end: None,
    };
    Link::new(incoming, FaultyOutgoing { inner: link.outgoing, cut })
}

/// Whether the link is broken, and the sender that may be waiting on it.
#[derive(Default)]
struct Cut {
    done: AtomicBool,
    sender: AtomicWaker,
}

struct FaultyIncoming {
    inner: Incoming,
    faults: Faults,
    dice: Dice,
    counts: SharedCounts,
    cut: Arc<Cut>,
    held: BinaryHeap<Reverse<Held>>,
    received: u64,
    numbered: u64,
    /// When the last frame is due that was not to be overtaken.
    latest: Instant,
    wake_up: Option<Pin<Box<Sleep>>>,
    /// How the link ends, once it does, after the frames that are held.
    end: Option<End>,
}

enum End {
    /// With this error, or without.
    Untold(Option<TransportError>),
    Told,
}

impl Stream for FaultyIncoming {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if matches!(this.end, Some(End::Told)) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(report) = this.receive(cx) {
            return Poll::Ready(Some(Err(report)));
        }
        if this.held.is_empty()
            && let Some(End::Untold(error)) = &mut this.end
        {
            let error = error.take();
            this.end = Some(End::Told);
            return Poll::Ready(error.map(Err));
        }
        this.poll_due(cx).map(|frame| Some(Ok(frame)))
    }
}

impl FaultyIncoming {
    /// Takes what has arrived, as far as there is room; ready with a report of garbage.
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<TransportError> {
        for _ in 0..TAKEN_AT_ONCE {
            if self.end.is_some() || self.held.len() >= self.faults.held {
                return Poll::Pending;
            }
            match self.inner.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => self.strike(frame),
                Poll::Ready(Some(Err(report))) if report.link_goes_on() => {
                    return Poll::Ready(report);
                }
                Poll::Ready(ended) => self.end = Some(End::Untold(ended.and_then(Result::err))),
            }
        }
        cx.waker().wake_by_ref(); // there may be more
        Poll::Pending
    }

    /// Draws the frame's fate. All draws are made for every frame, whichever apply.
    fn strike(&mut self, frame: Frame) {
        let Faults { loss, duplicate, reorder, corrupt, disconnect, .. } = self.faults;
        let lost = self.dice.hits(loss);
        let duplicated = self.dice.hits(duplicate);
        let reordered = self.dice.hits(reorder);
        let corrupted = self.dice.hits(corrupt);
        let disconnected = self.dice.hits(disconnect);
        let bit = self.dice.below(frame.bytes.len() as u64 * 8);
        let delays = [0, 1].map(|_| self.dice.duration(&self.faults.delay));
        let held_back = self.dice.duration(&OVERTAKEN_WITHIN);

        self.received += 1;
        if lost {
            self.counts.change(|counts| counts.lost += 1);
        } else {
            let frame = if corrupted { self.flip(frame, bit) } else { frame };
            if duplicated {
                self.counts.change(|counts| counts.duplicated += 1);
                self.hold(frame.clone(), delays[1]);
            }
            if reordered {
                self.counts.change(|counts| counts.reordered += 1);
                self.hold_until(frame, Instant::now() + delays[0] + held_back);
            } else {
                self.hold(frame, delays[0]);
            }
        }
        let every = self.faults.disconnect_every;
        if disconnected || every.is_some_and(|every| self.received.is_multiple_of(every)) {
            self.disconnect();
        }
    }

    fn flip(&mut self, frame: Frame, bit: u64) -> Frame {
        let mut bytes = frame.bytes.to_vec();
        let at = usize::try_from(bit / 8).unwrap_or(usize::MAX);
        let Some(byte) = bytes.get_mut(at) else {
            return frame;
        };
        *byte ^= 1 << (bit % 8);
        self.counts.change(|counts| counts.corrupted += 1);
        Frame { bytes: bytes.into(), ..frame }
    }

    /// Holds the frame back for this long, and not less than those before it.
    fn hold(&mut self, frame: Frame, delay: Duration) {
        self.latest = self.latest.max(Instant::now() + delay);
        self.hold_until(frame, self.latest);
    }

    fn hold_until(&mut self, frame: Frame, due: Instant) {
        self.numbered += 1;
        self.held.push(Reverse(Held { due, number: self.numbered, frame }));
    }

    /// What is still on its way is lost, as it is when a cable is cut.
    fn disconnect(&mut self) {
        self.counts.change(|counts| counts.disconnected += 1);
        let now = Instant::now();
        self.held.retain(|Reverse(held)| held.due <= now);
        self.inner = Box::pin(stream::empty());
        self.end = Some(End::Untold(Some(broken())));
        self.cut.done.store(true, SeqCst);
        self.cut.sender.wake();
    }

    /// The next frame whose time has come.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Frame> {
        loop {
            let Some(Reverse(Held { due, .. })) = self.held.peek() else {
                return Poll::Pending;
            };
            let due = *due;
            if due <= Instant::now()
                && let Some(Reverse(held)) = self.held.pop()
            {
                self.counts.change(|counts| counts.delivered += 1);
                return Poll::Ready(held.frame);
            }
            let wake_up = self.wake_up.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if wake_up.deadline() != due {
                wake_up.as_mut().reset(due);
            }
            ready!(wake_up.as_mut().poll(cx));
        }
    }
}

struct Held {
    due: Instant,
    number: u64,
    frame: Frame,
}

impl Held {
    fn key(&self) -> (Instant, u64) {
        (self.due, self.number)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

struct FaultyOutgoing {
    inner: Outgoing,
    cut: Arc<Cut>,
}

impl FaultyOutgoing {
    fn check(&self, cx: &mut Context<'_>) -> Result<(), TransportError> {
        self.cut.sender.register(cx.waker());
        if self.cut.done.load(SeqCst) { Err(broken()) } else { Ok(()) }
    }
}

impl Sink<Frame> for FaultyOutgoing {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.check(cx)?;
        self.inner.poll_ready_unpin(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        self.inner.start_send_unpin(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.check(cx)?;
        self.inner.poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.check(cx)?;
        self.inner.poll_close_unpin(cx)
    }
}

fn broken() -> TransportError {
    TransportError::Io(io::ErrorKind::ConnectionReset.into())
}
