//! Links come and go, and topics live on.

mod support;

use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, SinkExt, StreamExt, sink, stream};
use stringphone::memory::Hub;
use stringphone::transport::{
    ChannelName, Channels, Facts, Frame, Link, Transport, TransportError,
};
use stringphone::{Carrier, CarrierSettings, Event, Refusal, Topic, TopicError, TopicHandle};
use support::*;
use tokio::sync::Notify;

/// What a topic's events say of its link, in short.
async fn story(topic: &TopicHandle, transport: Scripted, chapters: usize) -> Vec<String> {
    let mut events = topic.events().await.unwrap();
    topic.attach(transport).await.unwrap();
    let mut story = Vec::new();
    while story.len() < chapters {
        story.push(
            event(&mut events, |event| match event {
                Event::LinkUp { .. } => Some("up".to_owned()),
                Event::LinkDown { reason, .. } => Some(reason.clone()),
                _ => None,
            })
            .await,
        );
    }
    story
}

#[test]
fn a_link_is_connected_again_after_refusals_losses_and_panics() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (a, b) = (member(1, &[2]).start()?, member(2, &[1]).start()?);
        attach(&b, hub.port("b")).await?;
        let acts = [
            Act::Refuse,
            Act::Panic,
            Act::Lose,
            Act::PanicLater,
            Act::Connect(Box::new(hub.port("a"))),
        ];
        let story = story(&a, Scripted::new(acts), 7).await;
        assert_eq!(
            story,
            [
                "the link is down: refused",
                "the link is down: the adapter panicked: the adapter fell over",
                "up",
                "the link is closed",
                "up",
                "the link is down: the adapter panicked: it fell over later",
                "up",
            ]
        );
        let mut heard = b.subscribe_raw().await?;
        a.publish_raw("after all that").await?;
        assert_eq!(next(&mut heard).await.body, "after all that");
        Ok(())
    })
}

#[test]
fn pauses_between_reconnections_grow() -> Test {
    in_virtual_time(async {
        let topic = member(1, &[]).start()?;
        let mut events = topic.events().await?;
        let settings = CarrierSettings { seed: Some(7), ..CarrierSettings::default() };
        let carrier = Carrier::start_with(Scripted::new([]), settings);
        topic.attach(carrier.channel("house")?).await?;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let began = tokio::time::Instant::now();
            let pause = event(&mut events, |event| match event {
                Event::LinkDown { retry_in, .. } => Some(*retry_in),
                _ => None,
            });
            pauses.push((pause.await, began.elapsed()));
        }
        for pair in pauses.windows(2) {
            let ((told, _), (next, waited)) = (pair[0], pair[1]);
            assert!(waited.abs_diff(told) < Duration::from_millis(5), "{waited:?} after {told:?}");
            assert!(next > told || next >= Duration::from_secs(15), "{told:?} then {next:?}");
        }
        Ok(())
    })
}

#[test]
fn messages_wait_for_a_link_that_is_down_and_what_does_not_fit_is_told() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (a, b) = (member(1, &[2]).start()?, member(2, &[1]).queue(1000).start()?);
        let mut heard = b.subscribe_raw().await?;
        attach(&b, hub.port("b")).await?;
        let mut events = a.events().await?;
        let down = [Act::Refuse, Act::Connect(Box::new(hub.port("a")))];
        let settings = CarrierSettings { queue: 100, ..CarrierSettings::default() };
        let carrier = Carrier::start_with(Scripted::new(down), settings);
        a.attach(carrier.channel("house")?).await?;
        event(&mut events, |event| matches!(event, Event::LinkDown { .. }).then_some(())).await;
        for number in 0..150 {
            a.publish_raw(format!("{number}")).await?;
        }
        for number in 0..100 {
            assert_eq!(next(&mut heard).await.body, format!("{number}"));
        }
        assert!(heard.next().now_or_never().is_none());
        let stats = a.stats().await?;
        assert_eq!((stats.published, stats.lost), (150, 50));
        Ok(())
    })
}

#[test]
fn a_publisher_waits_for_a_link_that_takes_nothing_and_nobody_else_does() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (a, b) = pair(&hub).await?;
        let mut heard = a.subscribe_raw().await?;
        let stuck = attach(&a, Scripted::new([Act::Stuck])).await?;
        let flood = async {
            loop {
                a.publish_raw("more").await?;
            }
        };
        let flood: Result<Result<(), TopicError>, _> =
            tokio::time::timeout(Duration::from_secs(20), flood).await;
        assert!(flood.is_err(), "it waits");
        // What comes in is not held up by what can't go out.
        b.publish_raw("hello").await?;
        assert_eq!(next(&mut heard).await.body, "hello");
        // Without that link it goes on.
        a.detach(stuck).await?;
        let mut heard = b.subscribe_raw().await?;
        a.publish_raw("last").await?;
        while next(&mut heard).await.body != "last" {}
        Ok(())
    })
}

