//! What must outlive the process, as opaque records. Not here: where they are kept.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// One record of a session's lasting state: a key, and a value or its deletion.
///
/// A store keeps values by key and commits a batch of records whole or not at all. Values may
/// hold secrets: they are wiped on drop and redacted in output.
#[derive(Clone)]
pub struct Record {
    /// The record's name: ASCII, at most 64 bytes, such as `participant/9d5ace…`.
    pub key: String,
    /// The version of the value's layout; a reader refuses versions that it does not know.
    pub version: u16,
    /// The value, or `None` to delete the record.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

impl Record {
    /// A record to be written.
    pub fn put(key: impl Into<String>, version: u16, value: &[u8]) -> Self {
        Self { key: key.into(), version, value: Some(Zeroizing::new(value.to_vec())) }
    }

    /// A record to be deleted.
    pub fn delete(key: impl Into<String>) -> Self {
        Self { key: key.into(), version: 0, value: None }
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        let values_equal = match (&self.value, &other.value) {
            (Some(ours), Some(theirs)) => ours.ct_eq(theirs).into(),
            (None, None) => true,
            _ => false,
        };
        values_equal && self.key == other.key && self.version == other.version
    }
}

impl Eq for Record {}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.value.is_some() { "[redacted]" } else { "deleted" };
        write!(f, "Record {{ {} v{}: {value} }}", self.key, self.version)
    }
}

/// Why stored records do not make a session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A record that a session can't do without is not there.
    #[error("the record `{0}` is missing")]
    Missing(&'static str),
    /// A record's value is not what its key promises.
    #[error("the record `{0}` is damaged")]
    Damaged(String),
    /// A record was written by a later release.
    #[error(
        "the record `{key}` has version {version}, which a later release wrote; upgrade to read it"
    )]
    Newer {
        /// The record's key.
        key: String,
        /// The version found.
        version: u16,
    },
    /// The records belong to another participant than the identity they were opened with.
    #[error("this state belongs to participant {0}, not to the identity it was opened with")]
    OtherIdentity(crate::ParticipantId),
    /// The records belong to a topic that speaks another protocol.
    #[error("this topic speaks the protocol `{0}`, not the one it was opened with")]
    OtherProtocol(String),
}
