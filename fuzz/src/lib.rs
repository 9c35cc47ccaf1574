//! What the fuzz targets share: byte streams that arrive in arbitrary pieces.
//! Not the targets; those are in `fuzz_targets/`, run by `cargo xtask fuzz`.

use arbitrary::Arbitrary;
use bytes::BytesMut;
use tokio_util::codec::Decoder;

/// The frame limit of the codecs under test: small, so that inputs go beyond it.
pub const MAX_FRAME: usize = 600;

/// What lengths, channel, checksum and stuffing add to a frame of that size, generously.
const OVERHEAD: usize = 128;

/// A stream from outside. A seed in the corpus is four sizes of pieces, a byte each, and then the
/// stream as it is.
#[derive(Arbitrary, Debug)]
pub struct Stream<'a> {
    sizes: [u8; 4],
    pub bytes: &'a [u8],
}

impl Stream<'_> {
    /// The items that come out when the bytes arrive in pieces, and the error that ended them.
    pub fn decode_in_pieces<D: Decoder>(&self, codec: D) -> (Vec<D::Item>, Option<D::Error>) {
        let mut rest = self.bytes;
        let mut sizes = self.sizes.iter().cycle();
        let pieces = std::iter::from_fn(|| {
            let size = sizes.next().map_or(1, |size| usize::from(*size));
            let (piece, after) = rest.split_at_checked(size.max(1)).unwrap_or((rest, &[]));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        decode(codec, pieces)
    }

    /// The same when they arrive at once.
    pub fn decode_at_once<D: Decoder>(&self, codec: D) -> (Vec<D::Item>, Option<D::Error>) {
        decode(codec, std::iter::once(self.bytes))
    }
}

/// Decodes as a reader would, and sees to it that no bytes pile up.
fn decode<'a, D: Decoder>(
    mut codec: D,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<D::Item>, Option<D::Error>) {
    let (mut items, mut held) = (Vec::new(), BytesMut::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            match codec.decode(&mut held) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Some(error)),
            }
        }
        assert!(held.len() <= MAX_FRAME + OVERHEAD, "{} bytes pile up", held.len());
    }
    loop {
        match codec.decode_eof(&mut held) {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return (items, None),
            Err(error) => return (items, Some(error)),
        }
    }
}
