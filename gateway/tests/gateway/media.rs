//! Topics over other links than TCP. Not here: relays, nor what the adapters promise by themselves.
#![cfg(all(feature = "mqtt", feature = "serial"))]

use serde_json::json;
use stringphone_servers::mosquitto::Mosquitto;
use stringphone_servers::pty::Cable;

use crate::support::Home;

/// A device joins there by an invitation, and both sides hear each other.
fn converse(ours: &str, theirs: &str) {
    let (gateway, lamp) = (Home::new(), Home::new());
    let mut up = gateway.stay(&["up", "--via", ours]);
    assert_eq!(up.json("up")["via"], json!([ours]));
    up.json("link_up");
    lamp.joins(&gateway, &[theirs, "--name", "lamp"]);
    let mut device = lamp.stay(&["join"]);
    device.json("link_up");
    device.hears_from(&gateway, "to the lamp");
    up.hears_from(&lamp, "from the lamp");
    assert_eq!((device.terminate(), up.terminate()), (0, 0));
}

#[test]
fn a_device_joins_and_talks_over_a_broker() {
    let broker = Mosquitto::start();
    let url = format!("mqtt://127.0.0.1:{}/home", broker.port());
    converse(&url, &url);
}

#[test]
fn a_device_joins_and_talks_over_a_serial_cable() {
    let cable = Cable::plug();
    let [ours, theirs] =
        cable.ports().each_ref().map(|port| format!("serial://{}", port.display()));
    converse(&ours, &theirs);
}
