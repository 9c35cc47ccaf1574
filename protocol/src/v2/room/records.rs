//! What of a V2 session outlives the process, as records. Not here: when they are written.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write as _;

use zeroize::Zeroizing;

use super::history::Readers;
use super::inbox::FrameId;
use super::publish::Counter;
use super::unsent::Message;
use super::{Cx, KemKeys, Pending, Room};
use crate::v2::crypto::Digest;
use crate::v2::epoch::{Epochs, Generation};
use crate::v2::kem::{KemSecret, Suite};
use crate::v2::log::{Added, Log};
use crate::v2::members::Member;
use crate::v2::original::Kept;
use crate::v2::standing::{Place, Role};
use crate::v2::topic::Founding;
use crate::v2::window::Window;
use crate::v2::wire::{Reader, Write};
use crate::{Event, Identity, ParticipantId, PublicKey, Record, RestoreError};

const VERSION: u16 = 1;
const PROTOCOL: &str = "protocol";
const PROTOCOL_NAME: &[u8] = b"v2";
const IDENTITY: &str = "identity";
const TOPIC: &str = "topic";
const MEMBERSHIP: &str = "membership";
const OPERATION: &str = "operation/";
const GENERATION: &str = "generation/";
const CATCH_UP: &str = "catch-up";
const COUNTER: &str = "counter";
const KEM: &str = "kem";
const MEMBER_KEM: &str = "member-kem/";
const WINDOW: &str = "window/";
const PENDING: &str = "pending/";
pub(super) const INVITATION: &str = "invitation/";
const UNSENT: &str = "unsent/";
const SENT: &str = "sent/";
const INBOX: &str = "inbox/";
const ACKNOWLEDGED: &str = "acknowledged/";
const HISTORY: &str = "history/";
const READERS: &str = "readers/";

/// The records of a participant that has not joined.
pub(in crate::v2) fn newcomer_records(
    identity: &Identity,
    suite: Suite,
    name: &str,
) -> Vec<Record> {
    let mut topic = vec![suite.to_byte()];
    topic.text(name);
    vec![
        Record::put(PROTOCOL, VERSION, PROTOCOL_NAME),
        Record::put(IDENTITY, VERSION, identity.public_key().as_bytes()),
        Record::put(TOPIC, VERSION, &topic),
    ]
}

pub(super) fn membership(founding: &Founding, incarnation: u32) -> Record {
    let mut membership = founding.to_bytes();
    membership.u32(incarnation);
    Record::put(MEMBERSHIP, VERSION, &membership)
}

pub(super) fn operation(number: usize, bytes: &[u8]) -> Record {
    Record::put(format!("{OPERATION}{number:08x}"), VERSION, bytes)
}

pub(super) fn generation(generation: &Generation) -> Record {
    Record::put(generation_name(&generation.id), VERSION, &generation.to_bytes())
}

pub(super) fn generation_gone(id: &Digest) -> Record {
    Record::delete(generation_name(id))
}

fn generation_name(id: &Digest) -> String {
    // 16 of its bytes name it, so that a record's name has at most 64.
    format!("{GENERATION}{:.32}", hex(id))
}

pub(super) fn catch_up_keys(epochs: &Epochs) -> Record {
    Record::put(CATCH_UP, VERSION, &epochs.gone())
}

pub(super) fn counter(reserved: u64) -> Record {
    Record::put(COUNTER, VERSION, &reserved.to_be_bytes())
}

pub(super) fn kem(keys: &KemKeys) -> Record {
    let mut bytes = Zeroizing::new(Vec::with_capacity(64));
    let past = keys.past.as_ref().map(|(key, _)| key);
    for key in keys.current.iter().chain(past) {
        bytes.put(key.expose());
    }
    Record::put(KEM, VERSION, &bytes)
}

pub(super) fn member_kem(id: ParticipantId, member: &Member) -> Option<Record> {
    let (counter, key) = member.kem.as_ref()?;
    let mut bytes = Vec::with_capacity(48);
    bytes.u32(member.incarnation).u64(*counter).put(key);
    Some(Record::put(named(MEMBER_KEM, id), VERSION, &bytes))
}

