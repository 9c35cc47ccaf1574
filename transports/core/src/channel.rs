//! The names of channels.
//! Not who listens to which: see `channels`.

use std::{fmt, str::FromStr, sync::Arc};

use crate::TransportError;

/// The name of a channel: UTF-8 of 1 to 64 bytes, chosen by people and visible on the link.
///
/// A clone is as cheap as a reference count.
///
/// ```
/// use stringphone_transport::ChannelName;
///
/// let channel = ChannelName::try_from("greenhouse")?;
/// assert_eq!(channel.as_str(), "greenhouse");
/// assert!(ChannelName::try_from("").is_err());
/// # Ok::<(), stringphone_transport::TransportError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// The longest name, in bytes.
    pub const MAX: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ChannelName {
    type Error = TransportError;

    fn try_from(name: &str) -> Result<Self, TransportError> {
        match name.len() {
            1..=Self::MAX => Ok(Self(name.into())),
            len => Err(TransportError::ChannelName { len }),
        }
    }
}

impl FromStr for ChannelName {
    type Err = TransportError;

    fn from_str(name: &str) -> Result<Self, TransportError> {
        name.try_into()
    }
}

impl AsRef<str> for ChannelName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}
