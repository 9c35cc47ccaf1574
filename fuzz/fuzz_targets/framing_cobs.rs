//! Whatever arrives, in whatever pieces: no panic, nothing piles up, the pieces do not matter, the
//! stream never ends over it, and the frames that come out survive another round.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use stringphone_fuzz::{MAX_FRAME, Stream};
use stringphone_transport::framing::Cobs;
use tokio_util::codec::{Decoder, Encoder};

fuzz_target!(|stream: Stream| {
    let codec = Cobs::new(MAX_FRAME);
    let (items, error) = stream.decode_in_pieces(codec.clone());
    assert!(error.is_none(), "garbage ended the stream: {error:?}");
    let at_once = stream.decode_at_once(codec.clone()).0;
    assert!(
        items
            .iter()
            .map(|item| item.as_ref().ok())
            .eq(at_once.iter().map(|item| item.as_ref().ok()))
    );

    for frame in items.into_iter().flatten() {
        let mut wire = BytesMut::new();
        codec.clone().encode(frame.clone(), &mut wire).expect("what decodes encodes");
        let again = codec.clone().decode(&mut wire).expect("decoding").expect("a whole frame");
        assert_eq!(again.expect("what we encode is well-formed"), frame);
    }
});
