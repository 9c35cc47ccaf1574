//! Opening a topic: from its store's records to a live session. Not here: what follows.

use std::time::{SystemTime, UNIX_EPOCH};

use rand_core::CryptoRng;
use stringphone_protocol::classic::{ClassicSession, ClassicState};
use stringphone_protocol::v2::{V2Session, V2State};
use stringphone_protocol::{CommandError, Identity, Moment, Record, Session};
use tokio::time::Instant;

use super::protocol::sealed::Choice;
use super::protocol::{Classic, ClassicBeginning, V2, V2Beginning};
use crate::error::TopicError;
use crate::store::{COMMIT, Store, within};

pub(super) type Entropy = Box<dyn CryptoRng + Send>;

pub(super) struct Opening {
    pub(super) name: String,
    pub(super) identity: Identity,
    pub(super) choice: Choice,
    pub(super) outbox: bool,
    pub(super) inbox: bool,
    pub(super) store: Box<dyn Store>,
    pub(super) entropy: Entropy,
    pub(super) clock: Clock,
}

/// A topic that can live.
pub(super) struct Opened {
    pub(super) session: Box<dyn Session>,
    pub(super) store: Box<dyn Store>,
    pub(super) entropy: Entropy,
    pub(super) time: Time,
    pub(super) max_frame: usize,
    pub(super) inbox: bool,
}

/// Where the time of day comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Clock {
    System,
    None,
    /// It stood there when the topic started.
    From(SystemTime),
}

/// A session's two clocks.
pub(super) struct Time {
    /// The zero of its monotonic one.
    pub(super) zero: Instant,
    clock: Clock,
}

impl Time {
    /// Milliseconds of the monotonic clock, and of the calendar since 1970 UTC.
    pub(super) fn now(&self) -> (u64, Option<u64>) {
        let passed = self.zero.elapsed();
        let wall = match self.clock {
            Clock::System => Some(SystemTime::now()),
            Clock::None => None,
            Clock::From(start) => start.checked_add(passed),
        };
        let wall = wall.and_then(|wall| wall.duration_since(UNIX_EPOCH).ok());
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        (ms(passed), wall.map(ms))
    }
}

impl Opening {
    pub(super) async fn open(self) -> Result<Opened, TopicError> {
        let Self { name, identity, choice, inbox, mut store, mut entropy, clock, .. } = self;
        let time = Time { zero: Instant::now(), clock };
        let known = within(COMMIT, store.load()).await?;
        let (session, max_frame, new) = match choice {
            Choice::V2(chosen) => v2(*chosen, &name, identity, known, &time, &mut *entropy)?,
            Choice::Classic(chosen) => classic(chosen, identity, &known, &mut *entropy)?,
        };
        if !new.is_empty() {
            // Before anything leaves that depends on it.
            within(COMMIT, store.commit(new)).await?;
        }
        Ok(Opened { session, store, entropy, time, max_frame, inbox })
    }
}

/// A session, its largest frame, and what is to be stored of it, if it is new.
type Made = (Box<dyn Session>, usize, Vec<Record>);

fn v2(
    chosen: V2,
    name: &str,
    identity: Identity,
    known: Vec<Record>,
    time: &Time,
    entropy: &mut (dyn CryptoRng + Send),
) -> Result<Made, TopicError> {
    let (state, new) = if known.is_empty() {
        let state = match chosen.beginning {
            V2Beginning::Found(options) => V2State::found(name, &identity, options, entropy),
            V2Beginning::Join(suite) => V2State::join(name, &identity, suite),
        };
        let records = state.records().to_vec();
        (state, records)
    } else {
        (V2State::from_records(known), Vec::new())
    };
    let max_frame = chosen.settings.limits.frame;
    let (now, wall) = time.now();
    let mut moment = Moment::new(now, entropy);
    moment.wall = wall;
    let session = V2Session::open(identity, &state, chosen.settings, &mut moment)?;
    Ok((Box::new(session), max_frame, new))
}

fn classic(
    chosen: Classic,
    identity: Identity,
    known: &[Record],
    entropy: &mut (dyn CryptoRng + Send),
) -> Result<Made, TopicError> {
    let (state, new) = if known.is_empty() {
        let state = match chosen.beginning {
            ClassicBeginning::Found => ClassicState::found(entropy),
            ClassicBeginning::Join => ClassicState::join(entropy),
            ClassicBeginning::Import(state) => state,
        };
        let records = state.to_records(&identity);
        (state, records)
    } else {
        (ClassicState::from_records(&identity, known)?, Vec::new())
    };
    let max_frame = chosen.settings.limits.frame;
    let session =
        ClassicSession::open(identity, state, chosen.settings).map_err(CommandError::from)?;
    Ok((Box::new(session), max_frame, new))
}
