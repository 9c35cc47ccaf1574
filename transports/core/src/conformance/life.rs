//! Checks of links that come up and go down.
//! Not the frames in between: see `delivery`.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use futures::{
    SinkExt, StreamExt,
    future::{self, Either, select},
    pin_mut,
};
use tokio::time::{sleep, timeout};

use super::{
    Checked, Ends, Fixture, Verdict,
    judge::judge,
    report::Failure,
    session::{End, Session},
};
use crate::{Incoming, TransportError};

/// How long closing may take, and noticing that the other end is gone.
const PROMPTLY: Duration = Duration::from_secs(5);

/// Sending to a peer that does not read has to wait or fail within so many frames and bytes; the
/// buffers of an operating system alone may take some megabytes.
const MOST_FRAMES: usize = 20_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A frame that is not sent within this long waits for the peer.
const STUCK: Duration = Duration::from_millis(200);

pub(super) async fn facts(fixture: &mut dyn Fixture) -> Checked {
    let session = Session::open(fixture, &["x"]).await?;
    for end in [&session.first, &session.second] {
        if end.transport.facts() != end.facts {
            return Err(vec![Failure::general("they changed when the link came up")]);
        }
        if end.facts.name.is_empty() || end.facts.max_frame < 16 {
            return Err(vec![Failure::general("a name is missing, or 16 bytes do not fit")]);
        }
    }
    Ok(Verdict::Holds)
}

/// An orderly end loses nothing of what was sent before.
pub(super) async fn closing_arrives(fixture: &mut dyn Fixture) -> Checked {
    for from_first in [true, false] {
        let Session { first, second, .. } = Session::open(fixture, &["x"]).await?;
        if !(first.facts.reliable && second.facts.reliable) {
            return Ok(Verdict::UNRELIABLE);
        }
        let (sender, receiver) = if from_first { (first, second) } else { (second, first) };
        if let Some(failure) = lost_by_closing(sender, receiver).await {
            return Err(vec![Failure::general(failure.why)]);
        }
    }
    Ok(Verdict::Holds)
}

async fn lost_by_closing(mut sender: End, mut receiver: End) -> Option<Failure> {
    let sent: Vec<Bytes> = (1..=50u8).map(|number| vec![number; 16].into()).collect();
    let named = receiver.channel("x");
    let sending = async {
        for bytes in &sent {
            let frame = sender.frame("x", bytes.clone());
            sender.link.outgoing.send(frame).await.map_err(|error| format!("sending: {error}"))?;
        }
        // As a carrier does: it makes sure of room before it knows that nothing more comes.
        let ready = poll_fn(|cx| sender.link.outgoing.as_mut().poll_ready(cx)).await;
        ready.map_err(|error| format!("getting ready: {error}"))?;
        sender.link.outgoing.close().await.map_err(|error| format!("closing: {error}"))
    };
    let receiving = async {
        let mut arrived = vec![];
        while arrived.len() < sent.len() {
            match timeout(PROMPTLY, receiver.link.incoming.next()).await {
                // What settled the session may still be on its way.
                Ok(Some(Ok(frame))) if frame.bytes.len() != 16 => {}
                Ok(Some(Ok(frame))) => arrived.push(frame),
                _ => break,
            }
        }
        arrived
    };
    let (sending, arrived) = future::join(sending, receiving).await;
    let mut failures = judge(&sent, named.as_ref(), &arrived, true);
    failures.extend(sending.err().map(Failure::general));
    failures.into_iter().next()
}

/// What one end sends to a peer that never reads piles up nowhere without end.
pub(super) async fn back_pressure(fixture: &mut dyn Fixture) -> Checked {
    for from_first in [true, false] {
        let Session { first, second, .. } = Session::open(fixture, &["x"]).await?;
        if !(first.facts.reliable && second.facts.reliable) {
            return Ok(Verdict::UNRELIABLE);
        }
        let (mut sender, silent) = if from_first { (first, second) } else { (second, first) };
        let len = sender.facts.max_frame.clamp(1, 16 * 1024);
        let most = MOST_FRAMES.min(MOST_BYTES / len);
        let frame = sender.frame("x", vec![7; len]);
        let sending = async {
            for _ in 0..most {
                let sending = timeout(STUCK, sender.link.outgoing.send(frame.clone()));
                if !matches!(sending.await, Ok(Ok(()))) {
                    return true;
                }
            }
            false
        };
        let reading = until_down(&mut sender.link.incoming);
        pin_mut!(sending, reading);
        let bounded = match select(sending, reading).await {
            Either::Left((bounded, _)) => bounded,
            Either::Right(_) => true,
        };
        if !bounded && !lost_its_link(silent, len, most).await {
            let why = format!("{most} frames of {len} bytes went to a peer that reads nothing");
            return Err(vec![Failure::general(why)]);
        }
    }
    Ok(Verdict::Holds)
}

