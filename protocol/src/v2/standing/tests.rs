#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used
)] // tests may

use alloc::boxed::Box;
use alloc::vec;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::Identity;
use crate::v2::kem::Suite;
use crate::v2::log::Added;
use crate::v2::operation;
use crate::v2::topic::Founding;

/// The recovery key, the founder, and those who come later.
const PEOPLE: u8 = 7;
const RECOVERY: usize = 0;
const FOUNDER: usize = 1;

type Signed = (OperationId, Box<[u8]>);

fn person(number: usize) -> Identity {
    Identity::from_seed(&[u8::try_from(number).unwrap() + 1; 32])
}

fn empty() -> Log {
    let founding = Founding {
        founder: person(FOUNDER).public_key(),
        recovery: Some(person(RECOVERY).public_key()),
        nonce: [0; 16],
    };
    Log::new(founding.topic(Suite::X25519), founding, 10_000)
}

fn signed(
    author: usize,
    author_incarnation: u32,
    said: (Action, usize, u32),
    previous: OperationId,
) -> Signed {
    let topic = empty().founding.topic(Suite::X25519);
    let (action, subject, incarnation) = said;
    let operation = Operation {
        action,
        subject: person(subject).public_key(),
        incarnation,
        author: person(author).id(),
        author_incarnation,
        previous,
        name: "",
    };
    let bytes = operation.sign(&topic, &person(author));
    (operation::id(&topic, &bytes), bytes)
}

/// Takes operations in an order; those that come too early come again, as they do among devices.
fn merged<'a>(operations: impl IntoIterator<Item = &'a Signed>) -> Log {
    let mut log = empty();
    let mut left: Vec<&Signed> = operations.into_iter().collect();
    loop {
        let before = left.len();
        left.retain(|(_, bytes)| log.add(bytes) == Added::Early);
        if left.len() == before || left.is_empty() {
            return log;
        }
    }
}

/// One author's chain, as honest software writes it.
#[derive(Default)]
struct Chain(OperationId, Vec<Signed>);

impl Chain {
    fn says(
        &mut self,
        author: usize,
        action: Action,
        subject: usize,
        incarnation: u32,
    ) -> OperationId {
        let operation = signed(author, 0, (action, subject, incarnation), self.0);
        self.0 = operation.0;
        self.1.push(operation);
        self.0
    }
}

fn is_member(standing: &Standing, number: usize) -> bool {
    standing.members.contains_key(&person(number).id())
}

fn evicted(last: OperationId) -> Action {
    Action::Evicted { last }
}

#[test]
fn only_those_before_a_keeper_can_evict_it() {
    // The founder makes 2 a keeper, 2 makes 3 one.
    let (mut founder, mut second, mut third) =
        (Chain::default(), Chain::default(), Chain::default());
    founder.says(FOUNDER, Action::Keeper, 2, 0);
    second.says(2, Action::Keeper, 3, 0);
    third.says(3, evicted(NONE), 2, 0);
    third.says(3, evicted(NONE), FOUNDER, 0);
    let standing = evaluate(&merged([founder.1.as_slice(), &second.1, &third.1].concat().iter()));
    assert!((1..4).all(|number| is_member(&standing, number)));
    second.says(2, evicted(NONE), 3, 0);
    let standing = evaluate(&merged([founder.1.as_slice(), &second.1, &third.1].concat().iter()));
    assert!(!is_member(&standing, 3) && is_member(&standing, 2));
}

#[test]
fn what_an_evicted_keeper_did_before_stands_and_what_it_does_later_is_void() {
    let (mut founder, mut keeper) = (Chain::default(), Chain::default());
    founder.says(FOUNDER, Action::Keeper, 2, 0);
    let last = keeper.says(2, Action::Member, 3, 0);
    founder.says(FOUNDER, evicted(last), 2, 0);
    keeper.says(2, Action::Member, 4, 0);
    keeper.says(2, evicted(NONE), 3, 0);
    let standing = evaluate(&merged([founder.1, keeper.1].concat().iter()));
    assert!(is_member(&standing, 3) && !is_member(&standing, 4) && !is_member(&standing, 2));
}

#[test]
fn an_honest_leave_takes_nothing_back() {
    let (mut founder, mut keeper) = (Chain::default(), Chain::default());
    founder.says(FOUNDER, Action::Keeper, 2, 0);
    let last = keeper.says(2, Action::Member, 3, 0);
    keeper.says(2, evicted(last), 2, 0);
    keeper.says(2, Action::Member, 4, 0);
    let standing = evaluate(&merged([founder.1, keeper.1].concat().iter()));
    assert!(is_member(&standing, 3) && !is_member(&standing, 4) && !is_member(&standing, 2));
}

