//! Nothing that was said is lost: what is kept for a link, for those who are away, and until it was
//! told.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Home, Pair, Running, text};

/// The numbers that the outbox tells, and how many messages wait to be sent.
fn outbox(home: &Home) -> (Vec<u64>, u64) {
    let told = home.told(&["outbox"]);
    let numbers = told.iter().filter_map(|line| line["number"].as_u64()).collect();
    (numbers, told[0]["unsent"].as_u64().unwrap())
}

fn keeping(home: &Home) -> Running {
    home.stay(&["listen", "--keep"])
}

#[test]
fn what_is_sent_while_nobody_is_up_is_kept_and_sent_on() {
    let Pair { gateway, up, lamp, .. } = Pair::joined();
    assert_eq!(up.terminate(), 0);
    let sent = lamp.run(&["send", "--timeout", "0", "from the lamp"]);
    assert_eq!((sent.code, sent.out.as_str()), (0, ""), "{}", sent.err);
    assert!(sent.err.contains("it is kept"), "{}", sent.err);
    assert_eq!(outbox(&lamp), (vec![], 1));
    // Others connect to this one.
    let sent = gateway.told(&["send", "from the gateway"]);
    assert_eq!((&sent[0]["kept"], &sent[0]["links_up"]), (&true.into(), &0.into()));

    let mut up = gateway.stay(&["up"]);
    let mut device = lamp.stay(&["join"]);
    up.message("from the lamp");
    assert_eq!(outbox(&lamp), (vec![], 0));
    device.hears_from(&gateway, "and on it goes");
}

#[test]
fn a_confirmed_message_says_who_has_it_and_who_is_missing() {
    let mut pair = Pair::joined();
    let device = pair.device();
    let sent = pair.gateway.run(&["send", "--confirm", "on"]);
    assert_eq!(sent.code, 0, "{}", sent.err);
    let stored = format!("stored by: {} (lamp)\n", &pair.lamp_id[..12]);
    assert!(sent.out.ends_with(&stored), "{}", sent.out);
    assert_eq!(device.terminate(), 0);

    let asleep = pair.gateway.run(&["send", "--confirm", "--timeout", "0", "--json", "off"]);
    assert_eq!(asleep.code, 3, "{}", asleep.err);
    assert!(asleep.err.contains("outbox"), "{}", asleep.err);
    let told: Value = serde_json::from_str(asleep.out.trim_end()).unwrap();
    let missing = &told["missing"][0];
    assert_eq!((&missing["id"], &missing["name"]), (&(*pair.lamp_id).into(), &"lamp".into()));
    assert_eq!(outbox(&pair.gateway), (vec![told["number"].as_u64().unwrap()], 0));
    let listed = pair.gateway.run(&["outbox"]);
    assert!(listed.out.contains("  missing: ") && listed.out.contains("(lamp)"), "{}", listed.out);
}

#[test]
fn what_is_not_confirmed_is_sent_on_after_a_restart() {
    let Pair { gateway, up, lamp, .. } = Pair::joined();
    let unheard = gateway.run(&["send", "--confirm", "--timeout", "0", "remember"]);
    assert_eq!(unheard.code, 3, "{}", unheard.err);
    assert_eq!(up.terminate(), 0);
    assert_eq!(outbox(&gateway).0.len(), 1, "without a process, too");

    let _up = gateway.stay(&["up"]);
    let mut device = lamp.stay(&["join"]);
    device.message("remember");
    let begun = Instant::now();
    while outbox(&gateway) != (vec![], 0) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the receipt comes");
    }
}

#[test]
fn only_those_who_are_named_are_waited_for() {
    let mut pair = Pair::joined();
    let asleep = Home::new();
    asleep.joins(&pair.gateway, &[&pair.address, "--name", "asleep"]);
    let _device = pair.device();
    let sent = pair.gateway.run(&["send", "--confirm", "--to", "lamp", "on"]);
    assert_eq!(sent.code, 0, "{}", sent.err);
    let begin = &asleep.id()[..12];
    let sent = pair.gateway.run(&["send", "--confirm", "--to", begin, "--timeout", "0", "on"]);
    assert_eq!(sent.code, 3, "{}", sent.err);
    assert!(sent.out.contains("(asleep)") && !sent.out.contains("(lamp)"), "{}", sent.out);
    let nobody = pair.gateway.run(&["send", "--confirm", "--to", "fridge", "on"]);
    assert_eq!(nobody.code, 1);
    assert!(nobody.err.contains("nobody in this topic"), "{}", nobody.err);
    assert_eq!(pair.gateway.run(&["send", "--to", "lamp", "on"]).code, 2);
}

