//! What it costs that nothing is lost: outbox, receipts, inbox, on a database; and what a flood
//! costs the honest. Not what stores cost by themselves.
//!
//! `cargo bench --all-features --bench delivery`
//!
//! Two topics in one process, each with a database of its own, over memory. *Plain* is published and
//! forgotten, with the same databases; *confirmed* is stored before it is sent, stored together with
//! the window where it arrives, confirmed, and acknowledged. 256 messages are under way at a time.

mod measure;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use futures::{SinkExt, StreamExt};
use measure::{goal, median, quantile, watch};
use stringphone::keyfile::StorageKey;
use stringphone::memory::{Hub, MemoryPort};
use stringphone::store::DatabaseStore;
use stringphone::transport::{ChannelName, Channels, Frame, Transport};
use stringphone::{
    Identity, InboxLimits, InviteOptions, Kept, OutboxLimits, Subscription, Topic, TopicHandle,
};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

const BODY: usize = 64;
const MESSAGES: usize = 2_048;
const UNDER_WAY: usize = 256;
const ROUNDS: usize = 7;
const WAITING: usize = 10_000;
const AT_LEISURE: usize = 200;
/// What has not arrived by then was lost.
const LOST: Duration = Duration::from_millis(500);

fn main() -> Fallible<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let house = House::new(folder.path()).await?;
        house.confirmed_and_plain().await?;
        house.recovery().await?;
        floods().await
    })
}

/// A phone that founded a topic, and a lamp in it, each with a database.
struct House<'a> {
    folder: &'a Path,
    key: StorageKey,
    hub: Hub,
}

impl<'a> House<'a> {
    async fn new(folder: &'a Path) -> Fallible<Self> {
        let key = StorageKey::generate().map_err(|error| error.to_string())?;
        let house = Self { folder, key, hub: Hub::new() };
        let phone = house.attached(house.phone(), "phone").await?;
        let invitation = phone.invite(InviteOptions::default()).await?;
        let lamp = Topic::invited(invitation, Identity::from_seed(&[2; 32]));
        let lamp = house.attached(lamp.store(house.store("lamp")), "lamp").await?;
        phone.stop().await?;
        lamp.stop().await?;
        Ok(house)
    }

    fn store(&self, name: &str) -> DatabaseStore {
        DatabaseStore::new(self.folder.join(name), &self.key)
    }

    fn phone(&self) -> Topic {
        Topic::found("house", Identity::from_seed(&[1; 32])).store(self.store("phone"))
    }

    fn lamp(&self) -> Topic {
        Topic::join("house", Identity::from_seed(&[2; 32])).store(self.store("lamp"))
    }

    async fn attached(&self, topic: Topic, name: &str) -> Fallible<TopicHandle> {
        let topic = topic.start()?;
        topic.attach(self.hub.port(name.to_owned())).await?;
        topic.ready().await?;
        Ok(topic)
    }

