//! Two links that are up, and the exchange of frames between them.
//! Not the judgement of what arrives.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures::{
    SinkExt, StreamExt,
    future::{self, Either, select},
    pin_mut, sink, stream,
};
use tokio::time::{Instant, sleep};

use super::{Fixture, Pair, claims, judge::judge, report::Failure};
use crate::{
    ChannelCount, ChannelName, Channels, ChannelsOwner, Facts, Frame, Incoming, Link, Outgoing,
    Transport, TransportError,
};

/// What frames of the suite itself begin with; their side and number follow, 9 bytes in all.
pub(super) const CONTROL: &[u8] = b"\x00suite\xff";

/// An exchange is over when nothing has arrived for so long.
const QUIET: Duration = Duration::from_millis(120);
/// Control frames are repeated after so long, for a link may lose them.
const REPEAT: Duration = Duration::from_millis(20);

/// How long a link may take to come up again.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) type Failures = Vec<Failure>;

/// One end: its transport, and the link that it brought up.
pub(super) struct End {
    side: u8,
    pub(super) facts: Facts,
    pub(super) transport: Box<dyn Transport>,
    pub(super) channels: ChannelsOwner,
    pub(super) link: Link,
}

/// Two ends that hear each other.
pub(super) struct Session {
    pub(super) first: End,
    pub(super) second: End,
    exchanges: u8,
}

/// What one end received during an exchange.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) frames: Vec<Frame>,
    controls: BTreeSet<(Option<ChannelName>, u8)>,
    echoes: usize,
}

fn name(name: &str) -> ChannelName {
    #[allow(clippy::expect_used, reason = "names of the suite's own")]
    ChannelName::try_from(name).expect("a short name")
}

impl End {
    async fn connect(
        side: u8,
        mut transport: Box<dyn Transport>,
        open: &[&str],
    ) -> Result<Self, Failures> {
        let (channels, watch) = Channels::new(open.iter().map(|channel| name(channel)));
        let facts = transport.facts();
        let link = transport.connect(watch).await.map_err(|error| down("connecting", &error))?;
        Ok(Self { side, facts, transport, channels, link })
    }

    /// Replaces the link, which was dropped. Tries for a while, since the other side may not be
    /// there yet.
    async fn reconnect(&mut self) -> Result<(), Failures> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.transport.connect(self.channels.watch()).await {
                Ok(link) => {
                    self.link = link;
                    return Ok(());
                }
                Err(_) if Instant::now() < deadline => sleep(REPEAT).await,
                Err(error) => return Err(down("connecting again", &error)),
            }
        }
    }

    /// The channel as it stands on frames of this link.
    pub(super) fn channel(&self, channel: &str) -> Option<ChannelName> {
        (self.facts.channels == ChannelCount::Many).then(|| name(channel))
    }

    pub(super) fn frame(&self, channel: &str, bytes: impl Into<Bytes>) -> Frame {
        Frame { channel: self.channel(channel), bytes: bytes.into() }
    }
}

impl Session {
    /// Connects a fresh pair and waits until both hear each other on the channel `x`.
    pub(super) async fn open(fixture: &mut dyn Fixture, open: &[&str]) -> Result<Self, Failures> {
        let Pair { first, second } = fixture.pair().await;
        let (first, second) =
            future::try_join(End::connect(1, first, open), End::connect(2, second, open)).await?;
        let mut session = Self { first, second, exchanges: 0 };
        session.settle("x").await?;
        Ok(session)
    }

    /// Opens channels at both ends.
    pub(super) fn open_channels(&self, channels: &[&str]) {
        for channel in channels {
            self.first.channels.open(name(channel));
            self.second.channels.open(name(channel));
        }
    }

    /// Closes channels at both ends.
    pub(super) fn close_channels(&self, channels: &[&str]) {
        for channel in channels {
            self.first.channels.close(&name(channel));
            self.second.channels.close(&name(channel));
        }
    }

    /// Drops both links and brings up others, until both ends hear each other on the channel.
    pub(super) async fn reconnect(&mut self, channel: &str) -> Result<(), Failures> {
        // Both go down before either comes up, lest one end reaches the old link of the other.
        for end in [&mut self.first, &mut self.second] {
            end.link =
                Link::new(stream::empty(), sink::drain().sink_map_err(|never| match never {}));
        }
        future::try_join(self.first.reconnect(), self.second.reconnect()).await?;
        self.settle(channel).await
    }

