//! The conformance suite finds what is wrong: each adapter here is broken in one way, and fails by
//! the claim that names it. A sound one passes.
//! Not tests of any adapter that somebody uses.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod channels;
mod wire;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Sink, SinkExt, StreamExt, future, stream};
use stringphone_transport::{
    ChannelName, Channels, Facts, Frame, Link, Outgoing, Transport, TransportError,
    conformance::{self, Ends, Fixture, Pair, Report, claims},
};
use tokio::sync::Semaphore;
use wire::{End, MAX, Wire};

/// The ways to be broken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    LosesSome,
    RepeatsSome,
    SwapsSome,
    MergesTwo,
    SplitsSome,
    Truncates,
    DamagesAByte,
    HandsOverEmptyFrames,
    PassesEmptyFramesOn,
    PadsSome,
    GreetsItsCarrier,
    MixesChannels,
    IgnoresLateChannels,
    TakesOneChannelAtATime,
    ForgetsThatChannelsOpenAgain,
    KeepsTheChannelsOfItsFirstLink,
    EchoesOwn,
    SaysMoreThanItCarries,
    LosesTheLargest,
    TakesTooLarge,
    GoesDownOnTooLarge,
    GuessesAChannel,
    DropsWhatASlowReaderLeaves,
    ForgetsTheLastOnClose,
    NeverCloses,
    HangsWithoutAPeer,
    SwallowsErrors,
    NeverEnds,
    ConnectsOnce,
    ChangesItsFacts,
    IsDeaf,
    QueuesWithoutEnd,
    PanicsOnTooLarge,
    PanicsAtItsSecondLink,
}

struct Broken {
    inner: End,
    fault: Fault,
    connected: bool,
    first_channels: Option<Channels>,
}

#[async_trait]
impl Transport for Broken {
    fn facts(&self) -> Facts {
        let mut facts = self.inner.facts();
        match self.fault {
            Fault::SaysMoreThanItCarries => facts.max_frame = MAX + 100,
            Fault::ChangesItsFacts => facts.max_frame -= usize::from(self.connected),
            _ => {}
        }
        facts
    }

    async fn connect(&mut self, channels: Channels) -> Result<Link, TransportError> {
        match self.fault {
            Fault::ConnectsOnce if self.connected => return Err(TransportError::Closed),
            Fault::PanicsAtItsSecondLink if self.connected => panic!("once is enough"),
            _ => {}
        }
        self.connected = true;
        let channels = match self.fault {
            Fault::IgnoresLateChannels => channels::snapshot(channels),
            Fault::TakesOneChannelAtATime => channels::one_at_a_time(channels),
            Fault::ForgetsThatChannelsOpenAgain => channels::once_each(channels),
            Fault::KeepsTheChannelsOfItsFirstLink => {
                self.first_channels.get_or_insert_with(|| channels::snapshot(channels)).clone()
            }
            _ => channels,
        };
        let link = self.inner.connect(channels).await?;
        Ok(break_outgoing(break_incoming(link, self.fault), self.fault))
    }
}

fn break_incoming(link: Link, fault: Fault) -> Link {
    let Link { incoming, outgoing } = link;
    let (mut number, mut kept) = (0, None::<Frame>);
    let struck = incoming.flat_map(move |item| {
        let Ok(frame) = item else {
            return stream::iter(vec![item]);
        };
        number += 1;
        let frames = match kept.take() {
            Some(before) if fault == Fault::MergesTwo => {
                let merged = [before.bytes, frame.bytes].concat();
                vec![Frame { channel: before.channel, bytes: merged.into() }]
            }
            Some(before) => vec![frame, before],
            None if number % 10 == 0 => strike(fault, frame, &mut kept),
            None => vec![always(fault, frame)],
        };
        stream::iter(frames.into_iter().map(Ok).collect::<Vec<_>>())
    });
    let struck = struck.filter(move |_| future::ready(fault != Fault::IsDeaf));
    match fault {
        Fault::GreetsItsCarrier => {
            let greeting = Frame::on(ChannelName::try_from("x").unwrap(), "");
            Link::new(stream::iter([Ok(greeting)]).chain(struck), outgoing)
        }
        Fault::NeverEnds => {
            let frames = struck.take_while(|item| future::ready(item.is_ok()));
            Link::new(frames.chain(stream::pending()), outgoing)
        }
        _ => Link::new(struck, outgoing),
    }
}