    async fn confirmed_and_plain(&self) -> Fallible<()> {
        let outbox = OutboxLimits::default();
        let (mut ours, mut bare, mut written) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let phone = self.attached(self.phone().outbox(outbox), "phone").await?;
            let lamp = self.lamp().inbox(InboxLimits::default());
            let lamp = self.attached(lamp, "lamp").await?;
            let (before, began) = (written_bytes(), Instant::now());
            confirmed(&phone, &lamp).await?;
            ours.push(rate(MESSAGES, began.elapsed()));
            written.push((written_bytes() - before) as f64 / MESSAGES as f64);
            phone.stop().await?;
            lamp.stop().await?;

            let phone = self.attached(self.phone(), "phone").await?;
            let lamp = self.attached(self.lamp().queue(MESSAGES), "lamp").await?;
            let began = Instant::now();
            plain(&phone, &lamp).await?;
            bare.push(rate(MESSAGES, began.elapsed()));
            phone.stop().await?;
            lamp.stop().await?;
        }
        let ratios = ours.iter().zip(&bare).map(|(ours, bare)| ours / bare);
        let figure = format!(
            "{:.0} a second, {:.3} of the {:.0} plain ones",
            median(ours.iter().copied()),
            median(ratios),
            median(bare.iter().copied())
        );
        watch("delivery.confirmed", &figure);
        let kilo = median(written.into_iter()) * 1_000.0 / 1_024.0;
        watch("delivery.written", &format!("{kilo:.0} KiB on both sides for 1,000 messages"));
        Ok(())
    }

    /// From the start of a process that finds 10,000 messages in its outbox, until all are there.
    async fn recovery(&self) -> Fallible<()> {
        let limits = OutboxLimits { messages: WAITING, ..OutboxLimits::default() };
        let phone = self.phone().outbox(limits).start()?;
        phone.ready().await?;
        let began = Instant::now();
        for _ in 0..WAITING / UNDER_WAY + 1 {
            let open = phone.unconfirmed().await?.len();
            let batch = UNDER_WAY.min(WAITING - open);
            let publish = |_| async { phone.publish_raw(vec![7; BODY]).confirm().await.map(drop) };
            try_join_all((0..batch).map(publish)).await?;
        }
        let filled = rate(WAITING, began.elapsed());
        watch("delivery.outbox_filled", &format!("{filled:.0} messages a second"));
        // As after a kill: nothing is said, nothing is flushed.
        drop(phone);
        let lamp = self.lamp().inbox(InboxLimits { messages: 2 * WAITING, ..Default::default() });
        let lamp = self.attached(lamp, "lamp").await?;
        sleep(Duration::from_secs(1)).await;
        let began = Instant::now();
        let phone = self.phone().outbox(limits).start()?;
        phone.ready().await?;
        let opened = began.elapsed();
        phone.attach(self.hub.port("phone")).await?;
        let mut inbox = lamp.inbox_raw().await?;
        let mut acks = Vec::new();
        for _ in 0..WAITING {
            let next = timeout(Duration::from_secs(60), inbox.next()).await?;
            acks.push(next.ok_or("the lamp stopped")??);
        }
        let arrived = began.elapsed();
        while !phone.unconfirmed().await?.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        let confirmed = began.elapsed();
        let ms = |time: Duration| time.as_millis();
        let figure = format!(
            "open after {} ms, all arrived after {} ms, all confirmed after {} ms",
            ms(opened),
            ms(arrived),
            ms(confirmed)
        );
        watch("delivery.recovery_10000", &figure);
        try_join_all(acks.iter().map(Kept::ack)).await?;
        Ok(())
    }
}

