//! The host's own session, driven over the emulator's line. Not here: what is said.

use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use stringphone_protocol::{Command, CommandError, Event, Input, Moment, Output, Session};

use crate::emulator::Emulator;

pub(crate) struct Member<'a, S> {
    session: S,
    entropy: ChaCha20Rng,
    emulator: &'a mut Emulator,
    began: Instant,
}

impl<'a, S: Session> Member<'a, S> {
    pub(crate) fn new(session: S, entropy: ChaCha20Rng, emulator: &'a mut Emulator) -> Self {
        Self { session, entropy, emulator, began: Instant::now() }
    }

    pub(crate) fn command(&mut self, command: Command<'_>) -> Result<(), String> {
        let shown = format!("{command:?}");
        self.handle(Input::Command(command))
            .map_err(|error| format!("The host's session refuses {shown}: {error}."))
    }

    /// Goes on until an event is the one that is wanted, for as long as the emulator may live.
    pub(crate) fn wait<T>(
        &mut self,
        what: &str,
        wanted: impl FnMut(Event) -> Option<T>,
    ) -> Result<T, String> {
        let found = self.until(self.emulator.deadline(), wanted);
        let found = found.map_err(|problem| format!("While waiting for {what}: {problem}"))?;
        found.ok_or_else(|| self.emulator.timed_out(what))
    }

    /// Tells the firmware what to do, beside the topic.
    pub(crate) fn order(&mut self, order: Vec<u8>) -> Result<(), String> {
        self.emulator.order(order)
    }

    fn until<T>(
        &mut self,
        end: Instant,
        mut wanted: impl FnMut(Event) -> Option<T>,
    ) -> Result<Option<T>, String> {
        loop {
            let (mut frames, mut found) = (Vec::new(), None);
            while let Some(output) = self.session.poll() {
                match output {
                    Output::Send(frame) => frames.push(frame),
                    // Nothing outlives this run.
                    Output::Store(_) => self.input(Input::Stored)?,
                    Output::Event(event) => {
                        eprintln!("host: {event:?}");
                        found = found.or_else(|| wanted(event));
                    }
                    _ => {}
                }
            }
            self.emulator.send(frames)?;
            if found.is_some() {
                return Ok(found);
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            let timer = self.session.deadline().map(|at| self.began + Duration::from_millis(at));
            let frame = self.emulator.receive(timer.map_or(end, |timer| timer.min(end)))?;
            if let Some(frame) = frame {
                self.input(Input::Frame(&frame))?;
            }
            if timer.is_some_and(|timer| timer <= Instant::now()) {
                self.input(Input::Timer)?;
            }
        }
    }

    fn input(&mut self, input: Input<'_>) -> Result<(), String> {
        self.handle(input).map_err(|error| format!("only commands can fail, yet: {error}"))
    }

    fn handle(&mut self, input: Input<'_>) -> Result<(), CommandError> {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.session.handle(input, &mut Moment::new(now, &mut self.entropy))
    }
}
