//! The two halves of a link, and the task that serves them.
//! Not how the connection came up.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::{Sink, Stream as FrameStream};
use stringphone_transport::{ChannelCount, Channels, Frame, Link, TransportError};
use tokio::{
    io::WriteHalf,
    select,
    sync::mpsc,
    time::{Instant, Sleep, sleep},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    outbox::Message,
    reading::{Reader, Reading},
    session::Session,
    stream::Stream,
    wire::{Qos, publish_len},
    writing::Writing,
};

/// How many frames may wait for whoever reads the link.
const QUEUE: usize = 64;

/// How long closing may take.
const CLOSING: Duration = Duration::from_secs(2);

/// Makes a link of a connection that the broker has accepted.
pub(crate) fn link(
    session: Arc<Session>,
    reader: Reader,
    writer: WriteHalf<Stream>,
    channels: Channels,
) -> Link {
    let (queue, frames) = mpsc::channel(QUEUE);
    let ending = Ending { session: Arc::clone(&session), _frames: queue.clone() };
    let task = tokio::spawn(async move {
        let end = serve(&ending.session, reader, writer, channels, queue).await;
        ending.session.outbox.end(end.err());
    });
    let task = Arc::new(AbortOnDropHandle::new(task));
    let incoming =
        Incoming { frames, session: Arc::clone(&session), ended: false, _task: Arc::clone(&task) };
    Link::new(incoming, Outgoing { session, closing: None, task })
}

/// Whatever becomes of the task, the halves of the link learn that it is gone, and why before that.
struct Ending {
    session: Arc<Session>,
    _frames: mpsc::Sender<Result<Frame, TransportError>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.session.outbox.end(Some(TransportError::Closed));
    }
}

/// Reads and writes until the connection is down; `Ok` if it was closed from here.
async fn serve(
    session: &Session,
    reader: Reader,
    writer: WriteHalf<Stream>,
    channels: Channels,
    frames: mpsc::Sender<Result<Frame, TransportError>>,
) -> Result<(), TransportError> {
    let (acks, ids) = mpsc::channel(QUEUE);
    let reading = Reading { session, channels: channels.clone(), frames, acks };
    let writing = Writing { session, writer, buffer: vec![] };
    select! {
        error = reading.run(reader) => Err(error),
        end = writing.run(channels, ids) => end,
    }
}

struct Incoming {
    frames: mpsc::Receiver<Result<Frame, TransportError>>,
    session: Arc<Session>,
    ended: bool,
    _task: Arc<AbortOnDropHandle<()>>,
}

impl FrameStream for Incoming {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = ready!(self.frames.poll_recv(cx));
        Poll::Ready(Some(item.unwrap_or_else(|| {
            self.ended = true;
            Err(self.session.outbox.error())
        })))
    }
}

struct Outgoing {
    session: Arc<Session>,
    closing: Option<Pin<Box<Sleep>>>,
    task: Arc<AbortOnDropHandle<()>>,
}

impl Outgoing {
    /// Refuses what is too large for us, or for the broker.
    fn check(&self, topic: &str, qos: Qos, frame: &Frame) -> Result<(), TransportError> {
        let Session { settings, broker, .. } = &*self.session;
        let (len, encoding) = (frame.bytes.len(), settings.encoding);
        let packet = publish_len(settings.version, topic.len(), qos, encoding.len(len));
        if packet <= broker.max_packet {
            return Ok(());
        }
        let around = packet - encoding.len(len);
        let max = encoding.fits(broker.max_packet.saturating_sub(around));
        Err(TransportError::TooLarge { len, max })
    }
}

impl Sink<Frame> for Outgoing {
    type Error = TransportError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.session.outbox.poll_room(cx)
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        let settings = &self.session.settings;
        frame.check(settings.max_frame, ChannelCount::Many)?;
        let Some(channel) = &frame.channel else { return Err(TransportError::NoChannel) };
        let topic = settings.topics.topic(channel);
        let qos = self.session.qos(channel);
        self.check(&topic, qos, &frame)?;
        if frame.bytes.is_empty() {
            return Ok(()); // nobody hands one up
        }
        let payload: Bytes = settings.encoding.encode(frame.bytes);
        let since = Instant::now();
        let message = Message { topic: topic.into(), payload, qos, id: None, again: false, since };
        self.session.outbox.push(message);
        Ok(())
    }

    /// Waits until the broker has acknowledged what is of QoS 1, and what is of QoS 0 is in the
    /// socket.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.session.outbox.poll_through(cx)
    }

    /// Waits as flushing does, and says goodbye; fails if that takes too long.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.session.outbox.close();
        if let Poll::Ready(end) = self.session.outbox.poll_end(cx) {
            return Poll::Ready(end);
        }
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(CLOSING)));
        ready!(closing.as_mut().poll(cx));
        self.task.abort();
        Poll::Ready(Err(TransportError::Timeout { what: "closing", after: CLOSING }))
    }
}
