//! What a device of the campaign does until it is killed. Not the killing.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use futures::StreamExt;
use stringphone::{Carrier, CarrierSettings, TopicHandle, via};
use tokio::time::interval;

use crate::house::Home;
use crate::journal::{Entry, Journal, Message};
use crate::{Failure, TOPIC};

/// What a device is told.
#[derive(Clone, Debug, Parser)]
pub struct Arguments {
    /// Its folder, as the house made it.
    #[arg(long)]
    pub home: PathBuf,
    /// What it attaches to, as in `tcp://127.0.0.1:7000`.
    #[arg(long)]
    pub via: String,
    /// What it does.
    #[arg(long)]
    pub role: Role,
    /// Messages a second of a sender.
    #[arg(long, default_value_t = 20)]
    pub rate: u32,
}

/// What a device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// It says one number after the other.
    Sender,
    /// It takes what the others say.
    Receiver,
}

/// Runs until killed.
///
/// # Errors
/// Why it can't go on.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let home = Home::at(&arguments.home);
    let (journal, entries) = Journal::open(&home.journal())?;
    let topic = home.open()?;
    match arguments.role {
        Role::Sender => say(&topic, &arguments, &home, journal, &entries).await,
        Role::Receiver => take(&topic, &arguments, journal, &entries).await,
    }
}

async fn attach(topic: &TopicHandle, address: &str) -> Result<(), Failure> {
    // Others are killed all the time: it is there again soon.
    let settings = CarrierSettings {
        first_pause: Duration::from_millis(20),
        last_pause: Duration::from_millis(500),
        ..CarrierSettings::default()
    };
    topic.attach(Carrier::start_with(via(address)?, settings).channel(TOPIC)?).await?;
    Ok(())
}

async fn say(
    topic: &TopicHandle,
    arguments: &Arguments,
    home: &Home,
    mut journal: Journal,
    entries: &[Entry],
) -> Result<(), Failure> {
    attach(topic, &arguments.via).await?;
    topic.ready().await?;
    // What is in doubt is not said again: it may have gone out.
    let says = entries.iter().filter_map(|entry| match entry {
        Entry::Says(number) => Some(*number),
        _ => None,
    });
    let mut number = says.max().unwrap_or(0);
    let mut ticks = interval(Duration::from_secs(1) / arguments.rate.max(1));
    loop {
        ticks.tick().await;
        if home.quiet().exists() {
            continue;
        }
        number += 1;
        journal.add(&Entry::Says(number))?;
        // Here the outbox will answer for it; until then, only this process does.
        let _receipts = topic.publish_raw(number.to_be_bytes().to_vec()).confirm().await?;
        journal.add(&Entry::Said(number))?;
    }
}

async fn take(
    topic: &TopicHandle,
    arguments: &Arguments,
    mut journal: Journal,
    entries: &[Entry],
) -> Result<(), Failure> {
    let mut inbox = topic.subscribe_raw().await?;
    attach(topic, &arguments.via).await?;
    let mut last = entries.iter().rev().find_map(|entry| match entry {
        Entry::Took(message) => Some(message.clone()),
        _ => None,
    });
    while let Some(received) = inbox.next().await {
        let received = received?;
        let (Some(id), Some(number)) = (received.id, received.body.as_array()) else {
            continue;
        };
        let (from, number) = (received.from.to_string(), u64::from_be_bytes(*number));
        let (incarnation, counter, place) = (id.incarnation, id.counter, id.place);
        let message = Message { from, incarnation, counter, place, number };
        // A kill between the journal and the acknowledgement brings the last one again.
        if last.as_ref() != Some(&message) {
            journal.add(&Entry::Took(message.clone()))?;
            last = Some(message);
        }
        // Here the inbox will be acknowledged.
    }
    topic.ready().await.map_err(Failure::from)
}
