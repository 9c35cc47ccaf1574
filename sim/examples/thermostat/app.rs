//! The application: a sensor, a thermostat and a heater. Nothing here knows of a simulation, but
//! for the room, in which a real one would have pins.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use stringphone::{Payload, Subscription, TopicError, TopicHandle};
use tokio::time::{Instant, sleep, timeout_at};

/// What is said in the topic.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Climate {
    Reading(f32),
    Heat(bool),
}

impl Payload for Climate {
    const KIND: &'static str = "climate/1";
}

/// Warmer than this it must never be, whatever happens to the network or to any device.
pub(crate) const TOO_WARM: f32 = 26.0;
const WARM: f32 = 21.0;
/// The heater goes on for so long without being told, and no longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The world outside: what the sensor measures, and the heater heats.
pub(crate) struct Room {
    pub(crate) celsius: f32,
    pub(crate) warmest: f32,
    heating: bool,
    since: Instant,
}

impl Room {
    pub(crate) fn cold() -> Self {
        Self { celsius: 15.0, warmest: 15.0, heating: false, since: Instant::now() }
    }

    /// Time has passed. With the heater on it gets warmer by 3 °C a minute, else slowly cold.
    pub(crate) fn pass(&mut self) {
        let seconds = self.since.elapsed().as_secs_f32();
        let change = if self.heating { 0.05 } else { -0.005 };
        self.celsius = (self.celsius + change * seconds).max(10.0);
        self.warmest = self.warmest.max(self.celsius);
        self.since = Instant::now();
    }

    fn switch(&mut self, on: bool) {
        self.pass();
        self.heating = on;
    }
}

type Shared = Rc<RefCell<Room>>;

pub(crate) async fn sensor(topic: &TopicHandle, room: Shared) -> Result<(), TopicError> {
    topic.ready().await?;
    loop {
        let celsius = {
            let mut room = room.borrow_mut();
            room.pass();
            room.celsius
        };
        // An old reading is worse than none.
        topic.publish(&Climate::Reading(celsius)).expires(Duration::from_secs(10)).await?;
        sleep(Duration::from_secs(10)).await;
    }
}

/// It remembers nothing, so that it has nothing to lose when it restarts.
pub(crate) async fn thermostat(topic: &TopicHandle) -> Result<(), TopicError> {
    let mut said = topic.subscribe::<Climate>().await?;
    while let Some(said) = said.next().await {
        let Ok(said) = said else { continue };
        if let Climate::Reading(celsius) = said.body {
            let order = Climate::Heat(celsius < WARM);
            topic.publish(&order).expires(Duration::from_secs(10)).await?;
        }
    }
    Ok(())
}

/// Heats while it is told to, every minute at least: orders get lost, and so do thermostats. One
/// that is `trusting` goes on until it is told not to.
pub(crate) async fn heater(
    topic: &TopicHandle,
    room: Shared,
    trusting: bool,
) -> Result<(), TopicError> {
    let mut said = topic.subscribe::<Climate>().await?;
    let relay = Relay(room);
    loop {
        let patience = if trusting { Duration::from_secs(86_400) } else { PATIENCE };
        let told = timeout_at(Instant::now() + patience, order(&mut said)).await;
        match told {
            Ok(Some(on)) => relay.0.borrow_mut().switch(on),
            Ok(None) => return Ok(()),
            Err(_) => relay.0.borrow_mut().switch(false),
        }
    }
}

async fn order(said: &mut Subscription<Climate>) -> Option<bool> {
    loop {
        // What was missed is missed, and the next order is to come soon.
        let Ok(said) = said.next().await? else { continue };
        if let Climate::Heat(on) = said.body {
            return Some(on);
        }
    }
}

/// Opens when nobody holds it any more, as in a heater without power.
struct Relay(Shared);

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.borrow_mut().switch(false);
    }
}
