//! What comes back to its sender, since MQTT 3.1.1 has no way to tell the broker not to.
//! Not needed in MQTT 5, and nothing of frames that others repeat.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{BuildHasher, RandomState},
};

/// So many frames may be on their way to the broker and back. Those beyond come back as if somebody
/// else had sent them.
const MOST: usize = 8192;

/// A bounded multiset of what was sent and has not come back.
#[derive(Debug, Default)]
pub(crate) struct Echoes {
    hasher: RandomState,
    /// In the order in which they were sent, and some that are back by now.
    order: VecDeque<u64>,
    expected: BTreeMap<u64, u32>,
}

impl Echoes {
    /// Remembers a message that the broker is about to return.
    pub(crate) fn expect(&mut self, topic: &str, payload: &[u8]) {
        let hash = self.hasher.hash_one((topic, payload));
        *self.expected.entry(hash).or_default() += 1;
        self.order.push_back(hash);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.forget(oldest);
        }
    }

    /// Whether this message is one that was remembered; it is forgotten with that.
    pub(crate) fn is_one(&mut self, topic: &str, payload: &[u8]) -> bool {
        let hash = self.hasher.hash_one((topic, payload));
        let known = self.forget(hash);
        // They come back in order, so this finds it in front unless some were lost.
        while let Some(front) = self.order.front()
            && !self.expected.contains_key(front)
        {
            self.order.pop_front();
        }
        known
    }

    fn forget(&mut self, hash: u64) -> bool {
        let Some(times) = self.expected.get_mut(&hash) else { return false };
        *times -= 1;
        if *times == 0 {
            self.expected.remove(&hash);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_twice_is_an_echo_twice_and_the_third_is_a_frame() {
        let mut echoes = Echoes::default();
        for _ in 0..2 {
            echoes.expect("x", b"1");
        }
        assert!(!echoes.is_one("y", b"1"));
        assert!(!echoes.is_one("x", b"2"));
        assert!(echoes.is_one("x", b"1"));
        assert!(echoes.is_one("x", b"1"));
        assert!(!echoes.is_one("x", b"1"));
        assert!(echoes.order.is_empty());
    }

    #[test]
    fn echoes_that_never_come_take_no_more_than_their_bound() {
        let mut echoes = Echoes::default();
        for number in 0..3 * MOST {
            echoes.expect("x", &number.to_be_bytes());
        }
        assert_eq!(echoes.order.len(), MOST);
        assert_eq!(echoes.expected.len(), MOST);
        assert!(!echoes.is_one("x", &0_usize.to_be_bytes()));
        assert!(echoes.is_one("x", &(3 * MOST - 1).to_be_bytes()));
    }
}
