//! The lasting state of a V2 session. Not here: what any record says.

use alloc::vec::Vec;

use crate::v2::kem::Suite;
use crate::v2::room::{Room, newcomer_records};
use crate::v2::settings::FoundOptions;
use crate::v2::topic::Founding;
use crate::{Identity, Record};

/// The lasting state of a participant in a V2 topic, as the records that hold it.
///
/// ```
/// use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// use stringphone_protocol::Identity;
/// use stringphone_protocol::v2::{FoundOptions, V2State};
///
/// let mut rng = ChaCha20Rng::from_seed([7; 32]);
/// let phone = Identity::generate(&mut rng);
/// let state = V2State::found("greenhouse", &phone, FoundOptions::default(), &mut rng);
/// let again = V2State::from_records(state.records().to_vec());
/// # let _ = again;
/// ```
#[derive(Clone, Debug)]
pub struct V2State(pub(super) Vec<Record>);

impl V2State {
    /// A new topic, with the identity as its founder and first keeper. The name is 1 to 64 bytes;
    /// what is beyond is cut off.
    pub fn found(
        name: &str,
        identity: &Identity,
        options: FoundOptions,
        entropy: &mut dyn rand_core::CryptoRng,
    ) -> Self {
        let founding = Founding::new(identity, options.recovery, entropy);
        let room = Room::found(options.suite, founding, identity, entropy);
        let mut records = newcomer_records(identity, options.suite, name);
        records.extend(room.all_records());
        Self(records)
    }

    /// A participant that has not joined yet.
    #[must_use]
    pub fn join(name: &str, identity: &Identity, suite: Suite) -> Self {
        Self(newcomer_records(identity, suite, name))
    }

    /// The state that these records hold: everything that was stored, in any order but with the
    /// later of two records of one name behind. Whether it is whole, opening it tells.
    #[must_use]
    pub const fn from_records(records: Vec<Record>) -> Self {
        Self(records)
    }

    /// The records that hold this state.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.0
    }
}
