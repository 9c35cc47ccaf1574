//! Houses of whole topics: the same promises, and the same run for the same seed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::cell::Cell;
use std::rc::Rc;

use futures::StreamExt;
use stringphone_sim::{House, Link, Report};

fn stormy(seed: u64) -> House {
    let link = Link::radio().loss(0.05).duplication(0.05).reordering(0.05);
    House::seeded(seed).devices(16).rooms(2).newcomers(2).link(link).storm(20)
}

fn passes(outcome: Result<Report, stringphone_sim::Failure>) -> Report {
    outcome.unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn the_same_seed_is_the_same_run_of_actors_and_another_is_another() {
    let first = passes(stormy(4).run_actors());
    assert_eq!(passes(stormy(4).run_actors()), first);
    assert_eq!(passes(stormy(4).run_actors()), first);
    assert_ne!(passes(stormy(5).run_actors()).trace, first.trace);
}

#[test]
fn actors_keep_their_promises_through_an_hour_of_faults() {
    for seed in 10..14 {
        let report = passes(stormy(seed).run_actors());
        assert!(report.delivered > report.published * 5, "{report}");
        assert!(report.faults > 30 && report.spied > 100, "{report:?}");
        assert!(report.together >= 12, "{report}");
    }
}

/// Both carry about the same messages through the same faults.
#[test]
fn actors_and_bare_sessions_live_in_the_same_house() {
    let house = House::seeded(9).devices(8).link(Link::wire());
    let (sessions, actors) = (passes(house.run()), passes(house.run_actors()));
    assert_eq!(actors.published, sessions.published);
    assert_eq!(actors.delivered, sessions.delivered);
    assert_eq!(actors.together, 8);
}

/// What an application hears more than once, it hears of the house: each message once.
#[test]
fn an_application_starts_again_after_each_crash_and_hears_nothing_twice() {
    let (starts, heard) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (started, hearing) = (starts.clone(), heard.clone());
    let schedule = "100s crash 1 for 5s\n200s reboot 1\n300s replay in 0 frames 200";
    let house = House::seeded(6).devices(3).schedule(schedule.parse().unwrap());
    let report = house.run_apps(move |app| {
        let (started, hearing) = (started.clone(), hearing.clone());
        async move {
            started.set(started.get() + 1);
            let mut messages = app.topic.subscribe_raw().await.unwrap();
            if app.topic.ready().await.is_err() {
                return;
            }
            let said = format!("device {} is here, for the {}. time", app.device, app.life);
            let _ = app.topic.publish_raw(said).await;
            while let Some(Ok(message)) = messages.next().await {
                if message.body.starts_with(b"device") {
                    hearing.set(hearing.get() + 1);
                }
            }
        }
    });
    passes(report);
    // Three devices, one of which started three times; devices 1 and 2 are let in one by one, and
    // hear only who comes after them.
    assert_eq!(starts.get(), 5);
    assert!((4..=9).contains(&heard.get()), "{}", heard.get());
}
