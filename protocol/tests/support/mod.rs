//! What several tests share: entropy that is known, and short words for driving sessions.
#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod people;

use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use stringphone_protocol::classic::ClassicSession;
use stringphone_protocol::{Command, CommandError, Event, Input, Moment, Output, Session};

/// Entropy that was recorded, over and over: so a frame comes out as it was made then.
pub(crate) struct Recorded(Vec<u8>, usize);

impl Recorded {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        assert!(!bytes.is_empty());
        Self(bytes.to_vec(), 0)
    }
}

impl TryRng for Recorded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(7)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(7)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            *byte = self.0[self.1 % self.0.len()];
            self.1 += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Recorded {}

/// One participant, its clock, and its entropy.
pub(crate) struct Peer<R> {
    pub(crate) session: ClassicSession,
    pub(crate) entropy: R,
    pub(crate) now: u64,
}

impl<R: rand_core::CryptoRng> Peer<R> {
    pub(crate) fn new(session: ClassicSession, entropy: R) -> Self {
        Self { session, entropy, now: 0 }
    }

    pub(crate) fn input(&mut self, input: Input<'_>) -> Result<Vec<Output>, CommandError> {
        self.session.handle(input, &mut Moment::new(self.now, &mut self.entropy))?;
        Ok(self.drain())
    }

    /// All outputs; records count as stored as soon as they come.
    pub(crate) fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.session.poll() {
            if matches!(output, Output::Store(_)) {
                let moment = &mut Moment::new(self.now, &mut self.entropy);
                self.session.handle(Input::Stored, moment).unwrap();
            }
            outputs.push(output);
        }
        outputs
    }

    pub(crate) fn command(&mut self, command: Command<'_>) -> Result<Vec<Output>, CommandError> {
        self.input(Input::Command(command))
    }

    pub(crate) fn receive(&mut self, frame: &[u8]) -> Vec<Output> {
        self.input(Input::Frame(frame)).unwrap()
    }

    /// The one event that a frame causes.
    pub(crate) fn hear(&mut self, frame: &[u8]) -> Event {
        let outputs = self.receive(frame);
        match <[Output; 1]>::try_from(outputs) {
            Ok([Output::Event(event)]) => event,
            other => panic!("expected one event, got {other:?}"),
        }
    }

    pub(crate) fn sends(&mut self, command: Command<'_>) -> Vec<u8> {
        sent(&self.command(command).unwrap())
    }
}

/// The one frame among these outputs.
pub(crate) fn sent(outputs: &[Output]) -> Vec<u8> {
    let mut frames = outputs.iter().filter_map(|output| match output {
        Output::Send(frame) => Some(frame.clone()),
        _ => None,
    });
    let frame = frames.next().expect("a frame is sent");
    assert_eq!(frames.next(), None, "only one frame is sent");
    frame
}

/// Only the events among these outputs.
pub(crate) fn events(outputs: Vec<Output>) -> Vec<Event> {
    outputs
        .into_iter()
        .filter_map(|output| match output {
            Output::Event(event) => Some(event),
            _ => None,
        })
        .collect()
}
