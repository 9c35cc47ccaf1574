//! What a stream adds: nothing is missed by those who were away, and nothing arrives twice.
//! Not the claims of every transport: see `conformance.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod end;

use std::{collections::BTreeSet, time::Duration};

use async_nats::jetstream::{
    self,
    consumer::{Consumer, pull},
};
use end::{End, LIMIT, numbered};
use futures::{
    SinkExt, StreamExt,
    future::{self, Either},
};
use stringphone_nats::{JetStream, Nats};
use stringphone_servers::nats;
use stringphone_transport::{Channels, Transport, TransportError};
use tokio::time::{Instant, timeout};

fn transport(server: &nats::Nats, durable: &str) -> Nats {
    Nats::connect(server.address()).jetstream(JetStream::new("HOME", durable))
}

async fn end(server: &nats::Nats, durable: &str) -> End {
    End::up(transport(server, durable)).await
}

#[tokio::test]
async fn what_was_published_while_a_device_was_away_arrives_once_and_in_order() {
    let server = nats::Nats::with_jetstream();
    let mut gateway = end(&server, "gateway").await;
    let mut lamp = end(&server, "lamp").await;
    gateway.send(0..10).await.unwrap();
    assert_eq!(lamp.until(9).await, Vec::from_iter(0..10));
    // It is polled once more, so all of it is acknowledged.
    assert!(timeout(Duration::from_millis(50), lamp.link.incoming.next()).await.is_err());
    drop(lamp);

    gateway.send(10..1000).await.unwrap();
    let mut lamp = end(&server, "lamp").await;
    gateway.send(1000..1010).await.unwrap();
    assert_eq!(lamp.until(1009).await, Vec::from_iter(10..1010));
}

#[tokio::test]
async fn what_was_under_way_when_a_device_died_arrives_before_what_is_newer() {
    let server = nats::Nats::with_jetstream();
    let mut gateway = end(&server, "gateway").await;
    let mut lamp = end(&server, "lamp").await;
    gateway.send(0..300).await.unwrap();
    assert_eq!(lamp.until(99).await, Vec::from_iter(0..100));
    drop(lamp);

    gateway.send(300..400).await.unwrap();
    let mut lamp = end(&server, "lamp").await;
    let again = lamp.until(399).await;
    assert!((1..=100).contains(&again[0]), "from {} on", again[0]);
    assert_eq!(again, Vec::from_iter(again[0]..400));
}

#[tokio::test]
async fn a_transport_that_connects_again_hears_nothing_twice() {
    let server = nats::Nats::with_jetstream();
    let mut gateway = end(&server, "gateway").await;
    let mut lamp = end(&server, "lamp").await;
    gateway.send(0..300).await.unwrap();
    let mut heard = vec![];
    for last in [0, 1, 70, 130, 299] {
        heard.append(&mut lamp.until(last).await);
        lamp = lamp.reconnect().await;
    }
    gateway.send(300..301).await.unwrap();
    heard.append(&mut lamp.until(300).await);
    assert_eq!(heard, Vec::from_iter(0..301));
}

#[tokio::test]
async fn nobody_hears_its_own_frames_even_after_a_restart() {
    let server = nats::Nats::with_jetstream();
    let mut gateway = end(&server, "gateway").await;
    let mut lamp = end(&server, "lamp").await;
    lamp.send(0..100).await.unwrap();
    assert_eq!(gateway.until(99).await, Vec::from_iter(0..100));
    drop(lamp);
    let mut lamp = end(&server, "lamp").await;
    gateway.send(100..101).await.unwrap();
    assert_eq!(lamp.next().await.unwrap(), 100);
}

#[tokio::test]
async fn a_fresh_durable_name_begins_at_now_or_at_the_start() {
    let server = nats::Nats::with_jetstream();
    let mut gateway = end(&server, "gateway").await;
    gateway.send(0..10).await.unwrap();
    let jetstream = JetStream::new("HOME", "archive").from_start();
    let mut archive = End::up(Nats::connect(server.address()).jetstream(jetstream)).await;
    let mut lamp = end(&server, "lamp").await;
    gateway.send(10..11).await.unwrap();
    assert_eq!(archive.until(10).await, Vec::from_iter(0..11));
    assert_eq!(lamp.next().await.unwrap(), 10);
}

#[tokio::test]
async fn core_links_and_streams_meet_on_one_prefix() {
    let server = nats::Nats::with_jetstream();
    let mut lamp = end(&server, "lamp").await;
    let mut phone = End::up(Nats::connect(server.address())).await;
    phone.send(0..10).await.unwrap();
    assert_eq!(lamp.until(9).await, Vec::from_iter(0..10));
    lamp.send(10..20).await.unwrap();
    assert_eq!(phone.until(19).await, Vec::from_iter(10..20));
}

#[tokio::test]
async fn of_two_with_one_durable_name_the_former_loses_its_link() {
    let server = nats::Nats::with_jetstream();
    let mut gateway = end(&server, "gateway").await;
    let mut first = end(&server, "lamp").await;
    gateway.send([0]).await.unwrap();
    assert_eq!(first.next().await.unwrap(), 0);
    let _second = end(&server, "lamp").await;
    let error = first.next().await.unwrap_err();
    assert!(!error.link_goes_on(), "{error}");
}

