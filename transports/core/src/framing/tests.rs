//! What both codecs promise, checked over any frames and any splits of the stream.
//! Not the adapters' use of them.

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*};
use tokio_util::codec::{Decoder, Encoder};

use super::{Cobs, LengthPrefixed, max_body};
use crate::{ChannelName, Frame, TransportError};

const MAX: usize = 600;

fn any_frame() -> impl Strategy<Value = Frame> {
    // Zeros and runs without any are what COBS has to get right.
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..=MAX),
        vec(0u8..2, 0..=MAX),
        vec(1u8..=255, 0..=MAX),
        (250usize..260).prop_map(|len| vec![0xff; len]),
    ];
    let channel = prop_oneof![Just(None), "[a-zé]{1,32}".prop_map(Some)];
    (bytes, channel).prop_map(|(bytes, channel)| {
        let channel = channel.map(|name| ChannelName::try_from(name.as_str()).unwrap());
        Frame { channel, bytes: bytes.into() }
    })
}

/// Feeds the stream in pieces as a reader would; returns the items, and the most it ever held.
fn decode_in_pieces<D>(codec: &mut D, stream: &[u8], cuts: &[usize]) -> (Vec<D::Item>, usize)
where
    D: Decoder<Error = TransportError>,
{
    let (mut items, mut most) = (vec![], 0);
    let mut held = BytesMut::new();
    let (mut rest, mut cuts) = (stream, cuts.iter().cycle());
    while !rest.is_empty() {
        let cut = cuts.next().map_or(rest.len(), |cut| (*cut).clamp(1, rest.len()));
        held.extend_from_slice(&rest[..cut]);
        rest = &rest[cut..];
        while let Some(item) = codec.decode(&mut held).unwrap() {
            items.push(item);
        }
        most = most.max(held.len());
    }
    while let Some(item) = codec.decode_eof(&mut held).unwrap() {
        items.push(item);
    }
    (items, most)
}

fn encode<E: Encoder<Frame, Error = TransportError>>(codec: &mut E, frames: &[Frame]) -> BytesMut {
    let mut stream = BytesMut::new();
    for frame in frames {
        codec.encode(frame.clone(), &mut stream).unwrap();
    }
    stream
}

proptest! {
    #[test]
    fn length_prefixed_frames_survive_any_split(
        frames in vec(any_frame(), 0..8), cuts in vec(1usize..900, 1..8),
    ) {
        let mut codec = LengthPrefixed::new(MAX);
        let stream = encode(&mut codec, &frames);
        prop_assert_eq!(decode_in_pieces(&mut codec, &stream, &cuts).0, frames);
    }

    #[test]
    fn cobs_frames_survive_any_split(
        frames in vec(any_frame(), 0..8), cuts in vec(1usize..900, 1..8),
    ) {
        let mut codec = Cobs::new(MAX);
        let stream = encode(&mut codec, &frames);
        let (items, _) = decode_in_pieces(&mut codec, &stream, &cuts);
        let decoded: Vec<Frame> = items.into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(decoded, frames);
    }

    #[test]
    fn a_cobs_frame_after_any_garbage_is_found(
        garbage in vec(any::<u8>(), 0..3 * MAX), frame in any_frame(), cut in 1usize..900,
    ) {
        let mut codec = Cobs::new(MAX);
        let mut stream = garbage;
        stream.extend_from_slice(&encode(&mut codec, std::slice::from_ref(&frame)));
        let (items, most) = decode_in_pieces(&mut codec, &stream, &[cut]);
        prop_assert_eq!(items.last().unwrap().as_ref().unwrap(), &frame);
        prop_assert!(most <= codec.max_run());
        for item in &items[..items.len() - 1] {
            let malformed = matches!(item, Err(TransportError::Malformed { dropped: 1, .. }));
            prop_assert!(malformed);
        }
    }

    #[test]
    fn one_damaged_byte_costs_one_cobs_frame_at_most_and_never_changes_one(
        frames in vec(any_frame(), 1..5), at in any::<prop::sample::Index>(), flip in 1u8..=255,
    ) {
        let mut codec = Cobs::new(MAX);
        let mut stream = encode(&mut codec, &frames);
        let at = at.index(stream.len());
        stream[at] ^= flip;
        let (items, _) = decode_in_pieces(&mut codec, &stream, &[64]);
        let decoded: Vec<Frame> = items.into_iter().flatten().collect();
        prop_assert!(decoded.len() + 1 >= frames.len());
        let mut sent = frames.iter();
        prop_assert!(decoded.iter().all(|frame| sent.any(|other| other == frame)));
    }

    #[test]
    fn arbitrary_bytes_neither_panic_nor_pile_up(
        stream in vec(any::<u8>(), 0..4 * MAX), cuts in vec(1usize..64, 1..4),
    ) {
        let mut codec = Cobs::new(MAX);
        let (_, most) = decode_in_pieces(&mut codec, &stream, &cuts);
        prop_assert!(most <= codec.max_run());

        let mut codec = LengthPrefixed::new(MAX);
        let mut held = BytesMut::new();
        'stream: for piece in stream.chunks(cuts[0]) {
            held.extend_from_slice(piece);
            loop {
                match codec.decode(&mut held) {
                    Ok(Some(frame)) => prop_assert!(frame.bytes.len() <= MAX),
                    Ok(None) => break,
                    Err(error) => {
                        prop_assert!(!error.link_goes_on());
                        break 'stream;
                    }
                }
            }
            prop_assert!(held.len() < 4 + max_body(MAX));
        }
    }
}

