//! How much memory our V2 takes for each participant. Not a benchmark of time: what counts the heap
//! slows it down.
//!
//! `cargo xtask figures --peers memory`

mod house;
#[path = "../../measure/mod.rs"]
mod measure;

use std::error::Error;

use house::{Device, crowd};
use measure::{goal, watch};

type Done<T = ()> = Result<T, Box<dyn Error>>;

const FEW: u64 = 16;
const MANY: u64 = 1_000;

/// How a member's frames arrive.
#[derive(Clone, Copy)]
enum Arrival {
    InOrder,
    /// So that there are holes in the far part of a window.
    Reordered,
}

fn main() -> Done {
    let [keeper, member] = each(Arrival::InOrder)?;
    let met = keeper <= 512.0 && member <= 512.0;
    let figure = |[keeper, member]: [f64; 2]| {
        format!("{keeper:.0} B of heap a member at a keeper, {member:.0} B at a member")
    };
    goal("memory.v2.in_order", &figure([keeper, member]), "≤ 512 B", met);
    watch("memory.v2.reordered", &figure(each(Arrival::Reordered)?));
    Ok(())
}

/// Bytes of heap for each member, at the founder and at the last one that joined.
fn each(arrival: Arrival) -> Done<[f64; 2]> {
    let (few, many) = (heaps(FEW, arrival)?, heaps(MANY, arrival)?);
    let each = |few: i64, many: i64| (many - few) as f64 / (MANY - FEW) as f64;
    Ok([each(few[0], many[0]), each(few[1], many[1])])
}

fn heaps(members: u64, arrival: Arrival) -> Done<[i64; 2]> {
    // The last one joins a founder that has heard all of them.
    let (founder, last) = crowd(members, |founder, newcomer| speak(founder, newcomer, arrival))?;
    Ok([founder, last].map(|device| -allocated(device)))
}

fn speak(founder: &mut Device, member: &mut Device, arrival: Arrival) -> Done {
    const FRAMES: usize = 100;

    let frames = match arrival {
        Arrival::InOrder => 3,
        Arrival::Reordered => FRAMES,
    };
    let frames: Vec<_> = (0..frames).map(|_| member.publish(b"hello")).collect::<Done<_>>()?;
    let heard: Vec<_> = match arrival {
        Arrival::InOrder => frames.iter().collect(),
        Arrival::Reordered => frames.iter().rev().step_by(2).collect(),
    };
    for frame in heard {
        founder.hear(frame);
    }
    Ok(())
}

/// What is given back when a session goes.
fn allocated(device: Device) -> i64 {
    let Device { session, .. } = device;
    allocation_counter::measure(|| drop(session)).bytes_current
}
