//! V2 sessions under a model checker: `cargo xtask model`, and README.md beside this. Not here: any
//! model of a session, since the real one runs.

mod closing;
mod device;
mod entropy;
mod model;
mod scenario;
mod world;

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use stateright::{Checker, Model};
use stringphone_protocol::v2::NULL_CRYPTO;

use device::EXPLAIN;
use model::{Action, HouseModel};
use scenario::{SCENARIOS, Scenario};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (explain, args) = match args.as_slice() {
        [flag, rest @ ..] if flag == "--explain" => (true, rest),
        rest => (false, rest),
    };
    let (seconds, names) = match args {
        [flag, seconds, names @ ..] if flag == "--seconds" => {
            (seconds.parse().expect("a number of seconds"), names)
        }
        names => (600, names),
    };
    println!("cryptography: {}", if NULL_CRYPTO { "none" } else { "real, and slow" });
    let wanted = |scenario: &&Scenario| names.is_empty() || names.iter().any(|n| n == scenario.name);
    let chosen: Vec<_> = SCENARIOS.iter().filter(wanted).collect();
    let all = chosen.iter().flat_map(|s| s.seeds.iter().map(|seed| (*s, *seed)));
    let held = all.map(|(scenario, seed)| check(scenario, seed, Duration::from_secs(seconds), explain));
    let failed = held.filter(|held| !held).count();
    if failed == 0 && !chosen.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Searches one scenario, and prints what was found. `true` where everything holds.
fn check(scenario: &Scenario, seed: u64, limit: Duration, explain: bool) -> bool {
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
        EXPLAIN.store(explain, Ordering::Relaxed);
        tell(scenario, seed, path.clone().into_actions());
        EXPLAIN.store(false, Ordering::Relaxed);
    }
    found.is_empty() && reached
}

/// Goes the way again, and prints the states on it.
fn tell(scenario: &Scenario, seed: u64, actions: Vec<Action>) {
    let model = HouseModel { scenario: *scenario, seed };
    let mut state = model.init_states().remove(0);
    for action in actions {
        println!("    {state:?}\n  {action:?}");
        state = model.next_state(&state, action).expect("an action that was taken");
    }
    println!("    {state:?}");
}
