//! Relays, with and without a topic of their own: who hears whom, and what is told of it. Not here:
//! which frames go on, which the library claims.

use std::time::Duration;

use futures::StreamExt;
use rustix::process::Signal;
use serde_json::{Value, json};
use stringphone::Transport;
use stringphone::tcp::Tcp;
use stringphone::transport::Channels;
use stringphone_servers::free_port;
use tokio::time::timeout;

use crate::support::{Home, Running, text};

/// A room that belongs to somebody else, and its address.
fn room() -> (Home, Running, String) {
    let home = Home::new();
    let (up, told) = home.up(&["--topic", "hub"]);
    let url = format!("tcp://{}", text(&told, "address"));
    (home, up, url)
}

/// A device that joined at this address, and runs.
fn device(gateway: &Home, url: &str) -> (Home, Running) {
    let device = Home::new();
    device.joins(gateway, &[url]);
    let mut running = device.stay(&["join"]);
    running.json("link_up");
    (device, running)
}

#[test]
fn through_a_relay_that_lives_nowhere_a_device_joins_and_both_sides_hear_each_other() {
    let gateway = Home::new();
    let (mut up, told) = gateway.up(&[]);
    let here = format!("tcp://{}", text(&told, "address"));
    let (_hub, _room, there) = room();
    let (relay, told) = Running::relay(&["home", "home", "--via", &here, "--via", &there]);
    assert_eq!(told["channels"], json!(["home"]));
    assert_eq!(told["via"], json!([here, there]));

    let (lamp, mut device) = device(&gateway, &there);
    device.hears_from(&gateway, "to the lamp");
    up.hears_from(&lamp, "from the lamp");

    relay.signal(Signal::TERM);
    let ended = relay.end();
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let counts: Value = serde_json::from_str(ended.out.trim()).unwrap();
    assert_eq!(counts["type"], "relayed");
    assert!(counts["forwarded"].as_u64().unwrap() > 3, "{counts}");
    assert_eq!(counts["malformed"], 0);
}

#[test]
fn two_relays_join_rooms_over_a_link_of_their_own() {
    let gateway = Home::new();
    let (mut up, told) = gateway.up(&[]);
    let here = format!("tcp://{}", text(&told, "address"));
    let between = format!("127.0.0.1:{}", free_port());
    let listening = format!("tcp-listen://{between}");
    let (_near, told) = Running::relay(&["home", "--via", &here, "--peer", &listening]);
    assert_eq!((&told["via"], &told["peers"]), (&json!([here]), &json!([listening])));
    let connecting = ["home", "--listen", "127.0.0.1:0", "--peer", &between];
    let (_far, told) = Running::relay(&connecting);

    let (lamp, mut device) = device(&gateway, text(&told, "address"));
    device.hears_from(&gateway, "to the lamp");
    up.hears_from(&lamp, "from the lamp");
    assert_eq!(overheard(&between, &gateway)[0], 0x2a, "a frame that is wrapped");
}

/// A frame of this gateway's topic, as it stands on a link.
fn overheard(address: &str, gateway: &Home) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (_open, channels) = Channels::new(["home".parse().unwrap()]);
        let mut link = Tcp::connect(address).connect(channels).await.unwrap();
        for _ in 0..100 {
            assert_eq!(gateway.run(&["send", "on"]).code, 0);
            // The room may not have known yet that we listen.
            let heard = timeout(Duration::from_millis(500), link.incoming.next()).await;
            if let Ok(Some(frame)) = heard {
                return frame.unwrap().bytes.to_vec();
            }
        }
        panic!("nothing is sent there");
    })
}

#[test]
fn a_relay_cuts_off_who_sends_more_than_it_is_told_to_take() {
    let gateway = Home::new();
    let (mut up, told) = gateway.up(&[]);
    let here = format!("tcp://{}", text(&told, "address"));
    let (_hub, _room, there) = room();
    let (relay, _) = Running::relay(&["home", "--frames", "5", "--via", &here, "--via", &there]);
    let (lamp, mut device) = device(&gateway, &there);
    up.hears_from(&lamp, "from the lamp");
    let lines: String = (0..100).map(|number| format!("{number}\n")).collect();
    assert_eq!(gateway.run_with(&["send"], lines.as_bytes()).code, 0);
    // It comes by the same link, so the flood has been there by then.
    device.hears_from(&gateway, "after the flood");

    relay.signal(Signal::INT);
    let counts: Value = serde_json::from_str(relay.end().out.trim()).unwrap();
    assert!(counts["over_rate"].as_u64().unwrap() > 0, "{counts}");
}

