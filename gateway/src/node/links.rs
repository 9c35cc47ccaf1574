//! How a topic gets its links: each by itself, or tied together by a relay in which it takes part
//! through a link of its own. Not here: which frames go where.

use stringphone::memory::Hub;
use stringphone::{Carrier, RelayHandle, RelayLimits, TopicError};

use super::Node;
use crate::ends::Ends;
use crate::failure::Failure;
use crate::report::{RelayStatus, Relaying};

/// A relay that runs as long as its topic.
pub(super) struct Behind {
    relay: RelayHandle,
    between: Relaying,
}

impl Node {
    /// Brings the links up, and ties them together where a relay is to be between them.
    pub(crate) async fn link(&self, ends: Ends, relay: Option<Relaying>) -> Result<(), Failure> {
        if let Some(room) = &ends.room {
            // Only the first room's peers are told; there is no second.
            let _ = self.0.room.set(room.stats());
        }
        if let Some(between) = relay {
            return self.relay(ends, between).await;
        }
        if let Some(room) = ends.room {
            self.attach(room).await?;
        }
        for transport in ends.via {
            self.attach(transport).await?;
        }
        Ok(())
    }

    /// Ties the links together.
    async fn relay(&self, ends: Ends, between: Relaying) -> Result<(), Failure> {
        let inside = Hub::new();
        let relay = ends.relay(RelayLimits::default()).inside(Carrier::start(inside.port("topic")));
        let relay = relay.start(&between.channels).await?;
        // Only once: a topic's links are brought up together.
        let _ = self.0.behind.set(Behind { relay, between });
        self.attach(inside.port("relay")).await
    }

    /// Whether the links are the relay's.
    pub(super) fn is_behind_relay(&self) -> bool {
        self.0.behind.get().is_some()
    }

    pub(super) async fn relayed(&self) -> Result<Option<RelayStatus>, TopicError> {
        let Some(Behind { relay, between }) = self.0.behind.get() else { return Ok(None) };
        let relayed = relay.stats().await?.into();
        let links = relay.links().await?.into_iter();
        let down = links.filter(|link| !link.up).map(|link| link.name).collect();
        Ok(Some(RelayStatus { between: between.clone(), relayed, down }))
    }

    pub(super) async fn last_words(&self) {
        if let Some(Behind { relay, .. }) = self.0.behind.get() {
            // A relay that is gone has nothing left to say.
            let _ = relay.settle().await;
        }
    }
}