#[test]
fn a_tiny_frame_does_not_keep_the_buffer_that_it_came_in() {
    let frames: Vec<_> =
        (0..200).map(|number| Frame::bare(vec![7; [1, MAX][number % 2]])).collect();
    let capacity = 128 * 1024;
    let mut held = BytesMut::with_capacity(capacity);
    held.extend_from_slice(&encode(&mut LengthPrefixed::new(MAX), &frames));
    let mut codec = LengthPrefixed::new(MAX);
    let decoded: Vec<Frame> = std::iter::from_fn(|| codec.decode(&mut held).unwrap()).collect();
    assert_eq!(decoded, frames);
    own_their_memory(decoded);

    let mut held = BytesMut::with_capacity(capacity);
    held.extend_from_slice(&encode(&mut Cobs::new(MAX), &frames));
    let mut codec = Cobs::new(MAX);
    let decoded = std::iter::from_fn(|| codec.decode(&mut held).unwrap());
    let decoded: Vec<Frame> = decoded.map(Result::unwrap).collect();
    assert_eq!(decoded, frames);
    own_their_memory(decoded);
}

fn own_their_memory(frames: Vec<Frame>) {
    for Frame { bytes, .. } in frames {
        let len = bytes.len();
        assert!(bytes.is_unique());
        assert_eq!(bytes.try_into_mut().unwrap().capacity(), len);
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_anything_is_reserved() {
    let mut held = BytesMut::from(&[0x7f, 0xff, 0xff, 0xff][..]);
    let before = held.capacity();
    let error = LengthPrefixed::new(MAX).decode(&mut held).unwrap_err();
    assert!(matches!(error, TransportError::Framing(_)));
    assert_eq!(held.capacity(), before);
}

#[test]
fn nothing_is_reserved_on_the_word_of_a_length_within_the_limit() {
    let mut held = BytesMut::from(&[0, 0, 0x02, 0x00, 1][..]);
    let before = held.capacity();
    assert_eq!(LengthPrefixed::new(MAX).decode(&mut held).unwrap(), None);
    assert_eq!(held.capacity(), before);
}

#[test]
fn a_length_that_leaves_no_place_for_a_channel_length_is_refused() {
    let mut held = BytesMut::from(&[0, 0, 0, 0][..]);
    assert!(LengthPrefixed::new(MAX).decode(&mut held).is_err());
}

#[test]
fn a_frame_beyond_the_limit_is_refused_even_if_its_channel_is_short() {
    let mut stream = BytesMut::from(&(MAX as u32 + 2).to_be_bytes()[..]);
    stream.extend_from_slice(&vec![0; MAX + 2]);
    assert!(LengthPrefixed::new(MAX).decode(&mut stream).is_err());
}

#[test]
fn channels_that_are_no_names_are_refused() {
    let mut not_utf8 = BytesMut::from(&b"\0\0\0\x02\x01\xff"[..]);
    assert!(LengthPrefixed::new(MAX).decode(&mut not_utf8).is_err());
    let mut beyond_its_carrier = BytesMut::from(&b"\0\0\0\x02\x02a"[..]);
    assert!(LengthPrefixed::new(MAX).decode(&mut beyond_its_carrier).is_err());
    let mut too_long = BytesMut::from(&[0, 0, 0, 66, 65][..]);
    too_long.extend_from_slice(&[b'a'; 65]);
    assert!(LengthPrefixed::new(MAX).decode(&mut too_long).is_err());
}

#[test]
fn a_stream_that_ends_within_a_frame_is_an_error() {
    let mut half = BytesMut::from(&b"\0\0\0\x07\x01ahe"[..]);
    assert!(LengthPrefixed::new(MAX).decode_eof(&mut half).is_err());
}

#[test]
fn a_frame_above_the_limit_is_refused_and_leaves_nothing_on_the_stream() {
    let frame = Frame::bare(vec![7; MAX + 1]);
    let mut stream = BytesMut::new();
    let refusals = [
        LengthPrefixed::new(MAX).encode(frame.clone(), &mut stream),
        Cobs::new(MAX).encode(frame, &mut stream),
    ];
    for refusal in refusals {
        let refused =
            matches!(refusal, Err(TransportError::TooLarge { len, max: MAX }) if len == MAX + 1);
        assert!(refused);
    }
    assert!(stream.is_empty());
}

#[test]
fn cobs_frames_look_like_this_on_the_wire() {
    let frame = Frame::on(ChannelName::try_from("a").unwrap(), vec![0x11, 0, 0x22]);
    let stream = encode(&mut Cobs::new(MAX), &[frame]);
    // CRC-32C of 01 61 11 00 22, computed bit by bit from its definition.
    let checksum = crc32c_by_definition(&[0x01, 0x61, 0x11, 0x00, 0x22]).to_le_bytes();
    assert!(checksum.iter().all(|byte| *byte != 0));
    let mut expected = vec![0x00, 0x04, 0x01, 0x61, 0x11, 0x06, 0x22];
    expected.extend(checksum);
    expected.push(0x00);
    assert_eq!(stream[..], expected);
}

#[test]
fn garbage_longer_than_any_frame_is_reported_once() {
    let mut codec = Cobs::new(MAX);
    let (items, most) = decode_in_pieces(&mut codec, &vec![1; 100 * MAX], &[MAX]);
    assert_eq!(items.len(), 1);
    assert!(most <= codec.max_run());
}

fn crc32c_by_definition(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}
