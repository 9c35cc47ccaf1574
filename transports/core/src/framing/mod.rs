//! Two codecs that put frames on a byte stream, and [`link`], which makes a whole link of a stream
//! and one of them.
//! Not the streams themselves, and no protection against anyone: frames bring their own.
//!
//! | codec | for | after garbage |
//! |---|---|---|
//! | [`LengthPrefixed`] | streams that neither lose nor damage bytes, as TCP | the link is down |
//! | [`Cobs`] | wires that do, as a serial line | reports it and finds the next frame |
//!
//! Both are codecs of [`tokio_util::codec`], and hold at most the bytes of one frame of the largest size, whatever arrives. A decoded frame
//! has its bytes to itself, so what it holds in memory is what it is long.

mod cobs;
mod length_prefixed;
mod link;
#[cfg(test)]
mod tests;

pub use self::{
    cobs::Cobs,
    length_prefixed::LengthPrefixed,
    link::{Decoded, incoming, link},
};

use bytes::{BufMut, Bytes};

use crate::{ChannelName, Frame};

/// Bytes of the length of a channel's name.
const CHANNEL_LEN: usize = 1;

/// The largest body of [`put_body`], in bytes, with frames of `max_frame`.
pub const fn max_body(max_frame: usize) -> usize {
    max_frame.saturating_add(CHANNEL_LEN + ChannelName::MAX)
}

/// Bytes of the body of this frame.
fn body_len(frame: &Frame) -> usize {
    CHANNEL_LEN + channel(frame).len() + frame.bytes.len()
}

/// Writes `u8 channel length · channel · frame`; length 0 stands for no channel.
///
/// Both codecs put this body on a stream; it is also what a medium of packets carries in one.
pub fn put_body(frame: &Frame, to: &mut impl BufMut) {
    let channel = channel(frame);
    to.put_u8(u8::try_from(channel.len()).unwrap_or(0)); // a name has at most 64 bytes
    to.put_slice(channel);
    to.put_slice(&frame.bytes);
}

/// Reads what [`put_body`] wrote.
///
/// The frame is a copy: one that shared the read buffer would keep all of it in memory, many times
/// what those who bound frames by their length count.
///
/// # Errors
/// What is wrong with the body, or that its frame has more than `max_frame` bytes.
pub fn take_body(body: &[u8], max_frame: usize) -> Result<Frame, &'static str> {
    let (len, rest) = body.split_first().ok_or("there is no channel length")?;
    let (channel, bytes) = rest
        .split_at_checked(usize::from(*len))
        .ok_or("the channel is longer than what carries it")?;
    if bytes.len() > max_frame {
        return Err("the frame is too large");
    }
    let channel = match channel {
        [] => None,
        name => {
            let name = std::str::from_utf8(name).map_err(|_| "the channel is not UTF-8")?;
            let name = ChannelName::try_from(name);
            Some(name.map_err(|_| "the channel is longer than 64 bytes")?)
        }
    };
    Ok(Frame { channel, bytes: Bytes::copy_from_slice(bytes) })
}

fn channel(frame: &Frame) -> &[u8] {
    frame.channel.as_ref().map_or(&[], |channel| channel.as_str().as_bytes())
}
