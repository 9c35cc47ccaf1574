//! One device: its topic, and the tasks around it, which end with it. Not what it is told to do.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures::StreamExt;
use stringphone::{
    Carrier, CarrierSettings, Event, Events, InviteOptions, ReceiveError, Subscription, Topic,
    TopicError, TopicHandle,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::store::SimStore;
use super::wire::Wire;
use super::{App, News, Start};
use crate::dice::{Dice, Stream, entropy};
use crate::machine::{Boot, Happening, Order, TOPIC, View};
use crate::schedule::DeviceId;

/// Frames that wait for a device; what is beyond is dropped.
const INBOX: usize = 1_024;
/// A frame may still be on its way to its link when an eviction is told that it knew nothing of.
const IN_FLIGHT: Duration = Duration::from_millis(100);

pub(super) struct Device {
    pub(super) life: u32,
    number: DeviceId,
    topic: TopicHandle,
    news: Arc<News>,
    inbox: mpsc::Sender<Bytes>,
    /// What runs as long as the device.
    tasks: Vec<JoinHandle<()>>,
}

impl Device {
    pub(super) fn start(
        now: Duration,
        number: DeviceId,
        boot: Boot,
        app: Option<Start>,
        news: Arc<News>,
    ) -> Result<Self, TopicError> {
        let Boot { life, seed, identity, storage, clock, settings, invitation, .. } = boot;
        let mut dice = Dice::new(seed, Stream::Traffic, number);
        let carrier_seed = dice.seed();
        let store = SimStore::new(storage, life, news.clone(), dice);
        let topic = match invitation {
            Some(invitation) => Topic::invited(invitation, identity),
            None => Topic::found(TOPIC, identity),
        };
        let topic = topic
            .store(store)
            .timing(settings.timing)
            .dangerously_use_entropy(entropy(seed, Stream::Entropy, number, life))
            .calendar(Some(UNIX_EPOCH + Duration::from_millis(clock.wall(now))))
            .start()?;
        let (inbox, frames) = mpsc::channel(INBOX);
        let wire = Wire::new(number, life, frames, news.clone());
        let mut device = Self { life, number, topic, news, inbox, tasks: Vec::new() };
        let settings = CarrierSettings { seed: Some(carrier_seed), ..CarrierSettings::default() };
        let carrier = Carrier::start_with(wire, settings);
        let (topic, news) = (device.topic.clone(), device.news.clone());
        device.spawn(async move {
            if let Err(error) = live(&topic, carrier, app, number, life, &news).await {
                let happening = match error {
                    TopicError::Evicted => Happening::Evicted,
                    other => Happening::Broken(other.to_string()),
                };
                news.tell(number, life, happening);
            }
        });
        Ok(device)
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + 'static) {
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.push(actix::spawn(task));
    }

    pub(super) fn hear(&self, frame: Bytes) {
        if self.inbox.try_send(frame).is_err() {
            self.news.tell(self.number, self.life, Happening::Dropped(1));
        }
    }

    pub(super) fn say(&mut self, body: Vec<u8>, expires: Option<Duration>) {
        let topic = self.topic.clone();
        self.spawn(async move {
            let message = topic.publish_raw(body);
            // Who is no member now says nothing.
            let _ = match expires {
                Some(after) => message.expires(after).await,
                None => message.await,
            };
        });
    }

    pub(super) fn order(&mut self, order: Order) {
        let (topic, news) = (self.topic.clone(), self.news.clone());
        let (number, life) = (self.number, self.life);
        self.spawn(async move {
            let _ = match order {
                Order::Evict(id) => topic.evict(id).await,
                Order::Appoint(id) => topic.appoint(id).await,
                Order::Rotate => topic.rotate().await,
                Order::Invite => {
                    let invitation = topic.invite(InviteOptions::default()).await;
                    news.tell(number, life, Happening::Invited(invitation.ok()));
                    Ok(())
                }
            };
        });
    }

    /// The application ends first.
    pub(super) fn stop(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
        let (topic, news) = (self.topic.clone(), self.news.clone());
        let (number, life) = (self.number, self.life);
        self.spawn(async move {
            let _ = topic.stop().await;
            news.tell(number, life, Happening::Stopped);
        });
    }

    pub(super) async fn view(&self) -> View {
        let epoch = self.topic.epoch().await.ok().flatten();
        let members = self.topic.members().await.unwrap_or_default();
        let members = members.iter().map(|member| member.participant.id()).collect();
        View { ready: epoch.is_some(), members, epoch }
    }
}

/// What was not stored or sent by now never will be: its store and its link take nothing more.
impl Drop for Device {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn live(
    topic: &TopicHandle,
    carrier: Carrier,
    app: Option<Start>,
    number: DeviceId,
    life: u32,
    news: &News,
) -> Result<(), TopicError> {
    let events = topic.events().await?;
    let messages = topic.subscribe_raw().await?;
    let channel = carrier.channel(TOPIC)?;
    drop(carrier);
    topic.attach(channel).await?;
    let app = app.map(|app| app(App { device: number, life, topic: topic.clone() }));
    let app = async move {
        if let Some(app) = app {
            app.await;
        }
    };
    let tell = |happening| news.tell(number, life, happening);
    futures::join!(tell_events(events, tell), tell_messages(messages, tell), app);
    Ok(())
}

async fn tell_events(mut events: Events, tell: impl Fn(Happening)) {
    while let Some(event) = events.next().await {
        let Ok(event) = event else { continue };
        if matches!(event, Event::Removed(_)) {
            tokio::time::sleep(IN_FLIGHT).await;
        }
        tell(match event {
            Event::Ready => Happening::Ready,
            Event::Joined(who) => Happening::Joined(who.id()),
            Event::Removed(id) => Happening::Removed(id),
            Event::Evicted => Happening::Evicted,
            Event::Cloned(_) | Event::RolledBack | Event::InsiderAlarm => Happening::Alarm,
            Event::Uncertain(_) => Happening::Uncertain,
            Event::Lost { frames, .. } => Happening::Dropped(frames),
            other => Happening::Other(format!("{other:?}")),
        });
    }
}

async fn tell_messages(mut messages: Subscription, tell: impl Fn(Happening)) {
    while let Some(message) = messages.next().await {
        tell(match message {
            Ok(message) => {
                let (from, id, body) = (message.from, message.id, message.body);
                Happening::Delivered { from, id, body, again: false }
            }
            Err(ReceiveError::Lagged(lagged)) => Happening::Dropped(lagged.0),
            Err(_) => continue,
        });
    }
}
