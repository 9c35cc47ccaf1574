//! V2 topics as their users see them: joining, evicting, receipts, expiry, restarts.

mod support;

use std::time::{Duration, SystemTime};

use futures::StreamExt;
use stringphone::memory::Hub;
use stringphone::store::FileStore;
use stringphone::{CommandError, Event, InviteOptions, Pin, Role, Topic, TopicError, TopicHandle};
use support::{Test, attach, event, identity, in_virtual_time, next};

/// A topic with its founder.
async fn founded(hub: &Hub) -> Result<TopicHandle, TopicError> {
    let phone = Topic::found("house", identity(1)).start()?;
    attach(&phone, hub.port("phone")).await?;
    Ok(phone)
}

/// Somebody whom a keeper invites, once it has joined.
async fn invited(keeper: &TopicHandle, hub: &Hub, number: u8) -> Result<TopicHandle, TopicError> {
    let invitation = keeper.invite(InviteOptions::default()).await?;
    let device = Topic::invited(invitation, identity(number));
    let device = device.device_name(format!("device {number}")).start()?;
    attach(&device, hub.port(format!("device {number}"))).await?;
    device.ready().await?;
    Ok(device)
}

#[test]
fn an_invited_device_joins_without_a_question_and_is_heard() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let phone = founded(&hub).await?;
        let mut inbox = phone.subscribe_raw().await?;
        let lamp = invited(&phone, &hub, 2).await?;
        lamp.publish_raw("on").await?;
        let message = next(&mut inbox).await;
        assert_eq!((message.from, &message.body[..]), (lamp.participant().id(), &b"on"[..]));
        assert!(message.id.is_some(), "a V2 message has a name");
        let members = phone.members().await?;
        let lamp = members.iter().find(|one| one.participant == lamp.participant());
        let lamp = lamp.expect("a member");
        assert_eq!((lamp.role, lamp.name.as_deref()), (Role::Member, Some("device 2")));
        Ok(())
    })
}

#[test]
fn a_pin_lets_one_device_in_and_a_wrong_one_none() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let phone = founded(&hub).await?;
        let pin = phone.offer_pin().await?;
        let wrong: Pin =
            if pin.expose_digits() == "123456" { "654321" } else { "123456" }.parse()?;
        let thief = Topic::join("house", identity(3)).pin(wrong).start()?;
        attach(&thief, hub.port("thief")).await?;
        assert!(matches!(thief.ready().await, Err(TopicError::PinRejected)));
        let lamp = Topic::join("house", identity(2)).pin(pin).start()?;
        attach(&lamp, hub.port("lamp")).await?;
        lamp.ready().await?;
        assert_eq!(phone.participants().await?, [lamp.participant()]);
        Ok(())
    })
}

#[test]
fn fingerprints_are_compared_on_both_sides() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let phone = founded(&hub).await?;
        let mut introductions = phone.introductions().await?;
        let lamp = Topic::join("house", identity(2)).device_name("lamp").start()?;
        attach(&lamp, hub.port("lamp")).await?;
        let who = introductions.next().await.ok_or("stopped")?;
        assert_eq!(who.fingerprint(), lamp.participant().fingerprint());
        assert_eq!(phone.name_of(who.participant().id()).await?.as_deref(), Some("lamp"));
        who.approve().await?;
        let answer = lamp.answer().await?;
        assert_eq!(answer, phone.participant());
        lamp.confirm(answer.id()).await?;
        lamp.ready().await?;
        Ok(())
    })
}

#[test]
fn an_evicted_device_hears_no_more_and_its_topic_ends() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let phone = founded(&hub).await?;
        let (lamp, thief) = (invited(&phone, &hub, 2).await?, invited(&phone, &hub, 3).await?);
        let (mut heard, mut stolen) = (lamp.subscribe_raw().await?, thief.subscribe_raw().await?);
        let before = phone.epoch().await?.ok_or("an epoch")?;
        phone.evict(thief.participant().id()).await?;
        phone.publish_raw("secret").await?;
        assert_eq!(next(&mut heard).await.body, "secret");
        assert!(stolen.next().await.is_none(), "its subscription ends");
        assert!(matches!(thief.ready().await, Err(TopicError::Evicted)));
        let after = lamp.epoch().await?.ok_or("an epoch")?;
        assert_eq!(after.generation, before.generation + 1);
        let refused = lamp.evict(phone.participant().id()).await;
        assert!(matches!(refused, Err(TopicError::Command(CommandError::NotAllowed))));
        Ok(())
    })
}

