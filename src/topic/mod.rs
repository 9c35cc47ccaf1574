//! Topics: one actor for each, which owns its keys. Not here: links, frames on the wire.

mod actor;
mod admission;
mod attachment;
mod bus;
mod handle;
mod inbox;
mod open;
mod people;
mod protocol;
mod publish;
mod shared;

use std::time::{Duration, SystemTime};

use stringphone_protocol::classic::{ClassicState, Reading};
use stringphone_protocol::v2::{
    FoundOptions, HistoryLimits, InboxLimits, Invitation, OutboxLimits, Pin, Suite, Timing,
};
use stringphone_protocol::{Fingerprint, Identity, Limits};

use crate::carrier::{MAX_QUEUE, channel_name};
use crate::error::TopicError;
use crate::store::{MemoryStore, Store};

pub use actor::{PublishMessage, TopicActor};
pub use admission::{Admission, Introduction, Introductions};
pub use handle::{Attach, TopicHandle};
pub use inbox::{Inbox, Kept};
pub use people::Member;
pub use protocol::{Classic, Protocol, V2};
pub use publish::{Publish, PublishConfirmed, PublishHanded, Receipts};

use open::Clock;

/// A topic about to be opened. Every setting has a default that suits a gateway.
///
/// A topic speaks exactly one protocol, which is part of what its devices are told about it, and
/// is never negotiated: V2, unless [`classic`](Self::classic) says otherwise.
pub struct Topic<P = V2> {
    name: String,
    identity: Identity,
    protocol: P,
    admission: Admission,
    store: Box<dyn Store>,
    entropy: Option<open::Entropy>,
    clock: Clock,
    queue: usize,
}

impl<P> Topic<P> {
    fn new(name: impl Into<String>, identity: Identity, protocol: P) -> Self {
        Self {
            name: name.into(),
            identity,
            protocol,
            admission: Admission::default(),
            store: Box::new(MemoryStore::default()),
            entropy: None,
            clock: Clock::System,
            queue: 1_024,
        }
    }
}

impl Topic<V2> {
    /// A topic that we found, unless the store holds it: we are its first keeper.
    pub fn found(name: impl Into<String>, identity: Identity) -> Self {
        Self::new(name, identity, V2::found())
    }

    /// A topic that we want to be let into, unless the store says that we are in it: by
    /// [`pin`](Self::pin), or by introducing ourselves to its keepers.
    pub fn join(name: impl Into<String>, identity: Identity) -> Self {
        Self::new(name, identity, V2::join())
    }

    /// A topic that we were invited into. No question is asked on either side.
    #[must_use]
    pub fn invited(invitation: Invitation, identity: Identity) -> Self {
        let name = invitation.topic_name().to_owned();
        Self::new(name, identity, V2::invited(invitation))
    }

    /// Joins by the PIN that a keeper of the topic shows.
    #[must_use]
    pub fn pin(mut self, pin: Pin) -> Self {
        self.protocol.join_by_pin(pin);
        self
    }

    /// Joins a topic of this suite, where it is not the default one.
    #[must_use]
    pub fn suite(mut self, suite: Suite) -> Self {
        self.protocol.set_suite(suite);
        self
    }

    /// What is chosen for good when the topic is founded.
    #[must_use]
    pub fn founding(mut self, options: FoundOptions) -> Self {
        self.protocol.set_founding(options);
        self
    }

