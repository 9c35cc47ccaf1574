//! How links come up and end, who gets in, and what a reader is told that is too slow.
//! Not what a stream keeps: see `jetstream.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod end;

use std::time::Duration;

use end::{End, LIMIT, channel, number, numbered};
use futures::{SinkExt, StreamExt};
use stringphone_nats::{JetStream, Nats};
use stringphone_servers::nats::{self, Settings};
use stringphone_transport::{
    Channels, Transport, TransportError,
    address::{Address, FromAddress},
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout},
};

/// Both modes on one server with streams.
fn both(server: &nats::Nats) -> [Nats; 2] {
    let core = Nats::connect(server.address());
    [core, Nats::connect(server.address()).jetstream(JetStream::new("HOME", "lamp"))]
}

#[tokio::test]
async fn a_frozen_server_is_found_by_both_halves() {
    let server = nats::Nats::with_jetstream();
    for transport in both(&server) {
        let mut end = End::up(transport.ping_every(Duration::from_millis(200))).await;
        server.freeze();
        let frozen = Instant::now();
        assert!(!end.next().await.unwrap_err().link_goes_on());
        assert!(!end.send([1]).await.unwrap_err().link_goes_on());
        assert!(frozen.elapsed() < Duration::from_secs(5), "{:?}", frozen.elapsed());
        server.thaw();
    }
}

#[tokio::test]
async fn a_killed_server_ends_the_link_and_the_link_stays_down() {
    let mut server = nats::Nats::with_jetstream();
    for transport in both(&server) {
        let mut end = End::up(transport).await;
        end.send([1]).await.unwrap();
        server.restart();
        assert!(!end.next().await.unwrap_err().link_goes_on());
        assert!(end.link.incoming.next().await.is_none());
        assert!(end.send([2]).await.is_err(), "nothing is kept for a connection to come");
    }
}

#[tokio::test]
async fn a_dropped_link_leaves_no_task_behind() {
    let server = nats::Nats::with_jetstream();
    let before = Handle::current().metrics().num_alive_tasks();
    for transport in both(&server) {
        let mut end = End::up(transport).await;
        end.send([1]).await.unwrap();
        assert!(Handle::current().metrics().num_alive_tasks() > before);
        drop(end);
        let gone = async {
            while Handle::current().metrics().num_alive_tasks() > before {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, gone).await.expect("they end");
    }
}

#[tokio::test]
async fn a_core_reader_that_is_too_slow_is_told_of_lost_frames() {
    let server = nats::Nats::start();
    let mut slow = End::up(Nats::connect(server.address())).await;
    let mut fast = End::up(Nats::connect(server.address())).await;
    for start in (0..5000).step_by(100) {
        fast.send(start..start + 100).await.unwrap();
        // The connection reads what its reader does not.
        tokio::task::yield_now().await;
    }
    let (mut heard, mut lost) = (0, 0);
    fast.send([5000]).await.unwrap();
    let reading = async {
        let mut last = false;
        while !last || lost == 0 {
            match slow.link.incoming.next().await.unwrap() {
                Ok(frame) => {
                    heard += 1;
                    last |= number(&frame) == 5000;
                }
                Err(TransportError::Malformed { dropped, .. }) => lost += dropped,
                Err(error) => panic!("{error}"),
            }
            if !last {
                fast.send([5000]).await.unwrap();
            }
        }
    };
    timeout(LIMIT, reading).await.expect("it is told");
    assert!(heard >= 1024 && lost > 0, "{heard} heard, {lost} lost");
}

#[tokio::test]
async fn a_server_that_takes_less_than_the_facts_say_makes_frames_too_large() {
    let server = Settings::default().with_jetstream().with_max_payload(1024).start();
    for transport in both(&server) {
        let mut end = End::up(transport).await;
        let frame = |len| stringphone_transport::Frame::on(channel(), vec![7; len]);
        let Err(TransportError::TooLarge { max, .. }) = end.link.outgoing.send(frame(1025)).await
        else {
            panic!("refused");
        };
        end.link.outgoing.send(frame(max)).await.unwrap();
        assert!((900..=1024).contains(&max), "{max}");
    }
}

#[tokio::test]
async fn a_subject_that_is_not_allowed_ends_the_link_with_the_words_of_the_server() {
    let permissions = "permissions: { publish: \"other.>\", subscribe: \">\" }";
    let server = Settings::default().with_user("lamp", "s3cret", permissions).start();
    let transport = Nats::connect(server.address()).user("lamp", "s3cret".to_owned().into());
    let mut end = End::up(transport).await;
    end.link.outgoing.send(numbered(1)).await.unwrap();
    let error = end.next().await.unwrap_err().to_string();
    assert!(error.to_lowercase().contains("permissions violation"), "{error}");
}

#[tokio::test]
async fn the_permissions_that_the_page_on_scaling_names_are_enough() {
    let permissions = r#"permissions: {
        publish: [ "stringphone.>", "$JS.API.STREAM.INFO.HOME", "$JS.API.STREAM.CREATE.HOME",
            "$JS.API.CONSUMER.>", "$JS.ACK.>" ]
        subscribe: [ "stringphone.>", "_INBOX.>" ] }"#;
    let server = Settings::default().with_jetstream().with_user("a", "b", permissions).start();
    let login = |transport: Nats| transport.user("a", "b".to_owned().into());
    let [core, durable] = both(&server).map(login);
    let (mut core, mut durable) = (End::up(core).await, End::up(durable).await);
    core.send([1]).await.unwrap();
    assert_eq!(durable.next().await.unwrap(), 1);
    durable.send([2]).await.unwrap();
    assert_eq!(core.next().await.unwrap(), 2);
    // What is under way makes the consumer anew, which takes more of the server.
    core.send([3, 4]).await.unwrap();
    assert_eq!(durable.next().await.unwrap(), 3);
    assert_eq!(durable.reconnect().await.next().await.unwrap(), 4);
}

