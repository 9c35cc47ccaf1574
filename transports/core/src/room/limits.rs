//! The bounds of a room on TCP, and of the links to one.
//! Not their enforcement: that is where the bytes are.

use std::time::Duration;

/// The bounds of a room, and of a link to one; the first three and the last concern both sides, the
/// rest a room.
///
/// ```
/// use stringphone_transport::room::Limits;
///
/// let mut limits = Limits::default();
/// limits.peers = 8;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest frame in bytes; 65 KiB. Both sides should agree on it: a room puts out a peer
    /// that sends larger ones.
    pub max_frame: usize,
    /// How long a frame may take from its first byte to its last; 10 s. Silence between frames may
    /// last for ever.
    pub partial_frame: Duration,
    /// How long the other side may accept no byte while some wait for it; 10 s. On Linux and
    /// Android also how long it may leave unacknowledged what was sent, as when it has vanished.
    pub write_stall: Duration,
    /// How many peers a room holds; 256. Further ones take the place of one that has not sent a
    /// single frame for `partial_frame`, or are turned away.
    pub peers: usize,
    /// How many bytes may wait for one peer of a room; 1 MiB. Frames count 64 bytes more than they
    /// have.
    pub unread: usize,
    /// How many bytes of one peer may wait for the carrier of a room; 256 KiB. Beyond, the room
    /// reads no more from this peer until the carrier has caught up, and TCP makes the peer wait.
    pub unhandled: usize,
    /// How many channels one peer of a room may use; 64.
    pub channels: usize,
    /// How long [`connect`](crate::Transport::connect) may take, and in a room the handshake of a
    /// peer, where there is one; 10 s.
    pub connect: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame: 65 * 1024,
            partial_frame: Duration::from_secs(10),
            write_stall: Duration::from_secs(10),
            peers: 256,
            unread: 1024 * 1024,
            unhandled: 256 * 1024,
            channels: 64,
            connect: Duration::from_secs(10),
        }
    }
}
