//! What outlives a process, and what a store does that fails, hangs or panics.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::{SinkExt, StreamExt};
#[cfg(feature = "redb")]
use stringphone::keyfile::StorageKey;
use stringphone::memory::Hub;
#[cfg(feature = "redb")]
use stringphone::store::DatabaseStore;
use stringphone::store::{FileStore, MemoryStore, Record, RestoreError, Store, StoreError};
use stringphone::transport::{ChannelName, Channels, Frame, Transport};
use stringphone::{Admission, Carrier, Topic, TopicError, TopicHandle};
use support::*;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn every_store_keeps_what_stores_must() -> Test {
    let folder = tempfile::tempdir()?;
    stringphone::store::conformance::run(|| FileStore::new(folder.path().join("file"))).await?;
    #[cfg(feature = "redb")]
    {
        let (file, key) = (folder.path().join("database"), StorageKey::generate()?);
        stringphone::store::conformance::run(|| DatabaseStore::new(&file, &key)).await?;
    }
    let shared = Lasting::default();
    stringphone::store::conformance::run(|| shared.clone()).await?;
    Ok(())
}

#[tokio::test]
async fn the_suite_refuses_a_store_that_forgets() {
    let forgets = stringphone::store::conformance::run(MemoryStore::default).await;
    let said = forgets.unwrap_err().to_string();
    assert!(said.contains("outlive the process"), "{said}");
}

#[tokio::test]
async fn a_restart_goes_on_where_it_stopped() -> Test {
    let folder = tempfile::tempdir()?;
    restart(|name| FileStore::new(folder.path().join(name))).await
}

#[cfg(feature = "redb")]
#[tokio::test]
async fn a_restart_goes_on_where_it_stopped_with_a_database() -> Test {
    let (folder, key) = (tempfile::tempdir()?, StorageKey::generate()?);
    restart(|name| DatabaseStore::new(folder.path().join(name), &key)).await
}

async fn restart<S: Store>(store: impl Fn(&str) -> S) -> Test {
    let open = || async {
        let hub = Hub::new();
        let founder =
            Topic::found("house", identity(1)).classic().store(store("founder")).start()?;
        founder.set_admission(Admission::AllowList([key(2).id()].into())).await?;
        let newcomer = Topic::join("house", identity(2))
            .classic()
            .store(store("newcomer"))
            .pin_admitter(key(1).fingerprint())
            .start()?;
        attach(&founder, hub.port("founder")).await?;
        attach(&newcomer, hub.port("newcomer")).await?;
        Ok::<_, TopicError>((founder, newcomer))
    };

    let (founder, newcomer) = open().await?;
    newcomer.ready().await?;
    founder.stop().await?;
    newcomer.stop().await?;

    let (founder, newcomer) = open().await?;
    founder.set_admission(Admission::Nobody).await?;
    let mut heard = founder.subscribe_raw().await?;
    newcomer.ready().await?;
    newcomer.publish_raw("still here").await?;
    assert_eq!(next(&mut heard).await.body, "still here");
    assert_eq!(founder.participants().await?, [newcomer.participant()]);
    assert_eq!(newcomer.participants().await?, [founder.participant()]);
    Ok(())
}

#[tokio::test]
async fn another_identitys_state_does_not_open() -> Test {
    let folder = tempfile::tempdir()?;
    let store = || FileStore::new(folder.path().join("topic"));
    Topic::found("house", identity(1)).classic().store(store()).start()?.stop().await?;
    let other = Topic::found("house", identity(2)).classic().store(store()).start()?;
    for result in [other.ready().await, other.stop().await, other.trust(key(3)).await] {
        assert!(
            matches!(&result, Err(TopicError::Restore(RestoreError::OtherIdentity(id))) if *id == key(1).id()),
            "{result:?}"
        );
    }
    Ok(())
}

