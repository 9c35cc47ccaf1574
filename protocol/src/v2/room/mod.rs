//! Our side of a topic that we are in. Not here: joining it, which is [`ask`](super::ask), and the
//! interface to callers, which is [`session`](super::session).

mod admit;
mod clock;
mod epochs;
mod history;
mod inbox;
mod life;
mod marks;
#[cfg(feature = "model")]
mod model;
mod order;
mod parcels;
mod publish;
mod receipts;
mod receive;
mod records;
mod restore;
mod roster;
mod timers;
mod unsent;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::body::Run;
use super::bucket::Bucket;
use super::crypto::Digest;
use super::epoch::{Epochs, Generation};
use super::kem::{KemSecret, Suite};
use super::log::Log;
use super::members::{Member, Members, Speakers};
use super::message::SenderHint;
use super::settings::Settings;
use super::standing::{Place, Role};
use super::topic::TopicId;
use super::window::Window;
use crate::outbox::Outbox;
use crate::roster::verifying_key;
use crate::{Event, FrameLimit, Identity, ParticipantId, PublicKey, Record};

pub(super) use admit::Admissions;
pub(crate) use receive::Checked;
pub(super) use records::newcomer_records;
pub(super) use restore::State;

use clock::Clock;
use history::History;
use inbox::{FrameId, Inbox};
use order::Order;
use publish::Counter;
use receipts::Receipts;
use roster::Sync;
use unsent::Unsent;

/// What everything that a room does may need, besides the room.
pub(super) struct Cx<'a> {
    pub(super) identity: &'a Identity,
    pub(super) settings: &'a Settings,
    pub(super) frames: FrameLimit,
    pub(super) outbox: &'a mut Outbox,
    pub(super) now: u64,
    /// Milliseconds since 1970 UTC, if the caller knows.
    pub(super) wall: Option<u64>,
    pub(super) entropy: &'a mut dyn CryptoRng,
}

impl Cx<'_> {
    pub(super) fn out(&mut self) -> Out<'_> {
        Out {
            identity: self.identity,
            settings: self.settings,
            frames: self.frames,
            outbox: self.outbox,
        }
    }

    fn after(&self, ms: u64) -> u64 {
        self.now.saturating_add(ms)
    }

    /// Up to this many milliseconds, at random.
    pub(super) fn jitter(&mut self, ms: u64) -> u64 {
        self.entropy.next_u64().checked_rem(ms).unwrap_or(0)
    }

    fn store(&mut self, records: Vec<Record>) {
        self.outbox.store(records);
    }

    fn event(&mut self, event: Event) {
        self.outbox.event(event);
    }
}

/// What sending needs.
pub(super) struct Out<'a> {
    pub(super) identity: &'a Identity,
    pub(super) settings: &'a Settings,
    pub(super) frames: FrameLimit,
    pub(super) outbox: &'a mut Outbox,
}

/// Our KEM keys: the one that was announced, and the one before.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct KemKeys {
    current: Option<KemSecret>,
    past: Option<(KemSecret, u64)>,
    /// When the current one was made.
    made: u64,
    /// When it is said again, for a new keeper.
    repeat_at: Option<u64>,
}

/// A newcomer that holds the epoch's secret, and that no operation admits yet.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Pending {
    member: Box<Member>,
    role: Role,
    name: alloc::string::String,
    /// The hash of what it introduced itself with.
    introduction: Digest,
    until: u64,
}

#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Room {
    topic: TopicId,
    suite: Suite,
    me: ParticipantId,
    incarnation: u32,
    /// Whether the roster says that we are a member; until then we only know our admitter.
    joined: bool,

    log: Log,
    members: Members,
    /// What was taken of those who are out, at an incarnation.
    former: BTreeMap<ParticipantId, (u32, Window)>,
    pending: BTreeMap<ParticipantId, Pending>,
    evictions: BTreeMap<ParticipantId, u32>,
    keepers: BTreeSet<(ParticipantId, u32)>,
    members_hash: Digest,
    evictions_hash: Digest,
    sync: Sync,

    epochs: Epochs,
    /// The generations that one we hold was made from: their members have been told.
    superseded: BTreeSet<Digest>,
    kem: KemKeys,
    steps: Bucket,
    step_due: bool,
    /// When we begin a generation because none is clean.
    heal_at: Option<u64>,
    /// When we ask others where the topic is.
    ask_at: Option<u64>,
    /// Until when unknown epochs do not make us ask.
    quiet_until: u64,

    counter: Counter,
    run: Option<Run>,
    dirty: BTreeSet<ParticipantId>,
    speakers: Speakers,
    deliveries: Vec<Event>,
    due_receipts: Vec<(SenderHint, u64)>,
    /// The last messages that came in time, of those that expire.
    punctual: VecDeque<(SenderHint, u64)>,
    /// What is stored with the next windows.
    due_records: Vec<Record>,
    receipts: Receipts,
    unsent: Unsent,
    inbox: Inbox,
    /// Frames of the inbox some of whose messages were acknowledged since.
    acknowledged: BTreeSet<FrameId>,
    order: Order,
    history: History,
    /// Whether anybody could hear us.
    connected: bool,
    /// Receipts that are given again: whoever replays a frame asks for one.
    again: Bucket,
    /// Members that are sent their backlog because they are back.
    returns: Bucket,
    clock: Clock,
    /// Verified frames that should not exist, before they are an alarm.
    insiders: Bucket,
    alarmed_until: u64,
    marks: Bucket,
    /// Marks that we have believed.
    marked: u32,
    pub(super) admissions: Admissions,
}

