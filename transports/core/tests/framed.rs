//! A link made of a byte stream and a codec keeps the claims of every transport.
//! Not what the codecs promise: see the tests of `framing`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::BytesMut;
use futures::{SinkExt, StreamExt};
use stringphone_transport::{
    ChannelCount, ChannelName, Channels, Facts, Frame, Link, Transport, TransportError,
    conformance::{self, Fixture, Pair},
    framing::{self, Cobs, Decoded, LengthPrefixed},
};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex, split};
use tokio_util::codec::{Decoder, Encoder};

const MAX: usize = 1000;

/// What makes a link of a stream.
type Make = fn(DuplexStream, ChannelCount) -> Link;

fn make<C, I>(stream: DuplexStream, codec: C, channels: ChannelCount) -> Link
where
    C: Decoder<Item = I, Error = TransportError> + Encoder<Frame, Error = TransportError>,
    C: Clone + Send + Unpin + 'static,
    I: Decoded,
{
    let (reader, writer) = split(stream);
    framing::link(reader, writer, codec, channels)
}

const LENGTH_PREFIXED: Make = |stream, channels| make(stream, LengthPrefixed::new(MAX), channels);
const COBS: Make = |stream, channels| make(stream, Cobs::new(MAX), channels);

/// One end; whoever connects first leaves the other half of the stream for the other.
struct End {
    make: Make,
    channels: ChannelCount,
    other_half: Arc<Mutex<Option<DuplexStream>>>,
}

#[async_trait]
impl Transport for End {
    fn facts(&self) -> Facts {
        let facts = Facts::new("pipe", MAX).reliable();
        match self.channels {
            ChannelCount::One => facts,
            ChannelCount::Many => facts.many_channels(),
        }
    }

    async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
        let mut other_half = self.other_half.lock().unwrap();
        let half = other_half.take().unwrap_or_else(|| {
            let (near, far) = duplex(4 * MAX);
            *other_half = Some(far);
            near
        });
        Ok((self.make)(half, self.channels))
    }
}

struct Pipe(Make, ChannelCount);

#[async_trait]
impl Fixture for Pipe {
    async fn pair(&mut self) -> Pair {
        let other_half = Arc::default();
        let end = || End { make: self.0, channels: self.1, other_half: Arc::clone(&other_half) };
        Pair::new(end(), end())
    }
}

#[tokio::test(start_paused = true)]
async fn streams_with_either_codec_and_one_channel_or_many_keep_the_claims() {
    for make in [LENGTH_PREFIXED, COBS] {
        for channels in [ChannelCount::One, ChannelCount::Many] {
            conformance::run(Pipe(make, channels)).await.assert();
        }
    }
}

/// What a link hands up when this arrives and the stream ends.
async fn handed_up(make: Make, channels: ChannelCount, bytes: &[u8]) -> Vec<String> {
    let (near, mut far) = duplex(4 * MAX);
    let link = make(near, channels);
    far.write_all(bytes).await.unwrap();
    drop(far);
    let told = link.incoming.map(|item| match item {
        Ok(frame) => format!("{frame:?}"),
        Err(error) => error.to_string(),
    });
    told.collect().await
}

fn wire(mut codec: impl Encoder<Frame, Error = TransportError>, frames: &[Frame]) -> BytesMut {
    let mut bytes = BytesMut::new();
    for frame in frames {
        codec.encode(frame.clone(), &mut bytes).unwrap();
    }
    bytes
}

#[tokio::test]
async fn empty_frames_are_not_handed_up_and_the_end_of_the_stream_is_an_error() {
    let x = ChannelName::try_from("x").unwrap();
    let bytes = wire(Cobs::new(MAX), &[Frame::on(x.clone(), ""), Frame::on(x, "!")]);
    let closed = TransportError::Closed.to_string();
    for channels in [ChannelCount::One, ChannelCount::Many] {
        let told = handed_up(COBS, channels, &bytes).await;
        let channel = if channels == ChannelCount::Many { "Some(\"x\")" } else { "None" };
        assert_eq!(told, [format!("Frame {{ channel: {channel}, len: 1 }}"), closed.clone()]);
    }
}

#[tokio::test]
async fn a_frame_without_its_channel_is_garbage_where_there_are_many() {
    let nameless = [Frame::bare("!"), Frame::bare("?")];
    let bytes = wire(LengthPrefixed::new(MAX), &nameless);
    let told = handed_up(LENGTH_PREFIXED, ChannelCount::Many, &bytes).await;
    assert_eq!(told, ["the framing is broken: a frame names no channel"]);
    let told = handed_up(COBS, ChannelCount::Many, &wire(Cobs::new(MAX), &nameless)).await;
    let dropped = "1 frames dropped as garbage: a frame names no channel";
    assert_eq!(told, [dropped, dropped, "the link is closed"]);
}

#[tokio::test]
async fn closing_waits_for_nobody_and_tells_the_other_end() {
    let (near, far) = duplex(64);
    let [mut near, mut far] = [near, far].map(|half| LENGTH_PREFIXED(half, ChannelCount::One));
    near.outgoing.feed(Frame::bare(vec![7; 32])).await.unwrap();
    near.outgoing.close().await.unwrap();
    assert_eq!(far.incoming.next().await.unwrap().unwrap(), Frame::bare(vec![7; 32]));
    assert!(matches!(far.incoming.next().await, Some(Err(TransportError::Closed))));

    far.outgoing.feed(Frame::bare(vec![7; 640])).await.unwrap();
    far.outgoing.close().await.unwrap();
}
