//! String phone over TCP: connect to a room, or be the room.
//! Not encryption (frames bring their own), and not admission: whoever reaches the port can talk.
//!
//! A room is what listens. What one peer sends, all others hear, and so does the side that
//! listens; nobody hears an echo. To its carrier a room is one link.
//!
//! ```no_run
//! use stringphone_tcp::Tcp;
//!
//! let gateway = Tcp::listen("0.0.0.0:7000");
//! let device = Tcp::connect("hub:7000");
//! ```
//!
//! # On the wire
//!
//! [`LengthPrefixed`](stringphone_transport::framing::LengthPrefixed) frames, each with a channel.
//! A peer hears every channel that it has sent something on, for as long as it stays; an empty
//! frame does nothing else. So it has to read: one that never does is put out once too much waits
//! for it. A peer that only listens is welcome, and so is one that says nothing for days; but one
//! that has never sent a frame, not even an empty one, makes place for others in a full room.
//!
//! # What happens to those who misbehave
//!
//! See [`Limits`] for the bounds and [`DropReason`] for what is counted when a peer crosses one.
//! The others notice nothing: each peer has a queue of its own, and whoever sends to a peer that
//! lags waits for it a tenth of a second at most before it goes on without.

mod client;
mod room;
mod stream;

pub use client::TcpClient;
pub use room::TcpRoom;
pub use stringphone_transport::room::{DropReason, Limits, RoomStats};

/// Where TCP transports come from.
#[derive(Clone, Copy, Debug)]
pub struct Tcp;

impl Tcp {
    /// A transport that connects to the room at `address`, as in `hub:7000`.
    ///
    /// The name is looked up again at every [`connect`](stringphone_transport::Transport::connect).
    pub fn connect(address: impl ToString) -> TcpClient {
        TcpClient::new(address.to_string())
    }

    /// A transport that is the room at `address`, as in `0.0.0.0:7000`.
    ///
    /// Port 0 means any; [`TcpRoom::bind`] tells which.
    pub fn listen(address: impl ToString) -> TcpRoom {
        TcpRoom::new(address.to_string())
    }
}