#[test]
fn a_gateway_ties_its_own_links_together_and_does_so_again() {
    let gateway = Home::new();
    let (_hub, _room, there) = room();
    let (mut up, told) = gateway.up(&["--via", &there, "--relay", "--also", "garage"]);
    let here = text(&told, "address").to_owned();
    let between = json!({"type": "relaying", "channels": ["home", "garage"], "address": here,
        "via": [there]});
    assert_eq!(up.json("relaying"), between);
    let sent = &gateway.told(&["send", "is anybody there?"])[0];
    assert_eq!(sent["alone"], false, "who is in the other room, it can't know: {sent}");

    let (near, mut nearby) = device(&gateway, &here);
    let (far, mut far_off) = device(&gateway, &there);
    nearby.hears_from(&far, "from afar");
    far_off.hears_from(&near, "from nearby");
    up.hears_from(&far, "to the gateway");
    far_off.hears_from(&gateway, "from the gateway");

    let status = &gateway.told(&["status"])[0];
    assert_eq!(status["links"], json!([]), "of each nothing is known");
    let relay = &status["relay"];
    assert_eq!((&relay["address"], &relay["via"]), (&json!(here), &json!([there])));
    assert!(relay["forwarded"].as_u64().unwrap() > 3, "{relay}");
    let status = gateway.run(&["status"]).out;
    let line = format!("relay      \"home\", \"garage\" between {here}, {there}\n");
    assert!(status.contains(&line), "{status}");

    assert_eq!(up.terminate(), 0);
    let mut again = gateway.stay(&["up"]);
    assert_eq!(again.json("relaying"), between, "as the last time");
    far_off.hears_from(&near, "again");
    assert_eq!(again.terminate(), 0);
    let mut untied = gateway.stay(&["up", "--listen", &here, "--via", &there]);
    let told = untied.find(|told| told["type"] != "up");
    assert_eq!(told["type"], "link_up", "a topic with links of its own");
}

#[test]
fn a_gateway_relays_a_topic_that_it_cant_read() {
    let (gateway, other) = (Home::new(), Home::new());
    let (_hub, _room, there) = room();
    let (_up, told) = gateway.up(&["--via", &there, "--relay", "--also", "garage"]);
    let here = format!("tcp://{}", text(&told, "address"));
    let mut garage = other.stay(&["up", "--topic", "garage", "--via", &here]);
    garage.json("link_up");
    let (door, mut device) = device(&other, &there);
    device.hears_from(&other, "open");
    garage.hears_from(&door, "it is open");
}

#[test]
fn what_a_gateway_says_last_goes_through_its_relay() {
    let gateway = Home::new();
    let (_hub, _room, there) = room();
    let (_up, _) = gateway.up(&["--via", &there, "--relay"]);
    let (_lamp, mut device) = device(&gateway, &there);
    device.hears_from(&gateway, "on");
    assert_eq!(gateway.run(&["leave", "--anyway"]).code, 0);
    assert_eq!(text(&device.json("removed"), "id"), gateway.id());
}

#[test]
fn links_of_the_last_time_are_tied_together_by_the_word_alone() {
    let gateway = Home::new();
    let (_hub, _room, there) = room();
    let (up, told) = gateway.up(&["--via", &there]);
    assert_eq!(up.terminate(), 0);
    let mut tied = gateway.stay(&["up", "--relay"]);
    let between = tied.json("relaying");
    assert_eq!((&between["address"], &between["via"]), (&told["address"], &json!([there])));
}

#[test]
fn with_fewer_than_two_links_it_is_said_what_is_needed() {
    for (command, links) in [
        (&["relay", "home"][..], "has 0"),
        (&["relay", "home", "hub:7000", "--via", "hub:7001"], "has 1"),
        (&["relay", "home", "--listen", "127.0.0.1:0"], "has 1"),
        (&["up", "--relay", "--listen", "127.0.0.1:0"], "has 1"),
        (&["up", "--relay", "--peer", "hub:7000"], "has 1"),
    ] {
        let refused = Home::new().run(command);
        assert_eq!(refused.code, 2, "{command:?}: {refused:?}");
        for wanted in ["at least two links", links, "--via", "--listen", "--peer", "--help"] {
            assert!(refused.err.contains(wanted), "{wanted}: {refused:?}");
        }
    }
    for command in [&["up", "--also", "garage"][..], &["up", "--peer", "hub:7000"]] {
        let refused = Home::new().run(command);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains("--relay"), "{refused:?}");
    }
    let unknown = Home::new().run(&["relay", "home", "--via", "hub:1", "--peer", "pigeon://loft"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.err.contains("nothing here speaks pigeon://"), "{unknown:?}");
}

#[test]
#[cfg(feature = "mqtt")]
fn a_device_at_a_broker_and_one_on_tcp_hear_each_other_through_the_gateway() {
    let broker = stringphone_servers::mosquitto::Mosquitto::start();
    let gateway = Home::new();
    let there = format!("mqtt://127.0.0.1:{}/home", broker.port());
    let (_up, told) = gateway.up(&["--via", &there, "--relay"]);
    let (lamp, mut lit) = device(&gateway, &there);
    let (switch, mut switched) = device(&gateway, text(&told, "address"));
    lit.hears_from(&switch, "on");
    switched.hears_from(&lamp, "it is on");
}
