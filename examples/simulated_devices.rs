//! 200 devices in one process, over a bad network, in virtual time: five minutes in a few seconds.
//!
//! There are 20 rooms of ten devices each. In every room a gateway founds a topic and lets nine
//! sensors in, each of which knows its fingerprint. Then the sensors publish a reading every ten
//! seconds, the gateway a set point every minute, while the network loses, repeats, reorders and
//! damages what it carries.
//!
//! ```text
//! cargo run --release --example simulated_devices [seed]
//! ```
//!
//! All randomness comes from the seed and all time from a paused clock, so the same seed prints the
//! same numbers on every run: what a simulation finds can be found again.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::{Duration, UNIX_EPOCH};

use actix::System;
use futures::future::try_join_all;
use futures::{FutureExt, StreamExt};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use stringphone::memory::Hub;
use stringphone::transport::faults::{FaultCounter, FaultCounts, Faults, Faulty};
use stringphone::{
    Admission, Carrier, CarrierSettings, Identity, Refusal, Subscription, Topic, TopicError,
    TopicHandle,
};
use tokio::time::{Instant, sleep};

type Outcome = Result<(), Box<dyn Error>>;

const ROOMS: usize = 20;
const SENSORS: usize = 9;
/// A sensor publishes so many readings, one every ten seconds.
const READINGS: u64 = 30;
/// With every so many of them, its gateway publishes a set point.
const READINGS_A_SET_POINT: u64 = 6;

fn main() -> Outcome {
    let seed = std::env::args().nth(1).map_or(Ok(2015), |seed| seed.parse())?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build()?;
    let began = std::time::Instant::now();
    System::with_tokio_rt(move || runtime).block_on(simulate(seed))?;
    // On stderr, since it is the one number that does not repeat.
    eprintln!("All of this took {:.1} real seconds.", began.elapsed().as_secs_f64());
    Ok(())
}

async fn simulate(seed: u64) -> Outcome {
    let began = Instant::now();
    let mut seeds = ChaCha20Rng::seed_from_u64(seed);
    let hub = Hub::new();
    let mut devices = Vec::new();
    for room in 0..ROOMS {
        devices.extend(furnish(room, &hub, &mut seeds).await?);
    }
    println!("Seed {seed}: {} devices in {ROOMS} rooms.", devices.len());

    try_join_all(devices.iter().map(|device| device.topic.ready())).await?;
    println!("All hold the key of their room after {:.1} s.", began.elapsed().as_secs_f64());

    for number in 0..READINGS {
        for device in &devices {
            if !device.gateway || number % READINGS_A_SET_POINT == 0 {
                device.topic.publish_raw(format!("{} says {number}", device.name)).await?;
            }
        }
        sleep(Duration::from_secs(10)).await;
    }
    println!("The last message was sent after {:.1} s.", began.elapsed().as_secs_f64());
    judge(devices).await
}

/// A simulated device: its topic, and the bad network between it and the others.
struct Device {
    name: String,
    gateway: bool,
    topic: TopicHandle,
    inbox: Subscription,
    network: FaultCounter,
}

/// A room: a gateway, and sensors that join when they can.
async fn furnish(
    room: usize,
    hub: &Hub,
    seeds: &mut ChaCha20Rng,
) -> Result<Vec<Device>, TopicError> {
    let channel = format!("room {room}");
    let identity = Identity::generate(seeds);
    let fingerprint = identity.public_key().fingerprint();
    let gateway =
        Topic::found(&channel, identity).admission(Admission::Window(Duration::from_secs(120)));
    let mut devices = vec![device(gateway, format!("{channel} gateway"), hub, seeds).await?];
    for sensor in 0..SENSORS {
        let topic = Topic::join(&channel, Identity::generate(seeds)).pin_admitter(fingerprint);
        let name = format!("{channel} sensor {sensor}");
        devices.push(device(topic, name, hub, seeds).await?);
    }
    Ok(devices)
}

async fn device(
    topic: Topic,
    name: String,
    hub: &Hub,
    seeds: &mut ChaCha20Rng,
) -> Result<Device, TopicError> {
    let faults = Faults::seeded(seeds.next_u64())
        .loss(0.05)
        .duplicate(0.02)
        .reorder(0.05)
        .corrupt(0.01)
        .disconnect(0.001)
        .delay(Duration::from_millis(1)..Duration::from_millis(50));
    let port = Faulty::new(hub.port(&name), faults);
    let network = port.counts();
    let settings = CarrierSettings { seed: Some(seeds.next_u64()), ..Default::default() };

    let topic = topic
        .dangerously_use_entropy(ChaCha20Rng::seed_from_u64(seeds.next_u64()))
        // The same at each run.
        .calendar(Some(UNIX_EPOCH + Duration::from_secs(1_790_000_000)))
        // Room for all that a device hears, since it is read at the end.
        .queue(1024)
        .start()?;
    let inbox = topic.subscribe_raw().await?;
    let channel = Carrier::start_with(port, settings).channel(topic.name())?;
    topic.attach(channel).await?;
    let gateway = name.ends_with("gateway");
    Ok(Device { name, gateway, topic, inbox, network })
}

/// Counts what came of it, and checks that nothing arrived that should not have.
async fn judge(devices: Vec<Device>) -> Outcome {
    let names: BTreeMap<_, _> = devices
        .iter()
        .map(|device| (device.topic.participant().id(), device.name.clone()))
        .collect();
    let mut network = FaultCounts::default();
    let mut refused: BTreeMap<Refusal, u64> = BTreeMap::new();
    let (mut published, mut received, mut expected) = (0, 0, 0);

    for mut device in devices {
        let mut heard = BTreeSet::new();
        while let Some(Some(message)) = device.inbox.next().now_or_never() {
            let message = message?;
            let said = String::from_utf8_lossy(&message.body).into_owned();
            let from = names.get(&message.from).ok_or("a message from nobody")?;
            if !said.starts_with(&format!("{from} says ")) {
                return Err(format!("{from} never said: {said}").into());
            }
            if !heard.insert(said) {
                return Err(format!("{} heard twice what {from} said", device.name).into());
            }
        }
        received += heard.len() as u64;
        // Everybody hears all others.
        expected += if device.gateway {
            SENSORS as u64 * READINGS
        } else {
            (SENSORS as u64 - 1) * READINGS + READINGS / READINGS_A_SET_POINT
        };

        let stats = device.topic.stats().await?;
        published += stats.published;
        for (refusal, times) in stats.refused {
            *refused.entry(refusal).or_default() += times;
        }
        let counts = device.network.read();
        network.delivered += counts.delivered;
        network.lost += counts.lost;
        network.duplicated += counts.duplicated;
        network.reordered += counts.reordered;
        network.corrupted += counts.corrupted;
        network.disconnected += counts.disconnected;
    }

    println!("Messages published:  {published}");
    println!("Messages received:   {received} of {expected}, none of them twice");
    println!("Frames delivered:    {}", network.delivered);
    println!("Frames lost:         {}", network.lost);
    println!("Frames repeated:     {}", network.duplicated);
    println!("Frames held back:    {}", network.reordered);
    println!("Frames damaged:      {}", network.corrupted);
    println!("Links broken:        {}", network.disconnected);
    for (refusal, times) in refused {
        println!("Frames refused:      {times}, {refusal}");
    }
    if received < expected * 8 / 10 || received > expected {
        return Err("that is not what a loss of 5 % explains".into());
    }
    Ok(())
}
