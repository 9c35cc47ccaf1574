//! Bytes that nobody sent, and bytes that got lost.

use bytes::BytesMut;
use futures::SinkExt;
use stringphone_servers::pty::Cable;
use stringphone_transport::{Frame, framing::Cobs};
use tokio::io::AsyncWriteExt;
use tokio_util::codec::Encoder;

use crate::{at, connected, name, next, numbered, raw};

fn encoded(frame: Frame) -> BytesMut {
    let mut bytes = BytesMut::new();
    Cobs::new(1024).encode(frame, &mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn noise_costs_no_frame_but_those_it_strikes_and_is_counted() {
    let cable = Cable::plug();
    let mut wire = raw(&cable.ports()[0]);
    let mut link = connected(&mut at(&cable.ports()[1])).await;

    wire.write_all(b"noise between frames").await.unwrap();
    wire.write_all(&encoded(numbered(1, 40))).await.unwrap();
    assert_eq!(next(&mut link.incoming).await, (numbered(1, 40), 1));

    let mut struck = encoded(numbered(2, 40));
    struck[20] ^= 0x10;
    wire.write_all(&struck).await.unwrap();
    let mut cut_apart = encoded(numbered(3, 40));
    cut_apart[20] = 0;
    wire.write_all(&cut_apart).await.unwrap();
    let unfinished = encoded(numbered(4, 40));
    wire.write_all(&unfinished[..30]).await.unwrap();
    wire.write_all(&encoded(numbered(5, 40))).await.unwrap();
    // One that was struck, two halves, and one without its end.
    assert_eq!(next(&mut link.incoming).await, (numbered(5, 40), 4));

    let bytes_were_lost: Vec<u8> = encoded(numbered(6, 40))
        .iter()
        .enumerate()
        .filter(|(at, _)| at % 7 != 3)
        .map(|(_, b)| *b)
        .collect();
    wire.write_all(&bytes_were_lost).await.unwrap();
    wire.write_all(&encoded(numbered(7, 40))).await.unwrap();
    assert_eq!(next(&mut link.incoming).await, (numbered(7, 40), 1));
}

#[tokio::test]
async fn a_flood_without_end_is_one_report_and_the_next_frame_arrives() {
    let cable = Cable::plug();
    let mut wire = raw(&cable.ports()[0]);
    let mut link = connected(&mut at(&cable.ports()[1])).await;
    let sending = async {
        wire.write_all(&[0x55; 100_000]).await.unwrap();
        wire.write_all(&encoded(numbered(1, 40))).await.unwrap();
    };
    let (arrived, ()) = tokio::join!(next(&mut link.incoming), sending);
    assert_eq!(arrived, (numbered(1, 40), 1));
}

#[tokio::test]
async fn several_channels_share_one_line() {
    let cable = Cable::plug();
    let mut near = connected(&mut at(&cable.ports()[0])).await;
    let mut far = connected(&mut at(&cable.ports()[1])).await;
    let sent =
        ["hall", "attic", "hall"].map(|channel| Frame::on(name(channel), channel.to_owned()));
    for frame in &sent {
        near.outgoing.send(frame.clone()).await.unwrap();
    }
    for frame in sent {
        assert_eq!(next(&mut far.incoming).await, (frame, 0));
    }
}

#[tokio::test]
async fn a_frame_that_names_no_channel_is_garbage() {
    let cable = Cable::plug();
    let mut wire = raw(&cable.ports()[0]);
    let mut link = connected(&mut at(&cable.ports()[1])).await;
    wire.write_all(&encoded(Frame::bare("whose?"))).await.unwrap();
    wire.write_all(&encoded(numbered(1, 40))).await.unwrap();
    assert_eq!(next(&mut link.incoming).await, (numbered(1, 40), 1));
}
