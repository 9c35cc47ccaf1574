//! V2: what every new topic speaks. `docs/PROTOCOL.md` §3 is the specification.
//!
//! A [`V2Session`] is opened on a [`V2State`]: founded, about to join, or restored from records.
//! Keepers admit others by [`Invitation`], by [`Pin`] or by comparing fingerprints.
//!
//! ```
//! use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! use stringphone_protocol::v2::{
//!     Entry, FoundOptions, InviteOptions, Settings, Suite, V2Session, V2State,
//! };
//! use stringphone_protocol::{Command, Event, Identity, Input, Moment, Output, Session};
//!
//! /// Stores nothing, sends frames to the other side, collects events.
//! fn talk(one: &mut V2Session, other: &mut V2Session, moment: &mut Moment<'_>) -> Vec<Event> {
//!     let mut events = Vec::new();
//!     let mut quiet = 0;
//!     while quiet < 2 {
//!         quiet += 1;
//!         while let Some(output) = one.poll() {
//!             quiet = 0;
//!             match output {
//!                 Output::Store(_) => one.handle(Input::Stored, moment).unwrap(),
//!                 Output::Send(frame) => other.handle(Input::Frame(&frame), moment).unwrap(),
//!                 Output::Event(event) => events.push(event),
//!                 _ => {}
//!             }
//!         }
//!         std::mem::swap(one, other);
//!     }
//!     events
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Use the operating system's generator in real programs; a seed makes this example repeatable.
//! let mut rng = ChaCha20Rng::from_seed([7; 32]);
//! let (phone, lamp) = (Identity::generate(&mut rng), Identity::generate(&mut rng));
//!
//! // The phone founds the topic and writes an invitation.
//! let state = V2State::found("greenhouse", &phone, FoundOptions::default(), &mut rng);
//! let mut moment = Moment::new(0, &mut rng);
//! let mut phone = V2Session::open(phone, &state, Settings::default(), &mut moment)?;
//! phone.handle(Input::Command(Command::Invite(InviteOptions::default())), &mut moment)?;
//! let invitation = std::iter::from_fn(|| {
//!     let output = phone.poll()?;
//!     if let Output::Store(_) = output {
//!         phone.handle(Input::Stored, &mut moment).unwrap();
//!     }
//!     Some(output)
//! })
//! .find_map(|output| match output {
//!     Output::Event(Event::Invited(invitation)) => Some(invitation),
//!     _ => None,
//! })
//! .expect("an invitation");
//!
//! // The lamp redeems it.
//! let state = V2State::join("greenhouse", &lamp, Suite::X25519);
//! let settings = Settings { entry: Entry::Invitation(invitation), ..Settings::default() };
//! let mut lamp = V2Session::open(lamp, &state, settings, &mut moment)?;
//! lamp.handle(Input::Command(Command::Introduce), &mut moment)?;
//! talk(&mut lamp, &mut phone, &mut moment);
//! assert!(lamp.is_ready());
//!
//! phone.handle(Input::Command(Command::Publish(b"on")), &mut moment)?;
//! let events = talk(&mut phone, &mut lamp, &mut moment);
//! let from_phone = phone.identity().id();
//! assert!(events.iter().any(|event| matches!(
//!     event,
//!     Event::Message { from, body, .. } if *from == from_phone && body == b"on"
//! )));
//! # Ok(())
//! # }
//! ```

mod ask;
mod body;
mod bucket;
mod crypto;
mod epoch;
mod held;
mod invitation;
mod joining;
mod kem;
mod log;
mod members;
mod message;
#[cfg(feature = "model")]
mod model;
mod operation;
mod original;
mod pin;
#[cfg_attr(any(stringphone_null_crypto, fuzzing), path = "null_crypto.rs")]
mod primitives;
mod room;
mod session;
mod settings;
mod standing;
mod topic;
#[cfg(all(test, not(any(stringphone_null_crypto, fuzzing))))]
mod vectors;
mod window;
mod wire;

pub use invitation::{Invitation, InviteOptions, ParseInvitationError};
pub use kem::Suite;
#[cfg(feature = "model")]
pub use model::NULL_CRYPTO;
pub use pin::{ParsePinError, Pin};
#[cfg(feature = "model")]
pub use session::HeldGeneration;
pub use session::{V2Session, V2State};
pub use settings::{
    Entry, FoundOptions, HistoryLimits, InboxLimits, OutboxLimits, Overflow, Settings, Timing,
};
pub use standing::Role;
pub use topic::TopicId;

pub(crate) use room::Checked;
