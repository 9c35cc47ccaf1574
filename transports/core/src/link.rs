//! The trait that adapters implement, and the link that it brings up.
//! Not the carrier: nothing here reconnects, retries or fragments.

use std::{fmt, pin::Pin};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Sink, Stream};

use crate::{ChannelName, Channels, TransportError};

/// A way to move frames: what an adapter author implements.
///
/// The crate's front page shows a whole adapter.
#[async_trait]
pub trait Transport: Send + 'static {
    /// What is known of the link before it is up; the same answer every time.
    fn facts(&self) -> Facts;

    /// Brings the link up; called again after every loss.
    ///
    /// `channels` tells which channels somebody listens to here: all that are open, then each that
    /// opens or closes. Adapters that need not subscribe or announce anything ignore it.
    ///
    /// Cancel-safe: dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// Any [`TransportError`] means that there is no link, and that another try is welcome.
    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError>;
}

#[async_trait]
impl Transport for Box<dyn Transport> {
    fn facts(&self) -> Facts {
        (**self).facts()
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        (**self).connect(channels).await
    }
}

/// What is known of a link before it is up.
///
/// ```
/// use stringphone_transport::{ChannelCount, Facts};
///
/// let facts = Facts::new("tcp hub:7000", 64 * 1024).reliable().many_channels();
/// assert!(facts.reliable);
/// assert_eq!(facts.channels, ChannelCount::Many);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// A name for events and logs, as in `tcp hub:7000`; it holds no secrets.
    pub name: String,
    /// The largest frame that the link carries, in bytes, without channel and framing.
    pub max_frame: usize,
    /// Whether every frame arrives once and in order for as long as the link is up.
    pub reliable: bool,
    /// How many channels share the link.
    pub channels: ChannelCount,
}

impl Facts {
    /// Facts of a link that may lose frames and carries one channel; `max_frame` is in bytes.
    pub fn new(name: impl Into<String>, max_frame: usize) -> Self {
        Self { name: name.into(), max_frame, reliable: false, channels: ChannelCount::One }
    }

    /// Every frame arrives once and in order for as long as the link is up.
    #[must_use]
    pub fn reliable(mut self) -> Self {
        self.reliable = true;
        self
    }

    /// The link tells channels apart.
    #[must_use]
    pub fn many_channels(mut self) -> Self {
        self.channels = ChannelCount::Many;
        self
    }
}

/// How many channels share a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelCount {
    /// The link is one channel: incoming frames name none, and outgoing ones need not.
    One,
    /// Every frame names its channel.
    Many,
}

/// A link that is up. Dropping both halves takes it down and ends whatever served it.
///
/// The halves are independent and may move to different tasks; when one of them reports that the
/// link is down, drop both and call [`Transport::connect`] again.
pub struct Link {
    /// The frames that arrive.
    pub incoming: Incoming,
    /// The frames that leave.
    pub outgoing: Outgoing,
}

impl Link {
    /// Boxes the two halves.
    pub fn new(
        incoming: impl Stream<Item = Result<Frame, TransportError>> + Send + 'static,
        outgoing: impl Sink<Frame, Error = TransportError> + Send + 'static,
    ) -> Self {
        Self { incoming: Box::pin(incoming), outgoing: Box::pin(outgoing) }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

/// The receiving half of a link.
///
/// `Err(TransportError::Malformed { .. })` reports garbage that was dropped, and the link goes on.
/// Any other error means that the link is down, and so does the end of the stream.
pub type Incoming = Pin<Box<dyn Stream<Item = Result<Frame, TransportError>> + Send>>;

/// The sending half of a link.
///
/// `start_send` refuses a frame above [`Facts::max_frame`] with [`TransportError::TooLarge`] and
/// one that lacks its channel with [`TransportError::NoChannel`]; the link goes on after both. Any
/// other error means that the link is down. Not ready means back-pressure: wait. Closing hands over
/// what the adapter can hand over at once and does not wait for a peer that does not read.
pub type Outgoing = Pin<Box<dyn Sink<Frame, Error = TransportError> + Send>>;

/// One frame: opaque bytes, and the channel that they belong to.
///
/// No frame of a protocol is empty, so adapters may use empty ones among themselves; they hand none
/// to the carrier.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The channel, on a link with many.
    pub channel: Option<ChannelName>,
    /// The frame itself, at most [`Facts::max_frame`] bytes.
    pub bytes: Bytes,
}

impl Frame {
    /// A frame of a link with one channel.
    pub fn bare(bytes: impl Into<Bytes>) -> Self {
        Self { channel: None, bytes: bytes.into() }
    }

    /// A frame of a link with many channels.
    pub fn on(channel: ChannelName, bytes: impl Into<Bytes>) -> Self {
        Self { channel: Some(channel), bytes: bytes.into() }
    }
}

impl Frame {
    /// Refuses what no sink takes: a frame above `max_frame` bytes, and one that lacks its channel.
    ///
    /// # Errors
    /// [`TransportError::TooLarge`] or [`TransportError::NoChannel`], after which the link goes on.
    pub fn check(&self, max_frame: usize, channels: ChannelCount) -> Result<(), TransportError> {
        match self.bytes.len() {
            len if len > max_frame => Err(TransportError::TooLarge { len, max: max_frame }),
            _ if channels == ChannelCount::Many && self.channel.is_none() => {
                Err(TransportError::NoChannel)
            }
            _ => Ok(()),
        }
    }
}

/// Tells channel and size; the bytes themselves have no place in a log.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channel = self.channel.as_ref().map(ChannelName::as_str);
        f.debug_struct("Frame").field("channel", &channel).field("len", &self.bytes.len()).finish()
    }
}
