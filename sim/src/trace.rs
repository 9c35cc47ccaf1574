//! A fingerprint of everything that happened, in order. Not the events themselves.

use std::fmt;
use std::time::Duration;

use crc::{CRC_64_XZ, Crc, Digest, Table};

static CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

/// Two runs with the same fingerprint were the same run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TraceHash(pub u64);

impl fmt::Display for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

pub(crate) struct Trace(Digest<'static, u64, Table<16>>);

impl Trace {
    pub(crate) fn new() -> Self {
        Self(CRC.digest())
    }

    /// Something of this kind happened, now, at this device or place.
    pub(crate) fn add(&mut self, now: Duration, kind: u8, at: usize, bytes: &[u8]) {
        self.0.update(&now.as_nanos().to_le_bytes());
        self.0.update(&[kind]);
        self.0.update(&u64::try_from(at).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(bytes);
    }

    pub(crate) fn hash(&self) -> TraceHash {
        TraceHash(self.0.clone().finalize())
    }
}
