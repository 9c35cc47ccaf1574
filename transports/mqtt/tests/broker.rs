//! What becomes of links, sessions and frames when the broker has its moods.
//! Not whom it lets in: see `access.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::{num::NonZeroU16, process::Stdio, time::Duration};

use futures::{FutureExt, SinkExt};
use stringphone_mqtt::{Encoding, Mqtt, Qos, Version};
use stringphone_servers::mosquitto::{Mosquitto, Settings};
use stringphone_transport::TransportError;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{Instant, timeout},
};

use support::{End, LIMIT, channel, mqtt, settle, soon};

/// What a `mosquitto_sub` prints, which is up once it is returned.
struct Printed(
    Lines<BufReader<ChildStdout>>,
    #[allow(dead_code, reason = "it ends with this")] Child,
);

impl Printed {
    fn by(broker: &Mosquitto, arguments: &[&str]) -> Self {
        let mut command = Command::from(broker.client("mosquitto_sub"));
        command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let output = child.stdout.take().unwrap();
        Self(BufReader::new(output).lines(), child)
    }

    async fn line(&mut self) -> String {
        soon(self.0.next_line()).await.unwrap().unwrap()
    }

    /// Passes over lines until this one comes.
    async fn until(&mut self, line: &str) {
        soon(async { while self.line().await != line {} }).await;
    }
}

fn seconds(seconds: u16) -> NonZeroU16 {
    NonZeroU16::new(seconds).unwrap()
}

#[tokio::test]
async fn a_session_that_the_broker_kept_has_what_was_sent_meanwhile() {
    let broker = Mosquitto::start();
    let mut first = End::up(mqtt(&broker), &["x", "y"]).await;
    let mut second = End::up(mqtt(&broker), &["x", "y"]).await;
    settle(&mut second, &mut first, "x").await;
    settle(&mut second, &mut first, "y").await;
    first.link = None;
    first.channels.close(&channel("y"));
    second.send("x", "meanwhile").await.unwrap();
    second.send("y", "on a channel that was closed meanwhile").await.unwrap();
    first.connect().await.unwrap();
    assert_eq!(first.hear("x").await, "meanwhile");
    second.send("y", "on a channel that is closed").await.unwrap();
    second.send("x", "now").await.unwrap();
    assert_eq!(first.hear("x").await, "now");
}

#[tokio::test]
async fn a_session_is_rid_of_what_was_closed_while_the_link_was_down() {
    let broker = Settings::default().with_line("sys_interval 1").start();
    let mut count = Printed::by(&broker, &["-t", "$SYS/broker/subscriptions/count"]);
    let mut end = End::up(mqtt(&broker), &["x", "y"]).await;
    count.until("3").await;
    end.link = None;
    end.channels.close(&channel("y"));
    end.connect().await.unwrap();
    count.until("2").await;
}

#[tokio::test]
async fn a_session_that_the_broker_lost_is_made_again() {
    for version in [Version::V5, Version::V3_1_1] {
        let mut broker = Mosquitto::start();
        let mut first = End::up(mqtt(&broker).version(version), &["x"]).await;
        let mut second = End::up(mqtt(&broker).version(version), &["x"]).await;
        settle(&mut second, &mut first, "x").await;
        broker.restart();
        for end in [&mut first, &mut second] {
            let error = end.failure().await;
            assert!(!error.link_goes_on(), "{error}");
            end.connect().await.unwrap();
        }
        settle(&mut second, &mut first, "x").await;
    }
}

#[tokio::test]
async fn a_frame_without_an_acknowledgement_is_sent_again_on_the_next_link() {
    for version in [Version::V5, Version::V3_1_1] {
        let mut broker = Mosquitto::start();
        let mut first = End::up(mqtt(&broker).version(version), &["x"]).await;
        let mut second = End::up(mqtt(&broker).version(version), &["x"]).await;
        settle(&mut first, &mut second, "x").await;
        broker.freeze();
        first.feed("x", "under way").await;
        assert!(first.link().outgoing.flush().now_or_never().is_none(), "nobody acknowledged it");
        broker.restart();
        second.failure().await;
        second.connect().await.unwrap();
        // On a link of its own, so that the one that waits is the first to send.
        let mut third = End::up(mqtt(&broker).version(version), &["x"]).await;
        settle(&mut third, &mut second, "x").await;
        first.failure().await;
        first.connect().await.unwrap();
        assert_eq!(second.hear("x").await, "under way");
        soon(first.link().outgoing.flush()).await.unwrap();
    }
}

#[tokio::test]
async fn flushing_waits_for_the_broker_where_the_channel_has_qos_1() {
    let broker = Mosquitto::start();
    let transport = mqtt(&broker).channel_qos(channel("quick"), Qos::AtMostOnce);
    let mut end = End::up(transport, &[]).await;
    end.send("slow", "it is there").await.unwrap();
    broker.freeze();
    end.send("quick", "it is on its way").await.unwrap();
    end.feed("slow", "nobody knows").await;
    let waiting = timeout(Duration::from_millis(100), end.link().outgoing.flush()).await;
    assert!(waiting.is_err());
    broker.thaw();
    soon(end.link().outgoing.flush()).await.unwrap();
}

#[tokio::test]
async fn what_waits_for_acknowledgements_is_bounded() {
    let broker = Mosquitto::start();
    let mut end = End::up(mqtt(&broker), &[]).await;
    end.send("x", "up").await.unwrap();
    broker.freeze();
    let mut taken = 0;
    let feeding = async {
        loop {
            end.feed("x", vec![7; 100]).await;
            taken += 1;
        }
    };
    assert!(timeout(Duration::from_millis(300), feeding).await.is_err());
    assert!((64..=64 + 128).contains(&taken), "{taken} frames");
}

