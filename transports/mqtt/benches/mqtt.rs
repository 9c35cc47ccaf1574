//! What a frame costs on its way through a broker, and what many channels on one connection weigh.
//! Not what topics add to that.
//!
//! `cargo bench -p stringphone-mqtt`
//!
//! The processor's time is that of this process, both ends together, without the broker's.

#[path = "../../../benches/measure/mod.rs"]
mod measure;

use std::{
    error::Error,
    time::{Duration, Instant},
};

use futures::{SinkExt, StreamExt};
use measure::{Rounds, cpu, watch};
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, mqttbytes::QoS};
use stringphone_mqtt::{Mqtt, Qos};
use stringphone_servers::mosquitto::{Mosquitto, Settings};
use stringphone_transport::{ChannelName, Channels, ChannelsOwner, Frame, Link, Transport};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

type Done = Result<(), Box<dyn Error>>;

const BODY: usize = 200;
const CHANNELS: usize = 10_000;
/// Frames that are under way at the same time.
const OUTSTANDING: usize = 256;

fn main() -> Done {
    frames("mqtt.frames_qos_0", Qos::AtMostOnce, QoS::AtMostOnce)?;
    frames("mqtt.frames_qos_1", Qos::AtLeastOnce, QoS::AtLeastOnce)?;
    channels()
}

/// A broker that drops nothing, and lets frames wait at it as many as they like.
fn broker() -> Mosquitto {
    Settings::default()
        .with_line("max_queued_messages 0")
        .with_line("max_inflight_messages 128")
        .with_line("set_tcp_nodelay true")
        .start()
}

fn runtime() -> Result<Runtime, std::io::Error> {
    Builder::new_current_thread().enable_all().build()
}

/// Through two of our links, against two bare clients.
fn frames(id: &str, ours: Qos, bare: QoS) -> Done {
    const ROUNDS: usize = 20;
    const FRAMES: usize = 20 * OUTSTANDING;

    let broker = broker();
    let runtime = runtime()?;
    let mut links = runtime.block_on(Links::new(&broker, ours))?;
    let mut clients = runtime.block_on(Clients::new(&broker, bare))?;
    let (mut rounds, mut rates) = (Rounds::default(), Rounds::default());
    for round in 0..=ROUNDS {
        let mut done: [Done; 2] = [Ok(()), Ok(())];
        let start = Instant::now();
        let our_cpu = cpu(round, || done[0] = runtime.block_on(links.pass(FRAMES)));
        let our_time = start.elapsed();
        let start = Instant::now();
        let bare_cpu = cpu(round, || done[1] = runtime.block_on(clients.pass(FRAMES)));
        let bare_time = start.elapsed();
        done.into_iter().collect::<Result<(), _>>()?;
        // The first round warms up.
        if round > 0 {
            rounds.add(FRAMES, our_cpu, bare_cpu);
            rates.add(FRAMES, our_time, bare_time);
        }
    }
    rounds.print(&format!("{id}_cpu"), 1.15, "rumqttc");
    rates.print(&format!("{id}_time"), 1.15, "rumqttc");
    watch(id, &format!("{:.0} a second", 1e6 / rates.micros()));
    Ok(())
}

fn name(name: impl ToString) -> Result<ChannelName, Box<dyn Error>> {
    Ok(name.to_string().as_str().try_into()?)
}

fn transport(broker: &Mosquitto) -> Mqtt {
    Mqtt::broker(format!("127.0.0.1:{}", broker.port()))
}

struct Links {
    from: Link,
    to: Link,
    channel: ChannelName,
    _channels: [ChannelsOwner; 2],
}

impl Links {
    async fn new(broker: &Mosquitto, qos: Qos) -> Result<Self, Box<dyn Error>> {
        let channel = name("ours")?;
        let (nothing, channels) = Channels::new([]);
        let from = transport(broker).qos(qos).connect(channels).await?;
        let (listening, channels) = Channels::new([channel.clone()]);
        let to = transport(broker).qos(qos).connect(channels).await?;
        let mut links = Self { from, to, channel, _channels: [nothing, listening] };
        settle(&mut links.from, &mut links.to, &links.channel).await?;
        Ok(links)
    }

