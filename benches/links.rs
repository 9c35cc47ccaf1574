//! What V2 topics carry over real links, against the bare client of each, on the same two cores as
//! the server; and what joining costs on a small one. Not what an adapter costs by itself.
//!
//! `cargo bench --all-features --bench links`
//!
//! *Under load* is one `publish` after the other until back-pressure refuses. The bare client sends
//! each message by itself, as its users do, and is held to the same number under way.

mod load;
mod measure;

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use measure::{goal, median, quantile, watch};
use rumqttc::mqttbytes::QoS;
use rumqttc::{AsyncClient, Event as MqttEvent, Incoming, MqttOptions};
use stringphone::memory::{Hub, Limits};
use stringphone::mqtt::Mqtt;
use stringphone::nats::Nats;
use stringphone::tcp::Tcp;
use stringphone::transport::{Channels, Facts, Frame, Link, Transport, TransportError};
use stringphone::{Attach, Carrier, Identity, InviteOptions, Suite, Topic};
use stringphone_servers::mosquitto::{Mosquitto, Settings};
use stringphone_servers::nats::Nats as NatsServer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use tokio_util::task::AbortOnDropHandle;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

const BODY: usize = 64;
/// In each of so many rounds, in turns with the bare client.
const MESSAGES: usize = 64 * 1_024;
const ROUNDS: usize = 8;
const AT_LEISURE: usize = 200;
/// Messages of a bare client that are under way at the same time, at most.
const UNDER_WAY: usize = 1_024;
/// What one signature and one check cost on the machine, in microseconds: measured here as well.
const CRYPTO_ROUNDS: u32 = 2_000;

fn main() -> Fallible<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        join_over_222_bytes().await?;
        let crypto = signature_and_check();
        over_mqtt(crypto).await?;
        ten_thousand_topics().await?;
        over_nats(crypto).await?;
        over_tcp(crypto).await
    })
}

/// Frames and bytes of a join by invitation, with a post-quantum key, over a LoRa modem's frames.
async fn join_over_222_bytes() -> Fallible<()> {
    for (id, suite) in [("x25519", Suite::X25519), ("post_quantum", Suite::XWing)] {
        let (hub, heard) = (Hub::with(Limits::default().max_frame(222)), Heard::default());
        let keeper = Topic::found("load", Identity::from_seed(&[1; 32])).suite(suite).start()?;
        keeper.attach(Tapped { inner: hub.port("keeper"), heard: heard.clone() }).await?;
        let invitation = keeper.invite(InviteOptions::default()).await?;
        let lamp = Topic::invited(invitation, Identity::from_seed(&[2; 32])).start()?;
        lamp.attach(hub.port("lamp")).await?;
        lamp.ready().await?;
        let heard = heard.lock().map_err(|_| "a panic")?.clone();
        let bytes: usize = heard.iter().sum();
        let figure = format!("{} frames, {bytes} B, both ways", heard.len());
        watch(&format!("links.join_222.{id}"), &figure);
    }
    Ok(())
}

type Heard = Arc<Mutex<Vec<usize>>>;

/// Counts what crosses a link, both ways.
struct Tapped<T> {
    inner: T,
    heard: Heard,
}

#[async_trait]
impl<T: Transport> Transport for Tapped<T> {
    fn facts(&self) -> Facts {
        self.inner.facts()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        let link = self.inner.connect(channels).await?;
        let count = |heard: &Heard| {
            let heard = heard.clone();
            move |frame: &Frame| {
                if let Ok(mut heard) = heard.lock() {
                    heard.push(frame.bytes.len());
                }
            }
        };
        let (came, went) = (count(&self.heard), count(&self.heard));
        let incoming = link.incoming.inspect(move |item| {
            item.as_ref().map(&came).unwrap_or_default();
        });
        let outgoing = link.outgoing.with(move |frame: Frame| {
            went(&frame);
            futures::future::ok::<_, TransportError>(frame)
        });
        Ok(Link::new(incoming, outgoing))
    }
}

