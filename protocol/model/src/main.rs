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
use std::time::Instant;

use stateright::{Checker, Model};
use stringphone_protocol::v2::NULL_CRYPTO;

use device::EXPLAIN;
use model::{Action, HouseModel};
use scenario::{SCENARIOS, Scenario};

const USAGE: &str = "usage: stringphone-model [--deep] [--explain] [scenario…]
  --deep     one more loss and one more step of time in each: takes minutes and gigabytes
  --explain  prints every event on the way to whatever should not be";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (flags, names): (Vec<_>, Vec<_>) = args.iter().partition(|arg| arg.starts_with('-'));
    let known = |name: &&&String| SCENARIOS.iter().any(|scenario| scenario.name == **name);
    let strange = flags.iter().any(|flag| !matches!(flag.as_str(), "--deep" | "--explain"));
    if strange || names.iter().filter(known).count() != names.len() {
        let all: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        eprintln!("{USAGE}\nscenarios: {}", all.join(", "));
        return ExitCode::FAILURE;
    }
    let has = |flag: &str| flags.iter().any(|given| *given == flag);
    println!("cryptography: {}", if NULL_CRYPTO { "none" } else { "real, and slow" });
    let mut failed = false;
    for scenario in SCENARIOS {
        if !names.is_empty() && !names.iter().any(|name| *name == scenario.name) {
            continue;
        }
        let budget = if has("--deep") { scenario.budget.deeper() } else { scenario.budget };
        for seed in scenario.seeds {
            failed |= !check(&Scenario { budget, ..*scenario }, *seed, has("--explain"));
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Searches one scenario, and prints what was found. `true` where everything holds.
fn check(scenario: &Scenario, seed: u64, explain: bool) -> bool {
    let started = Instant::now();
    let model = HouseModel { scenario: *scenario, seed };
    let checker = model.checker().spawn_bfs().join();
    println!(
        "{:16} seed {seed}: {} states ({} with repetitions), depth {}, {:.1} s",
        scenario.name,
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        started.elapsed().as_secs_f64(),
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
