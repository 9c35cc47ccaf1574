//! What the benchmarks share: CPU time, two sides compared, and how a figure is printed.
//! Not what is measured.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::hint::black_box;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

/// Keeps this thread, and those that it starts, on one core: the first that it may use.
pub(crate) fn pin() {
    let pinned = sched_getaffinity(None).and_then(|allowed| {
        let first = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu));
        let mut one = CpuSet::new();
        one.set(first.unwrap_or(0));
        sched_setaffinity(None, &one)
    });
    if let Err(error) = pinned {
        eprintln!("NOT PINNED to one core ({error}): these figures are worth little");
    }
}

/// The CPU time, of user and system, that the whole process spends on `work`: somebody else's load
/// makes that longer too, but far less than the time on the wall.
///
/// Every round starts at another place of the stack. Where a process happens to have it, the stack
/// may share cache sets with the tables of a signature check, which then takes a sixth longer: on
/// one of two sides that are compared, and for as long as the process runs.
pub(crate) fn cpu(round: usize, mut work: impl FnMut()) -> Duration {
    let mut spent = Duration::ZERO;
    deeper(round % 16, &mut || {
        let before = cpu_now();
        work();
        spent = cpu_now() - before;
    });
    spent
}

/// Calls `work` from so many steps of a sixteenth of a page further down the stack.
#[inline(never)]
fn deeper(steps: usize, work: &mut dyn FnMut()) {
    let step = black_box([0_u8; 256]);
    match steps.checked_sub(1) {
        Some(fewer) => deeper(fewer, work),
        None => work(),
    }
    black_box(&step);
}

fn cpu_now() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let part = |of: i64| u64::try_from(of).unwrap_or(0);
    Duration::from_secs(part(now.tv_sec)) + Duration::from_nanos(part(now.tv_nsec))
}

/// Ours and theirs, measured in turns.
#[derive(Default)]
pub(crate) struct Rounds(Vec<(f64, f64)>);

impl Rounds {
    /// Adds one round of both sides, of so many messages each.
    pub(crate) fn add(&mut self, messages: usize, ours: Duration, bare: Duration) {
        let each = |all: Duration| all.as_secs_f64() * 1e6 / messages as f64;
        self.0.push((each(ours), each(bare)));
    }

    /// Our microseconds a message.
    pub(crate) fn micros(&self) -> f64 {
        median(self.0.iter().map(|(ours, _)| *ours))
    }

    /// The median of the rounds' own ratios: whatever slows a whole round down drops out.
    fn ratio(&self) -> f64 {
        median(self.0.iter().map(|(ours, bare)| ours / bare))
    }

    /// Prints the figure, with this goal.
    pub(crate) fn print(&self, id: &str, at_most: f64, bare: &str) {
        let (micros, ratio) = (self.micros(), self.ratio());
        let bare_micros = median(self.0.iter().map(|(_, bare)| *bare));
        eprintln!("{id}: {micros:.2} µs against {bare_micros:.2} µs {bare}");
        let figure = format!("{micros:.1} µs, {ratio:.2} × {bare}");
        goal(id, &figure, &format!("≤ {at_most:.2} ×"), ratio <= at_most);
    }
}

/// The median of these numbers.
pub(crate) fn median(of: impl Iterator<Item = f64>) -> f64 {
    quantile(of, 0.5)
}

/// The smallest of these numbers that a share of `part` does not exceed.
pub(crate) fn quantile(of: impl Iterator<Item = f64>, part: f64) -> f64 {
    let mut sorted: Vec<f64> = of.collect();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() as f64 * part) as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// Prints a figure that has a goal.
pub(crate) fn goal(id: &str, figure: &str, goal: &str, met: bool) {
    println!("{}", json!({ "id": id, "figure": figure, "goal": goal, "met": met }));
}

/// Prints a figure to watch.
pub(crate) fn watch(id: &str, figure: &str) {
    println!("{}", json!({ "id": id, "figure": figure, "goal": null, "met": null }));
}