#[test]
fn a_message_that_is_given_up_waits_no_longer() {
    let pair = Pair::joined();
    for text in ["one", "two"] {
        let sent = pair.gateway.run(&["send", "--confirm", "--timeout", "0", text]);
        assert_eq!(sent.code, 3, "{}", sent.err);
    }
    let (numbers, _) = outbox(&pair.gateway);
    let first = numbers[0].to_string();
    assert_eq!(pair.gateway.run(&["outbox", "--give-up", &first]).code, 0);
    assert_eq!(outbox(&pair.gateway).0, [numbers[1]]);
    let again = pair.gateway.run(&["outbox", "--give-up", &first]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("no message waits"), "{}", again.err);
}

#[test]
fn what_a_killed_listener_did_not_tell_comes_again_and_nothing_else() {
    let mut pair = Pair::joined();
    assert_eq!(pair.lamp.run(&["inbox", "on"]).code, 0);
    let mut device = pair.device();
    let mut listening = keeping(&pair.lamp);
    assert_eq!(pair.gateway.run(&["send", "--confirm", "zero"]).code, 0);
    listening.message("zero");
    // It is not told before that one was acknowledged.
    assert_eq!(pair.gateway.run(&["send", "--confirm", "one"]).code, 0);
    let one = listening.message("one");
    assert_eq!(one["redelivered"], false);
    assert!(text(&one, "id").starts_with(&format!("{}.0.", text(&one, "from"))), "{one}");
    // Nobody listens, and the process is killed.
    listening.signal(Signal::KILL);
    listening.end();
    assert_eq!(pair.gateway.run(&["send", "--confirm", "two"]).code, 0);
    device.message("two");
    device.signal(Signal::KILL);
    device.end();

    let mut listening = keeping(&pair.lamp);
    let two = listening.json("message");
    // The last one before the end may have been killed on its way to be acknowledged.
    let two = if two["text"] == "one" { listening.json("message") } else { two };
    assert_eq!((&two["text"], &two["redelivered"]), (&"two".into(), &true.into()));
    assert_eq!(listening.terminate(), 0);
}

#[test]
fn a_listener_that_keeps_hears_what_was_said_while_it_was_away() {
    let pair = Pair::joined();
    let mut listening = keeping(&pair.lamp);
    listening.hears_from(&pair.gateway, "hello");
    assert_eq!(listening.terminate(), 0);
    for text in ["one", "two"] {
        assert_eq!(pair.gateway.run(&["send", text]).code, 0);
    }
    let mut listening = keeping(&pair.lamp);
    for wanted in ["one", "two"] {
        let told = listening.find(|told| told["text"] != "hello");
        assert_eq!(told["text"], wanted);
    }
}

#[test]
fn one_listener_at_a_time_is_told_what_is_kept() {
    let mut pair = Pair::joined();
    let device = pair.device();
    let refused = pair.lamp.run(&["listen", "--keep"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains(" inbox on`"), "{}", refused.err);
    assert_eq!(pair.lamp.run(&["inbox", "on"]).code, 1, "not beside a process");
    assert_eq!(device.terminate(), 0);

    assert_eq!(pair.lamp.told(&["inbox", "on"])[0]["on"], true);
    let _device = pair.device();
    let mut listening = keeping(&pair.lamp);
    assert_eq!(pair.gateway.run(&["send", "--confirm", "on"]).code, 0);
    listening.message("on");
    let second = pair.lamp.run(&["listen", "--keep"]);
    assert_eq!(second.code, 1);
    assert!(second.err.contains("one at a time"), "{}", second.err);
    // Whoever only listens is not concerned.
    let mut plain = pair.lamp.stay(&["listen"]);
    plain.hears_from(&pair.gateway, "to all");
}

#[test]
fn an_inbox_is_there_only_where_somebody_wanted_it() {
    let pair = Pair::joined();
    assert_eq!(pair.lamp.told(&["inbox"])[0]["on"], false);
    let mut listening = keeping(&pair.lamp);
    listening.hears_from(&pair.gateway, "on");
    assert_eq!(listening.terminate(), 0);
    assert_eq!(pair.lamp.told(&["inbox"])[0]["on"], true);
    assert_eq!(pair.lamp.told(&["inbox", "off"])[0]["on"], false);
    assert_eq!(pair.lamp.told(&["inbox"])[0]["on"], false);
}

#[test]
fn classic_confirms_and_keeps_nothing_and_says_so() {
    let pair = Pair::classic();
    for command in [&["send", "--confirm", "on"][..], &["listen", "--keep"], &["inbox", "on"]] {
        for home in [&pair.gateway, &pair.lamp] {
            let refused = home.run(command);
            assert_eq!(refused.code, 1, "{command:?}");
            let told = refused.err.contains("Classic") || refused.err.contains("in use by");
            assert!(told, "{}", refused.err);
        }
    }
}
