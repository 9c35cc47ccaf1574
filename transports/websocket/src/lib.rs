//! String phone over WebSocket: connect to a room, or be the room, where only HTTP gets through.
//! Not encryption (frames bring their own), and not admission: whoever reaches the port can talk.
//!
//! A room is what listens. What one peer sends, all others hear, and so does the side that
//! listens; nobody hears an echo. To its carrier a room is one link. It speaks no TLS itself: a
//! proxy in front of it does.
//!
//! ```no_run
//! use stringphone_websocket::WebSocket;
//!
//! let gateway = WebSocket::listen("0.0.0.0:7780");
//! let device = WebSocket::connect("hub.lan:7780").path("/home");
//! let phone = WebSocket::connect("hub.example:443").tls();
//! ```
//!
//! # On the wire
//!
//! Each binary message is one frame on one channel, without compression or a subprotocol:
//!
//! `u8 channel length · channel, UTF-8 · frame`
//!
//! A client hears every channel that it has sent something on, for as long as it stays; an empty
//! frame does nothing else. It sends one on each channel that it wants to hear. A text message, and a
//! binary one that is no frame, is garbage: a client reports and drops it, a room puts out whoever
//! sent it.
//!
//! Both sides send a ping every 30 seconds, whatever else they send. A client takes its link down
//! when nothing has come for 60 seconds, and when what it sends is not taken for 30. A room puts out
//! a peer of which nothing has come for 60 seconds, and one that crosses another of its [`Limits`].

mod address;
mod client;
mod link;
mod messages;
mod room;
mod writing;

pub use client::{WebSocket, WebSocketClient};
pub use room::WebSocketRoom;
pub use stringphone_transport::room::{DropReason, Limits, RoomStats};
