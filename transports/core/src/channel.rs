//! Channel names, and the watchable set of those that somebody listens to.
//! Not the routing of frames: carriers and hubs do that.

use std::{
    collections::BTreeSet,
    fmt,
    future::{Future, pending, poll_fn},
    pin::Pin,
    str::FromStr,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::watch;

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

/// The watchable set of the channels that somebody listens to on a link.
///
/// ```
/// use stringphone_transport::{ChannelName, Channels};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let greenhouse = ChannelName::try_from("greenhouse")?;
/// let (owner, mut channels) = Channels::new([]);
///
/// owner.open(greenhouse.clone());
/// channels.changed().await;
/// assert!(channels.current().contains(&greenhouse));
/// # Ok::<(), stringphone_transport::TransportError>(()) }).unwrap();
/// ```
pub struct Channels {
    watched: watch::Receiver<BTreeSet<ChannelName>>,
    /// The wait for the next change, kept between polls.
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl Channels {
    /// A set, and the half that changes it.
    pub fn new(set: impl IntoIterator<Item = ChannelName>) -> (ChannelsOwner, Self) {
        let (owner, watched) = watch::channel(set.into_iter().collect());
        (ChannelsOwner(owner), Self { watched, waiting: None })
    }

    /// The set as it is now.
    pub fn current(&self) -> BTreeSet<ChannelName> {
        self.watched.borrow().clone()
    }

    /// Whether somebody listens to `channel` now.
    pub fn contains(&self, channel: &ChannelName) -> bool {
        self.watched.borrow().contains(channel)
    }

    /// The set as it is now, which counts as seen: [`changed`](Self::changed) tells of later ones.
    pub fn take_current(&mut self) -> BTreeSet<ChannelName> {
        self.waiting = None;
        self.watched.borrow_and_update().clone()
    }

    /// Whether the set changed since it was last seen.
    pub fn has_changed(&self) -> bool {
        self.watched.has_changed().unwrap_or(false)
    }

    /// Waits for a change since the set was last seen, which is when this value was made, the last
    /// `changed` returned, or by [`take_current`](Self::take_current).
    ///
    /// Changes in quick succession may be told as one. Waits for ever once the owner is gone, for
    /// nothing changes any more. Cancel-safe.
    pub async fn changed(&mut self) {
        poll_fn(|cx| self.poll_changed(cx)).await;
    }

    /// [`changed`](Self::changed), for those who write a `poll` function themselves.
    pub fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waiting = self.waiting.get_or_insert_with(|| {
            let mut watched = self.watched.clone();
            Box::pin(async move {
                if watched.changed().await.is_err() {
                    pending::<()>().await;
                }
            })
        });
        ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        self.watched.mark_unchanged();
        Poll::Ready(())
    }
}

/// The clone watches the same set, and has seen as much of it.
impl Clone for Channels {
    fn clone(&self) -> Self {
        Self { watched: self.watched.clone(), waiting: None }
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.watched.borrow().iter()).finish()
    }
}

/// The half that changes the set of [`Channels`].
pub struct ChannelsOwner(watch::Sender<BTreeSet<ChannelName>>);

impl ChannelsOwner {
    /// Somebody listens to `channel` now; false if somebody did already.
    pub fn open(&self, channel: ChannelName) -> bool {
        self.0.send_if_modified(|set| set.insert(channel))
    }

    /// Nobody listens to `channel` any more; false if nobody did.
    pub fn close(&self, channel: &ChannelName) -> bool {
        self.0.send_if_modified(|set| set.remove(channel))
    }

    /// The set as it is now, to be watched: one for each [`connect`](crate::Transport::connect).
    pub fn watch(&self) -> Channels {
        Channels { watched: self.0.subscribe(), waiting: None }
    }
}

impl fmt::Debug for ChannelsOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.borrow().iter()).finish()
    }
}