#[tokio::test]
async fn what_somebody_else_took_under_the_same_name_is_not_skipped_in_silence() {
    let server = nats::Nats::with_jetstream();
    let mut gateway = end(&server, "gateway").await;
    let mut lamp = end(&server, "lamp").await;
    gateway.send([0]).await.unwrap();
    assert_eq!(lamp.next().await.unwrap(), 0);
    let context = jetstream::new(async_nats::connect(server.address()).await.unwrap());
    let name = "lamp~green=2Ehouse=20=3D=20100=25";
    let thief: Consumer<pull::Config> =
        context.get_consumer_from_stream(name, "HOME").await.unwrap();
    let mut stolen = thief.messages().await.unwrap();
    let sending = async {
        loop {
            gateway.send([1]).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let stealing = async { while stolen.next().await.unwrap().is_ok() {} };
    let link = async { while lamp.next().await.is_ok() {} };
    let meddling = future::select(Box::pin(sending), Box::pin(stealing));
    let ended = future::select(Box::pin(link), meddling);
    assert!(matches!(timeout(LIMIT, ended).await, Ok(Either::Left(_))), "the link goes on");
}

#[tokio::test]
async fn nothing_that_was_flushed_is_lost_when_the_server_is_killed_and_nothing_comes_twice() {
    const NUMBERS: u32 = 3000;
    let mut server = nats::Nats::with_jetstream();
    let mut gateway = end(&server, "gateway").await;
    let mut lamp = end(&server, "lamp").await;
    let sending = async {
        let mut flushed = BTreeSet::new();
        for batch in 0..NUMBERS / 10 {
            let numbers = batch * 10..(batch + 1) * 10;
            match gateway.send(numbers.clone()).await {
                Ok(()) => flushed.extend(numbers),
                Err(_) => gateway = gateway.reconnect().await,
            }
        }
        while gateway.send([NUMBERS]).await.is_err() {
            gateway = gateway.reconnect().await;
        }
        flushed
    };
    let receiving = async {
        let mut heard = vec![];
        let mut restarts = vec![1500, 1000, 500];
        while heard.last() != Some(&NUMBERS) {
            match lamp.next().await {
                Ok(number) => heard.push(number),
                Err(_) => lamp = lamp.reconnect().await,
            }
            if restarts.pop_if(|after| heard.len() >= *after).is_some() {
                server.restart();
            }
        }
        heard
    };
    let (flushed, heard) = timeout(3 * LIMIT, future::join(sending, receiving)).await.unwrap();
    assert!(heard.is_sorted_by(|a, b| a < b), "in order, and nothing twice");
    let heard = BTreeSet::from_iter(heard);
    assert_eq!(flushed.difference(&heard).count(), 0);
    assert!(flushed.len() > NUMBERS as usize / 2, "{}", flushed.len());
}

#[tokio::test]
async fn a_stream_that_does_not_take_the_frames_ends_the_link() {
    let server = nats::Nats::with_jetstream();
    let _elsewhere = end(&server, "lamp").await;
    let jetstream = JetStream::new("HOME", "phone");
    let mut transport = Nats::connect(server.address()).prefix("elsewhere").jetstream(jetstream);
    let (_owner, channels) = Channels::new([]);
    let mut link = transport.connect(channels).await.unwrap();
    let error = link.outgoing.send(numbered(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "the link is down: no stream takes this subject");
}

#[tokio::test]
async fn a_server_without_streams_is_an_error_in_time() {
    let server = nats::Nats::start();
    let (_owner, channels) = Channels::new([]);
    let connecting = transport(&server, "lamp").connect(channels).await.map(drop);
    assert!(matches!(connecting, Err(TransportError::Other(_))), "{connecting:?}");
}

#[tokio::test]
async fn a_reader_that_takes_its_time_loses_nothing() {
    let server = nats::Nats::with_jetstream();
    let mut gateway = end(&server, "gateway").await;
    let mut lamp = end(&server, "lamp").await;
    gateway.send(0..5000).await.unwrap();
    assert_eq!(lamp.until(4999).await, Vec::from_iter(0..5000));
}

#[tokio::test]
async fn a_node_of_three_can_die_and_frames_go_on() {
    let start = Instant::now();
    let mut nodes = tokio::task::spawn_blocking(|| nats::Nats::cluster(3)).await.unwrap();
    let transport = |node: &nats::Nats, durable| {
        let jetstream = JetStream::new("HOME", durable).replicas(3);
        let ping = Duration::from_millis(500);
        Nats::connect(node.address()).jetstream(jetstream).ping_every(ping)
    };
    let mut gateway = End::elected(transport(&nodes[0], "gateway")).await;
    let mut lamp = End::elected(transport(&nodes[1], "lamp")).await;
    gateway.send(0..100).await.unwrap();
    assert_eq!(lamp.until(99).await, Vec::from_iter(0..100));

    nodes[1].kill();
    for number in 100..200 {
        while gateway.send([number]).await.is_err() {
            gateway = gateway.reconnect().await;
        }
    }
    let mut heard = vec![];
    while heard.last() != Some(&199) {
        match lamp.next().await {
            Ok(number) => heard.push(number),
            Err(_) => lamp = lamp.reconnect().await,
        }
    }
    // A frame without an answer was sent again, so it may be there twice; none is missing.
    heard.dedup();
    assert_eq!(heard, Vec::from_iter(100..200));
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
}
