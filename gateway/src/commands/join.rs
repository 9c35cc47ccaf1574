//! `join`: into a topic that is up elsewhere. Not here: what happens while it runs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stringphone::Invitation;
use stringphone::keyfile::Keys;

use super::stay::{Signals, Stay};
use super::waiting::Waiting;
use super::{App, entry, known, up};
use crate::cli::{Join, Place};
use crate::control::Server;
use crate::ends::Ends;
use crate::failure::Failure;
use crate::home::{Config, Lock, Origin, Protocol, TopicConfig};
use crate::node::{Entry, Node, Plan};
use crate::report::{By, Report};
use crate::{text, via};

pub(super) async fn join(app: &App<'_>, args: Join) -> Result<(), Failure> {
    let asked = Asked::of(args)?;
    let given = Ends::open(&asked.via, &[]).map_err(Failure::Usage)?;
    app.home.make()?;
    let lock = app.home.lock("join")?;
    let mut signals = Signals::catch()?;
    let keys = app.keys_or_new(&lock).await?;
    let mut config = app.home.config()?;
    let joined = tokio::select! {
        joined = enter(app, &asked, &keys, &config, &lock) => joined?,
        () = signals.caught() => return Err(unmet()),
    };
    let Joined { node, mut how, by, trusts_one } = joined;
    let links = links(app, &mut how, asked.via, given)?;
    let (topic, places) = (node.name().to_owned(), how.via.clone());
    config.remember(&topic, how);
    app.home.keep_config(&config, &lock)?;

    let reports = node.watch(true).await?;
    if node.is_ready() {
        app.console.say(&Report::Ready).await?;
        if asked.once {
            return node.stop().await;
        }
    } else {
        let who = (&node.participant()).into();
        let joining = Report::Joining { topic, via: places.clone(), who, by };
        app.console.say(&joining).await?;
    }
    node.link(links, None).await?;
    // Whoever asks finds a link that is attached, and news that are kept.
    let server = Server::start(&app.home, &lock, &node)?;
    let waiting = Waiting { node: node.clone(), places: places.join(", "), by, trusts_one };
    let deadline = waiting.unanswered(app, asked.timeout);
    let stay = Stay { app, node, reports, server, lock, signals, once: asked.once };
    stay.stay(deadline).await
}

/// The transports of the addresses that are given, else of those of the last time.
fn links(
    app: &App<'_>,
    how: &mut TopicConfig,
    addresses: Vec<String>,
    given: Ends,
) -> Result<Ends, Failure> {
    if !given.is_empty() {
        how.via = addresses;
        return Ok(given);
    }
    if how.via.is_empty() {
        how.via.push(via::in_full(up::LISTEN));
    }
    // Where other relays are, only a relay is understood.
    Ok(Ends { via: app.remembered(how)?.via, ..Ends::default() })
}

/// What the command line says, sorted out.
struct Asked {
    topic: Option<String>,
    via: Vec<String>,
    way: Way,
    name: Option<String>,
    /// Whatever this home holds of the topic.
    again: bool,
    once: bool,
    timeout: Option<Duration>,
}

/// How we are to get in.
enum Way {
    Classic(Option<stringphone::Fingerprint>),
    Fingerprint(Option<stringphone::Fingerprint>),
    Pin(Option<std::path::PathBuf>),
    Invitation(Option<std::path::PathBuf>),
}

impl Asked {
    fn of(args: Join) -> Result<Self, Failure> {
        let (mut topic, mut address) = (args.topic, None);
        for place in args.places {
            let (slot, place, what) = match place {
                Place::Topic(name) => (&mut topic, name, "topic"),
                Place::Address(place) => (&mut address, place, "address"),
            };
            if slot.replace(place).is_some() {
                return Err(Failure::Usage(format!("one {what} is enough")));
            }
        }
        let trusted = args.trust_fingerprint;
        let by_pin = args.pin || args.pin_file.is_some();
        if trusted.is_some() && (by_pin || args.invitation_file.is_some()) {
            return Err(Failure::Usage(
                "--trust-fingerprint is for those who have neither an invitation nor a PIN, which \
                 say whom to trust themselves"
                    .into(),
            ));
        }
        let way = if args.protocol.classic {
            Way::Classic(trusted)
        } else if by_pin {
            Way::Pin(args.pin_file)
        } else if args.invitation_file.is_none() && (topic.is_some() || trusted.is_some()) {
            Way::Fingerprint(trusted)
        } else {
            Way::Invitation(args.invitation_file)
        };
        let (name, again) = (args.name, args.again);
        let (once, timeout) = (args.once, args.timeout);
        let via = address.into_iter().chain(args.via).collect();
        Ok(Self { topic, via, way, name, again, once, timeout })
    }
}

/// A topic that we are in, or about to be let into.
struct Joined {
    node: Node,
    how: TopicConfig,
    by: By,
    trusts_one: bool,
}

