//! One conversation over several kinds of string at once: MQTT, a serial line and TCP, tied together by
//! a relay without any key. Not here: each by itself.

mod support;

use std::time::Duration;

use stringphone::memory::Hub;
use stringphone::mqtt::Mqtt;
use stringphone::serial::Serial;
use stringphone::tcp::Tcp;
use stringphone::{Carrier, InviteOptions, Relay, Topic, TopicHandle};
use stringphone_servers::mosquitto::Mosquitto;
use stringphone_servers::pty::Cable;
use support::*;
use tokio::time::timeout;

async fn hears(inbox: &mut stringphone::Subscription, from: &TopicHandle, body: &str) {
    let message = timeout(Duration::from_secs(20), next(inbox)).await;
    let message = message.unwrap_or_else(|_| panic!("{body:.20} does not arrive"));
    assert_eq!((message.from, &message.body[..]), (from.participant().id(), body.as_bytes()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_on_mqtt_a_lamp_on_serial_and_a_sensor_on_tcp_share_a_house_and_an_old_one() -> Test
{
    let (broker, cable) = (Mosquitto::start(), Cable::plug());
    let port = |end: usize| Serial::at(cable.ports()[end].to_string_lossy());
    let mqtt = || Mqtt::broker(format!("127.0.0.1:{}", broker.port())).prefix("home");
    let mut room = Tcp::listen("127.0.0.1:0");
    let address = room.bind().await?;

    // The gateway reads the house, and not the old room.
    let inside = Hub::new();
    let relay = Relay::new()
        .link(Carrier::start(mqtt()))
        .link(Carrier::start(port(0)))
        .link(Carrier::start(room))
        .link(Carrier::start(inside.port("relay")))
        .start(["house", "old"])
        .await?;
    let gateway = Topic::found("house", identity(1)).start()?;
    gateway.attach(inside.port("gateway")).await?;

    // Each of the others has one connection, which both topics share.
    let carriers =
        [Carrier::start(mqtt()), Carrier::start(port(1)), Carrier::start(Tcp::connect(address))];
    let mut house = Vec::new();
    let mut old = Vec::new();
    for (number, carrier) in (2_u8..).zip(&carriers) {
        let invitation = gateway.invite(InviteOptions::default()).await?;
        let device = Topic::invited(invitation, identity(number)).start()?;
        device.attach(carrier.channel("house")?).await?;
        timeout(Duration::from_secs(30), device.ready()).await??;
        house.push(device);
        let others: Vec<u8> = (12..15).filter(|other| *other != number + 10).collect();
        let device = Topic::import("old", identity(number + 10), state(number + 10, &others));
        let device = device.start()?;
        attach(&device, carrier.channel("old")?).await?;
        old.push(device);
    }
    for device in &house {
        timeout(Duration::from_secs(30), async {
            while device.members().await.map_or(0, |members| members.len()) < 4 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await?;
    }
    let mut events = gateway.subscribe_raw().await?;
    for devices in [&house, &old] {
        let mut inboxes = Vec::new();
        for device in devices {
            inboxes.push(device.subscribe_raw().await?);
        }
        for (from, device) in devices.iter().enumerate() {
            let body = format!("from {from}");
            device.publish_raw(body.clone()).await?;
            for (to, inbox) in inboxes.iter_mut().enumerate() {
                if to != from {
                    hears(inbox, device, &body).await;
                }
            }
        }
    }
    for (from, device) in house.iter().enumerate() {
        hears(&mut events, device, &format!("from {from}")).await;
    }
    // A letter is in pieces on the serial line, and whole everywhere else.
    let letter = "x".repeat(20_000);
    let mut inbox = house[1].subscribe_raw().await?;
    house[0].publish_raw(letter.clone()).await?;
    hears(&mut inbox, &house[0], &letter).await;
    let stats = relay.stats().await?;
    assert_eq!((stats.hops, stats.malformed, stats.unsent), (0, 0, 0), "{stats:?}");
    Ok(())
}
