//! Nothing piles up: rounds of everything that can happen leave the heap as it was.
//! Not how much memory a topic takes, which is a figure. `cargo xtask soak` has it go on for longer.

#[path = "../support/mod.rs"]
mod support;
mod world;

use std::time::Instant;

use allocation_counter::measure;
use support::{Test, goes_on};
use world::World;

/// Until all pools and tables have been full once.
const WARM_UP: u32 = 20;
const ROUNDS: u32 = 40;
/// What the heap may vary by, in bytes.
const BOUND: i64 = 4 * 1024;

#[test]
fn rounds_of_all_that_can_happen_leave_the_heap_as_it_was() -> Test {
    // All on this thread, which is the one that is counted.
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global()?;
    let system = actix::System::with_tokio_rt(|| {
        let mut clock = tokio::runtime::Builder::new_current_thread();
        clock.enable_all().start_paused(true).build().expect("a runtime")
    });
    let mut world = system.block_on(World::new())?;
    let (began, mut heap, mut least, mut most, mut rounds) = (Instant::now(), 0, 0, 0, 0);
    while goes_on(rounds, ROUNDS, began) {
        let mut done = Ok(());
        heap += measure(|| done = system.block_on(world.round())).bytes_current;
        done?;
        rounds += 1;
        if rounds == WARM_UP {
            (heap, least, most) = (0, 0, 0);
        } else if rounds > WARM_UP {
            (least, most) = (heap.min(least), heap.max(most));
        }
        eprintln!("round {rounds}: {heap:+} bytes, {}", world.told());
    }
    eprintln!("{rounds} rounds: the heap varied by {least:+} to {most:+} bytes");
    assert!(most < BOUND, "the heap grew by {most} bytes");
    Ok(())
}
