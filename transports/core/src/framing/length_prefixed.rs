//! Frames behind their length, for streams that lose nothing.
//! Not for wires that damage bytes: one wrong length, and the link has to start over.

use bytes::{Buf, BufMut, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::{body_len, max_body, put_body, take_body};
use crate::{ChannelCount, Frame, TransportError};

/// Bytes of the length in front.
const HEADER: usize = 4;

/// `u32 length, big-endian · u8 channel length · channel, UTF-8 · frame`
///
/// The length counts what follows it. A channel length of 0 stands for no channel. The length is
/// checked as soon as it is there, and no memory is reserved on its word: the buffer grows as
/// bytes arrive.
///
/// Decoding fails with [`TransportError::Framing`] on anything else than frames, and the stream is
/// lost then.
///
/// ```
/// use bytes::BytesMut;
/// use stringphone_transport::{ChannelName, Frame, framing::LengthPrefixed};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut codec = LengthPrefixed::new(1024);
/// let frame = Frame::on(ChannelName::try_from("a")?, &b"hello"[..]);
/// let mut stream = BytesMut::new();
/// codec.encode(frame.clone(), &mut stream)?;
/// assert_eq!(&stream[..], b"\0\0\0\x07\x01ahello");
/// assert_eq!(codec.decode(&mut stream)?, Some(frame));
/// # Ok::<(), stringphone_transport::TransportError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LengthPrefixed {
    max_frame: usize,
}

impl LengthPrefixed {
    /// A codec for frames of at most `max_frame` bytes.
    pub fn new(max_frame: usize) -> Self {
        Self { max_frame }
    }
}

impl Decoder for LengthPrefixed {
    type Item = Frame;
    type Error = TransportError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, TransportError> {
        let Some(header) = src.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        // Where usize has 32 bits or more, every u32 fits; elsewhere it is too much anyway.
        let len = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
        if len == 0 || len > max_body(self.max_frame) {
            return Err(TransportError::Framing("the length is not that of a frame"));
        }
        let Some(body) = src.get(HEADER..).and_then(|rest| rest.get(..len)) else {
            return Ok(None);
        };
        let frame = take_body(body, self.max_frame).map_err(TransportError::Framing)?;
        src.advance(HEADER + len);
        Ok(Some(frame))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, TransportError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(TransportError::Framing("the stream ends in a frame")),
            frame => Ok(frame),
        }
    }
}

impl Encoder<Frame> for LengthPrefixed {
    type Error = TransportError;

    fn encode(&mut self, frame: Frame, dst: &mut BytesMut) -> Result<(), TransportError> {
        frame.check(self.max_frame, ChannelCount::One)?;
        let len = body_len(&frame);
        let too_large = |_| TransportError::TooLarge { len, max: self.max_frame };
        let header = u32::try_from(len).map_err(too_large)?;
        dst.reserve(HEADER + len);
        dst.put_u32(header);
        put_body(&frame, dst);
        Ok(())
    }
}
