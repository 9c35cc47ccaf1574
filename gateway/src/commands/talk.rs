//! `send` and `listen`. Not here: the way to the topic.

use futures::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::App;
use super::access::{Access, Here, tell};
use super::stay::Signals;
use crate::cli::{Listen, Send};
use crate::control::Request;
use crate::failure::Failure;
use crate::report::{Body, Report};

/// Longer lines are no message of any protocol.
const LINE: u64 = 1 << 20;

pub(super) async fn send(app: &App<'_>, args: Send) -> Result<(), Failure> {
    let mut access = Access::open(app, "send", args.topic.as_deref()).await?;
    match &mut access {
        Access::Here(here) => link(app, here, &args).await?,
        Access::Running(client) => client.wait(args.timeout),
    }
    let published = publish(app, &mut access, args.text).await;
    let broken = matches!(&access, Access::Here(here) if here.node.links_up() == 0);
    let closed = access.close().await;
    let sent = published?;
    // Only now has everything left.
    closed?;
    if broken {
        return Err(Failure::failed(
            "the link broke while messages were sent: the last ones may not have arrived",
        ));
    }
    if app.console.is_json() {
        app.console.say(&sent).await?;
    }
    // Otherwise nothing to say is good news.
    Ok(())
}

/// Without a running process: connects, and waits until there is somebody to send to.
async fn link(app: &App<'_>, here: &Here, args: &Send) -> Result<(), Failure> {
    if here.how.via.is_empty() {
        return Err(Failure::failed(format!(
            "others connect to this home, and it is not up: run `{} up`, then send",
            app.home.command()
        )));
    }
    here.links(app)?.up().await?;
    let linked = tokio::time::timeout(args.timeout, here.node.linked()).await;
    linked.map_err(|_| {
        Failure::Unanswered(format!(
            "no link to {} in {} s; is it up there?",
            here.how.via.join(", "),
            args.timeout.as_secs()
        ))
    })
}

async fn publish(
    app: &App<'_>,
    access: &mut Access,
    text: Option<String>,
) -> Result<Report, Failure> {
    let (mut messages, mut last) = (0, (1, false));
    if let Some(text) = text {
        last = publish_one(access, Body::Text(text)).await?;
        messages = 1;
    } else {
        let mut lines = BufReader::new(tokio::io::stdin());
        while let Some(line) = line(&mut lines).await? {
            last = publish_one(access, Body::of(&line)).await?;
            messages += 1;
        }
    }
    let (links_up, alone) = last;
    if messages > 0 && links_up == 0 {
        app.console.note("(no link is up: it is sent if one comes up within 30 s)").await?;
    } else if messages > 0 && alone {
        let note = "(nobody is connected, so nobody hears it: messages are not kept for later)";
        app.console.note(note).await?;
    }
    Ok(Report::Sent { messages, links_up, alone })
}

/// Publishes a message, and gives how many links are up, and whether nobody is there.
async fn publish_one(access: &mut Access, body: Body) -> Result<(usize, bool), Failure> {
    let mut reply = access.ask(Request::Publish { body }).await?;
    let mut last = (0, false);
    while let Some(report) = reply.next().await {
        if let Report::Sent { links_up, alone, .. } = report? {
            last = (links_up, alone);
        }
    }
    Ok(last)
}

async fn line(lines: &mut BufReader<tokio::io::Stdin>) -> Result<Option<Vec<u8>>, Failure> {
    let mut line = Vec::new();
    let read = lines.take(LINE).read_until(b'\n', &mut line).await;
    let read = read.map_err(|error| Failure::failed(format!("standard input: {error}")))?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == LINE {
        return Err(Failure::failed("a line of standard input is too long"));
    }
    Ok(Some(line))
}

pub(super) async fn listen(app: &App<'_>, args: Listen) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    let mut access = Access::open(app, "listen", args.topic.as_deref()).await?;
    let events = args.events;
    let told = tokio::select! {
        told = hear(app, &mut access, events) => told,
        () = signals.caught() => Ok(()),
    };
    let closed = access.close().await;
    told.and(closed)
}

async fn hear(app: &App<'_>, access: &mut Access, events: bool) -> Result<(), Failure> {
    let links = match access {
        Access::Here(here) => Some(here.links(app)?),
        Access::Running(_) => None,
    };
    let reply = access.ask(Request::Listen { events }).await?;
    // Nothing may arrive before somebody listens.
    if let Some(links) = links {
        links.up().await?;
    }
    tell(app, reply).await?;
    Err(Failure::failed(format!(
        "the process that runs this home has stopped; start it with `{} up`",
        app.home.command()
    )))
}
