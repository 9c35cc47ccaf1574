//! How devices come in, and how they don't.

use serde_json::Value;

use crate::support::{Home, Pair, Terminal, text};

fn lines(out: &str, kind: &str) -> usize {
    let values = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    values.filter(|value| value["type"] == kind).count()
}

#[test]
fn people_compare_fingerprints_at_two_terminals_and_both_sides_talk() {
    let (let_in, join) = ("once that side says yes", &["join", "home"]);
    people_compare(&["up"], "lamp join ", let_in, join);
}

#[test]
fn people_compare_fingerprints_in_classic() {
    let (address, let_in) = ("join --classic --topic=home ", "is trusted from now on");
    people_compare(&["up", "--classic"], address, let_in, &["join", "--classic"]);
}

fn people_compare(up: &[&str], before_address: &str, let_in: &str, join: &[&str]) {
    let (gateway, lamp) = (Home::new(), Home::new());
    let mut up = Terminal::start(&gateway, &[up, &["--listen", "127.0.0.1:0"]].concat());
    let address = up.shows(before_address);
    up.shows("link up");
    let gateways = gateway.told(&["whoami"]).remove(0);

    let mut join = Terminal::start(&lamp, &[join, &[address.as_str()]].concat());
    join.shows("link up");
    let lamps = lamp.told(&["whoami"]).remove(0);
    let asked = up.shows("wants to join \"home\".\r\nIts fingerprint: ");
    assert_eq!(asked, text(&lamps, "fingerprint"));
    assert!(join.shown.contains(&asked), "the newcomer shows what is to be compared");
    up.answering(let_in, "y");

    let answered = join.shows("admits us to \"home\".\r\nIts fingerprint: ");
    assert_eq!(answered, text(&gateways, "fingerprint"));
    assert!(up.shown.contains(&answered));
    join.answering("messages can be exchanged", "yes");

    assert_eq!(gateway.run(&["send", "hello, lamp"]).code, 0);
    join.shows(&format!("{}: hello, lamp", &text(&gateways, "id")[..12]));
    assert_eq!(lamp.run(&["send", "hello, gateway"]).code, 0);
    up.shows(&format!("{}: hello, gateway", &text(&lamps, "id")[..12]));
}

#[test]
fn a_question_is_put_again_below_what_is_told_meanwhile() {
    let (gateway, lamp, fan) = (Home::new(), Home::new(), Home::new());
    let mut up = Terminal::start(&gateway, &["up", "--listen", "127.0.0.1:0"]);
    let address = up.shows("lamp join ");
    fan.joins(&gateway, &[&address]);
    let _asking = lamp.stay(&["join", "home", &address]);
    up.answering("Admit it? [y/N] ", "");
    assert_eq!(fan.run(&["send", "meanwhile"]).code, 0);
    up.shows("meanwhile");
    up.shown.clear();
    up.answering("Admit it? [y/N] ", "");
    up.answering("once that side says yes", "y");
}

#[test]
fn a_no_at_the_terminal_keeps_the_newcomer_out() {
    let (gateway, lamp) = (Home::new(), Home::new());
    let mut up = Terminal::start(&gateway, &["up", "--listen", "127.0.0.1:0"]);
    let address = up.shows("lamp join ");
    let join = lamp.stay(&["join", "home", &address, "--timeout", "3", "--name", "lamp"]);
    up.shows("It calls itself \"lamp\"");
    // Whatever is no yes is a no.
    up.answering("was turned down", "maybe");
    let ended = join.end();
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(gateway.told(&["members"]).len(), 1, "the gateway alone");
}

#[test]
fn questions_are_answered_by_commands_where_nobody_sits_at_a_terminal() {
    let (gateway, lamp) = (Home::new(), Home::new());
    let (mut up, told) = gateway.up(&[]);
    let mut join = lamp.stay(&["join", "home", text(&told, "address")]);

    let newcomer = up.json("question");
    assert_eq!(newcomer["about"], "newcomer");
    let part = &text(&newcomer, "id")[..12];
    let guess = gateway.run(&["admit", part]);
    assert_eq!(guess.code, 1, "others could have a part of an id too");
    assert_eq!(gateway.run(&["admit", text(&newcomer, "fingerprint")]).code, 0);

    let admitter = join.json("question");
    assert_eq!(admitter["about"], "admitter");
    assert_eq!(admitter["fingerprint"], told["fingerprint"]);
    assert_eq!(lamp.run(&["confirm", text(&admitter, "id")]).code, 0);
    join.json("ready");

    assert_eq!(gateway.run(&["send", "on"]).code, 0);
    assert_eq!(join.message("on")["from"], told["id"]);
    let again = gateway.run(&["admit", text(&newcomer, "id")]);
    assert_eq!(again.code, 1, "a question is answered once");
}

#[test]
fn a_newcomer_that_began_anew_while_the_question_waits_is_not_denied_by_its_first_try() {
    let (gateway, lamp) = (Home::new(), Home::new());
    let (mut up, told) = gateway.up_classic(&[]);
    let pinned = ["--trust-fingerprint", text(&told, "fingerprint")];
    let join = [&["join", "--classic", text(&told, "address")], &pinned[..]].concat();
    let first = lamp.stay(&join);
    let newcomer = up.json("question");
    drop(first);
    // The original makes a new exchange key at every start; here it goes with the topic's file.
    for file in ["topics/home.topic", "topics/home.topic.keys"] {
        std::fs::remove_file(lamp.file(file)).unwrap();
    }
    let mut again = lamp.stay(&join);
    again.json("link_up");
    while !again.has_told_of("\"ready\"") {
        gateway.run(&["admit", text(&newcomer, "id")]);
    }
}

