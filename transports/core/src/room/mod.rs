//! A room: what listens on TCP, lets peers in, and is one link to its carrier.
//! Not what is spoken on the connections: that is a [`Wire`], which an adapter adds.
//!
//! What one peer sends, all others hear, and so does the side that listens; nobody hears an echo. A
//! peer hears every channel that it has sent something on, for as long as it stays; an empty frame
//! does nothing else.
//!
//! Each peer has a queue of its own, and whoever sends to a peer that lags waits for it a tenth of a
//! second at most before it goes on without. See [`Limits`] for the bounds and [`DropReason`] for
//! what is counted when a peer crosses one.
//!
//! ```
//! use futures::{FutureExt, StreamExt};
//! use stringphone_transport::{
//!     TransportError,
//!     address::Scheme,
//!     framing::{self, LengthPrefixed},
//!     room::{Limits, Opening, Room, Wire},
//! };
//! use tokio::net::TcpStream;
//!
//! /// Frames as they are, without a handshake.
//! #[derive(Debug)]
//! struct Plain;
//!
//! impl Wire for Plain {
//!     const NAME: &'static str = "plain";
//!     const LISTEN: Scheme =
//!         Scheme { name: "plain-listen", usage: "plain-listen://ADDRESS:PORT, a room for others" };
//!
//!     fn open(stream: TcpStream, limits: Limits) -> Opening {
//!         let (reader, writer) = stream.into_split();
//!         let codec = LengthPrefixed::new(limits.max_frame);
//!         let reader = tokio_util::codec::FramedRead::new(reader, codec.clone());
//!         let writer = tokio_util::codec::FramedWrite::new(writer, codec);
//!         async move { Ok((reader.boxed(), Box::pin(writer) as _)) }.boxed()
//!     }
//! }
//!
//! let room = Room::<Plain>::new("0.0.0.0:7000");
//! ```

mod limits;
mod link;
mod listen;
mod members;
mod outbox;
mod peer;
mod stalling;
mod stats;

pub use self::{
    limits::Limits,
    listen::Room,
    stalling::Stalling,
    stats::{DropReason, RoomStats},
};

use futures::future::BoxFuture;
use tokio::net::TcpStream;

use crate::{Incoming, Outgoing, TransportError, address::Scheme};

/// A connection on its way to the two halves that frames come and go by.
pub type Opening = BoxFuture<'static, Result<(Incoming, Outgoing), TransportError>>;

/// What a room speaks with those who connect.
pub trait Wire: Send + 'static {
    /// What the room is called in the name of its link, as in `tcp`.
    const NAME: &'static str;

    /// The scheme of a room's address, which is `SCHEME://ADDRESS:PORT`.
    const LISTEN: Scheme;

    /// Opens a connection that was accepted, by a handshake if there is one.
    ///
    /// The halves keep the limits that concern frames and stalls, and the future that for
    /// connecting. Both halves live in one task. Empty frames are handed up: they tell which channels
    /// the peer wants to hear. Any error puts the peer out, garbage as
    /// [`Framing`](TransportError::Framing) or [`Malformed`](TransportError::Malformed), a frame or a
    /// handshake that takes too long as [`Timeout`](TransportError::Timeout), and a peer that accepts
    /// nothing as [`Io`](TransportError::Io) with [`TimedOut`](std::io::ErrorKind::TimedOut), as
    /// [`Stalling`] says it.
    fn open(stream: TcpStream, limits: Limits) -> Opening;
}
