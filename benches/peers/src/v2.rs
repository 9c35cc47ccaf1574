//! Our own V2: its messages beside those of the peers, and what else has a goal. Not here: how
//! devices are driven.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use stringphone_protocol::v2::V2Session;
use stringphone_protocol::{Checked, Command, Event, Input, Refusal, Session};

use crate::house::{Device, Told, admit, crowd, house};
use crate::measure::{cpu, goal, median, quantile, watch};
use crate::{Done, Pair, Removal, micros};

struct V2 {
    sender: Device,
    receiver: Device,
}

/// A founder, and one that it invited.
pub(crate) fn pair() -> Done<Box<dyn Pair>> {
    let (sender, receiver) = two()?;
    Ok(Box::new(V2 { sender, receiver }))
}

fn two() -> Done<(Device, Device)> {
    let mut founder = Device::founder(0)?;
    let invited = admit(1, &mut [&mut founder])?;
    Ok((founder.forgetful(), invited.forgetful()))
}

impl Pair for V2 {
    fn send(&mut self, body: &[u8]) -> Vec<u8> {
        self.sender.publish(body).expect("a frame")
    }

    fn receive(&mut self, message: &[u8]) -> Vec<u8> {
        self.receiver.hear(message).body().expect("a message")
    }
}

/// Bytes that each further message adds to a frame, over its body.
pub(crate) fn further() -> Done {
    const MESSAGES: usize = 16;

    let (mut sender, mut receiver) = two()?;
    let mut most = 0.0_f64;
    for size in [0, 1, 32, 127, 128, 1024, 2048] {
        let body = vec![7; size];
        let one = sender.publish(&body)?.len();
        for _ in 0..MESSAGES {
            sender.handle(Input::Command(Command::Publish(&body)))?;
        }
        let told = sender.outputs();
        let [frame] = told.frames.as_slice() else { return Err("not one frame".into()) };
        if receiver.hear(frame).events.len() != MESSAGES {
            return Err("not all were heard".into());
        }
        let further = (frame.len() - one) as f64 / (MESSAGES - 1) as f64 - size as f64;
        most = most.max(further);
    }
    goal("peers.v2.further", &format!("{most:.1} B over the body"), "≤ 4 B", most <= 4.0);
    Ok(())
}

/// The founder evicts somebody in the middle, and the last member hears of it.
pub(crate) fn removal(members: u64) -> Done<Removal> {
    const ROUNDS: usize = 15;

    let (founder, last) = crowd(members, |_, _| Ok(()))?;
    let mut removal = Removal { bytes: 0, remover: Vec::new(), member: Vec::new() };
    for round in 0..ROUNDS {
        let (mut founder, mut last) =
            (founder.restored()?.forgetful(), last.restored()?.forgetful());
        let others = founder.session.participants().into_iter().map(|key| key.id());
        let mut others = others.filter(|id| *id != last.session.identity().id());
        let whom = others.nth(usize::try_from(members)? / 2 - 1).ok_or("nobody to evict")?;
        let mut told = Ok(Default::default());
        removal.remover.push(cpu(round, || told = founder.command(Command::Evict(whom))));
        let frames = told?.frames;
        removal.bytes = frames.iter().map(Vec::len).sum();
        removal.member.push(cpu(round, || {
            for frame in &frames {
                black_box(last.hear(frame));
            }
        }));
        if last.session.epoch() != founder.session.epoch() {
            return Err("the last member did not follow".into());
        }
    }
    Ok(removal)
}

/// Frames of somebody who holds no keys, against one that opens.
pub(crate) fn outsiders(size: usize) -> Done {
    const ROUNDS: usize = 200;
    const BATCH: usize = 64;

    let (mut sender, mut receiver) = two()?;
    let body = vec![7; size];
    let mut ratios = [Vec::new(), Vec::new()];
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let frames: Vec<_> = (0..BATCH).map(|_| sender.publish(&body)).collect::<Done<_>>()?;
        let unknown = altered(&frames, 1);
        let garbage = altered(&frames, 64);
        let refused = [
            (unknown, Event::Refused(Refusal::UnknownEpoch)),
            (garbage, Event::Refused(Refusal::DecryptionFailed)),
        ]
        .map(|(frames, refusal)| {
            let mut told = Vec::with_capacity(BATCH);
            let spent = cpu(round, || {
                told.extend(frames.iter().map(|frame| receiver.hear(black_box(frame))));
            });
            let all = told.iter().all(|told| told.events == std::slice::from_ref(&refusal));
            all.then_some(spent).ok_or("not refused as it should be")
        });
        let opening = cpu(round, || {
            for frame in &frames {
                black_box(receiver.hear(black_box(frame)));
            }
        });
        for (at, refused) in refused.into_iter().enumerate() {
            let refused = refused?;
            ratios[at].push(refused.as_secs_f64() / opening.as_secs_f64());
            took[at].push(micros(refused, BATCH));
        }
    }
    for ((name, ratios), took) in ["unknown_hint", "known_hint"].iter().zip(ratios).zip(took) {
        let percent = 100.0 * median(ratios.into_iter());
        let took = median(took.into_iter());
        let figure = format!("{took:.2} µs, {percent:.1} % of one that opens");
        goal(&format!("peers.v2.outsider_{name}_{size}"), &figure, "< 3 %", percent < 3.0);
    }
    Ok(())
}

