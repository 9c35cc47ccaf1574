//! Messages, subscribers, and everything that a log must not say.

mod support;

use std::sync::{Arc, Mutex};

use actix::prelude::*;
use futures::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};
use stringphone::memory::{Hub, Limits};
use stringphone::{
    Delivery, Payload, PublishMessage, ReceiveError, Topic, TopicError, TopicHandle,
};
use support::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    celsius: f32,
}

impl Payload for Reading {
    const KIND: &'static str = "reading/1";
}

#[test]
fn typed_payloads_arrive_and_others_are_told_apart() -> Test {
    in_virtual_time(async {
        let (a, b) = pair(&Hub::new()).await?;
        let mut readings = b.subscribe::<Reading>().await?;
        a.publish(&Reading { celsius: 21.5 }).await?;
        assert_eq!(next(&mut readings).await.body, Reading { celsius: 21.5 });
        a.publish_raw("no reading").await?;
        let other = readings.next().await.unwrap();
        assert!(
            matches!(&other, Err(ReceiveError::Undecodable { from, .. }) if *from == key(1).id()),
            "{other:?}"
        );
        a.publish(&Reading { celsius: 22.0 }).await?;
        assert_eq!(next(&mut readings).await.body, Reading { celsius: 22.0 });
        Ok(())
    })
}

#[test]
fn in_classic_the_bytes_are_the_payload_and_nothing_is_added() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (a, b) = (member(1, &[2]).start()?, member(2, &[1]).start()?);
        let heard = Arc::new(Mutex::new(Vec::new()));
        attach(&a, Tapped { inner: hub.port("a"), heard: heard.clone() }).await?;
        attach(&b, hub.port("b")).await?;
        let mut messages = b.subscribe_raw().await?;
        a.publish_raw("on").await?;
        assert_eq!(next(&mut messages).await.body, "on");
        assert_eq!(heard.lock().unwrap()[0].bytes.len(), 121 + 2);
        Ok(())
    })
}

#[test]
fn a_slow_subscriber_is_told_what_it_lost_and_slows_nobody() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (a, b) = (member(1, &[2]).start()?, member(2, &[1]).queue(16).start()?);
        attach(&a, hub.port("a")).await?;
        attach(&b, hub.port("b")).await?;
        let (mut slow, mut quick) = (b.subscribe_raw().await?, b.subscribe_raw().await?);
        for number in 0..500 {
            a.publish_raw(format!("{number}")).await?;
            assert_eq!(next(&mut quick).await.body, format!("{number}"));
        }
        let lagged = slow.next().await.unwrap();
        assert!(matches!(lagged, Err(ReceiveError::Lagged(lost)) if lost.0 == 484), "{lagged:?}");
        for number in 484..500 {
            assert_eq!(next(&mut slow).await.body, format!("{number}"));
        }
        Ok(())
    })
}

/// An actor that counts what it gets, when it is let.
struct Thermometer {
    got: Arc<Mutex<Vec<String>>>,
}

impl Actor for Thermometer {
    type Context = Context<Self>;
}

impl Handler<Delivery<Reading>> for Thermometer {
    type Result = ();

    fn handle(&mut self, delivery: Delivery<Reading>, _: &mut Self::Context) {
        self.got.lock().unwrap().push(match delivery.0 {
            Ok(reading) => format!("{}", reading.body.celsius),
            Err(error) => error.to_string(),
        });
    }
}

/// Takes the actor's time, so that its mailbox fills.
#[derive(Message)]
#[rtype(result = "()")]
struct Nap(tokio::sync::oneshot::Receiver<()>);

impl Handler<Nap> for Thermometer {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, nap: Nap, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(async move { drop(nap.0.await) }.into_actor(self)))
    }
}

#[test]
fn an_actor_gets_messages_and_is_told_what_it_was_too_slow_for() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let (a, b) = (member(1, &[2]).start()?, member(2, &[1]).queue(8).start()?);
        attach(&a, hub.port("a")).await?;
        attach(&b, hub.port("b")).await?;
        let got = Arc::new(Mutex::new(Vec::new()));
        let actor = Thermometer { got: got.clone() }.start();
        b.subscribe_recipient(actor.clone().recipient()).await?;
        let mut all = b.subscribe_raw().await?;
        let publish = async |celsius: f32, all: &mut _| {
            a.publish(&Reading { celsius }).await?;
            next(all).await;
            Ok::<_, TopicError>(())
        };
        publish(1.0, &mut all).await?;

        let (wake, asleep) = tokio::sync::oneshot::channel();
        let nap = actor.send(Nap(asleep));
        let nap = tokio::task::spawn_local(nap);
        tokio::task::yield_now().await;
        for number in 2..100 {
            publish(number as f32, &mut all).await?;
        }
        let _ = wake.send(());
        nap.await??;
        publish(100.0, &mut all).await?;
        while got.lock().unwrap().last().map(String::as_str) != Some("100") {
            tokio::task::yield_now().await;
        }

        let got = got.lock().unwrap();
        let lost: u64 = got
            .iter()
            .filter_map(|said| said.split_once(" items were lost")?.0.parse::<u64>().ok())
            .sum();
        let kept = got.iter().filter(|said| said.parse::<f32>().is_ok()).count() as u64;
        assert!(lost > 0, "{got:?}");
        assert_eq!(lost + kept, 100, "{got:?}");
        Ok(())
    })
}

