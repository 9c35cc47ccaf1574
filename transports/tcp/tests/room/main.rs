//! What a room does to those who misbehave, and that the others notice nothing.
//! Not the claims of every transport: see `conformance.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod harness;

use std::{net::TcpListener as StdListener, time::Duration};

use futures::{SinkExt, StreamExt, poll};
use harness::{Room, channels, next, on, talk, wire};
use stringphone_tcp::{DropReason, Limits, Tcp};
use stringphone_transport::{Transport, TransportError};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

#[tokio::test]
async fn garbage_is_put_out_and_counted_and_others_talk_on() {
    let mut room = Room::with(Limits::default()).await;
    let (mut a, mut b) = (room.client().await, room.client().await);
    let too_large = wire(&[on("x", vec![0; 65 * 1024 + 1])]);
    let garbage: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0, 0, 0, 0],
        b"\0\0\0\x02\x01\xff", // a channel that is not UTF-8
        b"\0\0\0\x02\0a",      // no channel
        &too_large,
    ];
    for (count, bytes) in (1..).zip(garbage) {
        let mut raw = room.raw().await;
        let _ = raw.0.write_all(bytes).await; // it may be put out before it is done
        raw.put_out().await;
        assert_eq!(room.stats.dropped(DropReason::Garbage), count);
        talk(&mut a, &mut b).await;
    }
    assert_eq!(room.stats.peers(), 2);
}

#[tokio::test]
async fn half_a_frame_is_put_out_even_if_it_drips_and_silence_between_frames_is_not() {
    let mut limits = Limits::default();
    limits.partial_frame = Duration::from_millis(100);
    let mut room = Room::with(limits).await;
    let mut listener = room.raw_on_x().await;

    let mut half = room.raw().await;
    half.send(&[0, 0]).await;
    half.put_out().await;
    assert_eq!(room.stats.dropped(DropReason::HalfFrame), 1);

    let mut dripping = room.raw().await;
    dripping.send(&[0, 0, 0x10, 0]).await;
    while dripping.0.write_all(&[1]).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(room.stats.dropped(DropReason::HalfFrame), 2);

    let frame = on("x", vec![1, 2, 3]);
    room.outgoing.send(frame.clone()).await.unwrap();
    let mut heard = vec![0; wire(std::slice::from_ref(&frame)).len()];
    tokio::io::AsyncReadExt::read_exact(&mut listener.0, &mut heard).await.unwrap();
    assert_eq!(heard, wire(&[frame]));
}

#[tokio::test]
async fn a_peer_that_never_reads_is_put_out_while_others_lose_nothing() {
    let mut room = Room::with(Limits::default()).await;
    let (mut a, mut b) = (room.client().await, room.client().await);
    let _deaf = room.raw_on_x().await;

    let mut sent = 0u32;
    while room.stats.dropped(DropReason::Unread) == 0 {
        let mut bytes = vec![0; 32 * 1024];
        bytes[..4].copy_from_slice(&sent.to_be_bytes());
        a.outgoing.send(on("x", bytes)).await.unwrap();
        assert_eq!(next(&mut b).await.bytes[..4], sent.to_be_bytes());
        sent += 1;
        // Its bound, and what the sockets take besides, is far below these 64 MiB.
        assert!(sent < 2048);
    }
    talk(&mut a, &mut b).await;
    assert_eq!(room.stats.peers(), 2);
}

#[tokio::test]
async fn a_peer_that_accepts_no_byte_for_too_long_is_put_out() {
    let mut limits = Limits::default();
    limits.write_stall = Duration::from_millis(100);
    limits.unread = usize::MAX;
    let mut room = Room::with(limits).await;
    let mut deaf = room.raw_on_x().await;
    for _ in 0..500 {
        room.outgoing.send(on("x", vec![0; 64 * 1024])).await.unwrap();
    }
    // The carrier's task lets the room's timers run; the peer reads only once it is out.
    while room.stats.dropped(DropReason::WriteStall) == 0 {
        tokio::task::yield_now().await;
    }
    deaf.put_out().await;
    assert_eq!(room.stats.peers(), 0);
}

#[tokio::test]
async fn a_peer_that_keeps_up_is_not_put_out_for_a_burst_many_times_its_bound() {
    let mut room = Room::with(Limits::default()).await;
    let mut client = room.client().await;
    let Room { outgoing, .. } = &mut room;
    let sending = async {
        for number in 0..512u32 {
            let mut bytes = vec![0; 64 * 1024];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            outgoing.send(on("x", bytes)).await.unwrap();
        }
    };
    let reading = async {
        for number in 0..512u32 {
            assert_eq!(next(&mut client).await.bytes[..4], number.to_be_bytes());
        }
    };
    futures::join!(sending, reading);
}

