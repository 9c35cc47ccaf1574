//! What a client does on the wire, and how it learns that its link is down.
//! Not the claims of every transport: see `conformance.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::{
    future::{Future, ready},
    time::Duration,
};

use futures::{SinkExt, StreamExt};
use stringphone_tcp::{Limits, Tcp};
use stringphone_transport::{
    ChannelName, Channels, ChannelsOwner, Frame, Link, Transport, TransportError,
    framing::LengthPrefixed,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::codec::FramedRead;

fn name(name: &str) -> ChannelName {
    name.try_into().unwrap()
}

/// A client with the channel `x` open, and the other side of its socket.
async fn connected(limits: Limits) -> (Link, ChannelsOwner, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = Tcp::connect(listener.local_addr().unwrap().to_string()).limits(limits);
    let (owner, channels) = Channels::new([name("x")]);
    let (link, accepted) = tokio::join!(client.connect(channels), listener.accept());
    (link.unwrap(), owner, accepted.unwrap().0)
}

async fn reads(room: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    room.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, expected);
}

/// The error that the sink gives once it knows.
async fn until_sending_fails(link: &mut Link, bytes: usize) -> TransportError {
    loop {
        if let Err(error) = link.outgoing.send(Frame::on(name("x"), vec![0; bytes])).await {
            return error;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn channels_are_announced_by_empty_frames_at_once_and_when_they_open() {
    let (mut link, owner, mut room) = connected(Limits::default()).await;
    reads(&mut room, b"\0\0\0\x02\x01x").await;
    owner.open(name("late"));
    reads(&mut room, b"\0\0\0\x05\x04late").await;
    owner.close(&name("x"));
    owner.open(name("x"));
    link.outgoing.send(Frame::on(name("x"), "hello")).await.unwrap();
    reads(&mut room, b"\0\0\0\x07\x01xhello").await;
}

#[tokio::test]
async fn empty_frames_do_not_reach_the_carrier() {
    let (mut link, _owner, mut room) = connected(Limits::default()).await;
    room.write_all(b"\0\0\0\x02\x01x\0\0\0\x03\x01x!").await.unwrap();
    assert_eq!(link.incoming.next().await.unwrap().unwrap(), Frame::on(name("x"), "!"));
}

async fn ends_with<F: Future<Output = TcpStream>>(
    limits: Limits,
    misbehave: impl FnOnce(TcpStream) -> F,
) -> TransportError {
    let (mut link, _owner, room) = connected(limits).await;
    let _room = misbehave(room).await;
    let error = link.incoming.next().await.unwrap().unwrap_err();
    assert!(link.incoming.next().await.is_none());
    // The other half learns of it too.
    assert!(!until_sending_fails(&mut link, 1).await.link_goes_on());
    error
}

#[tokio::test]
async fn garbage_takes_the_link_down() {
    let error = ends_with(Limits::default(), |mut room| async {
        room.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
        room
    });
    assert!(matches!(error.await, TransportError::Framing(_)));
}

#[tokio::test]
async fn a_room_that_leaves_takes_the_link_down() {
    let error = ends_with(Limits::default(), |mut room| async {
        room.shutdown().await.unwrap();
        room
    });
    assert!(matches!(error.await, TransportError::Closed));
}

#[tokio::test]
async fn half_a_frame_takes_the_link_down() {
    let mut limits = Limits::default();
    limits.partial_frame = Duration::from_millis(50);
    let error = ends_with(limits, |mut room| async {
        room.write_all(&[0, 0]).await.unwrap();
        room
    });
    assert!(matches!(error.await, TransportError::Timeout { .. }));
}

#[tokio::test]
async fn a_room_that_reads_nothing_is_a_timeout_for_the_sender() {
    let mut limits = Limits::default();
    limits.write_stall = Duration::from_millis(50);
    let (mut link, _owner, _room) = connected(limits).await;
    let error = until_sending_fails(&mut link, 64 * 1024).await;
    assert!(matches!(error, TransportError::Timeout { what: "writing", .. }), "{error:?}");
}

/// What the room gets until the stream ends, a frame cut short at the end left out.
async fn rest(room: TcpStream) -> Vec<Frame> {
    let frames = FramedRead::new(room, LengthPrefixed::new(64 * 1024));
    let frames = frames.take_while(|frame| ready(frame.is_ok())).map(Result::unwrap);
    frames.filter(|frame| ready(!frame.bytes.is_empty())).collect().await
}

fn numbered(number: usize) -> Frame {
    let mut bytes = vec![0; 64 * 1024];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Frame::on(name("x"), bytes)
}

#[tokio::test]
async fn what_was_sent_arrives_even_if_the_link_is_dropped() {
    let (mut link, _owner, room) = connected(Limits::default()).await;
    let mut sent = 0;
    let stuck = Duration::from_millis(200);
    while timeout(stuck, link.outgoing.send(numbered(sent))).await.is_ok() {
        sent += 1;
    }
    drop(link);
    let arrived = rest(room).await;
    assert!(arrived.len() >= sent, "{} of {sent}", arrived.len());
    assert!(arrived.into_iter().enumerate().all(|(at, frame)| frame == numbered(at)));
}

#[tokio::test]
async fn closing_waits_for_what_was_not_flushed() {
    let (mut link, _owner, room) = connected(Limits::default()).await;
    let mut fed = 0;
    let stuck = Duration::from_millis(200);
    while timeout(stuck, link.outgoing.feed(numbered(fed))).await.is_ok() {
        fed += 1;
    }
    let closing = async {
        link.outgoing.close().await.unwrap();
        drop(link);
    };
    let ((), arrived) = tokio::join!(closing, rest(room));
    assert!(arrived.into_iter().eq((0..fed).map(numbered)));
}

#[tokio::test]
async fn dropping_the_link_ends_its_task_and_closes_the_socket() {
    let (link, _owner, mut room) = connected(Limits::default()).await;
    drop(link);
    let mut rest = vec![];
    let end = room.read_to_end(&mut rest).await;
    assert!(end.is_ok_and(|_| rest == b"\0\0\0\x02\x01x" || rest.is_empty()));
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_a_typed_error() {
    let (_owner, channels) = Channels::new([]);
    let error = Tcp::connect("no port at all").connect(channels).await.unwrap_err();
    assert!(matches!(error, TransportError::Connect(_)), "{error:?}");
}
