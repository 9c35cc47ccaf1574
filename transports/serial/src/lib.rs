//! String phone over a serial line: frames that survive noise.
//! Not reconnection, which is the carrier's.
//!
//! A line is one link with many channels: several topics share it, and each frame names its own. It
//! loses what noise damages, and tells how much that was.
//!
//! ```no_run
//! use stringphone_serial::{Serial, Settings};
//!
//! let adapter = Serial::usb("A50285BI");
//!
//! let mut slow = Settings::default();
//! slow.baud = 9600;
//! let modem = Serial::at("/dev/ttyS0").settings(slow);
//! ```
//!
//! # On the wire
//!
//! [`Cobs`](stringphone_transport::framing::Cobs) frames, 8 data bits, no parity, one stop bit, no
//! flow control. Both ends need the same [`Settings::baud`], and should have the same
//! [`Settings::max_frame`]: an end takes a frame that is larger than its own for garbage.
//!
//! # Plugging
//!
//! A port that is unplugged takes the link down. It is looked up again at every
//! [`connect`](stringphone_transport::Transport::connect): one that is named by its USB serial
//! number is found wherever it turns up. While a link is up the port is ours alone, as far as the
//! system can see to that.
//!
//! # Back-pressure
//!
//! The sink takes one frame at a time, and not while more than 10 ms worth of bytes wait in the
//! system, so that what is urgent does not queue up behind seconds of what is not. A flush waits
//! until the system has nothing left to send. A port that takes no byte for three seconds, though
//! hardly any wait, takes the link down. Closing waits as a flush does, but no longer than two
//! seconds; what is left by then, and what is under way when a link is dropped, is thrown away.
//!
//! # Shared wires
//!
//! Where several stations share one wire, as with RS-485 or a radio modem, set
//! [`Settings::half_duplex`]. A station then sends a frame only on a silent line:
//!
//! * It waits until nothing has arrived for 4 byte times, or [`Settings::gap`] if that is longer.
//!   What arrived last has to be the end of a frame: within one, the line counts as busy for 50 ms
//!   more, since USB adapters hand bytes on in lumps.
//! * It then waits for 0 to 7 slots, drawn at random for each turn, of 4 byte times or 1 ms, whichever
//!   is longer. When something arrives meanwhile, it starts over.
//! * Whoever sent last waits for 8 slots more, so that others come first.
//!
//! Stations collide when they draw the same slot, or when one hears the other too late: both frames
//! are lost then, as to any other noise, and the next draw decides anew.
//!
//! Many such adapters hear what they send. A frame that is equal to one of the last eight that were
//! sent on this link is therefore dropped.

#![warn(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod address;
mod echoes;
mod line;
mod outgoing;
mod pace;
mod ports;
mod serial;
mod settings;

pub use ports::{Port, ports};
pub use serial::Serial;
pub use settings::Settings;
