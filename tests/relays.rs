//! Relays between links: what their participants see of them. Not here: how a relay decides.

mod support;

use std::time::Duration;

use futures::StreamExt;
use stringphone::memory::{Hub, Limits};
use stringphone::transport::faults::{Faults, Faulty};
use stringphone::{
    Carrier, InviteOptions, Relay, RelayHandle, Subscription, Topic, TopicError, TopicHandle,
};
use support::*;

async fn relay(hubs: &[&Hub], name: &str) -> Result<RelayHandle, TopicError> {
    let links = hubs.iter().map(|hub| Carrier::start(hub.port(name)));
    links.fold(Relay::new(), Relay::link).start(["house"]).await
}

async fn founded(hub: &Hub) -> Result<TopicHandle, TopicError> {
    let phone = Topic::found("house", identity(1)).start()?;
    attach(&phone, hub.port("phone")).await?;
    Ok(phone)
}

async fn invited(keeper: &TopicHandle, hub: &Hub) -> Result<TopicHandle, TopicError> {
    let invitation = keeper.invite(InviteOptions::default()).await?;
    let lamp = Topic::invited(invitation, identity(2)).start()?;
    attach(&lamp, hub.port("lamp")).await?;
    lamp.ready().await?;
    Ok(lamp)
}

/// What arrives within a while.
async fn all(inbox: &mut Subscription) -> Vec<Vec<u8>> {
    let mut heard = Vec::new();
    while let Ok(Some(Ok(message))) =
        tokio::time::timeout(Duration::from_secs(5), inbox.next()).await
    {
        heard.push(message.body.to_vec());
    }
    heard
}

#[test]
fn a_device_joins_and_talks_through_a_relay_without_any_key() -> Test {
    in_virtual_time(async {
        let (upstairs, downstairs) = (Hub::new(), Hub::new());
        let relay = relay(&[&upstairs, &downstairs], "relay").await?;
        let phone = founded(&upstairs).await?;
        let lamp = invited(&phone, &downstairs).await?;
        let (mut up, mut down) = (phone.subscribe_raw().await?, lamp.subscribe_raw().await?);
        phone.publish_raw("on").await?;
        lamp.publish_raw("it is").await?;
        assert_eq!(&next(&mut down).await.body[..], b"on");
        assert_eq!(&next(&mut up).await.body[..], b"it is");
        phone.evict(lamp.participant().id()).await?;
        assert!(all(&mut down).await.is_empty(), "an eviction goes through as well");
        assert!(relay.stats().await?.forwarded > 5);
        Ok(())
    })
}

