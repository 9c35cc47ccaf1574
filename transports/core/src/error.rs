//! The one error type of transports.
//! Not the errors of topics or of the protocol: those live in their own layers.

use std::{any::Any, error::Error, io, time::Duration};

/// What can go wrong with a link.
///
/// Most errors mean that the link is down and has to be connected again; the exceptions are named
/// by [`TransportError::link_goes_on`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The link did not come up.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),

    /// Something took longer than it may; the link is down.
    #[error("{what} took longer than {after:?}")]
    Timeout {
        /// What was waited for, in words for a log.
        what: &'static str,
        /// How long was waited.
        after: Duration,
    },

    /// The link is down because one of its ends closed it.
    #[error("the link is closed")]
    Closed,

    /// The link is down because the operating system says so.
    #[error("the link is down: {0}")]
    Io(#[from] io::Error),

    /// The peer broke the framing of a link that cannot find back into step; the link is down.
    #[error("the framing is broken: {0}")]
    Framing(&'static str),

    /// Frames were dropped as garbage on the way in. The link goes on.
    #[error("{dropped} frames dropped as garbage: {reason}")]
    Malformed {
        /// How many pieces of garbage this report stands for, at least one.
        dropped: u64,
        /// What was wrong with the last of them.
        reason: &'static str,
    },

    /// An outgoing frame is larger than [`Facts::max_frame`](crate::Facts::max_frame) and was
    /// refused. The link goes on.
    #[error("a frame of {len} bytes on a link that carries {max}")]
    TooLarge {
        /// Bytes of the refused frame.
        len: usize,
        /// The largest frame in bytes.
        max: usize,
    },

    /// An outgoing frame names no channel on a link that carries many, and was refused. The link
    /// goes on.
    #[error("a frame without a channel on a link that carries many")]
    NoChannel,

    /// A channel name was refused: it is UTF-8 of 1 to 64 bytes. No link is touched.
    #[error("a channel name of {len} bytes; it may have 1 to 64")]
    ChannelName {
        /// Bytes of the refused name.
        len: usize,
    },

    /// What an adapter's own library reports; the link is down.
    #[error("the link is down: {0}")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}

impl TransportError {
    /// Wraps the error of an adapter's own library, or a sentence of its own.
    ///
    /// ```
    /// let error = stringphone_transport::TransportError::other("the modem hung up");
    /// assert_eq!(error.to_string(), "the link is down: the modem hung up");
    /// ```
    pub fn other(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// What a panic of an adapter becomes, as `catch_unwind` hands it over.
    pub fn panicked(panic: &(dyn Any + Send)) -> Self {
        let said = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::other(format!("the adapter panicked: {}", said.unwrap_or("no words")))
    }

    /// Whether the link is still up after this error.
    pub fn link_goes_on(&self) -> bool {
        matches!(
            self,
            Self::Malformed { .. }
                | Self::TooLarge { .. }
                | Self::NoChannel
                | Self::ChannelName { .. }
        )
    }
}