/// What happens to every tenth frame.
fn strike(fault: Fault, frame: Frame, kept: &mut Option<Frame>) -> Vec<Frame> {
    let with = |bytes: Bytes| Frame { bytes, ..frame.clone() };
    match fault {
        Fault::LosesSome => vec![],
        Fault::RepeatsSome => vec![frame.clone(), frame],
        Fault::MergesTwo | Fault::SwapsSome => {
            *kept = Some(frame);
            vec![]
        }
        Fault::SplitsSome => {
            let half = frame.bytes.len() / 2;
            vec![with(frame.bytes.slice(..half)), with(frame.bytes.slice(half..))]
        }
        Fault::DamagesAByte => {
            let mut bytes = frame.bytes.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x20;
            vec![with(bytes.into())]
        }
        Fault::PadsSome => vec![with([&frame.bytes, &[0; MAX + 1][..]].concat().into())],
        Fault::HandsOverEmptyFrames => vec![with(Bytes::new()), frame],
        _ => vec![always(fault, frame)],
    }
}

/// What happens to all others.
fn always(fault: Fault, mut frame: Frame) -> Frame {
    match fault {
        Fault::Truncates => frame.bytes.truncate(1000),
        Fault::MixesChannels => frame.channel = Some(ChannelName::try_from("x").unwrap()),
        _ => {}
    }
    frame
}

fn break_outgoing(link: Link, fault: Fault) -> Link {
    let Link { incoming, outgoing } = link;
    let sink = BrokenSink { inner: outgoing, fault, sent: 0, last: None };
    if fault == Fault::EchoesOwn {
        let (echo, echoed) = futures::channel::mpsc::unbounded();
        let outgoing = sink.with(move |frame: Frame| {
            let _ = echo.unbounded_send(frame.clone());
            future::ok::<_, TransportError>(frame)
        });
        return Link::new(stream::select(incoming, echoed.map(Ok)), outgoing);
    }
    Link::new(incoming, sink)
}

struct BrokenSink {
    inner: Outgoing,
    fault: Fault,
    sent: usize,
    /// Goes with the next one, or is forgotten.
    last: Option<Frame>,
}

type Polled = Poll<Result<(), TransportError>>;

