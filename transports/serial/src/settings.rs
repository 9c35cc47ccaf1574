//! What both ends of a line agree on, and how a wire is shared.
//! Not which port it is.

use std::time::Duration;

/// How a port is used.
///
/// ```
/// use std::time::Duration;
/// use stringphone_serial::{Serial, Settings};
///
/// let mut shared = Settings::default();
/// shared.baud = 19_200;
/// shared.half_duplex = true;
/// shared.gap = Duration::from_millis(5);
/// let bus = Serial::at("/dev/ttyUSB0").settings(shared);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Bits a second, of which a byte takes ten; 115,200.
    pub baud: u32,
    /// The largest frame in bytes; 1024, which is 0.1 s at 115,200 bits a second and 1.2 s at 9600.
    /// Everything else waits for so long.
    pub max_frame: usize,
    /// How long a line is silent between two frames; nothing. For receivers that need it, and in
    /// half duplex for adapters that hear late. Counts as a minute where it is more.
    pub gap: Duration,
    /// Whether several stations share one wire, so that only one may send at a time; no. See the
    /// crate's front page for what happens then.
    pub half_duplex: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { baud: 115_200, max_frame: 1024, gap: Duration::ZERO, half_duplex: false }
    }
}
