//! Invitations and PINs: who comes in without a question, and how secrets stay secret.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::{Home, Pair, Terminal, text};

#[test]
fn an_invitation_is_pasted_at_a_terminal_that_does_not_show_it_and_messages_follow() {
    let (gateway, lamp) = (Home::new(), Home::new());
    let (mut up, told) = gateway.up(&[]);
    let url = gateway.invitation(&[]);
    let url = url.trim();
    assert!(url.starts_with("stringphone:v2/") && !url.contains(char::is_whitespace), "{url}");

    let mut join = Terminal::start(&lamp, &["join", text(&told, "address"), "--name", "lamp"]);
    join.answering("is not shown): ", "");
    join.types(url);
    join.shows("messages can be exchanged");
    assert!(!join.shown.contains(url) && !join.shown.contains("[y/N]"), "{}", join.shown);

    assert_eq!(text(&up.json("joined"), "name"), "lamp");
    assert!(!up.has_told_of("question"));
    assert_eq!(lamp.run(&["send", "hello, gateway"]).code, 0);
    let message = up.message("hello, gateway");
    assert_eq!((text(&message, "from"), text(&message, "name")), (lamp.id().as_str(), "lamp"));
    assert_eq!(gateway.run(&["send", "hello, lamp"]).code, 0);
    join.shows("hello, lamp");
    for kept in [up.seen(), join.shown.clone()] {
        assert!(!kept.contains(url));
    }
}

#[test]
fn what_is_no_invitation_is_asked_for_again_and_never_repeated() {
    let (gateway, lamp) = (Home::new(), Home::new());
    let (_up, told) = gateway.up(&[]);
    let url = gateway.invitation(&[]);
    let mut join = Terminal::start(&lamp, &["join", text(&told, "address")]);
    for _ in 0..3 {
        join.shown.clear();
        join.answering("is not shown): ", "");
        join.types(&url[..40]);
    }
    assert_eq!(join.ends(), Some(1));
    assert!(join.shown.contains("was it copied whole?"), "{}", join.shown);
    assert!(!join.shown.contains(&url[15..40]), "{}", join.shown);
}

#[test]
fn an_invitation_comes_by_a_pipe_or_from_a_file_that_nobody_else_can_read() {
    let (gateway, lamp, fan) = (Home::new(), Home::new(), Home::new());
    let (_up, told) = gateway.up(&[]);
    let address = text(&told, "address");
    lamp.joins(&gateway, &[address]);

    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let invitation = gateway.invitation(&["home", "--keeper", "--for", "10m"]);
    fs::write(&file, &invitation).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let join = ["join", address, "--once", "--invitation-file", path];
    let refused = fan.run(&join);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("chmod 600"), "{}", refused.err);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let joined = fan.run(&join);
    assert_eq!(joined.code, 0, "{}", joined.err);
    let members = gateway.told(&["members"]);
    let keeper = |id: String| members.iter().find(|one| one["id"] == id).unwrap()["role"].clone();
    assert_eq!((keeper(lamp.id()), keeper(fan.id())), ("member".into(), "keeper".into()));

    // It was good once.
    let thief = Home::new();
    let again = [&join[..], &["--timeout", "2"]].concat();
    let late = thief.run(&again);
    assert_eq!(late.code, 3, "{}", late.err);
    assert!(late.err.contains("nobody took the invitation"), "{}", late.err);
}

#[test]
fn an_invitation_in_an_argument_is_refused_and_not_repeated() {
    let (gateway, lamp) = (Home::new(), Home::new());
    gateway.told(&["init", "--topic", "home"]);
    let url = gateway.invitation(&[]);
    let url = url.trim();
    let secret = url.strip_prefix("stringphone:v2/").unwrap();
    let option = format!("--invitation={url}");
    for join in [
        &["join", url][..],
        &["join", secret],
        &["join", "hub:7000", &option],
        &["join", "--invitation-file", url],
        &["send", url],
    ] {
        let refused = lamp.run(join);
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(refused.err.contains("does not belong on the command line"), "{}", refused.err);
        assert!(!refused.err.contains(&secret[..20]) && refused.out.is_empty(), "{refused:?}");
    }
    for join in [&["join", "--pin", "402917"][..], &["join", "--pin=402917"]] {
        let refused = lamp.run(join);
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(!refused.err.contains("402917"), "{}", refused.err);
    }
    assert!(!lamp.path().exists(), "and nothing was made");
}

