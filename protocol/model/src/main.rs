//! V2 sessions under a model checker: `cargo xtask model`, and README.md beside this. Not here: any
//! model of a session, since the real one runs.

mod closing;
mod device;
mod entropy;
mod model;
mod scenario;
mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use stateright::{Checker, Model};
use stringphone_protocol::v2::NULL_CRYPTO;

use model::{HouseModel, State};
use scenario::{SCENARIOS, Scenario};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (seconds, names) = match args.as_slice() {
        [flag, seconds, names @ ..] if flag == "--seconds" => {
            (seconds.parse().expect("a number of seconds"), names)
        }
        names => (600, names),
    };
    println!("cryptography: {}", if NULL_CRYPTO { "none" } else { "real, and slow" });
    let wanted = |scenario: &&Scenario| names.is_empty() || names.iter().any(|n| n == scenario.name);
    let chosen: Vec<_> = SCENARIOS.iter().filter(wanted).collect();
    let all = chosen.iter().flat_map(|s| s.seeds.iter().map(|seed| (*s, *seed)));
    let held = all.map(|(scenario, seed)| check(scenario, seed, Duration::from_secs(seconds)));
    let failed = held.filter(|held| !held).count();
    if failed == 0 && !chosen.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Searches one scenario, and prints what was found. `true` where everything holds.
fn check(scenario: &Scenario, seed: u64, limit: Duration) -> bool {
    let started = Instant::now();
    let model = HouseModel { scenario: *scenario, seed };
    let checker = model.checker().timeout(limit).spawn_bfs().join();
    let took = started.elapsed();
    println!(
        "{:16} seed {seed}: {} states ({} with repetitions), depth {}, {:.1} s{}",
        scenario.name,
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        took.as_secs_f64(),
        if took >= limit { ", NOT EXHAUSTED" } else { "" },
    );
    let mut found: Vec<_> = checker.discoveries().into_iter().collect();
    found.sort_by_key(|(name, _)| *name);
    let reached = found.iter().any(|(name, _)| *name == "some end is reached");
    found.retain(|(name, _)| *name != "some end is reached");
    for (name, path) in &found {
        println!("  NOT SO: {name}");
        for (state, action) in path.clone().into_vec() {
            println!("    {state:?}\n      {action:?}");
        }
        if std::env::var_os("REPLAY").is_some() {
            let model = HouseModel { scenario: *scenario, seed };
            let mut state = model.init_states().remove(0);
            unsafe { std::env::set_var("EXPLAIN", "1") };
            for action in path.clone().into_actions() {
                eprintln!("== {action:?}");
                state = model.next_state(&state, action).unwrap();
            }
            unsafe { std::env::remove_var("EXPLAIN") };
        }
        if let State::Closed(ending, _) = path.last_state() {
            println!("    {ending:?}");
        }
    }
    found.is_empty() && reached
}
