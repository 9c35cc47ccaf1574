//! What of a Classic session outlives the process. Not here: the live session.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::ExchangeKey;
use crate::{Identity, ParticipantId, PublicKey, Record, RestoreError, TopicKey};

/// The version that all of today's record layouts have.
const VERSION: u16 = 1;
const PROTOCOL: &str = "protocol";
const PROTOCOL_NAME: &[u8] = b"classic";
const IDENTITY: &str = "identity";
const EXCHANGE_KEY: &str = "exchange-key";
const TOPIC_KEY: &str = "topic-key";
const PARTICIPANT: &str = "participant/";

/// The lasting state of a participant in a Classic topic: what a session is opened from, and
/// what its records add up to.
///
/// ```
/// use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// use stringphone_protocol::{Identity, classic::ClassicState};
///
/// let mut rng = ChaCha20Rng::from_seed([7; 32]);
/// let identity = Identity::generate(&mut rng);
/// let state = ClassicState::found(&mut rng);
/// let records = state.to_records(&identity);
/// let again = ClassicState::from_records(&identity, &records)?;
/// assert_eq!(again.topic_key, state.topic_key);
/// # Ok::<(), stringphone_protocol::RestoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassicState {
    /// The key of the topic, once it is held.
    pub topic_key: Option<TopicKey>,
    /// Our half of the key exchange by which topic keys are handed over.
    pub exchange_key: ExchangeKey,
    /// Who is trusted.
    pub participants: Vec<PublicKey>,
}

impl ClassicState {
    /// A new topic with a new key.
    pub fn found(entropy: &mut dyn CryptoRng) -> Self {
        let topic_key = Some(TopicKey::random(entropy));
        Self { topic_key, ..Self::join(entropy) }
    }

    /// A participant that does not hold the topic key yet.
    pub fn join(entropy: &mut dyn CryptoRng) -> Self {
        let exchange_key = ExchangeKey::random(entropy);
        Self { topic_key: None, exchange_key, participants: Vec::new() }
    }

    /// The records that hold this state.
    #[must_use]
    pub fn to_records(&self, identity: &Identity) -> Vec<Record> {
        let mut records = vec![
            Record::put(PROTOCOL, VERSION, PROTOCOL_NAME),
            Record::put(IDENTITY, VERSION, identity.public_key().as_bytes()),
            Record::put(EXCHANGE_KEY, VERSION, self.exchange_key.expose_secret()),
        ];
        records.extend(self.topic_key.as_ref().map(topic_key));
        records.extend(self.participants.iter().map(participant));
        records
    }

    /// The state that these records hold. Records of other names are left to their owners.
    ///
    /// # Errors
    ///
    /// [`RestoreError`] where a record is missing, damaged, of a later release, of another
    /// identity, or of another protocol.
    pub fn from_records(identity: &Identity, records: &[Record]) -> Result<Self, RestoreError> {
        let found = Found::new(records);
        match found.value(PROTOCOL)? {
            Some(PROTOCOL_NAME) => {}
            Some(other) => {
                return Err(RestoreError::OtherProtocol(String::from_utf8_lossy(other).into()));
            }
            None => return Err(RestoreError::Missing(PROTOCOL)),
        }
        let owner = found.key(IDENTITY)?.ok_or(RestoreError::Missing(IDENTITY))?;
        if *owner != *identity.public_key().as_bytes() {
            return Err(RestoreError::OtherIdentity(PublicKey::from_bytes(*owner).id()));
        }
        let exchange = found.key(EXCHANGE_KEY)?.ok_or(RestoreError::Missing(EXCHANGE_KEY))?;
        Ok(Self {
            topic_key: found.key(TOPIC_KEY)?.map(|key| TopicKey::from_bytes(&key)),
            exchange_key: ExchangeKey::from_bytes(&exchange),
            participants: found.participants()?,
        })
    }
}

pub(super) fn topic_key(key: &TopicKey) -> Record {
    Record::put(TOPIC_KEY, VERSION, key.expose_secret())
}

pub(super) fn participant(key: &PublicKey) -> Record {
    Record::put(participant_name(key.id()), VERSION, key.as_bytes())
}

pub(super) fn participant_removed(id: ParticipantId) -> Record {
    Record::delete(participant_name(id))
}

fn participant_name(id: ParticipantId) -> String {
    format!("{PARTICIPANT}{id}")
}

/// The records by name, with the checks that every reader makes.
struct Found<'a>(BTreeMap<&'a str, &'a Record>);

impl<'a> Found<'a> {
    fn new(records: &'a [Record]) -> Self {
        // The last record of a name counts, a deletion too: nobody is trusted again by its past.
        let last: BTreeMap<_, _> =
            records.iter().map(|record| (record.key.as_str(), record)).collect();
        Self(last.into_iter().filter(|(_, record)| record.value.is_some()).collect())
    }

    fn value(&self, name: &str) -> Result<Option<&'a [u8]>, RestoreError> {
        let Some(record) = self.0.get(name) else {
            return Ok(None);
        };
        if record.version > VERSION {
            return Err(RestoreError::Newer { key: name.into(), version: record.version });
        }
        Ok(record.value.as_ref().map(|value| value.as_slice()))
    }

    fn key(&self, name: &str) -> Result<Option<Zeroizing<[u8; 32]>>, RestoreError> {
        let Some(value) = self.value(name)? else {
            return Ok(None);
        };
        let key = value.as_array().ok_or_else(|| RestoreError::Damaged(name.into()))?;
        Ok(Some(Zeroizing::new(*key)))
    }

    fn participants(&self) -> Result<Vec<PublicKey>, RestoreError> {
        let names = self.0.keys().filter(|name| name.starts_with(PARTICIPANT));
        let mut participants = Vec::new();
        for name in names {
            let damaged = || RestoreError::Damaged((*name).into());
            let key = PublicKey::from_bytes(*self.key(name)?.ok_or_else(damaged)?);
            if *participant_name(key.id()) != **name {
                return Err(damaged());
            }
            participants.push(key);
        }
        Ok(participants)
    }
}
