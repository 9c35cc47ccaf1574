//! The passphrase of a home: where it is asked for, and `passphrase`, which sets, changes or removes
//! it. Not here: what it seals.

use std::path::Path;

use stringphone::TopicError;
use stringphone::keyfile::{Keys, Passphrase};
use stringphone::store::StoreError;
use zeroize::Zeroizing;

use super::ask::at_terminal;
use super::{App, entry};
use crate::cli::Passphrase as Args;
use crate::failure::Failure;
use crate::home::Lock;
use crate::report::Report;
use crate::secret;

impl App<'_> {
    /// The keys of whoever lives here, if anybody does yet.
    pub(super) async fn keys(&self) -> Result<Option<Keys>, Failure> {
        self.unseal(|passphrase| self.home.keys(passphrase)).await
    }

    /// The keys of whoever lives here; somebody moves in where nobody does.
    pub(super) async fn keys_or_new(&self, lock: &Lock) -> Result<Keys, Failure> {
        self.unseal(|passphrase| self.home.keys_or_new(passphrase, lock)).await
    }

    /// The passphrase that was given in a file, if one was.
    pub(super) fn given_passphrase(&self) -> Result<Option<Passphrase>, Failure> {
        self.passphrase_file.as_deref().map(from_file).transpose()
    }

    /// Asks for the passphrase only where one is needed that was not given.
    async fn unseal<T>(
        &self,
        open: impl Fn(Option<&Passphrase>) -> Result<T, TopicError>,
    ) -> Result<T, Failure> {
        let needed = match open(self.given_passphrase()?.as_ref()) {
            Err(TopicError::Store(error)) if is_needed(&error) => error,
            opened => return Ok(opened?),
        };
        if !at_terminal() {
            return Err(Failure::failed(format!(
                "{needed}: give it with --passphrase-file PATH, or at a terminal when this asks"
            )));
        }
        let prompt = "Passphrase of this home (what you type is not shown): ";
        let text = |text: Zeroizing<String>| {
            open(Some(&Passphrase::new(&text))).map_err(|error| Failure::from(error).to_string())
        };
        entry::at_prompt(self, prompt, text).await
    }
}

fn is_needed(error: &StoreError) -> bool {
    matches!(error, StoreError::PassphraseNeeded { .. })
}

pub(super) async fn passphrase(app: &App<'_>, args: Args) -> Result<(), Failure> {
    app.home.check()?;
    let lock = app.home.lock("passphrase")?;
    let keys = app.keys().await?.ok_or_else(|| app.home.empty())?;
    let new = match (args.remove, args.new_file) {
        (true, _) => None,
        (false, Some(file)) => Some(from_file(&file)?),
        (false, None) => Some(ask_for_new(app).await?),
    };
    app.home.keep_keys(&keys, new.as_ref(), &lock)?;
    app.console.say(&Report::Passphrase { set: new.is_some() }).await
}

fn from_file(file: &Path) -> Result<Passphrase, Failure> {
    let text = secret::from_file(file)?;
    if text.is_empty() {
        return Err(Failure::failed(format!("{} holds no passphrase", file.display())));
    }
    Ok(Passphrase::new(&text))
}

/// Twice: what was mistyped once is never typed again.
async fn ask_for_new(app: &App<'_>) -> Result<Passphrase, Failure> {
    if !at_terminal() {
        return Err(Failure::failed(
            "a new passphrase is asked for at a terminal: there is none; give it with --new-file \
             PATH",
        ));
    }
    let prompt = "New passphrase (what you type is not shown): ";
    let some = |text: Zeroizing<String>| {
        if text.is_empty() { Err("a passphrase is not empty".to_owned()) } else { Ok(text) }
    };
    let first = entry::at_prompt(app, prompt, some).await?;
    let same = |text: Zeroizing<String>| {
        if text == first { Ok(()) } else { Err("this is not the same".to_owned()) }
    };
    entry::at_prompt(app, "The same again: ", same).await?;
    Ok(Passphrase::new(&first))
}
