//! A hub in memory: what one port sends on a channel, all other ports that listen to it hear.
//! Not a network: nothing is lost, delayed or damaged here. For that, wrap a port in
//! [`Faulty`](stringphone_transport::faults::Faulty).
//!
//! Nothing is lost between connected ports, and every queue is bounded: a sender waits for the
//! slowest listener of its channel. A port that is disconnected or dropped never holds anyone, and
//! hears nothing of what is sent meanwhile. Two ports that send to each other without ever reading
//! end up waiting for each other; a carrier always reads.
//!
//! ```
//! use futures::{SinkExt, StreamExt};
//! use stringphone_memory::Hub;
//! use stringphone_transport::{ChannelName, Channels, Frame, Transport};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let hub = Hub::new();
//! let greenhouse = ChannelName::try_from("greenhouse")?;
//! let (_owner, channels) = Channels::new([greenhouse.clone()]);
//!
//! let mut sensor = hub.port("sensor").connect(channels.clone()).await?;
//! let mut gateway = hub.port("gateway").connect(channels).await?;
//!
//! let frame = Frame::on(greenhouse, &b"21.5"[..]);
//! sensor.outgoing.send(frame.clone()).await?;
//! assert_eq!(gateway.incoming.next().await.unwrap()?, frame);
//! # Ok::<(), stringphone_transport::TransportError>(()) }).unwrap();
//! ```

mod hub;
mod port;
mod queue;

pub use hub::{Hub, Limits};
pub use port::MemoryPort;
