//! What an application says, as typed values. Not here: who says it, and to whom.

use std::error::Error;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;

/// A type that can be published and subscribed to.
///
/// By default a value travels as bincode, without any description of itself: sender and receiver
/// have to mean the same type. [`KIND`](Self::KIND) names it for protocols whose envelope has room
/// for a name; Classic has none, there the bytes are the payload and nothing is added. Override
/// [`encode`](Self::encode) and [`decode`](Self::decode) to speak the format of devices that
/// exist already.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use stringphone::{Payload, PayloadError};
///
/// /// What the lamps of 2015 understand: the words `on` and `off`.
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Switch(bool);
///
/// impl Payload for Switch {
///     const KIND: &'static str = "switch/1";
///
///     fn encode(&self) -> Result<Vec<u8>, PayloadError> {
///         Ok(if self.0 { b"on".to_vec() } else { b"off".to_vec() })
///     }
///
///     fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
///         match bytes {
///             b"on" => Ok(Self(true)),
///             b"off" => Ok(Self(false)),
///             _ => Err(PayloadError::new("neither on nor off")),
///         }
///     }
/// }
///
/// assert_eq!(Switch::decode(&Switch(true).encode()?)?, Switch(true));
/// # Ok::<(), PayloadError>(())
/// ```
pub trait Payload: Serialize + DeserializeOwned + Send + 'static {
    /// The kind of this payload and the version of its layout, such as `reading/1`.
    const KIND: &'static str;

    /// The bytes of this value.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] where the value has none.
    fn encode(&self) -> Result<Vec<u8>, PayloadError> {
        codec::encode(self).map_err(PayloadError::new)
    }

    /// The value of these bytes, which come from an authenticated sender, but may be anything.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] where the bytes hold no such value, or more than that.
    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        codec::decode::<Self, { codec::PAYLOAD }>(bytes).map_err(PayloadError::new)
    }
}

/// A value that can't be encoded, or bytes that hold no such value.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct PayloadError(Box<dyn Error + Send + Sync>);

impl PayloadError {
    /// Wraps whatever went wrong, or a sentence that says it.
    pub fn new(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(reason.into())
    }
}
