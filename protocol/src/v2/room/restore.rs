//! A room from the records that hold it. Not here: what they are called, which is
//! [`records`](super::records).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::inbox::FrameId;
use super::publish::Counter;
use super::records::{
    ACKNOWLEDGED, CATCH_UP, COUNTER, GENERATION, HISTORY, IDENTITY, INBOX, INVITATION, KEM,
    MEMBER_KEM, MEMBERSHIP, OPERATION, PENDING, PROTOCOL, PROTOCOL_NAME, READERS, SENT, TOPIC,
    UNSENT, VERSION, WINDOW, sent_gone,
};
use super::unsent::Message;
use super::{Cx, Pending, Room};
use crate::v2::epoch::{Epochs, Generation};
use crate::v2::kem::{KemSecret, Suite};
use crate::v2::log::{Added, Log};
use crate::v2::members::Member;
use crate::v2::original::Kept;
use crate::v2::standing::{Place, Role};
use crate::v2::topic::Founding;
use crate::v2::window::Window;
use crate::v2::wire::Reader;
use crate::{Event, Identity, ParticipantId, PublicKey, Record, RestoreError};

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
            room.restore_inbox(read_frame_name(name)?, bytes, places, cx.wall)
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
            } else if !room.members.contains_key(&id) {
                room.former.insert(id, (incarnation, window));
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
        let (id, incarnation) = (ParticipantId::from_bytes(reader.array()?), reader.u32()?);
        // Who was evicted is not waited for, nor told in another life.
        if room.members.get(&id).is_some_and(|member| member.incarnation == incarnation) {
            missing.insert(id);
        }
    }
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

fn read_frame_name(name: &str) -> Option<FrameId> {
    let (sender, rest) = name.split_at_checked(32)?;
    let (incarnation, counter) = rest.split_at_checked(8)?;
    let incarnation = u32::from_str_radix(incarnation, 16).ok()?;
    Some((sender.parse().ok()?, incarnation, u64::from_str_radix(counter, 16).ok()?))
}
