//! The claims by name, as a report lists them.
//! Not their checks.

/// Facts are the same every time, and possible.
pub const FACTS: &str = "facts are the same every time, and possible";
/// Nothing is lost (reliable links).
pub const LOST: &str = "nothing is lost";
/// Nothing arrives twice (reliable links).
pub const TWICE: &str = "nothing arrives twice";
/// Frames arrive in order (reliable links).
pub const ORDER: &str = "frames arrive in order";
/// Frames are neither merged nor split nor cut short.
pub const BOUNDS: &str = "frames are neither merged nor split nor cut short";
/// Bytes arrive as they were sent.
pub const BYTES: &str = "bytes arrive as they were sent";
/// A frame as large as the facts say arrives.
pub const LARGEST: &str = "a frame as large as the facts say arrives";
/// Something arrives at all.
pub const SOMETHING: &str = "something arrives at all";
/// Nobody hears an echo.
pub const ECHO: &str = "nobody hears an echo";
/// A frame comes with its channel, or with none where there is one channel.
pub const NAMED: &str = "a frame comes with its channel, or with none where there is one";
/// No frame is handed up that is empty, or larger than the facts say; whatever the check.
pub const SIZES: &str = "no frame is handed up that is empty, or larger than the facts say";
/// A burst gets through to a slow reader.
pub const BURST: &str = "a burst gets through to a slow reader";
/// A frame that is too large is refused, and the link goes on.
pub const TOO_LARGE: &str = "a frame that is too large is refused, and the link goes on";
/// Channels are kept apart.
pub const CHANNELS: &str = "channels are kept apart";
/// A channel that is opened later is heard.
pub const LATE_CHANNEL: &str = "a channel that is opened later is heard";
/// A channel that is closed and opened again is heard.
pub const REOPENED_CHANNEL: &str = "a channel that is closed and opened again is heard";
/// What was sent before closing arrives (reliable links).
pub const CLOSING_ARRIVES: &str = "what was sent before closing arrives";
/// Sending to a peer that does not read waits or fails, within so many frames that nobody runs out of
/// memory, unless the peer loses its link for it (reliable links).
pub const BACK_PRESSURE: &str = "sending to a peer that does not read waits or fails";
/// Closing finishes though the peer does not read.
pub const CLOSING: &str = "closing finishes though the peer does not read";
/// The peer of a dropped link notices, or goes on.
pub const DROPPED: &str = "the peer of a dropped link notices, or goes on";
/// A cut link fails in both directions (fixtures that can cut).
pub const CUT: &str = "a cut link fails in both directions";
/// A link that was lost can be connected again, and carries all channels that are open by then.
pub const AGAIN: &str = "a link that was lost can be connected again";

/// What one exchange of frames shows.
pub(super) const DELIVERY: &[&str] =
    &[SOMETHING, LOST, TWICE, ORDER, BOUNDS, BYTES, LARGEST, ECHO, NAMED];