#[test]
fn who_was_let_in_by_nobody_changes_nothing_by_leaving() {
    let (mut founder, mut keeper) = (Chain::default(), Chain::default());
    founder.says(FOUNDER, Action::Keeper, 2, 0);
    founder.says(FOUNDER, evicted(NONE), 2, 0);
    let before = evaluate(&merged([founder.1.clone()].concat().iter()));
    keeper.says(2, Action::Member, 3, 0);
    let leave = signed(3, 0, (evicted(NONE), 3, 0), NONE);
    let log = merged([founder.1, keeper.1, vec![leave]].concat().iter());
    assert_eq!(log.len(), 4);
    assert_eq!(evaluate(&log), before);
}

#[test]
fn a_founder_that_was_let_in_again_stands_before_whoever_did_it() {
    let (mut founder, mut keeper) = (Chain::default(), Chain::default());
    founder.says(FOUNDER, Action::Keeper, 2, 0);
    let last = keeper.says(2, Action::Member, FOUNDER, 1);
    let evicts = signed(FOUNDER, 1, (evicted(last), 2, 0), founder.0);
    let standing = evaluate(&merged([founder.1, keeper.1, vec![evicts]].concat().iter()));
    assert!(!is_member(&standing, 2));
    assert_eq!(standing.members[&person(FOUNDER).id()].incarnation, 1, "what stands, stands");
}

#[test]
fn the_recovery_key_alone_evicts_the_founder() {
    let (mut recovery, mut founder) = (Chain::default(), Chain::default());
    founder.says(FOUNDER, Action::Keeper, 2, 0);
    recovery.says(RECOVERY, evicted(founder.0), FOUNDER, 0);
    founder.says(FOUNDER, evicted(NONE), RECOVERY, 0);
    founder.says(FOUNDER, evicted(NONE), 2, 0);
    let standing = evaluate(&merged([recovery.1, founder.1].concat().iter()));
    assert!(!is_member(&standing, FOUNDER) && is_member(&standing, 2));
}

/// An operation as random as it can be while its author may have had the right to it.
#[derive(Clone, Debug)]
struct Random {
    author: usize,
    author_incarnation: u32,
    action: u8,
    subject: usize,
    incarnation: u32,
    previous: Option<Index>,
    last: Option<Index>,
}

fn random() -> impl Strategy<Value = Random> {
    let people = usize::from(PEOPLE);
    let index = || prop::option::weighted(0.8, any::<Index>());
    let incarnation = || prop_oneof![4 => Just(0_u32), 1 => 0_u32..3];
    (0..people, incarnation(), 0_u8..3, 0..people, incarnation(), index(), index()).prop_map(
        |(author, author_incarnation, action, subject, incarnation, previous, last)| Random {
            author,
            author_incarnation,
            action,
            subject,
            incarnation,
            previous,
            last,
        },
    )
}