pub(super) fn window(id: ParticipantId, incarnation: u32, window: &Window) -> Record {
    let mut bytes = Vec::with_capacity(24);
    bytes.u32(incarnation).put(&window.to_bytes());
    Record::put(named(WINDOW, id), VERSION, &bytes)
}

/// Of somebody who is no member any more.
pub(super) fn member_gone(id: ParticipantId) -> Vec<Record> {
    vec![Record::delete(named(WINDOW, id)), Record::delete(named(MEMBER_KEM, id))]
}

pub(super) fn pending(id: ParticipantId, pending: &Pending) -> Record {
    let mut bytes = Vec::with_capacity(128);
    bytes.put(pending.member.public_key().as_bytes()).u32(pending.member.incarnation);
    bytes.u8(pending.role.to_byte()).text(&pending.name);
    Record::put(named(PENDING, id), VERSION, &bytes)
}

pub(super) fn pending_gone(id: ParticipantId) -> Record {
    Record::delete(named(PENDING, id))
}

pub(super) fn unsent(number: u64, message: &Message) -> Record {
    Record::put(numbered(UNSENT, number), VERSION, &Zeroizing::new(message.to_bytes()))
}

pub(super) fn unsent_gone(number: u64) -> Record {
    Record::delete(numbered(UNSENT, number))
}

pub(super) fn sent(kept: &Kept, tickets: &[u64], missing: &BTreeSet<ParticipantId>) -> Record {
    let mut bytes = Zeroizing::new(Vec::with_capacity(512));
    bytes.u32(u32::try_from(tickets.len()).unwrap_or(u32::MAX));
    for ticket in tickets {
        bytes.u64(*ticket);
    }
    bytes.u32(u32::try_from(missing.len()).unwrap_or(u32::MAX));
    for id in missing {
        bytes.put(id.as_bytes());
    }
    kept.write(&mut bytes);
    Record::put(numbered(SENT, kept.original.counter), VERSION, &bytes)
}

pub(super) fn sent_gone(counter: u64) -> Record {
    Record::delete(numbered(SENT, counter))
}

pub(super) fn inbox(id: &FrameId, kind: u8, body: &[u8]) -> Record {
    let mut bytes = Zeroizing::new(Vec::with_capacity(body.len().saturating_add(1)));
    bytes.u8(kind).put(body);
    Record::put(frame_name(INBOX, id), VERSION, &bytes)
}

pub(super) fn acknowledged(id: &FrameId, places: &[u8]) -> Record {
    Record::put(frame_name(ACKNOWLEDGED, id), VERSION, places)
}

pub(super) fn inbox_gone(id: &FrameId) -> [Record; 2] {
    [INBOX, ACKNOWLEDGED].map(|prefix| Record::delete(frame_name(prefix, id)))
}

pub(super) fn history(number: u64, kept: &Kept) -> Record {
    let mut bytes = Zeroizing::new(Vec::with_capacity(512));
    kept.write(&mut bytes);
    Record::put(numbered(HISTORY, number), VERSION, &bytes)
}

pub(super) fn history_gone(number: u64) -> Record {
    Record::delete(numbered(HISTORY, number))
}

pub(super) fn readers(generation: &Digest, readers: &Readers) -> Record {
    let mut bytes = Vec::from(*generation);
    for ((id, incarnation), from) in readers {
        bytes.put(id.as_bytes()).u32(*incarnation).u32(*from);
    }
    Record::put(readers_name(generation), VERSION, &bytes)
}

pub(super) fn readers_gone(generation: &Digest) -> Record {
    Record::delete(readers_name(generation))
}

fn readers_name(generation: &Digest) -> String {
    format!("{READERS}{:.32}", hex(generation))
}

fn numbered(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:016x}")
}

fn frame_name(prefix: &str, (sender, incarnation, counter): &FrameId) -> String {
    let mut name = named(prefix, *sender);
    // At most 63 bytes: a counter has 40 bits.
    let _ = write!(name, "{incarnation:08x}{counter:010x}");
    name
}

fn read_frame_name(name: &str) -> Option<FrameId> {
    let (sender, rest) = name.split_at_checked(32)?;
    let (incarnation, counter) = rest.split_at_checked(8)?;
    let incarnation = u32::from_str_radix(incarnation, 16).ok()?;
    Some((sender.parse().ok()?, incarnation, u64::from_str_radix(counter, 16).ok()?))
}

