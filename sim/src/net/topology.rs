//! How those of one room are connected. Not how good the links are.

use std::fmt;
use std::str::FromStr;

use super::{Link, MediumId, Network};

/// How the devices of one room are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topology {
    /// All are on one medium, such as a radio channel.
    #[default]
    Bus,
    /// Each two have a medium of their own.
    Pairs,
    /// Each has a medium to a relay in the middle.
    Star,
    /// There are so many media, which a relay ties together.
    Floors(usize),
}

impl Topology {
    /// Makes the media of a room of so many places, and tells which those of each place are. The
    /// media's random numbers begin at `first`.
    pub(crate) fn build(
        self,
        network: &mut Network,
        link: &Link,
        places: usize,
        first: usize,
    ) -> Vec<Vec<MediumId>> {
        let media = |network: &mut Network, count: usize| -> Vec<MediumId> {
            let numbers = first..first.saturating_add(count);
            numbers.map(|number| network.numbered_medium(link.clone(), number)).collect()
        };
        match self {
            Self::Bus => vec![media(network, 1); places],
            Self::Pairs => pairs(&media(network, places * places.saturating_sub(1) / 2), places),
            Self::Star => {
                let media = media(network, places);
                network.relay(media.iter().copied());
                media.into_iter().map(|medium| vec![medium]).collect()
            }
            Self::Floors(floors) => {
                let media = media(network, floors.max(1));
                network.relay(media.iter().copied());
                media.iter().cycle().take(places).map(|medium| vec![*medium]).collect()
            }
        }
    }

    /// Random numbers of media that a room takes up.
    pub(crate) fn numbers(places: usize) -> usize {
        places.saturating_mul(places).saturating_add(1)
    }
}

fn pairs(media: &[MediumId], places: usize) -> Vec<Vec<MediumId>> {
    let mut of: Vec<Vec<MediumId>> = vec![Vec::new(); places];
    let all = (0..places).flat_map(|a| (0..a).map(move |b| (a, b)));
    for ((a, b), medium) in all.zip(media) {
        for place in [a, b] {
            if let Some(own) = of.get_mut(place) {
                own.push(*medium);
            }
        }
    }
    of
}

/// As `bus`, `pairs`, `star` or `floors:3`.
impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bus => f.write_str("bus"),
            Self::Pairs => f.write_str("pairs"),
            Self::Star => f.write_str("star"),
            Self::Floors(floors) => write!(f, "floors:{floors}"),
        }
    }
}

impl FromStr for Topology {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "bus" => Ok(Self::Bus),
            "pairs" => Ok(Self::Pairs),
            "star" => Ok(Self::Star),
            _ => {
                let floors = text.strip_prefix("floors:").and_then(|floors| floors.parse().ok());
                floors.map(Self::Floors).ok_or_else(|| format!("`{text}` is no topology"))
            }
        }
    }
}
