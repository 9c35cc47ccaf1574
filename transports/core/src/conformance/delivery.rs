//! Checks of frames on links that are up.
//! Not links that go down: see `life`.

use std::time::Duration;

use bytes::Bytes;
use futures::SinkExt;

use super::{
    Checked, Fixture, Verdict, claims,
    judge::judge,
    report::Failure,
    session::{Session, down},
};
use crate::{ChannelCount, TransportError};

/// Frames of all kinds, in both directions at once.
pub(super) async fn frames_arrive(fixture: &mut dyn Fixture) -> Checked {
    let mut session = Session::open(fixture, &["x"]).await?;
    let from_first = assortment(1, session.first.facts.max_frame);
    let from_second = assortment(2, session.second.facts.max_frame);
    let [at_first, at_second] = session.exchange("x", &from_first, &from_second).await?;

    let reliable = session.first.facts.reliable && session.second.facts.reliable;
    let mut failures = vec![];
    let own = |sent: &[Bytes], arrived: &Bytes| sent.contains(arrived);
    let echoes = at_first.frames.iter().filter(|frame| own(&from_first, &frame.bytes)).count()
        + at_second.frames.iter().filter(|frame| own(&from_second, &frame.bytes)).count();
    if echoes > 0 {
        failures.push(Failure::of(claims::ECHO, format!("{echoes} echoes")));
    }
    let channel = session.first.channel("x");
    failures.extend(judge(&from_second, channel.as_ref(), &at_first.frames, reliable));
    let channel = session.second.channel("x");
    failures.extend(judge(&from_first, channel.as_ref(), &at_second.frames, reliable));
    verdict(failures)
}

/// Empty frames, which are refused or stay among the adapters. Whether one is handed up is watched in
/// all checks.
pub(super) async fn sizes(fixture: &mut dyn Fixture) -> Checked {
    let mut session = Session::open(fixture, &["x"]).await?;
    for end in [&mut session.first, &mut session.second] {
        let empty = end.frame("x", vec![]);
        match end.link.outgoing.send(empty).await {
            Err(error) if !error.link_goes_on() => return Err(down("an empty frame", &error)),
            _ => {}
        }
    }
    session.settle("x").await?;
    Ok(Verdict::Holds)
}

/// Several hundred frames at once to readers that take their time.
pub(super) async fn burst(fixture: &mut dyn Fixture) -> Checked {
    let mut session = Session::open(fixture, &["x"]).await?;
    let len = session.first.facts.max_frame.min(session.second.facts.max_frame).clamp(8, 1024);
    let burst = |side| -> Vec<_> { (0..400).map(|number| filled(side, number, len)).collect() };
    let (from_first, from_second) = (burst(1), burst(2));
    let pause = Duration::from_millis(1);
    let [at_first, at_second] =
        session.exchange_slowly("x", &from_first, &from_second, pause).await?;
    let reliable = session.first.facts.reliable && session.second.facts.reliable;
    let (first, second) = (session.first.channel("x"), session.second.channel("x"));
    let mut failures = judge(&from_second, first.as_ref(), &at_first.frames, reliable);
    failures.extend(judge(&from_first, second.as_ref(), &at_second.frames, reliable));
    let sent = from_first.len() + from_second.len();
    match failures.len() {
        0 => Ok(Verdict::Holds),
        amiss => Err(vec![Failure::general(format!("{amiss} of {sent} frames amiss"))]),
    }
}

/// A frame of one byte too many.
pub(super) async fn too_large(fixture: &mut dyn Fixture) -> Checked {
    let mut session = Session::open(fixture, &["x"]).await?;
    for end in [&mut session.first, &mut session.second] {
        let max_frame = end.facts.max_frame;
        let frame = end.frame("x", vec![7; max_frame + 1]);
        match end.link.outgoing.send(frame).await {
            Err(TransportError::TooLarge { len, max })
                if len == max_frame + 1 && max == max_frame => {}
            other => return Err(vec![Failure::general(format!("sending gave {other:?}"))]),
        }
    }
    session.settle("x").await?;
    Ok(Verdict::Holds)
}

