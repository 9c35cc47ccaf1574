//! Simulates many houses, one a seed, and shrinks the first that fails.
//!
//! ```text
//! cargo run --release -p stringphone-sim --example soak -- --seeds 200 --devices 1000 --hours 1
//! ```
//!
//! `--help` lists the options. The exit code is 1 where a house failed.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use stringphone_protocol::v2::Timing;
use stringphone_sim::{Failure, House, Link, Report, Schedule, Topology, shrink};

const HELP: &str = "\
usage: soak [option value]…

  --seeds N        how many houses, of as many seeds (10)
  --first N        the first seed (0)
  --devices N      devices of each house (1000)
  --rooms N        rooms of each house (a tenth of the devices)
  --newcomers N    devices of each room that join later (2)
  --faults N       random faults in each room and hour (10)
  --hours H        how long faults strike, in virtual hours (1)
  --every S        seconds between two messages of a device (300)
  --keys N         how many times faster keys change than usual (1)
  --loss P         of frames, doubled and reordered as many (0.05)
  --topology T     bus, pairs, star or floors:N (bus)
  --only ROOM      only this room of each house
  --schedule FILE  these faults, in the place of random ones
  --driver D       sessions, or actors where built with that feature (sessions)
  --shrink yes|no  whether to shrink a house that fails (yes)
  --without A,B    devices that never start
  --tell yes|no    whether to print all that happens (no)
";

struct Options {
    seeds: u64,
    first: u64,
    devices: usize,
    rooms: Option<usize>,
    newcomers: usize,
    faults: f64,
    hours: f64,
    every: f64,
    keys: u64,
    loss: f64,
    topology: Topology,
    only: Option<usize>,
    schedule: Option<Schedule>,
    actors: bool,
    shrink: bool,
    without: Vec<usize>,
    tell: bool,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| matches!(arg.as_str(), "-h" | "--help")) {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match Options::read(&args) {
        Ok(options) => soak(&options),
        Err(problem) => {
            eprintln!("{problem}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn soak(options: &Options) -> ExitCode {
    let began = Instant::now();
    let (mut messages, mut faults) = (0, 0);
    for seed in options.first..options.first + options.seeds {
        let started = Instant::now();
        match options.run(&options.house(seed)) {
            Ok(report) => {
                messages += report.delivered;
                faults += report.faults;
                println!("seed {seed}: {report}, in {:.1?}", started.elapsed());
            }
            Err(failure) => {
                println!("seed {seed} FAILS: {}", failure.violation);
                return report(options, failure);
            }
        }
    }
    let seeds = options.seeds;
    println!("{seeds} houses, {faults} faults, {messages} messages, in {:.1?}", began.elapsed());
    ExitCode::SUCCESS
}

fn report(options: &Options, failure: Failure) -> ExitCode {
    if options.shrink {
        println!("shrinking {} faults …", failure.schedule().faults().len());
        println!("\n{}", shrink(failure, |house| options.run(house)));
    } else {
        println!("{failure}");
    }
    ExitCode::FAILURE
}

impl Options {
    fn read(args: &[String]) -> Result<Self, String> {
        let mut options = Self {
            seeds: 10,
            first: 0,
            devices: 1_000,
            rooms: None,
            newcomers: 2,
            faults: 10.0,
            hours: 1.0,
            every: 300.0,
            keys: 1,
            loss: 0.05,
            topology: Topology::Bus,
            only: None,
            schedule: None,
            actors: false,
            shrink: true,
            without: Vec::new(),
            tell: false,
        };
        for pair in args.chunks(2) {
            let [name, value] = pair else {
                return Err(format!("`{}` needs a value", pair.concat()));
            };
            let done = options.set(name, value);
            done.map_err(|problem| format!("{name} {value}: {problem}"))?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Box<dyn std::error::Error>> {
        match name {
            "--seeds" => self.seeds = value.parse()?,
            "--first" => self.first = value.parse()?,
            "--devices" => self.devices = value.parse()?,
            "--rooms" => self.rooms = Some(value.parse()?),
            "--newcomers" => self.newcomers = value.parse()?,
            "--faults" => self.faults = value.parse()?,
            "--hours" => self.hours = value.parse()?,
            "--every" => self.every = value.parse()?,
            "--keys" => self.keys = value.parse::<u64>()?.max(1),
            "--loss" => self.loss = value.parse()?,
            "--topology" => self.topology = value.parse()?,
            "--only" => self.only = Some(value.parse()?),
            "--schedule" => self.schedule = Some(std::fs::read_to_string(value)?.parse()?),
            "--driver" => self.actors = driver(value)?,
            "--without" => {
                self.without = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            "--tell" => self.tell = value == "yes",
            "--shrink" => self.shrink = value == "yes",
            _ => return Err("there is no such option".into()),
        }
        Ok(())
    }

    fn house(&self, seed: u64) -> House {
        let link = match self.loss {
            0.0 => Link::perfect(),
            loss => Link::radio().loss(loss).duplication(loss).reordering(loss),
        };
        let house = House::seeded(seed)
            .devices(self.devices)
            .rooms(self.rooms.unwrap_or(self.devices.div_ceil(10)))
            .newcomers(self.newcomers)
            .link(link)
            .topology(self.topology)
            .timing(timing(self.keys))
            .lasts(Duration::from_secs_f64(self.hours * 3_600.0))
            .every(Some(Duration::from_secs_f64(self.every)));
        let house = self.without.iter().fold(house, |house, device| house.without(*device));
        let house = if self.tell {
            house.tell(|at, device, what| println!("{at:?} {device} {what}"))
        } else {
            house
        };
        let house = match self.only {
            Some(room) => house.only(room),
            None => house,
        };
        match &self.schedule {
            Some(schedule) => house.schedule(schedule.clone()),
            None => house.storm((self.faults * self.hours) as usize),
        }
    }

    fn run(&self, house: &House) -> Result<Report, Failure> {
        #[cfg(feature = "actors")]
        if self.actors {
            return house.run_actors();
        }
        house.run()
    }
}

fn timing(faster: u64) -> Timing {
    let usual = Timing::default();
    Timing {
        step_ms: usual.step_ms / faster,
        overlap_ms: usual.overlap_ms / faster,
        rekey_ms: usual.rekey_ms / faster,
        kem_ms: usual.kem_ms / faster,
        ..usual
    }
}

fn driver(name: &str) -> Result<bool, String> {
    match name {
        "sessions" => Ok(false),
        "actors" if cfg!(feature = "actors") => Ok(true),
        "actors" => Err("build with `--features actors`".into()),
        _ => Err("there is no such driver".into()),
    }
}
