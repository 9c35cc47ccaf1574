//! String phone over MQTT 5 and 3.1.1: a broker's topics as channels.
//! Not encryption (frames bring their own), and not reconnection, which is the carrier's.
//!
//! ```no_run
//! use stringphone_mqtt::{Encoding, Mqtt, Tls};
//!
//! let gateway = Mqtt::broker("broker.lan:1883").prefix("home");
//! let secured = Mqtt::broker("broker.lan:8883").tls(Tls::new().ca_file("ca.pem"));
//! let original = Mqtt::broker("broker.lan:1883").encoding(Encoding::Hex);
//! ```
//!
//! # Topics
//!
//! The channel `greenhouse` is the topic `PREFIX/greenhouse`, or `greenhouse` without a prefix; a
//! channel may have slashes. What no topic may have is percent-escaped: `+`, `#`, a `$` in front,
//! control characters, and `%` itself. One message is one frame, as it is or in hexadecimal.
//!
//! One connection carries any number of channels. What the broker refuses to send, by its access
//! control, is a channel on which nothing is heard: that is logged as a warning, counted, and listed
//! by [`MqttStats::refused_channels`], while the others go on.
//!
//! # What arrives
//!
//! With QoS 1, a frame is sent again until the broker has acknowledged it, on the next connection
//! too; flushing waits for that. The link is not reliable nevertheless, and does not say so: a
//! broker drops what a slow subscriber does not fetch, forgets what waits when it restarts, and a
//! frame that is sent again may arrive twice and out of order. Topics live with all of that.
//!
//! In MQTT 5 the broker keeps subscriptions, and what is sent meanwhile, for five minutes after a
//! connection is lost. In MQTT 3.1.1 it would keep them for ever, so it is asked to keep nothing.
//!
//! Frames are never retained, and messages that were retained are refused: a frame of some day in the
//! past is of no use. Garbage of others on the same topics costs them a place in [`MqttStats`], and
//! nothing else. In MQTT 3.1.1, a broker returns what one sends on a channel that one listens to.
//! Such echoes are recognised, up to 8192 that are under way at a time.
//!
//! # Who is there
//!
//! With [`Mqtt::will`], the text `online` or `offline` stands on a topic of its own, for dashboards
//! and the like. It is retained, for it is a state and no frame. Whoever may publish there can forge
//! it, so nothing depends on it.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod address;
mod connection;
mod echoes;
mod encoding;
mod link;
mod outbox;
mod reading;
mod session;
mod settings;
mod stats;
mod stream;
mod subscriptions;
mod topics;
mod transport;
mod wire;
mod writing;

pub use encoding::Encoding;
pub use stats::{MqttStats, Refusal};
pub use stringphone_transport::tls::Tls;
pub use transport::Mqtt;
pub use wire::{Qos, Version};