    /// What this device calls itself when it joins, such as `kitchen lamp`: members see it, and
    /// whoever listens to the channel (at most 64 bytes; nothing by default).
    #[must_use]
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.protocol.settings.name = name.into();
        self
    }

    /// When keys change by themselves.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.protocol.settings.timing = timing;
        self
    }

    /// Stores what was received only every so many frames, to spare flash memory. After a restart
    /// as many messages may come as [`Event::Uncertain`](crate::Event::Uncertain). The default is
    /// 1: no message is ever delivered twice.
    #[must_use]
    pub fn frames_per_commit(mut self, frames: u32) -> Self {
        self.protocol.settings.frames_per_commit = frames;
        self
    }

    /// Keeps what is published while no link is up, and what is not yet confirmed, also over
    /// restarts if the [store](Self::store) lasts; by default what is published while no link is up
    /// is lost. What happens beyond the limits is the caller's choice.
    #[must_use]
    pub fn outbox(mut self, limits: OutboxLimits) -> Self {
        self.protocol.settings.outbox = Some(limits);
        self
    }

    /// Keeps what is received until it is [acknowledged](crate::Kept::ack), see
    /// [`TopicHandle::inbox`]; and asks the members for what was missed while we were away.
    #[must_use]
    pub fn inbox(mut self, limits: InboxLimits) -> Self {
        self.protocol.settings.inbox = Some(limits);
        self
    }

    /// Keeps what is said in the topic for members that are away, and hands it on when they are
    /// back: to those only who could have read it at the time.
    #[must_use]
    pub fn history(mut self, limits: HistoryLimits) -> Self {
        self.protocol.settings.history = Some(limits);
        self
    }

    /// Delivers each sender's messages in its order. A missing one is waited for so long, and then
    /// told as [`Event::Gap`](crate::Event::Gap). By default messages come as they come.
    #[must_use]
    pub fn in_order(mut self, wait: Duration) -> Self {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.protocol.settings.order_ms = Some(wait);
        self
    }

    /// Speaks the wire format of the original String phone 0.1, with its weaknesses: see
    /// SECURITY.md.
    #[must_use]
    pub fn classic(self) -> Topic<Classic> {
        Topic {
            name: self.name,
            identity: self.identity,
            protocol: self.protocol.into(),
            admission: self.admission,
            store: self.store,
            entropy: self.entropy,
            clock: self.clock,
            queue: self.queue,
        }
    }
}

impl Topic<Classic> {
    /// A Classic topic whose key and participants we have from elsewhere, such as an old device;
    /// unless the store holds a state, which goes first.
    pub fn import(name: impl Into<String>, identity: Identity, state: ClassicState) -> Self {
        Self::new(name, identity, Classic::import(state))
    }

    /// Takes the topic key from whoever answers first, without asking: as safe as the channel.
    #[must_use]
    pub fn dangerously_trust_any_admitter(mut self) -> Self {
        self.protocol.trust_any_admitter();
        self
    }

    /// How messages are read; by default strictly.
    #[must_use]
    pub fn reading(mut self, reading: Reading) -> Self {
        self.protocol.settings.reading = reading;
        self
    }
}

impl<P: Protocol> Topic<P> {
    /// Keeps what must outlive the process here; by default nothing does.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Box::new(store);
        self
    }

    /// What becomes of newcomers that have nothing to show for themselves; by default somebody is
    /// asked.
    #[must_use]
    pub fn admission(mut self, admission: Admission) -> Self {
        self.admission = admission;
        self
    }

    /// Joins without asking if let in by a participant with this fingerprint, and by nobody else.
    /// May be called for several.
    #[must_use]
    pub fn pin_admitter(mut self, fingerprint: Fingerprint) -> Self {
        self.protocol.pin_admitter(fingerprint);
        self
    }

    /// Bounds of the protocol session.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        *self.protocol.limits() = limits;
        self
    }

    /// How many messages wait to be sealed, and how many wait at each subscriber (default 1,024).
    #[must_use]
    pub fn queue(mut self, messages: usize) -> Self {
        self.queue = messages.clamp(1, MAX_QUEUE);
        self
    }

    /// Where the time of day comes from, for messages that expire: by default from the system.
    /// `None` for a device whose clock can't be trusted: it asks a keeper. A time, for simulations
    /// that repeat: the calendar stands there when the topic starts.
    #[must_use]
    pub fn calendar(mut self, start: Option<SystemTime>) -> Self {
        self.clock = start.map_or(Clock::None, Clock::From);
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
        let choice = self.protocol.into_choice();
        let (outbox, inbox) = choice.keeps();
        let opening = open::Opening {
            name: self.name,
            identity: self.identity,
            choice,
            outbox,
            inbox,
            store: self.store,
            entropy,
            clock: self.clock,
        };
        Ok(handle::start(name, opening, self.admission, self.queue))
    }
}

/// How long [`TopicHandle::stop`] waits for the links to take what is queued.
const STOPPING: Duration = Duration::from_secs(2);
