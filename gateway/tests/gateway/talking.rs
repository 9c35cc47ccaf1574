//! Messages, in both directions, with and without a process that stays.

use std::net::TcpListener;

use rustix::process::Signal;

use crate::support::{Home, Pair, Terminal};

#[test]
fn each_line_of_standard_input_is_a_message() {
    let mut pair = Pair::joined();
    let sent = pair.lamp.run_with(&["send"], "one\n\nthree, without an end".as_bytes());
    assert_eq!(sent.code, 0, "{}", sent.err);
    for wanted in ["one", "", "three, without an end"] {
        let message = pair.up.json("message");
        assert_eq!((&message["text"], &message["from"]), (&wanted.into(), &(*pair.lamp_id).into()));
    }
}

#[test]
fn nothing_that_was_sent_is_lost_when_the_command_ends() {
    let mut pair = Pair::joined();
    for round in 0..10 {
        let lines: String = (0..100).map(|line| format!("{round}.{line}\n")).collect();
        assert_eq!(pair.lamp.run_with(&["send"], lines.as_bytes()).code, 0);
        for line in 0..100 {
            assert_eq!(pair.up.json("message")["text"], format!("{round}.{line}"));
        }
    }
}

#[test]
fn messages_go_both_ways_through_the_running_processes() {
    let mut pair = Pair::joined();
    let mut device = pair.device();
    let mut listening = pair.lamp.stay(&["listen"]);
    assert_eq!(pair.lamp.run(&["send", "to the gateway"]).code, 0);
    pair.up.message("to the gateway");
    assert_eq!(pair.gateway.run(&["send", "to the lamp"]).code, 0);
    device.message("to the lamp");
    listening.hears_from(&pair.gateway, "to whoever listens");
}

#[test]
fn each_line_goes_through_the_running_process_in_order() {
    let mut pair = Pair::joined();
    let _device = pair.device();
    let lines: String = (0..200).map(|line| format!("{line}\n")).collect();
    let sent = pair.lamp.run_with(&["send", "--json"], lines.as_bytes());
    assert_eq!(sent.code, 0, "{}", sent.err);
    assert!(sent.out.contains("\"messages\":200"), "{}", sent.out);
    for line in 0..200 {
        assert_eq!(pair.up.json("message")["text"], line.to_string());
    }
}

#[test]
fn a_device_listens_without_a_process_that_stays() {
    let pair = Pair::joined();
    let mut listening = pair.lamp.stay(&["listen", "--events"]);
    listening.json("link_up");
    listening.hears_from(&pair.gateway, "on");
    assert_eq!(listening.terminate(), 0);
}

#[test]
fn bytes_that_are_no_text_come_as_hex_digits() {
    let mut pair = Pair::joined();
    assert_eq!(pair.lamp.run_with(&["send"], b"\xff\x00\n").code, 0);
    assert_eq!(pair.up.json("message")["hex"], "ff00");
}

#[test]
fn a_message_can_not_touch_the_terminal() {
    let mut pair = Pair::joined();
    let nasty = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\r* all is well";
    let mut device = pair.device();
    let mut screen = Terminal::start(&pair.lamp, &["listen", "--events"]);
    while !{
        assert_eq!(pair.gateway.run_with(&["send"], nasty.as_bytes()).code, 0);
        device.json("message");
        screen.shows_by_now("(hex): ")
    } {}
    let safe = |c: char| c == '\r' || c == '\n' || (' '..='~').contains(&c);
    assert!(screen.shown.chars().all(safe), "{:?}", screen.shown);
    assert!(!screen.shown.contains("owned") && !screen.shown.contains("\r*"));
    let safe = |c: char| c == '\n' || (!c.is_control() && c != '\u{202e}');
    assert!(device.seen().chars().all(safe), "{:?}", device.seen());
    assert!(device.seen().contains("owned"), "JSON tells what was said, escaped");
}

#[test]
fn no_message_can_pass_for_an_event_where_the_terminal_wraps() {
    let mut pair = Pair::joined();
    let mut device = pair.device();
    let mut screen = Terminal::start(&pair.lamp, &["listen", "--events"]);
    // The sender and its colon take 14 columns of 80.
    let padded = format!("{}* the lamp is trusted from now on", " ".repeat(66));
    while !{
        assert_eq!(pair.gateway.run(&["send", &padded]).code, 0);
        device.json("message");
        screen.shows_by_now("from now on")
    } {}
    let shown: Vec<char> = screen.shown.replace('\r', "").chars().collect();
    let mut rows = shown.split(|c| *c == '\n').flat_map(|line| line.chunks(80));
    assert!(rows.all(|row| row.first() != Some(&'*')), "{}", screen.shown);
    assert!(screen.shown.contains("\n    | * the lamp"), "{}", screen.shown);
}

