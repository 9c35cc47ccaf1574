//! Starts devices, kills them at random moments, starts them again, and has checked what is left.
//! Not the devices, nor the checks.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use stringphone::mqtt::Mqtt;
use stringphone::tcp::Tcp;
use stringphone::transport::ChannelName;
use stringphone_servers::free_port;
use stringphone_servers::mosquitto::Mosquitto;
use tokio::time::{Instant, sleep};

use crate::capture::{Tap, Wire};
use crate::check::{Journals, Verdict, check};
use crate::house::{Home, found};
use crate::{Failure, TOPIC, journal};

/// How long the journals have to stay as they are, and how long that is waited for.
const QUIET: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(120);

/// What a campaign is told.
#[derive(Clone, Debug, Parser)]
pub struct Arguments {
    /// How often something is killed.
    #[arg(long, default_value_t = 100)]
    pub kills: u32,
    /// Minutes after which nothing more is killed.
    #[arg(long, default_value_t = 60)]
    pub minutes: u64,
    /// What the moments and the victims are drawn from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the devices meet.
    #[arg(long, default_value = "tcp")]
    pub over: Over,
    /// Devices that say something.
    #[arg(long, default_value_t = 2)]
    pub senders: usize,
    /// Devices that take it.
    #[arg(long, default_value_t = 2)]
    pub receivers: usize,
    /// Fails where anything is lost: only with an inbox and an outbox nothing is.
    #[arg(long)]
    pub exactly_once: bool,
}

/// Where devices meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Over {
    /// In a TCP room.
    Tcp,
    /// At a real MQTT broker.
    Mqtt,
}

/// What became of a campaign.
#[derive(Debug)]
pub struct Outcome {
    kills: u32,
    verdict: Verdict,
    wire: Wire,
    /// Files that a killed device left half written beside its own.
    litter: usize,
}

