//! Finds secrets in the memory of this very process, without holding them in clear itself.
//! Not for registers, nor for what was swapped out.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use zeroize::Zeroizing;

/// What the needles are held under: not a byte of them stands in memory as it is.
const MASK: u8 = 0xa7;
/// Of one read.
const CHUNK: usize = 1 << 20;
/// What a needle is looked for in: fewer bytes may be found by chance, and the allocator writes over
/// the first ones of what is freed.
const PART: usize = 16;

/// Something that must not be found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Needle {
    pub(crate) name: String,
    masked: Vec<u8>,
}

impl Needle {
    pub(crate) fn new(name: impl Into<String>, secret: &[u8]) -> Self {
        assert!(secret.len() >= PART);
        Self { name: name.into(), masked: mask(secret) }
    }

    /// A new secret, made without it ever standing anywhere but in what this returns.
    pub(crate) fn random(name: &str) -> (Self, Zeroizing<Vec<u8>>) {
        let mut masked = vec![0; 32];
        getrandom::fill(&mut masked).unwrap();
        let mut secret = Zeroizing::new(vec![0; 32]);
        unmask(&masked, &mut secret);
        (Self { name: name.into(), masked }, secret)
    }

    pub(crate) fn expose(&self) -> Vec<u8> {
        let mut secret = vec![0; self.masked.len()];
        unmask(&self.masked, &mut secret);
        secret
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.masked.chunks_exact(PART)
    }

    /// Whether a part of it begins these bytes.
    fn begins(&self, bytes: &[u8]) -> bool {
        let same =
            |part: &[u8]| part.iter().zip(bytes).all(|(masked, byte)| *masked == byte ^ MASK);
        bytes.len() >= PART && self.parts().any(same)
    }
}

fn mask(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ MASK).collect()
}

fn unmask(masked: &[u8], into: &mut [u8]) {
    into.iter_mut().zip(masked).for_each(|(byte, masked)| *byte = masked ^ MASK);
}

/// Where a needle was found.
pub(crate) struct Found {
    pub(crate) name: String,
    address: u64,
    mapping: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:x} in {}", self.name, self.address, self.mapping)
    }
}

/// Looks through all that this process can write: its heaps, its stacks and its statics.
pub(crate) fn search(needles: &[Needle]) -> io::Result<Vec<Found>> {
    let memory = File::open("/proc/self/mem")?;
    let mut search = Search { by_start: starts(needles), needles, found: Vec::new() };
    // What is read into it is no further place.
    let mut chunk = Zeroizing::new(vec![0; CHUNK]);
    let ours = chunk.as_ptr() as u64..chunk.as_ptr() as u64 + CHUNK as u64;
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        let Some((from, to)) = writable(line) else { continue };
        let mut at = from;
        while at < to {
            let len = (to - at).min(CHUNK as u64) as usize;
            // A mapping may be gone since, and some of the kernel's can't be read.
            let Ok(read) = memory.read_at(&mut chunk[..len], at) else { break };
            search.look(&chunk[..read], at, &ours, line);
            // A needle may lie across the border.
            at += if at + read as u64 >= to { read as u64 } else { (read - PART).max(1) as u64 };
        }
    }
    Ok(search.found)
}

/// The addresses of a mapping that can be written.
fn writable(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    let address = |hex| u64::from_str_radix(hex, 16).ok();
    rest.starts_with("rw").then_some((address(from)?, address(to)?))
}

struct Search<'a> {
    needles: &'a [Needle],
    /// Whether a part of any needle begins with these two bytes.
    by_start: Vec<bool>,
    found: Vec<Found>,
}

fn starts(needles: &[Needle]) -> Vec<bool> {
    let mut starts = vec![false; 1 << 16];
    for part in needles.iter().flat_map(Needle::parts) {
        starts[start(part[0] ^ MASK, part[1] ^ MASK)] = true;
    }
    starts
}

fn start(first: u8, second: u8) -> usize {
    usize::from(u16::from_be_bytes([first, second]))
}

impl Search<'_> {
    fn look(&mut self, bytes: &[u8], at: u64, ours: &std::ops::Range<u64>, mapping: &str) {
        for (offset, pair) in bytes.windows(2).enumerate() {
            if !self.by_start[start(pair[0], pair[1])] {
                continue;
            }
            let address = at + offset as u64;
            if ours.contains(&address) {
                continue;
            }
            for needle in self.needles.iter().filter(|needle| needle.begins(&bytes[offset..])) {
                let (name, mapping) = (needle.name.clone(), mapping.to_owned());
                self.found.push(Found { name, address, mapping });
            }
        }
    }
}