impl Sink<Frame> for BrokenSink {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        if self.fault == Fault::HangsWithoutAPeer && self.sent > 500 {
            return Poll::Pending;
        }
        match ready!(self.inner.poll_ready_unpin(cx)) {
            Err(_) if self.fault == Fault::SwallowsErrors => Poll::Ready(Ok(())),
            ready => Poll::Ready(ready),
        }
    }

    fn start_send(mut self: Pin<&mut Self>, mut frame: Frame) -> Result<(), TransportError> {
        self.sent += 1;
        let len = frame.bytes.len();
        match self.fault {
            Fault::LosesTheLargest if len == MAX => return Ok(()),
            Fault::PanicsOnTooLarge if len > MAX => panic!("that is too much"),
            Fault::TakesTooLarge if len > MAX => frame.bytes.truncate(MAX),
            Fault::GoesDownOnTooLarge if len > MAX => return Err(TransportError::Closed),
            // Frames of the burst are 1,024 bytes, and its reader is slow.
            Fault::DropsWhatASlowReaderLeaves if len == 1024 && self.sent > 100 => return Ok(()),
            Fault::GuessesAChannel if frame.channel.is_none() => {
                frame.channel = Some(ChannelName::try_from("x").unwrap());
            }
            Fault::ForgetsTheLastOnClose => match self.last.replace(frame) {
                Some(before) => frame = before,
                None => return Ok(()),
            },
            _ => {}
        }
        self.inner.start_send_unpin(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match ready!(self.inner.poll_flush_unpin(cx)) {
            Err(_) if self.fault == Fault::SwallowsErrors => Poll::Ready(Ok(())),
            flushed => Poll::Ready(flushed),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        if self.fault == Fault::NeverCloses {
            return Poll::Pending;
        }
        self.inner.poll_close_unpin(cx)
    }
}

struct Wires {
    /// Of the first end and of the second.
    faults: [Fault; 2],
    wire: Wire,
}

impl Wires {
    fn end(&self, side: usize) -> Broken {
        let (fault, mut inner) = (self.faults[side], self.wire.end(side));
        match fault {
            Fault::QueuesWithoutEnd => inner.queue = Semaphore::MAX_PERMITS,
            Fault::PassesEmptyFramesOn => inner.drops_empty = false,
            _ => {}
        }
        Broken { inner, fault, connected: false, first_channels: None }
    }
}

#[async_trait]
impl Fixture for Wires {
    async fn pair(&mut self) -> Pair {
        self.wire = Wire::default();
        Pair::new(self.end(0), self.end(1))
    }

    async fn cut(&mut self) -> Ends {
        self.wire.cut();
        Ends::Both
    }
}

async fn report(faults: [Fault; 2]) -> Report {
    conformance::run(Wires { faults, wire: Wire::default() }).await
}

#[tokio::test(start_paused = true)]
async fn a_sound_adapter_passes() {
    let report = report([Fault::None; 2]).await;
    report.assert();
    let applies = report.outcomes().all(|(_, found)| *found == conformance::Outcome::Holds);
    assert!(applies, "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_its_own_check_alone_and_is_told() {
    let report = report([Fault::PanicsOnTooLarge; 2]).await;
    assert_eq!(report.failed(), [claims::TOO_LARGE], "{report}");
    assert!(report.to_string().contains("panicked: that is too much"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_fixture_that_panics_shows_no_claim() {
    struct Panics;

    #[async_trait]
    impl Fixture for Panics {
        async fn pair(&mut self) -> Pair {
            panic!("there is no modem")
        }
    }

    let report = conformance::run(Panics).await;
    assert_eq!(report.failed().len(), report.outcomes().count(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_fails_in_several_checks_is_listed_once() {
    let report = report([Fault::GreetsItsCarrier; 2]).await;
    let sizes = report.outcomes().filter(|(claim, _)| *claim == claims::SIZES);
    assert_eq!(sizes.count(), 1, "{report}");
}

/// One test for each way to be broken: its name is the claim of the test. It holds whether both ends
/// are broken or either of them.
macro_rules! fails {
    ($($name:ident: $fault:ident, $claim:ident;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            use Fault::{$fault, None};
            for faults in [[$fault, $fault], [$fault, None], [None, $fault]] {
                let report = report(faults).await;
                assert!(report.failed().contains(&claims::$claim), "{faults:?}\n{report}");
            }
        }
    )*};
}

fails! {
    losing_frames_fails: LosesSome, LOST;
    repeating_frames_fails: RepeatsSome, TWICE;
    swapping_frames_fails: SwapsSome, ORDER;
    merging_two_frames_fails: MergesTwo, BOUNDS;
    splitting_frames_fails: SplitsSome, BOUNDS;
    truncating_frames_fails: Truncates, BOUNDS;
    handing_over_empty_frames_fails: HandsOverEmptyFrames, SIZES;
    passing_empty_frames_of_the_peer_on_fails: PassesEmptyFramesOn, SIZES;
    handing_over_an_empty_frame_as_soon_as_the_link_is_up_fails: GreetsItsCarrier, SIZES;
    handing_over_frames_that_are_too_large_fails: PadsSome, SIZES;
    panicking_on_what_is_too_large_fails: PanicsOnTooLarge, TOO_LARGE;
    panicking_when_it_connects_again_fails: PanicsAtItsSecondLink, AGAIN;
    damaging_a_byte_fails: DamagesAByte, BYTES;
    mixing_channels_fails: MixesChannels, CHANNELS;
    guessing_a_channel_fails: GuessesAChannel, CHANNELS;
    ignoring_late_channels_fails: IgnoresLateChannels, LATE_CHANNEL;
    taking_one_channel_at_a_time_fails: TakesOneChannelAtATime, LATE_CHANNEL;
    forgetting_that_channels_open_again_fails: ForgetsThatChannelsOpenAgain, REOPENED_CHANNEL;
    keeping_the_channels_of_the_first_link_fails: KeepsTheChannelsOfItsFirstLink, AGAIN;
    echoing_own_frames_fails: EchoesOwn, ECHO;
    claiming_larger_frames_than_it_carries_fails: SaysMoreThanItCarries, LARGEST;
    losing_the_largest_frame_fails: LosesTheLargest, LARGEST;
    cutting_down_what_is_too_large_fails: TakesTooLarge, TOO_LARGE;
    going_down_on_what_is_too_large_fails: GoesDownOnTooLarge, TOO_LARGE;
    dropping_what_a_slow_reader_leaves_fails: DropsWhatASlowReaderLeaves, BURST;
    forgetting_the_last_frame_on_close_fails: ForgetsTheLastOnClose, CLOSING_ARRIVES;
    never_closing_fails: NeverCloses, CLOSING;
    hanging_without_a_peer_fails: HangsWithoutAPeer, DROPPED;
    swallowing_errors_fails: SwallowsErrors, CUT;
    reading_on_after_a_cut_fails: NeverEnds, CUT;
    connecting_only_once_fails: ConnectsOnce, AGAIN;
    changing_facts_fails: ChangesItsFacts, FACTS;
    being_deaf_fails: IsDeaf, SOMETHING;
    queueing_without_end_fails: QueuesWithoutEnd, BACK_PRESSURE;
}
