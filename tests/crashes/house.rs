//! Three devices on one hub that are started again whenever they die, and what went over the wire.
//! Not the conversation that they have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{SinkExt, StreamExt, future};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use stringphone::memory::Hub;
use stringphone::transport::{
    ChannelName, Channels, Facts, Frame, Link, Transport, TransportError,
};
use stringphone::{Invitation, InviteOptions, MessageId, ParticipantId, Topic, TopicHandle};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use crate::support::disk::{Disk, Fault};
use crate::support::{attach, identity};

pub(crate) const PHONE: usize = 0;
pub(crate) const LAMP: usize = 1;
pub(crate) const FAN: usize = 2;

/// A step that has not come to its end by then is begun anew.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// How often.
const TRIES: u32 = 5;

type Heard = watch::Sender<Vec<(ParticipantId, MessageId, Bytes)>>;
type Wire = Arc<Mutex<Vec<Bytes>>>;

pub(crate) struct House {
    hub: Hub,
    wire: Wire,
    devices: [Device; 3],
    /// Messages so far: no two are alike.
    said: u32,
}

struct Device {
    number: u8,
    disk: Disk,
    invitation: Option<Invitation>,
    heard: Heard,
    incarnation: u8,
    alive: Option<Alive>,
}

struct Alive {
    topic: TopicHandle,
    /// The process is gone with this.
    _life: DropGuard,
    _listening: AbortOnDropHandle<()>,
}

impl House {
    /// With this fault at one commit of this device.
    pub(crate) fn new(device: usize, fault: Option<(u32, Fault)>) -> Self {
        let faults = [PHONE, LAMP, FAN].map(|number| fault.filter(|_| number == device));
        let mut number = 0;
        let devices = faults.map(|fault| {
            number += 1;
            Device::new(number, Disk::new(fault))
        });
        Self { hub: Hub::new(), wire: Wire::default(), devices, said: 0 }
    }

    pub(crate) fn commits(&self, device: usize) -> u32 {
        self.devices[device].disk.commits()
    }

    pub(crate) async fn found(&mut self) {
        self.until(async |house| house.topic(PHONE).ready().await.is_ok()).await;
    }

    pub(crate) async fn joins(&mut self, device: usize) {
        for _ in 0..TRIES {
            self.until(async |house| {
                match house.topic(PHONE).invite(InviteOptions::default()).await {
                    Ok(invitation) => house.devices[device].is_given(invitation).await,
                    Err(_) => false,
                }
            })
            .await;
            let joining = self.until(async |house| house.topic(device).ready().await.is_ok());
            // Its admission may be known to the keeper alone: then the invitation is spent.
            if timeout(PATIENCE, joining).await.is_ok() {
                return;
            }
        }
        panic!("device {device} does not get in");
    }

    pub(crate) async fn says(&mut self, from: usize, to: usize) {
        self.until(async |house| {
            house.said += 1;
            let body = Bytes::from(format!("{} from {from} to {to}", house.said));
            if house.topic(from).publish_raw(body.clone()).await.is_err() {
                return false;
            }
            let mut heard = house.devices[to].heard.subscribe();
            let comes = heard.wait_for(|heard| heard.iter().any(|(_, _, it)| *it == body));
            timeout(Duration::from_secs(60), comes).await.is_ok()
        })
        .await;
    }