/// What nobody can save who signs each message, in microseconds.
fn signature_and_check() -> f64 {
    use ed25519_dalek::{Signer, SigningKey};
    let key = SigningKey::from_bytes(&[7; 32]);
    let before = Instant::now();
    for number in 0..CRYPTO_ROUNDS {
        let message = number.to_be_bytes().repeat(16);
        let signature = key.sign(&message);
        std::hint::black_box(key.verifying_key().verify_strict(&message, &signature)).ok();
    }
    before.elapsed().as_secs_f64() * 1e6 / f64::from(CRYPTO_ROUNDS)
}

/// The same two measurements for every link.
struct Compared<'a> {
    id: &'a str,
    crypto: f64,
    /// The bare client's microseconds a message, round by round.
    bare: Vec<f64>,
    ours: Vec<f64>,
}

impl Compared<'_> {
    fn load(&self) {
        let ratio = median(self.bare.iter().zip(&self.ours).map(|(bare, ours)| bare / ours));
        let figure = format!(
            "{ratio:.1} × as many: {:.0} messages a second, the bare client {:.0}",
            1e6 / median(self.ours.iter().copied()),
            1e6 / median(self.bare.iter().copied()),
        );
        goal(&format!("links.{}.load", self.id), &figure, "≥ 8 ×", ratio >= 8.0);
    }

    fn latency(&self, ours: &[f64], bare: &[f64]) {
        let part = |of: &[f64], part| quantile(of.iter().copied(), part);
        let allowed = 1.25 * (part(bare, 0.5) + self.crypto);
        let figure = format!(
            "p50 {:.0} µs, p99 {:.0} µs; the bare client {:.0} and {:.0}, one signature and check {:.0}",
            part(ours, 0.5),
            part(ours, 0.99),
            part(bare, 0.5),
            part(bare, 0.99),
            self.crypto
        );
        let wanted = format!("p50 ≤ {allowed:.0} µs");
        let met = part(ours, 0.5) <= allowed;
        goal(&format!("links.{}.latency", self.id), &figure, &wanted, met);
    }
}

/// A client that sends each message by itself.
#[async_trait]
trait Bare {
    /// Sends so many, one after the other, and waits until all have arrived.
    async fn pass(&mut self, body: &Bytes, messages: usize) -> Fallible<Duration>;
}

async fn compare(
    id: &str,
    crypto: f64,
    mut bare: impl Bare,
    near: impl Into<Attach>,
    far: impl Into<Attach>,
) -> Fallible<()> {
    let body = Bytes::from(vec![7; BODY]);
    let (phone, lamp) = load::pair_over(near, far).await?;
    let mut compared = Compared { id, crypto, bare: Vec::new(), ours: Vec::new() };
    let micros = |passed: Duration, messages: usize| passed.as_secs_f64() * 1e6 / messages as f64;
    for _ in 0..ROUNDS {
        let fewer = MESSAGES / 8;
        compared.bare.push(micros(bare.pass(&body, fewer).await?, fewer));
        compared.ours.push(micros(load::pass(&phone, &lamp, &body, MESSAGES).await?, MESSAGES));
    }
    compared.load();
    let ours = load::at_leisure(&phone, &lamp, &body, AT_LEISURE).await?;
    let mut theirs = Vec::new();
    for _ in 0..AT_LEISURE {
        tokio::time::sleep(Duration::from_millis(50)).await;
        theirs.push(bare.pass(&body, 1).await?.as_secs_f64() * 1e6);
    }
    compared.latency(&ours, &theirs);
    Ok(())
}

