//! G1: only members read payload, sender and counter. Not here: members that were evicted (G5).

use stringphone_protocol::{Event, Refusal};

use crate::forge::Forge;
use crate::house::House;

fn contains(frame: &[u8], part: &[u8]) -> bool {
    frame.windows(part.len()).any(|window| window == part)
}

#[test]
fn g1_a_frame_shows_neither_body_nor_sender_nor_counter() {
    let mut house = House::of(10, 2);
    let frames: Vec<_> = (0..20).map(|_| house.frame(0, b"the door is open")).collect();
    let id = *house.id(0).as_bytes();
    for frame in &frames {
        assert_eq!(frame.len(), 97 + 16, "the length is all there is to see");
        assert!(!contains(frame, b"door") && !contains(frame, &id[..4]));
        assert!(!contains(frame, &house.devices[0].identity.public_key().as_bytes()[..4]));
        assert_eq!(frame[..3], frames[0][..3], "type and hint are those of the epoch");
    }
    // The counters differ in one byte only: nothing of that is seen outside.
    for (place, frame) in frames.iter().enumerate() {
        for other in &frames[place + 1..] {
            let alike = frame[3..].iter().zip(&other[3..]).filter(|(ours, theirs)| ours == theirs);
            assert!(alike.count() < 12);
        }
    }
}

#[test]
fn g1_an_outsider_that_recorded_everything_reads_nothing() {
    let mut house = House::of(11, 3);
    for device in 0..3 {
        house.publish(device, b"to the house");
    }
    house.settle();
    // A member of another topic of the same name on the same channel.
    let mut other = House::found(12);
    for (_, frame) in house.recorded.clone() {
        other.deliver(0, &frame);
    }
    let read = |event: &Event| matches!(event, Event::Message { .. } | Event::Uncertain { .. });
    assert!(!other.devices[0].events.iter().any(read));
    assert!(other.refused(0, Refusal::UnknownEpoch) > 0);
}

#[test]
fn g1_frames_are_what_the_specification_says() {
    let mut house = House::of(13, 2);
    let (lamp, phone) = (Forge::of(&house.devices[1]), Forge::of(&house.devices[0]));
    assert_eq!(lamp.epoch.id(), phone.epoch.id(), "they are in one epoch");
    let frame = house.frame(0, b"on");
    let opened = lamp.epoch.open(&frame).expect("opens by the book");
    assert_eq!((opened.sender.as_slice(), opened.kind), (&house.id(0).as_bytes()[..8], 0));
    assert_eq!(opened.body, b"on");
    let mut said = phone.clone().said(0, b"on");
    said.counter = opened.counter;
    assert!(said.verifies(&lamp.epoch, &opened.signature), "is signed by the book");
}

#[test]
fn g1_frames_made_by_the_book_are_read() {
    let mut house = House::of(14, 2);
    let mut forge = Forge::of(&house.devices[0]);
    for (kind, body) in [(0, b"one".as_slice()), (1, b"\x03one\x03two"), (4, b"confirm me")] {
        let frame = forge.frame(kind, body);
        assert_eq!(house.inject(1, &frame), None);
    }
    assert_eq!(house.heard(1, 0), [b"one".as_slice(), b"one", b"two", b"confirm me"]);
}

#[test]
fn g1_a_frame_belongs_to_its_topic_and_epoch_even_with_the_right_key() {
    let mut house = House::of(15, 2);
    let mut forge = Forge::of(&house.devices[0]);
    let mut elsewhere = forge.epoch.clone();
    let said = forge.said(0, b"x");
    // The same bytes, sealed with another topic's id as associated data.
    let frame = forge.seal(&said, &forge.epoch.clone());
    elsewhere.topic[0] ^= 1;
    assert_eq!(elsewhere.open(&frame), None);
    assert_eq!(house.inject(1, &frame), None);
}

#[test]
fn g1_many_messages_at_once_go_in_one_frame_and_arrive_as_many() {
    use stringphone_protocol::{Command, Input, Moment, Output, Session as _};
    let mut house = House::of(16, 2);
    let House { devices, rng, .. } = &mut house;
    let session = &mut devices[0].session;
    let mut moment = Moment::new(2_000_000, rng);
    for body in [b"a".as_slice(), b"", &[7; 300]] {
        session.handle(Input::Command(Command::Publish(body)), &mut moment).unwrap();
    }
    let mut frames = Vec::new();
    while let Some(output) = session.poll() {
        match output {
            Output::Store(_) => session.handle(Input::Stored, &mut moment).unwrap(),
            Output::Send(frame) => frames.push(frame),
            _ => {}
        }
    }
    assert_eq!(frames.len(), 1);
    house.deliver(1, &frames[0]);
    assert_eq!(house.heard(1, 0), [b"a".to_vec(), Vec::new(), vec![7; 300]]);
}

#[test]
fn g1_more_than_a_frame_of_messages_at_once_goes_in_several_and_all_arrive() {
    use stringphone_protocol::{Command, Input, Moment, Session as _};
    let mut house = House::of(17, 2);
    let bodies: Vec<Vec<u8>> =
        (0..2_000_u16).map(|number| number.to_be_bytes().repeat(50)).collect();
    let (mut rng, now) = (house.rng.clone(), house.now);
    for body in &bodies {
        let mut moment = Moment::new(now, &mut rng);
        let done =
            house.devices[0].session.handle(Input::Command(Command::Publish(body)), &mut moment);
        done.unwrap();
    }
    house.input(0, Input::Timer).unwrap();
    house.settle();
    assert_eq!(house.heard(1, 0), bodies);
}
