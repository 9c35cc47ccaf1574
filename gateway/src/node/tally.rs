//! What comes in floods is told once in a while, with its number. Not here: what it is.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// A line for each reason that often, and no more: strangers can cause as many as they like.
const PAUSE: Duration = Duration::from_secs(5);

/// Counts by reason. The first of a reason is told at once.
pub(super) struct Tally<K>(BTreeMap<K, Entry>);

struct Entry {
    /// When this reason is told again.
    again: Instant,
    untold: u64,
}

impl<K: Ord + Clone> Tally<K> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Counts `number` more; gives how many to tell now, if any.
    pub(super) fn count(&mut self, reason: K, number: u64, now: Instant) -> Option<u64> {
        let entry = self.0.entry(reason).or_insert(Entry { again: now, untold: 0 });
        entry.untold = entry.untold.saturating_add(number);
        if now < entry.again {
            return None;
        }
        entry.again = now + PAUSE;
        Some(std::mem::take(&mut entry.untold))
    }

    /// Waits until there is something to tell; forever, where nothing waits.
    pub(super) async fn due(&self) {
        let waiting = self.0.values().filter(|entry| entry.untold > 0);
        match waiting.map(|entry| entry.again).min() {
            Some(again) => tokio::time::sleep_until(again).await,
            None => std::future::pending().await,
        }
    }

    /// What there is to tell by now; reasons that have not come again are forgotten.
    pub(super) fn take(&mut self, now: Instant) -> Vec<(K, u64)> {
        let mut told = Vec::new();
        self.0.retain(|reason, entry| {
            if now < entry.again {
                return true;
            }
            if entry.untold == 0 {
                return false;
            }
            told.push((reason.clone(), std::mem::take(&mut entry.untold)));
            entry.again = now + PAUSE;
            true
        });
        told
    }

    /// All that was not told yet.
    pub(super) fn rest(self) -> impl Iterator<Item = (K, u64)> {
        let all = self.0.into_iter().map(|(reason, entry)| (reason, entry.untold));
        all.filter(|(_, untold)| *untold > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_at_once_and_then_once_in_a_pause_with_nothing_left_out() {
        let begun = Instant::now();
        let mut tally = Tally::new();
        assert_eq!(tally.count("forged", 1, begun), Some(1));
        for _ in 0..1000 {
            assert_eq!(tally.count("forged", 2, begun), None);
        }
        assert_eq!(tally.count("stale", 3, begun), Some(3), "another reason is told at once");
        assert!(tally.take(begun).is_empty());
        assert_eq!(tally.take(begun + PAUSE), [("forged", 2000)]);
        assert_eq!(tally.count("forged", 7, begun + PAUSE), None, "that was a line, too");
        assert_eq!(tally.rest().collect::<Vec<_>>(), [("forged", 7)]);
    }

    #[test]
    fn a_reason_that_comes_again_after_a_pause_is_told_at_once() {
        let begun = Instant::now();
        let mut tally = Tally::new();
        assert_eq!(tally.count("forged", 1, begun), Some(1));
        assert_eq!(tally.count("forged", 1, begun), None);
        assert_eq!(tally.count("forged", 1, begun + PAUSE), Some(2));
    }
}
