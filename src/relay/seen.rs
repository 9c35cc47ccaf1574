//! Frames that came a moment ago. Not here: replay protection, which is the topic's.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// Frames that are remembered.
const FRAMES: usize = 4_096;
/// Introductions are repeated, unchanged, for whom the first did not reach: the same frame goes on
/// again after this long, and then after twice as long each time …
const FIRST_PAUSE: Duration = Duration::from_millis(1_500);
/// … up to this. What goes round in a circle dies out.
const LAST_PAUSE: Duration = Duration::from_secs(300);
/// After this long the frame counts as new.
const FORGOTTEN: Duration = Duration::from_secs(600);

#[derive(Default)]
pub(super) struct Seen {
    /// Nobody who does not know its key can choose frames that look alike.
    hasher: RandomState,
    frames: BTreeMap<u64, Known>,
    order: VecDeque<u64>,
}

struct Known {
    forwarded: Instant,
    pause: Duration,
}

impl Seen {
    /// Whether a frame is to go on.
    pub(super) fn is_news(&mut self, channel: &str, frame: &[u8], now: Instant) -> bool {
        let name = self.hasher.hash_one((channel, frame));
        if let Some(known) = self.frames.get_mut(&name) {
            let since = now.duration_since(known.forwarded);
            if since < known.pause {
                return false;
            }
            known.pause = match since {
                since if since < FORGOTTEN => known.pause.saturating_mul(2).min(LAST_PAUSE),
                _ => FIRST_PAUSE,
            };
            known.forwarded = now;
            return true;
        }
        self.frames.insert(name, Known { forwarded: now, pause: FIRST_PAUSE });
        self.order.push_back(name);
        if self.order.len() > FRAMES
            && let Some(oldest) = self.order.pop_front()
        {
            self.frames.remove(&oldest);
        }
        true
    }
}