/// A store that lasts while the process does, waits for leave, and fails when told to.
#[derive(Clone, Default)]
struct Lasting {
    records: Arc<tokio::sync::Mutex<MemoryStore>>,
    leave: Option<Arc<Semaphore>>,
    fail: Arc<AtomicBool>,
}

#[async_trait]
impl Store for Lasting {
    async fn load(&mut self) -> Result<Vec<Record>, StoreError> {
        self.records.lock().await.load().await
    }

    async fn commit(&mut self, batch: Vec<Record>) -> Result<(), StoreError> {
        if let Some(leave) = &self.leave {
            leave.acquire().await.expect("it stays open").forget();
        }
        if self.fail.load(Ordering::SeqCst) {
            return Err(StoreError::Other("the disk is full".into()));
        }
        self.records.lock().await.commit(batch).await
    }
}

#[test]
fn a_reply_leaves_only_after_the_newcomer_is_stored() -> Test {
    in_virtual_time(async {
        let leave = Arc::new(Semaphore::new(1)); // for the new topic itself
        let store = Lasting { leave: Some(leave.clone()), ..Lasting::default() };
        let hub = Hub::new();
        let founder = Topic::found("house", identity(1)).classic().store(store).start()?;
        founder.set_admission(Admission::Window(HOUR)).await?;
        let newcomer =
            Topic::join("house", identity(2)).classic().dangerously_trust_any_admitter().start()?;
        attach(&founder, hub.port("founder")).await?;
        attach(&newcomer, hub.port("newcomer")).await?;
        let early = timeout(Duration::from_secs(20), newcomer.ready()).await;
        assert!(early.is_err(), "no reply before the commit");
        leave.add_permits(1);
        newcomer.ready().await?;
        Ok(())
    })
}

#[test]
fn a_topic_whose_store_fails_stops_and_says_why() -> Test {
    in_virtual_time(async {
        let store = Lasting::default();
        let topic = Topic::found("house", identity(1)).classic().store(store.clone()).start()?;
        topic.ready().await?;
        let mut events = topic.events().await?;
        store.fail.store(true, Ordering::SeqCst);
        for result in [topic.trust(key(2)).await, topic.ready().await, topic.stop().await] {
            let error = result.unwrap_err();
            assert!(error.to_string().contains("the disk is full"), "{error}");
        }
        while let Some(event) = events.next().await {
            assert!(!matches!(event, Ok(stringphone::Event::Joined(_))), "it is not stored");
        }
        Ok(())
    })
}

/// Hangs at the second commit; fails at the second, after a while.
struct Bad {
    commits: u32,
    hang: bool,
    records: MemoryStore,
}

fn bad(hang: bool) -> Bad {
    Bad { commits: 0, hang, records: MemoryStore::default() }
}

#[async_trait]
impl Store for Bad {
    async fn load(&mut self) -> Result<Vec<Record>, StoreError> {
        self.records.load().await
    }

