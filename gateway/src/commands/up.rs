//! `up`: a topic for others to join. Not here: what happens while it runs.

use std::future::pending;
use std::net::SocketAddr;

use stringphone::tcp::{Tcp, TcpRoom};

use super::App;
use super::stay::{Signals, Stay};
use crate::cli::Up;
use crate::control::Server;
use crate::failure::Failure;
use crate::home::{Origin, TopicConfig};
use crate::node::{Node, Plan};
use crate::report::Report;
use crate::text;

pub(super) const TOPIC: &str = "home";
const LISTEN: &str = "127.0.0.1:7777";

pub(super) async fn up(app: &App<'_>, args: Up) -> Result<(), Failure> {
    args.protocol.require(app, "up --classic")?;
    app.home.make()?;
    let lock = app.home.lock("up")?;
    let signals = Signals::catch()?;
    let identity = app.home.identity_or_new(&lock)?;
    let mut config = app.home.config()?;
    let topic = args.topic.or_else(|| config.current.clone());
    let topic = topic.unwrap_or_else(|| TOPIC.into());
    let known = config.topics.get(&topic);
    let mut how = known.cloned().unwrap_or_else(|| TopicConfig::new(Origin::Founded));
    if !args.connect.is_empty() {
        how.connect = args.connect;
    }

    let (room, address) = bind(args.listen.or(how.listen.take())).await?;
    // The very port, so that those who joined find it again.
    how.listen = Some(address.to_string());

    let plan =
        Plan { topic: &topic, identity, origin: how.origin, admission: args.admission, pin: None };
    let node = Node::start(&app.home, plan).await?;
    if !node.is_ready() {
        return Err(not_joined(app, &topic));
    }
    config.remember(&topic, how.clone());
    app.home.keep_config(&config, &lock)?;

    // Whoever reads the greeting may ask at once.
    let server = Server::start(&app.home, &lock, &node)?;
    greet(app, &node, address).await?;
    let reports = node.watch(true).await?;
    node.listen(room).await?;
    for peer in &how.connect {
        node.connect(Tcp::connect(peer)).await?;
    }
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

async fn greet(app: &App<'_>, node: &Node, address: SocketAddr) -> Result<(), Failure> {
    let topic = text::for_shell(node.name());
    // Others can't connect to what means every address of this machine.
    let reached = if address.ip().is_unspecified() {
        format!("THIS-MACHINE:{}", address.port())
    } else {
        address.to_string()
    };
    let up = Report::Up {
        topic: node.name().to_owned(),
        address: address.to_string(),
        who: (&node.participant()).into(),
        invitation: format!("stringphone --home ~/lamp join --classic --topic={topic} {reached}"),
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
         --classic --topic={} ADDRESS`, or bring up a topic of another name with --topic",
        app.home.command(),
        text::for_shell(topic)
    ))
}
