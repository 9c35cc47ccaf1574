//! What a message, and a member locked out, cost in our V2 and in other protocols for groups. Not a
//! contest: each gives other guarantees.
//!
//! `cargo xtask figures --peers`
//!
//! One more protocol is one more file with a [`Pair`], and a line in [`PEERS`].

mod bare;
mod house;
#[path = "../../measure/mod.rs"]
mod measure;
mod megolm;
mod mls;
mod v2;

use std::error::Error;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use measure::{cpu, goal, median, pin, quantile, watch};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// The first is what the others are compared with.
const PEERS: [Peer; 4] = [
    Peer { name: "bare", pair: bare::pair },
    Peer { name: OURS, pair: v2::pair },
    Peer { name: "megolm", pair: megolm::pair },
    Peer { name: "mls", pair: mls::pair },
];

/// The one that has goals, and the one that it shall be no slower than.
const OURS: &str = "v2";
const RIVAL: &str = "megolm";

struct Peer {
    name: &'static str,
    pair: fn() -> Done<Box<dyn Pair>>,
}

/// A member that sends, and another one that receives.
trait Pair: Send {
    /// From a body to the bytes that go out.
    fn send(&mut self, body: &[u8]) -> Vec<u8>;

    /// From those bytes to the body.
    fn receive(&mut self, message: &[u8]) -> Vec<u8>;
}

fn main() -> Done {
    let cores = outer_cores()?;
    pin();
    for peer in &PEERS {
        carries(peer)?;
    }
    for size in [32, 64, 256, 1024] {
        messages(size)?;
    }
    v2::further()?;
    for size in [32, 1024] {
        v2::outsiders(size)?;
    }
    match cores {
        Some(cores) => {
            two_cores(64, &cores)?;
            v2::burst(&cores)?;
            pin();
        }
        None => eprintln!("NOT MEASURED: two cores, as there is only one"),
    }
    for members in [32, 1000] {
        v2::removal(members.into())?.print(&format!("v2.remove_{members}"));
        mls::removal(members, mls::Grown::OneByOne)?.print(&format!("mls.remove_{members}"));
        mls::removal(members, mls::Grown::AtOnce)?.print(&format!("mls.remove_{members}_fresh"));
    }
    Ok(())
}

/// Whoever does not carry bodies as they are is not worth measuring.
fn carries(peer: &Peer) -> Done {
    let mut pair = (peer.pair)()?;
    for size in 0..300 {
        let body = vec![7; size];
        let message = pair.send(&body);
        if pair.receive(&message) != body {
            return Err(format!("{} does not carry {size} bytes", peer.name).into());
        }
    }
    Ok(())
}

/// One message after the other, all peers in turns.
fn messages(size: usize) -> Done {
    const ROUNDS: usize = 200;
    const BATCH: usize = 64;

    let body = vec![7; size];
    let mut all: Vec<_> = PEERS.iter().map(Side::new).collect::<Done<_>>()?;
    for round in 0..ROUNDS {
        for side in &mut all {
            let mut sent = Vec::with_capacity(BATCH);
            let sending = cpu(round, || {
                for _ in 0..BATCH {
                    sent.push(side.pair.send(black_box(&body)));
                }
            });
            let receiving = cpu(round, || {
                for message in &sent {
                    black_box(side.pair.receive(black_box(message)));
                }
            });
            side.sending.push(micros(sending, BATCH));
            side.receiving.push(micros(receiving, BATCH));
            side.overhead.extend(sent.iter().map(|message| message.len() - size));
        }
    }
    for side in &all {
        let (figure, ratio) = compared(&side.sending, &all[0].sending, PEERS[0].name);
        let figure = format!("{figure}, {} B over the body", range(&side.overhead));
        let small = side.overhead.iter().all(|bytes| *bytes <= 97);
        let aim = Some(("≤ 1.10 ×, ≤ 97 B", small && ratio <= 1.1));
        print(&format!("{}.send_{size}", side.name), &figure, aim.filter(|_| side.name == OURS));
    }
    for side in &all {
        let (figure, ratio) = compared(&side.receiving, &all[0].receiving, PEERS[0].name);
        let aim = Some(("≤ 1.10 ×", ratio <= 1.1)).filter(|_| side.name == OURS);
        print(&format!("{}.receive_{size}", side.name), &figure, aim);
    }
    let side = |name| all.iter().find(|side| side.name == name).ok_or("no such side");
    let (ours, rival) = (side(OURS)?, side(RIVAL)?);
    for (verb, ours, rival) in
        [("send", &ours.sending, &rival.sending), ("receive", &ours.receiving, &rival.receiving)]
    {
        let (figure, ratio) = compared(ours, rival, RIVAL);
        let aim = Some(("≤ 1.00 ×", ratio <= 1.0));
        print(&format!("{OURS}.{verb}_{size}_{RIVAL}"), &figure, aim);
    }
    Ok(())
}

