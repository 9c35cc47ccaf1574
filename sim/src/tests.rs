//! A bug that is planted is found, and what finds it is shrunk to what it takes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::time::Duration;

use crate::house::Bug;
use crate::run::Run;
use crate::sessions::Sessions;
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

/// A house in which members have said things, with its founder's storage as it was before.
fn house_at(seconds: u64) -> (Run, Sessions) {
    let house = House::seeded(8).devices(4).every(Some(Duration::from_secs(20)));
    let (mut run, mut sessions) = (Run::new(house), Sessions::default());
    run.until(Duration::from_secs(seconds), &mut sessions);
    (run, sessions)
}

/// Or that nobody reads what it must not would be no news.
#[test]
fn a_reader_reads_what_its_device_may_read() {
    let (mut run, mut sessions) = house_at(100);
    let reader = run.reader(2);
    run.until(Duration::from_secs(200), &mut sessions);
    let read = run.shown_to(reader);
    // What the three others said in 100 seconds, once each.
    assert_eq!(read, 15);
}

#[test]
fn what_nobody_sent_and_what_came_twice_is_noticed() {
    let (mut run, _) = house_at(100);
    let body = crate::checks::body(1, 0);
    let mut forged = body.clone();
    forged[20] ^= 1;
    let mut unsent = crate::checks::body(1, 999);
    for wrong in [&forged, &unsent, &crate::checks::body(77, 0)] {
        let reason = run.deliver(3, 1, wrong).unwrap_err();
        assert!(matches!(reason, Reason::NeverSent(_)), "{reason}");
    }
    // In the name of another.
    assert!(matches!(run.deliver(3, 2, &body), Err(Reason::NeverSent(_))));
    unsent = crate::checks::body(2, run.devices[&2].said - 1);
    let twice = [(); 2].map(|()| run.deliver(3, 2, &unsent));
    assert!(matches!(twice[1], Err(Reason::DeliveredTwice { from: 2, .. })), "{twice:?}");
}

#[test]
fn a_nonce_under_two_frames_is_noticed_and_a_frame_sent_twice_is_not() {
    let (mut run, _) = house_at(10);
    let mut frame = vec![0x20; 130];
    assert_eq!(run.send_as(1, &frame), Ok(()));
    assert_eq!(run.send_as(1, &frame), Ok(()));
    frame[100] ^= 1;
    assert_eq!(run.send_as(1, &frame), Err(Reason::NonceRepeated));
}

/// One that was cut off for good believes what it believed before.
#[test]
fn who_is_apart_is_noticed() {
    let schedule = "30s rotate by 0\n20s partition 3 for 90000s".parse().unwrap();
    let house = House::seeded(8).devices(4).schedule(schedule).lasts(Duration::from_secs(60));
    let cut_off = house.clone().quiet(Duration::from_secs(60));
    let failure = cut_off.run().unwrap_err();
    assert!(matches!(failure.violation.reason, Reason::Apart(_) | Reason::Unheard { .. }));
    house.run().unwrap();
}
