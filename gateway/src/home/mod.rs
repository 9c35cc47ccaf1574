//! The home: the folder where a participant lives. Not here: running topics.

mod config;
mod keys;
mod lock;
mod name;

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use stringphone::TopicError;
use stringphone::keyfile::StorageKey;
use stringphone::store::DatabaseStore;

pub(crate) use config::{Config, Origin, Protocol, RelayConfig, TopicConfig};
pub(crate) use lock::Lock;

use crate::failure::Failure;
use crate::text;

/// A folder of mode 0700 that holds an identity, its topics, and how they are reached.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    folder: PathBuf,
}

impl Home {
    /// The home at `folder`, or where homes are by default.
    pub(crate) fn at(folder: Option<PathBuf>) -> Result<Self, Failure> {
        let folder = folder.or_else(default_folder).ok_or_else(|| {
            Failure::Usage("no home folder is known: say which with --home DIR".into())
        })?;
        // What we tell people to type works from anywhere.
        let folder =
            std::path::absolute(&folder).map_err(|error| Failure::file(&folder, &error))?;
        Ok(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The start of a command line that means this home.
    pub(crate) fn command(&self) -> String {
        if default_folder().as_ref() == Some(&self.folder) {
            "stringphone".into()
        } else {
            let folder = text::for_shell(&self.folder.display().to_string());
            format!("stringphone --home {folder}")
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("control.sock")
    }

    fn topics(&self) -> PathBuf {
        self.folder.join("topics")
    }

    /// Makes the folders where there are none.
    pub(crate) fn make(&self) -> Result<(), Failure> {
        for folder in [&self.folder, &self.topics()] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|error| Failure::file(folder, &error))?;
        }
        self.check()
    }

    /// Refuses a folder that is not there, or that others can look into.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let found = match fs::metadata(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.empty()),
            found => found.map_err(|error| Failure::file(&self.folder, &error))?,
        };
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 == 0 {
            return Ok(());
        }
        let shown = self.folder.display();
        Err(Failure::failed(format!(
            "others can look into {shown} (mode {mode:o}), and it holds secrets: chmod 700 {} \
             mends it",
            text::for_shell(&shown.to_string())
        )))
    }

    /// Nobody has moved in.
    pub(crate) fn empty(&self) -> Failure {
        self.begin(&format!("nobody lives at {} yet", self.folder.display()))
    }

    /// Somebody has, and is in no topic.
    pub(crate) fn without_topic(&self) -> Failure {
        self.begin(&format!("the one who lives at {} is in no topic yet", self.folder.display()))
    }

    fn begin(&self, why: &str) -> Failure {
        let command = self.command();
        Failure::failed(format!(
            "{why}: begin with `{command} up`, or with `{command} join ADDRESS`"
        ))
    }

    /// This home is in no topic of that name.
    pub(crate) fn unknown(&self, topic: &str) -> Failure {
        Failure::failed(format!(
            "this home is in no topic {topic:?}; `{} up --topic={}` founds one",
            self.command(),
            text::for_shell(topic)
        ))
    }

    /// The topic that is meant: the named one, or that of the last time.
    pub(crate) fn topic_of<'a>(
        &self,
        config: &'a Config,
        topic: Option<&str>,
    ) -> Result<(&'a str, &'a TopicConfig), Failure> {
        match topic {
            Some(topic) => config.topic(topic).ok_or_else(|| self.unknown(topic)),
            None => config.current().ok_or_else(|| self.without_topic()),
        }
    }

    /// This topic was left, or never joined: nothing stays of it.
    pub(crate) fn forget(&self, topic: &str, lock: &Lock) -> Result<(), Failure> {
        let mut config = self.config()?;
        config.forget(topic);
        self.keep_config(&config, lock)?;
        self.clear(topic, lock)
    }

    /// Destroys what is stored of a topic.
    pub(crate) fn clear(&self, topic: &str, _: &Lock) -> Result<(), Failure> {
        Ok(DatabaseStore::destroy(self.topic_file(topic)).map_err(TopicError::from)?)
    }

    /// Takes the home for this process alone.
    pub(crate) fn lock(&self, holder: &str) -> Result<Lock, Failure> {
        Lock::take(self, holder)
    }

    /// Whether somebody lives here, or left something.
    pub(crate) fn is_taken(&self) -> bool {
        let topics = fs::read_dir(self.topics());
        self.key_file().exists() || topics.is_ok_and(|mut topics| topics.next().is_some())
    }

    /// Where a topic's records are kept.
    pub(crate) fn topic_file(&self, topic: &str) -> PathBuf {
        self.topics().join(name::file_name(topic))
    }

    pub(crate) fn store(&self, topic: &str, key: &StorageKey) -> DatabaseStore {
        DatabaseStore::new(self.topic_file(topic), key)
    }

    /// Replaces a file of the home: the old one stands, or the new one does.
    fn replace(&self, path: &Path, content: &[u8]) -> Result<(), Failure> {
        let beside = path.with_extension("new");
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)
            .and_then(|mut file| {
                file.write_all(content)?;
                file.sync_all()?;
                fs::rename(&beside, path)?;
                File::open(&self.folder)?.sync_all()
            });
        written.map_err(|error| Failure::file(path, &error))
    }
}

fn default_folder() -> Option<PathBuf> {
    let folder = |name| env::var_os(name).filter(|value| !value.is_empty());
    let own = folder("STRINGPHONE_HOME").map(PathBuf::from);
    let state = || folder("XDG_STATE_HOME").map(|state| Path::new(&state).join("stringphone"));
    let home = || folder("HOME").map(|home| Path::new(&home).join(".local/state/stringphone"));
    own.or_else(state).or_else(home)
}
