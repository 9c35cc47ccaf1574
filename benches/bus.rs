//! What a message costs on its way through actors, and what a topic weighs that does nothing.
//! Not what sealing costs: that is `classic`.
//!
//! `cargo bench --bench bus`
//!
//! All of it runs on one arbiter, on one core: what is measured is work, not waiting.

mod measure;

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix::System;
use bytes::Bytes;
use futures::StreamExt;
use measure::{Rounds, cpu, goal, median, pin, quantile, watch};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use stringphone::memory::Hub;
use stringphone::{Carrier, Classic, ClassicState, Identity, Subscription, Topic, TopicHandle};
use stringphone_protocol::classic::{ClassicSession, Settings};
use stringphone_protocol::{Command, Event, Input, Limits, Moment, Output, Session};
use tokio::sync::Notify;

type Done = Result<(), Box<dyn Error>>;

/// Messages that are under way at the same time.
const OUTSTANDING: usize = 64;
const BODY: usize = 256;
const IDLE_TOPICS: usize = 10_000;

fn main() -> Done {
    pin();
    publish_to_event()?;
    latency()?;
    for subscribers in [1, 10, 1000] {
        fanout(subscribers)?;
    }
    open_channels()?;
    idle_topics()
}

/// Through two topics and the hub, against the two session calls that nobody can save.
fn publish_to_event() -> Done {
    const ROUNDS: usize = 200;
    const MESSAGES: usize = 512;

    let system = System::new();
    let (phone, lamp) = system.block_on(pair(&Hub::new()))?;
    let mut inbox = system.block_on(lamp.subscribe_raw())?;
    let mut sessions = Sessions::new()?;
    let body = Bytes::from(vec![7; BODY]);

    let mut rounds = Rounds::default();
    // The first rounds fill the memory of recent frames, which never shrinks again.
    let filling = Limits::default().recent_frames / MESSAGES + 1;
    for round in 0..filling + ROUNDS {
        let mut done = Ok(());
        let flow = || done = system.block_on(flow(&phone, &mut inbox, &body, MESSAGES));
        let ours = cpu(round, flow);
        done?;
        let bare = cpu(round, || (0..MESSAGES / OUTSTANDING).for_each(|_| sessions.pass(&body)));
        if round >= filling {
            rounds.add(MESSAGES, ours, bare);
        }
    }
    rounds.print(&format!("bus.publish_to_event_{BODY}"), 1.15, "seal and open");
    Ok(())
}

/// Has so many messages go from one topic to the other, a fixed number of them at a time.
async fn flow(from: &TopicHandle, to: &mut Subscription, body: &Bytes, messages: usize) -> Done {
    for sent in 0..messages + OUTSTANDING {
        if sent >= OUTSTANDING {
            to.next().await.ok_or("stopped")??;
        }
        if sent < messages {
            from.publish_raw(body.clone()).await?;
        }
    }
    Ok(())
}

/// One message at a time, by the clock on the wall.
fn latency() -> Done {
    const MESSAGES: usize = 5_000;

    let micros = System::new().block_on(async {
        let (phone, lamp) = pair(&Hub::new()).await?;
        let mut inbox = lamp.subscribe_raw().await?;
        let body = Bytes::from(vec![7; BODY]);
        let mut micros = Vec::new();
        for _ in 0..MESSAGES {
            let before = Instant::now();
            phone.publish_raw(body.clone()).await?;
            inbox.next().await.ok_or("stopped")??;
            micros.push(before.elapsed().as_secs_f64() * 1e6);
        }
        Ok::<_, Box<dyn Error>>(micros)
    })?;
    let part = |part| quantile(micros.iter().copied(), part);
    let figure = format!("p50 {:.0} µs, p99 {:.0} µs", part(0.5), part(0.99));
    watch(&format!("bus.latency_{BODY}"), &figure);
    Ok(())
}

/// One topic, many subscribers, each a task of its own.
fn fanout(subscribers: usize) -> Done {
    const ROUNDS: usize = 64;

    let system = System::new();
    let (phone, lamp) = system.block_on(pair(&Hub::new()))?;
    let heard = Rc::new((Cell::new(0), Notify::new()));
    for _ in 0..subscribers {
        let mut inbox = system.block_on(lamp.subscribe_raw())?;
        let heard = heard.clone();
        let listening = async move {
            while let Some(Ok(_)) = inbox.next().await {
                heard.0.set(heard.0.get() + 1);
                if heard.0.get() == OUTSTANDING * subscribers {
                    heard.1.notify_one();
                }
            }
        };
        system.block_on(async { drop(actix::spawn(listening)) });
    }
    let body = Bytes::from(vec![7; BODY]);
    let mut micros = Vec::new();
    for round in 0..ROUNDS {
        let mut done = Ok(());
        let all_hear = async || {
            for _ in 0..OUTSTANDING {
                phone.publish_raw(body.clone()).await?;
            }
            heard.1.notified().await;
            Ok::<_, stringphone::TopicError>(())
        };
        let spent = cpu(round, || done = system.block_on(all_hear()));
        done?;
        micros.push(spent.as_secs_f64() * 1e6 / heard.0.take() as f64);
    }
    let figure = format!("{:.2} µs a delivery", median(micros.into_iter()));
    watch(&format!("bus.fanout_{subscribers}"), &figure);
    Ok(())
}

