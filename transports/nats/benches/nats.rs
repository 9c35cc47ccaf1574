//! What a link costs over the bare client library, and how long a frame takes.
//! Not what the server could do with more clients, more cores or a network.
//!
//! `cargo bench -p stringphone-nats --bench nats`
//!
//! One nats-server on the loopback; sender and receiver share one thread. What is measured is the
//! time on the wall, for most of the work is the server's.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may panic")]

#[path = "../../../benches/measure/mod.rs"]
mod measure;

use std::{
    future::IntoFuture,
    time::{Duration, Instant},
};

use async_nats::{
    Client, Subscriber,
    jetstream::{
        self, Context,
        consumer::{AckPolicy, pull},
        stream::Config,
    },
};
use futures::{SinkExt, StreamExt, future::try_join_all};
use measure::{median, quantile, watch};
use stringphone_nats::{JetStream, Nats};
use stringphone_servers::nats;
use stringphone_transport::{ChannelName, Channels, ChannelsOwner, Frame, Link, Transport};

const BODY: usize = 200;
/// Frames between two flushes, as a carrier has them.
const BATCH: usize = 64;
/// Batches that are under way at a time: more of them would overrun a core reader.
const OUTSTANDING: usize = 8;
/// Times so many batches in a round.
const TIMES: usize = 12;
const ROUNDS: usize = 9;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        core().await;
        jetstream().await;
    });
}

async fn core() {
    let server = nats::Nats::start();
    let (mut phone, mut lamp) = (End::core(&server).await, End::core(&server).await);
    let (mut client, mut subscriber) = bare(&server).await;
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        let ours = timed(async || {
            futures::join!(phone.send(), lamp.receive());
        });
        let ours = ours.await;
        let bare = timed(async || {
            futures::join!(publish(&mut client), take(&mut subscriber));
        });
        rounds.0.push((ours, bare.await));
    }
    rounds.print("nats.core_200");
    latency("nats.core_latency_200", &mut phone, &mut lamp).await;
}

async fn jetstream() {
    let server = nats::Nats::with_jetstream();
    let mut phone = End::durable(&server, "phone").await;
    let mut lamp = End::durable(&server, "lamp").await;
    let (context, mut messages) = bare_stream(&server).await;
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        let ours = timed(async || {
            futures::join!(phone.send(), lamp.receive());
        });
        let ours = ours.await;
        let bare = timed(async || {
            futures::join!(publish_acknowledged(&context), take_acknowledged(&mut messages));
        });
        rounds.0.push((ours, bare.await));
    }
    rounds.print("nats.jetstream_200");
    latency("nats.jetstream_latency_200", &mut phone, &mut lamp).await;
}

/// Ours and theirs, measured in turns.
#[derive(Default)]
struct Rounds(Vec<(Duration, Duration)>);

impl Rounds {
    fn print(&self, id: &str) {
        let a_second = |took: f64| ((TIMES * OUTSTANDING * BATCH) as f64 / took / 1000.0).round();
        let ours = median(self.0.iter().map(|(ours, _)| ours.as_secs_f64()));
        let bare = median(self.0.iter().map(|(_, bare)| bare.as_secs_f64()));
        let ratio = median(self.0.iter().map(|(ours, bare)| ours.div_duration_f64(*bare)));
        let (ours, bare) = (a_second(ours), a_second(bare));
        watch(
            id,
            &format!("{ours} 000 a second; {ratio:.2} × the time of the bare client ({bare} 000)"),
        );
    }
}

/// How long it takes to send and receive all batches of a round.
async fn timed(mut pass: impl AsyncFnMut()) -> Duration {
    let before = Instant::now();
    for _ in 0..TIMES {
        pass().await;
    }
    before.elapsed()
}

/// One frame at a time, until the other end has it.
async fn latency(id: &str, from: &mut End, to: &mut End) {
    const FRAMES: usize = 3000;
    let mut micros = vec![];
    for _ in 0..FRAMES {
        let before = Instant::now();
        let sending = from.link.outgoing.send(frame());
        let (sent, received) = futures::join!(sending, to.link.incoming.next());
        sent.unwrap();
        received.unwrap().unwrap();
        micros.push(before.elapsed().as_secs_f64() * 1e6);
    }
    let part = |part| quantile(micros.iter().copied(), part);
    watch(id, &format!("p50 {:.0} µs, p99 {:.0} µs", part(0.5), part(0.99)));
}

struct End {
    _channels: ChannelsOwner,
    link: Link,
}

impl End {
    async fn core(server: &nats::Nats) -> Self {
        Self::up(Nats::connect(server.address())).await
    }

    async fn durable(server: &nats::Nats, name: &str) -> Self {
        Self::up(Nats::connect(server.address()).jetstream(JetStream::new("HOME", name))).await
    }

    async fn up(mut transport: Nats) -> Self {
        let (owner, channels) = Channels::new([channel()]);
        Self { _channels: owner, link: transport.connect(channels).await.unwrap() }
    }

    async fn send(&mut self) {
        for _ in 0..OUTSTANDING {
            for _ in 0..BATCH {
                self.link.outgoing.feed(frame()).await.unwrap();
            }
            self.link.outgoing.flush().await.unwrap();
        }
    }

    async fn receive(&mut self) {
        for _ in 0..OUTSTANDING * BATCH {
            self.link.incoming.next().await.unwrap().unwrap();
        }
    }
}

fn channel() -> ChannelName {
    ChannelName::try_from("greenhouse").unwrap()
}

fn frame() -> Frame {
    Frame::on(channel(), vec![7; BODY])
}

async fn bare(server: &nats::Nats) -> (Client, Subscriber) {
    let receiver = async_nats::connect(server.address()).await.unwrap();
    let subscriber = receiver.subscribe("bare.greenhouse").await.unwrap();
    receiver.flush().await.unwrap();
    (async_nats::connect(server.address()).await.unwrap(), subscriber)
}

async fn publish(client: &mut Client) {
    for _ in 0..OUTSTANDING {
        for _ in 0..BATCH {
            client.publish("bare.greenhouse", vec![7; BODY].into()).await.unwrap();
        }
        client.flush().await.unwrap();
    }
}

async fn take(subscriber: &mut Subscriber) {
    for _ in 0..OUTSTANDING * BATCH {
        subscriber.next().await.unwrap();
    }
}

async fn bare_stream(server: &nats::Nats) -> (Context, pull::Stream) {
    let receiver = jetstream::new(async_nats::connect(server.address()).await.unwrap());
    let config =
        Config { name: "BARE".into(), subjects: vec!["bare.>".into()], ..Config::default() };
    let stream = receiver.create_stream(config).await.unwrap();
    let config = pull::Config {
        durable_name: Some("lamp".into()),
        ack_policy: AckPolicy::All,
        ..pull::Config::default()
    };
    let messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
    (jetstream::new(async_nats::connect(server.address()).await.unwrap()), messages)
}

async fn publish_acknowledged(context: &Context) {
    for _ in 0..OUTSTANDING {
        let mut acknowledgements = vec![];
        for _ in 0..BATCH {
            let published = context.publish("bare.greenhouse", vec![7; BODY].into()).await;
            acknowledgements.push(published.unwrap().into_future());
        }
        try_join_all(acknowledgements).await.unwrap();
    }
}

async fn take_acknowledged(messages: &mut pull::Stream) {
    for _ in 0..OUTSTANDING {
        for _ in 1..BATCH {
            messages.next().await.unwrap().unwrap();
        }
        messages.next().await.unwrap().unwrap().ack().await.unwrap();
    }
}