    async fn commit(&mut self, batch: Vec<Record>) -> Result<(), StoreError> {
        self.commits += 1;
        if self.commits == 1 {
            return self.records.commit(batch).await;
        }
        if self.hang {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        Err(StoreError::Other("the disk is full".into()))
    }
}

async fn founder(store: Bad) -> Result<TopicHandle, TopicError> {
    let topic = Topic::found("house", identity(1)).classic().store(store).start()?;
    topic.ready().await?;
    Ok(topic)
}

#[test]
fn whoever_waits_for_a_commit_that_fails_is_never_told_that_it_succeeded() -> Test {
    in_virtual_time(async {
        let topic = founder(bad(false)).await?;
        // Several at once, so that some come in while another is being stored.
        let answers = futures::future::join_all((2..9).map(|number| topic.trust(key(number))));
        for answer in answers.await {
            assert!(answer.unwrap_err().to_string().contains("the disk is full"));
        }
        Ok(())
    })
}

#[test]
fn a_store_that_hangs_ends_the_topic_and_no_stop_waits_for_it() -> Test {
    in_virtual_time(async {
        let topic = founder(bad(true)).await?;
        let began = tokio::time::Instant::now();
        let answer = timeout(HOUR, topic.trust(key(2))).await?;
        assert!(matches!(answer, Err(TopicError::Store(_))), "{answer:?}");
        assert_eq!(began.elapsed().as_secs(), 30);

        let topic = founder(bad(true)).await?;
        let hangs = topic.clone();
        let trusting = tokio::task::spawn_local(async move { hangs.trust(key(2)).await });
        tokio::task::yield_now().await;
        timeout(Duration::from_secs(5), topic.stop()).await??;
        assert!(trusting.await?.is_err());
        Ok(())
    })
}

#[test]
fn a_topic_whose_store_hangs_deafens_no_other_on_its_connection() -> Test {
    in_virtual_time(async {
        let hub = Hub::new();
        let here = Carrier::start(hub.port("here"));
        let there = Carrier::start(hub.port("there"));
        let hangs = founder(bad(true)).await?;
        attach(&hangs, here.channel("hangs")?).await?;
        let (a, b) = (member(1, &[2]).start()?, member(2, &[1]).start()?);
        attach(&a, here.channel("house")?).await?;
        attach(&b, there.channel("house")?).await?;
        let mut heard = a.subscribe_raw().await?;

        drop(tokio::task::spawn_local(async move { hangs.trust(key(2)).await }));
        let house = ChannelName::try_from("hangs")?;
        let (_owner, channels) = Channels::new([house.clone()]);
        let mut attacker = hub.port("attacker").connect(channels).await?;
        for _ in 0..1000 {
            attacker.outgoing.send(Frame::on(house.clone(), &b"garbage"[..])).await?;
        }
        b.publish_raw("hello").await?;
        let message = timeout(Duration::from_secs(5), next(&mut heard)).await?;
        assert_eq!(message.body, "hello");
        Ok(())
    })
}

#[test]
fn a_topic_that_panics_leaves_nobody_waiting() -> Test {
    struct Panics;

    #[async_trait]
    impl Store for Panics {
        async fn load(&mut self) -> Result<Vec<Record>, StoreError> {
            panic!("the store fell over")
        }

        async fn commit(&mut self, _: Vec<Record>) -> Result<(), StoreError> {
            Ok(())
        }
    }

    in_virtual_time(async {
        let topic = Topic::found("house", identity(1)).classic().store(Panics).start()?;
        for result in [topic.ready().await, topic.stop().await, topic.trust(key(2)).await] {
            assert!(matches!(result, Err(TopicError::Crashed)), "{result:?}");
        }
        Ok(())
    })
}

/// A store that counts how often it was told to make the past unreadable, and can't the first time.
struct Erasing {
    inner: MemoryStore,
    erased: Arc<AtomicU32>,
}

#[async_trait]
impl Store for Erasing {
    async fn load(&mut self) -> Result<Vec<Record>, StoreError> {
        self.inner.load().await
    }

    async fn commit(&mut self, batch: Vec<Record>) -> Result<(), StoreError> {
        self.inner.commit(batch).await
    }

    async fn erase(&mut self) -> Result<(), StoreError> {
        if self.erased.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(StoreError::Other("not now".into()));
        }
        Ok(())
    }
}

#[test]
fn what_was_overwritten_is_erased_within_a_minute_and_a_failure_stops_nothing() -> Test {
    in_virtual_time(async {
        let erased = Arc::new(AtomicU32::new(0));
        let store = Erasing { inner: MemoryStore::default(), erased: erased.clone() };
        let topic = Topic::found("house", identity(1)).store(store).start()?;
        topic.ready().await?;
        topic.rotate().await?;
        sleep(Duration::from_secs(61)).await;
        assert_eq!(erased.load(Ordering::SeqCst), 1);
        topic.rotate().await?;
        topic.rotate().await?;
        sleep(Duration::from_secs(61)).await;
        assert_eq!(erased.load(Ordering::SeqCst), 2, "once for many commits");
        Ok(())
    })
}
