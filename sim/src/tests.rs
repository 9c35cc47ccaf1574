//! A bug that is planted is found, and what finds it is shrunk to what it takes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::time::Duration;

use crate::house::Bug;
use crate::{Failure, Fault, House, Link, Reason, shrink};

fn planted(seed: u64) -> House {
    let link = Link::radio().loss(0.05);
    let mut house = House::seeded(seed).devices(16).rooms(2).link(link).storm(40);
    house.bug = Some(Bug::ForgetsWindows);
    house
}

/// A device that forgets at a restart which frames it took is given a message twice, as soon as
/// somebody replays it.
fn found() -> Failure {
    (0..20).find_map(|seed| planted(seed).run().err()).expect("a planted bug is found")
}

#[test]
fn a_planted_bug_is_found_and_shrunk_to_a_handful_of_faults() {
    let failure = found();
    assert!(failure.schedule().faults().len() > 40);
    let shrunk = shrink(failure, House::run);
    assert!(matches!(shrunk.violation.reason, Reason::DeliveredTwice { .. }), "{shrunk}");
    let faults = shrunk.schedule().faults();
    assert!(faults.len() <= 3, "{shrunk}");
    let restarts = |fault: &Fault| {
        matches!(fault, Fault::Crash { .. } | Fault::Reboot { .. } | Fault::RollBack { .. })
    };
    assert!(faults.iter().any(|planned| restarts(&planned.fault)), "{shrunk}");
    // It fails as often as it is run, and without the bug not at all.
    let again = shrunk.house.run().unwrap_err();
    assert_eq!((again.violation, again.trace), (shrunk.violation.clone(), shrunk.trace));
    let mut sound = (*shrunk.house).clone();
    sound.bug = None;
    sound.run().unwrap();
}

#[test]
fn a_failure_says_how_to_see_it_again() {
    let failure = found();
    let said = failure.to_string();
    for part in ["House::seeded(", ".devices(16).rooms(2)", ".schedule(\"\n", "delivered twice"] {
        assert!(said.contains(part), "{said}");
    }
    let text = said.split(".schedule(\"\n").nth(1).unwrap().split("\"").next().unwrap();
    assert_eq!(text.parse().as_ref(), Ok(failure.schedule()));
    assert!(failure.violation.at > Duration::ZERO);
}
