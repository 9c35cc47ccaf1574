//! String phone over NATS, core or JetStream: for those who outgrow one machine.
//! Not reconnection, which is the carrier's, and no server of our own.
//!
//! A channel is a subject, `PREFIX.CHANNEL`; what a subject can't hold (dots, wildcards, white
//! space, anything beyond ASCII) is percent-escaped. Whoever may publish and subscribe there can
//! talk; frames bring their own encryption.
//!
//! ```no_run
//! use stringphone_nats::{JetStream, Nats};
//!
//! let gateway = Nats::connect("hub:4222");
//! let device = Nats::connect("hub:4222").jetstream(JetStream::new("STRINGPHONE", "lamp"));
//! ```
//!
//! # Core
//!
//! Each open channel is a subscription. Frames arrive at most once, and only while the link is up.
//! Flushing means that the frames are in the socket. A reader that is too slow loses frames, and is
//! told ([`Malformed`](stringphone_transport::TransportError::Malformed)): at least as many as the
//! report says.
//!
//! # JetStream
//!
//! A stream keeps the frames for a while, and the server remembers how far each durable consumer
//! has come. Flushing means that the stream has them. A device that was away gets what it missed,
//! in order, as far as the stream still has it. While the link is up every frame arrives once and
//! in order, except those that the stream's own limits throw away before they are read; that is
//! why even this link does not call itself reliable.
//!
//! * **One consumer for each channel**, named `DURABLE~CHANNEL`: a filter of several subjects takes
//!   a server 2.10, and one consumer on all of them would fetch what nobody listens to. They stay
//!   when a channel closes, so that it goes on where it was.
//! * **Acknowledged** is what was handed up: the incoming stream yielded it and was polled again.
//!   What was yielded and not acknowledged arrives again after a restart of the process; a topic
//!   drops what it has seen. A transport that merely connects again drops it itself.
//! * **No gaps**: the server numbers what it delivers. A number that is not the next one ends the
//!   link, and the next one starts behind the last acknowledged frame. So it does wherever another
//!   link left something under way, for the server would send that later than what is newer.
//! * **No echo**: a stream hands back what one has sent. Each frame carries the durable name of its
//!   sender in the header `Sp-From`, and who bears that name skips it, after a restart as well. So
//!   no two transports may share a durable name; those that try take each other's link down.
//!
//! Both modes meet on one prefix: the stream records what core links publish.
//!
//! # Reconnection
//!
//! The client library would reconnect beneath the link, and nobody would know what was lost in
//! between. Here it has nowhere to reconnect to: the loss of the connection is the loss of the link,
//! and what was not flushed is not sent later. The servers of a cluster that the first one tells of
//! are remembered and tried at the next [`connect`](stringphone_transport::Transport::connect).
//!
//! The connection lives in tasks of the library, which end when the link is dropped; while the
//! server takes no bytes, that may last until three pings went unanswered.

#![warn(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod address;
mod connection;
mod consumers;
mod core;
mod durable;
mod incoming;
mod outgoing;
mod stream;
mod subject;
mod transport;

pub use stream::JetStream;
pub use transport::Nats;
