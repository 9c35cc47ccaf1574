//! Three participants in one process say hello to each other.
//!
//! Anna founds a topic, and invites Ben and Clara. Then all three publish, and each hears the two
//! others.
//!
//! ```text
//! cargo run --example hello
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use stringphone::memory::Hub;
use stringphone::{InviteOptions, Payload, Topic, TopicHandle, keyfile};

#[derive(Serialize, Deserialize)]
struct Hello(String);

impl Payload for Hello {
    const KIND: &'static str = "hello/1";
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let hub = Hub::new();
    let anna = Topic::found("kitchen", keyfile::ephemeral()?).start()?;
    anna.attach(hub.port("Anna")).await?;
    println!("Anna founds the topic `{}`.", anna.name());

    let ben = join(&hub, "Ben", &anna).await?;
    let clara = join(&hub, "Clara", &anna).await?;

    let people = [("Anna", anna), ("Ben", ben), ("Clara", clara)];
    let names: BTreeMap<_, _> =
        people.iter().map(|(name, topic)| (topic.participant().id(), *name)).collect();

    // First all subscribe, then all speak: a topic keeps nothing for those who come later.
    let mut inboxes = Vec::new();
    for (name, topic) in &people {
        inboxes.push((*name, topic.subscribe::<Hello>().await?));
    }
    for (name, topic) in &people {
        topic.publish(&Hello(format!("Hello from {name}!"))).await?;
    }
    for (name, inbox) in &mut inboxes {
        let mut heard = BTreeSet::new();
        while heard.len() < 2 {
            let message = inbox.next().await.ok_or("the topic stopped")??;
            let from = *names.get(&message.from).ok_or("a message from nobody we know")?;
            println!("{name} hears {from} say: {}", message.body.0);
            if message.body.0 != format!("Hello from {from}!") || !heard.insert(from) {
                return Err("somebody did not say that".into());
            }
        }
    }

    for (_, topic) in &people {
        topic.stop().await?;
    }
    println!("Everybody heard everybody.");
    Ok(())
}

/// Somebody joins whom a member invites.
async fn join(hub: &Hub, name: &str, member: &TopicHandle) -> Result<TopicHandle, Box<dyn Error>> {
    // In a house it goes over as a QR code, or in a message that nobody else reads.
    let invitation = member.invite(InviteOptions::default()).await?;
    let newcomer = Topic::invited(invitation, keyfile::ephemeral()?).device_name(name).start()?;
    newcomer.attach(hub.port(name)).await?;
    newcomer.ready().await?;
    println!("{name} joins; its fingerprint is {}.", newcomer.participant().fingerprint());
    Ok(newcomer)
}
