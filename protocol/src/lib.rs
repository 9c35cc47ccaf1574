//! The String phone protocols: identities, rosters and sessions.
//!
//! This crate is *sans-IO*: it has no clock, socket, file, thread or random number generator of
//! its own. Frames, time and entropy go in through one door ([`Session::handle`]); frames to
//! send, events and records to store come out through another ([`Session::poll`]). The same
//! session serves an actor on a gateway, a simulator, a fuzzer and firmware.
//!
//! It is `no_std` with `alloc`, forbids `unsafe`, and denies panics outside its tests.
//!
//! # A conversation
//!
//! ```
//! use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! use stringphone_protocol::classic::{ClassicSession, ClassicState, Settings};
//! use stringphone_protocol::{Command, Event, Identity, Input, Moment, Output, Session};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Use the operating system's generator in real programs; a seed makes this example repeatable.
//! let mut rng = ChaCha20Rng::from_seed([7; 32]);
//! let (phone, lamp) = (Identity::generate(&mut rng), Identity::generate(&mut rng));
//!
//! let mut founded = ClassicState::found(&mut rng);
//! founded.participants.push(lamp.public_key());
//! let mut joined = founded.clone();
//! joined.participants = vec![phone.public_key()];
//!
//! let mut phone = ClassicSession::open(phone, founded, Settings::default())?;
//! let mut lamp = ClassicSession::open(lamp, joined, Settings::default())?;
//!
//! let mut moment = Moment::new(0, &mut rng);
//! phone.handle(Input::Command(Command::Publish(b"on")), &mut moment)?;
//! let Some(Output::Send(frame)) = phone.poll() else { panic!("a frame to send") };
//!
//! lamp.handle(Input::Frame(&frame), &mut moment)?;
//! let Some(Output::Event(Event::Message { from, body, .. })) = lamp.poll() else {
//!     panic!("a message")
//! };
//! assert_eq!((from, body.as_slice()), (phone.identity().id(), &b"on"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! * `post-quantum`: the suite X-Wing for [`v2`], for hosts.
//! * `classic` (default): the wire format of the original String phone 0.1, see [`classic`].
#![no_std]
#![deny(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unreachable
)]

extern crate alloc;

mod command;
mod fingerprint;
mod identity;
mod key;
mod outbox;
mod output;
mod record;
mod roster;
mod session;
pub mod v2;

#[cfg(feature = "classic")]
pub mod classic;

pub use command::{Command, CommandError, MessageId, PublishOptions, Unconfirmed};
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use identity::{Identity, scrub_stack};
pub use key::{InvalidKey, ParseKeyError, ParticipantId, PublicKey, TopicKey};
pub use output::{Epoch, Event, Output, Refusal};
pub use record::{Record, RestoreError};
pub use roster::Roster;
pub use session::{Checked, FrameLimit, Input, Limits, Moment, Session};
