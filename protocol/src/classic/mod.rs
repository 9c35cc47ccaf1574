//! The wire format of the original String phone 0.1, and its weaknesses.
//!
//! Frames, sizes in bytes (`docs/PROTOCOL.md` §2):
//!
//! | frame | layout |
//! |---|---|
//! | message | `"s"` · Ed25519 signature 64 over the rest · sender id 16 · nonce 24 · XSalsa20-Poly1305 box |
//! | introduction | `"i"` · Ed25519 key 32 · signature 64 over the next field · X25519 key 32 |
//! | reply | `"r"` · recipient id 16 · nonce 24 · `crypto_box` of the topic key 48 · X25519 key 32 · Ed25519 key 32 |
//!
//! What the format cannot give, whatever is built around it: recorded frames can be replayed
//! (a session remembers only the last [`Limits::recent_frames`](crate::Limits::recent_frames) of
//! each sender), a stolen topic key opens everything recorded, nobody can be evicted without a
//! new key for all, and a reply is not signed, so anybody may answer an introduction in
//! anybody's name. Hence a joiner [confirms](Admitter) who answered before the key is used.
//!
//! Not here: the protocol that closes these weaknesses.

mod crypt;
mod frame;
mod joining;
mod recent;
mod session;
mod state;

pub use crypt::ExchangeKey;
pub use session::{Admitter, ClassicSession, Reading, Settings};
pub use state::ClassicState;
