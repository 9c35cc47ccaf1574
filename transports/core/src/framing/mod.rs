//! Two codecs that put frames on a byte stream, for [`tokio_util::codec`].
//! Not the streams themselves, and no protection against anyone: frames bring their own.
//!
//! | codec | for | after garbage |
//! |---|---|---|
//! | [`LengthPrefixed`] | streams that neither lose nor damage bytes, as TCP | the link is down |
//! | [`Cobs`] | wires that do, as a serial line | reports it and finds the next frame |
//!
//! Both hold at most the bytes of one frame of the largest size, whatever arrives.

mod cobs;
mod length_prefixed;
#[cfg(test)]
mod tests;

pub use self::{cobs::Cobs, length_prefixed::LengthPrefixed};

use bytes::{BufMut, Bytes};

use crate::{ChannelName, Frame, TransportError};

/// Bytes of the length of a channel's name.
const CHANNEL_LEN: usize = 1;

/// The largest body, in bytes, with frames of `max_frame`.
const fn max_body(max_frame: usize) -> usize {
    max_frame.saturating_add(CHANNEL_LEN + ChannelName::MAX)
}

/// Bytes of the body of this frame.
fn body_len(frame: &Frame) -> usize {
    CHANNEL_LEN + channel(frame).len() + frame.bytes.len()
}

/// Writes `u8 channel length · channel · frame`; length 0 stands for no channel.
fn put_body(frame: &Frame, to: &mut impl BufMut) {
    let channel = channel(frame);
    to.put_u8(u8::try_from(channel.len()).unwrap_or(0)); // a name has at most 64 bytes
    to.put_slice(channel);
    to.put_slice(&frame.bytes);
}

/// Reads what [`put_body`] wrote, or says what is wrong with it.
fn take_body(mut body: Bytes, max_frame: usize) -> Result<Frame, &'static str> {
    let len = body.first().copied().ok_or("there is no channel length")?;
    let _ = body.split_to(CHANNEL_LEN);
    if usize::from(len) > body.len() {
        return Err("the channel is longer than what carries it");
    }
    let channel = body.split_to(len.into());
    if body.len() > max_frame {
        return Err("the frame is too large");
    }
    if channel.is_empty() {
        return Ok(Frame::bare(body));
    }
    let name = std::str::from_utf8(&channel).map_err(|_| "the channel is not UTF-8")?;
    let name = ChannelName::try_from(name).map_err(|_| "the channel is longer than 64 bytes")?;
    Ok(Frame::on(name, body))
}

fn refuse_large(frame: &Frame, max: usize) -> Result<(), TransportError> {
    match frame.bytes.len() {
        len if len > max => Err(TransportError::TooLarge { len, max }),
        _ => Ok(()),
    }
}

fn channel(frame: &Frame) -> &[u8] {
    frame.channel.as_ref().map_or(&[], |channel| channel.as_str().as_bytes())
}
