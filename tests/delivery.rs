//! What is published arrives, and what arrived is not lost: outbox, receipts, inbox. Not here:
//! crashes at every write.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};
use stringphone::memory::Hub;
use stringphone::store::FileStore;
use stringphone::{
    Event, HistoryLimits, Inbox, InboxLimits, InviteOptions, Kept, OutboxLimits, Overflow, Payload,
    PayloadError, ReceiveError, Topic, TopicError, TopicHandle,
};
use support::{Test, attach, event, identity, in_virtual_time, next};
use tokio::time::{sleep, timeout};

/// A phone that founds, and a lamp that it lets in; both keep everything in a folder.
struct Pair<'a> {
    folder: &'a Path,
    hub: Hub,
}

impl<'a> Pair<'a> {
    async fn new(folder: &'a Path) -> Result<Self, Box<dyn std::error::Error>> {
        let pair = Self { folder, hub: Hub::new() };
        let phone = pair.phone().start()?;
        attach(&phone, pair.hub.port("phone")).await?;
        let invitation = phone.invite(InviteOptions::default()).await?;
        let lamp = Topic::invited(invitation, identity(2)).store(pair.store("lamp")).start()?;
        attach(&lamp, pair.hub.port("lamp")).await?;
        lamp.ready().await?;
        phone.stop().await?;
        lamp.stop().await?;
        Ok(pair)
    }

    fn store(&self, name: &str) -> FileStore {
        FileStore::new(self.folder.join(name))
    }

    fn phone(&self) -> Topic {
        let outbox = OutboxLimits::default();
        Topic::found("house", identity(1)).store(self.store("phone")).outbox(outbox)
    }

    fn lamp(&self) -> Topic {
        let inbox = InboxLimits::default();
        Topic::join("house", identity(2)).store(self.store("lamp")).inbox(inbox)
    }

    async fn attached(&self, topic: Topic, name: &str) -> Result<TopicHandle, TopicError> {
        let topic = topic.start()?;
        attach(&topic, self.hub.port(name.to_owned())).await?;
        Ok(topic)
    }
}

async fn kept(inbox: &mut Inbox) -> Kept {
    timeout(Duration::from_secs(600), inbox.next())
        .await
        .expect("in time")
        .expect("goes on")
        .unwrap()
}

#[test]
fn what_is_published_without_a_link_outlives_a_restart_and_arrives() -> Test {
    in_virtual_time(async {
        let folder = tempfile::tempdir()?;
        let pair = Pair::new(folder.path()).await?;
        let phone = pair.phone().start()?;
        phone.ready().await?;
        for body in ["one", "two"] {
            phone.publish_raw(body).await?;
        }
        assert_eq!(phone.unsent().await?, 2);
        phone.stop().await?;
        let lamp = pair.attached(pair.lamp(), "lamp").await?;
        let mut heard = lamp.subscribe_raw().await?;
        let phone = pair.attached(pair.phone(), "phone").await?;
        assert_eq!(next(&mut heard).await.body, "one");
        assert_eq!(next(&mut heard).await.body, "two");
        assert_eq!(phone.unsent().await?, 0);
        phone.publish_raw("three").await?;
        assert_eq!(next(&mut heard).await.body, "three");
        Ok(())
    })
}

