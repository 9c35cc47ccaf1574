//! Who is in, who is put out, and new keys for the others.

use crate::support::{Home, Pair, Running, text};

fn roles(home: &Home) -> Vec<(String, String)> {
    let members = home.told(&["members"]);
    members.iter().map(|one| (text(one, "id").into(), text(one, "role").into())).collect()
}

/// A second device, which runs.
fn fan(pair: &Pair) -> (Home, Running) {
    let fan = Home::new();
    fan.joins(&pair.gateway, &[&pair.address, "--name", "fan"]);
    let mut running = fan.stay(&["join"]);
    running.json("link_up");
    (fan, running)
}

#[test]
fn an_evicted_device_ends_and_hears_no_more_while_the_others_go_on() {
    let mut pair = Pair::joined();
    let mut device = pair.device();
    let (fan, mut running) = fan(&pair);
    running.hears_from(&pair.gateway, "hello, fan");
    assert_eq!(pair.gateway.run(&["evict", "lamp"]).code, 0);
    assert_eq!(text(&pair.up.json("removed"), "id"), pair.lamp_id);
    device.json("evicted");
    let ended = device.end();
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("needs a new invitation"), "{}", ended.err);
    assert_eq!(pair.gateway.run(&["send", "after"]).code, 0);
    running.message("after");
    assert_eq!(fan.run(&["send", "still here"]).code, 0);
    pair.up.message("still here");
    assert_eq!(pair.lamp.run(&["send", "me too"]).code, 1);

    // With a new invitation it comes back, as who it was.
    pair.lamp.joins(&pair.gateway, &[&pair.address]);
    assert_eq!(roles(&pair.gateway).len(), 3);
}

#[test]
fn who_is_meant_has_to_be_certain() {
    let pair = Pair::joined();
    let second = Home::new();
    second.joins(&pair.gateway, &[&pair.address, "--name", "lamp"]);
    let evict = |who: &str| pair.gateway.run(&["evict", who]);
    let several = evict("lamp");
    assert_eq!(several.code, 1);
    for id in [&pair.lamp_id, &second.id()] {
        assert!(several.err.contains(id.as_str()), "{}", several.err);
    }
    for nobody in ["heater", &pair.lamp_id[..3], "ffffffffffff"] {
        let nobody = evict(nobody);
        assert_eq!(nobody.code, 1);
        assert!(nobody.err.contains("is nobody in this topic"), "{}", nobody.err);
    }
    let ourselves = evict(&pair.gateway.id());
    assert!(ourselves.err.contains("stringphone leave"), "{}", ourselves.err);
    assert_eq!(evict(&pair.lamp_id[..12]).code, 0);
    assert_eq!(evict("lamp").code, 0, "only one is left");
    assert_eq!(roles(&pair.gateway).len(), 1);
}

#[test]
fn only_keepers_decide_until_one_is_appointed() {
    let mut pair = Pair::joined();
    let mut device = pair.device();
    for command in [&["invite"][..], &["pin"], &["rotate"], &["evict", &pair.gateway.id()]] {
        let refused = pair.lamp.run(command);
        assert_eq!(refused.code, 1, "{command:?}");
        assert!(refused.err.contains("only keepers"), "{}", refused.err);
    }
    assert_eq!(pair.gateway.run(&["appoint", "lamp"]).code, 0);
    let keeper = (pair.lamp_id.clone(), "keeper".to_owned());
    while !roles(&pair.lamp).contains(&keeper) {}
    assert_eq!(pair.lamp.run(&["rotate"]).code, 0);
    assert_eq!(pair.up.json("rekeyed")["generation"], 1);
    // But not over those before it.
    let refused = pair.lamp.run(&["evict", &pair.gateway.id()]);
    assert!(refused.err.contains("stand behind it"), "{}", refused.err);
    device.hears_from(&pair.gateway, "with new keys");
}

#[test]
fn new_keys_are_told_quietly_and_messages_go_on() {
    let mut pair = Pair::joined();
    let mut device = pair.device();
    for generation in 1..=3 {
        assert_eq!(pair.gateway.told(&["rotate"])[0]["generation"], generation);
        assert_eq!(device.json("rekeyed")["generation"], generation);
        assert_eq!(pair.gateway.run(&["send", "on"]).code, 0);
        device.message("on");
        assert_eq!(pair.lamp.run(&["send", "off"]).code, 0);
        pair.up.message("off");
    }
}

#[test]
fn both_sides_are_started_anew_and_go_on() {
    let Pair { gateway, up, lamp, .. } = Pair::joined();
    let before = roles(&gateway);
    for round in ["one", "two", "three"] {
        assert_eq!(gateway.run(&["rotate"]).code, 0);
        let mut device = lamp.stay(&["join"]);
        device.json("link_up");
        device.hears_from(&gateway, round);
        assert_eq!(device.terminate(), 0);
    }
    assert_eq!(up.terminate(), 0);
    let mut up = gateway.stay(&["up"]);
    up.json("up");
    assert_eq!(lamp.run(&["send", "from a command"]).code, 0);
    up.message("from a command");
    let mut device = lamp.stay(&["join"]);
    device.hears_from(&gateway, "and back");
    assert_eq!(roles(&gateway), before);
    assert_eq!(roles(&lamp), before);
}

#[test]
fn who_is_evicted_while_nothing_runs_is_out_once_the_topic_is_up() {
    let mut pair = Pair::joined();
    let device = pair.device();
    let (_fan, mut running) = fan(&pair);
    assert_eq!(pair.up.terminate(), 0);
    assert_eq!(pair.gateway.run(&["evict", "lamp"]).code, 0);
    let mut up = pair.gateway.stay(&["up"]);
    up.json("up");
    running.hears_from(&pair.gateway, "with new keys");
    let ended = device.end();
    assert_eq!(ended.code, 1, "{}", ended.err);
}

#[test]
fn a_device_leaves_for_good_and_the_last_keeper_is_warned() {
    let mut pair = Pair::joined();
    let device = pair.device();
    let warned = pair.gateway.run(&["leave"]);
    assert_eq!(warned.code, 1);
    assert!(warned.err.contains("only keeper"), "{}", warned.err);
    assert_eq!(pair.lamp.told(&["leave"])[0]["type"], "left");
    assert_eq!(device.end().code, 0, "that was its own wish");
    assert_eq!(text(&pair.up.json("removed"), "id"), pair.lamp_id);
    let refused = pair.lamp.run(&["send", "on"]);
    assert!(refused.err.contains("is in no topic yet"), "{}", refused.err);
    assert!(!pair.lamp.file("topics/home.topic").exists());
    // It may come back as anything, even as one that is not running when it leaves.
    pair.lamp.joins(&pair.gateway, &[&pair.address]);
    assert_eq!(pair.lamp.told(&["leave", "home"])[0]["type"], "left");
    pair.up.json("removed");
}

#[test]
fn what_only_classic_or_only_v2_can_do_is_said() {
    let classic = Pair::classic();
    for command in [&["invite"][..], &["rotate"], &["evict", &classic.lamp_id], &["leave"]] {
        let refused = classic.gateway.run(command);
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains("speaks Classic"), "{}", refused.err);
    }
    let v2 = Pair::joined();
    let refused = v2.gateway.run(&["remove", &v2.lamp_id]);
    assert!(refused.err.contains("stringphone evict"), "{}", refused.err);
}