/// What becomes of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Goes,
    /// We are no member any more.
    Over,
}

impl Room {
    /// A room of which only the founding, our own place and one generation are known.
    fn bare(
        suite: Suite,
        log: Log,
        topic: TopicId,
        me: ParticipantId,
        incarnation: u32,
        epochs: Epochs,
    ) -> Self {
        Self {
            topic,
            suite,
            me,
            incarnation,
            joined: false,
            log,
            members: Members::new(),
            former: BTreeMap::new(),
            pending: BTreeMap::new(),
            evictions: BTreeMap::new(),
            keepers: BTreeSet::new(),
            members_hash: [0; 32],
            evictions_hash: [0; 32],
            sync: Sync::default(),
            epochs,
            superseded: BTreeSet::new(),
            kem: KemKeys { current: None, past: None, made: 0, repeat_at: None },
            steps: Bucket::new(512, 7_000),
            step_due: false,
            heal_at: None,
            ask_at: None,
            quiet_until: 0,
            counter: Counter::default(),
            run: None,
            dirty: BTreeSet::new(),
            speakers: Speakers::default(),
            deliveries: Vec::new(),
            due_receipts: Vec::new(),
            punctual: VecDeque::new(),
            due_records: Vec::new(),
            receipts: Receipts::default(),
            unsent: Unsent::default(),
            inbox: Inbox::default(),
            acknowledged: BTreeSet::new(),
            order: Order::default(),
            history: History::default(),
            connected: true,
            again: Bucket::new(64, 50),
            returns: Bucket::new(8, 10_000),
            clock: Clock::default(),
            insiders: Bucket::new(16, 1_000),
            alarmed_until: 0,
            marks: Bucket::new(16, 1_000),
            marked: 0,
            admissions: Admissions::default(),
        }
    }

    /// A room that we were just handed the key of. The admitter is all we know of its members.
    pub(super) fn enter(
        suite: Suite,
        handover: super::joining::Handover,
        me: ParticipantId,
        cx: &Cx<'_>,
    ) -> Option<Self> {
        let topic = handover.founding.topic(suite);
        let log = Log::new(topic, handover.founding, cx.settings.limits.operations);
        let evictions = handover.held.recipe.evictions;
        let generation = Generation::new(topic, handover.held, cx.now);
        let epochs = Epochs::new(generation);
        let mut room = Self::bare(suite, log, topic, me, handover.incarnation, epochs);
        room.evictions_hash = evictions;
        let place = Place {
            key: handover.admitter,
            incarnation: handover.admitter_incarnation,
            role: Role::Keeper,
            rank: u32::MAX,
        };
        verifying_key(&place.key).ok()?;
        room.members.insert(place.key.id(), Box::new(Member::new(&place)));
        Some(room)
    }

    pub(super) const fn joined(&self) -> bool {
        self.joined
    }

    pub(super) const fn topic(&self) -> &TopicId {
        &self.topic
    }

    /// Whether the generation in use is sealed to nobody who was evicted.
    pub(super) fn is_clean(&self) -> bool {
        self.epochs.current().is_some_and(|current| {
            current.certified && current.recipe.evictions == self.evictions_hash
        })
    }

    /// Whether we can tell others where the topic is.
    pub(super) fn is_settled(&self) -> bool {
        self.is_clean() && self.epochs.current().is_some_and(Generation::is_settled)
    }

    fn is_keeper(&self) -> bool {
        self.my_rank().is_some()
    }

    fn my_rank(&self) -> Option<u32> {
        let me = self.members.get(&self.me)?;
        (me.role == Role::Keeper).then_some(me.rank)
    }

    /// How long we wait before we do what anybody could: keepers go first.
    fn courtesy(&self, cx: &mut Cx<'_>) -> u64 {
        if self.is_keeper() { cx.jitter(100) } else { cx.jitter(1_900).saturating_add(100) }
    }

    /// The members, ordered by id, ourselves included.
    pub(super) fn members(&self) -> impl Iterator<Item = (PublicKey, Role)> {
        self.members.values().map(|member| (member.public_key(), member.role))
    }

    /// What a member called itself when it was admitted.
    pub(super) fn name_of(&self, id: ParticipantId) -> Option<&str> {
        let member = self.members.get(&id)?;
        self.log
            .operations()
            .filter(|(_, operation)| operation.subject.id() == id)
            .filter(|(_, operation)| operation.incarnation == member.incarnation)
            .map(|(_, operation)| operation.name)
            .find(|name| !name.is_empty())
    }

    /// The epoch in use: generation and step.
    pub(super) fn epoch(&self) -> Option<(u32, u32)> {
        self.epochs.current().map(|current| (current.recipe.number, current.present.step))
    }
}
