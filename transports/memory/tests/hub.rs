//! What a hub promises beyond the claims of the conformance suite.
//! Not those claims: see `conformance.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::{task::Poll, time::Duration};

use futures::{SinkExt, StreamExt, poll};
use stringphone_memory::{Hub, Limits};
use stringphone_transport::TransportError;
use stringphone_transport::{ChannelName, Channels, ChannelsOwner, Frame, Link, Transport};

fn name(name: &str) -> ChannelName {
    name.try_into().unwrap()
}

async fn link(hub: &Hub, port: &str, channels: &[&str]) -> (Link, ChannelsOwner) {
    let (owner, channels) = Channels::new(channels.iter().map(|channel| name(channel)));
    (hub.port(port).connect(channels).await.unwrap(), owner)
}

async fn next(link: &mut Link) -> Frame {
    link.incoming.next().await.unwrap().unwrap()
}

#[tokio::test]
async fn all_other_listeners_hear_and_the_sender_does_not() {
    let hub = Hub::new();
    let (mut a, _a) = link(&hub, "a", &["x"]).await;
    let (mut b, _b) = link(&hub, "b", &["x"]).await;
    let (mut c, _c) = link(&hub, "c", &["x", "y"]).await;
    let (mut deaf, _deaf) = link(&hub, "deaf", &["y"]).await;

    let frame = Frame::on(name("x"), vec![1]);
    a.outgoing.send(frame.clone()).await.unwrap();
    assert_eq!(next(&mut b).await, frame);
    assert_eq!(next(&mut c).await, frame);
    assert!(poll!(a.incoming.next()).is_pending());
    assert!(poll!(deaf.incoming.next()).is_pending());
}

#[tokio::test]
async fn a_sender_waits_for_the_slowest_listener_and_loses_nothing() {
    let hub = Hub::with(Limits::default().queue(4));
    let (mut sender, _s) = link(&hub, "sender", &[]).await;
    let (mut fast, _f) = link(&hub, "fast", &["x"]).await;
    let (mut slow, _l) = link(&hub, "slow", &["x"]).await;

    let sending = tokio::spawn(async move {
        for number in 0..100u8 {
            sender.outgoing.send(Frame::on(name("x"), vec![number])).await.unwrap();
        }
    });
    // The queue of the slow one holds four, and the fifth waits for it.
    for number in 0..5 {
        assert_eq!(next(&mut fast).await.bytes[..], [number]);
    }
    assert!(poll!(fast.incoming.next()).is_pending());
    assert!(!sending.is_finished());
    for number in 0..100 {
        assert_eq!(next(&mut slow).await.bytes[..], [number]);
        if number >= 5 {
            assert_eq!(next(&mut fast).await.bytes[..], [number]);
        }
    }
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_port_holds_nobody() {
    let hub = Hub::with(Limits::default().queue(1));
    let (mut sender, _s) = link(&hub, "sender", &[]).await;
    let (full, _f) = link(&hub, "full", &["x"]).await;
    sender.outgoing.send(Frame::on(name("x"), vec![1])).await.unwrap();

    let mut stuck = sender.outgoing.send(Frame::on(name("x"), vec![2]));
    assert!(poll!(&mut stuck).is_pending());
    drop(full);
    tokio::time::timeout(Duration::from_secs(1), stuck).await.unwrap().unwrap();
    assert_eq!(hub.connected(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_disconnected_link_ends_in_both_directions_even_while_it_waits() {
    let hub = Hub::with(Limits::default().queue(1));
    let (mut sender, _s) = link(&hub, "sender", &[]).await;
    let (mut other, _o) = link(&hub, "other", &["x"]).await;
    sender.outgoing.send(Frame::on(name("x"), vec![1])).await.unwrap();
    let mut stuck = sender.outgoing.send(Frame::on(name("x"), vec![2]));
    assert!(poll!(&mut stuck).is_pending());

    hub.disconnect("sender");
    let stuck = tokio::time::timeout(Duration::from_secs(1), stuck).await.unwrap();
    assert!(matches!(stuck, Err(TransportError::Closed)));
    assert!(matches!(sender.incoming.next().await, Some(Err(TransportError::Closed))));
    assert!(sender.incoming.next().await.is_none());
    assert_eq!(next(&mut other).await.bytes[..], [1]);

    hub.disconnect_all();
    assert!(matches!(other.incoming.next().await, Some(Err(TransportError::Closed))));
    assert_eq!(hub.connected(), 0);
}

#[tokio::test]
async fn connecting_again_takes_the_former_link_down() {
    let hub = Hub::new();
    let (_owner, channels) = Channels::new([name("x")]);
    let mut port = hub.port("a");
    let mut former = port.connect(channels.clone()).await.unwrap();
    let _link = port.connect(channels).await.unwrap();
    assert!(matches!(former.incoming.next().await, Some(Err(TransportError::Closed))));
    assert_eq!(hub.connected(), 1);
}

#[tokio::test]
async fn a_channel_that_closes_is_heard_no_more_even_under_load() {
    let hub = Hub::new();
    let (mut sender, _s) = link(&hub, "sender", &[]).await;
    let (mut listener, channels) = link(&hub, "listener", &["x", "y"]).await;
    let frame = |channel| Frame::on(name(channel), vec![1]);
    for _ in 0..3 {
        sender.outgoing.send(frame("y")).await.unwrap();
    }
    channels.close(&name("x"));
    assert_eq!(next(&mut listener).await, frame("y"));
    sender.outgoing.send(frame("x")).await.unwrap();
    assert_eq!(next(&mut listener).await, frame("y"));
    assert_eq!(next(&mut listener).await, frame("y"));
    assert!(poll!(listener.incoming.next()).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_is_woken_by_a_frame_on_a_channel_opened_later() {
    let hub = Hub::new();
    let (mut sender, _s) = link(&hub, "sender", &[]).await;
    let (mut listener, channels) = link(&hub, "listener", &[]).await;
    let reading = tokio::spawn(async move { next(&mut listener).await });
    tokio::task::yield_now().await;

    channels.open(name("late"));
    tokio::task::yield_now().await;
    sender.outgoing.send(Frame::on(name("late"), vec![7])).await.unwrap();
    let frame = tokio::time::timeout(Duration::from_secs(1), reading).await.unwrap().unwrap();
    assert_eq!(frame.bytes[..], [7]);
}

#[tokio::test]
async fn a_flood_leaves_turns_to_other_tasks() {
    let hub = Hub::new();
    let (mut sender, _s) = link(&hub, "sender", &[]).await;
    let (mut listener, _l) = link(&hub, "listener", &["x"]).await;
    for _ in 0..1000 {
        sender.outgoing.send(Frame::on(name("x"), vec![1])).await.unwrap();
    }
    // A task that reads all it can in one go is stopped by the runtime's budget.
    let read = tokio::spawn(async move {
        let mut read = 0;
        while let Poll::Ready(Some(_)) = poll!(listener.incoming.next()) {
            read += 1;
        }
        read
    });
    assert!(read.await.unwrap() < 1000);
}