fn named(prefix: &str, id: ParticipantId) -> String {
    // One allocation: windows are named at every frame.
    let mut name = String::with_capacity(64);
    name.push_str(prefix);
    id.write_hex(&mut name);
    name
}

fn hex(bytes: &Digest) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Room {
    /// What is stored when we found or join a topic, besides who we are and what it is called.
    pub(in crate::v2) fn all_records(&self) -> Vec<Record> {
        let mut records = vec![membership(&self.log.founding, self.incarnation)];
        records.extend(
            self.log.raw().enumerate().map(|(number, (_, bytes))| operation(number, bytes)),
        );
        records.extend(self.epochs.iter().map(generation));
        records.push(catch_up_keys(&self.epochs));
        records.push(counter(self.counter.reserved()));
        records.push(kem(&self.kem));
        records
    }
}

impl Room {
    /// What makes all of that go, but for who we are and what the topic is called.
    pub(in crate::v2) fn gone_records(&self) -> Vec<Record> {
        let mut gone = vec![MEMBERSHIP, CATCH_UP, COUNTER, KEM];
        let operations: Vec<String> =
            (0..self.log.len()).map(|number| format!("{OPERATION}{number:08x}")).collect();
        let generations = self.epochs.iter().map(|each| generation_name(&each.id));
        let names: Vec<String> = operations.into_iter().chain(generations).collect();
        gone.extend(names.iter().map(String::as_str));
        let members = self.members.keys().flat_map(|id| member_gone(*id));
        let pending = self.pending.keys().map(|id| pending_gone(*id));
        let invitations = self.admissions.invitation_names().map(Record::delete);
        let named = gone.into_iter().map(Record::delete);
        named.chain(members).chain(pending).chain(invitations).chain(self.kept_gone()).collect()
    }

    /// Messages that are kept for whatever reason.
    fn kept_gone(&self) -> impl Iterator<Item = Record> {
        let unsent = self.unsent.numbers().map(unsent_gone);
        let sent = self.receipts.counters().map(sent_gone);
        let history = self.history.numbers().map(history_gone);
        let readers = self.history.generations().map(readers_gone);
        unsent
            .chain(sent)
            .chain(self.inbox.ids().flat_map(inbox_gone))
            .chain(history)
            .chain(readers)
    }
}

/// Records by name, each read once.
pub(in crate::v2) struct State<'a>(BTreeMap<&'a str, &'a Record>);

impl<'a> State<'a> {
    pub(in crate::v2) fn new(
        identity: &Identity,
        records: &'a [Record],
    ) -> Result<Self, RestoreError> {
        let last: BTreeMap<_, _> =
            records.iter().map(|record| (record.key.as_str(), record)).collect();
        let state = Self(last.into_iter().filter(|(_, record)| record.value.is_some()).collect());
        match state.value(PROTOCOL)? {
            Some(PROTOCOL_NAME) => {}
            Some(other) => {
                return Err(RestoreError::OtherProtocol(String::from_utf8_lossy(other).into()));
            }
            None => return Err(RestoreError::Missing(PROTOCOL)),
        }
        let owner = state.value(IDENTITY)?.ok_or(RestoreError::Missing(IDENTITY))?;
        if owner != identity.public_key().as_bytes() {
            let owner = owner.try_into().map_err(|_| damaged(IDENTITY))?;
            return Err(RestoreError::OtherIdentity(PublicKey::from_bytes(owner).id()));
        }
        Ok(state)
    }

    /// Suite and name of the topic.
    pub(in crate::v2) fn topic(&self) -> Result<(Suite, &'a str), RestoreError> {
        let bytes = self.value(TOPIC)?.ok_or(RestoreError::Missing(TOPIC))?;
        let mut reader = Reader::new(bytes);
        let mut read = || Some((Suite::from_byte(reader.u8()?)?, reader.text()?));
        read().ok_or_else(|| damaged(TOPIC))
    }