#[test]
fn a_frame_that_arrives_on_two_links_is_delivered_once() -> Test {
    in_virtual_time(async {
        let (hub, other) = (Hub::new(), Hub::new());
        let (a, b) = pair(&hub).await?;
        attach(&a, other.port("a")).await?;
        attach(&b, other.port("b")).await?;
        let mut heard = b.subscribe_raw().await?;
        for number in 0..50 {
            a.publish_raw(format!("{number}")).await?;
        }
        for number in 0..50 {
            assert_eq!(next(&mut heard).await.body, format!("{number}"));
        }
        // The copies of the last one may still be on their way: detaching waits for none of them.
        let mut events = b.events().await?;
        a.stop().await?;
        assert!(heard.next().now_or_never().is_none());
        assert!(events.next().now_or_never().is_none(), "copies are ordinary, and not told");
        Ok(())
    })
}

#[test]
fn a_captured_frame_that_is_replayed_is_delivered_once() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (a, b) = pair(&hub).await?;
        let mut heard = b.subscribe_raw().await?;
        let (_owner, channels) = Channels::new([ChannelName::try_from("house")?]);
        let mut attacker = hub.port("attacker").connect(channels).await?;
        a.publish_raw("open the door").await?;
        let captured = attacker.incoming.next().await.unwrap()?;
        assert_eq!(next(&mut heard).await.body, "open the door");
        for _ in 0..10 {
            attacker.outgoing.send(captured.clone()).await?;
        }
        a.publish_raw("close it").await?;
        assert_eq!(next(&mut heard).await.body, "close it");
        assert_eq!(b.stats().await?.refused[&Refusal::Duplicate], 10);
        Ok(())
    })
}

#[test]
fn garbage_from_the_channel_changes_nothing_and_is_counted() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (a, b) = pair(&hub).await?;
        let mut heard = b.subscribe_raw().await?;
        let mut events = b.events().await?;
        let house = ChannelName::try_from("house")?;
        let (_owner, channels) = Channels::new([house.clone()]);
        let mut attacker = hub.port("attacker").connect(channels).await?;
        for len in 1..=300usize {
            for kind in [b's', b'i', b'r', b'x'] {
                let mut bytes = vec![kind; len];
                bytes.iter_mut().skip(1).enumerate().for_each(|(at, byte)| *byte = at as u8);
                attacker.outgoing.send(Frame::on(house.clone(), bytes)).await?;
            }
        }
        a.publish_raw("unimpressed").await?;
        assert_eq!(next(&mut heard).await.body, "unimpressed");
        let refused: u64 = b.stats().await?.refused.values().sum();
        assert_eq!(refused, 1200, "{:?}", b.stats().await?.refused);
        // Told once for each reason, and not so often that it would push out what matters.
        let mut told = Vec::new();
        while let Some(Some(Ok(Event::Refused(reason)))) = events.next().now_or_never() {
            told.push(reason);
        }
        told.sort();
        let mut reasons: Vec<_> = b.stats().await?.refused.into_keys().collect();
        reasons.retain(|reason| !reason.is_ordinary());
        assert_eq!(told, reasons);
        Ok(())
    })
}

#[test]
fn topics_on_one_connection_do_not_hear_each_other() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (here, there) = (Carrier::start(hub.port("here")), Carrier::start(hub.port("there")));
        let mut ends = Vec::new();
        for channel in ["greenhouse", "garage"] {
            let (a, b) = (member(1, &[2]).start()?, member(2, &[1]).start()?);
            attach(&a, here.channel(channel)?).await?;
            attach(&b, there.channel(channel)?).await?;
            ends.push((a, b.subscribe_raw().await?, b));
        }
        for (at, (a, heard, _)) in ends.iter_mut().enumerate() {
            a.publish_raw(format!("to {at}")).await?;
            assert_eq!(next(heard).await.body, format!("to {at}"));
        }
        assert!(ends.iter_mut().all(|(_, heard, _)| heard.next().now_or_never().is_none()));

        let taken = Topic::found("x", identity(9)).classic().start()?;
        let refused = taken.attach(here.channel("garage")?).await;
        assert!(matches!(refused, Err(TopicError::ChannelTaken(_))), "{refused:?}");
        ends.pop().unwrap().0.stop().await?;
        attach(&taken, here.channel("garage")?).await?;
        Ok(())
    })
}

