//! `join`: into a topic that is up elsewhere. Not here: what happens while it runs.

use std::future::pending;
use std::time::Duration;

use stringphone::Admission;
use stringphone::tcp::Tcp;
use tokio::time::{Instant, sleep, sleep_until};

use super::stay::{Signals, Stay};
use super::{App, up};
use crate::cli::Join;
use crate::control::Server;
use crate::failure::Failure;
use crate::home::{Config, Origin, TopicConfig};
use crate::node::{Node, Plan};
use crate::report::Report;
use crate::text;

/// How often people are told that we still wait.
const PROGRESS: Duration = Duration::from_secs(60);

pub(super) async fn join(app: &App<'_>, args: Join) -> Result<(), Failure> {
    args.protocol.require(app, "join --classic ADDRESS")?;
    app.home.make()?;
    let lock = app.home.lock("join")?;
    let signals = Signals::catch()?;
    let identity = app.home.identity_or_new(&lock)?;
    let mut config = app.home.config()?;
    let topic = args.topic.unwrap_or_else(|| up::TOPIC.into());
    let mut how = how(&config, &topic)?;
    how.connect = vec![args.address.clone()];
    let plan = Plan {
        topic: &topic,
        identity,
        origin: how.origin,
        // Newcomers are for those who are up.
        admission: Admission::Nobody,
        pin: args.trust_fingerprint,
    };
    let node = Node::start(&app.home, plan).await?;
    config.remember(&topic, how);
    app.home.keep_config(&config, &lock)?;

    let server = Server::start(&app.home, &lock, &node)?;
    let reports = node.watch(true).await?;
    if node.is_ready() {
        app.console.say(&Report::Ready).await?;
        if args.once {
            return node.stop().await;
        }
    } else {
        let joining = Report::Joining {
            topic,
            address: args.address.clone(),
            who: (&node.participant()).into(),
        };
        app.console.say(&joining).await?;
    }
    node.connect(Tcp::connect(args.address)).await?;
    let pinned = args.trust_fingerprint.is_some();
    let deadline = unanswered(app, node.clone(), args.timeout, pinned);
    let stay = Stay { app, node, reports, server, lock, signals, once: args.once };
    stay.stay(deadline).await
}

/// How this home is in that topic; others than joined ones have a key of their own.
fn how(config: &Config, topic: &str) -> Result<TopicConfig, Failure> {
    let joined = TopicConfig::new(Origin::Joined);
    let how = config.topics.get(topic).cloned().unwrap_or(joined);
    if how.origin == Origin::Founded {
        return Err(Failure::failed(format!(
            "this home brought topic {topic:?} up itself, with a key of its own; it can't join \
             another of that name. Give the device that joins a home of its own: stringphone \
             --home ~/lamp join --classic --topic={} ADDRESS",
            text::for_shell(topic)
        )));
    }
    Ok(how)
}

/// Yields only where nobody has admitted us in time; tells meanwhile that we wait.
async fn unanswered(app: &App<'_>, node: Node, timeout: Option<Duration>, pinned: bool) -> Failure {
    let begun = Instant::now();
    let late = async {
        match timeout {
            Some(timeout) => sleep_until(begun + timeout).await,
            None => pending().await,
        }
    };
    let waiting = async {
        loop {
            sleep(PROGRESS).await;
            if node.is_ready() {
                return pending().await;
            }
            let minutes = begun.elapsed().as_secs() / 60;
            let note = format!("(still waiting to be admitted, for {minutes} min; Ctrl-C ends it)");
            if let Err(failure) = app.console.note(&note).await {
                return failure;
            }
        }
    };
    tokio::select! {
        () = late => {}
        failure = waiting => return failure,
    }
    if node.is_ready() {
        return pending().await;
    }
    let stranger =
        if pinned { ", or came from another fingerprint than the one given" } else { "" };
    Failure::Unanswered(format!(
        "not admitted in time: nobody answered, or the answer was no{stranger}. Whoever is up sees \
         a question, or needs `stringphone admit`; the next `join` asks again"
    ))
}
