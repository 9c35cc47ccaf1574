//! Links by address: what is given, what is remembered, and what is refused.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Home, Pair, text};

/// What the home remembers of this topic.
fn remembered(home: &Home, topic: &str) -> Value {
    let config = fs::read(home.file("config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    config["topics"][topic].clone()
}

#[test]
fn two_gateways_that_meet_by_address_in_a_third_ones_room_hear_each_other() {
    let (hub, first, second) = (Home::new(), Home::new(), Home::new());
    let (_room, told) = hub.up(&["--topic", "hub"]);
    let url = format!("tcp://{}", text(&told, "address"));

    let mut up = first.stay(&["up", "--via", &url]);
    let told = up.json("up");
    assert_eq!((&told["address"], &told["via"]), (&Value::Null, &json!([url])), "no room here");
    assert_eq!(told["join"], format!("stringphone --home ~/lamp join {url}"));
    up.json("link_up");
    second.joins(&first, &[&url]);

    let mut other = second.stay(&["up"]);
    assert_eq!(other.json("up")["via"], json!([url]), "as it was joined");
    other.json("link_up");
    other.hears_from(&first, "to the second");
    up.hears_from(&second, "to the first");
}

#[test]
fn a_gateway_is_in_several_places_at_once() {
    let mut pair = Pair::joined();
    let (address, url) = (pair.address.clone(), format!("tcp://{}", pair.address));
    let elsewhere = Home::new();
    let (_room, told) = elsewhere.up(&["--topic", "elsewhere"]);
    let second = format!("tcp://{}", text(&told, "address"));
    let mut both = pair.lamp.stay(&["join", &address, "--via", &second]);
    // In any order.
    let links = [both.json("link_up"), both.json("link_up")].map(|up| up["link"].clone());
    assert!(links.contains(&json!(format!("tcp {address}"))), "{links:?}");
    assert!(links.contains(&json!(format!("tcp {}", text(&told, "address")))), "{links:?}");
    both.hears_from(&pair.gateway, "on");
    assert_eq!(both.terminate(), 0);
    assert_eq!(remembered(&pair.lamp, "home")["via"], json!([url, second]));

    // A room of its own, and that of the other.
    let (mut up, told) = pair.lamp.up(&["--via", &url]);
    assert_eq!(told["via"], json!([url]));
    assert!(told["address"].is_string(), "{told}");
    up.hears_from(&pair.gateway, "still on");
    assert_eq!(pair.lamp.run(&["send", "from the lamp"]).code, 0);
    pair.up.message("from the lamp");
}

#[test]
fn the_addresses_of_the_last_time_go_where_others_are_given() {
    let (hub, home) = (Home::new(), Home::new());
    let (_room, told) = hub.up(&["--topic", "hub"]);
    let (place, url) = (text(&told, "address"), format!("tcp://{}", text(&told, "address")));
    let up = |args: &[&str]| {
        let mut up = home.stay(&[&["up"], args].concat());
        let told = up.json("up");
        up.find(|told| told["type"] == "link_up" && told["link"] == format!("tcp {place}"));
        assert_eq!(up.terminate(), 0);
        let known = remembered(&home, "home");
        assert_eq!((&known["listen"], &known["via"]), (&told["address"], &told["via"]));
        told
    };
    let first = up(&["--listen", "127.0.0.1:0", "--via", &url]);
    assert!(first["address"].is_string(), "{first}");
    assert_eq!(first["via"], json!([url]));
    let again = up(&[]);
    assert_eq!((&again["address"], &again["via"]), (&first["address"], &first["via"]));
    let other = up(&["--via", place]);
    assert_eq!((&other["address"], &other["via"]), (&Value::Null, &json!([url])));
}

#[test]
fn links_that_an_earlier_release_remembered_are_read() {
    let pair = Pair::joined();
    let old = json!({
        "version": 1,
        "current": "home",
        "topics": {"home": {"protocol": "v2", "origin": "joined", "connect": [pair.address]}},
    });
    fs::write(pair.lamp.file("config.json"), old.to_string()).unwrap();
    let mut device = pair.lamp.stay(&["join"]);
    let link = device.find(|told| text(told, "type").starts_with("link_"));
    assert_eq!(link["link"], format!("tcp {}", pair.address), "up or not");
    device.hears_from(&pair.gateway, "on");
    let new = remembered(&pair.lamp, "home");
    assert_eq!(new["via"], json!([format!("tcp://{}", pair.address)]));
    assert_eq!(new["connect"], Value::Null);
}

#[test]
fn a_wrong_address_says_what_to_do_and_nothing_starts() {
    for (wrong, what) in [
        ("pigeon://loft", "nothing here speaks pigeon://"),
        ("hub", "begins with its kind, as in tcp://hub:7000"),
        ("tcp://hub", "lacks a port"),
        ("tcp://hub:7000?speed=9", "no option speed. Usage: tcp://HOST:PORT"),
    ] {
        let home = Home::new();
        let commands =
            [&["up", "--via", "tcp://hub:1", "--via", wrong][..], &["join", "--via", wrong]];
        for command in commands {
            let refused = home.run(command);
            assert_eq!(refused.code, 2, "{refused:?}");
            assert!(refused.err.contains(what), "{refused:?}");
        }
        assert!(!home.path().exists(), "nothing was made");
    }
    let several = Home::new().run(&["up", "--via", "tcp://hub:1", "--via", "tcp://hub"]);
    assert!(several.err.contains("address 2 of 2"), "{several:?}");
}

#[test]
fn a_password_in_an_address_is_refused_and_repeated_nowhere() {
    let address = "tcp://me:hunter2@127.0.0.1:1";
    let inline = format!("--via={address}");
    for command in [
        &["up", "--via", address][..],
        &["up", &inline],
        &["up", address],
        &["up", "--verbose", "--json", "--via", address],
        &["join", address],
        &["join", "home", "--via", "me:hunter2@127.0.0.1:1"],
        &["up", "--via", "tcp://127.0.0.1:1?password=hunter2"],
        &["up", "--relay", "--peer", address],
        &["relay", "home", "--via", address],
        &["relay", "home", "--peer", "me:hunter2@127.0.0.1:1"],
        &["relay", address],
    ] {
        let home = Home::new();
        let refused = home.run(command);
        assert_eq!(refused.code, 2, "{refused:?}");
        let told = format!("{}{}", refused.out, refused.err);
        assert!(!told.contains("hunter2"), "{told}");
        assert!(!home.path().exists(), "nothing is kept of it");
    }
    let refused = Home::new().run(&["up", "--via", address]);
    assert!(refused.err.contains("?password-file=PATH"), "{refused:?}");
}

#[test]
fn a_wrong_address_in_the_configuration_is_told_with_its_place_and_not_repeated() {
    let home = Home::new();
    home.told(&["init", "--topic", "home"]);
    let mut config: Value =
        serde_json::from_slice(&fs::read(home.file("config.json")).unwrap()).unwrap();
    let sound = config["topics"]["home"].clone();
    let wrong = json!(["tcp://me:hunter2@hub:1"]);
    for (field, value) in [("via", wrong.clone()), ("relay", json!({"peers": wrong}))] {
        config["topics"]["home"] = sound.clone();
        config["topics"]["home"][field] = value;
        fs::write(home.file("config.json"), config.to_string()).unwrap();
        for command in [&["up"][..], &["send", "on"]] {
            let refused = home.run(command);
            assert_eq!(refused.code, 1, "{refused:?}");
            if field == "via" || command == ["up"] {
                for word in ["config.json", "?password-file=PATH", "--via"] {
                    assert!(refused.err.contains(word), "{refused:?}");
                }
            }
            assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
        }
    }
}

#[test]
fn the_help_of_up_shows_how_each_address_is_written() {
    let help = Home::new().run(&["up", "--help"]);
    for wanted in ["--via <ADDRESS>", "tcp://HOST:PORT", "tcp-listen://", "file"] {
        assert!(help.out.contains(wanted), "{}", help.out);
    }
}

#[test]
#[cfg(feature = "serial")]
fn serial_ports_are_listed_with_addresses_that_can_be_used() {
    let home = Home::new();
    for port in home.told(&["ports"]) {
        assert!(text(&port, "address").starts_with("serial://"), "{port}");
    }
    assert!(!home.path().exists(), "nobody needs to live there");
}