#[test]
fn a_denied_newcomer_gives_up_with_exit_code_3() {
    let (gateway, lamp) = (Home::new(), Home::new());
    let (mut up, told) = gateway.up(&[]);
    let join = ["join", "home", text(&told, "address"), "--once", "--timeout", "2"];
    let join = lamp.stay(&join);
    let newcomer = up.json("question");
    assert_eq!(gateway.run(&["deny", text(&newcomer, "id")]).code, 0);
    let ended = join.end();
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("not admitted in time"), "{}", ended.err);
    assert_eq!(lines(&ended.out, "ready"), 0);
    assert_eq!(gateway.told(&["members"]).len(), 1, "the gateway alone");
    // And what it has is of no use.
    assert_eq!(lamp.run(&["send", "on"]).code, 1);
}

#[test]
fn a_wrong_pinned_fingerprint_never_takes_the_key() {
    let (gateway, lamp, other) = (Home::new(), Home::new(), Home::new());
    let (_up, told) = gateway.up(&["--admission", "window:300"]);
    let wrong = other.told(&["init"]).remove(0);
    let address = text(&told, "address");
    let pinned = ["--trust-fingerprint", text(&wrong, "fingerprint")];
    let join = [&["join", "home", address, "--once", "--timeout", "3"], &pinned[..]].concat();
    let mut joining = lamp.stay(&join);
    let refused = joining.json("refused");
    assert_eq!(refused["reason"], "from a sender that is not trusted");
    // Nor is there a question that somebody could say yes to.
    assert_eq!(lamp.run(&["confirm", text(&told, "id")]).code, 1);
    let ended = joining.end();
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(lines(&ended.out, "ready") + lines(&ended.out, "question"), 0);
    assert!(ended.err.contains("another fingerprint"), "{}", ended.err);
    assert!(lamp.told(&["members"]).is_empty());
}

#[test]
fn the_right_pinned_fingerprint_joins_without_a_question() {
    let mut pair = Pair::classic();
    pair.up.find(|value| value["type"] == "joined" && value["id"] == pair.lamp_id.as_str());
    assert_eq!(pair.lamp.told(&["participants"]).len(), 1);
}

#[test]
fn who_waits_in_vain_is_told_what_stands_in_the_way() {
    let (gateway, lamp) = (Home::new(), Home::new());
    let (mut up, told) = gateway.up(&[]);
    let address = text(&told, "address");
    let wait = |args: &[&str], why: &str| {
        let ended = lamp.run_with(&[args, &["--timeout", "2"]].concat(), b"402917");
        assert_eq!(ended.code, 3, "{}", ended.err);
        assert!(ended.err.contains(why), "{args:?}: {}", ended.err);
    };
    wait(&["join", "home", address], "nobody answered, or the answer was no");
    wait(&["join", "--pin", address], "nobody there takes a PIN");
    let joining = lamp.stay(&["join", "home", address, "--timeout", "20"]);
    let newcomer = up.find(|told| told["type"] == "question" && told["id"] == lamp.id().as_str());
    assert_eq!(gateway.run(&["admit", text(&newcomer, "id")]).code, 0);
    let ended = joining.end();
    assert!(ended.err.contains("nobody here has confirmed"), "{}", ended.err);
    assert_eq!(up.terminate(), 0);
    wait(&["join", "home", address], "no link to");
}

#[test]
fn nobody_is_admitted_where_the_policy_is_nobody() {
    let (gateway, lamp) = (Home::new(), Home::new());
    let (mut up, told) = gateway.up(&["--admission", "nobody"]);
    let join = ["join", "home", text(&told, "address"), "--timeout", "2"];
    assert_eq!(lamp.run(&join).code, 3);
    up.json("introduced");
    assert_eq!(gateway.told(&["members"]).len(), 1, "the gateway alone");
}

#[test]
fn a_home_does_not_join_a_topic_that_it_brought_up_itself() {
    let gateway = Home::new();
    let (up, told) = gateway.up(&[]);
    assert_eq!(up.terminate(), 0);
    let refused = gateway.run(&["join", "home", text(&told, "address"), "--timeout", "1"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("a key of its own"), "{}", refused.err);
}

#[test]
fn what_is_printed_for_a_topic_whose_name_looks_like_an_option_works() {
    let (gateway, lamp) = (Home::new(), Home::new());
    let (mut up, told) = gateway.up_classic(&["--topic=-x", "--admission", "window:300"]);
    let printed = text(&told, "join").split_once(" join ").unwrap().1;
    let words: Vec<_> = printed.split(' ').collect();
    let pinned = ["--once", "--trust-fingerprint", text(&told, "fingerprint")];
    let join = [&["join"], &words[..], &pinned].concat();
    assert_eq!(lamp.told(&join).last().unwrap()["type"], "ready");
    up.json("joined");
}
