//! `up`: a topic for others to join. Not here: what happens while it runs.

use std::future::pending;
use std::net::SocketAddr;

use stringphone::tcp::{Tcp, TcpRoom};

use super::stay::{Signals, Stay};
use super::{App, known};
use crate::cli::Up;
use crate::control::Server;
use crate::failure::Failure;
use crate::home::{Origin, Protocol, TopicConfig};
use crate::node::{Node, Plan};
use crate::report::Report;
use crate::text;

pub(super) const TOPIC: &str = "home";
pub(super) const LISTEN: &str = "127.0.0.1:7777";

pub(super) async fn up(app: &App<'_>, args: Up) -> Result<(), Failure> {
    app.home.make()?;
    let lock = app.home.lock("up")?;
    let signals = Signals::catch()?;
    let identity = app.home.identity_or_new(&lock)?;
    let mut config = app.home.config()?;
    let topic = args.topic.or_else(|| config.current.clone());
    let topic = topic.unwrap_or_else(|| TOPIC.into());
    let mut how = known(&config, &topic, args.protocol.classic, Origin::Founded)?;
    if !args.connect.is_empty() {
        how.connect = args.connect;
    }

    let (room, address) = bind(args.listen.or(how.listen.take())).await?;
    // The very port, so that those who joined find it again.
    how.listen = Some(address.to_string());

    let plan = Plan { admission: args.admission, ..Plan::new(&topic, identity, &how) };
    let node = Node::start(&app.home, plan).await?;
    if !node.is_ready() {
        return Err(not_joined(app, &topic));
    }
    config.remember(&topic, how.clone());
    app.home.keep_config(&config, &lock)?;

    let reports = node.watch(true).await?;
    node.listen(room).await?;
    for peer in &how.connect {
        node.connect(Tcp::connect(peer)).await?;
    }
    // Whoever reads the greeting may ask at once.
    let server = Server::start(&app.home, &lock, &node)?;
    greet(app, &node, &how, address).await?;
    let stay = Stay { app, node, reports, server, lock, signals, once: false };
    stay.stay(pending()).await
}

async fn bind(address: Option<String>) -> Result<(TcpRoom, SocketAddr), Failure> {
    let address = address.unwrap_or_else(|| LISTEN.into());
    let mut room = Tcp::listen(&address);
    match room.bind().await {
        Ok(bound) => Ok((room, bound)),
        Err(error) => Err(Failure::failed(format!(
            "can't listen on {address}: {error}. Choose another address with --listen HOST:PORT"
        ))),
    }
}

/// Where others reach an address that we listen on: what means every address of this machine,
/// they can't connect to.
pub(super) fn reached(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(known) if known.ip().is_unspecified() => format!("THIS-MACHINE:{}", known.port()),
        _ => address.into(),
    }
}

async fn greet(
    app: &App<'_>,
    node: &Node,
    how: &TopicConfig,
    address: SocketAddr,
) -> Result<(), Failure> {
    let classic = how.protocol == Protocol::Classic;
    let at = reached(&address.to_string());
    let to = if classic {
        format!("--classic --topic={} {at}", text::for_shell(node.name()))
    } else {
        at
    };
    let up = Report::Up {
        topic: node.name().to_owned(),
        address: address.to_string(),
        who: (&node.participant()).into(),
        invite: (!classic).then(|| format!("{} invite", app.home.command())),
        join: format!("stringphone --home ~/lamp join {to}"),
    };
    app.console.say(&up).await?;
    if address.ip().is_loopback() {
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
