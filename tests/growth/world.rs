//! A pair that lives on, and houses that come and go beside it. Not what is measured of them.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::SinkExt;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use stringphone::memory::Hub;
use stringphone::transport::{ChannelName, Channels, Frame, Transport};
use stringphone::{InviteOptions, Subscription, Topic, TopicHandle};
use tokio::time::{sleep, timeout};

use crate::support::{Tapped, attach, identity, next};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Messages of a round, each way.
const MESSAGES: u32 = 100;
/// Frames of a round that mean nothing.
const GARBAGE: u32 = 1_000;

pub(crate) struct World {
    hub: Hub,
    heard: Arc<Mutex<Vec<Frame>>>,
    phone: (TopicHandle, Subscription),
    lamp: (TopicHandle, Subscription),
    random: ChaCha20Rng,
    said: u32,
}

impl World {
    pub(crate) async fn new() -> Fallible<Self> {
        let (hub, heard) = (Hub::new(), Arc::<Mutex<Vec<Frame>>>::default());
        let phone = Topic::found("house", identity(1)).start()?;
        attach(&phone, Tapped { inner: hub.port("phone"), heard: heard.clone() }).await?;
        let lamp = join(&hub, &phone, 2).await?;
        let phone = (phone.clone(), phone.subscribe_raw().await?);
        let lamp = (lamp.clone(), lamp.subscribe_raw().await?);
        Ok(Self { hub, heard, phone, lamp, random: ChaCha20Rng::from_seed([5; 32]), said: 0 })
    }

    pub(crate) fn told(&self) -> String {
        format!("{} messages", self.said)
    }

    /// Everything that can happen, and then two hours of silence.
    pub(crate) async fn round(&mut self) -> Fallible<()> {
        within("talking", self.talk()).await?;
        within("a flood", self.flood()).await?;
        self.hub.disconnect("phone");
        self.hub.disconnect("lamp");
        sleep(Duration::from_secs(60)).await;
        self.phone.0.rotate().await?;
        within("talking with new keys", self.talk()).await?;
        house_that_goes().await?;
        self.heard.lock().unwrap().clear();
        self.heard.lock().unwrap().shrink_to_fit();
        sleep(Duration::from_secs(2 * 3600)).await;
        Ok(())
    }

    async fn talk(&mut self) -> Fallible<()> {
        for _ in 0..MESSAGES {
            self.said += 1;
            let body = Bytes::from(self.said.to_be_bytes().repeat(25));
            self.phone.0.publish_raw(body.clone()).await?;
            assert_eq!(next(&mut self.lamp.1).await.body, body);
            let receipts = self.lamp.0.publish_raw(body.clone()).confirm().await?;
            assert_eq!(next(&mut self.phone.1).await.body, body);
            receipts.all().await?;
        }
        Ok(())
    }

    /// An intruder says again what was said, changes it, and makes frames of its own.
    async fn flood(&mut self) -> Fallible<()> {
        let channel = ChannelName::try_from("house")?;
        let (_owner, channels) = Channels::new([channel.clone()]);
        let mut link = self.hub.port("intruder").connect(channels).await?;
        let heard: Vec<Bytes> =
            self.heard.lock().unwrap().iter().map(|frame| frame.bytes.clone()).collect();
        for frame in heard {
            let mut changed = frame.to_vec();
            let at = self.random.next_u32() as usize % changed.len();
            changed[at] ^= 1;
            for bytes in [frame, Bytes::from(changed)] {
                link.outgoing.send(Frame::on(channel.clone(), bytes)).await?;
            }
            tokio::task::yield_now().await;
        }
        for _ in 0..GARBAGE {
            let mut bytes = vec![0; 1 + self.random.next_u32() as usize % 600];
            self.random.fill_bytes(&mut bytes);
            bytes[0] = 0x20 + bytes[0] % 16;
            link.outgoing.send(Frame::on(channel.clone(), bytes)).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// What does not happen within three hours never will.
async fn within<T>(what: &str, work: impl Future<Output = Fallible<T>>) -> Fallible<T> {
    let patience = Duration::from_secs(3 * 3_600);
    timeout(patience, work).await.map_err(|_| format!("{what}: it waits in vain"))?
}

/// Founded, joined, talked in, with one evicted and one that leaves; then all stop.
async fn house_that_goes() -> Fallible<()> {
    let hub = Hub::new();
    let phone = Topic::found("garage", identity(11)).start()?;
    attach(&phone, hub.port("phone")).await?;
    let mut devices = Vec::new();
    for number in 12..15 {
        devices.push(within("joining", join(&hub, &phone, number)).await?);
    }
    let receipts = phone.publish_raw("all of you").confirm().await?;
    within("receipts", async { Ok(receipts.all().await?) }).await?;
    phone.evict(devices[0].participant().id()).await?;
    within("leaving", async { Ok(devices[1].leave().await?) }).await?;
    phone.publish_raw("the rest of you").await?;
    let mut heard = devices[2].subscribe_raw().await?;
    phone.publish_raw("you").await?;
    within("the last word", async { Ok(next(&mut heard).await) }).await?;
    for topic in devices.iter().chain([&phone]) {
        // Two have ended already, and say so.
        let _ = topic.stop().await;
    }
    Ok(())
}

async fn join(hub: &Hub, keeper: &TopicHandle, number: u8) -> Fallible<TopicHandle> {
    let invitation = keeper.invite(InviteOptions::default()).await?;
    let device = Topic::invited(invitation, identity(number)).start()?;
    let name = if number == 2 { "lamp".into() } else { format!("device {number}") };
    attach(&device, hub.port(name)).await?;
    device.ready().await?;
    Ok(device)
}