/// Whether the link of an end that never read is down before all of so many frames come out of it.
async fn lost_its_link(mut silent: End, len: usize, frames: usize) -> bool {
    let mut arrived = 0;
    while arrived < frames {
        match timeout(PROMPTLY, silent.link.incoming.next()).await {
            Ok(Some(Ok(frame))) => arrived += usize::from(frame.bytes.len() == len),
            Ok(Some(Err(error))) if error.link_goes_on() => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
    false
}

/// Fills the link to a peer that does not read, and closes it.
pub(super) async fn closing(fixture: &mut dyn Fixture) -> Checked {
    for from_first in [true, false] {
        let Session { first, second, .. } = Session::open(fixture, &["x"]).await?;
        let (mut sender, silent) = if from_first { (first, second) } else { (second, first) };
        let frame = sender.frame("x", vec![7; sender.facts.max_frame]);
        let filling = async {
            for _ in 0..512 {
                let feeding = sender.link.outgoing.feed(frame.clone());
                if !matches!(timeout(Duration::from_millis(200), feeding).await, Ok(Ok(()))) {
                    break;
                }
            }
        };
        filling.await;
        // Whether closing reports an error is the adapter's choice: the peer did not read.
        if timeout(PROMPTLY, sender.link.outgoing.close()).await.is_err() {
            return Err(vec![Failure::general(format!("it took more than {PROMPTLY:?}"))]);
        }
        drop(silent);
    }
    Ok(Verdict::Holds)
}

/// One end drops its link: sending from the other fails or goes on, but does not hang.
pub(super) async fn dropped(fixture: &mut dyn Fixture) -> Checked {
    for first_drops in [true, false] {
        let Session { first, second, .. } = Session::open(fixture, &["x"]).await?;
        let (leaving, mut staying) = if first_drops { (first, second) } else { (second, first) };
        drop(leaving.link);
        let frame = staying.frame("x", vec![7; 16]);
        let sending = async {
            for _ in 0..2000 {
                if staying.link.outgoing.send(frame.clone()).await.is_err() {
                    break;
                }
            }
        };
        let reading = until_down(&mut staying.link.incoming);
        pin_mut!(sending, reading);
        let either = timeout(PROMPTLY, select(sending, reading)).await;
        match either {
            Ok(Either::Left(_) | Either::Right(_)) => {}
            Err(_) => return Err(vec![Failure::general("sending to nobody hangs")]),
        }
    }
    Ok(Verdict::Holds)
}

/// The network fails.
pub(super) async fn cut(fixture: &mut dyn Fixture) -> Checked {
    let Session { mut first, mut second, .. } = Session::open(fixture, &["x"]).await?;
    let ends = fixture.cut().await;
    let mut failures = vec![];
    if matches!(ends, Ends::First | Ends::Both) {
        failures.extend(notices("the first end", &mut first).await);
    }
    if matches!(ends, Ends::Second | Ends::Both) {
        failures.extend(notices("the second end", &mut second).await);
    }
    match (ends, failures.is_empty()) {
        (Ends::Neither, _) => Ok(Verdict::DoesNotApply("the fixture cannot cut")),
        (_, true) => Ok(Verdict::Holds),
        (_, false) => Err(failures),
    }
}

/// What is wrong with an end whose link is cut: both halves have to fail.
async fn notices(who: &str, end: &mut End) -> Vec<Failure> {
    let mut failures = vec![];
    if timeout(PROMPTLY, until_down(&mut end.link.incoming)).await.is_err() {
        failures.push(Failure::general(format!("{who} goes on reading")));
    }
    let frame = end.frame("x", vec![7; 16]);
    let sending = async {
        while end.link.outgoing.send(frame.clone()).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(PROMPTLY, sending).await.is_err() {
        failures.push(Failure::general(format!("{who} goes on sending")));
    }
    failures
}

async fn until_down(incoming: &mut Incoming) {
    while let Some(Ok(_) | Err(TransportError::Malformed { .. })) = incoming.next().await {}
}

/// Both ends lose their link, by a cut where the fixture can, and connect again; twice. Meanwhile
/// other channels open and close.
pub(super) async fn again(fixture: &mut dyn Fixture) -> Checked {
    let mut session = Session::open(fixture, &["x"]).await?;
    for (opened, closed) in [("y", "x"), ("x", "y")] {
        fixture.cut().await;
        session.open_channels(&[opened]);
        session.close_channels(&[closed]);
        session.reconnect(opened).await?;
    }
    Ok(Verdict::Holds)
}