async fn over_tcp(crypto: f64) -> Fallible<()> {
    let mut room = Tcp::listen("127.0.0.1:0");
    let address = room.bind().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let near = TcpStream::connect(listener.local_addr()?).await?;
    let (far, _) = listener.accept().await?;
    let framed = |stream: TcpStream| {
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(Framed::new(stream, LengthDelimitedCodec::new()))
    };
    let bare = BareTcp { near: framed(near)?, far: framed(far)? };
    compare("tcp", crypto, bare, room, Tcp::connect(address)).await
}

struct BareTcp {
    near: Framed<TcpStream, LengthDelimitedCodec>,
    far: Framed<TcpStream, LengthDelimitedCodec>,
}

#[async_trait]
impl Bare for BareTcp {
    async fn pass(&mut self, body: &Bytes, messages: usize) -> Fallible<Duration> {
        let before = Instant::now();
        let Self { near, far } = self;
        let sending = async {
            for _ in 0..messages {
                near.send(body.clone()).await?;
            }
            Ok::<_, std::io::Error>(())
        };
        let receiving = async {
            for _ in 0..messages {
                far.next().await.ok_or(std::io::ErrorKind::UnexpectedEof)??;
            }
            Ok::<_, std::io::Error>(())
        };
        futures::try_join!(sending, receiving)?;
        Ok(before.elapsed())
    }
}

/// One that drops nothing, and lets no acknowledgement wait for the next.
fn broker() -> Mosquitto {
    let settings = Settings::default().with_line("max_queued_messages 0");
    settings.with_line("set_tcp_nodelay true").start()
}

/// By QoS 1, by way of mosquitto.
async fn over_mqtt(crypto: f64) -> Fallible<()> {
    let broker = broker();
    let mqtt = || Mqtt::broker(format!("127.0.0.1:{}", broker.port()));
    let bare = BareMqtt::connect(broker.port()).await?;
    compare("mqtt", crypto, bare, mqtt(), mqtt()).await
}

struct BareMqtt {
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<()>,
    /// It hears for as long as it is held.
    _far: AsyncClient,
    _polling: [AbortOnDropHandle<()>; 2],
}

impl BareMqtt {
    async fn connect(port: u16) -> Fallible<Self> {
        Self::connect_to(port, "bare").await
    }

    /// One that hears all of these topics.
    async fn connect_to(port: u16, filter: &str) -> Fallible<Self> {
        let client = |name: &str| {
            let mut options = MqttOptions::new(name, ("127.0.0.1", port));
            options.set_keep_alive(30);
            AsyncClient::builder(options).capacity(UNDER_WAY).build()
        };
        let ((near, mut sending), (far, mut hearing)) = (client("near"), client("far"));
        far.subscribe(filter, QoS::AtLeastOnce).await?;
        let (tell, mut heard) = mpsc::unbounded_channel();
        let polling = [
            tokio::spawn(async move {
                loop {
                    if let Err(error) = sending.poll().await {
                        return eprintln!("the bare client that sends: {error}");
                    }
                }
            }),
            tokio::spawn(async move {
                loop {
                    match hearing.poll().await {
                        // Whoever hears has gone when the figure is taken.
                        Ok(MqttEvent::Incoming(Incoming::Publish(_))) => drop(tell.send(())),
                        Ok(_) => {}
                        Err(error) => return eprintln!("the bare client that hears: {error}"),
                    }
                }
            }),
        ];
        // Until it listens, nothing arrives.
        let options = || rumqttc::PublishOptions::new(QoS::AtLeastOnce);
        while timeout(Duration::from_millis(50), heard.recv()).await.is_err() {
            near.publish(filter.replace('#', "settle"), "settle", options()).await?;
        }
        while timeout(Duration::from_millis(200), heard.recv()).await.is_ok() {}
        let _polling = polling.map(AbortOnDropHandle::new);
        Ok(Self { client: near, heard, _far: far, _polling })
    }
}

