//! What of a V2 session outlives the process, as records. Not here: when they are written, and
//! reading them, which is [`restore`](super::restore).

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write as _;

use zeroize::Zeroizing;

use super::history::Readers;
use super::inbox::FrameId;
use super::unsent::Message;
use super::{KemKeys, Pending, Room};
use crate::v2::crypto::Digest;
use crate::v2::epoch::{Epochs, Generation};
use crate::v2::kem::Suite;
use crate::v2::members::Member;
use crate::v2::original::Kept;
use crate::v2::topic::Founding;
use crate::v2::window::Window;
use crate::v2::wire::Write;
use crate::{Identity, ParticipantId, Record};

pub(super) const VERSION: u16 = 1;
pub(super) const PROTOCOL: &str = "protocol";
pub(super) const PROTOCOL_NAME: &[u8] = b"v2";
pub(super) const IDENTITY: &str = "identity";
pub(super) const TOPIC: &str = "topic";
pub(super) const MEMBERSHIP: &str = "membership";
pub(super) const OPERATION: &str = "operation/";
pub(super) const GENERATION: &str = "generation/";
pub(super) const CATCH_UP: &str = "catch-up";
pub(super) const COUNTER: &str = "counter";
pub(super) const KEM: &str = "kem";
pub(super) const MEMBER_KEM: &str = "member-kem/";
pub(super) const WINDOW: &str = "window/";
pub(super) const PENDING: &str = "pending/";
pub(super) const INVITATION: &str = "invitation/";
pub(super) const UNSENT: &str = "unsent/";
pub(super) const SENT: &str = "sent/";
pub(super) const INBOX: &str = "inbox/";
pub(super) const ACKNOWLEDGED: &str = "acknowledged/";
pub(super) const HISTORY: &str = "history/";
pub(super) const READERS: &str = "readers/";

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

pub(super) fn window_gone(id: ParticipantId) -> Record {
    Record::delete(named(WINDOW, id))
}

pub(super) fn member_kem_gone(id: ParticipantId) -> Record {
    Record::delete(named(MEMBER_KEM, id))
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

pub(super) fn sent(kept: &Kept, tickets: &[u64], missing: &[(ParticipantId, u32)]) -> Record {
    let mut bytes = Zeroizing::new(Vec::with_capacity(512));
    bytes.u32(u32::try_from(tickets.len()).unwrap_or(u32::MAX));
    for ticket in tickets {
        bytes.u64(*ticket);
    }
    bytes.u32(u32::try_from(missing.len()).unwrap_or(u32::MAX));
    for (id, incarnation) in missing {
        bytes.put(id.as_bytes()).u32(*incarnation);
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
        let members = self.members.keys().flat_map(|id| [window_gone(*id), member_kem_gone(*id)]);
        let members = members.chain(self.former.keys().map(|id| window_gone(*id)));
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
