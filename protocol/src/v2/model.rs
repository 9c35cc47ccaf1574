//! For the model checker: what the state of a session is made of, hashed. Not here: the session,
//! which is [`session`](super::session), and any use in a product.

use core::hash::{Hash, Hasher};

use super::primitives::{MessageKey, PinExchange};
use super::{Invitation, Pin};
use crate::key::SecretBytes;
use crate::{Identity, Record};

/// Whether this build encrypts nothing, so that the model is searched quickly.
pub const NULL_CRYPTO: bool = cfg!(any(stringphone_null_crypto, fuzzing));

impl Hash for SecretBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl Hash for Record {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let value = self.value.as_ref().map(|value| value.as_slice());
        (&self.key, self.version, value).hash(state);
    }
}

impl Hash for Pin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expose_digits().hash(state);
    }
}

impl Hash for Invitation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_bytes().hash(state);
    }
}

/// Made of the epoch's secret, which is hashed beside it.
impl Hash for MessageKey {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

/// Its share is hashed beside it, and tells it from others.
impl Hash for PinExchange {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}
