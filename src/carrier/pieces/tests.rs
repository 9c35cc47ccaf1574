//! Pieces come together, whatever the link does to them, and cost no more than they may.

use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::Instant;

use super::reassembly::{Reassembly, Taken};
use super::resend::Resend;
use super::wire::{Name, Read, Split, largest, read, request};

fn piece(bytes: Bytes) -> (Name, u8, Bytes) {
    match read(bytes) {
        Read::Piece { name, number, bytes } => (name, number, bytes),
        other => panic!("no piece: {other:?}"),
    }
}

fn wanted(bytes: Bytes) -> (Name, Bytes) {
    match read(bytes) {
        Read::Request { name, wanted } => (name, wanted),
        other => panic!("no request: {other:?}"),
    }
}

fn frame(seed: u8, len: usize) -> Bytes {
    (0..len).map(|at| (at as u8).wrapping_mul(31) ^ seed).collect()
}

fn take(reassembly: &mut Reassembly, bytes: Bytes, now: Instant) -> Taken {
    reassembly.take(None, piece(bytes), now).0
}

proptest! {
    #[test]
    fn frames_of_several_senders_come_together_in_any_order(
        lens in vec(60..3_000_usize, 1..6),
        max_frame in 38..58_usize,
        order in any::<u64>(),
    ) {
        let frames: Vec<Bytes> = (0..).zip(&lens).map(|(seed, len)| frame(seed, *len)).collect();
        let splits: Vec<Split> =
            frames.iter().filter_map(|frame| Split::new(frame, max_frame)).collect();
        prop_assert_eq!(splits.len(), frames.len());
        let mut pieces: Vec<Bytes> = splits.iter().flat_map(Split::pieces).collect();
        prop_assert!(pieces.iter().all(|piece| piece.len() <= max_frame));
        // Each twice, in an order that the number chooses.
        pieces.extend(pieces.clone());
        pieces.sort_by_key(|piece| {
            piece.iter().fold(order, |sum, byte| sum.wrapping_mul(31) ^ u64::from(*byte))
        });
        let (mut reassembly, now) = (Reassembly::new(true, 0), Instant::now());
        let mut whole = Vec::new();
        for bytes in pieces {
            if let Taken::Whole(bytes) = take(&mut reassembly, bytes, now) {
                whole.push(bytes);
            }
        }
        whole.sort();
        whole.dedup();
        let mut frames = frames;
        frames.sort();
        frames.dedup();
        prop_assert_eq!(whole, frames);
    }

    #[test]
    fn a_frame_that_fits_is_never_split(len in 0..300_usize, max_frame in 0..300_usize) {
        let frame = frame(0, len);
        prop_assert!(len > max_frame || Split::new(&frame, max_frame).is_none());
        prop_assert!(len <= largest(max_frame) || Split::new(&frame, max_frame).is_none());
        prop_assert!(len <= max_frame || len > largest(max_frame)
            || Split::new(&frame, max_frame).is_some());
    }

    #[test]
    fn nothing_that_anybody_writes_is_taken_for_more_than_it_is(bytes in vec(any::<u8>(), 0..64)) {
        let bytes = Bytes::from(bytes);
        match read(bytes.clone()) {
            Read::Whole(whole) => {
                prop_assert!(!matches!(whole.first(), Some(0x28 | 0x29)));
                prop_assert_eq!(whole, bytes);
            }
            Read::Piece { name, number, .. } => prop_assert!(number <= name.last),
            Read::Request { .. } | Read::Malformed => {}
        }
    }

    #[test]
    fn lost_pieces_are_asked_for_and_sent_again(
        len in 100..4_000_usize,
        lost in vec(any::<bool>(), 256),
    ) {
        let frame = frame(1, len);
        let split = Split::new(&frame, 50).unwrap();
        let (mut reassembly, mut resend) = (Reassembly::new(true, 7), Resend::default());
        let mut now = Instant::now();
        resend.keep(None, split.clone(), now);
        let mut arrives: Vec<Bytes> = split
            .pieces()
            .zip(lost)
            .enumerate()
            // Of a frame of which nothing came, nobody knows.
            .filter(|(number, (_, lost))| *number == 0 || !lost)
            .map(|(_, (piece, _))| piece)
            .collect();
        let mut whole = None;
        while whole.is_none() {
            for bytes in std::mem::take(&mut arrives) {
                if let Taken::Whole(bytes) = take(&mut reassembly, bytes, now) {
                    whole = Some(bytes);
                }
            }
            let Some(deadline) = reassembly.deadline() else { break };
            now = deadline;
            for (channel, asks) in reassembly.expire(now).requests {
                let (name, wanted) = wanted(asks);
                arrives.extend(resend.answer(channel.as_ref(), name, &wanted, now));
            }
        }
        prop_assert_eq!(whole, Some(frame));
    }
}

#[test]
fn a_flood_of_pieces_costs_no_more_than_it_may_and_what_moves_on_stays() {
    let (mut reassembly, start) = (Reassembly::new(true, 0), Instant::now());
    let honest = Split::new(&frame(1, 5_000), 60).unwrap();
    let mut pieces = honest.pieces();
    let mut lost = 0;
    for number in 0..100_000_u32 {
        let now = start + Duration::from_millis(u64::from(number));
        let name = Name { checksum: number, last: 255 };
        lost += reassembly.take(None, (name, 0, frame(2, 200)), now).1.len();
        if number % 20 == 0
            && let Some(next) = pieces.next()
            && let Taken::Whole(_) = take(&mut reassembly, next, now)
        {
            assert!(lost > 0, "what stands still made room");
            return;
        }
        assert!(reassembly.cost() <= 256 * 1024, "{}", reassembly.cost());
    }
    panic!("the honest frame never came together");
}

