//! How commands reach a topic: through the process that owns the home, or by themselves where
//! there is none. Not here: what they ask.

use futures::stream::{BoxStream, StreamExt};
use stringphone::tcp::Tcp;
use stringphone::{Admission, TopicError};

use super::App;
use crate::control::{Client, Request};
use crate::failure::Failure;
use crate::home::{Lock, TopicConfig};
use crate::node::{Node, Plan};
use crate::report::Report;

/// The way to the topic that this home used last.
pub(super) enum Access {
    Running(Client),
    Here(Here),
}

/// The topic runs in this very process, for the time of a command.
pub(super) struct Here {
    pub(super) node: Node,
    pub(super) how: TopicConfig,
    _lock: Lock,
}

impl Access {
    pub(super) async fn open(app: &App<'_>, command: &str) -> Result<Self, Failure> {
        app.home.check()?;
        if let Some(client) = Client::connect(&app.home).await? {
            return Ok(Self::Running(client));
        }
        Here::open(app, command).await.map(Self::Here)
    }

    /// Asks, and gives what is replied.
    pub(super) async fn ask(
        &mut self,
        request: Request,
    ) -> Result<BoxStream<'_, Result<Report, Failure>>, Failure> {
        match self {
            Self::Running(client) => client.ask(&request).await,
            Self::Here(here) => Ok(here.node.answer(request).await?.map(Ok).boxed()),
        }
    }

    /// Ends, with everything written that was sent.
    pub(super) async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Running(_) => Ok(()),
            Self::Here(here) => here.node.stop().await,
        }
    }
}

impl Here {
    async fn open(app: &App<'_>, command: &str) -> Result<Self, Failure> {
        let lock = app.home.lock(command)?;
        let identity = app.home.identity()?;
        let identity = identity.ok_or_else(|| app.home.empty())?;
        let config = app.home.config()?;
        let (topic, how) = config.current().ok_or_else(|| app.home.without_topic())?;
        let plan =
            Plan { topic, identity, origin: how.origin, admission: Admission::Nobody, pin: None };
        Ok(Self { node: Node::start(&app.home, plan).await?, how: how.clone(), _lock: lock })
    }

    /// The links that the home remembers.
    pub(super) fn links(&self) -> Result<Links, Failure> {
        if !self.node.is_ready() {
            return Err(TopicError::NotReady.into());
        }
        Ok(Links { node: self.node.clone(), how: self.how.clone() })
    }
}

/// Links to be brought up.
pub(super) struct Links {
    node: Node,
    how: TopicConfig,
}

impl Links {
    pub(super) async fn up(self) -> Result<(), Failure> {
        if let Some(address) = &self.how.listen {
            self.node.listen(Tcp::listen(address)).await?;
        }
        for address in &self.how.connect {
            self.node.connect(Tcp::connect(address)).await?;
        }
        Ok(())
    }
}

/// Asks once, and tells the reply.
pub(super) async fn once(app: &App<'_>, request: Request) -> Result<(), Failure> {
    let mut access = Access::open(app, "a command").await?;
    let told = async { tell(app, access.ask(request).await?).await }.await;
    let closed = access.close().await;
    told.and(closed)
}

/// Asks what only a running process can know.
pub(super) async fn running(app: &App<'_>, request: Request) -> Result<(), Failure> {
    app.home.check()?;
    let client = Client::connect(&app.home).await?;
    let client = client.ok_or_else(|| {
        Failure::failed(format!(
            "neither `up` nor `join` runs for {}; only they have questions and links",
            app.home.folder().display()
        ))
    })?;
    tell(app, client.ask(&request).await?).await
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