impl Outcome {
    /// What is wrong, if anything.
    #[must_use]
    pub fn problem(&self, exactly_once: bool) -> Option<String> {
        let Self { verdict, wire, .. } = self;
        let lost = if exactly_once { verdict.lost.as_slice() } else { &[] };
        let wrong: Vec<&str> =
            verdict.wrong.iter().chain(lost).take(20).map(String::as_str).collect();
        if wire.reused > 0 {
            return Some(format!("{} nonces stand in two frames", wire.reused));
        }
        if verdict.said == 0 || verdict.taken == 0 || wire.messages == 0 {
            return Some("nothing was said, taken, or on the wire".into());
        }
        (!wrong.is_empty()).then(|| wrong.join("\n"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, verdict, wire, litter } = self;
        let Wire { frames, messages, reused } = wire;
        write!(
            f,
            "{kills} kills; {verdict}; {frames} frames on the wire, {messages} of messages, \
             {reused} nonces used twice; {litter} files left half written"
        )
    }
}

/// Runs a whole campaign with this program as its devices.
///
/// # Errors
/// Where it can't be run.
pub async fn run(arguments: &Arguments, device: &Path) -> Result<Outcome, Failure> {
    let folder = tempfile::tempdir()?;
    let names: Vec<String> = (0..arguments.senders)
        .map(|number| format!("sender{number}"))
        .chain((0..arguments.receivers).map(|number| format!("receiver{number}")))
        .collect();
    let homes = found(folder.path(), &names).await?;
    let mut place = Place::start(arguments.over, folder.path().join("wire")).await?;
    let devices = homes.iter().enumerate().map(|(number, home)| {
        let role = if number < arguments.senders { "sender" } else { "receiver" };
        Device::start(device, home.clone(), &place.address, role)
    });
    let mut devices = devices.collect::<Result<Vec<_>, _>>()?;
    let kills = kill(arguments, &mut devices, &mut place).await?;
    fs::write(folder.path().join("quiet"), "")?;
    settle(&homes).await?;
    devices.iter_mut().for_each(Device::kill);
    let (journals, receivers) = journals(&homes, arguments.senders)?;
    let wire = place.tap.finish().await?;
    let (verdict, litter) = (check(&journals, &receivers), litter(&homes)?);
    Ok(Outcome { kills, verdict, wire, litter })
}

async fn kill(
    arguments: &Arguments,
    devices: &mut [Device],
    place: &mut Place,
) -> Result<u32, Failure> {
    let mut random = ChaCha20Rng::seed_from_u64(arguments.seed);
    let mut up_to = |bound: usize| random.next_u32() as usize % bound.max(1);
    let end = Instant::now() + Duration::from_secs(60 * arguments.minutes);
    let mut kills = 0;
    while kills < arguments.kills && Instant::now() < end {
        sleep(Duration::from_millis(50 + up_to(1_000) as u64)).await;
        // The place itself is one more victim.
        let victim = up_to(devices.len() + 1);
        match devices.get_mut(victim) {
            Some(device) => {
                device.alive()?;
                device.kill();
                sleep(Duration::from_millis(up_to(500) as u64)).await;
                device.restart()?;
            }
            None => place.restart(),
        }
        kills += 1;
    }
    Ok(kills)
}

/// Waits until no journal grows any more.
async fn settle(homes: &[Home]) -> Result<(), Failure> {
    let lengths = || -> Vec<u64> {
        let files = homes.iter().map(|home| fs::metadata(home.journal()));
        files.map(|file| file.map_or(0, |file| file.len())).collect()
    };
    let (end, mut since, mut last) = (Instant::now() + PATIENCE, Instant::now(), lengths());
    while since.elapsed() < QUIET {
        if Instant::now() > end {
            return Err("it does not become quiet".into());
        }
        sleep(Duration::from_millis(100)).await;
        let now = lengths();
        if now != last {
            (since, last) = (Instant::now(), now);
        }
    }
    Ok(())
}

fn journals(homes: &[Home], senders: usize) -> Result<(Journals, BTreeSet<String>), Failure> {
    let (mut journals, mut receivers) = (Journals::new(), BTreeSet::new());
    for (number, home) in homes.iter().enumerate() {
        let id = stringphone::keyfile::load_or_create(home.folder.join("me.key"))?.id().to_string();
        if number >= senders {
            receivers.insert(id.clone());
        }
        journals.insert(id, journal::read(&home.journal())?.0);
    }
    Ok((journals, receivers))
}

fn litter(homes: &[Home]) -> Result<usize, Failure> {
    let mut litter = 0;
    for home in homes {
        for file in fs::read_dir(&home.folder)? {
            litter += usize::from(file?.path().extension().is_some_and(|name| name == "new"));
        }
    }
    Ok(litter)
}

/// Where the devices meet, with a tap on it.
struct Place {
    address: String,
    broker: Option<Mosquitto>,
    tap: Tap,
}

impl Place {
    async fn start(over: Over, recording: PathBuf) -> Result<Self, Failure> {
        let channel = ChannelName::try_from(TOPIC)?;
        let (broker, address, mut tap) = match over {
            Over::Tcp => {
                let at = format!("127.0.0.1:{}", free_port());
                // The room's own end hears all that passes it.
                let tap = Tap::start(Tcp::listen(&at), channel, recording);
                (None, format!("tcp://{at}"), tap)
            }
            Over::Mqtt => {
                let broker = Mosquitto::start();
                let at = format!("127.0.0.1:{}", broker.port());
                let tap = Tap::start(Mqtt::broker(&at), channel, recording);
                (Some(broker), format!("mqtt://{at}"), tap)
            }
        };
        tap.listening().await;
        Ok(Self { address, broker, tap })
    }

    fn restart(&mut self) {
        match &mut self.broker {
            Some(broker) => broker.restart(),
            None => self.tap.restart(),
        }
    }
}

/// A device's process, gone with this value.
struct Device {
    program: PathBuf,
    home: Home,
    address: String,
    role: &'static str,
    child: Child,
}

impl Device {
    fn start(
        program: &Path,
        home: Home,
        address: &str,
        role: &'static str,
    ) -> Result<Self, Failure> {
        let child = spawn(program, &home, address, role)?;
        Ok(Self { program: program.into(), home, address: address.into(), role, child })
    }

    fn restart(&mut self) -> Result<(), Failure> {
        self.child = spawn(&self.program, &self.home, &self.address, self.role)?;
        Ok(())
    }

    /// Nobody but us may have ended it.
    fn alive(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("{} ended: {status}", self.home.folder.display()).into()),
        }
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(program: &Path, home: &Home, address: &str, role: &str) -> Result<Child, Failure> {
    let mut command = Command::new(program);
    command.arg("--home").arg(&home.folder).args(["--via", address, "--role", role]);
    Ok(command.stdin(Stdio::piped()).spawn()?)
}