#[test]
fn what_has_not_left_is_never_told_as_sent() {
    let Pair { gateway: _kept, up, address, lamp, .. } = Pair::joined();
    assert_eq!(up.terminate(), 0);
    // Whoever is there now takes nothing.
    let listener = TcpListener::bind(&address).unwrap();
    let lines = format!("{}\n", "x".repeat(60_000)).repeat(100);
    let sent = lamp.run_with(&["send", "--json"], lines.as_bytes());
    assert_eq!(sent.code, 1, "{}", sent.err);
    assert_eq!(sent.out, "");
    assert!(sent.err.contains("messages not sent: "), "{}", sent.err);
    drop(listener);
}

#[test]
fn a_device_goes_on_by_itself_when_the_topic_comes_up_again() {
    let Pair { gateway, up, address, lamp, .. } = Pair::joined();
    let mut device = lamp.stay(&["join"]);
    device.json("link_up");
    assert_eq!(up.terminate(), 0);
    device.json("link_down");

    // Nothing but the home is told: topic and port are the same as before.
    let mut up = gateway.stay(&["up"]);
    assert_eq!(up.json("up")["address"], address);
    device.json("link_up");
    device.hears_from(&gateway, "back again");
    assert_eq!(lamp.run(&["send", "so are we"]).code, 0);
    up.message("so are we");
}

#[test]
fn messages_of_a_removed_participant_are_refused() {
    let mut pair = Pair::classic();
    assert_eq!(pair.lamp.run(&["send", "before"]).code, 0);
    pair.up.message("before");
    assert_eq!(pair.gateway.run(&["remove", &pair.lamp_id]).code, 0);
    pair.up.json("removed");
    assert_eq!(pair.lamp.run(&["send", "after"]).code, 0);
    let refused = pair.up.json("refused");
    assert_eq!(refused["reason"], "from a sender that is not trusted");
    assert!(!pair.up.seen().contains("after"));
    assert_eq!(pair.gateway.run(&["remove", &pair.lamp_id]).code, 1);
}

#[test]
fn sending_fails_with_exit_code_3_where_nobody_is_up_in_classic() {
    let Pair { gateway: _kept, up, lamp, .. } = Pair::classic();
    assert_eq!(up.terminate(), 0);
    let sent = lamp.run(&["send", "on", "--timeout", "1"]);
    assert_eq!(sent.code, 3, "{}", sent.err);
    assert!(sent.err.contains("no link to"), "{}", sent.err);
}

#[test]
fn sending_from_a_home_that_others_connect_to_needs_it_to_be_up_in_classic() {
    let gateway = Home::new();
    let (up, _) = gateway.up_classic(&[]);
    assert_eq!(up.terminate(), 0);
    let sent = gateway.run(&["send", "on"]);
    assert_eq!(sent.code, 1);
    assert!(sent.err.contains(" up`"), "{}", sent.err);
}

#[test]
fn a_signal_ends_every_process_that_stays_with_exit_code_0() {
    let mut pair = Pair::joined();
    let device = pair.device();
    let mut listening = pair.gateway.stay(&["listen"]);
    listening.hears_from(&pair.lamp, "on");
    assert_eq!(device.terminate(), 0);
    listening.signal(Signal::INT);
    assert_eq!(listening.end().code, 0);
    pair.up.signal(Signal::INT);
    assert_eq!(pair.up.end().code, 0);
    assert!(!pair.gateway.file("control.sock").exists());
}

#[test]
fn whoever_sends_is_told_when_nobody_is_connected() {
    let pair = Pair::joined();
    let sent = loop {
        let sent = pair.gateway.run(&["send", "hello?"]);
        assert_eq!(sent.code, 0, "{}", sent.err);
        // The device that joined may still be on its way out.
        if !sent.err.is_empty() {
            break sent;
        }
    };
    assert!(sent.err.contains("nobody is connected"), "{}", sent.err);
    assert!(pair.gateway.run(&["send", "--json", "hello?"]).out.contains("\"alone\":true"));
}

#[test]
fn messages_go_both_ways_in_classic() {
    let mut pair = Pair::classic();
    let mut device = pair.device();
    assert_eq!(pair.lamp.run(&["send", "to the gateway"]).code, 0);
    pair.up.message("to the gateway");
    assert_eq!(pair.gateway.run(&["send", "to the lamp"]).code, 0);
    device.message("to the lamp");
}
