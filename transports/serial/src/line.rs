//! A port that both halves of a link hold, and what was heard on it.
//! Not when to send: see `pace`.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use futures::task::AtomicWaker;
use stringphone_transport::Frame;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tokio_serial::{ClearBuffer, SerialPort, SerialStream};

use crate::echoes::Echoes;

pub(crate) struct Line {
    port: Mutex<Port>,
    echoes: Mutex<Echoes>,
    /// Whoever waits for its turn, which moves with all that arrives.
    turn: AtomicWaker,
}

struct Port {
    stream: SerialStream,
    heard: Option<Heard>,
    /// How many bytes were there to be read when this was asked last.
    unread: u32,
}

/// What arrived last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    /// Whether more of a frame has to follow.
    pub(crate) within_frame: bool,
    /// Whether it was the echo of a frame of ours.
    pub(crate) echo: bool,
}

impl Heard {
    fn now(within_frame: bool) -> Self {
        Self { at: Instant::now(), within_frame, echo: false }
    }
}

impl Line {
    pub(crate) fn new(stream: SerialStream) -> Self {
        let port = Mutex::new(Port { stream, heard: None, unread: 0 });
        Self { port, echoes: Mutex::default(), turn: AtomicWaker::new() }
    }

    pub(crate) fn expect_echo(&self, of: Frame) {
        locked(&self.echoes).expect(of);
    }

    /// Whether a frame that was just read is one of ours that comes back.
    pub(crate) fn is_echo(&self, frame: &Frame) -> bool {
        let echo = locked(&self.echoes).contains(frame);
        if let Some(heard) = &mut locked(&self.port).heard {
            heard.echo = echo;
        }
        echo
    }

    /// What arrived last, even if nobody has read it yet; wakes when more is read.
    pub(crate) fn heard(&self, cx: &mut Context<'_>) -> Option<Heard> {
        self.turn.register(cx.waker());
        let mut port = locked(&self.port);
        // A port that is gone shows when it is written to.
        let unread = port.stream.bytes_to_read().unwrap_or(0);
        if unread > port.unread {
            port.heard = Some(Heard::now(true));
        }
        port.unread = unread;
        port.heard
    }

    /// How many bytes the system has yet to send, as far as it tells.
    pub(crate) fn waiting(&self) -> io::Result<usize> {
        let waiting = locked(&self.port).stream.bytes_to_write()?;
        Ok(usize::try_from(waiting).unwrap_or(usize::MAX))
    }

    /// Hands over what the system takes, and does not wait until it is sent: the stream's own flush
    /// would, and keep its thread from anything else.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut locked(&self.port).stream).poll_write(cx, bytes)) {
            Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => Poll::Ready(written),
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // Closing a port waits until all is sent, half a minute at worst. Where the port is gone,
        // nothing is left to be thrown away.
        if self.stream.bytes_to_write().is_ok_and(|waiting| waiting > 0) {
            let _ = self.stream.clear(ClearBuffer::Output);
        }
    }
}

/// The bytes that arrive. A port that is gone is the end of them.
pub(crate) struct Reader(pub(crate) Arc<Line>);

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let mut port = locked(&self.0.port);
        ready!(Pin::new(&mut port.stream).poll_read(cx, buffer))?;
        if let Some(last) = buffer.filled().get(before..).and_then(<[u8]>::last) {
            port.heard = Some(Heard::now(*last != 0));
            self.0.turn.wake();
        }
        Poll::Ready(Ok(()))
    }
}

/// No code panics while it holds a lock, so what a poisoned one holds is sound.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