    fn value(&self, name: &str) -> Result<Option<&'a [u8]>, RestoreError> {
        let Some(record) = self.0.get(name) else { return Ok(None) };
        if record.version > VERSION {
            return Err(RestoreError::Newer { key: name.to_string(), version: record.version });
        }
        Ok(record.value.as_ref().map(|value| value.as_slice()))
    }

    /// The records whose names begin so, with the rest of the name.
    fn all(
        &self,
        prefix: &'static str,
    ) -> impl Iterator<Item = Result<(&'a str, &'a [u8]), RestoreError>> {
        self.0.range(prefix..).map_while(move |(name, _)| {
            let rest = name.strip_prefix(prefix)?;
            Some(self.value(name).map(|value| (rest, value.unwrap_or_default())))
        })
    }

    /// The room that these records hold; `None` where nothing was joined yet.
    pub(in crate::v2) fn room(
        &self,
        identity: &Identity,
        cx: &mut Cx<'_>,
    ) -> Result<Option<Room>, RestoreError> {
        let (suite, _) = self.topic()?;
        let Some(membership) = self.value(MEMBERSHIP)? else { return Ok(None) };
        let mut reader = Reader::new(membership);
        let mut read = || Some((Founding::read(&mut reader)?, reader.u32()?));
        let (founding, incarnation) = read().ok_or_else(|| damaged(MEMBERSHIP))?;
        let topic = founding.topic(suite);
        let mut log = Log::new(topic, founding, cx.settings.limits.operations);
        for entry in self.all(OPERATION) {
            let (name, bytes) = entry?;
            if log.restore(bytes) != Added::New {
                return Err(damaged(&format!("{OPERATION}{name}")));
            }
        }
        let epochs = self.epochs(topic, cx)?;
        let mut room = Room::bare(suite, log, topic, identity.id(), incarnation, epochs);
        room.joined = true;
        self.fill(&mut room, cx)?;
        Ok(Some(room))
    }

    fn epochs(&self, topic: crate::v2::TopicId, cx: &Cx<'_>) -> Result<Epochs, RestoreError> {
        let until = cx.after(cx.settings.timing.overlap_ms);
        let mut generations = Vec::new();
        for entry in self.all(GENERATION) {
            let (name, bytes) = entry?;
            let generation = Generation::from_bytes(topic, bytes, cx.now, until);
            generations.push(generation.ok_or_else(|| damaged(&format!("{GENERATION}{name}")))?);
        }
        if generations.is_empty() {
            return Err(RestoreError::Missing(GENERATION));
        }
        let gone = self.value(CATCH_UP)?.unwrap_or_default();
        Epochs::restore(generations, gone).ok_or_else(|| damaged(CATCH_UP))
    }

    fn fill(&self, room: &mut Room, cx: &mut Cx<'_>) -> Result<(), RestoreError> {
        let reserved = self.value(COUNTER)?.ok_or(RestoreError::Missing(COUNTER))?;
        let reserved = reserved.try_into().map_err(|_| damaged(COUNTER))?;
        room.counter = Counter::resume(u64::from_be_bytes(reserved));
        self.kem(room, cx)?;
        room.seat_members();
        self.members(room, cx)?;
        for entry in self.all(PENDING) {
            let (name, bytes) = entry?;
            let until = cx.after(cx.settings.timing.admission_ms);
            let pending = read_pending(bytes, until);
            let pending = pending.ok_or_else(|| damaged(&format!("{PENDING}{name}")))?;
            room.pending.insert(pending.member.public_key().id(), pending);
        }
        for entry in self.all(INVITATION) {
            let (name, bytes) = entry?;
            let known = room.admissions.restore_invitation(bytes, cx.now);
            known.ok_or_else(|| damaged(&format!("{INVITATION}{name}")))?;
        }
        self.kept(room, cx)
    }

    /// Messages that are kept for whatever reason.
    fn kept(&self, room: &mut Room, cx: &Cx<'_>) -> Result<(), RestoreError> {
        let outbox = cx.settings.outbox.unwrap_or_default();
        self.each(UNSENT, |name, bytes| {
            let number = u64::from_str_radix(name, 16).ok()?;
            let message = Message::from_bytes(bytes)?;
            room.unsent.restore(number, message, cx.after(outbox.age_ms));
            Some(())
        })?;
        self.each(SENT, |_, bytes| read_sent(bytes, room))?;
        self.each(INBOX, |name, bytes| {
            let acknowledged = self.0.get(format!("{ACKNOWLEDGED}{name}").as_str());
            let places = acknowledged.and_then(|record| record.value.as_ref());
            let places = places.map_or(&[] as &[u8], |places| places.as_slice());
            room.restore_inbox(read_frame_name(name)?, bytes, places)
        })?;
        self.each(HISTORY, |name, bytes| {
            let number = u64::from_str_radix(name, 16).ok()?;
            room.history.restore(number, Kept::read(Reader::new(bytes))?);
            Some(())
        })?;
        self.each(READERS, |_, bytes| {
            let (generation, readers) = bytes.split_first_chunk()?;
            room.history.restore_readers(*generation, readers)
        })
    }

    /// Reads every record whose name begins so.
    fn each(
        &self,
        prefix: &'static str,
        mut read: impl FnMut(&str, &[u8]) -> Option<()>,
    ) -> Result<(), RestoreError> {
        for entry in self.all(prefix) {
            let (name, bytes) = entry?;
            read(name, bytes).ok_or_else(|| damaged(&format!("{prefix}{name}")))?;
        }
        Ok(())
    }

    fn kem(&self, room: &mut Room, cx: &Cx<'_>) -> Result<(), RestoreError> {
        let mut reader = Reader::new(self.value(KEM)?.unwrap_or_default());
        let mut keys = Vec::new();
        while !reader.is_empty() {
            let key = reader.array().ok_or_else(|| damaged(KEM))?;
            keys.push(KemSecret::from_bytes(room.suite, &key));
        }
        let mut keys = keys.into_iter();
        room.kem.current = keys.next();
        let until = cx.after(cx.settings.timing.overlap_ms);
        room.kem.past = keys.next().map(|key| (key, until));
        room.kem.made = cx.now;
        Ok(())
    }

    fn members(&self, room: &mut Room, cx: &Cx<'_>) -> Result<(), RestoreError> {
        for entry in self.all(WINDOW) {
            let (name, bytes) = entry?;
            let broken = || damaged(&format!("{WINDOW}{name}"));
            let mut reader = Reader::new(bytes);
            let incarnation = reader.u32().ok_or_else(broken)?;
            let every = cx.settings.frames_per_commit;
            let window = Window::from_bytes(reader.rest(), every).ok_or_else(broken)?;
            let id = name.parse().map_err(|_| broken())?;
            // Of an earlier life, it says nothing of this one.
            if let Some(member) = room.member_of(id, incarnation) {
                member.window = window;
            }
        }
        for entry in self.all(MEMBER_KEM) {
            let (name, bytes) = entry?;
            let broken = || damaged(&format!("{MEMBER_KEM}{name}"));
            let mut reader = Reader::new(bytes);
            let mut read = || Some((reader.u32()?, reader.u64()?));
            let (incarnation, counter) = read().ok_or_else(broken)?;
            let id = name.parse().map_err(|_| broken())?;
            if let Some(member) = room.member_of(id, incarnation) {
                member.kem = Some((counter, reader.rest().into()));
            }
        }
        Ok(())
    }
}

