//! Who must not read is shown what others send, with all that it ever stored: an evicted device
//! what is sent by those who know, a newcomer what was sent before. Not what they read by right.

use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use stringphone_protocol::v2::{Settings, V2Session, V2State};
use stringphone_protocol::{
    Event, Identity, Input, Moment, Output, ParticipantId, Record, Session,
};

use crate::dice::{Stream, entropy};
use crate::report::Reason;
use crate::run::Device;
use crate::schedule::DeviceId;

/// So many frames are shown to each.
const SHOWN: u32 = 200;

pub(super) struct Readers {
    evicted: Vec<(DeviceId, usize, Reader)>,
    entropy: ChaCha20Rng,
    /// How many frames were shown.
    pub(super) tried: u64,
}

impl Readers {
    pub(super) fn new(seed: u64) -> Self {
        Self { evicted: Vec::new(), entropy: entropy(seed, Stream::Spy, 0, 0), tried: 0 }
    }

    /// A device may be evicted any moment.
    pub(super) fn watch(&mut self, number: DeviceId, device: &Device) {
        self.evicted.push((number, device.room, Reader::new(device)));
    }

    /// It is let in again, and may read.
    pub(super) fn admitting(&mut self, id: ParticipantId) {
        self.evicted.retain(|(.., reader)| reader.identity.id() != id);
    }

    pub(super) fn sent(&mut self, now: Duration, by: &Device, frame: &Bytes) -> Result<(), Reason> {
        for (evicted, room, reader) in &mut self.evicted {
            let knows = by.applied.contains(&reader.identity.id());
            if *room != by.room || !knows || reader.left == 0 {
                continue;
            }
            self.tried += 1;
            if reader.reads(now, frame, &mut self.entropy) {
                return Err(Reason::ReadByEvicted { evicted: *evicted });
            }
        }
        self.evicted.retain(|(.., reader)| reader.left > 0);
        Ok(())
    }

    pub(super) fn try_newcomer<'a>(
        &mut self,
        now: Duration,
        newcomer: &Device,
        before: impl Iterator<Item = &'a Bytes>,
    ) -> Result<(), Reason> {
        let mut reader = Reader::new(newcomer);
        for frame in before {
            self.tried += 1;
            if reader.reads(now, frame, &mut self.entropy) {
                return Err(Reason::ReadByNewcomer);
            }
        }
        Ok(())
    }
}

/// Who goes on with what a device stored once, and obeys nobody: when it is told that it is out,
/// it begins again from there.
pub(crate) struct Reader {
    identity: Identity,
    records: Vec<Record>,
    session: Option<V2Session>,
    left: u32,
}

impl Reader {
    pub(crate) fn new(device: &Device) -> Self {
        Self {
            identity: device.identity.clone(),
            records: device.storage.records(),
            session: None,
            left: SHOWN,
        }
    }

    pub(crate) fn reads(&mut self, now: Duration, frame: &[u8], entropy: &mut ChaCha20Rng) -> bool {
        self.left = self.left.saturating_sub(1);
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let mut moment = Moment::new(now, entropy);
        let Some(mut session) = self.session.take().or_else(|| self.open(&mut moment)) else {
            return false;
        };
        let _ = session.handle(Input::Frame(frame), &mut moment);
        let read = drain(&mut session, &mut moment);
        self.session = Some(session).filter(Session::is_ready);
        read
    }

    fn open(&self, moment: &mut Moment<'_>) -> Option<V2Session> {
        let state = V2State::from_records(self.records.clone());
        let opened = V2Session::open(self.identity.clone(), &state, Settings::default(), moment);
        let mut session = opened.ok()?;
        drain(&mut session, moment);
        Some(session)
    }
}

/// Whether it could read a message.
fn drain(session: &mut V2Session, moment: &mut Moment<'_>) -> bool {
    let mut read = false;
    while let Some(output) = session.poll() {
        match output {
            Output::Store(_) => {
                let _ = session.handle(Input::Stored, moment);
            }
            // What came too late for it was read all the same.
            Output::Event(
                Event::Message { .. }
                | Event::Uncertain { .. }
                | Event::Expired(_)
                | Event::Unverifiable(_),
            ) => read = true,
            _ => {}
        }
    }
    read
}
