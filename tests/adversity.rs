//! Links that lie, block and flood: one bad thing is one thing, no more. Not stores that do: see
//! `lasting.rs`.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt, stream};
use stringphone::memory::Hub;
use stringphone::transport::{
    ChannelName, Channels, Facts, Frame, Incoming, Link, Outgoing, Transport, TransportError,
};
use stringphone::{Carrier, CarrierSettings, Event, TopicError};
use support::*;
use tokio::time::timeout;

const HOUR: Duration = Duration::from_secs(3600);

/// A link made of these two halves, each time.
struct Made<F>(F);

#[async_trait]
impl<F: FnMut() -> (Incoming, Outgoing) + Send + 'static> Transport for Made<F> {
    fn facts(&self) -> Facts {
        Facts::new("made", 1024).reliable().many_channels()
    }

    async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
        let (incoming, outgoing) = (self.0)();
        Ok(Link { incoming, outgoing })
    }
}

fn silent() -> Incoming {
    Box::pin(stream::pending())
}

fn nowhere() -> Outgoing {
    Box::pin(futures::sink::drain().sink_map_err(|never| match never {}))
}

/// Garbage without end on a channel, never a moment of rest.
fn flood(channel: &'static str) -> Incoming {
    let channel = ChannelName::try_from(channel).unwrap();
    Box::pin(stream::repeat_with(move || {
        Ok(Frame::on(channel.clone(), Bytes::from_static(b"garbage")))
    }))
}

/// Fails a test whose arbiter is blocked, where no timer on it could.
fn within_seconds(test: impl FnOnce() -> Test + Send + 'static) {
    let (done, watched) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = done.send(test().map_err(|error| error.to_string()));
    });
    let ended = watched.recv_timeout(Duration::from_secs(30));
    ended.expect("the arbiter is not blocked").unwrap();
}

#[test]
fn floods_on_many_links_keep_no_message_out_and_no_stop() {
    within_seconds(|| {
        actix::System::new().block_on(async {
            let hub = Hub::new();
            let (a, b) = (member(1, &[2]).start()?, member(2, &[1]).start()?);
            // The honest link is the last one that is read.
            for _ in 0..30 {
                a.attach(Made(|| (flood("house"), nowhere()))).await?;
            }
            a.attach(hub.port("a")).await?;
            attach(&b, hub.port("b")).await?;
            let (mut here, mut there) = (a.subscribe_raw().await?, b.subscribe_raw().await?);
            for number in 0..20 {
                a.publish_raw(format!("{number}")).await?;
                assert_eq!(next(&mut there).await.body, format!("{number}"));
                b.publish_raw("answer").await?;
                assert_eq!(next(&mut here).await.body, "answer");
            }
            a.stop().await?;
            Ok(())
        })
    });
}

#[test]
fn a_flood_that_nobody_listens_to_blocks_nobody() {
    within_seconds(|| {
        actix::System::new().block_on(async {
            let (a, b) = pair(&Hub::new()).await?;
            let mut heard = b.subscribe_raw().await?;
            attach(&a, Made(|| (flood("garage"), nowhere()))).await?;
            let busy = a.attach(Made(|| (flood("house"), nowhere()))).await?;
            a.detach(busy).await?;
            a.publish_raw("hello").await?;
            assert_eq!(next(&mut heard).await.body, "hello");
            Ok(())
        })
    });
}

/// Sets a flag when the link or the transport that holds it is dropped.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn stuck(guard: Option<Gone>) -> Outgoing {
    Box::pin(futures::sink::unfold(guard, |_guard, _: Frame| std::future::pending()))
}

#[test]
fn a_link_that_takes_nothing_is_closed_when_nobody_uses_it() -> Test {
    in_virtual_time(async {
        for way in ["detach", "stop", "drop"] {
            let gone = Arc::new(AtomicBool::new(false));
            let mut guard = Some(Gone(gone.clone()));
            let a = member(1, &[2]).start()?;
            let link = attach(&a, Made(move || (silent(), stuck(guard.take())))).await?;
            for _ in 0..400 {
                a.publish_raw("x").await?;
            }
            match way {
                "detach" => a.detach(link).await?,
                "stop" => assert!(a.stop().await.is_err()),
                _ => drop(a.clone()),
            }
            drop(a);
            let closed = async {
                while !gone.load(Ordering::SeqCst) {
                    tokio::task::yield_now().await;
                }
            };
            // Virtual time moves only while all else waits: yielding would hold it.
            let closed = async {
                tokio::time::advance(Duration::from_secs(4)).await;
                closed.await;
            };
            timeout(HOUR, closed).await.unwrap_or_else(|_| panic!("still open after {way}"));
        }
        Ok(())
    })
}

#[test]
fn a_link_that_takes_nothing_is_given_up_and_the_others_go_on() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (a, b) = (member(1, &[2]).queue(5000).start()?, member(2, &[1]).start()?);
        attach(&a, hub.port("a")).await?;
        attach(&b, hub.port("b")).await?;
        let mut heard = b.subscribe_raw().await?;
        let mut events = a.events().await?;
        let stuck = attach(&a, Scripted::new([Act::Stuck])).await?;
        let publishing = async {
            for number in 0..1000 {
                a.publish_raw(format!("{number}")).await?;
            }
            Ok::<_, TopicError>(())
        };
        let hearing = async {
            for number in 0..1000 {
                assert_eq!(next(&mut heard).await.body, format!("{number}"));
            }
        };
        let (published, ()) = timeout(HOUR, futures::future::join(publishing, hearing)).await?;
        published?;
        let down = event(&mut events, |event| match event {
            Event::LinkDown { link, reason, .. } if *link == stuck => Some(reason.clone()),
            _ => None,
        });
        assert_eq!(down.await, "sending took longer than 30s");
        Ok(())
    })
}

