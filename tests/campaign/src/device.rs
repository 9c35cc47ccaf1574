//! What a device of the campaign does until it is killed. Not the killing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use stringphone::transport::{ChannelName, Channels, Transport};
use stringphone::{
    Carrier, CarrierSettings, CommandError, Event, Events, HistoryLimits, Inbox, TopicError,
    TopicHandle, via,
};
use tokio::sync::Mutex;
use tokio::time::{interval, sleep};

use crate::capture::Recorded;
use crate::house::Home;
use crate::journal::{Entry, Journal, Message};
use crate::{Failure, TOPIC};

/// So many messages wait for their receipts, before a sender says nothing more.
const UNDER_WAY: usize = 1_000;

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
    /// A keeper that speaks has all keys changed after so many of its messages.
    #[arg(long)]
    pub rotation: Option<u64>,
}

/// What a device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// It says one number after the other, and takes what the others say.
    Sender,
    /// It takes what the others say, and keeps it for those that are away.
    Receiver,
    /// It is where the others meet, and has no home.
    Room,
}

/// Runs until killed.
///
/// # Errors
/// Why it can't go on.
pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let history = match arguments.role {
        Role::Room => return host(&arguments.via).await,
        Role::Receiver => Some(HistoryLimits::default()),
        Role::Sender => None,
    };
    let home = Home::at(&arguments.home);
    let (journal, entries) = Journal::open(&home.journal())?;
    let topic = home.open(history)?;
    let (inbox, events) = (topic.inbox_raw().await?, topic.events().await?);
    let device = Device { home, topic, journal: Mutex::new(journal), entries };
    device.attach(&arguments.via).await?;
    device.topic.ready().await?;
    let saying = async {
        match arguments.role {
            Role::Sender => device.say(arguments.rate, arguments.rotation).await,
            _ => Ok(()),
        }
    };
    tokio::try_join!(device.take(inbox), device.watch(events), saying)?;
    Ok(())
}

/// A room that lives as long as its process.
async fn host(address: &str) -> Result<(), Failure> {
    let mut room = via(address)?;
    loop {
        // Who owns the channels says when the link closes.
        let (_owner, channels) = Channels::new([ChannelName::try_from(TOPIC)?]);
        match room.connect(channels).await {
            Ok(link) => link.incoming.for_each(async |_| ()).await,
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

struct Device {
    home: Home,
    topic: TopicHandle,
    journal: Mutex<Journal>,
    /// What its journal held when it started.
    entries: Vec<Entry>,
}

impl Device {
    async fn attach(&self, address: &str) -> Result<(), Failure> {
        // Others are killed all the time: it is there again soon.
        let settings = CarrierSettings {
            first_pause: Duration::from_millis(20),
            last_pause: Duration::from_millis(500),
            ..CarrierSettings::default()
        };
        let recording = self.home.recordings().find(|path| !path.exists());
        let link = Recorded::new(via(address)?, &recording.ok_or("it lived too often")?)?;
        self.topic.attach(Carrier::start_with(link, settings).channel(TOPIC)?).await?;
        Ok(())
    }

    async fn note(&self, entry: Entry) -> Result<(), Failure> {
        self.journal.lock().await.add(&entry)
    }

    async fn say(&self, rate: u32, rotation: Option<u64>) -> Result<(), Failure> {
        // What is in doubt is not said again: it may have gone out.
        let says = self.entries.iter().filter_map(|entry| match entry {
            Entry::Says(number) => Some(*number),
            _ => None,
        });
        let (mut number, mut left) = (says.max().unwrap_or(0), None);
        let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(confirmed) = under_way.next() => self.note(Entry::Confirmed(confirmed?)).await?,
                _ = ticks.tick() => {
                    if self.home.quiet().exists() {
                        self.tell_unconfirmed(&mut left).await?;
                    } else if under_way.len() < UNDER_WAY {
                        number += 1;
                        under_way.push(self.publish(number).await?);
                        if rotation.is_some_and(|every| number.is_multiple_of(every)) {
                            self.rotate().await?;
                        }
                    }
                }
            }
        }
    }

    /// Says a number; what is returned ends when all have it.
    async fn publish(
        &self,
        number: u64,
    ) -> Result<impl Future<Output = Result<u64, TopicError>>, Failure> {
        self.note(Entry::Says(number)).await?;
        let receipts = self.topic.publish_raw(number.to_be_bytes().to_vec()).confirm().await?;
        // From here on the library answers for it, whatever is killed.
        self.note(Entry::Said(number)).await?;
        Ok(async move { receipts.all().await.map(|_| number) })
    }

    async fn rotate(&self) -> Result<(), Failure> {
        match self.topic.rotate().await {
            // It is no keeper.
            Err(TopicError::Command(CommandError::NotAllowed)) => Ok(()),
            rotated => Ok(rotated?),
        }
    }

    /// Notes how many messages are not confirmed, whenever that changes.
    async fn tell_unconfirmed(&self, told: &mut Option<usize>) -> Result<(), Failure> {
        let left = self.topic.unconfirmed().await?.len();
        if told.replace(left) != Some(left) {
            self.note(Entry::Unconfirmed(left)).await?;
        }
        Ok(())
    }

    async fn take(&self, mut inbox: Inbox) -> Result<(), Failure> {
        let mut known: BTreeSet<Message> = self.entries.iter().filter_map(taken).collect();
        while let Some(kept) = inbox.next().await {
            let kept = kept?;
            if let Some(number) = kept.body.as_array() {
                let message = Message::new(kept.from, kept.id, u64::from_be_bytes(*number));
                // A kill between the journal and the acknowledgement brings it again, and says so.
                if !(kept.redelivered && known.contains(&message)) {
                    self.note(Entry::Took(message.clone())).await?;
                    known.insert(message);
                }
            }
            kept.ack().await?;
        }
        Err("its topic has stopped".into())
    }

    /// No kill may look like a copied device, nor give anything up.
    async fn watch(&self, mut events: Events) -> Result<(), Failure> {
        while let Some(event) = events.next().await {
            let event = event?;
            if matches!(
                event,
                Event::Cloned(_)
                    | Event::RolledBack
                    | Event::InsiderAlarm
                    | Event::Uncertain(_)
                    | Event::Dropped { .. }
                    | Event::Evicted
            ) {
                self.note(Entry::Alarm(format!("{event:?}"))).await?;
            }
        }
        Err("its topic has stopped".into())
    }
}

fn taken(entry: &Entry) -> Option<Message> {
    match entry {
        Entry::Took(message) => Some(message.clone()),
        _ => None,
    }
}
