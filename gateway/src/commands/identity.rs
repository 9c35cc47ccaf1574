//! `init` and `whoami`. Not here: what happens in topics.

use stringphone::{Identity, Participant};

use super::{App, known};
use crate::cli::Init;
use crate::failure::Failure;
use crate::home::Origin;
use crate::node::{Node, Plan};
use crate::report::Report;

pub(super) async fn init(app: &App<'_>, args: Init) -> Result<(), Failure> {
    app.home.make()?;
    if let Some(topic) = args.topic {
        return found(app, &topic, args.protocol.classic).await;
    }
    let keys = match app.keys().await? {
        Some(keys) => keys,
        None => {
            let lock = app.home.lock("init")?;
            app.keys_or_new(&lock).await?
        }
    };
    tell(app, &keys.identity).await
}

/// Founds a topic that is not brought up yet.
async fn found(app: &App<'_>, topic: &str, classic: bool) -> Result<(), Failure> {
    let lock = app.home.lock("init")?;
    let keys = app.keys_or_new(&lock).await?;
    let mut config = app.home.config()?;
    let how = known(&config, topic, classic, Origin::Founded)?;
    let node = Node::start(&app.home, Plan::new(topic, keys.clone(), &how)).await?;
    node.stop().await?;
    config.remember(topic, how);
    app.home.keep_config(&config, &lock)?;
    tell(app, &keys.identity).await?;
    app.console.say(&Report::Founded { topic: topic.into() }).await
}

pub(super) async fn whoami(app: &App<'_>) -> Result<(), Failure> {
    app.home.check()?;
    let keys = app.keys().await?.ok_or_else(|| app.home.empty())?;
    tell(app, &keys.identity).await
}

async fn tell(app: &App<'_>, identity: &Identity) -> Result<(), Failure> {
    let identity = Report::Identity {
        who: (&Participant::new(identity.public_key())).into(),
        home: app.home.folder().display().to_string(),
    };
    app.console.say(&identity).await
}
