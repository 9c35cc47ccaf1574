//! For the model checker: what a room holds. Not here: anything that changes it.

use super::Room;
use crate::ParticipantId;
use crate::v2::HeldGeneration;

impl Room {
    pub(in crate::v2) fn held_generations(&self) -> impl Iterator<Item = HeldGeneration> {
        self.epochs.iter().map(|generation| HeldGeneration {
            id: generation.id,
            number: generation.recipe.number,
            step: generation.present.step,
        })
    }

    pub(in crate::v2) fn evicted(&self) -> impl Iterator<Item = (ParticipantId, u32)> {
        self.evictions.iter().map(|(id, incarnation)| (*id, *incarnation))
    }
}
