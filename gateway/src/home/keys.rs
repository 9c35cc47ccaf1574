//! The keys of whoever lives here. Not here: asking for the passphrase that they may be sealed with.

use std::fs;
use std::path::PathBuf;

use stringphone::TopicError;
use stringphone::keyfile::{self, Keys, Passphrase};

use super::{Home, Lock};
use crate::failure::Failure;

impl Home {
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.join("identity.key")
    }

    /// The keys of whoever lives here, if anybody does yet.
    pub(crate) fn keys(&self, passphrase: Option<&Passphrase>) -> Result<Option<Keys>, TopicError> {
        if matches!(self.key_file().try_exists(), Ok(false)) {
            return Ok(None);
        }
        keyfile::open(self.key_file(), passphrase).map(Some)
    }

    /// The keys of whoever lives here; somebody moves in where nobody does.
    pub(crate) fn keys_or_new(
        &self,
        passphrase: Option<&Passphrase>,
        _: &Lock,
    ) -> Result<Keys, TopicError> {
        keyfile::open(self.key_file(), passphrase)
    }

    /// Keeps these keys, in place of any that were there.
    pub(crate) fn keep_keys(
        &self,
        keys: &Keys,
        passphrase: Option<&Passphrase>,
        _: &Lock,
    ) -> Result<(), Failure> {
        Ok(keyfile::save(self.key_file(), keys, passphrase)?)
    }

    /// Whoever has just moved in did so in vain.
    pub(crate) fn move_out(&self, _: &Lock) {
        // There may be no file yet.
        let _ = fs::remove_file(self.key_file());
    }
}