#[test]
fn an_invitation_is_written_while_nothing_runs_and_good_once_the_topic_is_up() {
    let (gateway, lamp) = (Home::new(), Home::new());
    gateway.told(&["init", "--topic", "home"]);
    let url = gateway.invitation(&["home"]);
    let (_up, told) = gateway.up(&[]);
    let joined = lamp.run_with(&["join", text(&told, "address"), "--once"], url.as_bytes());
    assert_eq!(joined.code, 0, "{}", joined.err);
}

#[test]
fn a_terminal_is_shown_a_code_to_scan_and_what_to_type() {
    let gateway = Home::new();
    let (_up, told) = gateway.up(&[]);
    let mut screen = Terminal::start(&gateway, &["invite"]);
    screen.shows(&format!("join {}", text(&told, "address")));
    assert!(screen.shown.contains("stringphone:v2/"));
    // Bytes of a half block, one by one.
    assert!(screen.shown.contains("\u{e2}\u{96}\u{84}"), "{}", screen.shown);
    assert_eq!(screen.ends(), Some(0));
}

#[test]
fn nobody_is_asked_who_was_invited_before() {
    let mut pair = Pair::joined();
    let mut command = pair.lamp.command(&["join", "--once"]);
    let ended = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let _device = pair.device();
}

#[test]
fn without_an_invitation_it_is_said_where_to_get_one() {
    let ended = Home::new().run(&["join", "127.0.0.1:1"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("stringphone invite"), "{}", ended.err);
}

#[test]
fn a_wrong_pin_lets_nobody_in_and_the_right_one_does() {
    let (gateway, lamp, thief) = (Home::new(), Home::new(), Home::new());
    let (mut up, told) = gateway.up(&[]);
    let address = text(&told, "address");
    let pin = gateway.run(&["pin"]).out;
    let pin = pin.trim();
    assert!(pin.len() == 6 && pin.bytes().all(|byte| byte.is_ascii_digit()), "{pin}");
    let wrong = if pin == "123456" { "654321" } else { "123456" };

    let refused = thief.run_with(&["join", "--pin", address], wrong.as_bytes());
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains("the PIN was not taken"), "{}", refused.err);
    assert!(!refused.err.contains(wrong));

    let mut join = Terminal::start(&lamp, &["join", "--pin", address]);
    join.answering("is not shown): ", "");
    join.types(&format!("{} {}", &pin[..3], &pin[3..]));
    join.shows("messages can be exchanged");
    assert!(!join.shown.contains(&pin[..3]), "{}", join.shown);
    assert_eq!(text(&up.json("joined"), "id"), lamp.id());
    assert_eq!(lamp.run(&["send", "on"]).code, 0);
    up.message("on");
    assert_eq!(gateway.told(&["members"]).len(), 2);
}

#[test]
fn a_pin_needs_a_process_that_waits_for_it() {
    let gateway = Home::new();
    gateway.told(&["init", "--topic", "home"]);
    let refused = gateway.run(&["pin"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("neither `up` nor `join` runs"), "{}", refused.err);
}

#[test]
fn the_terminal_shows_what_is_typed_again_after_an_interrupted_question() {
    let lamp = Home::new();
    let mut join = Terminal::start(&lamp, &["join", "127.0.0.1:1"]);
    join.answering("is not shown): ", "");
    join.interrupt();
    assert_eq!(join.ends(), Some(3));
    assert!(join.echoes());
}
