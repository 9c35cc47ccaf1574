//! What a room does to those who misbehave, and that the others notice nothing.
//! Not what every room does, whatever is spoken there: see the tests of TCP.

use std::{future::Future, net::SocketAddr, time::Duration};

use futures::{SinkExt, StreamExt};
use stringphone_transport::{ChannelName, Channels, Frame, Link, Transport};
use stringphone_websocket::{DropReason, Limits, RoomStats, WebSocket};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    room::{MAX_FRAME, message},
    wire::on,
};

/// A room that is up, and whose carrier drops every frame.
struct Listening {
    address: SocketAddr,
    stats: RoomStats,
    _carrier: AbortOnDropHandle<()>,
}

impl Listening {
    async fn with(limits: Limits) -> Self {
        let mut room = WebSocket::listen("127.0.0.1:0").limits(limits);
        let (address, stats) = (room.bind().await.unwrap(), room.stats());
        let _carrier = AbortOnDropHandle::new(tokio::spawn(async move {
            let (_owner, channels) = Channels::new([]);
            let mut link = room.connect(channels).await.unwrap();
            while link.incoming.next().await.is_some() {}
        }));
        Self { address, stats, _carrier }
    }

    async fn client(&self) -> Client {
        let (_owner, channels) = Channels::new([ChannelName::try_from("x").unwrap()]);
        let link = WebSocket::connect(self.address).connect(channels).await.unwrap();
        Client(link)
    }

    /// Two clients that hear each other.
    async fn two(&self) -> [Client; 2] {
        let mut two = [self.client().await, self.client().await];
        // A frame comes back to the first once the second is heard on its channel.
        let [first, second] = &mut two;
        while timeout(Duration::from_millis(20), first.0.incoming.next()).await.is_err() {
            second.0.outgoing.send(on("x", "there?")).await.unwrap();
        }
        while timeout(Duration::from_millis(20), first.0.incoming.next()).await.is_ok() {}
        talk(&mut two).await;
        two
    }

    /// A connection without its handshake.
    async fn raw(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A peer that speaks messages.
    async fn peer(&self) -> WebSocketStream<TcpStream> {
        let (socket, _) = client_async("ws://room/", self.raw().await).await.unwrap();
        socket
    }

    async fn dropped(&self, reason: DropReason, count: u64) {
        let counted = async {
            while self.stats.dropped(reason) < count {
                sleep(Duration::from_millis(1)).await; // a counter tells nobody
            }
        };
        let _ = timeout(Duration::from_secs(10), counted).await;
        assert_eq!(self.stats.dropped(reason), count);
    }
}

struct Client(Link);

impl Client {
    async fn next(&mut self) -> Frame {
        soon(self.0.incoming.next()).await.unwrap().unwrap()
    }
}

async fn talk([first, second]: &mut [Client; 2]) {
    first.0.outgoing.send(on("x", "from the first")).await.unwrap();
    assert_eq!(second.next().await, on("x", "from the first"));
    second.0.outgoing.send(on("x", "from the second")).await.unwrap();
    assert_eq!(first.next().await, on("x", "from the second"));
}

/// Waits until the room closes the connection, whatever it sends before.
async fn put_out(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    soon(async { while let Ok(1..) = stream.read(&mut bytes).await {} }).await;
}

async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(100), event).await.expect("nothing happens")
}

#[tokio::test]
async fn garbage_is_put_out_and_counted_and_others_talk_on() {
    let room = Listening::with(Limits::default()).await;
    let mut others = room.two().await;
    let too_large = [&b"\x01x"[..], &vec![7; MAX_FRAME + 1]].concat();
    let garbage = [
        Message::text("\x01xhello"),
        Message::binary(vec![]),
        Message::binary(&b"\x09x"[..]),
        Message::binary(&b"\x00hello"[..]), // no channel
        Message::binary(too_large),
        Message::binary(vec![0; 2 * MAX_FRAME]),
    ];
    for (count, garbage) in (1..).zip(garbage) {
        let mut peer = room.peer().await;
        let _ = peer.send(garbage).await; // it may be put out before it is done
        put_out(peer.into_inner()).await;
        room.dropped(DropReason::Garbage, count).await;
        talk(&mut others).await;
    }
    assert_eq!(room.stats.peers(), 2);
}

#[tokio::test]
async fn what_is_no_handshake_is_put_out_as_garbage() {
    let room = Listening::with(Limits::default()).await;
    let requests: [&[u8]; 3] = [
        b"POST / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: room\r\n\r\n",
        b"\0\0\0\x07\x01xhello",
    ];
    for (count, request) in (1..).zip(requests) {
        let mut raw = room.raw().await;
        raw.write_all(request).await.unwrap();
        put_out(raw).await;
        room.dropped(DropReason::Garbage, count).await;
    }
}

