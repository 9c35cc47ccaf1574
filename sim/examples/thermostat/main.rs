//! An application under test: whatever happens to the network and to devices, the room never gets
//! too warm. `docs/SIMULATION.md` goes through it.
//!
//! ```text
//! cargo run --release -p stringphone-sim --features actors --example thermostat
//! ```

mod app;

use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;

use app::{Room, TOO_WARM};
use stringphone_sim::{House, Link, shrink};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    for seed in 0..20 {
        let room = simulate(&house(seed).storm(20), false)?;
        if room.warmest > TOO_WARM {
            return Err(format!("seed {seed}: the room got {:.1} °C warm", room.warmest).into());
        }
    }
    println!("Through 20 hours of faults the room never got too warm.");
    Ok(())
}

/// A thermostat, a sensor and a heater, in that order, on a radio that loses a frame in five.
fn house(seed: u64) -> House {
    House::seeded(seed).devices(3).link(Link::radio().loss(0.2)).every(None)
}

/// What became of the room.
fn simulate(house: &House, trusting: bool) -> Outcome<Room> {
    let room = Rc::new(RefCell::new(None));
    let inside = room.clone();
    let run = move |house: &House| {
        let room = inside.clone();
        house.run_apps(move |app| {
            // The clock stands still outside of a simulation.
            let room = room.borrow_mut().get_or_insert_with(cold).clone();
            async move {
                let _ = match app.device {
                    0 => app::thermostat(&app.topic).await,
                    1 => app::sensor(&app.topic, room).await,
                    _ => app::heater(&app.topic, room, trusting).await,
                };
            }
        })
    };
    // Messages must not come twice, and so on: what a house checks by itself.
    run(house).map_err(|failure| shrink(failure, run).to_string())?;
    let room = room.take().ok_or("no device ever started")?;
    let room = Rc::into_inner(room).ok_or("a device is still running")?;
    let mut room = room.into_inner();
    room.pass();
    Ok(room)
}

fn cold() -> Rc<RefCell<Room>> {
    Rc::new(RefCell::new(Room::cold()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stringphone_sim::Schedule;

    use super::*;

    #[test]
    fn the_room_never_gets_too_warm_whatever_happens() {
        for seed in 0..5 {
            let room = simulate(&house(seed).storm(20), false).unwrap();
            assert!(room.warmest < TOO_WARM, "seed {seed}: {:.1} °C", room.warmest);
            assert!(room.warmest > 20.0, "seed {seed}: it was never warm");
        }
    }

    #[test]
    fn it_is_warm_in_the_end_though_all_devices_crashed() {
        let crashes = "300s crash 0 for 60s\n600s crash 1 for 60s\n900s crash 2 for 60s";
        let schedule: Schedule = crashes.parse().unwrap();
        let room = simulate(&house(1).schedule(schedule), false).unwrap();
        assert!(room.celsius > 19.0 && room.celsius < 23.0, "{:.1} °C", room.celsius);
    }

    /// The thermostat is cut off while the heater is on.
    #[test]
    fn a_heater_that_trusts_the_network_is_found_out() {
        let schedule: Schedule = "60s partition 2 for 600s".parse().unwrap();
        let house = house(1).schedule(schedule).lasts(Duration::from_secs(900));
        assert!(simulate(&house, true).unwrap().warmest > TOO_WARM);
        assert!(simulate(&house, false).unwrap().warmest < TOO_WARM);
    }
}
