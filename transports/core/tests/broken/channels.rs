//! Ways to get wrong which channels are open.
//! Not the adapters that do.

use std::collections::BTreeSet;

use futures::FutureExt;
use stringphone_transport::{ChannelChanges, Channels, ChannelsOwner};

/// The channels as they are now, for ever.
pub(crate) fn snapshot(mut channels: Channels) -> Channels {
    let now = channels.changed().now_or_never().unwrap_or_default();
    Channels::new(now.opened).1
}

/// Of several that open at a time, only the first.
pub(crate) fn one_at_a_time(channels: Channels) -> Channels {
    through(channels, |changes, owner| {
        if let Some(first) = changes.opened.into_iter().next() {
            owner.open(first);
        }
    })
}

/// Each channel opens once, and never again.
pub(crate) fn once_each(channels: Channels) -> Channels {
    let mut known = BTreeSet::new();
    through(channels, move |changes, owner| {
        for channel in changes.opened {
            if known.insert(channel.clone()) {
                owner.open(channel);
            }
        }
        for channel in changes.closed {
            owner.close(&channel);
        }
    })
}

/// Other channels, which follow these in a way of their own.
fn through(
    mut channels: Channels,
    mut follow: impl FnMut(ChannelChanges, &ChannelsOwner) + Send + 'static,
) -> Channels {
    let (owner, followed) = Channels::new([]);
    tokio::spawn(async move {
        loop {
            follow(channels.changed().await, &owner);
        }
    });
    followed
}
