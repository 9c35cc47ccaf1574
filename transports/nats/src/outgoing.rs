//! What leaves on a link, in both modes: frames become messages, and flushing waits for the socket
//! or for the stream.
//! Not repetition: what was not acknowledged in time is lost with the link.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use async_nats::{
    Client, HeaderMap, HeaderValue, Message, StatusCode, Subject, Subscriber,
    client::FlushErrorKind,
    error,
    jetstream::{publish::PublishAck, response::Response},
    message::OutboundMessage,
};
use futures::{FutureExt, Sink, SinkExt, StreamExt, future::BoxFuture};
use stringphone_transport::{ChannelCount, Frame, TransportError};
use tokio::time::{Instant, Sleep, sleep};

use crate::{durable::FROM, subject::subject};

/// Frames that wait for the stream at a time; their answers fit into a subscription's queue.
const UNANSWERED: usize = 256;
/// How long the stream may take for the next answer: a cluster elects a leader meanwhile.
const ANSWERING: Duration = Duration::from_secs(5);
/// How long closing may take for what was not flushed before.
const CLOSING: Duration = Duration::from_secs(2);

/// The sending half of a link.
pub(crate) struct Outgoing {
    client: Client,
    prefix: String,
    max_frame: usize,
    receipts: Option<Receipts>,
    /// Whether frames were handed over since the last flush.
    unflushed: bool,
    flushing: Option<BoxFuture<'static, Result<(), error::Error<FlushErrorKind>>>>,
    closing: Option<Pin<Box<Sleep>>>,
}

impl Outgoing {
    /// Without receipts, as on a core link, a flushed frame is in the socket.
    pub(crate) fn new(
        client: Client,
        prefix: &str,
        max_frame: usize,
        receipts: Option<Receipts>,
    ) -> Self {
        let prefix = prefix.to_owned();
        let (unflushed, flushing, closing) = (false, None, None);
        Self { client, prefix, max_frame, receipts, unflushed, flushing, closing }
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        if self.flushing.is_none() && !std::mem::take(&mut self.unflushed) {
            return Poll::Ready(Ok(()));
        }
        let flushing = self.flushing.get_or_insert_with(|| {
            let client = self.client.clone();
            async move { client.flush().await }.boxed()
        });
        let flushed = ready!(flushing.poll_unpin(cx));
        self.flushing = None;
        Poll::Ready(flushed.map_err(|_| TransportError::Closed))
    }
}

impl Sink<Frame> for Outgoing {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if let Some(receipts) = &mut self.receipts {
            ready!(receipts.poll_below(UNANSWERED, cx))?;
        }
        self.client.poll_ready_unpin(cx).map_err(|_| TransportError::Closed)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        frame.check(self.max_frame, ChannelCount::Many)?;
        let Frame { channel, bytes } = frame;
        let channel = channel.ok_or(TransportError::NoChannel)?;
        let subject = subject(&self.prefix, &channel).into();
        let (reply, headers) = self.receipts.as_mut().map(Receipts::expect).unzip();
        self.unflushed = true;
        let message = OutboundMessage { subject, reply, payload: bytes, headers };
        self.client.start_send_unpin(message).map_err(TransportError::other)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match &mut self.receipts {
            Some(receipts) => receipts.poll_below(1, cx),
            None => self.poll_socket(cx),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if let Poll::Ready(flushed) = self.as_mut().poll_flush(cx) {
            return Poll::Ready(flushed);
        }
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(CLOSING)));
        ready!(closing.as_mut().poll(cx));
        Poll::Ready(Err(TransportError::Timeout { what: "closing", after: CLOSING }))
    }
}

/// What the stream answers to each frame.
pub(crate) struct Receipts {
    inbox: Subject,
    answers: Subscriber,
    headers: HeaderMap,
    unanswered: usize,
    /// When the next answer has to be there.
    late: Pin<Box<Sleep>>,
}

impl Receipts {
    /// Frames of the sender `me`.
    pub(crate) async fn new(client: &Client, me: &str) -> Result<Self, TransportError> {
        let inbox = Subject::from(client.new_inbox());
        let answers = client.subscribe(inbox.clone()).await.map_err(TransportError::other)?;
        let mut headers = HeaderMap::new();
        headers.insert(FROM, HeaderValue::from(me));
        Ok(Self { inbox, answers, headers, unanswered: 0, late: Box::pin(sleep(ANSWERING)) })
    }

    /// What a message carries that is to be answered.
    fn expect(&mut self) -> (Subject, HeaderMap) {
        if self.unanswered == 0 {
            self.wait_longer();
        }
        self.unanswered += 1;
        (self.inbox.clone(), self.headers.clone())
    }

    fn wait_longer(&mut self) {
        self.late.as_mut().reset(Instant::now() + ANSWERING);
    }

    /// Waits until fewer than so many frames are unanswered.
    fn poll_below(
        &mut self,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        let before = self.unanswered;
        while let Poll::Ready(answer) = self.answers.poll_next_unpin(cx) {
            check(&answer.ok_or(TransportError::Closed)?)?;
            self.unanswered = self.unanswered.saturating_sub(1);
        }
        if self.unanswered < most {
            return Poll::Ready(Ok(()));
        }
        if self.unanswered < before {
            self.wait_longer();
        }
        ready!(self.late.as_mut().poll(cx));
        let what = "the answer of the stream";
        Poll::Ready(Err(TransportError::Timeout { what, after: ANSWERING }))
    }
}

/// Whether the stream has the frame.
fn check(answer: &Message) -> Result<(), TransportError> {
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(TransportError::other("no stream takes this subject"));
    }
    match serde_json::from_slice(&answer.payload) {
        Ok(Response::<PublishAck>::Ok(_)) => Ok(()),
        Ok(Response::Err { error }) => Err(TransportError::other(error)),
        Err(error) => Err(TransportError::other(error)),
    }
}
