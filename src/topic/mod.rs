//! Topics: one actor for each, which owns its keys. Not here: links, frames on the wire.

mod actor;
mod admission;
mod attachment;
mod bus;
mod handle;
mod open;
mod publish;
mod shared;

use std::time::Duration;

use stringphone_protocol::classic::{Admitter, ClassicState, Reading, Settings};
use stringphone_protocol::{Fingerprint, Identity, Limits};

use crate::carrier::{MAX_QUEUE, channel_name};
use crate::error::TopicError;
use crate::store::{MemoryStore, Store};

pub use actor::{PublishMessage, TopicActor};
pub use admission::{Admission, Introduction, Introductions};
pub use handle::{Attach, TopicHandle};
pub use publish::Publish;

use open::Beginning;

/// A topic that is not opened yet: choose its protocol.
///
/// A topic speaks exactly one protocol, which is part of what its devices are told about it, and
/// is never negotiated.
#[derive(Debug)]
pub struct Topic {
    name: String,
    identity: Identity,
    beginning: Beginning,
}

impl Topic {
    /// A topic whose key we make, unless the store holds one.
    pub fn found(name: impl Into<String>, identity: Identity) -> Self {
        Self { name: name.into(), identity, beginning: Beginning::Found }
    }

    /// A topic whose key we ask its members for, unless the store holds it.
    pub fn join(name: impl Into<String>, identity: Identity) -> Self {
        Self { name: name.into(), identity, beginning: Beginning::Join }
    }

    /// A topic whose key and participants we have from elsewhere, such as an old device; unless
    /// the store holds a state, which goes first.
    pub fn import(name: impl Into<String>, identity: Identity, state: ClassicState) -> Self {
        Self { name: name.into(), identity, beginning: Beginning::Import(state) }
    }

    /// Speaks the wire format of the original String phone 0.1, with its weaknesses: see
    /// SECURITY.md.
    #[must_use]
    pub fn classic(self) -> TopicBuilder {
        TopicBuilder {
            name: self.name,
            identity: self.identity,
            beginning: self.beginning,
            settings: Settings::default(),
            admission: Admission::default(),
            store: Box::new(MemoryStore::default()),
            entropy: None,
            queue: 256,
        }
    }
}

/// A topic about to be opened. Every setting has a default that suits a gateway.
pub struct TopicBuilder {
    name: String,
    identity: Identity,
    beginning: Beginning,
    settings: Settings,
    admission: Admission,
    store: Box<dyn Store>,
    entropy: Option<open::Entropy>,
    queue: usize,
}

impl TopicBuilder {
    /// Keeps what must outlive the process here; by default nothing does.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Box::new(store);
        self
    }

    /// What becomes of newcomers; by default somebody is asked.
    #[must_use]
    pub fn admission(mut self, admission: Admission) -> Self {
        self.admission = admission;
        self
    }

    /// Takes the topic key only from a participant with this fingerprint, and without asking.
    /// May be called for several.
    #[must_use]
    pub fn pin_admitter(mut self, fingerprint: Fingerprint) -> Self {
        match &mut self.settings.admitter {
            Admitter::Pinned(pinned) => pinned.push(fingerprint),
            admitter => *admitter = Admitter::Pinned(vec![fingerprint]),
        }
        self
    }

    /// Takes the topic key from whoever answers first, without asking: as safe as the channel.
    #[must_use]
    pub fn dangerously_trust_any_admitter(mut self) -> Self {
        self.settings.admitter = Admitter::Waived;
        self
    }

    /// How messages are read; by default strictly.
    #[must_use]
    pub fn reading(mut self, reading: Reading) -> Self {
        self.settings.reading = reading;
        self
    }

    /// Bounds of the protocol session.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// How many messages wait to be sealed, and how many wait at each subscriber (default 256).
    #[must_use]
    pub fn queue(mut self, messages: usize) -> Self {
        self.queue = messages.clamp(1, MAX_QUEUE);
        self
    }

    /// Entropy of your own instead of the operating system's, for simulations that repeat. It must
    /// be of cryptographic quality, and never the same twice, wherever secrets are real.
    #[must_use]
    pub fn dangerously_use_entropy(
        mut self,
        entropy: impl rand_core::CryptoRng + Send + 'static,
    ) -> Self {
        self.entropy = Some(Box::new(entropy));
        self
    }

    /// Starts the topic's actor: on the current arbiter where an actix system runs this thread,
    /// otherwise on one of the process's own background system.
    ///
    /// # Errors
    ///
    /// [`TopicError::Name`] where the name can't be a channel's, [`TopicError::Entropy`] where the
    /// operating system gives no random numbers. What is wrong with the store, the handle's
    /// methods tell.
    pub fn start(self) -> Result<TopicHandle, TopicError> {
        let name = channel_name(&self.name)?;
        let entropy = match self.entropy {
            Some(entropy) => entropy,
            None => Box::new(crate::entropy::generator()?),
        };
        let opening = open::Opening {
            identity: self.identity,
            beginning: self.beginning,
            settings: self.settings,
            store: self.store,
            entropy,
        };
        Ok(handle::start(name, opening, self.admission, self.queue))
    }
}

/// How long [`TopicHandle::stop`] waits for the links to take what is queued.
const STOPPING: Duration = Duration::from_secs(2);
