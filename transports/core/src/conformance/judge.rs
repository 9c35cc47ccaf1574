//! From what was sent and what arrived: which claims fail.
//! Not the exchange of frames.

use bytes::Bytes;

use super::{claims, report::Failure, session::CONTROL};
use crate::{ChannelName, Frame};

/// Shorter parts are found in any frame by chance.
const TELLING: usize = 6;

/// Compares the frames that one end sent with those that the other received.
pub(super) fn judge(
    sent: &[Bytes],
    channel: Option<&ChannelName>,
    arrived: &[Frame],
    reliable: bool,
) -> Vec<Failure> {
    let mut failures = vec![];
    let mut places = vec![];
    // Empty ones are seen in all checks alike, and do not count here.
    for frame in arrived.iter().filter(|frame| !frame.bytes.is_empty()) {
        if frame.channel.as_ref() != channel {
            let why = format!("expected {channel:?}, got {:?}", frame.channel);
            failures.push(Failure::of(claims::NAMED, why));
        }
        match sent.iter().position(|sent| *sent == frame.bytes) {
            Some(place) => places.push(place),
            None => failures.push(stranger(sent, &frame.bytes)),
        }
    }
    if places.is_empty() && !sent.is_empty() {
        failures.push(Failure::of(claims::SOMETHING, "nothing that was sent arrived"));
    }
    if reliable {
        failures.extend(count(sent, &places));
    }
    failures
}

/// A frame arrived that nobody sent.
fn stranger(sent: &[Bytes], arrived: &Bytes) -> Failure {
    let len = arrived.len();
    let part_of = |whole: &[u8], part: &[u8]| {
        (TELLING..whole.len()).contains(&part.len())
            && (whole.starts_with(part) || whole.ends_with(part))
    };
    if arrived.starts_with(CONTROL) || sent.iter().any(|sent| part_of(arrived, sent)) {
        return Failure::of(claims::BOUNDS, format!("one of {len} bytes holds more than a frame"));
    }
    if part_of(CONTROL, arrived) || sent.iter().any(|sent| part_of(sent, arrived)) {
        return Failure::of(claims::BOUNDS, format!("one of {len} bytes is part of a frame"));
    }
    Failure::of(claims::BYTES, format!("one of {len} bytes is none that was sent"))
}

/// What a reliable link owes: every place once, and in order.
fn count(sent: &[Bytes], places: &[usize]) -> Vec<Failure> {
    let mut failures = vec![];
    let times = |place: usize| places.iter().filter(|other| **other == place).count();
    let largest = sent.iter().map(Bytes::len).max().unwrap_or(0);
    for (place, frame) in sent.iter().enumerate() {
        let why = || format!("number {place}, of {} bytes", frame.len());
        match times(place) {
            0 if frame.len() == largest => failures.push(Failure::of(claims::LARGEST, why())),
            0 => failures.push(Failure::of(claims::LOST, why())),
            1 => {}
            _ => failures.push(Failure::of(claims::TWICE, why())),
        }
    }
    if !places.is_sorted() {
        failures.push(Failure::of(claims::ORDER, "later ones came before earlier ones"));
    }
    failures
}
