//! Whatever arrives, in whatever pieces: no panic, nothing piles up, the pieces do not matter, and
//! the frames that come out encode to the very bytes that they came from.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use stringphone_fuzz::{MAX_FRAME, Stream};
use stringphone_transport::framing::LengthPrefixed;
use tokio_util::codec::Encoder;

fuzz_target!(|stream: Stream| {
    let codec = LengthPrefixed::new(MAX_FRAME);
    let (frames, error) = stream.decode_in_pieces(codec.clone());
    assert_eq!(frames, stream.decode_at_once(codec.clone()).0);

    let mut again = BytesMut::new();
    for frame in frames {
        codec.clone().encode(frame, &mut again).expect("what decodes encodes");
    }
    assert!(stream.bytes.starts_with(&again));
    assert!(error.is_some() || again.len() == stream.bytes.len(), "bytes vanished in silence");
});
