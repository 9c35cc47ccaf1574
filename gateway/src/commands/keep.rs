//! `inbox`, and `listen --keep`: messages that are told for certain. Not here: where they are kept.

use super::App;
use super::access::{Access, Here};
use super::stay::Signals;
use crate::cli::Inbox;
use crate::control::Client;
use crate::failure::Failure;
use crate::home::Protocol;
use crate::node::acknowledge;
use crate::report::Report;

pub(super) async fn inbox(app: &App<'_>, args: Inbox) -> Result<(), Failure> {
    app.home.check()?;
    let keep = args.keep.map(|keep| keep == "on");
    let told = match keep {
        Some(on) => switch(app, args.topic.as_deref(), on)?.0,
        None => state(app, args.topic.as_deref())?,
    };
    app.console.say(&told).await
}

fn state(app: &App<'_>, topic: Option<&str>) -> Result<Report, Failure> {
    let config = app.home.config()?;
    let (topic, how) = app.home.topic_of(&config, topic)?;
    Ok(Report::Inbox { topic: topic.to_owned(), on: how.inbox })
}

/// Whether the topic's messages are kept from now on, and whether that is new.
fn switch(app: &App<'_>, topic: Option<&str>, on: bool) -> Result<(Report, bool), Failure> {
    let lock = app.home.lock("inbox")?;
    let mut config = app.home.config()?;
    let (topic, how) = app.home.topic_of(&config, topic)?;
    let (topic, before) = (topic.to_owned(), how.inbox);
    if how.protocol == Protocol::Classic {
        return Err(Failure::failed(format!(
            "topic {topic:?} speaks Classic, in which nobody knows what was missed: nothing is kept"
        )));
    }
    if let Some(how) = config.topics.get_mut(&topic) {
        how.inbox = on;
    }
    app.home.keep_config(&config, &lock)?;
    Ok((Report::Inbox { topic, on }, before != on))
}

/// Tells what is kept, and each message that comes, until the topic stops.
pub(super) async fn listen(
    app: &App<'_>,
    topic: Option<&str>,
    mut signals: Signals,
) -> Result<(), Failure> {
    app.home.check()?;
    if Client::connect(&app.home).await?.is_none() {
        let (told, new) = switch(app, topic, true)?;
        if new {
            app.console.note(&told.to_string()).await?;
        }
    }
    let access = Access::open(app, "listen", topic).await?;
    let hearing = async {
        match &access {
            Access::Running(client) => hear(app, client).await,
            Access::Here(here) => hear_here(app, here).await,
        }
    };
    let told = tokio::select! {
        told = hearing => told,
        () = signals.caught() => Ok(()),
    };
    let closed = access.close().await;
    told.and(closed)
}

async fn hear(app: &App<'_>, client: &Client) -> Result<(), Failure> {
    let mut kept = client.kept().await?;
    loop {
        let report = kept.next().await?;
        app.console.say_for_certain(&report).await?;
        if let Report::Message { id: Some(id), .. } = report {
            kept.acknowledge(id).await?;
        }
    }
}

async fn hear_here(app: &App<'_>, here: &Here) -> Result<(), Failure> {
    let mut handing = here.node.hand_out().await?;
    here.links(app)?.up().await?;
    while let Some(handed) = handing.next().await {
        for message in &handed {
            app.console.say_for_certain(&message.report).await?;
        }
        acknowledge(&handed).await?;
    }
    Err(Failure::failed("the topic has stopped"))
}
