//! String phone: a secure message bus for devices, made of actors.
//!
//! Many devices share a room, a *topic*, over whatever carries bytes. Each participant has an
//! identity of its own, and every message is encrypted and signed, so that a lamp obeys the phone
//! and nobody else, over a channel that anybody may read and write.
//!
//! Data flows one way: a [`Transport`] hands raw frames to its [`Carrier`] actor, the carrier to
//! the actor of the topic, the topic to its protocol session, and the session's messages and
//! events to whoever subscribed. Users hold a [`TopicHandle`], which works alike under
//! `#[tokio::main]`, `#[actix::main]` and any other runtime.
//!
//! # Quick start
//!
//! ```
//! use futures::StreamExt;
//! use serde::{Deserialize, Serialize};
//! use stringphone::memory::Hub;
//! use stringphone::{InviteOptions, Payload, Topic, keyfile};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Reading {
//!     celsius: f32,
//! }
//!
//! impl Payload for Reading {
//!     const KIND: &'static str = "reading/1";
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::new();
//!
//! // One side founds the topic, and invites …
//! let gateway = Topic::found("greenhouse", keyfile::ephemeral()?).start()?;
//! let mut readings = gateway.subscribe::<Reading>().await?;
//! gateway.attach(hub.port("gateway")).await?;
//! let invitation = gateway.invite(InviteOptions::default()).await?; // a URL, or a QR code
//!
//! // … the other joins, and knows whom it talks to.
//! let sensor = Topic::invited(invitation, keyfile::ephemeral()?).start()?;
//! sensor.attach(hub.port("sensor")).await?;
//! sensor.ready().await?;
//!
//! sensor.publish(&Reading { celsius: 21.5 }).await?;
//! let reading = readings.next().await.ok_or("stopped")??;
//! assert_eq!(reading.from, sensor.participant().id()); // authenticated, or there is no message
//! assert_eq!(reading.body.celsius, 21.5);
//! # Ok(())
//! # }
//! ```
#![warn(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod carrier;
mod codec;
mod entropy;
mod error;
mod event;
mod feed;
pub mod keyfile;
mod payload;
mod relay;
mod runtime;
mod seal;
pub mod store;
mod subscription;
mod topic;
mod via;

pub use carrier::{Carrier, CarrierSettings, Channel};
pub use error::TopicError;
pub use event::{Event, LinkId, Participant, Stats};
pub use feed::Lagged;
pub use payload::{Payload, PayloadError};
pub use relay::{Relay, RelayHandle, RelayLimits, RelayLink, RelayStats};
pub use subscription::{
    Delivery, Events, ReceiveError, Received, Subscription, Unverified, UnverifiedMessages,
};
pub use topic::{
    Admission, Attach, Classic, Inbox, Introduction, Introductions, Kept, Member, Protocol,
    Publish, PublishConfirmed, PublishHanded, PublishMessage, Receipts, Topic, TopicActor,
    TopicHandle, V2,
};

pub use stringphone_protocol::{
    CommandError, Epoch, Fingerprint, Identity, Limits, MessageId, ParticipantId, PublicKey,
    Refusal, TopicKey, Unconfirmed,
    classic::{Admitter, ClassicState, ExchangeKey, Reading},
    v2::{
        FoundOptions, HistoryLimits, InboxLimits, Invitation, InviteOptions, OutboxLimits,
        Overflow, Pin, Role, Suite, Timing,
    },
};
pub use stringphone_transport::{
    self as transport, Transport, TransportError, address::AddressError,
};
pub use via::{registry, via};

#[cfg(feature = "memory")]
pub use stringphone_memory as memory;
#[cfg(feature = "mqtt")]
pub use stringphone_mqtt as mqtt;
#[cfg(feature = "nats")]
pub use stringphone_nats as nats;
#[cfg(feature = "serial")]
pub use stringphone_serial as serial;
#[cfg(feature = "tcp")]
pub use stringphone_tcp as tcp;
#[cfg(feature = "udp")]
pub use stringphone_udp as udp;
#[cfg(feature = "websocket")]
pub use stringphone_websocket as websocket;

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
