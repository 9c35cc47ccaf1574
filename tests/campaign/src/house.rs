//! The homes of a campaign's devices, all of them members of one topic before the first is killed.
//! Not their processes.

use std::fs;
use std::path::{Path, PathBuf};

use stringphone::memory::Hub;
use stringphone::store::FileStore;
use stringphone::{InviteOptions, Topic, TopicHandle, keyfile};

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

    /// Opens its topic, which it is a member of.
    ///
    /// # Errors
    /// Where its key can't be read.
    pub fn open(&self) -> Result<TopicHandle, Failure> {
        Ok(self.with_store(Topic::join(TOPIC, self.identity()?)).start()?)
    }

    fn identity(&self) -> Result<stringphone::Identity, Failure> {
        Ok(keyfile::load_or_create(self.folder.join("me.key"))?)
    }

    fn with_store(&self, topic: Topic) -> Topic {
        topic.store(FileStore::new(self.folder.join("campaign.topic")))
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
    let hub = Hub::new();
    let founded = keeper.with_store(Topic::found(TOPIC, keeper.identity()?)).start()?;
    founded.attach(hub.port("keeper")).await?;
    for (home, name) in others.iter().zip(names) {
        let invitation = founded.invite(InviteOptions::default()).await?;
        let topic = home.with_store(Topic::invited(invitation, home.identity()?)).start()?;
        topic.attach(hub.port(format!("after {name}"))).await?;
        topic.ready().await?;
        topic.publish_raw("in").confirm().await?.next().await;
        topic.stop().await?;
    }
    founded.stop().await?;
    Ok(homes)
}