#[test]
fn over_two_relays_side_by_side_each_message_arrives_once() -> Test {
    in_virtual_time(async {
        let (upstairs, downstairs) = (Hub::new(), Hub::new());
        let one = relay(&[&upstairs, &downstairs], "one").await?;
        let other = relay(&[&upstairs, &downstairs], "other").await?;
        let phone = founded(&upstairs).await?;
        let lamp = invited(&phone, &downstairs).await?;
        let mut inbox = lamp.subscribe_raw().await?;
        for number in 0..50_u8 {
            phone.publish_raw(vec![number]).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let expected: Vec<Vec<u8>> = (0..50_u8).map(|number| vec![number]).collect();
        assert_eq!(all(&mut inbox).await, expected);
        for relay in [one, other] {
            let stats = relay.stats().await?;
            assert!(stats.duplicates >= 50, "it hears what the other one forwards: {stats:?}");
            assert!(stats.forwarded < 100, "and forwards nothing of it: {stats:?}");
        }
        Ok(())
    })
}

#[test]
fn a_ring_of_relays_falls_silent() -> Test {
    in_virtual_time(async {
        let rooms = [Hub::new(), Hub::new(), Hub::new()];
        let slow = Faults::seeded(3).delay(Duration::from_secs(1)..Duration::from_secs(2));
        let mut relays = Vec::new();
        for (name, [from, to]) in ["a", "b", "c"].iter().zip([[0, 1], [1, 2], [2, 0]]) {
            let links = [from, to].map(|room: usize| {
                Carrier::start(Faulty::new(rooms[room].port(*name), slow.clone()))
            });
            relays.push(links.into_iter().fold(Relay::new(), Relay::link).start(["house"]).await?);
        }
        let phone = founded(&rooms[0]).await?;
        let forwarded = async || {
            let mut sum = 0;
            for relay in &relays {
                sum += relay.stats().await?.forwarded;
            }
            Ok::<u64, TopicError>(sum)
        };
        for number in 0..10_u8 {
            phone.publish_raw(vec![number]).await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        let before = forwarded().await?;
        tokio::time::sleep(Duration::from_secs(600)).await;
        let (frames, after) = (10, forwarded().await?);
        assert!(after - before < 30 * frames, "{} in ten minutes", after - before);
        Ok(())
    })
}

#[test]
fn two_relays_carry_a_house_over_a_link_of_their_own() -> Test {
    in_virtual_time(async {
        let (here, there) = (Hub::new(), Hub::new());
        // A radio between two buildings.
        let between = Hub::with(Limits::default().max_frame(222));
        let mut relays = Vec::new();
        for (name, hub) in [("here", &here), ("there", &there)] {
            let relay = Relay::new()
                .link(Carrier::start(hub.port("relay")))
                .peer(Carrier::start(between.port(name)));
            relays.push(relay.start(["house"]).await?);
        }
        let phone = founded(&here).await?;
        let lamp = invited(&phone, &there).await?;
        let mut inbox = lamp.subscribe_raw().await?;
        phone.publish_raw(vec![7; 4_000]).await?;
        assert_eq!(next(&mut inbox).await.body, vec![7; 4_000]);
        Ok(())
    })
}

#[test]
fn a_topic_of_the_same_process_takes_part_through_a_port_of_its_own() -> Test {
    in_virtual_time(async {
        let (upstairs, downstairs, inside) = (Hub::new(), Hub::new(), Hub::new());
        let relay = Relay::new()
            .link(Carrier::start(upstairs.port("relay")))
            .link(Carrier::start(downstairs.port("relay")))
            .inside(Carrier::start(inside.port("relay")))
            .limits(stringphone::RelayLimits { frames: 20, bytes: 1_000_000 })
            .start(["house"])
            .await?;
        let gateway = founded(&inside).await?;
        let lamp = invited(&gateway, &downstairs).await?;
        let mut inbox = gateway.subscribe_raw().await?;
        lamp.publish_raw("hello").await?;
        assert_eq!(&next(&mut inbox).await.body[..], b"hello");
        // It is not held to what others may send, and what it says last gets out.
        let mut inbox = lamp.subscribe_raw().await?;
        for number in 0..100_u8 {
            gateway.publish_raw(vec![number]).await?;
            tokio::task::yield_now().await;
        }
        gateway.stop().await?;
        relay.settle().await?;
        assert!(relay.links().await?.iter().all(|link| link.up), "{:?}", relay.links().await?);
        drop(relay);
        for number in 0..100_u8 {
            assert_eq!(next(&mut inbox).await.body, vec![number]);
        }
        Ok(())
    })
}

#[test]
fn classic_goes_through_a_relay_as_well() -> Test {
    in_virtual_time(async {
        let (upstairs, downstairs) = (Hub::new(), Hub::new());
        let _relay = relay(&[&upstairs, &downstairs], "relay").await?;
        let (a, b) = (member(1, &[2]).start()?, member(2, &[1]).start()?);
        attach(&a, upstairs.port("a")).await?;
        attach(&b, downstairs.port("b")).await?;
        let mut inbox = b.subscribe_raw().await?;
        a.publish_raw("old").await?;
        assert_eq!(&next(&mut inbox).await.body[..], b"old");
        Ok(())
    })
}

#[test]
fn a_relay_that_is_dropped_lets_go_of_its_links() -> Test {
    in_virtual_time(async {
        let (upstairs, downstairs) = (Hub::new(), Hub::new());
        let relay = relay(&[&upstairs, &downstairs], "relay").await?;
        let _phone = founded(&upstairs).await?;
        assert_eq!((upstairs.connected(), downstairs.connected()), (2, 1));
        drop(relay);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!((upstairs.connected(), downstairs.connected()), (1, 0));
        Ok(())
    })
}