/// The frames with one byte changed.
fn altered(frames: &[Vec<u8>], at: usize) -> Vec<Vec<u8>> {
    let mut altered = frames.to_vec();
    altered.iter_mut().for_each(|frame| frame[at] ^= 0x55);
    altered
}

/// A message of each of 64 senders, checked by two threads and then taken in order, against as
/// many signatures verified by one thread: by the clock on the wall, where somebody else's load
/// counts in full, and by what the threads themselves spend.
pub(crate) fn burst(cores: &[CpuSet; 2]) -> Done {
    const ROUNDS: usize = 300;
    const SENDERS: usize = 64;

    let mut senders = house(SENDERS as u64 + 1)?;
    let mut receiver = senders.remove(0).forgetful();
    let body = [7; 64];
    let signatures = signatures(SENDERS);
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let publish = |sender: &mut Device| sender.publish(&body);
        let frames: Vec<_> = senders.iter_mut().map(publish).collect::<Done<_>>()?;
        sched_setaffinity(None, &cores[0])?;
        bare.push(verified(&signatures));
        ours.push(taken(&mut receiver, &frames, &cores[1])?);
    }
    let quiet = |of: &[Spent], part: fn(&Spent) -> Duration| {
        quantile(of.iter().map(|spent| part(spent).as_secs_f64()), 0.1)
    };
    let wall = quiet(&bare, |spent| spent.wall) / quiet(&ours, |spent| spent.wall);
    let busy = quiet(&bare, |spent| spent.busy) / quiet(&ours, |spent| spent.busy);
    let figure = format!("{wall:.2} × as fast as {SENDERS} bare verifications on one core");
    goal("peers.v2.burst", &figure, "≥ 1.80 ×", wall >= 1.8);
    let figure = format!("{busy:.2} × by what the busier thread spends");
    watch("peers.v2.burst_busy", &figure);
    Ok(())
}

struct Spent {
    wall: Duration,
    /// Of CPU time, on the longest way from the first frame to the last event.
    busy: Duration,
}

fn busy(work: impl FnOnce()) -> Duration {
    let before = clock_gettime(ClockId::ThreadCPUTime);
    work();
    let spent = clock_gettime(ClockId::ThreadCPUTime) - before;
    Duration::try_from(spent).unwrap_or_default()
}

/// What it takes until all of these frames are delivered.
fn taken(receiver: &mut Device, frames: &[Vec<u8>], other: &CpuSet) -> Done<Spent> {
    let (near, far) = frames.split_at(frames.len() / 2);
    let before = Instant::now();
    let session = &receiver.session;
    let (mut checked, mut others) = (Vec::new(), Vec::new());
    let (here, there) = thread::scope(|scope| {
        let there = scope.spawn(|| {
            sched_setaffinity(None, other).expect("one of our cores");
            busy(|| others = check(session, far))
        });
        let here = busy(|| checked = check(session, near));
        (here, there.join().unwrap_or_default())
    });
    let mut told = Ok(Default::default());
    let after = busy(|| told = deliver(receiver, checked.into_iter().chain(others)));
    let wall = before.elapsed();
    if told?.events.len() != frames.len() {
        return Err("not all were heard".into());
    }
    Ok(Spent { wall, busy: here.max(there) + after })
}

fn deliver<'a>(receiver: &mut Device, frames: impl Iterator<Item = Checked<'a>>) -> Done<Told> {
    for frame in frames {
        receiver.handle(Input::Checked(frame))?;
    }
    Ok(receiver.outputs())
}

fn check<'a>(session: &V2Session, frames: &'a [Vec<u8>]) -> Vec<Checked<'a>> {
    frames.iter().map(|frame| session.check(black_box(frame))).collect()
}

fn signatures(count: usize) -> Vec<(VerifyingKey, [u8; 48], Signature)> {
    let signed = |number: usize| {
        let key = SigningKey::from_bytes(&[u8::try_from(number).unwrap_or(0); 32]);
        let text = [7; 48];
        (key.verifying_key(), text, key.sign(&text))
    };
    (0..count).map(signed).collect()
}

fn verified(signatures: &[(VerifyingKey, [u8; 48], Signature)]) -> Spent {
    let before = Instant::now();
    let busy = busy(|| {
        for (key, text, signature) in signatures {
            key.verify_strict(black_box(text), signature).expect("a good signature");
        }
    });
    Spent { wall: before.elapsed(), busy }
}