    async fn pass(&mut self, frames: usize) -> Done {
        let Self { from, to, channel, .. } = self;
        for _ in 0..frames / OUTSTANDING {
            let sending = async {
                for _ in 0..OUTSTANDING {
                    from.outgoing.feed(Frame::on(channel.clone(), vec![7; BODY])).await?;
                }
                from.outgoing.flush().await.map_err(Box::<dyn Error>::from)
            };
            let hearing = async {
                for _ in 0..OUTSTANDING {
                    to.incoming.next().await.ok_or("the link ended")??;
                }
                Ok(())
            };
            futures::future::try_join(sending, hearing).await?;
        }
        Ok(())
    }
}

/// Waits until what one link sends arrives at the other, and nothing more does.
async fn settle(from: &mut Link, to: &mut Link, channel: &ChannelName) -> Done {
    while timeout(Duration::from_millis(2), to.incoming.next()).await.is_err() {
        from.outgoing.send(Frame::on(channel.clone(), &b"settle"[..])).await?;
    }
    while timeout(Duration::from_millis(200), to.incoming.next()).await.is_ok() {}
    Ok(())
}

struct Clients {
    from: (AsyncClient, EventLoop),
    to: (AsyncClient, EventLoop),
    qos: QoS,
}

impl Clients {
    async fn new(broker: &Mosquitto, qos: QoS) -> Result<Self, Box<dyn Error>> {
        let client = |id: &str| {
            let mut options = MqttOptions::new(id, ("127.0.0.1", broker.port()));
            options.set_keep_alive(30);
            AsyncClient::builder(options).capacity(OUTSTANDING).build()
        };
        let mut clients = Self { from: client("from"), to: client("to"), qos };
        clients.to.0.subscribe("bare", qos).await?;
        while !matches!(clients.to.1.poll().await?, Event::Incoming(Incoming::SubAck(_))) {}
        while !matches!(clients.from.1.poll().await?, Event::Incoming(Incoming::ConnAck(_))) {}
        Ok(clients)
    }

    async fn pass(&mut self, frames: usize) -> Done {
        for _ in 0..frames / OUTSTANDING {
            let Self { from: (client, sending), to: (_, hearing), qos } = self;
            for _ in 0..OUTSTANDING {
                client.publish("bare", vec![7; BODY], rumqttc::PublishOptions::new(*qos)).await?;
            }
            let mut left = OUTSTANDING;
            let hearing = async {
                while left > 0 {
                    if let Event::Incoming(Incoming::Publish(_)) = hearing.poll().await? {
                        left -= 1;
                    }
                }
                Ok::<(), Box<dyn Error>>(())
            };
            let sending = async {
                loop {
                    sending.poll().await?;
                }
            };
            tokio::select! {
                heard = hearing => heard?,
                failed = sending => return failed,
            }
        }
        Ok(())
    }
}

/// As many channels as a large gateway has, on one connection.
fn channels() -> Done {
    let broker = broker();
    let runtime = runtime()?;
    let open = (0..CHANNELS).map(|number| name(format!("room/{number:05}")));
    let open = open.collect::<Result<Vec<_>, _>>()?;
    // They are subscribed in order.
    let last = open.last().ok_or("no channels")?.clone();
    let (_nothing, no_channels) = Channels::new([]);
    let mut from = runtime.block_on(transport(&broker).connect(no_channels))?;
    let (_owner, channels) = Channels::new(open);

    let broker_before = broker.memory();
    let start = Instant::now();
    let mut up = None;
    let heap = allocation_counter::measure(|| {
        let connecting = async {
            let mut transport = transport(&broker);
            let mut link = transport.connect(channels).await?;
            while timeout(Duration::from_millis(2), link.incoming.next()).await.is_err() {
                from.outgoing.send(Frame::on(last.clone(), &b"settle"[..])).await?;
            }
            Ok::<_, Box<dyn Error>>((transport, link, start.elapsed()))
        };
        up = Some(runtime.block_on(connecting));
    });
    let (_transport, _link, took) = up.ok_or("nothing was measured")??;
    let each = heap.bytes_current / i64::try_from(CHANNELS)?;
    let at_broker = broker.memory().saturating_sub(broker_before) / u64::try_from(CHANNELS)?;
    watch("mqtt.open_10000_channels", &format!("{} ms", took.as_millis()));
    watch("mqtt.open_channel", &format!("{each} B, {at_broker} B at the broker"));
    Ok(())
}
