//! What a String phone transport is: the [`Transport`] trait, the [`Link`] that it brings up, and
//! tools for those who write one.
//! Not a transport itself, and nothing of topics, keys or actors.
//!
//! An adapter implements [`Transport`]: two methods. Reconnection, back-off, fragmentation and
//! link events are the carrier's job, in the crate `stringphone`. What helps on the way:
//!
//! * [`framing`]: two codecs that put frames on a byte stream, one for streams that lose nothing
//!   and one for wires that do, and [`framing::link`], which makes a link of a stream and a codec;
//! * [`address`]: transports named by URL, and the registry that finds them;
//! * [`faults`]: a seeded wrapper that loses, repeats, reorders, delays and damages frames;
//! * `room` (feature `room`): all that listens on TCP but what is spoken there;
//! * `tls` (feature `tls`): a connection to a server that is trusted, of a stream;
//! * `conformance` (feature `conformance`): the claims that every adapter has to keep.
//!
//! # A whole adapter
//!
//! ```
//! use async_trait::async_trait;
//! use futures::{SinkExt, StreamExt, channel::mpsc};
//! use stringphone_transport::{Channels, Facts, Frame, Link, Transport, TransportError};
//!
//! /// Whoever sends hears it back.
//! struct Loopback;
//!
//! #[async_trait]
//! impl Transport for Loopback {
//!     fn facts(&self) -> Facts {
//!         Facts::new("loopback", 1024).reliable()
//!     }
//!
//!     async fn connect(&mut self, _channels: Channels) -> Result<Link, TransportError> {
//!         let (sender, receiver) = mpsc::channel::<Frame>(8);
//!         Ok(Link::new(receiver.map(Ok), sender.sink_map_err(|_| TransportError::Closed)))
//!     }
//! }
//!
//! # async fn example() -> Result<(), TransportError> {
//! let (_owner, channels) = Channels::new([]);
//! let mut link = Loopback.connect(channels).await?;
//! link.outgoing.send(Frame::bare(&b"hello"[..])).await?;
//! assert!(link.incoming.next().await.is_some());
//! # Ok(())
//! # }
//! ```
//!
//! (A real adapter does not let a sender hear itself, and refuses frames above its
//! [`Facts::max_frame`]; the conformance suite says so.)

pub mod address;
mod channel;
mod channels;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
pub mod faults;
pub mod framing;
mod link;
#[cfg(feature = "room")]
pub mod room;
#[cfg(feature = "tls")]
pub mod tls;

pub use channel::ChannelName;
pub use channels::{ChannelChanges, Channels, ChannelsOwner};
pub use error::TransportError;
pub use link::{ChannelCount, Facts, Frame, Incoming, Link, Outgoing, Transport};

/// The code for authors of adapters, compiled and run.
#[cfg(all(doctest, feature = "conformance"))]
#[doc = include_str!("../../../docs/TRANSPORTS.md")]
struct Transports;
