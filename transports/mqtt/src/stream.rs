//! The byte stream to a broker, which fails when nothing moves for too long.
//! Not the packets on it.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use crate::settings::Settings;

/// TCP, or TLS on it.
trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A stream that fails with [`io::ErrorKind::TimedOut`] when a read or a write waits for too long.
/// What nobody waits for may rest.
pub(crate) struct Stream {
    inner: Box<dyn Bytes>,
    limit: Duration,
    reading: Deadline,
    writing: Deadline,
}

impl Stream {
    /// Connects to the broker, with TLS if the settings say so.
    pub(crate) async fn connect(settings: &Settings) -> io::Result<Self> {
        let stream = TcpStream::connect(&settings.address).await?;
        stream.set_nodelay(true)?;
        let inner: Box<dyn Bytes> = match &settings.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.connect(settings.host(), stream).await?),
        };
        let limit = Duration::from_secs(settings.keep_alive.get().into());
        Ok(Self { inner, limit, reading: Deadline::default(), writing: Deadline::default() })
    }
}

/// Runs while something waits.
#[derive(Default)]
struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    fn watch<T>(
        &mut self,
        limit: Duration,
        progress: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.0 = None;
            return progress;
        }
        let deadline = self.0.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let progress = Pin::new(&mut this.inner).poll_read(cx, buffer);
        this.reading.watch(this.limit, progress, cx)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let progress = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.writing.watch(this.limit, progress, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let progress = Pin::new(&mut this.inner).poll_flush(cx);
        this.writing.watch(this.limit, progress, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let progress = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.writing.watch(this.limit, progress, cx)
    }
}
