//! What a device stores does not grow without bound. Not what the records say.

use crate::report::Reason;
use crate::run::Device;

/// PROTOCOL §3.15: members, and so windows and keys, are bounded by it; no house here has as many.
const RECORDS: usize = 2_048;
const GENERATIONS: usize = 4;
const BYTES: usize = 1 << 20;

pub(super) fn audit(device: &Device) -> Result<(), Reason> {
    let (records, bytes) = device.storage.size();
    let generations = device.storage.count("generation/");
    for (what, have, bound) in [
        ("records", records, RECORDS),
        ("bytes", bytes, BYTES),
        ("generations", generations, GENERATIONS),
    ] {
        if have > bound {
            return Err(Reason::Unbounded { what, have, bound });
        }
    }
    Ok(())
}
