//! String phone over WebSocket: a room for those whom only HTTP reaches, as behind a proxy.
//! Not the room: this is the side that connects. Nor encryption of frames, which bring their own.
//!
//! ```no_run
//! use stringphone_websocket::WebSocket;
//!
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
//! binary one that is no frame, is garbage, which is reported and dropped.
//!
//! Both sides send a ping every 30 seconds, whatever else they send. A client takes its link down
//! when nothing has come for 60 seconds, and when what it sends is not taken for 30.

mod address;
mod client;
mod link;
mod tls;
mod writing;

pub use client::{WebSocket, WebSocketClient};
