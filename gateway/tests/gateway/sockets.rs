//! What the control socket does with those who misuse it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::Home;

struct Client(BufReader<UnixStream>);

impl Client {
    fn new(home: &Home) -> Self {
        Self(BufReader::new(UnixStream::connect(home.file("control.sock")).unwrap()))
    }

    fn say(&mut self, line: impl AsRef<[u8]>) {
        // A server that has heard enough hangs up.
        let _ = self.0.get_mut().write_all(line.as_ref());
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or(Value::Null)
    }
}

fn up() -> (Home, crate::support::Running) {
    let home = Home::new();
    let (mut up, _) = home.up(&[]);
    up.json("link_up");
    (home, up)
}

#[test]
fn a_bad_request_gets_an_error_and_the_next_one_an_answer() {
    let (home, _up) = up();
    let mut client = Client::new(&home);
    for bad in ["nonsense\n", "{}\n", "{\"do\":\"explode\"}\n", "{\"do\":\"publish\"}\n", "\n"] {
        client.say(bad);
        let error = client.hear();
        assert_eq!((&error["type"], &error["code"]), (&"error".into(), &2.into()), "{bad}");
    }
    client.say("{\"do\":\"publish\",\"hex\":\"zz\"}\n");
    assert_eq!(client.hear()["code"], 2);
    client.say("{\"do\":\"publish\",\"text\":\"a\",\"hex\":\"62\"}\n");
    assert_eq!(client.hear()["code"], 2, "which of them was meant?");
    client.say("{\"do\":\"status\"}\n");
    assert_eq!(client.hear()["type"], "status");
    assert_eq!(client.hear()["type"], "done");
}

#[test]
fn a_line_without_an_end_is_cut_off() {
    let (home, _up) = up();
    let mut client = Client::new(&home);
    client.say("x".repeat((1 << 20) + 1));
    assert_eq!(client.hear()["message"], "the line is too long");
    assert_eq!(client.hear(), Value::Null, "and the server hangs up");
}

#[test]
fn what_is_no_text_gets_an_error() {
    let (home, _up) = up();
    let mut client = Client::new(&home);
    client.say(b"\xff\n");
    let error = client.hear();
    assert_eq!((&error["type"], &error["code"]), (&"error".into(), &2.into()), "{error}");
    assert_eq!(client.hear(), Value::Null, "and the server hangs up");
}

#[test]
fn clients_that_ask_nothing_give_their_seats_back() {
    let (home, _up) = up();
    let mut clients: Vec<_> = (0..32).map(|_| Client::new(&home)).collect();
    for client in &mut clients {
        let error = client.hear();
        assert_eq!(error["message"], "no request came in time", "{error}");
        assert_eq!(client.hear(), Value::Null);
    }
    // None has left by itself.
    home.told(&["status"]);
    drop(clients);
}

#[test]
fn a_paused_process_is_not_waited_for_without_end() {
    let (home, up) = up();
    up.signal(Signal::STOP);
    let sent = home.run(&["send", "on", "--timeout", "1"]);
    up.signal(Signal::CONT);
    assert_eq!(sent.code, 3, "{}", sent.err);
    assert!(sent.err.contains("has not replied in 1 s; is it paused"), "{}", sent.err);
}

#[test]
fn too_many_clients_are_turned_away_and_the_topic_goes_on() {
    let (home, up) = up();
    let mut clients: Vec<_> = (0..32).map(|_| Client::new(&home)).collect();
    for client in &mut clients {
        client.say("{\"do\":\"status\"}\n");
        assert_eq!(client.hear()["type"], "status");
    }
    let refused = home.run(&["participants"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("try again"), "{}", refused.err);
    drop(clients);
    while home.run(&["participants"]).code != 0 {}
    assert_eq!(up.terminate(), 0);
}
