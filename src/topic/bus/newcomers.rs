//! Questions about newcomers, and their answers. Not here: what an introduction is.

use std::task::{Context, Poll};

use futures::FutureExt;
use futures::stream::StreamExt;
use stringphone_protocol::{Command, CommandError, Input, ParticipantId};
use tokio::sync::mpsc;

use super::Bus;
use crate::event::{Event, Participant};
use crate::topic::admission::{Introduction, Policy, Verdict};

/// Questions that wait at their addressee at the same time; more wait here.
const QUESTIONS: usize = 32;

/// Somebody who waits for a decision.
pub(super) struct Newcomer {
    who: Participant,
    /// The number of the question that is out about it, if one is.
    asked: Option<u64>,
}

impl Bus {
    pub(in crate::topic) fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        let waiting: Vec<_> = self.newcomers.keys().copied().collect();
        waiting.into_iter().for_each(|id| self.decide(id));
    }

    pub(in crate::topic) fn introductions(&mut self) -> mpsc::Receiver<Introduction> {
        let (sender, receiver) = mpsc::channel(QUESTIONS);
        self.introductions = Some(sender);
        self.ask_all();
        receiver
    }

    pub(super) fn introduced(&mut self, who: Participant) {
        self.tell(Event::Introduced(who));
        self.newcomers.insert(who.id(), Newcomer { who, asked: None });
        self.decide(who.id());
    }

    pub(super) fn lapsed(&mut self, id: ParticipantId) {
        self.newcomers.remove(&id);
        self.tell(Event::Lapsed(id));
    }

    fn decide(&mut self, id: ParticipantId) {
        match self.policy.verdict(id) {
            Verdict::Admit => self.conclude(id, Command::Admit(id)),
            Verdict::Deny => self.conclude(id, Command::Deny(id)),
            Verdict::Ask => self.ask_all(),
        }
    }

    fn conclude(&mut self, id: ParticipantId, command: Command<'_>) {
        self.newcomers.remove(&id);
        if let Err(error) = self.input(Input::Command(command)) {
            // It may be gone meanwhile, which is a denial as well; or the roster is full.
            tracing::debug!(%error, newcomer = %id, "not admitted");
        }
    }

    /// Asks about everybody who waits and was not asked about, as long as there is room for
    /// questions. Who is not asked about in time lapses, and comes again.
    fn ask_all(&mut self) {
        let Some(introductions) = &self.introductions else { return };
        for (id, newcomer) in &mut self.newcomers {
            if newcomer.asked.is_some() {
                continue;
            }
            let Ok(room) = introductions.try_reserve() else { return };
            let (introduction, answer) = Introduction::ask(newcomer.who);
            self.questions += 1;
            let (id, number) = (*id, self.questions);
            newcomer.asked = Some(number);
            self.decisions.push(answer.map(move |answer| (id, number, answer.ok())).boxed());
            room.send(introduction);
        }
    }

    pub(super) fn poll_decisions(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(Some((id, number, approved))) = self.decisions.poll_next_unpin(cx) else {
            return false;
        };
        let current = self.newcomers.get(&id).is_some_and(|known| known.asked == Some(number));
        match approved {
            Some(outcome) if current => {
                self.newcomers.remove(&id);
                self.command(Command::Admit(id), outcome);
            }
            // It lapsed meanwhile. Whoever asked may have stopped waiting.
            Some(outcome) => drop(outcome.send(Err(CommandError::Unknown(id).into()))),
            None if current => self.conclude(id, Command::Deny(id)),
            None => {}
        }
        // An answered question leaves room for another.
        self.ask_all();
        true
    }
}
