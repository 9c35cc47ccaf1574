//! The side that connects.
//! Not reconnection: the carrier calls `connect` again.

use std::{
    collections::BTreeSet,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use futures::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use stringphone_transport::{ChannelName, Channels, Facts, Frame, Link, Transport, TransportError};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{Sleep, sleep, timeout},
};
use tokio_util::{sync::PollSender, task::AbortOnDropHandle};

use crate::{
    Limits,
    stream::{self, Reader, Writer},
};

/// How many frames may wait for the task that writes.
const QUEUE: usize = 64;

/// How long closing may take to write what still waits.
pub(crate) const CLOSING: Duration = Duration::from_secs(1);

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
        let writing = tokio::spawn(async move {
            let result = write(writer, frames, channels).await.map_err(|error| match error {
                TransportError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                    TransportError::Timeout { what: "writing", after }
                }
                error => error,
            });
            let _ = report.send(result); // nobody asks once the link is dropped
        });
        let writing = Arc::new(AbortOnDropHandle::new(writing));
        let incoming = ClientIncoming { reader, writing: Arc::clone(&writing), ended: false };
        let max_frame = self.limits.max_frame;
        let queue = PollSender::new(queue);
        let outgoing = ClientOutgoing { queue, outcome, closing: None, max_frame, writing };
        Ok(Link::new(incoming, outgoing))
    }
}

/// Announces channels and writes frames, as many in one go as there are, until the queue closes.
async fn write(
    mut writer: Writer,
    mut frames: mpsc::Receiver<Frame>,
    mut channels: Channels,
) -> Result<(), TransportError> {
    let mut announced = BTreeSet::new();
    announce(&mut writer, &mut announced, channels.take_current()).await?;
    loop {
        writer.flush().await?;
        tokio::select! {
            biased;
            () = channels.changed() => {
                announce(&mut writer, &mut announced, channels.take_current()).await?;
            }
            frame = frames.recv() => {
                let Some(frame) = frame else { break };
                writer.feed(frame).await?;
                while let Ok(frame) = frames.try_recv() {
                    writer.feed(frame).await?;
                }
            }
        }
    }
    writer.close().await
}

/// An empty frame on a channel makes the room forward it.
async fn announce(
    writer: &mut Writer,
    announced: &mut BTreeSet<ChannelName>,
    open: BTreeSet<ChannelName>,
) -> Result<(), TransportError> {
    for channel in open.difference(announced) {
        writer.feed(Frame::on(channel.clone(), vec![])).await?;
    }
    announced.extend(open);
    Ok(())
}

struct ClientIncoming {
    reader: Reader,
    writing: Arc<AbortOnDropHandle<()>>,
    ended: bool,
}

impl Stream for ClientIncoming {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.ended {
            let item = match ready!(self.reader.poll_next_unpin(cx)) {
                Some(Ok(frame)) if frame.bytes.is_empty() => continue,
                Some(Ok(frame)) if frame.channel.is_none() => {
                    Err(TransportError::Framing("a frame names no channel"))
                }
                Some(item) => item,
                None => Err(TransportError::Closed),
            };
            // The other half has to learn of it, even if it only ever writes.
            if item.is_err() {
                self.ended = true;
                self.writing.abort();
            }
            return Poll::Ready(Some(item));
        }
        Poll::Ready(None)
    }
}

struct ClientOutgoing {
    queue: PollSender<Frame>,
    outcome: oneshot::Receiver<Result<(), TransportError>>,
    closing: Option<Pin<Box<Sleep>>>,
    max_frame: usize,
    writing: Arc<AbortOnDropHandle<()>>,
}

impl ClientOutgoing {
    /// Why the queue is closed.
    fn failure(&mut self) -> TransportError {
        match self.outcome.try_recv() {
            Ok(Err(error)) => error,
            _ => TransportError::Closed,
        }
    }
}

impl Sink<Frame> for ClientOutgoing {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = ready!(self.queue.poll_reserve(cx));
        Poll::Ready(ready.map_err(|_| self.failure()))
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        let (len, max) = (frame.bytes.len(), self.max_frame);
        if len > max {
            return Err(TransportError::TooLarge { len, max });
        }
        if frame.channel.is_none() {
            return Err(TransportError::NoChannel);
        }
        self.queue.send_item(frame).map_err(|_| self.failure())
    }

    /// What the queue has taken is on its way: its task writes without being asked.
    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let failed = self.queue.is_closed();
        Poll::Ready(if failed { Err(self.failure()) } else { Ok(()) })
    }

    /// Waits a second at most for what still waits in the queue.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.queue.close();
        if self.outcome.is_terminated() {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(outcome) = self.outcome.poll_unpin(cx) {
            return Poll::Ready(outcome.unwrap_or(Ok(())));
        }
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(CLOSING)));
        ready!(closing.as_mut().poll(cx));
        self.writing.abort();
        Poll::Ready(Err(TransportError::Timeout { what: "closing", after: CLOSING }))
    }
}
