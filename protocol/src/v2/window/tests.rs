#![allow(clippy::arithmetic_side_effects, clippy::expect_used)] // tests may

use alloc::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn counters_far_behind_are_not_taken_again() {
    let mut window = Window::default();
    window.take(10_000, 1);
    assert_eq!(window.look(10_001 - SPAN, 0), Seen::No);
    // They were never sent before: that is a gap, and no more than that.
    assert_eq!(window.look(10_000 - SPAN, 0), Seen::No);
    window.take(10_000 - SPAN, 0);
    assert_eq!(window.look(10_000 - SPAN, 0), Seen::Yes);
    assert_eq!(window.look(9_999 - SPAN, 0), Seen::No);
}

#[test]
fn of_too_many_gaps_the_earliest_is_forgotten() {
    let mut window = Window::default();
    for gap in 0..600 {
        window.take(gap * 3_000, 0);
    }
    assert_eq!(window.look(1, 0), Seen::Old);
    assert_eq!(window.look(599 * 3_000 - 2_500, 0), Seen::No);
    assert!(window.missing().count() <= GAPS + 1);
}

#[test]
fn two_digests_of_one_counter_are_told_apart() {
    let mut window = Window::default();
    window.take(5, 7);
    assert_eq!(window.look(5, 7), Seen::Same);
    assert_eq!(window.look(5, 8), Seen::Other);
}

#[test]
fn a_late_counter_does_not_make_another_look_like_a_clone() {
    let mut window = Window::default();
    for counter in (0..101).filter(|counter| *counter != 60) {
        window.take(counter, u16::try_from(counter).expect("small"));
    }
    window.take(60, 60);
    assert_eq!(window.look(92, 92), Seen::Same);
}

#[test]
fn a_sender_in_order_needs_no_heap() {
    let mut window = Window::default();
    for counter in 0..10_000 {
        assert_eq!(window.look(counter, 0), Seen::No);
        window.take(counter, 0);
        assert!(window.older.is_none());
    }
}

#[test]
fn what_only_the_rounding_covers_is_uncertain() {
    let mut window = Window::default();
    window.take(99, 0);
    let window = Window::from_bytes(&window.to_bytes(), 16).expect("a window");
    assert_eq!(window.look(99, 0), Seen::Yes);
    assert_eq!(window.look(100, 0), Seen::Uncertain);
    assert_eq!(window.look(115, 0), Seen::No);
}

proptest! {
    /// Against a set of all counters ever taken. What was missed stays open, in up to 512 gaps.
    #[test]
    fn a_window_agrees_with_a_set(steps in prop::collection::vec((0_u64..200, any::<bool>()), 1..400)) {
        let (mut window, mut taken, mut next) = (Window::default(), BTreeSet::new(), 0_u64);
        for (distance, ahead) in steps {
            let counter = if ahead { next + distance * 3 } else { next.saturating_sub(distance * 13) };
            // Below that there were more gaps than are kept.
            let floor = window.gaps.as_ref().map_or(0, |gaps| gaps.floor);
            let forgotten = counter < floor;
            let seen = taken.contains(&counter) || forgotten;
            let digest = u16::try_from(counter & 0xffff).unwrap_or(0);
            prop_assert_eq!(window.look(counter, digest) == Seen::No, !seen, "counter {}", counter);
            if !seen {
                window.take(counter, digest);
                taken.insert(counter);
                next = next.max(counter + 1);
            }
            let stored = Window::from_bytes(&window.to_bytes(), 1).expect("a window");
            prop_assert!(matches!(stored.look(counter, digest), Seen::Old | Seen::Yes));
            prop_assert!(stored.missing().eq(window.missing()));
            let all = (counter..next).all(|counter| taken.contains(&counter));
            if !forgotten {
                prop_assert_eq!(window.took_all(counter, next), all, "from {}", counter);
            }
            prop_assert!(!window.took_all(counter, next + 1));
        }
    }
}