/// A transport that never gets anywhere.
struct Endless;

#[async_trait]
impl Transport for Endless {
    fn facts(&self) -> Facts {
        Facts::new("endless", 1024)
    }

    async fn connect(&mut self, _: Channels) -> Result<Link, TransportError> {
        std::future::pending().await
    }
}

#[test]
fn a_link_that_never_comes_up_is_told() -> Test {
    in_virtual_time(async {
        let a = member(1, &[2]).start()?;
        let mut events = a.events().await?;
        a.attach(Endless).await?;
        let reason = event(&mut events, |event| match event {
            Event::LinkDown { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        assert_eq!(timeout(HOUR, reason).await?, "connecting took longer than 30s");
        Ok(())
    })
}

#[test]
fn frames_that_were_handed_to_a_link_that_is_lost_are_told() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let b = member(2, &[1]).start()?;
        attach(&b, hub.port("b")).await?;
        let mut heard = b.subscribe_raw().await?;
        let a = member(1, &[2]).start()?;
        let mut events = a.events().await?;
        let acts = [Act::StuckThenLost, Act::Connect(Box::new(hub.port("a")))];
        attach(&a, Scripted::new(acts)).await?;
        for number in 0..20 {
            a.publish_raw(format!("{number}")).await?;
        }
        let lost = event(&mut events, |event| match event {
            Event::Lost { frames, .. } => Some(*frames),
            _ => None,
        });
        let lost = lost.await;
        for number in lost..20 {
            assert_eq!(next(&mut heard).await.body, format!("{number}"));
        }
        assert_eq!(a.stats().await?.lost, lost);
        Ok(())
    })
}

#[test]
fn an_adapter_that_lies_about_its_losses_does_no_harm() -> Test {
    in_virtual_time(async {
        let a = member(1, &[2]).start()?;
        let mut events = a.events().await?;
        let lies = || -> Incoming {
            let lies = stream::iter([1, u64::MAX, u64::MAX]);
            let lies = lies.map(|dropped| Err(TransportError::Malformed { dropped, reason: "" }));
            Box::pin(lies.chain(stream::pending()))
        };
        a.attach(Made(move || (lies(), nowhere()))).await?;
        event(&mut events, |event| {
            matches!(event, Event::Lost { frames: u64::MAX, .. }).then_some(())
        })
        .await;
        assert_eq!(a.stats().await?.lost, u64::MAX);
        Ok(())
    })
}

#[test]
fn a_stale_command_is_not_obeyed_when_the_link_comes_back() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (a, b) = (member(1, &[2]).start()?, member(2, &[1]).start()?);
        attach(&b, hub.port("b")).await?;
        let mut heard = b.subscribe_raw().await?;
        let mut events = a.events().await?;
        let acts = [Act::Refuse, Act::Connect(Box::new(hub.port("a")))];
        let settings =
            CarrierSettings { first_pause: HOUR, last_pause: HOUR, ..Default::default() };
        let carrier = Carrier::start_with(Scripted::new(acts), settings);
        a.attach(carrier.channel("house")?).await?;
        event(&mut events, |event| matches!(event, Event::LinkDown { .. }).then_some(())).await;
        a.publish_raw("open the garage").await?;
        event(&mut events, |event| matches!(event, Event::Lost { .. }).then_some(())).await;
        a.publish_raw("hello").await?;
        assert_eq!(next(&mut heard).await.body, "hello");
        Ok(())
    })
}

#[test]
fn an_attach_that_nobody_waited_for_leaves_the_channel_free() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let carrier = Carrier::start(hub.port("a"));
        let a = member(1, &[2]).start()?;
        a.ready().await?;
        for turns in 0..6 {
            let mut attaching = Box::pin(a.attach(carrier.channel("garage")?));
            for _ in 0..turns {
                if futures::poll!(&mut attaching).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let b = member(2, &[1]).start()?;
        // Where it got as far as the topic, the topic has it; it never belongs to nobody.
        let free = b.attach(carrier.channel("garage")?).await;
        a.stop().await?;
        if free.is_err() {
            b.attach(carrier.channel("garage")?).await?;
        }
        Ok(())
    })
}

#[test]
fn a_topic_that_waits_for_one_link_holds_no_room_on_another() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let settings = CarrierSettings { queue: 1, ..CarrierSettings::default() };
        let shared = Carrier::start_with(hub.port("shared"), settings);
        let (a, b) = (member(1, &[2]).start()?, member(3, &[2]).start()?);
        attach(&a, shared.channel("a")?).await?;
        attach(&b, shared.channel("b")?).await?;
        attach(&a, Scripted::new([Act::Stuck])).await?;
        let waits = a.clone();
        let waiting =
            tokio::task::spawn_local(async move { while waits.publish_raw("x").await.is_ok() {} });
        tokio::task::yield_now().await;
        let publishing = async {
            for _ in 0..600 {
                b.publish_raw("y").await?;
            }
            Ok::<_, TopicError>(())
        };
        timeout(Duration::from_secs(20), publishing).await??;
        waiting.abort();
        let _ = waiting.now_or_never();
        Ok(())
    })
}