#[tokio::test]
async fn who_has_no_password_stays_outside_and_a_password_is_shown_nowhere() {
    const SECRET: &str = "correct-horse";
    let server = Settings::default().with_password("lamp", SECRET).start();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{SECRET}\n")).unwrap();
    let (address, file) = (server.address(), file.path().display());
    let mut right: Address = format!("nats://lamp@{address}?password-file={file}").parse().unwrap();
    let right = Nats::from_address(&mut right).unwrap();
    assert!(!format!("{right:?} {:?}", right.facts()).contains(SECRET));
    End::up(right).await.send([1]).await.unwrap();

    let wrong = Nats::connect(&address).user("lamp", format!("{SECRET}-not").into());
    for mut outsider in [Nats::connect(&address), wrong] {
        let (_owner, channels) = Channels::new([]);
        let error = outsider.connect(channels).await.unwrap_err();
        let TransportError::Connect(error) = error else { panic!("{error}") };
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        assert!(!format!("{error} {error:?}").contains(SECRET));
    }
}

#[tokio::test]
async fn a_token_lets_in() {
    let server = Settings::default().with_token("open-sesame").start();
    let transport = Nats::connect(server.address()).token("open-sesame".to_owned().into());
    End::up(transport).await.send([1]).await.unwrap();
}

#[tokio::test]
async fn of_several_servers_one_that_is_up_is_enough() {
    let server = nats::Nats::start();
    let nobody = format!("127.0.0.1:{}", stringphone_servers::free_port());
    for _ in 0..4 {
        let transport = Nats::connect(nobody.as_str()).or(server.address()).or(nobody.as_str());
        End::up(transport).await.send([1]).await.unwrap();
    }
}

#[tokio::test]
async fn certificates_let_in_and_only_with_a_server_that_the_authority_vouches_for() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");
    let server = Settings::default().with_tls(folder).start();
    let file = |name: &str| format!("{folder}/{name}.pem");
    let known = Nats::connect(server.address()).certificate(file("client"), file("client-key"));
    let (_owner, channels) = Channels::new([]);
    let untrusting = Nats::connect(server.address())
        .certificate(file("client"), file("client-key"))
        .connect(channels.clone())
        .await;
    assert!(matches!(untrusting, Err(TransportError::Connect(_))), "{untrusting:?}");
    let unknown = Nats::connect(server.address()).authority(file("ca")).connect(channels).await;
    assert!(matches!(unknown, Err(TransportError::Connect(_))), "{unknown:?}");
    End::up(known.authority(file("ca"))).await.send([1]).await.unwrap();
}

#[tokio::test]
async fn who_insists_on_tls_does_not_speak_without() {
    let server = nats::Nats::start();
    let (_owner, channels) = Channels::new([]);
    let connecting = Nats::connect(server.address()).tls().connect(channels).await.map(drop);
    assert!(matches!(connecting, Err(TransportError::Connect(_))), "{connecting:?}");
}