#[async_trait]
impl Bare for BareMqtt {
    async fn pass(&mut self, body: &Bytes, messages: usize) -> Fallible<Duration> {
        let before = Instant::now();
        let Self { client, heard, .. } = self;
        let sending = async {
            for _ in 0..messages {
                let options = rumqttc::PublishOptions::new(QoS::AtLeastOnce);
                client.publish("bare", body.clone(), options).await?;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        };
        let receiving = async {
            for _ in 0..messages {
                heard.recv().await.ok_or("the client ended")?;
            }
            Ok(())
        };
        futures::try_join!(sending, receiving)?;
        Ok(before.elapsed())
    }
}

/// Topics of one process on one connection to one broker, each with keys of its own.
async fn ten_thousand_topics() -> Fallible<()> {
    const TOPICS: usize = 10_000;
    const EACH: usize = 5;
    let broker = broker();
    let mut bare = BareMqtt::connect_to(broker.port(), "many/#").await?;
    let before = (Instant::now(), memory());
    let mqtt = Mqtt::broker(format!("127.0.0.1:{}", broker.port())).prefix("many");
    let carrier = Carrier::start(mqtt);
    let identity = Identity::from_seed(&[1; 32]);
    let mut topics = Vec::new();
    for number in 0..TOPICS {
        let topic = Topic::found(format!("topic {number}"), identity.clone()).start()?;
        topic.attach(carrier.channel(topic.name())?).await?;
        topics.push(topic);
    }
    let started = before.0.elapsed();
    let each = memory().saturating_sub(before.1) / u64::try_from(TOPICS)?;
    // What they said when they began is not counted.
    while timeout(Duration::from_millis(500), bare.heard.recv()).await.is_ok() {}
    let sending = Instant::now();
    for _ in 0..EACH {
        for topic in &topics {
            topic.publish_raw(vec![7; BODY]).await?;
        }
    }
    // Where a topic falls behind, several of its messages share a frame.
    let (mut frames, mut last) = (0, sending.elapsed());
    while timeout(Duration::from_secs(2), bare.heard.recv()).await.is_ok() {
        (frames, last) = (frames + 1, sending.elapsed());
    }
    let rate = (EACH * TOPICS) as f64 / last.as_secs_f64();
    let figure = format!(
        "{:.1} s to start, {each} B each; {rate:.0} messages a second, in {frames} frames of {}",
        started.as_secs_f64(),
        EACH * TOPICS
    );
    watch("links.mqtt.ten_thousand_topics", &figure);
    Ok(())
}

/// Memory of this process, in bytes.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    resident.unwrap_or(0) * 4096
}

async fn over_nats(crypto: f64) -> Fallible<()> {
    let server = NatsServer::start();
    let bare = BareNats::connect(&server.address()).await?;
    let nats = || Nats::connect(server.address());
    compare("nats", crypto, bare, nats(), nats()).await
}

struct BareNats {
    client: async_nats::Client,
    heard: async_nats::Subscriber,
}

impl BareNats {
    async fn connect(address: &str) -> Fallible<Self> {
        let far = async_nats::connect(address).await?;
        let heard = far.subscribe("bare").await?;
        far.flush().await?;
        Ok(Self { client: async_nats::connect(address).await?, heard })
    }
}

#[async_trait]
impl Bare for BareNats {
    async fn pass(&mut self, body: &Bytes, messages: usize) -> Fallible<Duration> {
        let before = Instant::now();
        let Self { client, heard } = self;
        // It has no back-pressure of its own, and drops what a subscriber does not fetch in time.
        let places = Semaphore::new(UNDER_WAY);
        let sending = async {
            for _ in 0..messages {
                places.acquire().await?.forget();
                client.publish("bare", body.clone()).await?;
            }
            client.flush().await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        };
        let receiving = async {
            for _ in 0..messages {
                heard.next().await.ok_or("the client ended")?;
                places.add_permits(1);
            }
            Ok(())
        };
        futures::try_join!(sending, receiving)?;
        Ok(before.elapsed())
    }
}
