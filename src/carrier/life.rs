//! The life of a carrier: connect, serve, pause, again. Not here: who is served.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{self, Either, FutureExt};
use futures::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::actor::Routes;
use super::backoff::Backoff;
use super::pieces::{Pieces, Split};
use super::{CarrierSettings, Down, Outbound, State};
use crate::transport::{ChannelName, Frame, Incoming, Link, Outgoing, Transport, TransportError};

/// How long a link may take to close; adapters are told not to wait for their peers.
const CLOSING: Duration = Duration::from_secs(1);
/// Frames handed to the link between two flushes.
const BATCH: usize = 64;
/// Bytes of them, beyond which no further one is begun: a slow link is not taken for a dead one.
const BATCH_BYTES: usize = 65_536;
/// What carriers have to say to each other, waiting. What does not fit is asked for again.
const ANSWERS: usize = 512;

pub(super) struct Life {
    transport: Box<dyn Transport>,
    queue: mpsc::Receiver<Outbound>,
    settings: CarrierSettings,
    backoff: Backoff,
    /// Cancelled once nobody holds the carrier any more.
    stopped: CancellationToken,
    routes: Rc<Routes>,
}

impl Life {
    pub(super) fn new(
        transport: Box<dyn Transport>,
        queue: mpsc::Receiver<Outbound>,
        settings: CarrierSettings,
        stopped: CancellationToken,
        routes: Rc<Routes>,
    ) -> Self {
        let backoff = Backoff::new(&settings);
        Self { transport, queue, settings, backoff, stopped, routes }
    }

    pub(super) async fn live(mut self) {
        let stopped = self.stopped.clone();
        // A connection that nobody listens on would drop what arrives.
        if stopped.run_until_cancelled(self.routes.first_channel()).await.is_none() {
            return;
        }
        loop {
            let Some(connected) = stopped.run_until_cancelled(self.connect()).await else { return };
            let since = Instant::now();
            let (reason, up) = match connected {
                Ok(link) => match self.serve(link).await {
                    Ok(()) => return,
                    Err(reason) => (reason, since.elapsed()),
                },
                Err(reason) => (reason, Duration::ZERO),
            };
            let retry_in = self.backoff.pause(up);
            tracing::debug!(%reason, ?retry_in, "link down");
            self.routes.tell(&State::Down(Down { reason: reason.to_string(), retry_in }));
            if stopped.run_until_cancelled(sleep(retry_in)).await.is_none() {
                return;
            }
        }
    }

    async fn connect(&mut self) -> Result<Link, TransportError> {
        let connecting = self.transport.connect(self.routes.channels.watch());
        in_time("connecting", self.settings.stall, caught(connecting)).await
    }

    /// Moves frames both ways: until the link is lost, which is an error, or nobody holds the
    /// carrier any more.
    async fn serve(&mut self, link: Link) -> Result<(), TransportError> {
        self.routes.tell(&State::Up);
        let unflushed = RefCell::default();
        let stopped = self.stopped.clone();
        let facts = self.transport.facts();
        // What carriers say to each other goes before what topics say.
        let (urgent, answers) = mpsc::channel(ANSWERS);
        let pieces = Pieces::new(&facts, self.backoff.random(), urgent);
        let served = {
            let reading = read(link.incoming, &self.routes, &pieces);
            let writing = Writer {
                outgoing: link.outgoing,
                queue: &mut self.queue,
                answers,
                settings: &self.settings,
                routes: &self.routes,
                pieces: &pieces,
                max_frame: facts.max_frame,
                unflushed: &unflushed,
            };
            let working = caught(async {
                match future::select(Box::pin(reading), Box::pin(writing.write())).await {
                    Either::Left((Err(error), _)) | Either::Right((Err(error), _)) => Err(error),
                    Either::Right((Ok(()), _)) => Ok(()),
                }
            });
            // What is queued has a moment to leave; a link that takes nothing is dropped.
            let given_up = async {
                stopped.cancelled().await;
                sleep(CLOSING).await;
            };
            match future::select(Box::pin(working), Box::pin(given_up)).await {
                Either::Left((served, _)) => served,
                Either::Right(((), _)) => Ok(()),
            }
        };
        for channel in unflushed.into_inner() {
            self.routes.lose(channel.as_ref(), 1);
        }
        served
    }
}

