//! What the journals must say of each other. Not what was on the wire.
//!
//! A counter that is used twice is found here: whoever took the first message refuses the second, and
//! so lacks it; whoever did not, has another message under the same name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::journal::{Entry, Message};

/// The journal of a device, under its id.
pub type Journals = BTreeMap<String, Vec<Entry>>;

/// What became of the messages of a campaign.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many the library answered for.
    pub said: usize,
    /// How many the senders know to be with everybody.
    pub confirmed: usize,
    /// How many deliveries came, of what was said.
    pub taken: usize,
    /// Messages that were taken twice, or under two names, or that nobody said; and alarms.
    pub wrong: Vec<String>,
    /// Messages that the library answered for, and that somebody does not have, or their sender does
    /// not know to have.
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
        let Self { said, confirmed, taken, wrong, lost } = self;
        let (wrong, lost) = (wrong.len(), lost.len());
        write!(f, "{said} said, {confirmed} confirmed, {taken} taken, {wrong} wrong, {lost} lost")
    }
}

/// Compares what each device said with what all others took.
#[must_use]
pub fn check(journals: &Journals) -> Verdict {
    let mut verdict = Verdict::default();
    for (sender, entries) in journals {
        let said = Said::of(entries);
        verdict.said += said.surely.len();
        verdict.confirmed += said.confirmed;
        let mut names = Names::default();
        for (receiver, entries) in journals.iter().filter(|(receiver, _)| *receiver != sender) {
            let taken = taken(entries, sender);
            verdict.compare(sender, receiver, &taken, &said);
            let twice = taken.into_iter().filter(|message| !names.agree(message));
            verdict.wrong.extend(twice.map(|it| format!("two names or two bodies: {it:?}")));
        }
        verdict.look_at_the_end(sender, entries);
    }
    verdict
}

impl Verdict {
    fn compare(&mut self, sender: &str, receiver: &str, taken: &[&Message], said: &Said) {
        let mut numbers = BTreeSet::new();
        for message in taken {
            let twice = !numbers.insert(message.number);
            if twice || !said.perhaps.contains(&message.number) {
                let what = if twice { "took again" } else { "took what was never said:" };
                self.wrong.push(format!("{receiver} {what} {message:?}"));
            }
        }
        self.taken += said.surely.intersection(&numbers).count();
        let lost = said.surely.difference(&numbers);
        self.lost.extend(lost.map(|number| format!("{receiver} lacks {number} of {sender}")));
    }

    fn look_at_the_end(&mut self, device: &str, entries: &[Entry]) {
        let alarms = entries.iter().filter_map(|entry| match entry {
            Entry::Alarm(alarm) => Some(format!("{device} was told {alarm}")),
            _ => None,
        });
        self.wrong.extend(alarms);
        if entries.iter().any(|entry| matches!(entry, Entry::Says(_))) && !is_settled(entries) {
            self.lost.push(format!("{device} still waits for receipts"));
        }
    }
}

/// Whether a sender has nothing left that is not confirmed.
#[must_use]
pub fn is_settled(entries: &[Entry]) -> bool {
    let mut left = entries.iter().rev().filter_map(|entry| match entry {
        Entry::Unconfirmed(left) => Some(*left),
        _ => None,
    });
    left.next() == Some(0)
}

/// What one sender said.
#[derive(Default)]
struct Said {
    /// What the library answered for.
    surely: BTreeSet<u64>,
    /// What it began to say.
    perhaps: BTreeSet<u64>,
    confirmed: usize,
}

impl Said {
    fn of(entries: &[Entry]) -> Self {
        let mut said = Self::default();
        for entry in entries {
            match entry {
                Entry::Says(number) => _ = said.perhaps.insert(*number),
                Entry::Said(number) => _ = said.surely.insert(*number),
                Entry::Confirmed(number) => {
                    said.surely.insert(*number);
                    said.confirmed += 1;
                }
                _ => {}
            }
        }
        said
    }
}

/// One sender's messages, as all receivers know them: by name, and by number.
#[derive(Default)]
struct Names<'a> {
    numbers: BTreeMap<(u32, u64, u32), u64>,
    messages: BTreeMap<u64, &'a Message>,
}

impl<'a> Names<'a> {
    fn agree(&mut self, message: &'a Message) -> bool {
        let Message { incarnation, counter, place, number, .. } = message;
        let same = self.numbers.entry((*incarnation, *counter, *place)).or_insert(*number);
        let first = self.messages.entry(*number).or_insert(message);
        same == number && *first == message
    }
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

    /// One says 1 to 3 for sure and 4 perhaps, another takes all of it, a third one this.
    fn verdict(taken: Vec<Entry>) -> Verdict {
        let said = (1..=3).flat_map(|number| [Entry::Says(number), Entry::Said(number)]);
        let said = said.chain([Entry::Says(4), Entry::Confirmed(1), Entry::Unconfirmed(0)]);
        let all = (1..=4).map(|number| took(number, number));
        check(&Journals::from([
            ("a".into(), said.collect()),
            ("b".into(), all.collect()),
            ("c".into(), taken),
        ]))
    }

    #[test]
    fn once_each_is_right_with_or_without_the_one_in_doubt() {
        for doubtful in [None, Some(took(4, 4))] {
            let taken = [took(1, 1), took(2, 2), took(3, 3)].into_iter().chain(doubtful);
            let verdict = verdict(taken.collect());
            assert!(verdict.is_exactly_once(), "{verdict:?}");
            assert_eq!((verdict.said, verdict.confirmed, verdict.taken), (3, 1, 6));
        }
    }

    #[test]
    fn what_is_lost_taken_again_or_made_up_is_found() {
        assert_eq!(verdict(vec![took(1, 1), took(3, 3)]).lost.len(), 1);
        let again = |counter| vec![took(1, 1), took(2, 2), took(3, 3), took(3, counter)];
        assert_eq!(verdict(again(3)).wrong.len(), 1, "by the same name");
        assert_eq!(verdict(again(9)).wrong.len(), 2, "by another name");
        let made_up = vec![took(1, 1), took(2, 2), took(3, 3), took(5, 5)];
        assert_eq!(verdict(made_up).wrong.len(), 1);
    }

    #[test]
    fn a_counter_of_two_messages_is_found_although_nobody_took_both() {
        let reused = verdict(vec![took(1, 1), took(2, 4), took(3, 3)]);
        assert_eq!((reused.wrong.len(), reused.lost.len()), (1, 0));
    }

    #[test]
    fn a_sender_that_still_waits_and_an_alarm_are_found() {
        let waits = vec![Entry::Says(1), Entry::Unconfirmed(0), Entry::Unconfirmed(1)];
        assert_eq!(check(&Journals::from([("a".into(), waits)])).lost.len(), 1);
        let alarm = vec![Entry::Alarm("it was copied".into())];
        assert_eq!(check(&Journals::from([("a".into(), alarm)])).wrong.len(), 1);
    }
}