#[test]
fn a_frame_that_stands_still_is_given_up_and_told() {
    let (mut reassembly, start) = (Reassembly::new(true, 0), Instant::now());
    let split = Split::new(&frame(1, 500), 60).unwrap();
    take(&mut reassembly, split.pieces().next().unwrap(), start);
    let mut requests = 0;
    while let Some(deadline) = reassembly.deadline() {
        let due = reassembly.expire(deadline);
        requests += due.requests.len();
        if !due.lost.is_empty() {
            assert_eq!(deadline - start, Duration::from_secs(30));
        }
    }
    assert!((1..=4).contains(&requests), "{requests}");
}

#[test]
fn where_nothing_is_lost_nothing_is_asked_for() {
    let (mut reassembly, start) = (Reassembly::new(false, 0), Instant::now());
    let split = Split::new(&frame(1, 500), 60).unwrap();
    take(&mut reassembly, split.pieces().next().unwrap(), start);
    let due = reassembly.expire(reassembly.deadline().unwrap());
    assert!(due.requests.is_empty());
    assert_eq!(due.lost, [None]);
}

#[test]
fn of_two_who_lack_the_same_one_asks() {
    let (now, split) = (Instant::now(), Split::new(&frame(1, 500), 60).unwrap());
    let mut two = [Reassembly::new(true, 1), Reassembly::new(true, 77_777)];
    for one in &mut two {
        split.pieces().take(3).for_each(|piece| drop(take(one, piece, now)));
    }
    let [first, second] = &mut two;
    if first.deadline() > second.deadline() {
        std::mem::swap(first, second);
    }
    let asks = first.deadline().unwrap();
    let due = first.expire(asks);
    let (name, wanted) = wanted(due.requests[0].1.clone());
    second.overhear(None, name, &wanted, asks);
    assert!(second.deadline().unwrap() > asks + Duration::from_millis(900));
}

#[test]
fn whoever_asks_again_and_again_is_answered_three_times() {
    let mut now = Instant::now();
    let split = Split::new(&frame(1, 500), 60).unwrap();
    let mut resend = Resend::default();
    resend.keep(None, split.clone(), now);
    let (name, all) = wanted(request(split.name, 0..=split.name.last));
    let mut pieces = 0;
    for _ in 0..100 {
        pieces += resend.answer(None, name, &all, now).len();
        assert!(resend.answer(None, name, &all, now).is_empty(), "not twice at once");
        now += Duration::from_millis(290);
    }
    assert_eq!(pieces, 3 * split.pieces().count());
}

#[test]
fn a_lie_in_a_piece_costs_the_frame_and_no_other() {
    let (mut reassembly, now) = (Reassembly::new(true, 0), Instant::now());
    let split = Split::new(&frame(1, 150), 60).unwrap();
    let other = Split::new(&frame(2, 150), 60).unwrap();
    reassembly.take(None, (split.name, 1, frame(9, 53)), now);
    let taken: Vec<Taken> =
        split.pieces().chain(other.pieces()).map(|p| take(&mut reassembly, p, now)).collect();
    assert!(taken.contains(&Taken::Garbled));
    assert_eq!(taken.last(), Some(&Taken::Whole(frame(2, 150))));
    // Sent again, it comes.
    let again: Vec<Taken> = split.pieces().map(|p| take(&mut reassembly, p, now)).collect();
    assert_eq!(again.last(), Some(&Taken::Whole(frame(1, 150))));
}

#[test]
fn a_frame_in_pieces_grows_no_larger_than_any_frame() {
    let (mut reassembly, now) = (Reassembly::new(true, 0), Instant::now());
    let name = Name { checksum: 1, last: 255 };
    let mut garbled = 0;
    for number in 0..255 {
        let (taken, _) = reassembly.take(None, (name, number, frame(1, 65_000)), now);
        garbled += u32::from(taken == Taken::Garbled);
        assert!(reassembly.cost() <= 70_000, "{}", reassembly.cost());
    }
    assert!(garbled > 100);
}

#[test]
fn whatever_others_make_us_ask_for_is_asked_for_twice_a_second_at_most() {
    let (mut reassembly, start) = (Reassembly::new(true, 0), Instant::now());
    let mut requests = 0;
    for number in 0..600_u32 {
        let now = start + Duration::from_millis(100) * number;
        let name = Name { checksum: number, last: 255 };
        reassembly.take(None, (name, 0, frame(2, 1)), now);
        requests += reassembly.expire(now).requests.len();
    }
    assert!((20..=120).contains(&requests), "{requests} in a minute");
}

#[test]
fn what_carriers_say_to_each_other_comes_in_no_pieces() {
    let (mut reassembly, now) = (Reassembly::new(true, 0), Instant::now());
    let hidden: Bytes = [&[0x29], frame(1, 99).as_ref()].concat().into();
    let split = Split::new(&hidden, 60).unwrap();
    let taken: Vec<Taken> = split.pieces().map(|p| take(&mut reassembly, p, now)).collect();
    assert_eq!(taken.last(), Some(&Taken::Garbled));
}

#[test]
fn a_request_for_nothing_silences_nobody() {
    let (now, split) = (Instant::now(), Split::new(&frame(1, 500), 60).unwrap());
    let mut resend = Resend::default();
    resend.keep(None, split.clone(), now);
    let (name, nothing) = wanted(request(split.name, std::iter::empty()));
    assert!(resend.answer(None, name, &nothing, now).is_empty());
    let (_, all) = wanted(request(split.name, 0..=split.name.last));
    assert_eq!(resend.answer(None, name, &all, now).len(), split.pieces().count());
}
