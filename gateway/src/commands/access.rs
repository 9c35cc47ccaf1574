//! How commands reach a topic: through the process that owns the home, or by themselves where
//! there is none. Not here: what they ask.

use std::time::Duration;

use futures::TryStreamExt;
use futures::stream::{BoxStream, StreamExt};
use stringphone::TopicError;
use stringphone::tcp::Tcp;
use tokio::time::timeout;

use super::App;
use crate::control::{Client, Request};
use crate::ends::Ends;
use crate::failure::Failure;
use crate::home::{Lock, TopicConfig};
use crate::node::{Node, Plan};
use crate::report::Report;

/// How long a command waits for a link, where it is done without one as well.
const REACH: Duration = Duration::from_secs(3);

/// The way to a topic.
pub(super) enum Access {
    Running(Client),
    Here(Here),
}

/// The topic runs in this very process, for the time of a command.
pub(super) struct Here {
    pub(super) node: Node,
    pub(super) how: TopicConfig,
    lock: Lock,
}

impl Access {
    /// The way to this topic, or to the one that this home used last.
    pub(super) async fn open(
        app: &App<'_>,
        command: &str,
        topic: Option<&str>,
    ) -> Result<Self, Failure> {
        app.home.check()?;
        if let Some(client) = Client::connect(&app.home).await? {
            runs(app, &client, topic).await?;
            return Ok(Self::Running(client));
        }
        Here::open(app, command, topic).await.map(Self::Here)
    }

    /// Asks, and gives what is replied.
    pub(super) async fn ask(
        &mut self,
        request: Request,
    ) -> Result<BoxStream<'_, Result<Report, Failure>>, Failure> {
        match self {
            Self::Running(client) => client.ask(&request).await,
            Self::Here(here) => {
                Ok(here.node.answer(request).await?.map(Report::into_result).boxed())
            }
        }
    }

    /// Ends, with everything written that was sent.
    pub(super) async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Running(_) => Ok(()),
            Self::Here(here) => here.end().await,
        }
    }
}

impl Here {
    async fn open(app: &App<'_>, command: &str, topic: Option<&str>) -> Result<Self, Failure> {
        let lock = app.home.lock(command)?;
        let keys = app.keys().await?.ok_or_else(|| app.home.empty())?;
        let config = app.home.config()?;
        let (topic, how) = app.home.topic_of(&config, topic)?;
        let node = Node::start(&app.home, Plan::new(topic, keys, how)).await?;
        Ok(Self { node, how: how.clone(), lock })
    }

    /// Connects to where the home joined, if it did, for others to learn of it: without waiting for
    /// them too long.
    pub(super) async fn reach(&self, app: &App<'_>) -> Result<(), Failure> {
        if self.node.is_ready() && !self.how.via.is_empty() {
            self.links(app)?.up().await?;
            // Without a link they learn of it when they meet us the next time.
            drop(timeout(REACH, self.node.linked()).await);
        }
        Ok(())
    }

    /// Ends in order. Of a topic that was left, nothing stays.
    pub(super) async fn end(self) -> Result<(), Failure> {
        let Self { node, lock, .. } = self;
        stop(&node, &lock).await
    }

    /// The links that the home remembers.
    pub(super) fn links(&self, app: &App<'_>) -> Result<Links, Failure> {
        if !self.node.is_ready() {
            return Err(TopicError::NotReady.into());
        }
        // Where other relays are, only a relay is understood.
        let via = app.remembered(&self.how)?.via;
        let room = self.how.listen.as_ref().map(Tcp::listen);
        Ok(Links { node: self.node.clone(), ends: Ends { room, via, ..Ends::default() } })
    }
}

/// Links to be brought up.
pub(super) struct Links {
    node: Node,
    ends: Ends,
}

impl Links {
    pub(super) async fn up(self) -> Result<(), Failure> {
        self.node.link(self.ends, None).await
    }
}

/// Stops a topic in order. Of one that was left, nothing stays.
pub(super) async fn stop(node: &Node, lock: &Lock) -> Result<(), Failure> {
    let stopped = node.stop().await;
    if node.has_left() {
        return node.home().forget(node.name(), lock);
    }
    stopped
}

/// Whether the running process runs this topic.
async fn runs(app: &App<'_>, client: &Client, topic: Option<&str>) -> Result<(), Failure> {
    let Some(wanted) = topic else { return Ok(()) };
    let mut reply = client.ask(&Request::Status).await?;
    while let Some(report) = reply.next().await {
        match report? {
            Report::Status(status) if status.topic != wanted => {
                return Err(Failure::failed(format!(
                    "the running process of {} is in topic {:?}, not in {wanted:?}: stop it first, \
                     or give the other topic a home of its own with --home DIR",
                    app.home.folder().display(),
                    status.topic
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Asks once, and gives the reply. What others have to learn goes to where the home joined.
pub(super) async fn once(
    app: &App<'_>,
    topic: Option<&str>,
    request: Request,
) -> Result<Vec<Report>, Failure> {
    let mut access = Access::open(app, "a command", topic).await?;
    if let (Access::Here(here), true) = (&access, request.concerns_others()) {
        here.reach(app).await?;
    }
    let reply = async { access.ask(request).await?.try_collect().await }.await;
    let closed = access.close().await;
    closed.and(reply)
}

/// Asks once, and tells the reply.
pub(super) async fn tell_once(
    app: &App<'_>,
    topic: Option<&str>,
    request: Request,
) -> Result<(), Failure> {
    for report in once(app, topic, request).await? {
        app.console.say(&report).await?;
    }
    Ok(())
}

/// Asks what only a running process can know or do.
pub(super) async fn running(
    app: &App<'_>,
    topic: Option<&str>,
    request: Request,
    why: &str,
) -> Result<Vec<Report>, Failure> {
    app.home.check()?;
    let client = Client::connect(&app.home).await?;
    let client = client.ok_or_else(|| {
        Failure::failed(format!(
            "neither `up` nor `join` runs for {}; only they {why}",
            app.home.folder().display()
        ))
    })?;
    runs(app, &client, topic).await?;
    client.ask(&request).await?.try_collect().await
}

/// Asks about questions and links, and tells the reply.
pub(super) async fn tell_running(app: &App<'_>, request: Request) -> Result<(), Failure> {
    for report in running(app, None, request, "have questions and links").await? {
        app.console.say(&report).await?;
    }
    Ok(())
}

/// Tells a reply to its end.
pub(super) async fn tell(
    app: &App<'_>,
    mut reply: BoxStream<'_, Result<Report, Failure>>,
) -> Result<(), Failure> {
    while let Some(report) = reply.next().await {
        app.console.say(&report?).await?;
    }
    Ok(())
}