/// Frames on two channels stay on theirs, and one that nobody named is refused.
pub(super) async fn channels(fixture: &mut dyn Fixture) -> Checked {
    let mut session = Session::open(fixture, &["x", "y"]).await?;
    if session.first.facts.channels == ChannelCount::One {
        return Ok(Verdict::ONE_CHANNEL);
    }
    session.settle("y").await?;
    let reliable = session.first.facts.reliable && session.second.facts.reliable;
    let mut failures = vec![];
    for (round, channel) in (1..).zip(["x", "y", "x"]) {
        let frames = |side| -> Vec<_> { (0..20).map(|number| filled(side, number, 12)).collect() };
        let (from_first, from_second) = (frames(round), frames(100 + round));
        let [at_first, at_second] = session.exchange(channel, &from_first, &from_second).await?;
        let named = session.first.channel(channel);
        let mut amiss = judge(&from_second, named.as_ref(), &at_first.frames, reliable);
        amiss.extend(judge(&from_first, named.as_ref(), &at_second.frames, reliable));
        failures.extend(amiss.into_iter().map(|failure| Failure::general(failure.why)));
    }
    for end in [&mut session.first, &mut session.second] {
        let nowhere = crate::Frame::bare(vec![7; 12]);
        match end.link.outgoing.send(nowhere).await {
            Err(TransportError::NoChannel) => {}
            other => failures.push(Failure::general(format!("without a channel: {other:?}"))),
        }
    }
    verdict(failures)
}

/// Both ends open more channels at a time while the link is up.
pub(super) async fn late_channel(fixture: &mut dyn Fixture) -> Checked {
    let mut session = Session::open(fixture, &["x"]).await?;
    if session.first.facts.channels == ChannelCount::One {
        return Ok(Verdict::ONE_CHANNEL);
    }
    let late = ["late", "later", "last"];
    session.open_channels(&late);
    for channel in late {
        session.settle(channel).await?;
    }
    Ok(Verdict::Holds)
}

/// Both ends close a channel, and open it again once they must have noticed.
pub(super) async fn reopened(fixture: &mut dyn Fixture) -> Checked {
    let mut session = Session::open(fixture, &["x", "y"]).await?;
    if session.first.facts.channels == ChannelCount::One {
        return Ok(Verdict::ONE_CHANNEL);
    }
    session.close_channels(&["x"]);
    session.settle("y").await?;
    session.open_channels(&["x"]);
    session.settle("x").await?;
    Ok(Verdict::Holds)
}

fn verdict(failures: Vec<Failure>) -> Checked {
    if failures.is_empty() { Ok(Verdict::Holds) } else { Err(failures) }
}

/// Frames of all sizes up to the largest, each of them unique, with bytes of all kinds.
fn assortment(side: u8, max_frame: usize) -> Vec<Bytes> {
    let around = |size: usize| [size.saturating_sub(1), size, size + 1];
    let mut sizes: Vec<usize> = (1..=64).collect();
    sizes.extend([128, 254, 256, 512, 1024, 4096, 65_536].into_iter().flat_map(around));
    sizes.extend(around(max_frame.saturating_sub(1)));
    sizes.retain(|size| (1..=max_frame).contains(size));
    sizes.sort_unstable();
    sizes.dedup();
    let mut frames: Vec<_> = sizes.iter().map(|size| filled(side, *size as u32, *size)).collect();

    let looks: [&[u8]; 7] = [
        &[0; 40],
        &[0xff; 40],
        b"\r\n\r\n+++ATH0\r\n{\"json\": null}\n",
        b"\x1b[2J\x11\x13\x03\x04\x1a~}\xc0\xdb",
        b"\0\0\0\x05hello\0\0\0\x05again",
        &[0, 1, 2, 3, 0, 0, 0xff, 0xfe, 0x80, 0x7f],
        "péripétie ☎ \u{feff}".as_bytes(),
    ];
    let all: Vec<u8> = (0..=255).collect();
    for look in looks.into_iter().chain([&all[..]]) {
        let frame: Bytes = [&[side], look, &[side]].concat().into();
        if frame.len() <= max_frame {
            frames.push(frame);
        }
    }
    frames
}

/// A frame that no other side or number gives: they come first, as far as there is room.
fn filled(side: u8, number: u32, len: usize) -> Bytes {
    let [a, b, c, d] = number.to_le_bytes();
    let head = [side, a, b, c, d];
    let rest = (0..).map(|place: u32| (place.wrapping_mul(31) ^ number.wrapping_mul(7)) as u8);
    head.into_iter().chain(rest).take(len).collect()
}
