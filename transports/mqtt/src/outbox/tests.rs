//! What becomes of frames on their way. Not the writing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use futures::{FutureExt, future::poll_fn};

use super::*;

fn message(qos: Qos, payload: &'static str) -> Message {
    Message {
        topic: "x".into(),
        payload: payload.into(),
        qos,
        id: None,
        again: false,
        since: Instant::now(),
    }
}

fn written(outbox: &Outbox, window: usize) -> Vec<(Bytes, Option<u16>, bool)> {
    let messages = std::iter::from_fn(|| outbox.next(window, Qos::AtLeastOnce));
    messages.map(|message| (message.payload, message.id, message.again)).collect()
}

fn is_through(outbox: &Outbox) -> bool {
    poll_fn(|cx| outbox.poll_through(cx)).now_or_never().is_some_and(|through| through.is_ok())
}

#[test]
fn frames_are_through_once_they_are_written_and_acknowledged() {
    let outbox = Outbox::default();
    assert!(is_through(&outbox));
    outbox.push(message(Qos::AtMostOnce, "once"));
    assert!(!is_through(&outbox));
    assert_eq!(written(&outbox, 1), [("once".into(), None, false)]);
    assert!(!is_through(&outbox), "it is not in the socket yet");
    outbox.written();
    assert!(is_through(&outbox));
    outbox.push(message(Qos::AtLeastOnce, "acknowledged"));
    assert_eq!(written(&outbox, 1), [("acknowledged".into(), Some(1), false)]);
    outbox.written();
    assert!(!is_through(&outbox));
    outbox.acked(9);
    assert!(!is_through(&outbox), "that was another");
    outbox.acked(1);
    assert!(is_through(&outbox));
}

#[test]
fn no_more_than_the_window_is_under_way_and_the_order_holds() {
    let outbox = Outbox::default();
    for payload in ["1", "2", "3"] {
        outbox.push(message(Qos::AtLeastOnce, payload));
    }
    outbox.push(message(Qos::AtMostOnce, "4"));
    assert_eq!(written(&outbox, 2).len(), 2);
    assert!(outbox.work(2).now_or_never().is_none());
    outbox.acked(2);
    assert!(outbox.work(2).now_or_never().is_some());
    let rest = written(&outbox, 2);
    assert_eq!(rest, [("3".into(), Some(3), false), ("4".into(), None, false)]);
}

#[test]
fn a_session_sends_again_under_the_same_ids_and_a_lost_one_anew() {
    for present in [true, false] {
        let former = Outbox::default();
        former.push(message(Qos::AtLeastOnce, "unacked"));
        former.push(message(Qos::AtMostOnce, "written"));
        assert_eq!(written(&former, 9).len(), 2);
        former.push(message(Qos::AtLeastOnce, "waiting"));
        former.push(message(Qos::AtMostOnce, "lost with its link"));

        let outbox = Outbox::resume(&former, present);
        assert!(is_through(&Outbox::resume(&former, present)), "it is left to one alone");
        let again = ("unacked".into(), Some(if present { 1 } else { 2 }), present);
        let fresh = ("waiting".into(), Some(if present { 2 } else { 3 }), false);
        assert_eq!(written(&outbox, 9), [again, fresh]);
    }
}

#[test]
fn an_id_that_is_taken_is_not_used_again() {
    let outbox = Outbox::default();
    outbox.push(message(Qos::AtLeastOnce, "for ever"));
    assert_eq!(written(&outbox, 2)[0].1, Some(1));
    for number in 0..2 * u32::from(LAST_ID) {
        outbox.push(message(Qos::AtLeastOnce, "x"));
        let id = written(&outbox, 2)[0].1.unwrap();
        assert!((2..=LAST_ID).contains(&id), "{id} at {number}");
        outbox.acked(id);
    }
}

#[test]
fn a_broker_without_qos_1_gets_qos_0() {
    let outbox = Outbox::default();
    outbox.push(message(Qos::AtLeastOnce, "x"));
    assert_eq!(outbox.next(1, Qos::AtMostOnce).unwrap().id, None);
    outbox.written();
    assert!(is_through(&outbox));
}

#[test]
fn both_halves_learn_why_the_link_is_down() {
    let outbox = Outbox::default();
    outbox.end(Some(TransportError::Framing("why")));
    outbox.end(None);
    let room = poll_fn(|cx| outbox.poll_room(cx)).now_or_never().unwrap();
    for error in [outbox.error(), room.unwrap_err()] {
        assert!(matches!(error, TransportError::Framing("why")), "{error}");
    }
}
