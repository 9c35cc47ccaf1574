//! Opening a topic: from its store's records to a live session. Not here: what follows.

use rand_core::CryptoRng;
use stringphone_protocol::classic::{ClassicSession, ClassicState, Settings};
use stringphone_protocol::{CommandError, Identity, Session};

use crate::error::TopicError;
use crate::store::{COMMIT, Store, within};

pub(super) type Entropy = Box<dyn CryptoRng + Send>;

/// What a topic begins with where its store is empty.
#[derive(Debug)]
pub(super) enum Beginning {
    Found,
    Join,
    Import(ClassicState),
}

pub(super) struct Opening {
    pub(super) identity: Identity,
    pub(super) beginning: Beginning,
    pub(super) settings: Settings,
    pub(super) store: Box<dyn Store>,
    pub(super) entropy: Entropy,
}

/// A topic that can live.
pub(super) struct Opened {
    pub(super) session: Box<dyn Session>,
    pub(super) store: Box<dyn Store>,
    pub(super) entropy: Entropy,
    pub(super) max_frame: usize,
}

impl Opening {
    pub(super) async fn open(self) -> Result<Opened, TopicError> {
        let Self { identity, beginning, settings, mut store, mut entropy } = self;
        let records = within(COMMIT, store.load()).await?;
        let state = if records.is_empty() {
            let state = match beginning {
                Beginning::Found => ClassicState::found(&mut *entropy),
                Beginning::Join => ClassicState::join(&mut *entropy),
                Beginning::Import(state) => state,
            };
            // Before anything leaves that depends on it.
            within(COMMIT, store.commit(state.to_records(&identity))).await?;
            state
        } else {
            ClassicState::from_records(&identity, &records)?
        };
        let max_frame = settings.limits.frame;
        let session =
            ClassicSession::open(identity, state, settings).map_err(CommandError::from)?;
        Ok(Opened { session: Box::new(session), store, entropy, max_frame })
    }
}
