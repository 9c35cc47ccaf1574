//! Reading and writing fields: big-endian integers, short texts, lengths. Not here: what any field
//! means.

use alloc::vec::Vec;

/// Reads fields from the front of some bytes. `None` where they end too early.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u40(&mut self) -> Option<u64> {
        self.array().map(|[a, b, c, d, e]| u64::from_be_bytes([0, 0, 0, a, b, c, d, e]))
    }

    pub(super) fn u48(&mut self) -> Option<u64> {
        self.array().map(|[a, b, c, d, e, f]| u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A length of one byte, and as much UTF-8, at most 64 bytes.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = self.u8().filter(|len| usize::from(*len) <= MAX_TEXT)?;
        core::str::from_utf8(self.take(len.into())?).ok()
    }

    /// LEB128 of at most three bytes, in its shortest form.
    pub(super) fn length(&mut self) -> Option<usize> {
        let mut value = 0_usize;
        for shift in [0, 7, 14] {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return (byte != 0 || shift == 0).then_some(value);
            }
        }
        None
    }

    pub(super) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Some` where nothing is left.
    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// The longest name of anything, in bytes.
pub(super) const MAX_TEXT: usize = 64;

/// Writes fields behind what is there.
pub(super) trait Write {
    fn put(&mut self, bytes: &[u8]) -> &mut Self;

    fn u8(&mut self, value: u8) -> &mut Self {
        self.put(&[value])
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    fn u40(&mut self, value: u64) -> &mut Self {
        self.put(&five(value))
    }

    fn u48(&mut self, value: u64) -> &mut Self {
        let [_, _, bytes @ ..] = value.to_be_bytes();
        self.put(&bytes)
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    /// At most as much of the text as fits, cut between characters.
    fn text(&mut self, text: &str) -> &mut Self {
        let text = fitting(text);
        self.u8(u8::try_from(text.len()).unwrap_or(0)).put(text.as_bytes())
    }

    fn length(&mut self, mut value: usize) -> &mut Self {
        while value > 0x7f {
            self.u8(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
            value >>= 7;
        }
        self.u8(u8::try_from(value).unwrap_or(0))
    }
}

impl Write for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.extend_from_slice(bytes);
        self
    }
}

/// A counter's five bytes.
pub(super) const fn five(value: u64) -> [u8; 5] {
    let [_, _, _, bytes @ ..] = value.to_be_bytes();
    bytes
}

/// As much of a name as fits into its field.
pub(super) fn fitting(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

/// How many bytes [`Write::length`] takes.
pub(super) const fn length_of_length(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => 3,
    }
}

/// The largest length that fits three bytes.
pub(super) const MAX_LENGTH: usize = (1 << 21) - 1;