    /// Waits until both hear each other on the channel.
    pub(super) async fn settle(&mut self, channel: &str) -> Result<(), Failures> {
        let [a, b] = self.exchange(channel, &[], &[]).await?;
        let mut failures = judge(&[], self.second.channel(channel).as_ref(), &a.frames, false);
        failures.extend(judge(&[], self.first.channel(channel).as_ref(), &b.frames, false));
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// Sends frames in both directions at once and collects what arrives, until a frame of the
    /// suite's own that follows has arrived at both ends and all is quiet.
    pub(super) async fn exchange(
        &mut self,
        channel: &str,
        from_first: &[Bytes],
        from_second: &[Bytes],
    ) -> Result<[Inbox; 2], Failures> {
        self.exchange_slowly(channel, from_first, from_second, Duration::ZERO).await
    }

    /// [`exchange`](Self::exchange) with readers that pause after every frame.
    pub(super) async fn exchange_slowly(
        &mut self,
        channel: &str,
        from_first: &[Bytes],
        from_second: &[Bytes],
        pause: Duration,
    ) -> Result<[Inbox; 2], Failures> {
        self.exchanges = self.exchanges.wrapping_add(1);
        let number = self.exchanges;
        let inboxes: [RefCell<Inbox>; 2] = [RefCell::default(), RefCell::default()];
        let last_arrival = Cell::new(Instant::now());
        {
            let [a, b] = &inboxes;
            let (named_a, named_b) = (self.first.channel(channel), self.second.channel(channel));
            let (first, second) = (&mut self.first, &mut self.second);
            let heard_by_b = || b.borrow().controls.contains(&(named_b.clone(), number));
            let heard_by_a = || a.borrow().controls.contains(&(named_a.clone(), number));
            let end_of = |side, named: &Option<ChannelName>| control(side, number, named);
            let (end_a, end_b) = (end_of(1, &named_a), end_of(2, &named_b));

            let sending = async {
                future::try_join(
                    send(&mut first.link.outgoing, from_first, end_a, heard_by_b),
                    send(&mut second.link.outgoing, from_second, end_b, heard_by_a),
                )
                .await?;
                while last_arrival.get().elapsed() < QUIET {
                    sleep(QUIET).await;
                }
                Ok(())
            };
            let receiving = future::try_join(
                receive(first.side, &mut first.link.incoming, a, &last_arrival, pause),
                receive(second.side, &mut second.link.incoming, b, &last_arrival, pause),
            );
            pin_mut!(sending, receiving);
            let result = match select(sending, receiving).await {
                Either::Left((result, _)) => result,
                Either::Right((result, _)) => result.map(|_| ()),
            };
            if let Err(failure) = result {
                return Err(vec![failure]);
            }
        }
        let [a, b] = inboxes.map(RefCell::into_inner);
        match a.echoes + b.echoes {
            0 => Ok([a, b]),
            echoes => Err(vec![Failure::of(claims::ECHO, format!("{echoes} echoes"))]),
        }
    }
}

/// Sends the frames, and then the last one over and over until it is heard.
async fn send(
    outgoing: &mut Outgoing,
    frames: &[Bytes],
    last: Frame,
    heard: impl Fn() -> bool,
) -> Result<(), Failure> {
    let failed = |error| match error {
        TransportError::TooLarge { .. } => Failure::of(claims::LARGEST, format!("{error}")),
        error => Failure::general(format!("sending: {error}")),
    };
    for bytes in frames {
        let frame = Frame { channel: last.channel.clone(), bytes: bytes.clone() };
        outgoing.send(frame).await.map_err(failed)?;
    }
    loop {
        outgoing.send(last.clone()).await.map_err(failed)?;
        sleep(REPEAT).await;
        if heard() {
            return Ok(());
        }
    }
}

/// Collects what arrives, for ever.
async fn receive(
    side: u8,
    incoming: &mut Incoming,
    inbox: &RefCell<Inbox>,
    last_arrival: &Cell<Instant>,
    pause: Duration,
) -> Result<(), Failure> {
    loop {
        match incoming.next().await {
            Some(Ok(frame)) => inbox.borrow_mut().take(side, frame),
            Some(Err(TransportError::Malformed { .. })) => {}
            Some(Err(error)) => return Err(Failure::general(format!("receiving: {error}"))),
            None => return Err(Failure::general("receiving: the stream ended")),
        }
        last_arrival.set(Instant::now());
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
}

impl Inbox {
    fn take(&mut self, side: u8, frame: Frame) {
        match frame.bytes.strip_prefix(CONTROL) {
            Some([from, _]) if *from == side => self.echoes += 1,
            Some([_, number]) => {
                self.controls.insert((frame.channel, *number));
            }
            _ => self.frames.push(frame),
        }
    }
}

fn control(side: u8, number: u8, channel: &Option<ChannelName>) -> Frame {
    let mut bytes = BytesMut::from(CONTROL);
    bytes.put_slice(&[side, number]);
    Frame { channel: channel.clone(), bytes: bytes.freeze() }
}

pub(super) fn down(doing: &str, error: &TransportError) -> Failures {
    vec![Failure::general(format!("{doing}: {error}"))]
}