/// Starts the topic; asks for what is needed where we are not in it yet.
async fn enter(
    app: &App<'_>,
    asked: &Asked,
    keys: &Keys,
    config: &Config,
    lock: &Lock,
) -> Result<Joined, Failure> {
    let invitation = match &asked.way {
        Way::Invitation(Some(file)) => Some(entry::invitation(app, Some(file)).await?),
        _ => None,
    };
    let named = invitation.as_ref().map(|invitation| invitation.topic_name().to_owned());
    if let (Some(named), Some(topic)) = (&named, &asked.topic)
        && named != topic
    {
        return Err(Failure::failed(format!(
            "the invitation is for topic {named:?}, not {topic:?}"
        )));
    }
    let remembered = || config.current.clone().filter(|_| matches!(asked.way, Way::Invitation(_)));
    let topic = named.or_else(|| asked.topic.clone()).or_else(remembered);

    // Whoever is in the topic already needs nothing.
    let known = topic.as_ref().filter(|topic| config.topic(topic).is_some());
    if let Some(topic) = known.filter(|_| !asked.again) {
        let how = joined(config, topic, matches!(asked.way, Way::Classic(_)));
        // Where another topic is wanted, that of the last time does not matter.
        let of_last_time = asked.topic.is_none() && invitation.is_none();
        match how {
            Ok(how) if how.protocol == Protocol::V2 || of_last_time => {
                if let Some(node) = resume(app, topic, keys, &how, lock).await? {
                    if invitation.is_some() {
                        let note = format!(
                            "(this home is in topic {topic:?} already, and goes on there; the \
                             invitation was not used)"
                        );
                        app.console.note(&note).await?;
                    }
                    return Ok(Joined { node, how, by: By::Invitation, trusts_one: false });
                }
            }
            Err(failure) if !of_last_time => return Err(failure),
            _ => {}
        }
    }
    let entry = match (&asked.way, invitation) {
        (_, Some(invitation)) => Entry::Invitation(invitation),
        (Way::Invitation(_), None) => Entry::Invitation(entry::invitation(app, None).await?),
        (Way::Pin(file), None) => Entry::Pin(entry::pin(app, file.as_deref()).await?),
        (Way::Classic(trusted) | Way::Fingerprint(trusted), None) => Entry::Fingerprint(*trusted),
    };
    let topic = match &entry {
        Entry::Invitation(invitation) => {
            warn_if_expired(app, invitation).await?;
            invitation.topic_name().to_owned()
        }
        _ => topic.unwrap_or_else(|| up::TOPIC.into()),
    };
    if asked.again {
        let how = forget(app, &topic, lock)?;
        return begin(app, asked, keys, &topic, how, entry).await;
    }
    let how = joined(config, &topic, matches!(asked.way, Way::Classic(_)))?;
    if how.protocol == Protocol::V2
        && let Some(node) = resume(app, &topic, keys, &how, lock).await?
    {
        return Ok(Joined { node, how, by: entry.by(), trusts_one: false });
    }
    begin(app, asked, keys, &topic, how, entry).await
}

async fn begin(
    app: &App<'_>,
    asked: &Asked,
    keys: &Keys,
    topic: &str,
    how: TopicConfig,
    entry: Entry,
) -> Result<Joined, Failure> {
    let (by, trusts_one) = (entry.by(), matches!(entry, Entry::Fingerprint(Some(_))));
    let plan = Plan { entry, name: asked.name.clone(), ..Plan::new(topic, keys.clone(), &how) };
    let node = Node::start(&app.home, plan).await?;
    Ok(Joined { node, how, by, trusts_one })
}

/// Forgets that this home is in the topic. Who lets it in again begins another life of it, in which
/// no number of the ones before is used.
fn forget(app: &App<'_>, topic: &str, lock: &Lock) -> Result<TopicConfig, Failure> {
    let mut config = app.home.config()?;
    let how = known(&config, topic, false, Origin::Joined)?;
    if how.protocol == Protocol::Classic {
        return Err(Failure::failed(format!(
            "topic {topic:?} speaks Classic: nobody is behind there"
        )));
    }
    // First of all, and even where we founded it: `up` would found another topic of that name.
    let how = TopicConfig { origin: Origin::Joined, ..how };
    config.remember(topic, how.clone());
    app.home.keep_config(&config, lock)?;
    app.home.clear(topic, lock)?;
    Ok(how)
}

/// The topic, if we are in it already. Otherwise nothing of it stays: all that there is, is which
/// suite of keys the last try was made with.
async fn resume(
    app: &App<'_>,
    topic: &str,
    keys: &Keys,
    how: &TopicConfig,
    lock: &Lock,
) -> Result<Option<Node>, Failure> {
    if !app.home.topic_file(topic).exists() {
        return Ok(None);
    }
    let node = Node::start(&app.home, Plan::new(topic, keys.clone(), how)).await?;
    if node.is_ready() {
        return Ok(Some(node));
    }
    node.stop().await?;
    if how.protocol == Protocol::V2 {
        app.home.clear(topic, lock)?;
    }
    Ok(None)
}

/// How this home is in that topic; others than joined ones have a key of their own.
fn joined(config: &Config, topic: &str, classic: bool) -> Result<TopicConfig, Failure> {
    let how = known(config, topic, classic, Origin::Joined)?;
    if how.origin == Origin::Founded {
        return Err(Failure::failed(format!(
            "this home brought topic {topic:?} up itself, with a key of its own; it can't join \
             another of that name. Give the device that joins a home of its own: stringphone \
             --home ~/lamp join --topic={} ADDRESS",
            text::for_shell(topic)
        )));
    }
    Ok(how)
}

/// Only a warning: this device's clock may be wrong.
async fn warn_if_expired(app: &App<'_>, invitation: &Invitation) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if invitation.expiry().is_some_and(|expiry| u128::from(expiry) < now.as_millis()) {
        let note = "Note: by the clock of this device the invitation has expired. If that is so, \
                    nobody will answer: have a new one made.";
        app.console.note(note).await?;
    }
    Ok(())
}

/// Whoever waits for `--once` must not go on as if it had joined.
pub(super) fn unmet() -> Failure {
    Failure::Unanswered("stopped before it had joined".into())
}
