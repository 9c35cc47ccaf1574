//! A phone switches a lamp over TCP, and two intruders try to.
//!
//! The first intruder knows the lamp's address, and that is all one needs to read and write what
//! goes through the room. It sends garbage, repeats what it recorded, and forges. The second one was
//! a guest: it was let in, held the keys, and was evicted. Everybody else has other keys now, so it
//! can't even read any more. The lamp counts what it refuses, and why.
//!
//! ```text
//! cargo run --example living_room
//! ```

use std::error::Error;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use stringphone::tcp::{DropReason, Tcp};
use stringphone::transport::{ChannelName, Channels, Frame, Link, Transport};
use stringphone::{
    InviteOptions, Payload, Refusal, Subscription, Topic, TopicError, TopicHandle, keyfile,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Where the parts of a message begin: `docs/PROTOCOL.md` §3.4.
const MESSAGE: u8 = 0x20;
const NONCE: usize = 3;
const SEALED: usize = NONCE + 24;

const ROOM: &str = "living room";
/// Nothing here takes longer, or it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Light {
    On,
    Off,
}

impl Payload for Light {
    const KIND: &'static str = "light/1";
}

#[tokio::main]
async fn main() -> Outcome {
    timeout(PATIENCE, story()).await.map_err(|_| "something that has to happen did not")?
}

async fn story() -> Outcome {
    // The lamp is the room: it listens, and the others connect to it.
    let mut room = Tcp::listen("127.0.0.1:0");
    let address = room.bind().await?.to_string();
    let room_stats = room.stats();
    let lamp = Topic::found(ROOM, keyfile::ephemeral()?).start()?;
    lamp.attach(room).await?;
    println!("The lamp listens on {address}.");

    println!("\nAn intruder comes into the room, and sends garbage.");
    let mut intruder = Intruder::connect(&address).await?;
    intruder.send(b"let there be light".to_vec()).await?;
    intruder.send(vec![MESSAGE]).await?;
    refused(&lamp, Refusal::UnknownType, 1).await?;
    refused(&lamp, Refusal::Malformed, 1).await?;

    println!("Another connection sends what is no frame at all, and is put out of the room.");
    let mut noise = TcpStream::connect(&address).await?;
    noise.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
    until(async || Ok(room_stats.dropped(DropReason::Garbage) == 1)).await?;

    println!();
    let phone = join(&address, "phone", &lamp).await?;
    let guest = join(&address, "guest", &lamp).await?;
    lamp.evict(guest.participant().id()).await?;
    println!("The guest has left: the lamp gives everybody else new keys.");
    let mut orders = lamp.subscribe::<Light>().await?;

    intruder.hear_out().await?;
    phone.publish(&Light::On).await?;
    obey(&mut orders, Light::On, &phone).await?;
    let recorded = intruder.next_message().await?;
    phone.publish(&Light::Off).await?;
    obey(&mut orders, Light::Off, &phone).await?;

    println!("\nThe intruder repeats what the phone said when the lamp went on.");
    intruder.send(recorded.clone()).await?;
    refused(&lamp, Refusal::Duplicate, 1).await?;

    println!("It forges: some byte of the frame is another.");
    for part in [NONCE, SEALED, recorded.len() - 1] {
        let mut forged = recorded.clone();
        forged[part] ^= 1;
        intruder.send(forged).await?;
    }
    refused(&lamp, Refusal::DecryptionFailed, 3).await?;

    match guest.publish(&Light::On).await {
        Err(TopicError::Evicted) => println!("\nThe guest can't say anything: its keys are gone."),
        outcome => return Err(format!("the guest still speaks: {outcome:?}").into()),
    }

    phone.publish(&Light::On).await?;
    obey(&mut orders, Light::On, &phone).await?;
    println!("\nThe lamp obeyed the phone, three times, and nobody else. It refused:");
    let stats = lamp.stats().await?;
    for (refusal, times) in &stats.refused {
        println!("  {times} × {refusal}");
    }
    if stats.received != 3 {
        return Err(format!("the lamp obeyed {} times", stats.received).into());
    }
    Ok(())
}

/// Joins the lamp's topic, as somebody whom the lamp invited.
async fn join(address: &str, name: &str, lamp: &TopicHandle) -> Outcome<TopicHandle> {
    let invitation = lamp.invite(InviteOptions::default()).await?;
    let newcomer = Topic::invited(invitation, keyfile::ephemeral()?).device_name(name).start()?;
    newcomer.attach(Tcp::connect(address)).await?;
    newcomer.ready().await?;
    println!("The {name} joins.");
    Ok(newcomer)
}

/// The next order is this one, and from the phone.
async fn obey(orders: &mut Subscription<Light>, light: Light, phone: &TopicHandle) -> Outcome {
    let order = orders.next().await.ok_or("the lamp stopped")??;
    if order.body != light || order.from != phone.participant().id() {
        return Err(format!("the lamp obeyed {order:?}").into());
    }
    println!("The phone says {light:?}, and the lamp is {light:?}.");
    Ok(())
}

/// Waits until the lamp has refused so many frames for this reason.
async fn refused(lamp: &TopicHandle, refusal: Refusal, times: u64) -> Outcome {
    until(async || Ok(lamp.stats().await?.refused.get(&refusal) >= Some(&times))).await
}

async fn until(holds: impl AsyncFn() -> Outcome<bool>) -> Outcome {
    while !holds().await? {
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Somebody who knows the address and the framing, and nothing else.
struct Intruder {
    link: Link,
    channel: ChannelName,
}

impl Intruder {
    async fn connect(address: &str) -> Outcome<Self> {
        let channel = ChannelName::try_from(ROOM)?;
        let (_, channels) = Channels::new([channel.clone()]);
        let link = Tcp::connect(address).connect(channels).await?;
        Ok(Self { link, channel })
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Outcome {
        Ok(self.link.outgoing.send(Frame::on(self.channel.clone(), bytes)).await?)
    }

    /// Waits until nobody has said anything for a while: those who join have much to tell.
    async fn hear_out(&mut self) -> Outcome {
        while let Ok(frame) = timeout(Duration::from_millis(300), self.link.incoming.next()).await {
            frame.ok_or("the room is closed")??;
        }
        Ok(())
    }

    /// The next message that passes, as opposed to introductions and their answers. Who is no
    /// member can't tell what is in it.
    async fn next_message(&mut self) -> Outcome<Vec<u8>> {
        loop {
            let frame = self.link.incoming.next().await.ok_or("the room is closed")??;
            if frame.bytes.first() == Some(&MESSAGE) {
                return Ok(frame.bytes.into());
            }
        }
    }
}
