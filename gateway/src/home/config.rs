//! What a home remembers of how its topics are reached. Not here: secrets.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Home, Lock};
use crate::failure::Failure;
use crate::via;

/// The layout of the file: before 2, links were HOST:PORT, under `connect`.
const VERSION: u32 = 2;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Config {
    version: u32,
    /// The topic of the last `up`, `join` or `import`.
    #[serde(default)]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) topics: BTreeMap<String, TopicConfig>,
}

/// How a topic came here, and how it is reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TopicConfig {
    pub(crate) protocol: Protocol,
    pub(crate) origin: Origin,
    /// Where others connect to, HOST:PORT.
    #[serde(default)]
    pub(crate) listen: Option<String>,
    /// The addresses where we meet others, in full.
    #[serde(default, alias = "connect", deserialize_with = "in_full")]
    pub(crate) via: Vec<String>,
    /// Where a relay ties the links together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) relay: Option<RelayConfig>,
    /// Whether messages are kept until `listen --keep` has told them. Not by itself: an inbox that
    /// nobody reads fills up, and refuses frames from then on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) inbox: bool,
}

/// What a relay does beyond the links of its topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RelayConfig {
    /// Channels of topics that this home can't read.
    #[serde(default)]
    pub(crate) also: Vec<String>,
    /// The addresses where other relays are, and nobody else, in full.
    #[serde(default, deserialize_with = "in_full")]
    pub(crate) peers: Vec<String>,
}

fn in_full<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let written = Vec::<String>::deserialize(from)?;
    Ok(written.iter().map(|address| via::in_full(address)).collect())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    V2,
    /// The original's.
    Classic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    Founded,
    Joined,
    Imported,
}

impl Default for Config {
    fn default() -> Self {
        Self { version: VERSION, current: None, topics: BTreeMap::new() }
    }
}

impl TopicConfig {
    pub(crate) fn new(protocol: Protocol, origin: Origin) -> Self {
        Self { protocol, origin, listen: None, via: Vec::new(), relay: None, inbox: false }
    }
}

impl Config {
    /// Makes this the topic that commands mean.
    pub(crate) fn remember(&mut self, topic: &str, how: TopicConfig) {
        self.current = Some(topic.to_owned());
        self.topics.insert(topic.to_owned(), how);
    }

    /// The topic that commands mean.
    pub(crate) fn current(&self) -> Option<(&str, &TopicConfig)> {
        self.topic(self.current.as_ref()?)
    }

    pub(crate) fn topic(&self, name: &str) -> Option<(&str, &TopicConfig)> {
        let (topic, how) = self.topics.get_key_value(name)?;
        Some((topic, how))
    }

    /// Nothing means this topic any more.
    pub(crate) fn forget(&mut self, topic: &str) {
        self.topics.remove(topic);
        self.current.take_if(|current| current == topic);
    }
}

impl Home {
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.join("config.json")
    }

    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let path = self.config_file();
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Config::default()),
            read => read.map_err(|error| Failure::file(&path, &error))?,
        };
        let shown = path.display();
        let mut config: Config = serde_json::from_slice(&text).map_err(|error| {
            Failure::failed(format!(
                "{shown} is damaged: {error}. It holds no keys: remove it, and `up` or `join` \
                 write it anew"
            ))
        })?;
        if config.version > VERSION {
            return Err(Failure::failed(format!(
                "{shown} was written by a later release; upgrade to read it"
            )));
        }
        // Whatever it was read as, it is written as this.
        config.version = VERSION;
        Ok(config)
    }

    pub(crate) fn keep_config(&self, config: &Config, _: &Lock) -> Result<(), Failure> {
        let json = serde_json::to_vec_pretty(config)
            .map_err(|error| Failure::failed(error.to_string()))?;
        self.replace(&self.config_file(), &json)
    }
}