async fn confirmed(phone: &TopicHandle, lamp: &TopicHandle) -> Fallible<()> {
    let mut inbox = lamp.inbox_raw().await?;
    let publishing = async {
        for _ in 0..MESSAGES / UNDER_WAY {
            let publish = |_| async {
                phone.publish_raw(vec![7; BODY]).confirm().await?.all().await.map(drop)
            };
            try_join_all((0..UNDER_WAY).map(publish)).await?;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    };
    let reading = async {
        let mut left = MESSAGES;
        while left > 0 {
            let mut kept = vec![inbox.next().await.ok_or("the lamp stopped")??];
            while let Some(Some(more)) = futures::FutureExt::now_or_never(inbox.next()) {
                kept.push(more?);
            }
            left -= kept.len();
            try_join_all(kept.iter().map(Kept::ack)).await?;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    };
    let (published, read) = futures::join!(publishing, reading);
    published.and(read)
}

async fn plain(phone: &TopicHandle, lamp: &TopicHandle) -> Fallible<()> {
    let mut heard = lamp.subscribe_raw().await?;
    for _ in 0..MESSAGES / UNDER_WAY {
        let publish = |_| async { phone.publish_raw(vec![7; BODY]).await };
        try_join_all((0..UNDER_WAY).map(publish)).await?;
        for _ in 0..UNDER_WAY {
            heard.next().await.ok_or("the lamp stopped")??;
        }
    }
    Ok(())
}

fn rate(messages: usize, time: Duration) -> f64 {
    messages as f64 / time.as_secs_f64()
}

/// What the process has sent to the disk.
fn written_bytes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// What the honest notice of a flood: first by an outsider, then by a member gone bad.
async fn floods() -> Fallible<()> {
    let hub = Hub::new();
    let phone = Topic::found("flooded", Identity::from_seed(&[1; 32])).start()?;
    phone.attach(hub.port("phone")).await?;
    let mut devices = Vec::new();
    for number in 2..4 {
        let invitation = phone.invite(InviteOptions::default()).await?;
        let device = Topic::invited(invitation, Identity::from_seed(&[number; 32])).start()?;
        device.attach(hub.port(format!("device {number}"))).await?;
        device.ready().await?;
        devices.push(device);
    }
    let [lamp, bad] = devices.as_slice() else { return Err("two devices".into()) };
    let mut heard = lamp.subscribe_raw().await?;
    let before = at_leisure(&phone, &mut heard, "before").await?;

    let flood = AbortOnDropHandle::new(tokio::spawn(outsider(hub.port("outsider"))));
    let outside = at_leisure(&phone, &mut heard, "outsider").await?;
    drop(flood);

    let bad_one = bad.clone();
    let flood = AbortOnDropHandle::new(tokio::spawn(async move {
        while bad_one.publish_raw(vec![9; BODY]).await.is_ok() {}
    }));
    at_leisure(&phone, &mut heard, "member").await?;
    drop(flood);
    // The remedy.
    let began = Instant::now();
    phone.evict(bad.participant().id()).await?;
    at_leisure(&phone, &mut heard, "evicted").await?;
    watch("delivery.flood.evicted", &format!("{} ms ago", began.elapsed().as_millis()));
    let id = "delivery.flood.outsider_p99";
    let ratio = outside / before;
    goal(id, &format!("{ratio:.1} × the p99 before"), "≤ 10 ×", ratio <= 10.0);
    Ok(())
}

/// Frames that could be messages, as fast as the link takes them.
async fn outsider(mut port: MemoryPort) -> Fallible<()> {
    let channel = ChannelName::try_from("flooded")?;
    let (_open, channels) = Channels::new([channel.clone()]);
    let mut link = port.connect(channels).await?;
    let mut number = 0_u64;
    loop {
        number += 1;
        let mut bytes = vec![0x20; 161];
        bytes[1..9].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        link.outgoing.send(Frame::on(channel.clone(), bytes)).await?;
        if number.is_multiple_of(64) {
            tokio::task::yield_now().await;
        }
    }
}

/// The latency of a message now and then, how many a link lost, and the memory of the process. The
/// p99, in microseconds.
async fn at_leisure(phone: &TopicHandle, heard: &mut Subscription, when: &str) -> Fallible<f64> {
    let us = phone.participant().id();
    let (mut micros, mut lost) = (Vec::new(), 0);
    for number in 0..AT_LEISURE {
        let body = format!("{when} {number}");
        let began = Instant::now();
        phone.publish_raw(body.clone()).await?;
        let arrives = async {
            while let Some(next) = heard.next().await {
                // Others', and what was lost in the flood: told, and not ours.
                if next.is_ok_and(|message| message.from == us && message.body == body) {
                    return;
                }
            }
        };
        match timeout(LOST, arrives).await {
            Ok(()) => micros.push(began.elapsed().as_secs_f64() * 1e6),
            Err(_) => lost += 1,
        }
        sleep(Duration::from_millis(5)).await;
    }
    let at = |part| quantile(micros.iter().copied(), part);
    let (p50, p99) = (at(0.5), at(0.99));
    let memory = resident()? / 1_024;
    let figure = format!(
        "p50 {p50:.0} µs, p99 {p99:.0} µs, {lost} of {AT_LEISURE} lost, {memory} MiB resident"
    );
    watch(&format!("delivery.flood.{when}"), &figure);
    Ok(p99)
}

/// KiB.
fn resident() -> Fallible<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.ok_or("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
