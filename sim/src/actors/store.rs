//! A simulated device's storage as a store that takes its time. Not the storage itself.

use std::sync::Arc;

use async_trait::async_trait;
use stringphone::store::{Record, Store, StoreError};
use tokio::time::sleep;

use super::News;
use crate::dice::Dice;
use crate::sessions::COMMIT;
use crate::storage::Storage;

pub(super) struct SimStore {
    storage: Storage,
    life: u32,
    news: Arc<News>,
    dice: Dice,
}

impl SimStore {
    pub(super) const fn new(storage: Storage, life: u32, news: Arc<News>, dice: Dice) -> Self {
        Self { storage, life, news, dice }
    }
}

#[async_trait]
impl Store for SimStore {
    async fn load(&mut self) -> Result<Vec<Record>, StoreError> {
        Ok(self.storage.records())
    }

    async fn commit(&mut self, batch: Vec<Record>) -> Result<(), StoreError> {
        sleep(self.dice.within(COMMIT)).await;
        if self.storage.commit(self.news.now(), self.life, batch) {
            Ok(())
        } else {
            Err(StoreError::Other("the device has crashed".into()))
        }
    }
}
