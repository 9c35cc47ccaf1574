//! Two V2 topics under load, over any link, on all cores there are. Not here: what it is compared
//! with.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use stringphone::memory::Hub;
use stringphone::{Attach, Identity, InviteOptions, Topic, TopicHandle};

/// Messages under way at the same time, at most.
const OUTSTANDING: usize = 8_192;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The founder of a topic and a member over memory, each an actor on an arbiter of its own.
pub(crate) async fn pair() -> Fallible<(TopicHandle, TopicHandle)> {
    let hub = Hub::new();
    pair_over(hub.port("phone"), hub.port("lamp")).await
}

/// The founder of a topic and a member over these links, each an actor on an arbiter of its own.
pub(crate) async fn pair_over(
    near: impl Into<Attach>,
    far: impl Into<Attach>,
) -> Fallible<(TopicHandle, TopicHandle)> {
    let identity = |number| Identity::from_seed(&[number; 32]);
    let phone = Topic::found("load", identity(1)).queue(2 * OUTSTANDING).start()?;
    phone.attach(near).await?;
    let invitation = phone.invite(InviteOptions::default()).await?;
    let lamp = Topic::invited(invitation, identity(2)).queue(2 * OUTSTANDING).start()?;
    lamp.attach(far).await?;
    lamp.ready().await?;
    Ok((phone, lamp))
}

/// Publishes so many messages, one call each, and waits until all have come out as events.
/// Returns the time by the clock on the wall.
pub(crate) async fn pass(
    phone: &TopicHandle,
    lamp: &TopicHandle,
    body: &Bytes,
    messages: usize,
) -> Fallible<Duration> {
    let mut inbox = lamp.subscribe_raw().await?;
    // A place for each message under way: none is ever lost, and the publisher waits in time.
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(OUTSTANDING));
    let before = Instant::now();
    let publisher = {
        let (phone, body, places) = (phone.clone(), body.clone(), places.clone());
        tokio::spawn(async move {
            let mut free = 0;
            for _ in 0..messages {
                if free == 0 {
                    free = 256;
                    places.acquire_many(256).await?.forget();
                }
                free -= 1;
                phone.publish_raw(body.clone()).await?;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        })
    };
    for received in 1..=messages {
        inbox.next().await.ok_or("stopped")??;
        if received % 256 == 0 {
            places.add_permits(256);
        }
    }
    let passed = before.elapsed();
    publisher.await??;
    Ok(passed)
}

/// One message each 50 ms: how long each takes from `publish` to the event, in microseconds.
pub(crate) async fn at_leisure(
    phone: &TopicHandle,
    lamp: &TopicHandle,
    body: &Bytes,
    messages: usize,
) -> Fallible<Vec<f64>> {
    let mut inbox = lamp.subscribe_raw().await?;
    let mut micros = Vec::new();
    for _ in 0..messages {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let before = Instant::now();
        phone.publish_raw(body.clone()).await?;
        inbox.next().await.ok_or("stopped")??;
        micros.push(before.elapsed().as_secs_f64() * 1e6);
    }
    Ok(micros)
}