fn read_sent(bytes: &[u8], room: &mut Room) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let mut tickets = Vec::new();
    for _ in 0..reader.u32()? {
        tickets.push(reader.u64()?);
    }
    let mut missing = BTreeSet::new();
    for _ in 0..reader.u32()? {
        missing.insert(ParticipantId::from_bytes(reader.array()?));
    }
    // Who was evicted is not waited for.
    missing.retain(|id| room.members.contains_key(id));
    let kept = Kept::read(reader)?;
    if missing.is_empty() {
        room.due_records.push(sent_gone(kept.original.counter));
        room.deliveries.push(Event::Confirmed { tickets, by: None, missing: 0 });
    } else {
        room.receipts.insert(kept, tickets, missing);
    }
    Some(())
}

fn read_pending(bytes: &[u8], until: u64) -> Option<Pending> {
    let mut reader = Reader::new(bytes);
    let key = PublicKey::from_bytes(reader.array()?);
    let (incarnation, role) = (reader.u32()?, Role::from_byte(reader.u8()?)?);
    let name = String::from(reader.text()?);
    let place = Place { key, incarnation, role, rank: u32::MAX };
    let member = Box::new(Member::new(&place));
    Some(Pending { member, role, name, introduction: [0; 32], until })
}

fn damaged(name: &str) -> RestoreError {
    RestoreError::Damaged(name.to_string())
}
