//! How much virtual time of a house of a thousand devices passes in a second of one core: with bare
//! sessions, and with actors. Not the speed of a device.
//!
//! `cargo bench -p stringphone-sim --features actors`

#[path = "../../benches/measure/mod.rs"]
mod measure;

use std::time::Duration;

use measure::{cpu, goal, median, pin, watch};
use stringphone_sim::{Failure, House, Link, Report};

const DEVICES: f64 = 1_000.0;
const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pin();
    let seconds = hour("house.sessions", &calm(), House::run)?;
    goal("house.sessions_hour", &figure(seconds), "≤ 10 s", seconds <= 10.0);
    let seconds = hour("house.actors", &calm(), House::run_actors)?;
    goal("house.actors_hour", &figure(seconds), "≤ 10 s", seconds <= 10.0);
    let seconds = hour("house.storm", &calm().newcomers(1).storm(6), House::run)?;
    watch("house.sessions_storm", &figure(seconds));
    Ok(())
}

/// A hundred rooms of ten, in which everybody says 32 bytes every five minutes; they are founded
/// and joined within the hour.
fn calm() -> House {
    House::seeded(7)
        .devices(DEVICES as usize)
        .rooms(100)
        .link(Link::radio().loss(0.05).duplication(0.05).reordering(0.05))
        .lasts(Duration::from_secs(2_700))
        .quiet(Duration::from_secs(900))
}

/// The seconds of CPU time that a virtual hour takes.
fn hour(
    what: &str,
    house: &House,
    run: fn(&House) -> Result<Report, Failure>,
) -> Result<f64, Box<Failure>> {
    let mut seconds = Vec::new();
    for round in 0..ROUNDS {
        let mut outcome = None;
        let spent = cpu(round, || outcome = Some(run(house)));
        if let Some(outcome) = outcome {
            eprintln!("{what}: {spent:.1?}, {}", outcome.map_err(Box::new)?);
        }
        seconds.push(spent.as_secs_f64());
    }
    Ok(median(seconds.into_iter()))
}

fn figure(seconds: f64) -> String {
    format!("{seconds:.1} s of CPU, {:.0} devices × hours a second", DEVICES / seconds)
}