/// A panic of the adapter is a loss of its link, no more.
async fn caught<T>(
    work: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, TransportError> {
    let caught = AssertUnwindSafe(work).catch_unwind().await;
    caught.unwrap_or_else(|panic| Err(TransportError::panicked(&*panic)))
}

async fn in_time<T>(
    what: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, TransportError> {
    let late = |_| Err(TransportError::Timeout { what, after: limit });
    timeout(limit, work).await.unwrap_or_else(late)
}

async fn read(
    mut incoming: Incoming,
    routes: &Routes,
    pieces: &Pieces,
) -> Result<Infallible, TransportError> {
    loop {
        let item = tokio::select! {
            biased;
            () = pieces.due() => {
                pieces.expire().iter().for_each(|channel| routes.lose(channel.as_ref(), 1));
                continue;
            }
            item = incoming.next() => item,
        };
        match item {
            // On a shared medium most frames are for others.
            Some(Ok(frame)) if !routes.has(frame.channel.as_ref()) => {}
            Some(Ok(frame)) => {
                let read = pieces.read(frame);
                read.lost.iter().for_each(|channel| routes.lose(channel.as_ref(), 1));
                if let Some(frame) = read.whole {
                    routes.deliver(frame.channel, frame.bytes).await;
                }
            }
            Some(Err(TransportError::Malformed { dropped, .. })) => routes.lose(None, dropped),
            Some(Err(error)) => return Err(error),
            None => return Err(TransportError::Closed),
        }
        // A stream that always has more must not keep the arbiter to itself.
        tokio::task::coop::consume_budget().await;
    }
}

/// The sending half of a link that is up.
struct Writer<'a> {
    outgoing: Outgoing,
    queue: &'a mut mpsc::Receiver<Outbound>,
    answers: mpsc::Receiver<Frame>,
    settings: &'a CarrierSettings,
    routes: &'a Routes,
    pieces: &'a Pieces,
    max_frame: usize,
    /// The channels of the frames that were handed over and not flushed: lost with the link.
    unflushed: &'a RefCell<Vec<Option<ChannelName>>>,
}

impl Writer<'_> {
    async fn write(mut self) -> Result<(), TransportError> {
        loop {
            self.ready().await?;
            let mut next = tokio::select! {
                biased;
                Some(answer) = self.answers.recv() => {
                    self.hand_over(answer)?;
                    self.ready().await?;
                    // In turns, whatever others make us answer.
                    self.queue.try_recv().ok()
                }
                first = self.queue.recv() => match first {
                    Some(first) => Some(first),
                    None => break,
                },
            };
            let mut bytes: usize = 0;
            let mut flushed = Vec::new();
            for left in (0..BATCH).rev() {
                match next.take() {
                    Some(Outbound::Frame(frame, queued)) => {
                        bytes = bytes.saturating_add(frame.bytes.len());
                        self.feed(frame, queued).await?;
                    }
                    Some(Outbound::Flush(done)) => flushed.push(done),
                    None => break,
                }
                if left > 0 && bytes < BATCH_BYTES {
                    self.ready().await?;
                    next = self.queue.try_recv().ok();
                }
            }
            self.flush().await?;
            for done in flushed {
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
        }
        // An adapter that can't close in time is dropped, which closes it as well.
        let _ = timeout(CLOSING, self.outgoing.close()).await;
        Ok(())
    }

    /// Only what the link has room for is taken from the queue: the rest outlives a loss there.
    async fn ready(&mut self) -> Result<(), TransportError> {
        let ready = poll_fn(|cx| self.outgoing.as_mut().poll_ready(cx));
        match in_time("sending", self.settings.stall, ready).await {
            Err(error) if error.link_goes_on() => Ok(()),
            other => other,
        }
    }

    async fn flush(&mut self) -> Result<(), TransportError> {
        match in_time("a flush", self.settings.stall, self.outgoing.flush()).await {
            Err(error) if !error.link_goes_on() => return Err(error),
            _ => self.unflushed.borrow_mut().clear(),
        }
        Ok(())
    }

    async fn feed(&mut self, frame: Frame, queued: Instant) -> Result<(), TransportError> {
        let channel = frame.channel.clone();
        if queued.elapsed() > self.settings.keep {
            // Stale: what it asks for may not be wanted any more.
            self.routes.lose(channel.as_ref(), 1);
            return Ok(());
        }
        self.unflushed.borrow_mut().push(channel.clone());
        let taken = match Split::new(&frame.bytes, self.max_frame) {
            None => self.hand_over(frame)?,
            Some(split) => self.feed_pieces(&channel, split).await?,
        };
        if !taken {
            self.unflushed.borrow_mut().pop();
            self.routes.lose(channel.as_ref(), 1);
        }
        Ok(())
    }

    /// Hands a frame over piece by piece; false where the link refuses one of them.
    async fn feed_pieces(
        &mut self,
        channel: &Option<ChannelName>,
        split: Split,
    ) -> Result<bool, TransportError> {
        for (number, bytes) in split.pieces().enumerate() {
            if number > 0 {
                self.ready().await?;
            }
            if !self.hand_over(Frame { channel: channel.clone(), bytes })? {
                return Ok(false);
            }
        }
        self.pieces.keep(channel.clone(), split);
        Ok(true)
    }

    /// False where the link refuses the frame, and goes on.
    fn hand_over(&mut self, frame: Frame) -> Result<bool, TransportError> {
        match self.outgoing.as_mut().start_send(frame) {
            Ok(()) => Ok(true),
            Err(error) if error.link_goes_on() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
