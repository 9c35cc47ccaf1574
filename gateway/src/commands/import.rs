//! `import`: the keys of a device of the original. Not here: anything that shows them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Deserialize;
use stringphone::keyfile::Keys;
use stringphone::{
    ClassicState, ExchangeKey, Identity, Participant, ParticipantId, PublicKey, Topic, TopicKey,
};
use zeroize::Zeroizing;

use super::App;
use crate::failure::Failure;
use crate::home::{Lock, Origin, Protocol, TopicConfig};
use crate::report::Report;
use crate::text;

/// More than any such file has.
const LIMIT: usize = 1 << 20;

/// The file as it is. Borrowed, so that no copies of its secrets are left behind.
#[derive(Deserialize)]
struct Old<'a> {
    topic: String,
    #[serde(borrow)]
    seed: &'a str,
    #[serde(borrow)]
    topic_key: &'a str,
    participants: Participants,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Participants {
    Keys(Vec<String>),
    /// The original's own map, from ids.
    ById(BTreeMap<String, String>),
}

pub(super) async fn import(app: &App<'_>, file: &Path) -> Result<(), Failure> {
    let json = read(app, file).await?;
    let old: Old<'_> = serde_json::from_slice(&json).map_err(|error| {
        // Never serde's own words: they quote what was found.
        Failure::failed(format!(
            "line {}, column {}: not what an import is made of; `stringphone import --help` shows \
             an example",
            error.line(),
            error.column()
        ))
    })?;
    let secret = |what| {
        let text = format!("`{what}` has to be 64 hexadecimal digits");
        move |_| Failure::failed(text)
    };
    let identity: Identity = old.seed.parse().map_err(secret("seed"))?;
    let topic_key: TopicKey = old.topic_key.parse().map_err(secret("topic_key"))?;
    let mut participants = old.participants.keys()?;
    participants.retain(|key| *key != identity.public_key());

    app.home.make()?;
    let lock = app.home.lock("import")?;
    if app.home.is_taken() {
        return Err(taken(app));
    }
    let count = participants.len();
    let state = state(topic_key, participants)?;
    if let Err(failure) = settle(app, &old.topic, &identity, state, &lock).await {
        // Nothing of it stays, so that it can be tried again.
        app.home.move_out(&lock);
        let _ = app.home.clear(&old.topic, &lock);
        return Err(failure);
    }
    let imported = Report::Imported {
        topic: old.topic,
        participants: count,
        who: (&Participant::new(identity.public_key())).into(),
    };
    app.console.say(&imported).await
}

async fn read(app: &App<'_>, file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |error: io::Error| Failure::file(file, &error);
    // All at once, so that it is not moved while it grows.
    let mut json = Zeroizing::new(Vec::with_capacity(LIMIT));
    if file == Path::new("-") {
        io::stdin().take(LIMIT as u64).read_to_end(&mut json).map_err(failed)?;
        return Ok(json);
    }
    let file = File::open(file).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    file.take(LIMIT as u64).read_to_end(&mut json).map_err(failed)?;
    if mode & 0o077 != 0 {
        let note = format!(
            "Note: others can read that file (mode {mode:o}), and it holds keys. Remove it once \
             all is well."
        );
        app.console.note(&note).await?;
    }
    Ok(json)
}

impl Participants {
    fn keys(self) -> Result<Vec<PublicKey>, Failure> {
        // Never what was found: it may be a secret in the wrong place, and half of all secrets
        // would also do as public keys.
        let wrong =
            |which: String, what: &str| Failure::failed(format!("`participants`: {which} {what}"));
        let no_key = "is no public key of 64 hexadecimal digits";
        match self {
            Self::Keys(keys) => {
                let keys = keys.into_iter().zip(1..).map(|(text, place)| {
                    text.parse().map_err(|_| wrong(format!("number {place}"), no_key))
                });
                keys.collect()
            }
            Self::ById(keys) => {
                let named = keys.into_iter().map(|(id, text)| {
                    let id = id
                        .parse::<ParticipantId>()
                        .map_err(|_| wrong("a name".into(), "is no id of 32 hexadecimal digits"))?;
                    let key = text
                        .parse::<PublicKey>()
                        .map_err(|_| wrong(format!("what belongs to {id}"), no_key))?;
                    if id == key.id() {
                        Ok(key)
                    } else {
                        Err(wrong(format!("what belongs to {id}"), "is not its public key"))
                    }
                });
                named.collect()
            }
        }
    }
}

fn state(topic_key: TopicKey, participants: Vec<PublicKey>) -> Result<ClassicState, Failure> {
    // The original makes a new one at every start, so there is none to take along.
    let mut exchange = Zeroizing::new([0; 32]);
    getrandom::fill(exchange.as_mut_slice()).map_err(|error| {
        Failure::failed(format!("the operating system gives no random numbers: {error}"))
    })?;
    Ok(ClassicState {
        topic_key: Some(topic_key),
        exchange_key: ExchangeKey::from_bytes(&exchange),
        participants,
    })
}

/// The config last: it must not remember a topic that is not there.
async fn settle(
    app: &App<'_>,
    name: &str,
    identity: &Identity,
    state: ClassicState,
    lock: &Lock,
) -> Result<(), Failure> {
    let mut config = app.home.config()?;
    let keys = Keys::new(identity.clone())?;
    let topic = Topic::import(name, identity.clone(), state);
    let topic = topic.store(app.home.store(name, &keys.storage)).start()?;
    topic.ready().await?;
    topic.stop().await?;
    app.home.keep_keys(&keys, app.given_passphrase()?.as_ref(), lock)?;
    config.remember(name, TopicConfig::new(Protocol::Classic, Origin::Imported));
    app.home.keep_config(&config, lock)
}

fn taken(app: &App<'_>) -> Failure {
    Failure::failed(format!(
        "somebody lives at {} already, and is never overwritten. Import into an empty home: \
         stringphone --home {} import FILE",
        app.home.folder().display(),
        text::for_shell(&format!("{}-imported", app.home.folder().display()))
    ))
}
