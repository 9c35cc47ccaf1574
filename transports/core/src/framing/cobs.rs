//! Frames between zero bytes, with a checksum, for wires that lose and damage bytes.
//! Not a retransmission: what is damaged is dropped and reported.

use bytes::{BufMut, BytesMut};
use crc::{CRC_32_ISCSI, Crc};
use tokio_util::codec::{Decoder, Encoder};

use super::{body_len, max_body, put_body, take_body};
use crate::{ChannelCount, Frame, TransportError};

/// CRC-32C, also known as CRC-32/ISCSI.
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
const CHECKSUM_LEN: usize = 4;

/// `0x00 · COBS(u8 channel length · channel, UTF-8 · frame · CRC-32C, little-endian) · 0x00`
///
/// The checksum covers all that stands before it inside. A channel length of 0 stands for no
/// channel. There is no zero byte inside of [COBS], so after any garbage the next zero byte starts
/// afresh; the one in front sees to it that garbage costs no frame but its own.
///
/// Garbage does not end the stream. It comes out as an item `Err(TransportError::Malformed { .. })`,
/// one for each run of bytes between zeros; `Result::flatten` makes the stream of a
/// [`Link`](crate::Link) of it. A run that is longer than any frame is reported once and skipped
/// without being kept.
///
/// ```
/// use futures::StreamExt;
/// use stringphone_transport::{Frame, TransportError, framing::Cobs};
/// use tokio_util::codec::{Encoder, FramedRead};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut wire = bytes::BytesMut::from(&b"noise"[..]);
/// Cobs::new(1024).encode(Frame::bare(&b"hello"[..]), &mut wire)?;
///
/// let mut incoming = FramedRead::new(&wire[..], Cobs::new(1024)).map(Result::flatten);
/// let noise = incoming.next().await.unwrap();
/// assert!(matches!(noise, Err(TransportError::Malformed { dropped: 1, .. })));
/// assert_eq!(incoming.next().await.unwrap()?, Frame::bare(&b"hello"[..]));
/// # Ok::<(), stringphone_transport::TransportError>(()) }).unwrap();
/// ```
///
/// [COBS]: https://en.wikipedia.org/wiki/Consistent_Overhead_Byte_Stuffing
#[derive(Clone, Debug)]
pub struct Cobs {
    max_frame: usize,
    /// How far the buffer was searched for a zero byte already.
    searched: usize,
    /// Whether what comes up to the next zero byte belongs to garbage that was reported.
    skipping: bool,
}

impl Cobs {
    /// A codec for frames of at most `max_frame` bytes.
    pub fn new(max_frame: usize) -> Self {
        Self { max_frame, searched: 0, skipping: false }
    }

    /// The longest run of bytes between two zeros that can be a frame.
    pub(super) fn max_run(&self) -> usize {
        cobs::max_encoding_length(max_body(self.max_frame) + CHECKSUM_LEN)
    }

    /// The bytes before the next zero, which is taken as well.
    fn take_run(&mut self, src: &mut BytesMut) -> Option<BytesMut> {
        let unsearched = src.iter().skip(self.searched);
        let Some(zero) = unsearched.clone().position(|byte| *byte == 0) else {
            self.searched = src.len();
            return None;
        };
        let mut run = src.split_to(self.searched + zero + 1);
        run.truncate(run.len() - 1);
        self.searched = 0;
        Some(run)
    }

    fn decode_run(&self, mut run: BytesMut) -> Result<Frame, &'static str> {
        if run.len() > self.max_run() {
            return Err("it is longer than any frame");
        }
        let len = cobs::decode_in_place(&mut run).map_err(|_| "it is not COBS")?;
        run.truncate(len);
        let (body, checksum) = run.split_last_chunk::<CHECKSUM_LEN>().ok_or("it is too short")?;
        if CHECKSUM.checksum(body) != u32::from_le_bytes(*checksum) {
            return Err("the checksum is wrong");
        }
        take_body(body, self.max_frame)
    }

    /// Reports the rest of the buffer as garbage, once for each run.
    fn skip(&mut self, src: &mut BytesMut, reason: &'static str) -> Option<TransportError> {
        src.clear();
        self.searched = 0;
        let reported = std::mem::replace(&mut self.skipping, true);
        (!reported).then(|| malformed(reason))
    }
}

impl Decoder for Cobs {
    type Item = Result<Frame, TransportError>;
    type Error = TransportError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, TransportError> {
        while let Some(run) = self.take_run(src) {
            let skipped = std::mem::take(&mut self.skipping);
            if !skipped && !run.is_empty() {
                return Ok(Some(self.decode_run(run).map_err(malformed)));
            }
        }
        if self.skipping || src.len() > self.max_run() {
            return Ok(self.skip(src, "it is longer than any frame").map(Err));
        }
        Ok(None)
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, TransportError> {
        match self.decode(src)? {
            None if !src.is_empty() => Ok(self.skip(src, "the stream ends in a frame").map(Err)),
            item => Ok(item),
        }
    }
}

impl Encoder<Frame> for Cobs {
    type Error = TransportError;

    fn encode(&mut self, frame: Frame, dst: &mut BytesMut) -> Result<(), TransportError> {
        frame.check(self.max_frame, ChannelCount::One)?;
        let mut body = Vec::with_capacity(body_len(&frame) + CHECKSUM_LEN);
        put_body(&frame, &mut body);
        let checksum = CHECKSUM.checksum(&body);
        body.put_u32_le(checksum);

        dst.put_u8(0);
        let start = dst.len();
        dst.resize(start + cobs::max_encoding_length(body.len()), 0);
        let room = dst.get_mut(start..).unwrap_or_default();
        let len = cobs::encode(&body, room);
        dst.truncate(start + len);
        dst.put_u8(0);
        Ok(())
    }
}

fn malformed(reason: &'static str) -> TransportError {
    TransportError::Malformed { dropped: 1, reason }
}
