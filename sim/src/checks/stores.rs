//! What a device stores does not grow without bound. Not what the records say.

use crate::report::Reason;
use crate::run::Device;

/// What a device holds besides members and operations.
const RECORDS: usize = 64;
/// A window, a KEM key, and so on.
const EACH_MEMBER: usize = 4;
/// An operation that it brought about, and others that follow from it.
const EACH_ORDER: usize = 4;
/// Of the messages of one room.
const KEPT: usize = 2_000;
/// PROTOCOL §3.15.
const GENERATIONS: usize = 4;
/// Generations that are gone, windows and operations: a record has less than this on average.
const EACH_RECORD: usize = 1_024;

/// `places`: who may ever have been a member; `orders`: what keepers were told to do.
pub(super) fn audit(device: &Device, places: usize, orders: usize) -> Result<(), Reason> {
    let (records, bytes) = device.storage.size();
    let generations = device.storage.count("generation/");
    // Messages that are kept on purpose have bounds of their own.
    let kept = ["unsent/", "sent/", "inbox/", "acknowledged/", "history/", "readers/"];
    let kept: usize = kept.iter().map(|kind| device.storage.count(kind)).sum();
    let bound = RECORDS + EACH_MEMBER * places + EACH_ORDER * orders + kept.min(KEPT);
    for (what, have, bound) in [
        ("records", records, bound),
        ("bytes", bytes, bound * EACH_RECORD),
        ("generations", generations, GENERATIONS),
    ] {
        if have > bound {
            return Err(Reason::Unbounded { what, have, bound });
        }
    }
    Ok(())
}
