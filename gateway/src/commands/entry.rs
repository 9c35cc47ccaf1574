//! Asks for secrets: an invitation, a PIN, and what others want typed. Not here: what becomes of
//! them.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::str::FromStr;

use stringphone::{Invitation, Pin};
use zeroize::Zeroizing;

use super::App;
use super::ask::at_terminal;
use crate::failure::Failure;
use crate::secret::{self, Unseen};

/// How often a person may mistype.
const TRIES: usize = 3;

pub(super) async fn invitation(app: &App<'_>, file: Option<&Path>) -> Result<Invitation, Failure> {
    let prompt = "Invitation (from `stringphone invite`; what you paste is not shown): ";
    let nothing = "no invitation was given. `stringphone invite` writes one over there; give it on \
                   standard input, with --invitation-file PATH, or at a terminal when this asks. To \
                   be asked about instead, name the topic: stringphone join TOPIC ADDRESS";
    read(app, file, prompt, nothing).await
}

pub(super) async fn pin(app: &App<'_>, file: Option<&Path>) -> Result<Pin, Failure> {
    let prompt = "PIN (from `stringphone pin`; what you type is not shown): ";
    let nothing = "no PIN was given. `stringphone pin` shows one over there; give it on standard \
                   input, with --pin-file PATH, or at a terminal when this asks";
    read(app, file, prompt, nothing).await
}

async fn read<T: FromStr>(
    app: &App<'_>,
    file: Option<&Path>,
    prompt: &str,
    nothing: &str,
) -> Result<T, Failure>
where
    T::Err: std::fmt::Display,
{
    let file = file.filter(|file| *file != Path::new("-"));
    // The errors never repeat what they are about.
    let parse = |text: Zeroizing<String>| {
        if text.is_empty() {
            return Err(nothing.to_owned());
        }
        text.parse::<T>().map_err(|error| error.to_string())
    };
    if let Some(file) = file {
        return parse(secret::from_file(file)?).map_err(Failure::Failed);
    }
    if !io::stdin().is_terminal() {
        return parse(secret::from_input().await?).map_err(Failure::Failed);
    }
    if !at_terminal() {
        return Err(Failure::failed(nothing));
    }
    at_prompt(app, prompt, parse).await
}

/// Asks at the terminal, without showing what is typed, until it can be read; a few times.
pub(super) async fn at_prompt<T>(
    app: &App<'_>,
    prompt: &str,
    parse: impl Fn(Zeroizing<String>) -> Result<T, String>,
) -> Result<T, Failure> {
    let mut tries = 1;
    loop {
        let unseen = Unseen::begin();
        if unseen.is_none() {
            return Err(Failure::failed("this terminal can't be kept from showing what is typed"));
        }
        app.console.prompt(prompt).await?;
        let text = secret::from_input().await;
        drop(unseen);
        app.console.answered().await?;
        // The end of the line was not shown either.
        app.console.note("").await?;
        match parse(text?) {
            Ok(read) => return Ok(read),
            Err(error) if tries < TRIES => app.console.note(&error).await?,
            Err(error) => return Err(Failure::Failed(error)),
        }
        tries += 1;
    }
}
