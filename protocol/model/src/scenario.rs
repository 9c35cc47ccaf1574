//! What may happen in each scenario, and how often. Not here: how it is searched.

/// What people and power switches do. Devices are named by their number; 0 founded the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Rotate(usize),
    /// A keeper evicts somebody.
    Evict(usize, usize),
    Appoint(usize, usize),
    Leave(usize),
    Publish(usize),
    Sleep(usize),
    Wake(usize),
    /// Only devices of one side hear each other from now on.
    Part(&'static [u8]),
    Heal,
    /// So many minutes pass, in which everything else is delivered in order.
    Minutes(u64),
    /// A power cut: only what was stored remains.
    Reboot(usize),
}

/// How often the network and the clocks may do something that an orderly one would not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Budget {
    pub(crate) drops: u8,
    pub(crate) duplicates: u8,
    /// A frame is overtaken by the one behind it.
    pub(crate) delays: u8,
    /// Time passes up to the next deadline: when nothing is on its way…
    pub(crate) ticks: u8,
    /// …or while frames are.
    pub(crate) early_ticks: u8,
}

/// A step, and the number of the one that must have gone before it.
pub(crate) type Planned = (Step, Option<usize>);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) devices: usize,
    /// Who appoints whom before it begins.
    pub(crate) appoints: &'static [(usize, usize)],
    /// What has happened already when it begins, with everything delivered behind each.
    pub(crate) before: &'static [Step],
    pub(crate) steps: &'static [Planned],
    /// A frame gets to all at the same time, but for those for whom it is lost. Otherwise each link
    /// has an order of its own.
    pub(crate) cable: bool,
    pub(crate) budget: Budget,
    /// Different ones order ids and generations differently.
    pub(crate) seeds: &'static [u64],
}

impl Budget {
    /// One more loss, and one more step of time.
    pub(crate) const fn deeper(self) -> Self {
        Self { drops: self.drops + 1, ticks: self.ticks + 1, ..self }
    }
}

const QUIET: Budget = Budget { drops: 0, duplicates: 0, delays: 0, ticks: 0, early_ticks: 0 };

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "loss",
        devices: 3,
        appoints: &[],
        before: &[],
        steps: &[(Step::Rotate(0), None), (Step::Publish(1), None)],
        cable: false,
        budget: Budget { drops: 1, duplicates: 1, delays: 1, ticks: 1, early_ticks: 0 },
        seeds: &[1],
    },
    Scenario {
        name: "two-keepers",
        devices: 3,
        appoints: &[(0, 1)],
        before: &[],
        steps: &[(Step::Rotate(0), None), (Step::Rotate(1), None)],
        cable: false,
        budget: Budget { drops: 1, ..QUIET },
        seeds: &[1, 2],
    },
    Scenario {
        name: "evicted-evicts",
        devices: 4,
        appoints: &[(0, 1)],
        before: &[],
        steps: &[(Step::Evict(0, 1), None), (Step::Evict(1, 2), None)],
        cable: true,
        budget: Budget { drops: 3, ..QUIET },
        seeds: &[1, 2],
    },
    Scenario {
        name: "mutual",
        devices: 4,
        appoints: &[],
        before: &[],
        steps: &[
            (Step::Appoint(0, 1), None),
            (Step::Appoint(0, 2), None),
            (Step::Evict(1, 2), Some(0)),
            (Step::Evict(2, 1), Some(1)),
        ],
        cable: true,
        budget: Budget { drops: 2, ..QUIET },
        seeds: &[1, 2],
    },
    Scenario {
        name: "partition",
        devices: 4,
        appoints: &[(0, 1)],
        before: &[Step::Part(&[0, 1, 1, 0]), Step::Evict(0, 2), Step::Evict(1, 3)],
        steps: &[(Step::Heal, None), (Step::Publish(0), Some(0)), (Step::Publish(1), Some(0))],
        cable: true,
        budget: Budget { drops: 1, ticks: 6, ..QUIET },
        seeds: &[1],
    },
    Scenario {
        name: "partition-long",
        devices: 4,
        appoints: &[(0, 1)],
        before: &[
            Step::Part(&[0, 1, 1, 0]),
            Step::Rotate(0),
            Step::Rotate(1),
            Step::Rotate(1),
            Step::Evict(1, 3),
            Step::Minutes(90),
        ],
        steps: &[(Step::Heal, None), (Step::Publish(0), Some(0)), (Step::Publish(1), Some(0))],
        cable: true,
        budget: Budget { drops: 1, ticks: 6, ..QUIET },
        seeds: &[1, 2],
    },
    Scenario {
        name: "partition-rotate",
        devices: 4,
        appoints: &[(0, 1)],
        before: &[Step::Part(&[0, 1, 1, 0]), Step::Rotate(0), Step::Rotate(1), Step::Minutes(90)],
        steps: &[(Step::Heal, None), (Step::Publish(0), Some(0)), (Step::Publish(1), Some(0))],
        cable: true,
        budget: Budget { drops: 1, ticks: 6, ..QUIET },
        seeds: &[1, 2],
    },
    Scenario {
        name: "slept",
        devices: 3,
        appoints: &[],
        before: &[Step::Sleep(2), Step::Rotate(0), Step::Rotate(0), Step::Minutes(90)],
        steps: &[(Step::Wake(2), None), (Step::Publish(0), Some(0))],
        cable: false,
        budget: Budget { drops: 1, duplicates: 1, delays: 1, ticks: 5, early_ticks: 0 },
        seeds: &[1],
    },
    Scenario {
        name: "keeper-slept",
        devices: 4,
        appoints: &[(0, 1)],
        before: &[Step::Sleep(1), Step::Evict(0, 1)],
        steps: &[(Step::Wake(1), None), (Step::Evict(1, 2), Some(0)), (Step::Publish(0), None)],
        cable: true,
        budget: Budget { drops: 2, ticks: 4, ..QUIET },
        seeds: &[1],
    },
    Scenario {
        name: "power-cut",
        devices: 3,
        appoints: &[(0, 1)],
        before: &[],
        steps: &[(Step::Rotate(0), None), (Step::Reboot(1), None)],
        cable: false,
        budget: Budget { drops: 1, ticks: 1, ..QUIET },
        seeds: &[1],
    },
    Scenario {
        name: "leaves",
        devices: 3,
        appoints: &[(0, 1)],
        before: &[],
        steps: &[(Step::Leave(1), None), (Step::Evict(1, 2), None), (Step::Rotate(0), None)],
        cable: true,
        budget: Budget { drops: 2, ticks: 1, ..QUIET },
        seeds: &[1],
    },
];
