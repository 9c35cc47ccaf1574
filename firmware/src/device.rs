//! What the device does: joins, greets, echoes, ends when it is evicted. Not here: any protocol.

use alloc::vec::Vec;

use rand_chacha::ChaCha20Rng;
use stringphone_protocol::v2::ParseInvitationError;
use stringphone_protocol::{
    Command, CommandError, Event, Input, Moment, Output, RestoreError, Session,
};
use zeroize::Zeroizing;

use crate::clock;
use crate::link::{Channel, Link, Packet};

/// What the device says when it has joined.
const GREETING: &[u8] = b"hello";
/// What goes before a message that it says again.
const ECHO: &[u8] = b"echo: ";
/// The order on the control channel begins with it.
const START: u8 = 1;
/// After this many milliseconds the device ends by itself, so that no emulator outlives its host.
const LIFETIME: u64 = 120_000;

/// The order to start.
pub(crate) struct Start {
    /// ONLY UNDER EMULATION: all the entropy that the device will ever have.
    pub(crate) seed: Zeroizing<[u8; 32]>,
    /// As a URL.
    pub(crate) invitation: Zeroizing<Vec<u8>>,
}

/// What happened, in numbers.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) ready: u32,
    pub(crate) heard: u32,
    pub(crate) evicted: u32,
    pub(crate) refused: u32,
    pub(crate) unsent: u32,
    pub(crate) stored: u32,
    pub(crate) sent: u32,
    pub(crate) garbage: u32,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("the peripherals were taken before")]
    NoPeripherals,
    #[error("the order is not `start` with 32 bytes of seed and an invitation")]
    NoStart,
    #[error("the invitation is of no use: {0}")]
    Invitation(#[from] ParseInvitationError),
    #[error("the session does not open: {0}")]
    Session(#[from] RestoreError),
    #[error("the session refuses to introduce itself: {0}")]
    Introduction(CommandError),
    #[error("nobody ended the conversation within {} s", LIFETIME / 1_000)]
    Lifetime,
}

/// Waits for the order to start. What others say on the topic before is not for us.
pub(crate) fn first_order(link: &mut Link) -> Result<Start, Problem> {
    let body = loop {
        if let Some(Packet { channel: Channel::Control, body }) = wait(link, None)? {
            break Zeroizing::new(body);
        }
    };
    let Some((&START, rest)) = body.split_first() else { return Err(Problem::NoStart) };
    let (seed, invitation) = rest.split_first_chunk::<32>().ok_or(Problem::NoStart)?;
    let invitation = Zeroizing::new(invitation.to_vec());
    Ok(Start { seed: Zeroizing::new(*seed), invitation })
}

/// The next packet; none if the deadline comes first.
fn wait(link: &mut Link, deadline: Option<u64>) -> Result<Option<Packet>, Problem> {
    // Without sleep, since only the timer would end one, and the UART keeps a single byte: a product
    // lets the UART's interrupt fill a buffer, and sleeps.
    loop {
        if let Some(packet) = link.receive() {
            return Ok(Some(packet));
        }
        let now = clock::now();
        if now >= LIFETIME {
            return Err(Problem::Lifetime);
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Ok(None);
        }
    }
}

/// A session on a link.
pub(crate) struct Device<S> {
    session: S,
    link: Link,
    entropy: ChaCha20Rng,
    tally: Tally,
}

impl<S: Session> Device<S> {
    pub(crate) fn new(session: S, link: Link, entropy: ChaCha20Rng) -> Self {
        Self { session, link, entropy, tally: Tally::default() }
    }

    /// Joins, and takes part until it is evicted.
    pub(crate) fn run(mut self) -> Result<Tally, Problem> {
        self.handle(Input::Command(Command::Introduce)).map_err(Problem::Introduction)?;
        self.carry_out();
        while self.tally.evicted == 0 {
            // Only commands can fail, and these are none.
            let _ = match wait(&mut self.link, self.session.deadline())? {
                Some(Packet { channel: Channel::Topic, body }) => self.handle(Input::Frame(&body)),
                Some(Packet { channel: Channel::Control, .. }) => Ok(()),
                None => self.handle(Input::Timer),
            };
            self.carry_out();
        }
        self.tally.garbage = self.link.garbage();
        Ok(self.tally)
    }

    fn handle(&mut self, input: Input<'_>) -> Result<(), CommandError> {
        self.session.handle(input, &mut Moment::new(clock::now(), &mut self.entropy))
    }

    /// Does all that the session wants done.
    fn carry_out(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Send(frame) => {
                    self.tally.sent += 1;
                    self.link.send(Channel::Topic, &frame);
                }
                // A product writes them to flash; this device lives once.
                Output::Store(records) => {
                    self.tally.stored += u32::try_from(records.len()).unwrap_or(u32::MAX);
                    let _ = self.handle(Input::Stored); // fails never: it is no command
                }
                Output::Event(event) => self.react(event),
                _ => {}
            }
        }
    }

    fn react(&mut self, event: Event) {
        match event {
            Event::Ready => {
                self.tally.ready += 1;
                self.publish(GREETING);
            }
            Event::Message { body, .. } => {
                self.tally.heard += 1;
                self.publish(&[ECHO, &body].concat());
            }
            Event::Evicted => self.tally.evicted += 1,
            Event::Refused(_) => self.tally.refused += 1,
            _ => {}
        }
    }

    fn publish(&mut self, body: &[u8]) {
        if self.handle(Input::Command(Command::Publish(body))).is_err() {
            self.tally.unsent += 1;
        }
    }
}
