//! What the journals must say of each other. Not what was on the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::journal::{Entry, Message};

/// The journal of a device, under its id.
pub type Journals = BTreeMap<String, Vec<Entry>>;

/// What became of the messages of a campaign.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many the library answered for, and how many deliveries that makes.
    pub said: usize,
    /// How many of these deliveries came.
    pub taken: usize,
    /// Messages that a receiver's application took twice, or that nobody said.
    pub wrong: Vec<String>,
    /// Messages that the library answered for, and that a receiver does not have.
    pub lost: Vec<String>,
}

impl Verdict {
    /// Whether each message was taken exactly once by everybody else.
    #[must_use]
    pub fn is_exactly_once(&self) -> bool {
        self.wrong.is_empty() && self.lost.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { said, taken, wrong, lost } = self;
        let (twice, lost) = (wrong.len(), lost.len());
        write!(f, "{said} said, {taken} taken, {twice} taken wrongly, {lost} lost")
    }
}

/// Compares what was said with what was taken; receivers are those who are told to be.
#[must_use]
pub fn check(journals: &Journals, receivers: &BTreeSet<String>) -> Verdict {
    let mut verdict = Verdict::default();
    for sender in journals.keys() {
        let said: BTreeSet<u64> = numbers(journals, sender, true);
        let perhaps = numbers(journals, sender, false);
        verdict.said += said.len();
        for receiver in receivers.iter().filter(|receiver| *receiver != sender) {
            let entries = journals.get(receiver).map(Vec::as_slice).unwrap_or_default();
            let taken = taken(entries, sender);
            verdict.compare(sender, receiver, &taken, &said, &perhaps);
        }
    }
    verdict
}

impl Verdict {
    fn compare(
        &mut self,
        sender: &str,
        receiver: &str,
        taken: &[&Message],
        said: &BTreeSet<u64>,
        perhaps: &BTreeSet<u64>,
    ) {
        let (mut numbers, mut names) = (BTreeSet::new(), BTreeSet::new());
        for message in taken {
            let Message { incarnation, counter, place, number, .. } = message;
            let twice = !numbers.insert(*number) | !names.insert((incarnation, counter, place));
            if twice || !perhaps.contains(number) {
                let what = if twice { "took again" } else { "took what was never said:" };
                self.wrong.push(format!("{receiver} {what} {message:?}"));
            }
        }
        self.taken += said.intersection(&numbers).count();
        let lost = said.difference(&numbers);
        self.lost.extend(lost.map(|number| format!("{receiver} lacks {number} of {sender}")));
    }
}

/// What a sender said for sure, or what it may have said.
fn numbers(journals: &Journals, sender: &str, sure: bool) -> BTreeSet<u64> {
    let entries = journals.get(sender).into_iter().flatten();
    let numbers = entries.filter_map(|entry| match entry {
        Entry::Said(number) if sure => Some(*number),
        Entry::Says(number) if !sure => Some(*number),
        _ => None,
    });
    numbers.collect()
}

fn taken<'a>(entries: &'a [Entry], sender: &str) -> Vec<&'a Message> {
    let taken = entries.iter().filter_map(|entry| match entry {
        Entry::Took(message) if message.from == sender => Some(message),
        _ => None,
    });
    taken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(number: u64, counter: u64) -> Entry {
        Entry::Took(Message { from: "a".into(), incarnation: 0, counter, place: 0, number })
    }

    fn verdict(taken: Vec<Entry>) -> Verdict {
        let said = (1..=3).flat_map(|number| [Entry::Says(number), Entry::Said(number)]);
        let said: Vec<Entry> = said.chain([Entry::Says(4)]).collect();
        let journals = Journals::from([("a".into(), said), ("b".into(), taken)]);
        check(&journals, &BTreeSet::from(["b".into()]))
    }

    #[test]
    fn once_each_is_right_with_or_without_the_one_in_doubt() {
        for doubtful in [None, Some(took(4, 4))] {
            let taken = [took(1, 1), took(2, 2), took(3, 3)].into_iter().chain(doubtful);
            let verdict = verdict(taken.collect());
            assert!(verdict.is_exactly_once(), "{verdict:?}");
            assert_eq!((verdict.said, verdict.taken), (3, 3));
        }
    }

    #[test]
    fn what_is_lost_taken_again_or_made_up_is_found() {
        assert_eq!(verdict(vec![took(1, 1), took(3, 3)]).lost.len(), 1);
        let again = vec![took(1, 1), took(2, 2), took(3, 3), took(3, 9)];
        assert_eq!(verdict(again).wrong.len(), 1);
        let same_name = vec![took(1, 1), took(2, 1), took(3, 3)];
        assert_eq!(verdict(same_name).wrong.len(), 1);
        let made_up = vec![took(1, 1), took(2, 2), took(3, 3), took(5, 5)];
        assert_eq!(verdict(made_up).wrong.len(), 1);
    }
}
