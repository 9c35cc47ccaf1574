//! `send` and `listen`. Not here: the way to the topic.

use std::time::Duration;

use futures::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::time::timeout;

use super::access::{Access, Here, tell};
use super::stay::Signals;
use super::{App, keep};
use crate::cli::{Listen, Send};
use crate::control::Request;
use crate::failure::Failure;
use crate::home::Protocol;
use crate::report::{Body, Report};

/// Longer lines are no message of any protocol.
const LINE: u64 = 1 << 20;
/// What the running process may take beyond the time that its members have.
const REPLY: Duration = Duration::from_secs(10);

pub(super) async fn send(app: &App<'_>, args: Send) -> Result<(), Failure> {
    let mut access = Access::open(app, "send", args.topic.as_deref()).await?;
    let linked = match &mut access {
        Access::Here(here) => link(app, here, args.timeout).await?,
        Access::Running(client) => {
            client.wait(args.timeout.saturating_add(if args.confirm {
                REPLY
            } else {
                Duration::ZERO
            }));
            true
        }
    };
    let published = publish(app, &mut access, &args).await;
    let broken = matches!(&access, Access::Here(here) if linked && here.node.links_up() == 0);
    let closed = access.close().await;
    let sent = published?;
    // Only now has everything left. Without a link greetings are left over, and our messages are
    // stored.
    if linked {
        closed?;
    }
    if broken {
        return Err(Failure::failed(
            "the link broke while messages were sent: the last ones may not have arrived",
        ));
    }
    sent.tell(app).await
}

/// Without a running process: connects, and waits until there is somebody to send to. Whether there
/// is: what a V2 topic can't send now, it keeps.
async fn link(app: &App<'_>, here: &Here, patience: Duration) -> Result<bool, Failure> {
    let keeps = here.how.protocol == Protocol::V2;
    let links = here.links(app)?;
    if here.how.via.is_empty() {
        return if keeps { Ok(false) } else { Err(not_up(app)) };
    }
    links.up().await?;
    let linked = timeout(patience, here.node.linked()).await.is_ok();
    if linked || keeps {
        return Ok(linked);
    }
    Err(Failure::Unanswered(format!(
        "no link to {} in {} s; is it up there?",
        here.how.via.join(", "),
        patience.as_secs()
    )))
}

fn not_up(app: &App<'_>) -> Failure {
    Failure::failed(format!(
        "others connect to this home, and it is not up: run `{} up`, then send",
        app.home.command()
    ))
}

async fn publish(app: &App<'_>, access: &mut Access, args: &Send) -> Result<Sent, Failure> {
    let mut sent = Sent::default();
    if let Some(text) = &args.text {
        sent.one(app, access, args, Body::Text(text.clone())).await?;
        return Ok(sent);
    }
    if !args.confirm {
        // There may be no line at all.
        sent.last = Some(Report::Sent { messages: 0, links_up: 1, alone: false, kept: false });
    }
    let mut lines = BufReader::new(tokio::io::stdin());
    while let Some(line) = line(&mut lines).await? {
        sent.one(app, access, args, Body::of(&line)).await?;
    }
    Ok(sent)
}

/// What there is to say of what was sent.
#[derive(Default)]
struct Sent {
    messages: u64,
    /// Of the last one.
    last: Option<Report>,
    /// Some were not confirmed by all.
    unconfirmed: bool,
}

impl Sent {
    async fn one(
        &mut self,
        app: &App<'_>,
        access: &mut Access,
        args: &Send,
        body: Body,
    ) -> Result<(), Failure> {
        let request = if args.confirm {
            let timeout_ms = u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX);
            Request::Confirm { body, to: args.to.clone(), timeout_ms }
        } else {
            Request::Publish { body }
        };
        let mut reply = access.ask(request).await?;
        while let Some(report) = reply.next().await {
            match report? {
                report @ Report::Sent { .. } => self.last = Some(report),
                Report::Confirmed { number, by, missing } => {
                    self.unconfirmed |= !missing.is_empty();
                    app.console.say(&Report::Confirmed { number, by, missing }).await?;
                }
                _ => {}
            }
        }
        self.messages += 1;
        Ok(())
    }

    async fn tell(self, app: &App<'_>) -> Result<(), Failure> {
        if self.unconfirmed {
            return Err(Failure::Unanswered(format!(
                "not everybody has confirmed it in time. It is kept for seven days, and sent on while \
                 `{0} up` or `join` runs; `{0} outbox` tells who is missing, and gives up",
                app.home.command()
            )));
        }
        let Some(Report::Sent { links_up, alone, kept, .. }) = self.last else { return Ok(()) };
        let sent = Report::Sent { messages: self.messages, links_up, alone, kept };
        if let Some(note) = note(links_up, alone, kept) {
            app.console.note(note).await?;
        }
        if app.console.is_json() {
            app.console.say(&sent).await?;
        }
        // Otherwise nothing to say is good news.
        Ok(())
    }
}

/// What whoever sends should know of those who hear it.
const fn note(links_up: usize, alone: bool, kept: bool) -> Option<&'static str> {
    Some(match (links_up, alone, kept) {
        (0, _, true) => {
            "(no link is up: it is kept, and sent once `up` or `join` has one; `stringphone outbox` \
             tells)"
        }
        (0, _, false) => "(no link is up: it is sent if one comes up within 30 s)",
        (_, true, true) => {
            "(nobody is connected: whoever keeps messages, by `listen --keep`, gets it when back \
             within a day. With --confirm it is sent until all have it)"
        }
        (_, true, false) => "(nobody is connected, so nobody hears it: it is not kept for later)",
        _ => return None,
    })
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
    if args.keep {
        return keep::listen(app, args.topic.as_deref(), signals).await;
    }
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
