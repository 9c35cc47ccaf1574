//! How often something costly may happen. Not here: what.

/// A token bucket on the caller's clock.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "model", derive(Hash))]
pub(super) struct Bucket {
    size: u64,
    /// Milliseconds for one token.
    refill: u64,
    /// When the bucket was, or will be, empty: tokens are counted in time.
    empty_at: u64,
}

impl Bucket {
    pub(super) const fn new(size: u32, refill: u64) -> Self {
        Self { size: size as u64, refill, empty_at: 0 }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: u64) -> bool {
        self.take_many(1, now)
    }

    /// Takes all of these tokens, or none.
    pub(super) fn take_many(&mut self, count: u32, now: u64) -> bool {
        // On a clock of its own, by which it was full before the caller's began.
        let capacity = self.size.saturating_mul(self.refill);
        let full = now.saturating_add(self.refill).saturating_add(capacity);
        let oldest = full.saturating_sub(capacity);
        let empty_at =
            self.empty_at.max(oldest).saturating_add(self.refill.saturating_mul(count.into()));
        let allowed = empty_at <= full;
        if allowed {
            self.empty_at = empty_at;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_size_at_once_and_then_its_rate() {
        // The clock may have begun a moment ago.
        for now in [0, 1, 1_000] {
            let mut bucket = Bucket::new(3, 100);
            assert_eq!((0..5).filter(|_| bucket.take(now)).count(), 3);
            assert!(!bucket.take(now + 99));
            assert!(bucket.take(now + 100));
            assert!(!bucket.take(now + 100));
            assert_eq!((0..5).filter(|_| bucket.take(now + 10_000)).count(), 3);
        }
    }
}