/// Topics one after the other on one connection: each of many costs what each of few does.
fn open_channels() -> Done {
    const ROUNDS: usize = 5;
    const FEW: usize = 1_000;

    let mut rounds = Rounds::default();
    for round in 0..ROUNDS {
        let many = opening(round, IDLE_TOPICS)? / u32::try_from(IDLE_TOPICS)?;
        let few = opening(round, FEW)? / u32::try_from(FEW)?;
        rounds.add(1, many, few);
    }
    rounds.print("bus.open_10000_channels", 2.0, "a channel of 1000");
    Ok(())
}

/// What it takes to attach so many topics to one connection.
fn opening(round: usize, channels: usize) -> Result<Duration, Box<dyn Error>> {
    let system = System::new();
    let topics = system.block_on(async { unattached(channels) })?;
    let shared = system.block_on(async { Carrier::start(Hub::new().port("shared")) });
    let mut done = Ok(());
    let attach_all = async || {
        for (name, topic) in &topics {
            topic.attach(shared.channel(name)?).await?;
        }
        Ok::<_, stringphone::TopicError>(())
    };
    let spent = cpu(round, || done = system.block_on(attach_all()));
    done?;
    Ok(spent)
}

/// Topics of one participant, which share its identity.
fn unattached(topics: usize) -> Result<Vec<(String, TopicHandle)>, stringphone::TopicError> {
    let lamp = identity(LAMP);
    let start = |number| {
        let name = format!("room-{number}");
        let topic = Topic::import(&name, lamp.clone(), state(LAMP, PHONE)).start()?;
        Ok((name, topic))
    };
    (0..topics).map(start).collect()
}

/// The heap of a topic that waits: a member, attached, with one subscriber.
fn idle_topics() -> Done {
    let shared = heap_of_a_topic(false)?;
    goal("bus.idle_topic", &format!("{shared} B"), "≤ 8192 B", shared <= 8192);
    let own = heap_of_a_topic(true)?;
    watch("bus.idle_topic_own_link", &format!("{own} B"));
    Ok(())
}

fn heap_of_a_topic(own_link: bool) -> Result<i64, Box<dyn Error>> {
    // Whatever lives in it is gone with the system, and none of it is freed on another's account.
    let system = System::new();
    let mut topics = None;
    let heap = allocation_counter::measure(|| topics = Some(system.block_on(idle(own_link))));
    topics.ok_or("nothing was measured")??;
    Ok(heap.bytes_current / i64::try_from(IDLE_TOPICS)?)
}

async fn idle(own_link: bool) -> Result<Vec<(TopicHandle, Subscription)>, Box<dyn Error>> {
    let hub = Hub::new();
    let shared = Carrier::start(hub.port("shared"));
    let mut topics = Vec::with_capacity(IDLE_TOPICS);
    for (name, topic) in unattached(IDLE_TOPICS)? {
        if own_link {
            topic.attach(hub.port(name)).await?;
        } else {
            topic.attach(shared.channel(&name)?).await?;
        }
        let inbox = topic.subscribe_raw().await?;
        topics.push((topic, inbox));
    }
    // Until the links are up, and all is quiet.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(topics)
}

const PHONE: u8 = 1;
const LAMP: u8 = 2;

/// Two members of one topic, each with a port of its own.
async fn pair(hub: &Hub) -> Result<(TopicHandle, TopicHandle), Box<dyn Error>> {
    let phone = member("living room", PHONE, LAMP).start()?;
    let lamp = member("living room", LAMP, PHONE).start()?;
    phone.attach(hub.port("phone")).await?;
    let mut events = lamp.events().await?;
    lamp.attach(hub.port("lamp")).await?;
    // A hub keeps nothing for those who are not there yet.
    events.next().await.ok_or("stopped")??;
    Ok((phone, lamp))
}

/// A member that trusts one other, as it is after joining.
fn member(topic: &str, me: u8, other: u8) -> Topic<Classic> {
    Topic::import(topic, identity(me), state(me, other))
}

fn identity(number: u8) -> Identity {
    Identity::from_seed(&[number; 32])
}

fn state(me: u8, other: u8) -> ClassicState {
    ClassicState {
        topic_key: ClassicState::found(&mut rng(0)).topic_key,
        exchange_key: ClassicState::join(&mut rng(me)).exchange_key,
        participants: vec![identity(other).public_key()],
    }
}

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// The same two members without actors.
struct Sessions {
    phone: ClassicSession,
    lamp: ClassicSession,
    rng: ChaCha20Rng,
}

impl Sessions {
    fn new() -> Result<Self, Box<dyn Error>> {
        let session =
            |me, other| ClassicSession::open(identity(me), state(me, other), Settings::default());
        Ok(Self { phone: session(PHONE, LAMP)?, lamp: session(LAMP, PHONE)?, rng: rng(9) })
    }

    /// Seals as many as are under way at a time, then opens them: alternating would have the tables
    /// of signing and of verifying push each other out of the cache.
    fn pass(&mut self, body: &[u8]) {
        let frames = std::array::from_fn::<_, OUTSTANDING, _>(|_| self.seal(body));
        frames.iter().for_each(|frame| self.open(frame));
    }

    fn seal(&mut self, body: &[u8]) -> Vec<u8> {
        let publish = Input::Command(Command::Publish(body));
        let sealed = self.phone.handle(publish, &mut Moment::new(0, &mut self.rng));
        assert!(sealed.is_ok());
        let Some(Output::Send(frame)) = self.phone.poll() else { panic!("no frame") };
        frame
    }

    fn open(&mut self, frame: &[u8]) {
        let opened = self.lamp.handle(Input::Frame(frame), &mut Moment::new(0, &mut self.rng));
        assert!(opened.is_ok());
        let Some(Output::Event(Event::Message { .. })) = self.lamp.poll() else {
            panic!("no message")
        };
    }
}
