//! V2 topics by way of a real broker that fails, and of one that others abuse. Not here: what the
//! adapter does by itself, which its own tests show.

#[path = "../support/mod.rs"]
mod support;

mod failures;
mod hostile;

use std::path::Path;
use std::time::Duration;

use stringphone::mqtt::Mqtt;
use stringphone::store::FileStore;
use stringphone::{
    Carrier, CarrierSettings, Channel, InviteOptions, Topic, TopicError, TopicHandle,
};
use stringphone_servers::mosquitto::Mosquitto;
use support::identity;

/// Where the broker listens.
fn at(broker: &Mosquitto) -> String {
    format!("127.0.0.1:{}", broker.port())
}

/// A channel that is connected again quickly, so that tests are short.
fn eager(mqtt: Mqtt) -> Result<Channel, TopicError> {
    let pauses = CarrierSettings {
        first_pause: Duration::from_millis(20),
        last_pause: Duration::from_millis(200),
        ..CarrierSettings::default()
    };
    Carrier::start_with(mqtt, pauses).channel("house")
}

/// The founder, and a lamp that has joined and keeps its state here.
async fn house(
    near: Mqtt,
    far: Mqtt,
    state: &Path,
) -> Result<(TopicHandle, TopicHandle), TopicError> {
    let phone = Topic::found("house", identity(1)).start()?;
    phone.attach(eager(near)?).await?;
    let invitation = phone.invite(InviteOptions::default()).await?;
    let lamp = Topic::invited(invitation, identity(2)).store(FileStore::new(state)).start()?;
    lamp.attach(eager(far)?).await?;
    lamp.ready().await?;
    Ok((phone, lamp))
}
