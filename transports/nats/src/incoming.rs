//! What both incoming halves share: their shape as a stream, and how a message becomes a frame.
//! Not where messages come from: see `core` and `durable`.

use std::future::Future;

use async_nats::Message;
use bytes::Bytes;
use futures::stream;
use stringphone_transport::{ChannelName, Frame, Incoming, TransportError};

/// The largest frame in bytes; servers carry 1 MiB unless they are told otherwise.
pub(crate) const MAX_FRAME: usize = 64 * 1024;

/// Where frames come from.
pub(crate) trait Source: Send + 'static {
    /// The next frame or report, or why the link is down.
    fn next(&mut self) -> impl Future<Output = Result<Frame, TransportError>> + Send;
}

/// All of them, up to and with the first error that a link does not survive.
pub(crate) fn all_of(source: impl Source) -> Incoming {
    Box::pin(stream::unfold(Some(source), async |source| {
        let mut source = source?;
        let item = source.next().await;
        let goes_on = item.as_ref().err().is_none_or(TransportError::link_goes_on);
        Some((item, goes_on.then_some(source)))
    }))
}

/// The frame of a message; none if it is empty.
///
/// It is a copy: the message shares the buffer that it was read into.
pub(crate) fn frame(
    channel: &ChannelName,
    message: &Message,
) -> Option<Result<Frame, TransportError>> {
    match message.payload.len() {
        0 => None,
        1..=MAX_FRAME => {
            Some(Ok(Frame::on(channel.clone(), Bytes::copy_from_slice(&message.payload))))
        }
        _ => Some(Err(TransportError::Malformed { dropped: 1, reason: "it is above 64 KiB" })),
    }
}