#[tokio::test]
async fn peers_over_the_limit_are_turned_away_and_a_place_that_is_left_is_free() {
    let mut limits = Limits::default();
    limits.peers = 2;
    let mut room = Room::with(limits).await;
    let (mut a, mut b) = (room.client().await, room.client().await);
    room.raw().await.put_out().await;
    assert_eq!(room.stats.dropped(DropReason::Full), 1);
    talk(&mut a, &mut b).await;

    a.outgoing.close().await.unwrap();
    while a.incoming.next().await.is_some() {}
    assert_eq!(room.stats.dropped(DropReason::Left), 1);
    let mut c = room.client().await;
    talk(&mut b, &mut c).await;
}

#[tokio::test]
async fn in_a_full_room_a_peer_that_has_sent_nothing_makes_place_for_one_that_comes() {
    let mut limits = Limits::default();
    limits.peers = 2;
    limits.partial_frame = Duration::ZERO;
    let mut room = Room::with(limits).await;
    let mut a = room.client().await;
    let mut silent = room.raw().await;
    let mut b = room.client().await;
    silent.put_out().await;
    assert_eq!(room.stats.dropped(DropReason::Mute), 1);
    talk(&mut a, &mut b).await;

    room.raw().await.put_out().await;
    assert_eq!(room.stats.dropped(DropReason::Full), 1);
    assert_eq!(room.stats.peers(), 2);
}

#[tokio::test]
async fn in_a_full_room_a_peer_has_time_to_say_something() {
    let mut limits = Limits::default();
    limits.peers = 1;
    let mut room = Room::with(limits).await;
    let mut late = room.raw().await;
    room.raw().await.put_out().await;
    assert_eq!(room.stats.dropped(DropReason::Full), 1);
    late.send(&wire(&[on("x", vec![1])])).await;
    assert_eq!(room.heard.recv().await.unwrap(), on("x", vec![1]));
}

#[tokio::test]
async fn closing_waits_for_all_that_waits_even_if_somebody_was_waited_for_already() {
    let mut room = Room::with(Limits::default()).await;
    let mut raw = room.raw_on_x().await;
    let frame = on("x", vec![7; 16 * 1024]);
    let mut sent = 0;
    loop {
        room.outgoing.feed(frame.clone()).await.unwrap();
        sent += 1;
        // Its task writes as much as the sockets take.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        if poll!(room.outgoing.flush()).is_pending() {
            break;
        }
    }
    // Nobody waits so long for a peer that has fallen behind, but closing does.
    let longer = Duration::from_millis(200);
    assert!(timeout(longer, room.outgoing.close()).await.is_err());
    let closing = async {
        room.outgoing.close().await.unwrap();
        drop(room);
    };
    let mut arrived = vec![];
    let ((), read) =
        tokio::join!(closing, tokio::io::AsyncReadExt::read_to_end(&mut raw.0, &mut arrived));
    read.unwrap();
    assert_eq!(arrived.len(), sent * wire(&[frame]).len());
}

#[tokio::test]
async fn a_peer_that_uses_too_many_channels_is_put_out() {
    let mut limits = Limits::default();
    limits.channels = 3;
    let mut room = Room::with(limits).await;
    let mut raw = room.raw().await;
    let frames: Vec<_> = ["1", "2", "3", "1", "4"].map(|channel| on(channel, vec![])).into();
    raw.send(&wire(&frames)).await;
    raw.put_out().await;
    assert_eq!(room.stats.dropped(DropReason::Channels), 1);
    room.client().await;
}

#[tokio::test]
async fn a_flood_that_the_carrier_does_not_read_leaves_the_others_their_way() {
    let mut room = Tcp::listen("127.0.0.1:0");
    let address = room.bind().await.unwrap();
    let (_owner, open) = channels(&["1st", "2nd", "3rd", "flood"]);
    let mut link = room.connect(open).await.unwrap();
    let mut clients = vec![];
    for ready in ["1st", "2nd", "3rd"] {
        let (_owner, open) = channels(&["x"]);
        let mut client = Tcp::connect(address.to_string()).connect(open).await.unwrap();
        client.outgoing.send(on(ready, vec![1])).await.unwrap();
        assert_eq!(next(&mut link).await, on(ready, vec![1]));
        clients.push(client);
    }
    let [flooder, a, b] = &mut clients[..] else { unreachable!() };

    // From here on the carrier reads nothing. The flood stands still once all bounds are reached.
    let flood = on("flood", vec![0; 16 * 1024]);
    let moment = Duration::from_millis(200);
    while timeout(moment, flooder.outgoing.send(flood.clone())).await.is_ok() {}
    talk(a, b).await;
}

