//! Frames in pieces, for links that carry less than a frame: PROTOCOL §1.5. Not here: putting them
//! together.

use bytes::{BufMut, Bytes, BytesMut};

/// First bytes of what carriers say to each other. No protocol's frame begins so.
const PIECE: u8 = 0x28;
const REQUEST: u8 = 0x29;
/// What stands before a piece.
const HEADER: usize = 7;
/// Pieces of a frame at most.
const PIECES: usize = 256;
/// No frame of a topic is larger, on whatever link …
pub(super) const FRAME: usize = 65_536;
/// … and none that is wrapped between relays.
pub(super) const LARGEST: usize = FRAME + 1_024;
/// A link that carries less carries nothing in pieces: a request for them has up to 38 bytes.
const SMALLEST: usize = 38;
/// First bytes of what carriers and relays say to each other.
const RESERVED: std::ops::RangeInclusive<u8> = 0x28..=0x2f;

/// Whether a frame is one that carriers say to each other.
pub(super) fn is_carriers(frame: &[u8]) -> bool {
    matches!(frame.first(), Some(&(PIECE | REQUEST)))
}

/// Whether a frame is one that carriers or relays say to each other.
pub(crate) fn is_reserved(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| RESERVED.contains(first))
}

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// The largest frame that a link with frames of `max_frame` carries, in pieces if need be.
pub(crate) fn largest(max_frame: usize) -> usize {
    if max_frame < SMALLEST {
        return max_frame;
    }
    let each = max_frame.saturating_sub(HEADER);
    each.saturating_mul(PIECES).clamp(max_frame, LARGEST.max(max_frame))
}

/// What a frame in pieces goes by: its checksum, which tells as well whether it came together right,
/// and the number of its last piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) checksum: u32,
    pub(super) last: u8,
}

impl Name {
    /// Of a frame in pieces of this size, the last one shorter; `None` where it does not take two to
    /// 256 of them.
    fn of(frame: &[u8], each: usize) -> Option<Self> {
        let count = frame.len().checked_div(each).map(|_| frame.len().div_ceil(each))?;
        let last = u8::try_from(count.checked_sub(1)?).ok().filter(|last| *last > 0)?;
        Some(Self { checksum: checksum(frame), last })
    }
}

pub(super) fn checksum(frame: &[u8]) -> u32 {
    CRC.checksum(frame)
}

/// A frame on its way out in pieces.
#[derive(Clone, Debug)]
pub(in crate::carrier) struct Split {
    pub(super) name: Name,
    frame: Bytes,
    each: usize,
}

impl Split {
    /// `None` where the frame fits as it is, or into no number of pieces.
    pub(in crate::carrier) fn new(frame: &Bytes, max_frame: usize) -> Option<Self> {
        if frame.len() <= max_frame || frame.len() > largest(max_frame) {
            return None;
        }
        let each = max_frame.checked_sub(HEADER)?;
        Some(Self { name: Name::of(frame, each)?, frame: frame.clone(), each })
    }

    pub(super) fn len(&self) -> usize {
        self.frame.len()
    }

    /// All pieces, as they go onto the link.
    pub(in crate::carrier) fn pieces(&self) -> impl Iterator<Item = Bytes> {
        (0..=self.name.last).filter_map(|number| self.piece(number))
    }

    /// The pieces that somebody asks for.
    pub(super) fn some(&self, wanted: &[u8]) -> impl Iterator<Item = Bytes> {
        let wanted = (0..=self.name.last).filter(|number| is_set(wanted, *number));
        wanted.filter_map(|number| self.piece(number))
    }

    fn piece(&self, number: u8) -> Option<Bytes> {
        let bytes = self.frame.chunks(self.each).nth(number.into())?;
        let mut piece = BytesMut::with_capacity(HEADER + bytes.len());
        piece.put_u8(PIECE);
        piece.put_u32(self.name.checksum);
        piece.put_u8(number);
        piece.put_u8(self.name.last);
        piece.put_slice(bytes);
        Some(piece.freeze())
    }
}

/// What a carrier reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A frame of the topic's, whole.
    Whole(Bytes),
    Piece {
        name: Name,
        number: u8,
        bytes: Bytes,
    },
    /// Somebody lacks these pieces, one bit for each.
    Request {
        name: Name,
        wanted: Bytes,
    },
    /// It begins as one of these, and is none.
    Malformed,
}

pub(super) fn read(frame: Bytes) -> Read {
    match frame.split_first_chunk() {
        Some(([PIECE, a, b, c, d, number, last], rest)) => {
            let name = Name { checksum: u32::from_be_bytes([*a, *b, *c, *d]), last: *last };
            if rest.is_empty() || *last == 0 || number > last {
                return Read::Malformed;
            }
            Read::Piece { name, number: *number, bytes: Bytes::copy_from_slice(rest) }
        }
        _ => match frame.split_first_chunk() {
            Some(([REQUEST, a, b, c, d, last], wanted)) => {
                let name = Name { checksum: u32::from_be_bytes([*a, *b, *c, *d]), last: *last };
                if wanted.len() != usize::from(*last) / 8 + 1 {
                    return Read::Malformed;
                }
                Read::Request { name, wanted: Bytes::copy_from_slice(wanted) }
            }
            _ if is_carriers(&frame) => Read::Malformed,
            _ => Read::Whole(frame),
        },
    }
}

/// Asks for pieces that did not come.
pub(super) fn request(name: Name, missing: impl Iterator<Item = u8>) -> Bytes {
    let mut wanted = vec![0_u8; usize::from(name.last) / 8 + 1];
    for number in missing {
        if let Some(byte) = wanted.get_mut(usize::from(number / 8)) {
            *byte |= 1 << (number % 8);
        }
    }
    let mut request = BytesMut::with_capacity(6 + wanted.len());
    request.put_u8(REQUEST);
    request.put_u32(name.checksum);
    request.put_u8(name.last);
    request.put_slice(&wanted);
    request.freeze()
}

/// Whether a request wants this piece.
pub(super) fn is_set(wanted: &[u8], number: u8) -> bool {
    wanted.get(usize::from(number / 8)).is_some_and(|byte| byte & (1 << (number % 8)) != 0)
}