#[test]
fn a_confirmed_message_reaches_a_device_that_is_switched_on_later() -> Test {
    in_virtual_time(async {
        let folder = tempfile::tempdir()?;
        let pair = Pair::new(folder.path()).await?;
        let phone = pair.attached(pair.phone(), "phone").await?;
        let receipts = phone.publish_raw("remember").confirm().await?;
        sleep(Duration::from_secs(60)).await;
        let lamp = pair.lamp().start()?;
        let id = lamp.participant().id();
        assert_eq!(receipts.missing().await?, Some(vec![id]));
        drop(receipts);
        // The phone is switched off too, meanwhile.
        phone.stop().await?;
        let phone = pair.attached(pair.phone(), "phone").await?;
        let unconfirmed = phone.unconfirmed().await?;
        assert_eq!(unconfirmed.len(), 1);
        assert_eq!(unconfirmed[0].missing, Some(vec![id]));

        attach(&lamp, pair.hub.port("lamp")).await?;
        let mut inbox = lamp.inbox_raw().await?;
        let message = kept(&mut inbox).await;
        assert_eq!((&message.body[..], message.redelivered), (&b"remember"[..], false));
        while !phone.unconfirmed().await?.is_empty() {
            sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    })
}

#[test]
fn what_is_not_acknowledged_is_delivered_again_after_a_restart_and_nothing_else() -> Test {
    in_virtual_time(async {
        let folder = tempfile::tempdir()?;
        let pair = Pair::new(folder.path()).await?;
        let (phone, lamp) = (
            pair.attached(pair.phone(), "phone").await?,
            pair.attached(pair.lamp(), "lamp").await?,
        );
        let mut inbox = lamp.inbox_raw().await?;
        for body in ["one", "two", "three"] {
            phone.publish_raw(body).confirm().await?.all().await?;
        }
        let first = kept(&mut inbox).await;
        let second = kept(&mut inbox).await;
        second.ack().await?;
        assert!(matches!(second.ack().await, Err(TopicError::Command(_))), "but once");
        lamp.stop().await?;

        let lamp = pair.attached(pair.lamp(), "lamp").await?;
        let mut inbox = lamp.inbox_raw().await?;
        let again = [kept(&mut inbox).await, kept(&mut inbox).await];
        assert_eq!(again[0].body, "one");
        assert_eq!((again[0].from, again[0].id), (first.from, first.id), "by the same name");
        assert_eq!(again[1].body, "three");
        assert!(again.iter().all(|message| message.redelivered));
        join_all(again.iter().map(Kept::ack)).await.into_iter().collect::<Result<(), _>>()?;
        lamp.stop().await?;

        let lamp = pair.attached(pair.lamp(), "lamp").await?;
        let mut inbox = lamp.inbox_raw().await?;
        phone.publish_raw("four").confirm().await?.all().await?;
        assert_eq!(kept(&mut inbox).await.body, "four");
        Ok(())
    })
}

#[test]
fn an_inbox_has_one_reader_and_the_next_gets_what_the_last_did_not_acknowledge() -> Test {
    in_virtual_time(async {
        let folder = tempfile::tempdir()?;
        let pair = Pair::new(folder.path()).await?;
        let (phone, lamp) = (
            pair.attached(pair.phone(), "phone").await?,
            pair.attached(pair.lamp(), "lamp").await?,
        );
        let mut inbox = lamp.inbox_raw().await?;
        assert!(matches!(lamp.inbox_raw().await, Err(TopicError::InboxTaken)));
        assert!(matches!(phone.inbox_raw().await, Err(TopicError::NoInbox)));
        phone.publish_raw("one").confirm().await?.all().await?;
        phone.publish_raw("two").confirm().await?.all().await?;
        assert_eq!(kept(&mut inbox).await.body, "one");
        drop(inbox);
        let mut inbox = lamp.inbox_raw().await?;
        let message = kept(&mut inbox).await;
        assert_eq!((&message.body[..], message.redelivered), (&b"one"[..], true));
        assert_eq!(kept(&mut inbox).await.body, "two");
        Ok(())
    })
}

#[test]
fn a_slow_reader_of_an_inbox_loses_nothing() -> Test {
    in_virtual_time(async {
        let folder = tempfile::tempdir()?;
        let pair = Pair::new(folder.path()).await?;
        // Room for little, everywhere.
        let limits = InboxLimits { messages: 20, ..InboxLimits::default() };
        let lamp = pair.attached(pair.lamp().inbox(limits).queue(1), "lamp").await?;
        let phone = pair.attached(pair.phone(), "phone").await?;
        let mut inbox = lamp.inbox_raw().await?;
        let publish = async |number: u16| {
            phone.publish_raw(number.to_be_bytes().to_vec()).confirm().await?.all().await
        };
        let reading = async {
            let mut seen = BTreeSet::new();
            while seen.len() < 300 {
                let message = kept(&mut inbox).await;
                sleep(Duration::from_millis(50)).await;
                message.ack().await?;
                assert!(seen.insert(message.body.clone()), "each comes once");
            }
            Ok::<_, TopicError>(seen)
        };
        let (seen, published) = futures::join!(reading, try_join_all((0..300).map(publish)));
        assert_eq!((seen?.len(), published?.len()), (300, 300));
        Ok(())
    })
}

/// Even numbers, by themselves.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Even(u8);

impl Payload for Even {
    const KIND: &'static str = "even/1";

    fn encode(&self) -> Result<Vec<u8>, PayloadError> {
        Ok(vec![self.0])
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        match bytes {
            [number] if number % 2 == 0 => Ok(Self(*number)),
            _ => Err(PayloadError::new("odd")),
        }
    }
}

#[test]
fn what_an_inbox_can_not_decode_is_told_and_does_not_come_again() -> Test {
    in_virtual_time(async {
        let folder = tempfile::tempdir()?;
        let pair = Pair::new(folder.path()).await?;
        let (phone, lamp) = (
            pair.attached(pair.phone(), "phone").await?,
            pair.attached(pair.lamp(), "lamp").await?,
        );
        for body in [[1], [2]] {
            phone.publish_raw(body.to_vec()).confirm().await?.all().await?;
        }
        let mut inbox = lamp.inbox::<Even>().await?;
        let first = inbox.next().await.ok_or("goes on")?;
        assert!(matches!(first, Err(ReceiveError::Undecodable { .. })), "{first:?}");
        assert_eq!(inbox.next().await.ok_or("goes on")??.body, Even(2));
        sleep(Duration::from_secs(1)).await;
        lamp.stop().await?;
        let lamp = pair.attached(pair.lamp(), "lamp").await?;
        let mut inbox = lamp.inbox::<Even>().await?;
        assert_eq!(inbox.next().await.ok_or("goes on")??.body, Even(2));
        Ok(())
    })
}

#[test]
fn a_full_outbox_refuses_or_drops_the_oldest_as_its_owner_chose() -> Test {
    in_virtual_time(async {
        let folder = tempfile::tempdir()?;
        let pair = Pair::new(folder.path()).await?;
        let limits = OutboxLimits { messages: 1, ..OutboxLimits::default() };
        let phone = pair.phone().outbox(limits).start()?;
        phone.ready().await?;
        phone.publish_raw("first").await?;
        assert!(matches!(phone.publish_raw("second").await, Err(TopicError::Command(_))));
        phone.stop().await?;

        let limits = OutboxLimits { overflow: Overflow::DropOldest, ..limits };
        let phone = pair.phone().outbox(limits).start()?;
        phone.ready().await?;
        let mut events = phone.events().await?;
        let receipts = phone.publish_raw("third").confirm().await?;
        phone.publish_raw("fourth").await?;
        assert!(matches!(receipts.all().await, Err(TopicError::Dropped)));
        let dropped = async || {
            let wanted = |event: &Event| match event {
                Event::Dropped { messages } => Some(*messages),
                _ => None,
            };
            event(&mut events, wanted).await
        };
        let mut dropped = dropped;
        assert_eq!(dropped().await + dropped().await, 2, "the first, and the third");
        let lamp = pair.attached(pair.lamp(), "lamp").await?;
        let mut heard = lamp.subscribe_raw().await?;
        attach(&phone, pair.hub.port("phone")).await?;
        assert_eq!(next(&mut heard).await.body, "fourth");
        Ok(())
    })
}

#[test]
fn handed_means_that_a_link_has_it() -> Test {
    in_virtual_time(async {
        let folder = tempfile::tempdir()?;
        let pair = Pair::new(folder.path()).await?;
        let lamp = pair.attached(pair.lamp(), "lamp").await?;
        let mut heard = lamp.subscribe_raw().await?;
        let phone = pair.phone().start()?;
        phone.ready().await?;
        let handed = phone.publish_raw("on").handed();
        let attached = async {
            sleep(Duration::from_secs(60)).await;
            attach(&phone, pair.hub.port("phone")).await
        };
        let (handed, attached) = futures::join!(handed.into_future(), attached);
        handed?;
        attached?;
        assert_eq!(next(&mut heard).await.body, "on");
        Ok(())
    })
}

#[test]
fn receipts_of_named_members_are_enough() -> Test {
    in_virtual_time(async {
        let folder = tempfile::tempdir()?;
        let pair = Pair::new(folder.path()).await?;
        let phone = pair.attached(pair.phone(), "phone").await?;
        let lamp = pair.attached(pair.lamp(), "lamp").await?;
        let invitation = phone.invite(InviteOptions::default()).await?;
        let asleep = Topic::invited(invitation, identity(3)).start()?;
        attach(&asleep, pair.hub.port("asleep")).await?;
        asleep.ready().await?;
        asleep.stop().await?;
        let lamp = lamp.participant().id();
        let all = phone.publish_raw("on").confirm_by([lamp]).await?.all().await?;
        assert_eq!(all, [lamp].into());
        let receipts = phone.publish_raw("on").confirm().await?;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(receipts.missing().await?, Some(vec![identity(3).id()]));
        receipts.give_up().await?;
        assert!(phone.unconfirmed().await?.is_empty());
        Ok(())
    })
}

#[test]
fn a_device_that_was_away_hears_from_a_third_one_what_it_missed() -> Test {
    in_virtual_time(async {
        let folder = tempfile::tempdir()?;
        let pair = Pair::new(folder.path()).await?;
        let phone = pair.attached(pair.phone(), "phone").await?;
        let lamp = pair.attached(pair.lamp(), "lamp").await?;
        let invitation = phone.invite(InviteOptions::default()).await?;
        let hub = Topic::invited(invitation, identity(3)).history(HistoryLimits::default());
        let hub = hub.start()?;
        attach(&hub, pair.hub.port("hub")).await?;
        hub.ready().await?;
        sleep(Duration::from_secs(5)).await;
        lamp.stop().await?;
        for body in ["one", "two"] {
            phone.publish_raw(body).await?;
        }
        sleep(Duration::from_secs(1)).await;
        phone.stop().await?;
        sleep(Duration::from_secs(600)).await;
        let lamp = pair.attached(pair.lamp(), "lamp").await?;
        let mut inbox = lamp.inbox_raw().await?;
        assert_eq!(kept(&mut inbox).await.body, "one");
        assert_eq!(kept(&mut inbox).await.body, "two");
        Ok(())
    })
}

#[test]
fn a_classic_topic_confirms_nothing_and_says_so() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (a, _b) = support::pair(&hub).await?;
        let receipts = a.publish_raw("x").confirm().await?;
        assert!(matches!(receipts.all().await, Err(TopicError::Command(_))));
        assert!(matches!(a.publish_raw("x").handed().await, Err(TopicError::Command(_))));
        Ok(())
    })
}