struct Side {
    name: &'static str,
    pair: Box<dyn Pair>,
    /// Microseconds a message, of each round.
    sending: Vec<f64>,
    receiving: Vec<f64>,
    /// Bytes over the body, of each message.
    overhead: Vec<usize>,
}

impl Side {
    fn new(peer: &Peer) -> Done<Self> {
        Ok(Self {
            name: peer.name,
            pair: (peer.pair)()?,
            sending: Vec::new(),
            receiving: Vec::new(),
            overhead: Vec::new(),
        })
    }
}

/// The first and the last core that this process may use: neighbours are often two halves of one.
fn outer_cores() -> Done<Option<[CpuSet; 2]>> {
    let allowed = sched_getaffinity(None)?;
    let mut usable = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let only = |core| {
        let mut only = CpuSet::new();
        only.set(core);
        only
    };
    let both = usable.next().zip(usable.next_back());
    Ok(both.map(|(first, last)| [only(first), only(last)]))
}

/// Messages sent and received by two threads, each with a pair and a core of its own: by the clock
/// on the wall, against one thread in turns.
///
/// Here somebody else's load counts in full, so that these are the figures of the quieter rounds.
fn two_cores(size: usize, cores: &[CpuSet; 2]) -> Done {
    const ROUNDS: usize = 200;

    let body = vec![7; size];
    let mut all = Vec::new();
    for peer in &PEERS {
        let pairs = [(peer.pair)()?, (peer.pair)()?];
        all.push((peer.name, pairs, Vec::new(), Vec::new()));
    }
    for _ in 0..ROUNDS {
        for (_, pairs, one, two) in &mut all {
            one.push(wall(&mut pairs[..1], cores, &body));
            two.push(wall(pairs, cores, &body));
        }
    }
    for (name, _, one, two) in all {
        let [one, two] = [one, two].map(|micros| quantile(micros.into_iter(), 0.1));
        let figure = format!("{two:.1} µs a message sent and received, {one:.1} µs on one core");
        watch(&format!("peers.{name}.two_cores_{size}"), &figure);
    }
    Ok(())
}

/// Microseconds a message, with a thread for each pair.
fn wall(pairs: &mut [Box<dyn Pair>], cores: &[CpuSet; 2], body: &[u8]) -> f64 {
    const MESSAGES: usize = 128;

    let all = pairs.len() * MESSAGES;
    let before = Instant::now();
    thread::scope(|scope| {
        for (pair, core) in pairs.iter_mut().zip(cores) {
            scope.spawn(|| {
                sched_setaffinity(None, core).expect("one of our cores");
                for _ in 0..MESSAGES {
                    let message = pair.send(black_box(body));
                    black_box(pair.receive(&message));
                }
            });
        }
    });
    micros(before.elapsed(), all)
}

/// What it costs to lock one member out.
struct Removal {
    /// All that goes out.
    bytes: usize,
    /// What each try took of whoever removes.
    remover: Vec<Duration>,
    /// What each try took of a member that stays.
    member: Vec<Duration>,
}

impl Removal {
    fn print(&self, id: &str) {
        let millis = |of: &[Duration]| median(of.iter().map(|took| took.as_secs_f64() * 1e3));
        let (remover, member) = (millis(&self.remover), millis(&self.member));
        let figure =
            format!("{} B; {remover:.1} ms at the remover, {member:.1} ms at a member", self.bytes);
        watch(&format!("peers.{id}"), &figure);
    }
}

fn micros(all: Duration, messages: usize) -> f64 {
    all.as_secs_f64() * 1e6 / messages as f64
}

/// The median, and that of the rounds' own ratios: whatever slows a whole round down drops out.
fn compared(each: &[f64], with: &[f64], name: &str) -> (String, f64) {
    let ratio = median(each.iter().zip(with).map(|(each, with)| each / with));
    (format!("{:.1} µs, {ratio:.2} × {name}", median(each.iter().copied())), ratio)
}

/// Prints a figure, with its goal if it has one.
fn print(id: &str, figure: &str, aim: Option<(&str, bool)>) {
    let id = format!("peers.{id}");
    match aim {
        Some((wanted, met)) => goal(&id, figure, wanted, met),
        None => watch(&id, figure),
    }
}

fn range(of: &[usize]) -> String {
    match (of.iter().min(), of.iter().max()) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
        (least, _) => least.copied().unwrap_or(0).to_string(),
    }
}