/// Notes what it is told of channels, and is lost whenever it is asked to be.
#[derive(Clone, Default)]
struct Told {
    channels: Arc<Mutex<Vec<ChannelName>>>,
    lose: Arc<Notify>,
}

#[async_trait]
impl Transport for Told {
    fn facts(&self) -> Facts {
        Facts::new("told", 1024).many_channels()
    }

    async fn connect(&mut self, mut channels: Channels) -> Result<Link, TransportError> {
        let told = self.channels.clone();
        let listening = stream::poll_fn(move |cx| {
            while let Poll::Ready(changes) = channels.poll_changed(cx) {
                told.lock().unwrap().extend(changes.opened.into_iter().chain(changes.closed));
            }
            Poll::Pending
        });
        let incoming = listening.take_until(self.lose.clone().notified_owned());
        Ok(Link::new(incoming, sink::drain().sink_map_err(|never| match never {})))
    }
}

#[test]
fn an_adapter_is_told_of_each_channel_once_and_of_all_again_on_a_new_link() -> Test {
    const CHANNELS: usize = 300;
    in_virtual_time(async {
        let link = Told::default();
        let told = async || {
            tokio::time::sleep(Duration::from_secs(1)).await;
            std::mem::take(&mut *link.channels.lock().unwrap()).len()
        };
        let carrier = Carrier::start(link.clone());
        let mut topics = Vec::new();
        for number in 0..CHANNELS {
            let topic = member(1, &[]).start()?;
            topic.attach(carrier.channel(&format!("{number}"))?).await?;
            topics.push(topic);
        }
        assert_eq!(told().await, CHANNELS);
        topics.truncate(CHANNELS - 1);
        assert_eq!(told().await, 1, "that it is closed");
        link.lose.notify_one();
        assert_eq!(told().await, CHANNELS - 1);
        Ok(())
    })
}

#[test]
fn a_connection_ends_with_its_last_handle() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let carrier = Carrier::start(hub.port("a"));
        let topic = member(1, &[2]).start()?;
        let link = attach(&topic, carrier.channel("house")?).await?;
        drop(carrier);
        // A port is connected once: this succeeds only when the first connection is gone.
        topic.detach(link).await?;
        let gone = topic.detach(link).await;
        assert!(matches!(gone, Err(TopicError::NoSuchLink)), "{gone:?}");
        let nowhere = topic.publish_raw("into the void").await;
        assert!(matches!(nowhere, Err(TopicError::NoLink)), "{nowhere:?}");
        topic.stop().await?;
        Ok(())
    })
}

#[test]
fn what_is_published_before_a_stop_reaches_the_links() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let a = member(1, &[2]).start()?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        attach(&a, Tapped { inner: hub.port("a"), heard: heard.clone() }).await?;
        let mut messages = a.subscribe_raw().await?;
        for number in 0..200 {
            a.publish_raw(format!("{number}")).await?;
        }
        a.stop().await?;
        assert_eq!(heard.lock().unwrap().len(), 200);
        assert!(messages.next().await.is_none(), "subscriptions end");
        assert!(matches!(a.publish_raw("late").await, Err(TopicError::Stopped)));
        a.stop().await?; // again is no error
        Ok(())
    })
}

#[test]
fn a_stop_does_not_wait_for_ever_for_a_link_that_takes_nothing() -> Test {
    in_virtual_time(async {
        for published in [3, 400] {
            let a = member(1, &[2]).start()?;
            attach(&a, Scripted::new([Act::Stuck])).await?;
            for _ in 0..published {
                a.publish_raw("x").await?;
            }
            let stopped = tokio::time::timeout(Duration::from_secs(5), a.stop()).await?;
            let Err(TopicError::Unsent { messages }) = stopped else { panic!("{stopped:?}") };
            assert!((published - 2..=published).contains(&messages), "{messages} of {published}");
        }
        Ok(())
    })
}

#[test]
fn a_topic_ends_with_its_last_handle() -> Test {
    in_virtual_time(async {
        let a = member(1, &[]).start()?;
        let mut messages = a.subscribe_raw().await?;
        let clone = a.clone();
        drop(a);
        clone.ready().await?;
        drop(clone);
        assert!(messages.next().await.is_none());
        Ok(())
    })
}
