//! Brokers, networks and clients that fail under load. Not here: those who mean harm.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use stringphone::mqtt::Mqtt;
use stringphone::store::FileStore;
use stringphone::{Event, Events, Topic, TopicHandle};
use stringphone_servers::mosquitto::{Mosquitto, Settings};
use stringphone_servers::network::Network;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::support::{Test, event, identity};
use super::{at, eager, house};

/// What a topic hears, from now on.
type Heard = Arc<Mutex<Vec<u32>>>;

async fn listen(topic: &TopicHandle, heard: &Heard) -> AbortOnDropHandle<()> {
    let (mut inbox, heard) = (topic.subscribe_raw().await.unwrap(), Arc::clone(heard));
    AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(Ok(message)) = inbox.next().await {
            let number = u32::from_be_bytes(message.body[..4].try_into().unwrap());
            heard.lock().unwrap().push(number);
        }
    }))
}

/// Publishes one number after the other, until it is dropped.
fn talk(topic: &TopicHandle) -> (AbortOnDropHandle<()>, Arc<Mutex<u32>>) {
    let (topic, said) = (topic.clone(), Arc::new(Mutex::new(0)));
    let count = Arc::clone(&said);
    let talking = AbortOnDropHandle::new(tokio::spawn(async move {
        for number in 0_u32.. {
            topic.publish_raw(number.to_be_bytes().to_vec()).await.unwrap();
            *count.lock().unwrap() = number + 1;
            if number % 8 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
    }));
    (talking, said)
}

/// Waits until something new is heard.
async fn goes_on(heard: &Heard) {
    let before = heard.lock().unwrap().len();
    timeout(Duration::from_secs(20), async {
        while heard.lock().unwrap().len() <= before {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("it goes on");
}

/// How many there are, and that there is none twice.
fn once_each(heard: &Heard) -> usize {
    let heard = heard.lock().unwrap();
    let distinct: BTreeSet<&u32> = heard.iter().collect();
    assert_eq!(distinct.len(), heard.len(), "something was delivered twice");
    heard.len()
}

async fn down(events: &mut Events) -> String {
    event(events, |event| match event {
        Event::LinkDown { reason, .. } => Some(reason.clone()),
        _ => None,
    })
    .await
}

async fn up(events: &mut Events) {
    event(events, |event| matches!(event, Event::LinkUp { .. }).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_ten_times_under_load_doubles_nothing_and_the_events_tell() -> Test {
    let mut broker = Mosquitto::start();
    let folder = tempfile::tempdir()?;
    let mqtt = || Mqtt::broker(at(&broker));
    let (phone, lamp) = house(mqtt(), mqtt(), &folder.path().join("lamp")).await?;
    let (heard, mut events) = (Heard::default(), phone.events().await?);
    let _listening = listen(&lamp, &heard).await;
    let (talking, said) = talk(&phone);
    for _ in 0..10 {
        goes_on(&heard).await;
        broker.kill();
        timeout(Duration::from_secs(10), down(&mut events)).await?;
        broker.restart();
        timeout(Duration::from_secs(10), up(&mut events)).await?;
    }
    goes_on(&heard).await;
    drop(talking);
    sleep(Duration::from_secs(1)).await;
    let (said, heard) = (*said.lock().unwrap(), once_each(&heard));
    eprintln!("ten hard kills: {said} published, {heard} delivered, none twice");
    assert!(heard > 0 && heard <= usize::try_from(said)?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_restarts_under_load_hears_nothing_twice() -> Test {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("lamp");
    let mqtt = || Mqtt::broker(at(&broker));
    // The broker keeps for it what it misses.
    let far = || mqtt().client("lamp");
    let (phone, mut lamp) = house(mqtt(), far(), &state).await?;
    let heard = Heard::default();
    let mut listening = listen(&lamp, &heard).await;
    let (talking, _) = talk(&phone);
    for _ in 0..5 {
        goes_on(&heard).await;
        lamp.stop().await?;
        drop(listening);
        lamp = again(&state)?;
        listening = listen(&lamp, &heard).await;
        lamp.attach(eager(far())?).await?;
    }
    goes_on(&heard).await;
    drop(talking);
    sleep(Duration::from_secs(1)).await;
    once_each(&heard);
    Ok(())
}

fn again(state: &Path) -> Result<TopicHandle, stringphone::TopicError> {
    Topic::join("house", identity(2)).store(FileStore::new(state)).start()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_cut_or_falls_silent_is_noticed_and_comes_back() -> Test {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir()?;
    let network = Network::to(at(&broker)).await;
    let keep_alive = NonZeroU16::new(2).unwrap();
    let near = Mqtt::broker(network.address).keep_alive(keep_alive);
    let far = Mqtt::broker(at(&broker));
    let (phone, lamp) = house(near, far, &folder.path().join("lamp")).await?;
    let (heard, mut events) = (Heard::default(), phone.events().await?);
    let _listening = listen(&lamp, &heard).await;
    let (_talking, _) = talk(&phone);
    for silent in [false, true, true] {
        goes_on(&heard).await;
        let before = Instant::now();
        if silent {
            network.silence();
        } else {
            network.cut().await;
        }
        timeout(Duration::from_secs(20), down(&mut events)).await?;
        let allowed = if silent { Duration::from_secs(5) } else { Duration::from_secs(1) };
        assert!(before.elapsed() < allowed, "{silent}: {:?}", before.elapsed());
        network.clear_up().await;
        timeout(Duration::from_secs(20), up(&mut events)).await?;
    }
    goes_on(&heard).await;
    once_each(&heard);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_confirmed_was_delivered_whatever_the_broker_does() -> Test {
    // Without it, a receipt waits for others behind it.
    let mut broker = Settings::default().with_line("set_tcp_nodelay true").start();
    let folder = tempfile::tempdir()?;
    let mqtt = || Mqtt::broker(at(&broker));
    let (phone, lamp) = house(mqtt(), mqtt(), &folder.path().join("lamp")).await?;
    let heard = Heard::default();
    let _listening = listen(&lamp, &heard).await;
    let confirmed: Arc<Mutex<BTreeSet<u32>>> = Arc::default();
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..60_u32 {
        let receipts = phone.publish_raw(number.to_be_bytes().to_vec()).confirm().await?;
        let confirmed = Arc::clone(&confirmed);
        waiting.spawn(async move {
            if receipts.all().await.is_ok() {
                confirmed.lock().unwrap().insert(number);
            }
        });
        if number % 15 == 14 {
            broker.kill();
            sleep(Duration::from_millis(50)).await;
            broker.restart();
        }
        sleep(Duration::from_millis(5)).await;
    }
    // The last ones come when the link is back.
    sleep(Duration::from_secs(2)).await;
    let confirmed = confirmed.lock().unwrap().clone();
    once_each(&heard);
    let heard: BTreeSet<u32> = heard.lock().unwrap().iter().copied().collect();
    assert!(confirmed.is_subset(&heard), "confirmed and not delivered");
    assert!(confirmed.len() > 20, "{} of 60 were confirmed", confirmed.len());
    Ok(())
}
