//! A whole link out of a byte stream and a codec.
//! Not the stream, nor how it comes up: that is what an adapter adds.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{Decoder, Encoder, FramedRead, FramedWrite};

use crate::{ChannelCount, Frame, Link, TransportError};

/// Makes a link of the two halves of a byte stream.
///
/// On a link of one channel, none is written and what is read names none; on one of many, a frame
/// without its channel is refused both ways. Empty frames are read and not handed up. The incoming
/// half ends as [`incoming`] says; closing the outgoing half writes what the stream takes at once,
/// shuts the stream down if that was all, and waits for nothing.
///
/// ```
/// use futures::{SinkExt, StreamExt};
/// use stringphone_transport::framing::{self, LengthPrefixed};
/// use stringphone_transport::{ChannelCount, Frame};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (near, far) = tokio::io::duplex(1024);
/// let [mut near, mut far] = [near, far].map(|stream| {
///     let (reader, writer) = tokio::io::split(stream);
///     framing::link(reader, writer, LengthPrefixed::new(512), ChannelCount::One)
/// });
/// near.outgoing.send(Frame::bare("hello")).await?;
/// assert_eq!(far.incoming.next().await.unwrap()?, Frame::bare("hello"));
/// # Ok::<(), stringphone_transport::TransportError>(()) }).unwrap();
/// ```
pub fn link<C, I>(
    reader: impl AsyncRead + Send + Unpin + 'static,
    writer: impl AsyncWrite + Send + Unpin + 'static,
    codec: C,
    channels: ChannelCount,
) -> Link
where
    C: Decoder<Item = I, Error = TransportError> + Encoder<Frame, Error = TransportError>,
    C: Clone + Send + Unpin + 'static,
    I: Decoded,
{
    let frames = FramedRead::new(reader, codec.clone());
    let outgoing = Outgoing { frames: FramedWrite::new(writer, codec), channels };
    Link::new(incoming(frames, channels), outgoing)
}

/// Makes the incoming half of a link of what a codec decodes: without frames that are empty, without
/// channels on a link of one, and ended after the first error that a link does not survive. The end
/// of the stream is such an error, [`TransportError::Closed`].
pub fn incoming<I: Decoded>(
    frames: impl Stream<Item = Result<I, TransportError>> + Send + Unpin + 'static,
    channels: ChannelCount,
) -> impl Stream<Item = Result<Frame, TransportError>> + Send + Unpin + 'static {
    Incoming { frames, channels, ended: false }
}

/// What a codec makes of the bytes of a stream: frames, or frames and reports of garbage.
pub trait Decoded {
    /// The frame, or the report.
    fn frame(self) -> Result<Frame, TransportError>;

    /// How something is reported that is no frame after all.
    fn garbage(reason: &'static str) -> TransportError;
}

/// On a stream without garbage: whoever sends some has lost its step.
impl Decoded for Frame {
    fn frame(self) -> Result<Frame, TransportError> {
        Ok(self)
    }

    fn garbage(reason: &'static str) -> TransportError {
        TransportError::Framing(reason)
    }
}

impl Decoded for Result<Frame, TransportError> {
    fn frame(self) -> Result<Frame, TransportError> {
        self
    }

    fn garbage(reason: &'static str) -> TransportError {
        TransportError::Malformed { dropped: 1, reason }
    }
}

struct Incoming<S> {
    frames: S,
    channels: ChannelCount,
    ended: bool,
}

impl<S> Incoming<S> {
    /// What a link hands up of this, if anything.
    fn accept<I: Decoded>(&self, item: I) -> Option<Result<Frame, TransportError>> {
        let frame = match item.frame() {
            Ok(frame) if frame.bytes.is_empty() => return None,
            Ok(frame) => frame,
            report => return Some(report),
        };
        Some(match (self.channels, &frame.channel) {
            (ChannelCount::One, _) => Ok(Frame::bare(frame.bytes)),
            (ChannelCount::Many, Some(_)) => Ok(frame),
            (ChannelCount::Many, None) => Err(I::garbage("a frame names no channel")),
        })
    }
}

impl<S, I> Stream for Incoming<S>
where
    S: Stream<Item = Result<I, TransportError>> + Unpin,
    I: Decoded,
{
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.ended {
            let item = match ready!(self.frames.poll_next_unpin(cx)) {
                Some(Ok(item)) => self.accept(item),
                Some(Err(error)) => Some(Err(error)),
                None => Some(Err(TransportError::Closed)),
            };
            if let Some(item) = item {
                self.ended = item.as_ref().is_err_and(|error| !error.link_goes_on());
                return Poll::Ready(Some(item));
            }
        }
        Poll::Ready(None)
    }
}

struct Outgoing<W, C> {
    frames: FramedWrite<W, C>,
    channels: ChannelCount,
}

impl<W, C> Sink<Frame> for Outgoing<W, C>
where
    W: AsyncWrite + Unpin,
    C: Encoder<Frame, Error = TransportError> + Unpin,
{
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.frames.poll_ready_unpin(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        // How large it may be, the codec knows.
        frame.check(usize::MAX, self.channels)?;
        let frame = match self.channels {
            ChannelCount::One => Frame::bare(frame.bytes),
            ChannelCount::Many => frame,
        };
        self.frames.start_send_unpin(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.frames.poll_flush_unpin(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.frames.poll_close_unpin(cx) {
            Poll::Ready(closed) => Poll::Ready(closed),
            // What is left waits for a peer that does not read.
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }
}
