//! The homes of a campaign's devices, all of them members of one topic before the first is killed.
//! Not their processes.

use std::fs;
use std::path::{Path, PathBuf};

use stringphone::keyfile::{self, Keys};
use stringphone::memory::Hub;
use stringphone::store::DatabaseStore;
use stringphone::{
    HistoryLimits, InboxLimits, InviteOptions, OutboxLimits, ParticipantId, Topic, TopicHandle,
};

use crate::{Failure, TOPIC};

/// Where a device keeps what it has.
#[derive(Clone, Debug)]
pub struct Home {
    /// Its folder.
    pub folder: PathBuf,
}

impl Home {
    /// The home in this folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Its journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.folder.join("journal")
    }

    /// Once this file is there, nobody says anything new.
    #[must_use]
    pub fn quiet(&self) -> PathBuf {
        self.folder.with_file_name("quiet")
    }

    /// The recordings of what it sent, one for each of its lives, in their order.
    pub fn recordings(&self) -> impl Iterator<Item = PathBuf> {
        (0..).map(|life: u32| self.folder.join(format!("wire{life}")))
    }

    /// Whose home it is.
    ///
    /// # Errors
    /// Where its key can't be read.
    pub fn id(&self) -> Result<ParticipantId, Failure> {
        Ok(self.keys()?.identity.id())
    }

    /// Opens its topic, which it is a member of; with what is kept for others, if it is to keep that.
    ///
    /// # Errors
    /// Where its key can't be read.
    pub fn open(&self, history: Option<HistoryLimits>) -> Result<TopicHandle, Failure> {
        let keys = self.keys()?;
        let topic = self.durable(Topic::join(TOPIC, keys.identity.clone()), &keys);
        Ok(match history {
            Some(limits) => topic.history(limits).start()?,
            None => topic.start()?,
        })
    }

    fn keys(&self) -> Result<Keys, Failure> {
        Ok(keyfile::open(self.folder.join("me.key"), None)?)
    }

    fn durable(&self, topic: Topic, keys: &Keys) -> Topic {
        topic
            .store(DatabaseStore::new(self.folder.join("campaign.topic"), &keys.storage))
            .outbox(OutboxLimits::default())
            .inbox(InboxLimits::default())
    }
}

/// Makes homes of these names in a folder, and lets all of them join. The first is the keeper.
///
/// # Errors
/// Where a file can't be written, or a device does not get in.
pub async fn found(folder: &Path, names: &[String]) -> Result<Vec<Home>, Failure> {
    let homes: Vec<Home> = names.iter().map(|name| Home::at(folder.join(name))).collect();
    let (keeper, others) = homes.split_first().ok_or("a campaign needs devices")?;
    homes.iter().try_for_each(|home| fs::create_dir_all(&home.folder))?;
    let (hub, keys) = (Hub::new(), keeper.keys()?);
    let founded = keeper.durable(Topic::found(TOPIC, keys.identity.clone()), &keys).start()?;
    founded.attach(hub.port("keeper")).await?;
    let mut topics = vec![founded.clone()];
    for (home, name) in others.iter().zip(names) {
        let (invitation, keys) = (founded.invite(InviteOptions::default()).await?, home.keys()?);
        let invited = Topic::invited(invitation, keys.identity.clone());
        let topic = home.durable(invited, &keys).start()?;
        topic.attach(hub.port(format!("after {name}"))).await?;
        topic.ready().await?;
        topics.push(topic);
    }
    // A sender's library answers for what reaches those whom it knows to be members.
    for topic in &topics {
        while topic.publish_raw("in").confirm().await?.all().await?.len() < others.len() {}
    }
    for topic in &topics {
        topic.stop().await?;
    }
    Ok(homes)
}
