//! A network of opaque frames in virtual time, without IO, clock or queue of its own: nodes on
//! media, which lose, repeat, reorder, delay and damage what they carry, and are cut in two.
//! Not anything that knows what a frame says.
//!
//! ```
//! use std::time::Duration;
//! use stringphone_sim::Link;
//! use stringphone_sim::net::Network;
//!
//! let mut network = Network::seeded(7);
//! let room = network.medium(Link::wire());
//! let (lamp, phone) = (network.node([room]), network.node([room]));
//! let mut arrivals = Vec::new();
//! network.send(Duration::ZERO, lamp, &"hello".into(), |at, arrival| arrivals.push((at, arrival)));
//! let (at, arrival) = arrivals.remove(0);
//! assert!(at >= Duration::from_millis(1));
//! assert_eq!(network.arrive(at, &arrival, |_, _| {}), Some(phone));
//! ```

mod link;
mod medium;
mod topology;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

pub use link::Link;
pub use topology::Topology;

use crate::dice::{Dice, Stream};
use medium::Medium;

/// A place that frames come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// Something that several nodes are on, and hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediumId(usize);

/// A cut through the network, until it heals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CutId(u64);

/// A frame on its way, to be handed to [`Network::arrive`] when its time has come.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// What arrives.
    pub frame: Bytes,
    to: NodeId,
    origin: NodeId,
    medium: MediumId,
    hops: u8,
}

/// What was done to frames so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that were put on their way, each receiver counted; repeated ones not.
    pub carried: u64,
    /// Frames that were lost.
    pub lost: u64,
    /// Frames that came twice.
    pub duplicated: u64,
    /// Frames that were held back.
    pub reordered: u64,
    /// Frames with a bit flipped.
    pub corrupted: u64,
    /// Frames for which the medium had no room.
    pub overflowed: u64,
    /// Frames that would have crossed a cut.
    pub cut: u64,
}

/// Frames go through so many relays at most.
const MAX_HOPS: u8 = 8;

/// Nodes and media. See the [module](self) for how it is driven.
pub struct Network {
    seed: u64,
    nodes: Vec<Node>,
    media: Vec<Medium>,
    cuts: Vec<(CutId, BTreeSet<NodeId>)>,
    next_cut: u64,
    counts: Counts,
}

struct Node {
    media: Vec<MediumId>,
    relays: bool,
}

impl Network {
    /// A network without anything in it. All that is random comes from the seed, for each medium
    /// by itself.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            nodes: Vec::new(),
            media: Vec::new(),
            cuts: Vec::new(),
            next_cut: 0,
            counts: Counts::default(),
        }
    }

    /// Adds a medium.
    pub fn medium(&mut self, link: Link) -> MediumId {
        self.numbered_medium(link, self.media.len())
    }

    /// Adds a medium whose random numbers are those of this number, wherever it stands.
    pub(crate) fn numbered_medium(&mut self, link: Link, number: usize) -> MediumId {
        let dice = Dice::new(self.seed, Stream::Medium, number);
        self.media.push(Medium::new(link, dice));
        MediumId(self.media.len() - 1)
    }

    /// Adds a node on these media.
    pub fn node(&mut self, media: impl IntoIterator<Item = MediumId>) -> NodeId {
        self.add(media, false)
    }

    /// Adds a node that forwards what it hears on one medium to its others.
    pub fn relay(&mut self, media: impl IntoIterator<Item = MediumId>) -> NodeId {
        self.add(media, true)
    }

    fn add(&mut self, media: impl IntoIterator<Item = MediumId>, relays: bool) -> NodeId {
        let node = NodeId(self.nodes.len());
        let media: Vec<MediumId> = media.into_iter().collect();
        for medium in &media {
            if let Some(medium) = self.media.get_mut(medium.0) {
                medium.seat(node);
            }
        }
        self.nodes.push(Node { media, relays });
        node
    }

    /// The media that a node is on.
    #[must_use]
    pub fn media_of(&self, node: NodeId) -> &[MediumId] {
        self.nodes.get(node.0).map_or(&[], |node| &node.media)
    }

    /// A medium is as good as this from now on.
    pub fn change(&mut self, medium: MediumId, link: Link) {
        if let Some(medium) = self.media.get_mut(medium.0) {
            medium.link = link;
        }
    }

    /// These nodes hear each other only, and the others each other, until this heals. Cuts add up.
    pub fn cut(&mut self, side: impl IntoIterator<Item = NodeId>) -> CutId {
        self.next_cut += 1;
        let id = CutId(self.next_cut);
        self.cuts.push((id, side.into_iter().collect()));
        id
    }

    /// A cut is no more.
    pub fn heal(&mut self, cut: CutId) {
        self.cuts.retain(|(id, _)| *id != cut);
    }

    /// All cuts are no more.
    pub fn heal_all(&mut self) {
        self.cuts.clear();
    }

    /// A node sends a frame on all its media: tells when it arrives where.
    pub fn send(
        &mut self,
        now: Duration,
        from: NodeId,
        frame: &Bytes,
        mut arrives: impl FnMut(Duration, Arrival),
    ) {
        let media = self.nodes.get(from.0).map_or(&[][..], |node| &node.media);
        for id in media {
            let Some(medium) = self.media.get_mut(id.0) else { continue };
            medium.carry(now, from, frame, &mut self.counts, |at, to, frame| {
                arrives(at, Arrival { frame, to, origin: from, medium: *id, hops: 0 });
            });
        }
    }

    /// A frame arrives, now: tells at whom, if that is no relay, which sends it on.
    pub fn arrive(
        &mut self,
        now: Duration,
        arrival: &Arrival,
        mut arrives: impl FnMut(Duration, Arrival),
    ) -> Option<NodeId> {
        let Arrival { to, origin, .. } = *arrival;
        let node = self.nodes.get(to.0)?;
        if !node.relays {
            let apart = |side: &BTreeSet<NodeId>| side.contains(&to) != side.contains(&origin);
            if self.cuts.iter().any(|(_, side)| apart(side)) {
                self.counts.cut += 1;
                return None;
            }
            return Some(to);
        }
        let hops = arrival.hops + 1;
        if hops > MAX_HOPS {
            return None;
        }
        for id in node.media.iter().filter(|id| **id != arrival.medium) {
            let Some(medium) = self.media.get_mut(id.0) else { continue };
            medium.carry(now, to, &arrival.frame, &mut self.counts, |at, next, frame| {
                if next != origin {
                    arrives(at, Arrival { frame, to: next, origin, medium: *id, hops });
                }
            });
        }
        None
    }

    /// What was done to frames so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }
}