/// Signs them: chains that fork, that begin again, that name as last what they like.
fn sign_all(random: &[Random]) -> Vec<Signed> {
    let mut by_author = vec![Vec::new(); usize::from(PEOPLE)];
    let mut all = Vec::new();
    // So that somebody is a keeper at all.
    for (author, subject) in [(FOUNDER, 2), (FOUNDER, 3), (2, 4)] {
        let operation = signed(author, 0, (Action::Keeper, subject, 0), NONE);
        by_author[author].push(operation.0);
        all.push(operation);
    }
    for each in random {
        let pick = |of: usize, index: &Option<Index>| match (index, by_author[of].as_slice()) {
            (None, _) | (_, []) => NONE,
            (Some(index), ids) => *index.get(ids),
        };
        let action = match each.action {
            0 => Action::Member,
            1 => Action::Keeper,
            _ => evicted(pick(each.subject, &each.last)),
        };
        let previous = pick(each.author, &each.previous);
        let said = (action, each.subject, each.incarnation);
        let operation = signed(each.author, each.author_incarnation, said, previous);
        by_author[each.author].push(operation.0);
        all.push(operation);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(96)
    })]

    /// Several keepers, mutual evictions, operations dated back, readmissions, liars.
    #[test]
    fn rosters_merged_in_any_order_are_equal(
        random in prop::collection::vec(random(), 0..40),
        keys in prop::collection::vec(any::<u32>(), 43),
        cut in any::<Index>(),
    ) {
        let all = sign_all(&random);
        let in_order = merged(&all);
        let mut shuffled: Vec<(&u32, &Signed)> = keys.iter().zip(&all).collect();
        shuffled.sort_by_key(|(key, _)| **key);
        let shuffled: Vec<&Signed> = shuffled.into_iter().map(|(_, signed)| signed).collect();
        let other = merged(shuffled.iter().copied());
        prop_assert_eq!(in_order.digest(), other.digest());
        prop_assert_eq!(evaluate(&in_order), evaluate(&other));
        // Two that held parts of it, and then told each other what they took.
        let (one, two) = shuffled.split_at(cut.index(shuffled.len()));
        let (one, two) = (merged(one.iter().copied()), merged(two.iter().copied()));
        let mut union = merged(shuffled.iter().copied());
        for (_, bytes) in one.raw().chain(two.raw()) {
            prop_assert_eq!(union.add(bytes), Added::Known);
        }
        // What is stored comes back the same.
        let mut restored = empty();
        for (_, bytes) in other.raw() {
            prop_assert_eq!(restored.restore(bytes), Added::New);
        }
        prop_assert_eq!(evaluate(&restored), evaluate(&other));
    }

    #[test]
    fn whatever_an_evicted_keeper_signs_changes_nothing(
        random in prop::collection::vec(random(), 0..30),
        keep in any::<Index>(),
        later in prop::collection::vec(random(), 1..12),
    ) {
        // Who evicts names operations that it holds.
        let signed_before = sign_all(&random);
        let known = merged(&signed_before);
        let mut all = signed_before;
        all.retain(|(id, _)| known.find(id).is_some());
        let mine: Vec<OperationId> = all
            .iter()
            .filter(|(_, bytes)| Operation::parse(bytes).expect("one").author == person(2).id())
            .map(|(id, _)| *id)
            .collect();
        // The founder evicts 2 at every incarnation that there is, and lets some of it stand.
        prop_assume!(!mine.is_empty());
        let last = *keep.get(&mine);
        for incarnation in 0..4 {
            all.push(signed(FOUNDER, 0, (evicted(last), 2, incarnation), NONE));
        }
        let log = merged(&all);
        let before = evaluate(&log);
        prop_assume!(before.members.contains_key(&person(FOUNDER).id()));
        prop_assume!(before.members[&person(FOUNDER).id()].incarnation == 0);
        prop_assume!(!before.members.contains_key(&person(2).id()));
        let highest = before.evictions[&person(2).id()];
        for each in &later {
            let incarnation = each.author_incarnation.min(highest);
            let action = match each.action {
                0 => Action::Member,
                1 => Action::Keeper,
                _ => evicted(each.last.map_or(NONE, |index| *index.get(&mine))),
            };
            let previous = each.previous.map_or(NONE, |index| *index.get(&mine));
            let said = (action, each.subject, each.incarnation);
            all.push(signed(2, incarnation, said, previous));
        }
        let after = evaluate(&merged(&all));
        // What it lets in may be needed by something that another said, and that waits.
        prop_assume!(merged(&all).len() == log.len() + count_new(&log, &all));
        prop_assert_eq!(after.members, before.members);
        prop_assert_eq!(after.evictions, before.evictions);
    }

    /// Nobody is in and out, and the founder goes by its own word or the recovery key's only.
    #[test]
    fn a_member_is_nobody_that_was_evicted(random in prop::collection::vec(random(), 0..40)) {
        let all = sign_all(&random);
        let log = merged(&all);
        let standing = evaluate(&log);
        for (id, place) in &standing.members {
            prop_assert!(standing.evictions.get(id).is_none_or(|n| *n < place.incarnation));
            prop_assert!(place.role == Role::Member || place.rank < u32::MAX);
        }
        let founder = person(FOUNDER).id();
        let by_right = log.operations().any(|(_, operation)| {
            matches!(operation.action, Action::Evicted { .. })
                && operation.subject.id() == founder
                && [founder, person(RECOVERY).id()].contains(&operation.author)
        });
        prop_assert!(by_right || standing.members.contains_key(&founder));
    }
}

/// How many operations of 2's the log lacks that are among these.
fn count_new(log: &Log, all: &[Signed]) -> usize {
    let whole = merged(all);
    whole
        .operations()
        .filter(|(id, operation)| log.find(id).is_none() && operation.author == person(2).id())
        .count()
}