#[test]
fn receipts_name_who_has_a_message() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let phone = founded(&hub).await?;
        let (lamp, fan) = (invited(&phone, &hub, 2).await?, invited(&phone, &hub, 3).await?);
        let receipts = phone.publish_raw("on").confirm().await?;
        let all = receipts.all().await?;
        let members = [lamp.participant().id(), fan.participant().id()];
        assert_eq!(all, members.into());
        fan.stop().await?;
        let mut receipts = phone.publish_raw("off").confirm().await?;
        assert_eq!(receipts.next().await, Some(lamp.participant().id()));
        match receipts.all().await {
            Err(TopicError::Unconfirmed { missing }) => {
                assert_eq!(missing, [fan.participant().id()]);
            }
            other => panic!("{other:?}"),
        }
        Ok(())
    })
}

#[test]
fn a_command_that_is_late_is_told_and_not_delivered() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let now = SystemTime::now();
        let phone = Topic::found("house", identity(1)).calendar(Some(now)).start()?;
        attach(&phone, hub.port("phone")).await?;
        let invitation = phone.invite(InviteOptions::default()).await?;
        // Its clock is a minute ahead.
        let ahead = now + Duration::from_secs(60);
        let door = Topic::invited(invitation, identity(2)).calendar(Some(ahead)).start()?;
        attach(&door, hub.port("door")).await?;
        door.ready().await?;
        let (mut events, mut inbox) = (door.events().await?, door.subscribe_raw().await?);
        phone.publish_raw("open").expires(Duration::from_secs(5)).await?;
        let from = event(&mut events, |event| match event {
            Event::Expired(from) => Some(*from),
            _ => None,
        });
        assert_eq!(from.await, phone.participant().id());
        phone.publish_raw("close").expires(Duration::from_secs(120)).await?;
        assert_eq!(next(&mut inbox).await.body, "close");
        Ok(())
    })
}

#[test]
fn a_restarted_device_is_a_member_still_and_takes_no_message_twice() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let phone = founded(&hub).await?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("lamp");
        let invitation = phone.invite(InviteOptions::default()).await?;
        let lamp = Topic::invited(invitation, identity(2)).store(FileStore::new(&path)).start()?;
        attach(&lamp, hub.port("lamp")).await?;
        lamp.ready().await?;
        let mut inbox = lamp.subscribe_raw().await?;
        phone.publish_raw("one").await?;
        assert_eq!(next(&mut inbox).await.body, "one");
        lamp.stop().await?;
        let lamp = Topic::join("house", identity(2)).store(FileStore::new(&path)).start()?;
        let mut inbox = lamp.subscribe_raw().await?;
        attach(&lamp, hub.port("lamp again")).await?;
        lamp.ready().await?;
        phone.publish_raw("two").await?;
        assert_eq!(next(&mut inbox).await.body, "two");
        Ok(())
    })
}

#[test]
fn messages_that_wait_together_share_a_frame_and_keep_their_order() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let phone = founded(&hub).await?;
        let lamp = invited(&phone, &hub, 2).await?;
        let mut inbox = lamp.subscribe_raw().await?;
        for number in 0..500_u32 {
            phone.publish_raw(number.to_be_bytes().to_vec()).await?;
        }
        let mut frames = std::collections::BTreeSet::new();
        for number in 0..500_u32 {
            let message = next(&mut inbox).await;
            assert_eq!(message.body[..], number.to_be_bytes());
            frames.insert(message.id.ok_or("a name")?.counter);
        }
        assert!(frames.len() < 50, "{} frames", frames.len());
        Ok(())
    })
}