#[tokio::test]
async fn a_peer_that_never_reads_is_put_out_while_others_lose_nothing() {
    let room = Listening::with(Limits::default()).await;
    let [mut first, mut second] = room.two().await;
    let mut deaf = room.peer().await;
    deaf.send(message(&on("x", ""))).await.unwrap();

    let mut sent = 0u32;
    while room.stats.dropped(DropReason::Unread) == 0 {
        let mut bytes = vec![0; 32 * 1024];
        bytes[..4].copy_from_slice(&sent.to_be_bytes());
        first.0.outgoing.send(on("x", bytes)).await.unwrap();
        assert_eq!(second.next().await.bytes[..4], sent.to_be_bytes());
        sent += 1;
        // Its bound, and what the sockets take besides, is far below these 64 MiB.
        assert!(sent < 2048);
    }
    talk(&mut [first, second]).await;
    assert_eq!(room.stats.peers(), 2);
}

#[tokio::test]
async fn a_peer_that_accepts_no_byte_for_too_long_is_put_out() {
    let mut limits = Limits::default();
    limits.write_stall = Duration::from_millis(100);
    limits.unread = usize::MAX;
    let room = Listening::with(limits).await;
    let mut deaf = room.peer().await;
    deaf.send(message(&on("x", ""))).await.unwrap();
    let mut client = room.client().await;
    for _ in 0..500 {
        client.0.outgoing.send(on("x", vec![0; 64 * 1024])).await.unwrap();
    }
    room.dropped(DropReason::WriteStall, 1).await;
    put_out(deaf.into_inner()).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_handshake_is_closed_after_its_limit_and_its_place_is_free() {
    let mut limits = Limits::default();
    limits.peers = 1;
    // No other peer takes its place before.
    limits.partial_frame = Duration::from_secs(3600);
    let room = Listening::with(limits).await;
    let begun: [&[u8]; 2] = [b"", b"GET / HTTP/1.1\r\n"];
    for (count, begun) in (1..).zip(begun) {
        let start = Instant::now();
        let mut raw = room.raw().await;
        raw.write_all(begun).await.unwrap();
        // A second one finds the room full.
        put_out(room.raw().await).await;
        assert_eq!(room.stats.dropped(DropReason::Full), count);
        put_out(raw).await;
        assert_eq!(start.elapsed().as_secs(), limits.connect.as_secs());
        room.dropped(DropReason::HalfFrame, count).await;
    }
    let _peer = room.peer().await;
}

#[tokio::test]
async fn in_a_full_room_those_who_have_sent_no_frame_make_place_with_and_without_a_handshake() {
    let mut limits = Limits::default();
    limits.peers = 2;
    limits.partial_frame = Duration::ZERO;
    let room = Listening::with(limits).await;
    let (silent, mut polite) = (room.raw().await, room.peer().await);
    polite.send(Message::Ping("there?".into())).await.unwrap();
    while !polite.next().await.unwrap().unwrap().is_pong() {}

    let _two = room.two().await;
    room.dropped(DropReason::Mute, 2).await;
    put_out(silent).await;
    put_out(polite.into_inner()).await;
    put_out(room.raw().await).await;
    room.dropped(DropReason::Full, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_asked_every_half_minute_and_stays() {
    let room = Listening::with(Limits::default()).await;
    let mut peer = room.peer().await;
    let start = Instant::now();
    for number in 1..=20 {
        // The library answers.
        while !peer.next().await.unwrap().unwrap().is_ping() {}
        assert_eq!(start.elapsed().as_secs(), number * 30);
    }
    assert_eq!(room.stats.peers(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_no_ping_is_put_out_after_a_minute() {
    for half_a_message in [&[][..], &[0x82, 0x8a, 1]] {
        let room = Listening::with(Limits::default()).await;
        let mut stream = room.peer().await.into_inner();
        let start = Instant::now();
        stream.write_all(half_a_message).await.unwrap();
        put_out(stream).await;
        assert_eq!(start.elapsed().as_secs(), 60);
        room.dropped(DropReason::WriteStall, 1).await;
    }
}

#[tokio::test]
async fn a_peer_that_says_good_bye_is_answered_and_has_left() {
    let room = Listening::with(Limits::default()).await;
    let mut peer = room.peer().await;
    peer.close(None).await.unwrap();
    assert!(soon(peer.next()).await.unwrap().unwrap().is_close());
    room.dropped(DropReason::Left, 1).await;
}
