//! A house that fails, made as small as it can be while it still fails alike. Not the search for it.

use std::collections::BTreeSet;

use crate::house::House;
use crate::net::{Link, Topology};
use crate::report::{Failure, Report};
use crate::schedule::{DeviceId, Schedule};

/// Shrinks the house of a failure: to the one room, to the fewest faults by delta debugging, then
/// without devices and bad links that it does not take. `run` runs a house as the failing one was,
/// some hundred times.
///
/// ```no_run
/// use stringphone_sim::{House, Link, shrink};
///
/// let house = House::seeded(7).devices(10).link(Link::radio()).storm(100);
/// if let Err(failure) = house.run() {
///     panic!("{}", shrink(failure, House::run));
/// }
/// ```
pub fn shrink(failure: Failure, run: impl Fn(&House) -> Result<Report, Failure>) -> Failure {
    let mut search = Search { least: failure, run };
    search.one_room();
    search.fewer_faults();
    search.better_links();
    search.fewer_devices();
    search.fewer_faults();
    search.least
}

struct Search<R> {
    least: Failure,
    run: R,
}

impl<R: Fn(&House) -> Result<Report, Failure>> Search<R> {
    /// Whether a smaller house fails alike; it is the least known then.
    fn try_smaller(&mut self, house: &House) -> bool {
        let Err(failure) = (self.run)(house) else { return false };
        let alike = failure.violation.reason.is_like(&self.least.violation.reason);
        if alike {
            self.least = failure;
        }
        alike
    }

    fn one_room(&mut self) {
        let house = (*self.least.house).clone();
        let room = self.least.violation.device / house.places();
        if room < house.rooms {
            self.try_smaller(&house.only(room));
        }
    }

    /// Delta debugging: whole parts of the schedule are left out, then smaller ones.
    fn fewer_faults(&mut self) {
        let mut parts = 1;
        loop {
            let faults = self.least.house.schedule.faults.clone();
            let size = faults.len().div_ceil(parts).max(1);
            let smaller = (0..faults.len()).step_by(size).any(|start| {
                let left = faults.iter().enumerate();
                let left = left.filter(|(at, _)| !(start..start + size).contains(at));
                let schedule: Schedule = left.map(|(_, planned)| planned.clone()).collect();
                let house = House { schedule, ..(*self.least.house).clone() };
                self.try_smaller(&house)
            });
            if smaller {
                parts = parts.saturating_sub(1).max(1);
            } else if size <= 1 {
                return;
            } else {
                parts = parts.saturating_mul(2);
            }
        }
    }

    fn better_links(&mut self) {
        let house = (*self.least.house).clone();
        for link in [Link::perfect(), Link::wire()] {
            if house.link != link && self.try_smaller(&house.clone().link(link)) {
                break;
            }
        }
        let house = (*self.least.house).clone();
        if house.topology != Topology::Bus {
            self.try_smaller(&house.topology(Topology::Bus));
        }
    }

    /// Who has no part in any fault, and is not where it fails, may not be needed.
    fn fewer_devices(&mut self) {
        let house = &self.least.house;
        let room = house.only.unwrap_or(0);
        let mut needed: BTreeSet<DeviceId> =
            house.schedule.faults.iter().flat_map(|planned| planned.fault.concerns().0).collect();
        // The founder lets all others in.
        needed.extend([house.first_of(room), self.least.violation.device]);
        let first = house.first_of(room);
        for device in (first..first + house.in_a_room()).filter(|device| !needed.contains(device)) {
            let house = (*self.least.house).clone().without(device);
            self.try_smaller(&house);
        }
    }
}
