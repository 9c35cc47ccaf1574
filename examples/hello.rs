//! Three participants in one process say hello to each other.
//!
//! Anna founds a topic. Ben and Clara ask to join, and each compares fingerprints with Anna, both
//! ways, before keys change hands. Then all three publish, and each hears the two others.
//!
//! ```text
//! cargo run --example hello
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use stringphone::memory::Hub;
use stringphone::{Payload, Topic, TopicHandle, keyfile};

#[derive(Serialize, Deserialize)]
struct Hello(String);

impl Payload for Hello {
    const KIND: &'static str = "hello/1";
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let hub = Hub::new();
    let anna = Topic::found("kitchen", keyfile::ephemeral()?).classic().start()?;
    anna.attach(hub.port("Anna")).await?;
    println!("Anna founds the topic `{}`.", anna.name());

    let ben = join(&hub, "Ben", &anna).await?;
    let clara = join(&hub, "Clara", &anna).await?;
    // Both know Anna, and Anna knows both. Whether they trust each other is for them to say.
    ben.trust(clara.participant().public_key()).await?;
    clara.trust(ben.participant().public_key()).await?;

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

/// A newcomer asks for the topic key, and `member` gives it.
async fn join(hub: &Hub, name: &str, member: &TopicHandle) -> Result<TopicHandle, Box<dyn Error>> {
    let mut introductions = member.introductions().await?;
    let newcomer = Topic::join(member.name(), keyfile::ephemeral()?).classic().start()?;
    newcomer.attach(hub.port(name)).await?;

    let who = introductions.next().await.ok_or("the topic stopped")?;
    if who.fingerprint() != newcomer.participant().fingerprint() {
        return Err("that is somebody else: do not approve".into());
    }
    who.approve().await?;

    let answer = newcomer.answer().await?;
    if answer.fingerprint() != member.participant().fingerprint() {
        return Err("somebody else answered: do not confirm".into());
    }
    newcomer.confirm(answer.id()).await?;
    println!("{name} joins; its fingerprint is {}.", newcomer.participant().fingerprint());
    Ok(newcomer)
}