/// How long both halves take to notice that a broker is frozen.
async fn notices_frozen_broker(version: Version, sends: bool) {
    let broker = Mosquitto::start();
    let transport = mqtt(&broker).version(version).qos(Qos::AtMostOnce).keep_alive(seconds(2));
    let mut end = End::up(transport, &["x"]).await;
    end.send("x", "up").await.unwrap();
    broker.freeze();
    let start = Instant::now();
    while sends && start.elapsed() < LIMIT && end.send("x", vec![7; 200]).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let error = end.failure().await;
    assert!(matches!(error, TransportError::Timeout { .. }), "{error:?}");
    let took = start.elapsed();
    assert!(took > Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");
    assert!(end.send("x", "too late").await.is_err());
}

#[tokio::test]
async fn a_frozen_broker_is_noticed_within_the_keep_alive() {
    notices_frozen_broker(Version::V5, false).await;
    notices_frozen_broker(Version::V3_1_1, false).await;
}

#[tokio::test]
async fn a_frozen_broker_is_noticed_by_one_that_only_ever_sends() {
    notices_frozen_broker(Version::V5, true).await;
}

#[tokio::test]
async fn a_link_in_silence_stays_up_for_longer_than_the_keep_alive() {
    let broker = Mosquitto::start();
    let mut end = End::up(mqtt(&broker).keep_alive(seconds(1)), &["x"]).await;
    // The broker itself gives up after one and a half times the keep-alive.
    let quiet = timeout(Duration::from_secs(4), end.failure()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    end.send("x", "still here").await.unwrap();
}

#[tokio::test]
async fn whoever_takes_the_name_of_another_puts_it_out() {
    let broker = Mosquitto::start();
    let mut first = End::up(mqtt(&broker).client("twin"), &[]).await;
    let mut second = End::up(mqtt(&broker).client("twin"), &[]).await;
    // Newer brokers say why; this one may just hang up.
    assert!(!first.failure().await.link_goes_on());
    second.send("x", "still here").await.unwrap();
}

#[tokio::test]
async fn frames_are_as_large_as_the_broker_takes() {
    let broker = Settings::default().with_line("max_packet_size 1000").start();
    for (encoding, most) in [(Encoding::Raw, 970..1000), (Encoding::Hex, 480..500)] {
        let mut first = End::up(mqtt(&broker).encoding(encoding), &["x"]).await;
        let mut second = End::up(mqtt(&broker).encoding(encoding), &["x"]).await;
        settle(&mut first, &mut second, "x").await;
        let Err(TransportError::TooLarge { max, len: 2000 }) = first.send("x", vec![7; 2000]).await
        else {
            panic!("it is larger than the broker takes")
        };
        assert!(most.contains(&max), "{max}");
        let refused = first.send("x", vec![7; max + 1]).await;
        assert!(matches!(refused, Err(TransportError::TooLarge { .. })));
        first.send("x", vec![7; max]).await.unwrap();
        assert_eq!(second.hear("x").await.len(), max);
    }
}

#[tokio::test]
async fn a_topic_says_whether_the_link_is_up() {
    for version in [Version::V5, Version::V3_1_1] {
        let broker = Mosquitto::start();
        let gateway = mqtt(&broker).version(version).will("home/gateway/state");
        let mut gateway = End::up(gateway, &[]).await;
        // It is retained, so whoever asks later knows it too.
        let mut state = Printed::by(&broker, &["-t", "home/gateway/state"]);
        state.until("online").await;
        soon(gateway.link().outgoing.close()).await.unwrap();
        assert_eq!(state.line().await, "offline");
        gateway.connect().await.unwrap();
        assert_eq!(state.line().await, "online");
        gateway.link = None; // without a goodbye
        assert_eq!(state.line().await, "offline");
    }
}

#[tokio::test]
async fn many_channels_are_subscribed_and_unsubscribed() {
    const CHANNELS: usize = 2000;
    for version in [Version::V5, Version::V3_1_1] {
        let broker = Settings::default().with_line("sys_interval 1").start();
        let mut count = Printed::by(&broker, &["-t", "$SYS/broker/subscriptions/count"]);
        let names: Vec<String> = (0..CHANNELS).map(|number| format!("room/{number}")).collect();
        let open: Vec<&str> = names.iter().map(|name| &**name).collect();
        let end = End::up(mqtt(&broker).version(version), &open).await;
        count.until(&(CHANNELS + 1).to_string()).await;
        for name in &names[1..] {
            end.channels.close(&channel(name));
        }
        count.until("2").await;
    }
}

/// Devices that build on the original's MQTT example.
#[tokio::test]
async fn hexadecimal_frames_are_understood_by_others_and_theirs_by_us() {
    let broker = Mosquitto::start();
    let transport: Mqtt = mqtt(&broker).prefix("home").encoding(Encoding::Hex);
    let mut end = End::up(transport, &["lamp"]).await;
    let mut second = End::up(mqtt(&broker).prefix("home").encoding(Encoding::Hex), &["lamp"]).await;
    settle(&mut second, &mut end, "lamp").await;
    for payload in ["00ff7f", "00FF7F", " 00Ff7f\n"] {
        broker.publish(&["-q", "1", "-t", "home/lamp", "-m", payload]);
        assert_eq!(end.hear("lamp").await, [0, 0xff, 0x7f][..]);
    }
    let mut device = Printed::by(&broker, &["-t", "home/lamp"]);
    // Until the device is there.
    let mut heard = Box::pin(device.line());
    let line = loop {
        end.send("lamp", &b"\x00\xff\x7f"[..]).await.unwrap();
        if let Ok(line) = timeout(Duration::from_millis(100), &mut heard).await {
            break line;
        }
    };
    assert_eq!(line, "00ff7f");
}
