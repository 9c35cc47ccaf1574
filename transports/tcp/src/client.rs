//! The side that connects.
//! Not reconnection: the carrier calls `connect` again.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use futures::{FutureExt, Sink, SinkExt, StreamExt, task::AtomicWaker};
use stringphone_transport::{
    ChannelChanges, ChannelCount, Channels, Facts, Frame, Link, Transport, TransportError,
    address::{Address, AddressError, FromAddress, Scheme},
    framing,
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{Sleep, sleep, timeout},
};
use tokio_util::{sync::PollSender, task::AbortOnDropHandle};

use crate::{
    Limits,
    stream::{self, Writer},
};

/// How many frames may wait for the task that writes.
const QUEUE: usize = 64;

/// How long closing may take to write what was not flushed before, if the limits for a stall do not
/// say less: closing is not to wait for a peer that does not read.
const CLOSING: Duration = Duration::from_secs(2);

/// A transport that connects to a room: reliable, with many channels.
///
/// It hears the channels that are open when it connects or opened later. One that is closed goes
/// on arriving until the link is connected again: the carrier drops what nobody wants.
#[derive(Debug)]
pub struct TcpClient {
    address: String,
    limits: Limits,
}

impl TcpClient {
    pub(crate) fn new(address: String) -> Self {
        Self { address, limits: Limits::default() }
    }

    /// The same transport with limits of your own.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl FromAddress for TcpClient {
    const SCHEMES: &'static [Scheme] =
        &[Scheme { name: "tcp", usage: "tcp://HOST:PORT, a room to connect to" }];

    fn from_address(address: &mut Address) -> Result<Self, AddressError> {
        address.host_alone()?;
        Ok(Self::new(address.host_and_port(None)?))
    }
}

#[async_trait]
impl Transport for TcpClient {
    fn facts(&self) -> Facts {
        let name = format!("tcp {}", self.address);
        Facts::new(name, self.limits.max_frame).reliable().many_channels()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let after = self.limits.connect;
        let stream = timeout(after, TcpStream::connect(&self.address))
            .await
            .map_err(|_| TransportError::Timeout { what: "connecting", after })?
            .map_err(TransportError::Connect)?;
        let (reader, writer) =
            stream::split(stream, &self.limits).map_err(TransportError::Connect)?;

        let (queue, frames) = mpsc::channel(QUEUE);
        let (report, outcome) = oneshot::channel();
        let after = self.limits.write_stall;
        let pending = Arc::new(Pending::default());
        let written = Arc::clone(&pending);
        let writing = tokio::spawn(async move {
            let result =
                write(writer, frames, &written, channels).await.map_err(|error| match error {
                    TransportError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                        TransportError::Timeout { what: "writing", after }
                    }
                    error => error,
                });
            let _ = report.send(result); // nobody asks once the link is dropped
        });
        let writing = Arc::new(AbortOnDropHandle::new(writing));
        let reading = Arc::clone(&writing);
        let incoming = framing::incoming(reader, ChannelCount::Many).inspect(move |item| {
            // The other half has to learn of it, even if it only ever writes.
            if item.is_err() {
                reading.abort();
            }
        });
        let outgoing = ClientOutgoing {
            queue: PollSender::new(queue),
            pending,
            outcome,
            closing: None,
            limits: self.limits,
            writing,
        };
        Ok(Link::new(incoming, outgoing))
    }
}

/// The frames that were handed over and are not in the socket yet.
#[derive(Default)]
struct Pending {
    frames: AtomicUsize,
    flushing: AtomicWaker,
}

impl Pending {
    fn add(&self) {
        self.frames.fetch_add(1, SeqCst);
    }

    fn written(&self, frames: usize) {
        self.frames.fetch_sub(frames, SeqCst);
        self.flushing.wake();
    }

    fn poll_none(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Registered first: what is written in between wakes.
        self.flushing.register(cx.waker());
        if self.frames.load(SeqCst) == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Announces channels and writes frames, as many in one go as there are, until the queue closes.
async fn write(
    mut writer: Writer,
    mut frames: mpsc::Receiver<Frame>,
    pending: &Pending,
    mut channels: Channels,
) -> Result<(), TransportError> {
    let mut fed = 0;
    loop {
        writer.flush().await?;
        pending.written(std::mem::take(&mut fed));
        tokio::select! {
            biased;
            changes = channels.changed() => announce(&mut writer, changes).await?,
            frame = frames.recv() => {
                let Some(frame) = frame else { break };
                writer.feed(frame).await?;
                fed = 1;
                while let Ok(frame) = frames.try_recv() {
                    writer.feed(frame).await?;
                    fed += 1;
                }
            }
        }
    }
    writer.close().await
}

/// An empty frame on a channel makes the room forward it.
async fn announce(writer: &mut Writer, changes: ChannelChanges) -> Result<(), TransportError> {
    for channel in changes.opened {
        writer.feed(Frame::on(channel, vec![])).await?;
    }
    Ok(())
}

struct ClientOutgoing {
    queue: PollSender<Frame>,
    pending: Arc<Pending>,
    outcome: oneshot::Receiver<Result<(), TransportError>>,
    closing: Option<Pin<Box<Sleep>>>,
    limits: Limits,
    writing: Arc<AbortOnDropHandle<()>>,
}

impl ClientOutgoing {
    /// How the task that writes ended, once it has; told once.
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        if self.outcome.is_terminated() {
            return Poll::Ready(Err(TransportError::Closed));
        }
        let outcome = ready!(self.outcome.poll_unpin(cx));
        Poll::Ready(outcome.unwrap_or(Err(TransportError::Closed)))
    }

    /// Why the task that writes takes no more frames.
    fn poll_failure(&mut self, cx: &mut Context<'_>) -> Poll<TransportError> {
        self.poll_outcome(cx).map(|outcome| outcome.err().unwrap_or(TransportError::Closed))
    }
}

impl Sink<Frame> for ClientOutgoing {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match ready!(self.queue.poll_reserve(cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_) => self.poll_failure(cx).map(Err),
        }
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        frame.check(self.limits.max_frame, ChannelCount::Many)?;
        self.pending.add();
        self.queue.send_item(frame).map_err(|_| TransportError::Closed)
    }

    /// Waits until all is in the socket; the stall limit of the task that writes bounds it.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if let Poll::Ready(error) = self.poll_failure(cx) {
            return Poll::Ready(Err(error));
        }
        self.pending.poll_none(cx).map(Ok)
    }

    /// Waits for what was not flushed and then for the shutdown; fails if they take too long.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // A place that is held for another frame would keep the queue open.
        self.queue.abort_send();
        self.queue.close();
        if self.outcome.is_terminated() {
            return Poll::Ready(Ok(())); // how it ended was told
        }
        if let Poll::Ready(outcome) = self.poll_outcome(cx) {
            return Poll::Ready(outcome);
        }
        let after = self.limits.write_stall.min(CLOSING);
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(after)));
        ready!(closing.as_mut().poll(cx));
        self.writing.abort();
        Poll::Ready(Err(TransportError::Timeout { what: "closing", after }))
    }
}