#[tokio::test]
async fn only_channels_that_the_carrier_listens_to_reach_it() {
    let mut room = Room::with(Limits::default()).await;
    let mut raw = room.raw().await;
    raw.send(&wire(&[on("other", vec![1]), on("x", vec![]), on("x", vec![2])])).await;
    assert_eq!(room.heard.recv().await.unwrap(), on("x", vec![2]));
}

#[tokio::test]
async fn a_peer_hears_only_channels_that_it_has_used_and_never_itself() {
    let mut room = Room::with(Limits::default()).await;
    let mut client = room.client().await;
    room.outgoing.send(on("other", vec![1])).await.unwrap();
    client.outgoing.send(on("x", vec![2])).await.unwrap();
    assert_eq!(room.heard.recv().await.unwrap(), on("x", vec![2]));
    room.outgoing.send(on("x", vec![3])).await.unwrap();
    assert_eq!(next(&mut client).await, on("x", vec![3]));
}

#[tokio::test]
async fn leaving_and_coming_again_does_not_get_around_the_bounds() {
    let mut limits = Limits::default();
    limits.peers = 1;
    let mut room = Tcp::listen("127.0.0.1:0").limits(limits);
    let (address, stats) = (room.bind().await.unwrap(), room.stats());
    let (_owner, open) = channels(&["x"]);
    let mut link = room.connect(open).await.unwrap();

    let mut first = harness::Raw(TcpStream::connect(address).await.unwrap());
    first.send(&wire(&[on("x", vec![1]), on("x", vec![2])])).await;
    assert_eq!(next(&mut link).await, on("x", vec![1]));
    first.0.shutdown().await.unwrap();
    first.put_out().await;
    assert_eq!(stats.peers(), 0);

    // Its second frame still waits for the carrier, and holds its place.
    let mut second = harness::Raw(TcpStream::connect(address).await.unwrap());
    assert_eq!(next(&mut link).await, on("x", vec![2]));
    assert!(poll!(link.incoming.next()).is_pending());
    second.put_out().await;
    assert_eq!(stats.dropped(DropReason::Full), 1);
}

#[tokio::test]
async fn a_room_that_is_dropped_frees_its_port_at_once_and_clients_come_back() {
    let mut room = Tcp::listen("127.0.0.1:0");
    let address = room.bind().await.unwrap();
    let (_owner, open) = channels(&["x"]);
    let mut link = room.connect(open.clone()).await.unwrap();
    let mut transport = Tcp::connect(address.to_string());
    let mut client = transport.connect(open.clone()).await.unwrap();
    client.outgoing.send(on("x", vec![1])).await.unwrap();
    assert_eq!(next(&mut link).await, on("x", vec![1]));

    drop(link);
    drop(room);
    drop(StdListener::bind(address).unwrap());
    while client.incoming.next().await.is_some() {}
    let refused = transport.connect(open.clone()).await;
    assert!(matches!(refused, Err(TransportError::Connect(_))), "{refused:?}");

    let mut room = Tcp::listen(address.to_string());
    let mut link = room.connect(open.clone()).await.unwrap();
    let mut client = transport.connect(open).await.unwrap();
    client.outgoing.send(on("x", vec![2])).await.unwrap();
    assert_eq!(next(&mut link).await, on("x", vec![2]));
}

#[tokio::test]
async fn a_room_on_any_port_keeps_its_port_when_it_is_connected_again() {
    let mut room = Tcp::listen("127.0.0.1:0");
    let address = room.bind().await.unwrap();
    let (_owner, open) = channels(&["x"]);
    drop(room.connect(open.clone()).await.unwrap());
    let _link = room.connect(open.clone()).await.unwrap();
    Tcp::connect(address.to_string()).connect(open).await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_a_typed_error() {
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    let (_owner, open) = channels(&[]);
    let address = taken.local_addr().unwrap().to_string();
    let refused = Tcp::listen(address).connect(open).await;
    assert!(matches!(refused, Err(TransportError::Connect(_))), "{refused:?}");
}