    pub(crate) async fn rotates(&mut self) {
        self.until(async |house| {
            let (phone, lamp) = (house.topic(PHONE), house.topic(LAMP));
            let Ok(before) = lamp.epoch().await else { return false };
            if phone.rotate().await.is_err() {
                return false;
            }
            let follows = async {
                while lamp.epoch().await.is_ok_and(|now| now <= before) {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            timeout(Duration::from_secs(600), follows).await.is_ok()
        })
        .await;
    }

    pub(crate) async fn evicts(&mut self, device: usize) {
        let id = self.topic(device).participant().id();
        self.until(async |house| {
            let phone = house.topic(PHONE);
            // It may have been stored before the process died.
            let _ = phone.evict(id).await;
            phone.participants().await.is_ok_and(|all| all.iter().all(|one| one.id() != id))
        })
        .await;
        self.devices[device].alive = None;
    }

    /// Does a step, again and again, until it succeeds; whoever died is started again.
    async fn until(&mut self, mut step: impl AsyncFnMut(&mut Self) -> bool) {
        for _ in 0..TRIES {
            self.revive().await;
            let disks = self.devices.each_ref().map(|device| device.disk.clone());
            let death = future::select_all(disks.iter().map(|disk| Box::pin(disk.dies())));
            let done = tokio::select! {
                done = timeout(PATIENCE, step(self)) => done.unwrap_or(false),
                _ = death => false,
            };
            if done {
                return;
            }
        }
        panic!("a step does not succeed");
    }

    /// Starts whoever is dead, and was alive or is about to be.
    async fn revive(&mut self) {
        for at in [PHONE, LAMP, FAN] {
            let device = &mut self.devices[at];
            if device.is_down().await && device.may_start() {
                device.start(&self.hub, &self.wire).await;
                self.replays().await;
            }
        }
    }

    /// Somebody says again all that was ever heard.
    pub(crate) async fn replays(&self) {
        let channel = ChannelName::try_from("house").unwrap();
        let (_owner, channels) = Channels::new([channel.clone()]);
        let mut link = self.hub.port("intruder").connect(channels).await.unwrap();
        let heard = self.wire.lock().unwrap().clone();
        for frame in heard {
            link.outgoing.send(Frame::on(channel.clone(), frame)).await.unwrap();
        }
    }

    fn topic(&self, device: usize) -> TopicHandle {
        self.devices[device].alive.as_ref().expect("it was started").topic.clone()
    }

    /// Nothing was delivered twice, and no nonce was used for two frames.
    pub(crate) fn check(&self) {
        for Device { number, heard, .. } in &self.devices {
            let heard = heard.borrow();
            let names: BTreeSet<_> = heard.iter().map(|(from, id, _)| (from, id)).collect();
            let bodies: BTreeSet<_> = heard.iter().map(|(_, _, body)| body).collect();
            let all = (names.len(), bodies.len());
            assert_eq!(all, (heard.len(), heard.len()), "device {number}: {heard:?}");
        }
        let wire = self.wire.lock().unwrap();
        let mut nonces = BTreeMap::new();
        for frame in wire.iter().filter(|frame| frame.first() == Some(&0x20)) {
            let other = nonces.insert(frame.slice(3..27), frame);
            assert!(other.is_none_or(|other| other == frame), "a nonce of two frames");
        }
        assert!(nonces.len() > 10, "{} frames were recorded", nonces.len());
    }
}

impl Device {
    fn new(number: u8, disk: Disk) -> Self {
        let heard = Heard::new(Vec::new());
        Self { number, disk, invitation: None, heard, incarnation: 0, alive: None }
    }

    /// It begins with this invitation, from its next start on.
    async fn is_given(&mut self, invitation: Invitation) -> bool {
        if let Some(alive) = self.alive.take() {
            // Two may not write to one disk.
            let _ = alive.topic.stop().await;
        }
        self.invitation = Some(invitation);
        true
    }

    fn may_start(&self) -> bool {
        self.number == 1 || self.invitation.is_some()
    }

    async fn is_down(&self) -> bool {
        match &self.alive {
            Some(alive) => self.disk.is_dead() || alive.topic.stats().await.is_err(),
            None => true,
        }
    }

    async fn start(&mut self, hub: &Hub, wire: &Wire) {
        self.alive = None;
        self.disk.revive();
        self.incarnation += 1;
        let mut seed = [self.number; 32];
        seed[0] = self.incarnation;
        let topic = match &self.invitation {
            Some(invitation) => Topic::invited(invitation.clone(), identity(self.number)),
            None => Topic::found("house", identity(self.number)),
        };
        let topic = topic.dangerously_use_entropy(ChaCha20Rng::from_seed(seed));
        let topic = topic.store(self.disk.clone()).start().unwrap();
        let name = format!("{} {}", self.number, self.incarnation);
        let life = CancellationToken::new();
        let (disk, wire) = (self.disk.clone(), wire.clone());
        let link = Mortal { port: hub.port(name), disk, life: life.clone(), wire };
        let listening = listen(topic.clone(), self.heard.clone());
        let _listening = AbortOnDropHandle::new(listening);
        let alive = Alive { topic, _life: life.drop_guard(), _listening };
        // It may die before it is attached: that is seen when it is wanted.
        let attached = attach(&alive.topic, link);
        tokio::select! {
            _ = attached => {}
            () = self.disk.dies() => {}
        }
        self.alive = Some(alive);
    }
}

fn listen(topic: TopicHandle, heard: Heard) -> tokio::task::JoinHandle<()> {
    tokio::task::spawn_local(async move {
        let Ok(mut inbox) = topic.subscribe_raw().await else { return };
        drop(topic);
        while let Some(Ok(message)) = inbox.next().await {
            let id = message.id.expect("V2 names messages");
            heard.send_modify(|heard| heard.push((message.from, id, message.body)));
        }
    })
}

/// A link that is gone when its process dies, and on which everything is recorded.
struct Mortal<T> {
    port: T,
    disk: Disk,
    life: CancellationToken,
    wire: Wire,
}

#[async_trait]
impl<T: Transport> Transport for Mortal<T> {
    fn facts(&self) -> Facts {
        self.port.facts()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let link = self.port.connect(channels).await?;
        let Self { disk, life, wire, .. } = self;
        let (disk, life, wire) = (disk.clone(), life.clone(), wire.clone());
        let outgoing = link.outgoing.with(move |frame: Frame| {
            if disk.is_dead() || life.is_cancelled() {
                return future::err(TransportError::Closed);
            }
            wire.lock().unwrap().push(frame.bytes.clone());
            future::ok(frame)
        });
        Ok(Link::new(link.incoming, outgoing))
    }
}
