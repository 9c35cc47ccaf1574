//! `up`: a topic for others to join. Not here: what happens while it runs.

use std::future::pending;
use std::net::SocketAddr;

use super::stay::{Signals, Stay};
use super::{App, known};
use crate::cli::Up;
use crate::control::Server;
use crate::ends::Ends;
use crate::failure::Failure;
use crate::home::{Origin, Protocol, RelayConfig, TopicConfig};
use crate::node::{Node, Plan};
use crate::report::{Relaying, Report};
use crate::{text, via};

pub(super) const TOPIC: &str = "home";
pub(super) const LISTEN: &str = "127.0.0.1:7777";

pub(super) async fn up(app: &App<'_>, args: Up) -> Result<(), Failure> {
    let given = Ends::open(&args.via, &args.peer).map_err(Failure::Usage)?;
    app.home.make()?;
    let lock = app.home.lock("up")?;
    let signals = Signals::catch()?;
    let keys = app.keys_or_new(&lock).await?;
    let mut config = app.home.config()?;
    let topic = args.topic.clone().or_else(|| config.current.clone());
    let topic = topic.unwrap_or_else(|| TOPIC.into());
    let mut how = known(&config, &topic, args.protocol.classic, Origin::Founded)?;
    let admission = args.admission.clone();
    let mut ends = chosen(app, args, given, &mut how)?;
    let address = match &how.listen {
        Some(address) => Some(ends.listen(address).await?),
        None => None,
    };
    // The very port, so that those who joined find it again.
    how.listen = address.map(|address| address.to_string());
    let relaying = Relaying::of(&topic, &how);
    if relaying.is_some() {
        ends.enough_to_relay()?;
    }

    let plan = Plan { admission, ..Plan::new(&topic, keys, &how) };
    let node = Node::start(&app.home, plan).await?;
    if !node.is_ready() {
        return Err(not_joined(app, &topic));
    }
    let reports = node.watch(true).await?;
    node.link(ends, relaying.clone()).await?;
    // Links that can't be tied together are not tried again.
    config.remember(&topic, how.clone());
    app.home.keep_config(&config, &lock)?;
    // Whoever reads the greeting may ask at once.
    let server = Server::start(&app.home, &lock, &node)?;
    greet(app, &node, &how, address).await?;
    if let Some(relaying) = relaying {
        app.console.say(&Report::Relaying(relaying)).await?;
    }
    let stay = Stay { app, node, reports, server, lock, signals, once: false };
    stay.stay(pending()).await
}

/// The links, and whether a relay ties them together: as given, else as the last time.
fn chosen(app: &App<'_>, args: Up, given: Ends, how: &mut TopicConfig) -> Result<Ends, Failure> {
    let relay = args.relay.then_some(RelayConfig { also: args.also, peers: args.peer });
    if args.listen.is_some() || !given.is_empty() {
        (how.listen, how.via, how.relay) = (args.listen, args.via, relay);
        return Ok(given);
    }
    if let Some(relay) = relay {
        let known = how.relay.take().map(|known| known.peers);
        how.relay = Some(RelayConfig { peers: known.unwrap_or_default(), ..relay });
    }
    let ends = app.remembered(how)?;
    if ends.is_empty() {
        how.listen.get_or_insert_with(|| LISTEN.into());
    }
    Ok(ends)
}

async fn greet(
    app: &App<'_>,
    node: &Node,
    how: &TopicConfig,
    address: Option<SocketAddr>,
) -> Result<(), Failure> {
    let classic = how.protocol == Protocol::Classic;
    let at = via::over_there(how);
    let to = if classic {
        format!("--classic --topic={} {at}", text::for_shell(node.name()))
    } else {
        at
    };
    let up = Report::Up {
        topic: node.name().to_owned(),
        address: how.listen.clone(),
        via: how.via.clone(),
        who: (&node.participant()).into(),
        invite: (!classic).then(|| format!("{} invite", app.home.command())),
        join: format!("stringphone --home ~/lamp join {to}"),
    };
    app.console.say(&up).await?;
    if address.is_none_or(|address| address.ip().is_loopback()) {
        return Ok(());
    }
    let note = "Note: whoever reaches this address can connect, ask to join, and see how much is \
                said; not what, nor speak for others.";
    app.console.note(note).await
}

fn not_joined(app: &App<'_>, topic: &str) -> Failure {
    Failure::failed(format!(
        "this home has asked to join topic {topic:?} and was not admitted yet. Go on with `{} join \
         --topic={} ADDRESS`, or bring up a topic of another name with --topic",
        app.home.command(),
        text::for_shell(topic)
    ))
}
