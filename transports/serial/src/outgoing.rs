//! The sending half: one frame at a time, at the pace of the line.
//! Not the reading.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use futures::Sink;
use stringphone_transport::{ChannelCount, Frame, TransportError, framing::Cobs};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::codec::Encoder;

use crate::{Settings, line::Line, pace::Pace};

/// How long the system may take none of a frame. It always should: of what went before, little is
/// left by then.
const STALL: Duration = Duration::from_secs(3);

/// How long closing may take to send what is left.
const CLOSING: Duration = Duration::from_secs(2);

pub(crate) struct Outgoing {
    line: Arc<Line>,
    codec: Cobs,
    settings: Settings,
    pace: Pace,
    /// What the system has not taken yet of a frame.
    frame: BytesMut,
    /// Whether the system has taken some of it.
    begun: bool,
    timer: Pin<Box<Sleep>>,
    /// Runs while the system takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    closing: Option<Pin<Box<Sleep>>>,
}

impl Outgoing {
    pub(crate) fn new(line: Arc<Line>, codec: Cobs, settings: Settings) -> Self {
        Self {
            line,
            codec,
            settings,
            pace: Pace::new(&settings),
            frame: BytesMut::new(),
            begun: false,
            timer: Box::pin(sleep(Duration::ZERO)),
            stalled: None,
            closing: None,
        }
    }

    /// Hands the frame to the system, once it is its turn.
    fn poll_hand_over(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        while !self.frame.is_empty() {
            if !self.begun {
                ready!(self.poll_turn(cx));
            }
            let taken = ready!(self.poll_write(cx))?;
            self.frame.advance(taken);
            self.pace.sent(taken);
            self.begun = !self.frame.is_empty();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, TransportError>> {
        if let Poll::Ready(taken) = self.line.poll_write(cx, &self.frame) {
            self.stalled = None;
            return Poll::Ready(taken.map_err(TransportError::Io));
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(TransportError::Timeout { what: "writing", after: STALL }))
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let wait = self.pace.wait(self.line.heard(cx), random);
            if wait.is_zero() {
                return Poll::Ready(());
            }
            ready!(self.poll_pause(cx, wait));
        }
    }

    /// Waits until so little waits in the system that `pause` asks for no more pause.
    fn poll_sent(
        &mut self,
        cx: &mut Context<'_>,
        pause: fn(&Pace, usize) -> Option<Duration>,
    ) -> Poll<Result<(), TransportError>> {
        while let Some(pause) = pause(&self.pace, self.line.waiting()?) {
            ready!(self.poll_pause(cx, pause));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>, pause: Duration) -> Poll<()> {
        self.timer.as_mut().reset(Instant::now() + pause);
        self.timer.as_mut().poll(cx)
    }
}

/// Where the system has no random number, the slots are no secret: any other will do.
fn random() -> u32 {
    getrandom::u32().unwrap_or_else(|_| std::process::id())
}

impl Sink<Frame> for Outgoing {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.poll_hand_over(cx))?;
        self.poll_sent(cx, Pace::until_few)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        let this = &mut *self;
        frame.check(this.settings.max_frame, ChannelCount::Many)?;
        if this.settings.half_duplex {
            this.line.expect_echo(frame.clone());
        }
        this.codec.encode(frame, &mut this.frame)
    }

    /// Waits until the system has nothing left to send, as far as it tells.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.poll_hand_over(cx))?;
        self.poll_sent(cx, Pace::until_none)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if let Poll::Ready(sent) = self.as_mut().poll_flush(cx) {
            return Poll::Ready(sent);
        }
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(CLOSING)));
        ready!(closing.as_mut().poll(cx));
        Poll::Ready(Err(TransportError::Timeout { what: "closing", after: CLOSING }))
    }
}
