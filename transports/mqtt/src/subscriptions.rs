//! What the broker has been asked to send, and what of it is settled.
//! Not the packets that ask.

use std::collections::{BTreeMap, VecDeque};

use stringphone_transport::ChannelName;

/// How a subscription stands. The numbers are ids of packets without an answer yet.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Standing {
    Asked(u16),
    Held,
    Leaving(u16),
}

/// Every channel that the broker sends, or may send.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    standing: BTreeMap<ChannelName, Standing>,
    /// The packets without an answer, in the order in which they were sent.
    unanswered: VecDeque<(u16, Vec<ChannelName>)>,
    last_id: u16,
}

impl Subscriptions {
    /// Ids of its packets have this bit, those of frames do not.
    const ID: u16 = 0x8000;

    /// On a new connection: what the broker did not confirm is not settled, and without a session
    /// nothing is.
    pub(crate) fn resume(&mut self, session_present: bool) {
        self.unanswered.clear();
        if !session_present {
            self.standing.clear();
        }
        for standing in self.standing.values_mut() {
            if *standing != Standing::Held {
                *standing = Standing::Leaving(0);
            }
        }
    }

    /// Those of the channels that the broker has to be asked for.
    pub(crate) fn missing(&self, channels: Vec<ChannelName>) -> Vec<ChannelName> {
        let held = |channel: &ChannelName| self.standing.get(channel) == Some(&Standing::Held);
        channels.into_iter().filter(|channel| !held(channel)).collect()
    }

    /// What the broker may still send though nobody wants it.
    pub(crate) fn unwanted(&self, wanted: impl Fn(&ChannelName) -> bool) -> Vec<ChannelName> {
        self.standing.keys().filter(|channel| !wanted(channel)).cloned().collect()
    }

    /// Whether the broker sends this channel, or may do so.
    pub(crate) fn contains(&self, channel: &ChannelName) -> bool {
        self.standing.contains_key(channel)
    }

    /// The broker is asked for these channels, in a packet with the id that is returned.
    pub(crate) fn ask(&mut self, channels: Vec<ChannelName>) -> u16 {
        self.send(channels, Standing::Asked)
    }

    /// The broker is asked to send these no longer.
    pub(crate) fn leave(&mut self, channels: Vec<ChannelName>) -> u16 {
        self.send(channels, Standing::Leaving)
    }

    fn send(&mut self, channels: Vec<ChannelName>, standing: fn(u16) -> Standing) -> u16 {
        self.last_id = self.last_id.wrapping_add(1) | Self::ID;
        for channel in &channels {
            self.standing.insert(channel.clone(), standing(self.last_id));
        }
        self.unanswered.push_back((self.last_id, channels));
        self.last_id
    }

    /// The broker answers: for each channel that still stands as that packet left it, whether it is
    /// sent from now on.
    pub(crate) fn answered(&mut self, id: u16, codes: &[u8]) -> Vec<(ChannelName, Result<(), u8>)> {
        let Some(at) = self.unanswered.iter().position(|(sent, _)| *sent == id) else {
            return vec![];
        };
        let channels = self.unanswered.remove(at).map(|(_, channels)| channels).unwrap_or_default();
        let mut codes = codes.iter();
        let mut settled = vec![];
        for channel in channels {
            let code = codes.next().copied();
            match self.standing.get_mut(&channel) {
                Some(standing) if *standing == Standing::Asked(id) => {
                    // An answer that is too short refuses what it leaves out.
                    let outcome = match code {
                        Some(code) if code < 0x80 => Ok(()),
                        code => Err(code.unwrap_or(0x80)),
                    };
                    *standing = Standing::Held;
                    if outcome.is_err() {
                        self.standing.remove(&channel);
                    }
                    settled.push((channel, outcome));
                }
                Some(standing) if *standing == Standing::Leaving(id) => {
                    self.standing.remove(&channel);
                }
                _ => {}
            }
        }
        settled
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<ChannelName> {
        names.iter().map(|name| ChannelName::try_from(*name).unwrap()).collect()
    }

    fn held(subscriptions: &Subscriptions) -> Vec<String> {
        let held = |(name, standing): (&ChannelName, &Standing)| {
            (*standing == Standing::Held).then(|| name.to_string())
        };
        subscriptions.standing.iter().filter_map(held).collect()
    }

    #[test]
    fn what_the_broker_grants_is_held_and_what_it_refuses_is_not() {
        let mut subscriptions = Subscriptions::default();
        let id = subscriptions.ask(names(&["a", "b", "c"]));
        let settled = subscriptions.answered(id, &[1, 0x87]);
        let outcomes: Vec<_> = settled.iter().map(|(_, outcome)| *outcome).collect();
        assert_eq!(outcomes, [Ok(()), Err(0x87), Err(0x80)]);
        assert_eq!(held(&subscriptions), ["a"]);
        assert!(subscriptions.answered(id, &[0, 0, 0]).is_empty(), "it was answered before");
        assert_eq!(subscriptions.missing(names(&["a", "b"])), names(&["b"]));
    }

    #[test]
    fn a_late_answer_does_not_settle_what_was_asked_since() {
        let mut subscriptions = Subscriptions::default();
        let first = subscriptions.ask(names(&["a"]));
        let leaving = subscriptions.leave(names(&["a"]));
        let second = subscriptions.ask(names(&["a"]));
        assert!(subscriptions.answered(first, &[1]).is_empty());
        assert!(subscriptions.answered(leaving, &[0]).is_empty());
        assert!(subscriptions.contains(&names(&["a"]).remove(0)));
        assert_eq!(subscriptions.answered(second, &[1]).len(), 1);
        assert_eq!(held(&subscriptions), ["a"]);
    }

    #[test]
    fn a_session_keeps_what_was_confirmed_and_nothing_else_is_settled() {
        let mut subscriptions = Subscriptions::default();
        let id = subscriptions.ask(names(&["held", "leaving"]));
        subscriptions.answered(id, &[1, 1]);
        subscriptions.ask(names(&["asked"]));
        subscriptions.leave(names(&["leaving"]));

        subscriptions.resume(true);
        let all = names(&["asked", "held", "leaving"]);
        assert_eq!(subscriptions.missing(all.clone()), names(&["asked", "leaving"]));
        assert_eq!(subscriptions.unwanted(|_| false), all);

        subscriptions.resume(false);
        assert_eq!(subscriptions.missing(all.clone()), all);
        assert!(subscriptions.unwanted(|_| false).is_empty());
    }
}
