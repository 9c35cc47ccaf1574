//! Starts devices, kills them at random moments, starts them again, and has checked what is left.
//! Not their processes, nor the checks.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::capture::Wire;
use crate::check::{Journals, Verdict, check, is_settled};
use crate::house::{Home, found};
use crate::process::{Device, Place};
use crate::{Failure, journal};

/// How long the journals have to stay as they are.
const QUIET: Duration = Duration::from_secs(2);
/// How long that is waited for. The longest pause of a message that is sent again is five minutes,
/// and a quarter.
const PATIENCE: Duration = Duration::from_secs(400);

/// How long the devices may take to get to know each other.
const FOUNDING: Duration = Duration::from_secs(60);

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
    /// Devices that say something, and take what others say.
    #[arg(long, default_value_t = 2)]
    pub senders: usize,
    /// Devices that only take it.
    #[arg(long, default_value_t = 2)]
    pub receivers: usize,
    /// All keys change after so many messages of the keeper, the first sender.
    #[arg(long)]
    pub rotation: Option<u64>,
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
    /// What was killed.
    pub kills: Kills,
    /// What the journals say.
    pub verdict: Verdict,
    /// What was sent.
    pub wire: Wire,
    /// Files that a killed device left half written beside its own.
    pub litter: usize,
    /// How long it took until all was quiet after the last kill.
    pub settled: Duration,
    /// The devices' homes, which go with this value.
    pub folder: TempDir,
}

/// How often something was killed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kills {
    /// A sender.
    pub senders: u32,
    /// A receiver.
    pub receivers: u32,
    /// The room, or the broker.
    pub places: u32,
}

impl Outcome {
    /// What is wrong, if anything.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let Self { verdict, wire, .. } = self;
        let Verdict { said, confirmed, taken, wrong, lost } = verdict;
        if wire.reused > 0 {
            return Some(format!("{} nonces stand in two frames", wire.reused));
        }
        if *said == 0 || *confirmed == 0 || *taken == 0 || wire.messages() == 0 {
            return Some("nothing was said, confirmed, taken, or on the wire".into());
        }
        let problems: Vec<&str> = wrong.iter().chain(lost).take(20).map(String::as_str).collect();
        (!verdict.is_exactly_once()).then(|| problems.join("\n"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, verdict, wire, litter, settled, .. } = self;
        let Kills { senders, receivers, places } = kills;
        let (frames, messages, reused) = (wire.frames, wire.messages(), wire.reused);
        write!(
            f,
            "killed {senders} senders, {receivers} receivers, {places} rooms or brokers; {verdict}; \
             {frames} frames sent, {messages} different ones of messages, {reused} nonces used \
             twice; {litter} files left half written; quiet after {settled:.0?}"
        )
    }
}

/// Runs a whole campaign with this program as its devices.
///
/// # Errors
/// Where it can't be run.
pub async fn run(arguments: &Arguments, program: &Path) -> Result<Outcome, Failure> {
    let folder = tempfile::tempdir()?;
    let names: Vec<String> = (0..arguments.senders)
        .map(|number| format!("sender{number}"))
        .chain((0..arguments.receivers).map(|number| format!("receiver{number}")))
        .collect();
    let homes = timeout(FOUNDING, found(folder.path(), &names)).await??;
    let (mut place, address) = Place::start(arguments.over, program)?;
    let devices = homes.iter().enumerate().map(|(number, home)| {
        let role = if number < arguments.senders { "sender" } else { "receiver" };
        Device::start(program, &home.folder, &address, role, arguments.rotation)
    });
    let mut devices = devices.collect::<Result<Vec<_>, _>>()?;
    let kills = kill(arguments, &mut devices, &mut place).await?;
    fs::write(folder.path().join("quiet"), "")?;
    let quiet = Instant::now();
    settle(&homes, &mut devices, arguments.senders).await?;
    let settled = quiet.elapsed();
    devices.iter_mut().for_each(Device::kill);
    let (verdict, wire, litter) = (check(&journals(&homes)?), recorded(&homes)?, litter(&homes)?);
    Ok(Outcome { kills, verdict, wire, litter, settled, folder })
}

async fn kill(
    arguments: &Arguments,
    devices: &mut [Device],
    place: &mut Place,
) -> Result<Kills, Failure> {
    let mut random = ChaCha20Rng::seed_from_u64(arguments.seed);
    let mut up_to = |bound: u32| random.next_u32() % bound.max(1);
    let victims = u32::try_from(devices.len() + 1)?;
    let (started, limit) = (Instant::now(), Duration::from_secs(60 * arguments.minutes));
    let mut kills = Kills::default();
    for _ in 0..arguments.kills {
        sleep(Duration::from_millis(u64::from(50 + up_to(1_000)))).await;
        if started.elapsed() > limit {
            break;
        }
        // The place itself is one more victim.
        let (victim, pause) = (usize::try_from(up_to(victims))?, up_to(500));
        let pause = Duration::from_millis(u64::from(pause));
        match devices.get_mut(victim) {
            Some(device) if victim < arguments.senders => {
                device.kill_for(pause).await?;
                kills.senders += 1;
            }
            Some(device) => {
                device.kill_for(pause).await?;
                kills.receivers += 1;
            }
            None => {
                place.kill_for(pause).await?;
                kills.places += 1;
            }
        }
    }
    Ok(kills)
}

/// Waits until every sender has all its receipts and no journal grows any more, as long as there is
/// any hope of that.
async fn settle(homes: &[Home], devices: &mut [Device], senders: usize) -> Result<(), Failure> {
    let (end, mut last) = (Instant::now() + PATIENCE, Vec::new());
    while Instant::now() < end {
        sleep(QUIET).await;
        devices.iter_mut().try_for_each(Device::check_alive)?;
        let now = homes.iter().map(entries).collect::<Result<Vec<_>, _>>()?;
        if now == last && now.iter().take(senders).all(|entries| is_settled(entries)) {
            break;
        }
        last = now;
    }
    Ok(())
}

fn entries(home: &Home) -> Result<Vec<journal::Entry>, Failure> {
    Ok(journal::read(&home.journal())?.0)
}

fn journals(homes: &[Home]) -> Result<Journals, Failure> {
    homes.iter().map(|home| Ok((home.id()?.to_string(), entries(home)?))).collect()
}

fn recorded(homes: &[Home]) -> Result<Wire, Failure> {
    let mut wire = Wire::default();
    for home in homes {
        let mut recordings = home.recordings().take_while(|path| path.exists());
        recordings.try_for_each(|path| wire.add(&path))?;
    }
    Ok(wire)
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