#[test]
fn many_callers_at_once_are_all_answered() -> Test {
    in_virtual_time(async {
        let (a, _b) = pair(&Hub::new()).await?;
        let calls = futures::future::join_all((0..1000).map(|_| a.participants())).await;
        assert!(calls.iter().all(|answer| answer.as_ref().is_ok_and(|known| known.len() == 1)));
        Ok(())
    })
}

#[test]
fn an_actix_user_can_publish_through_the_address() -> Test {
    in_virtual_time(async {
        let (a, b) = pair(&Hub::new()).await?;
        let mut heard = b.subscribe_raw().await?;
        a.addr().send(PublishMessage("by address".into())).await??;
        assert_eq!(next(&mut heard).await.body, "by address");
        let unready = Topic::join("house", identity(3)).classic().start()?;
        let refused = unready.addr().send(PublishMessage("x".into())).await?;
        assert!(matches!(refused, Err(TopicError::NotReady)), "{refused:?}");
        Ok(())
    })
}

#[test]
fn a_message_that_no_link_can_carry_is_refused_before_it_is_queued() -> Test {
    in_virtual_time(async {
        let (a, b) = pair(&Hub::new()).await?;
        let mut heard = b.subscribe_raw().await?;
        // 256 pieces of 57 bytes, less what Classic adds.
        let max = 256 * 57 - 121;
        let small = Hub::with(Limits::default().max_frame(64));
        let tooth = attach(&a, small.port("x")).await?;
        let refused = a.publish_raw(vec![0; max + 1]).await;
        assert!(
            matches!(refused, Err(TopicError::TooLarge { len, max: known }) if len == max + 1 && known == max),
            "{refused:?}"
        );
        a.publish_raw(vec![7; max]).await?;
        assert_eq!(next(&mut heard).await.body.len(), max);
        a.detach(tooth).await?;
        a.publish_raw(vec![0; max + 1]).await?;
        assert_eq!(next(&mut heard).await.body.len(), max + 1);
        Ok(())
    })
}

#[test]
fn a_queue_of_any_size_can_be_asked_for() -> Test {
    in_virtual_time(async {
        for messages in [0, usize::MAX] {
            member(1, &[]).queue(messages).start()?.ready().await?;
        }
        Ok(())
    })
}

/// The same conversation, whatever runs it.
async fn conversation() -> Test {
    let (a, b): (TopicHandle, TopicHandle) = pair(&Hub::new()).await?;
    let mut heard = b.subscribe::<Reading>().await?;
    for number in 0..100 {
        a.publish(&Reading { celsius: number as f32 }).await?;
        assert_eq!(next(&mut heard).await.body.celsius, number as f32);
    }
    a.stop().await?;
    b.stop().await?;
    assert!(heard.next().await.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_on_a_multi_threaded_runtime() -> Test {
    conversation().await
}

#[tokio::test]
async fn it_works_on_a_current_thread_runtime() -> Test {
    conversation().await
}

#[actix::test]
async fn it_works_on_an_actix_system() -> Test {
    conversation().await
}

#[test]
fn it_works_without_any_runtime() -> Test {
    futures::executor::block_on(conversation())
}

#[test]
fn a_handle_can_be_used_from_any_thread() {
    fn everywhere<T: Clone + Send + Sync + 'static>() {}
    everywhere::<TopicHandle>();
    everywhere::<stringphone::Carrier>();
}

/// Collects whatever is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn neither_keys_nor_messages_are_ever_logged() -> Test {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("the log is on");
        in_virtual_time(async {
            let (a, b) = pair(&Hub::new()).await?;
            attach(&a, Scripted::new([Act::Refuse, Act::Panic, Act::Lose])).await?;
            let mut heard = b.subscribe_raw().await?;
            a.publish_raw("the plaintext").await?;
            let message = next(&mut heard).await;
            tracing::info!(?a, ?b, stats = ?b.stats().await?, "handles");
            assert_eq!(message.body, "the plaintext");
            let _ = heard.next().now_or_never();
            Ok(())
        })
    })?;
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("the log is on"));
    let seed = identity(1).expose_seed();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let state = state(1, &[2]);
    let topic_key = state.topic_key.ok_or("a topic key")?;
    let secrets = [
        hex(topic_key.expose_secret()),
        hex(state.exchange_key.expose_secret()),
        hex(&seed[..]),
        format!("{:?}", &seed[..8]),
        hex(b"the plaintext"),
        "the plaintext".into(),
    ];
    for secret in secrets {
        assert!(!log.contains(secret.trim_matches(['[', ']'])), "{secret} is in the log:\n{log}");
    }
    Ok(())
}
