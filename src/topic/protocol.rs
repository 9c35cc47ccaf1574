//! Which protocol a topic speaks, and what is chosen about that. Not here: the protocols.

use stringphone_protocol::classic::{self, Admitter, ClassicState};
use stringphone_protocol::v2::{self, Entry, FoundOptions, Invitation, Pin, Suite};
use stringphone_protocol::{Fingerprint, Limits};

use sealed::Choice;

/// A protocol that a topic can speak: [`V2`] or [`Classic`].
pub trait Protocol: sealed::Sealed {}

impl Protocol for V2 {}
impl Protocol for Classic {}

/// What a V2 topic begins with; `docs/PROTOCOL.md` §3.
#[derive(Debug)]
pub struct V2 {
    pub(super) beginning: V2Beginning,
    pub(super) settings: v2::Settings,
}

/// What a topic begins with where its store is empty.
#[derive(Clone, Copy, Debug)]
pub(super) enum V2Beginning {
    Found(FoundOptions),
    Join(Suite),
}

/// What a Classic topic begins with; `docs/PROTOCOL.md` §2.
#[derive(Debug)]
pub struct Classic {
    pub(super) beginning: ClassicBeginning,
    pub(super) settings: classic::Settings,
}

/// What a topic begins with where its store is empty.
#[derive(Debug)]
pub(super) enum ClassicBeginning {
    Found,
    Join,
    Import(ClassicState),
}

impl V2 {
    pub(super) fn found() -> Self {
        Self::new(V2Beginning::Found(FoundOptions::default()))
    }

    pub(super) fn join() -> Self {
        Self::new(V2Beginning::Join(Suite::default()))
    }

    pub(super) fn invited(invitation: Invitation) -> Self {
        let mut protocol = Self::new(V2Beginning::Join(invitation.suite()));
        protocol.settings.entry = Entry::Invitation(invitation);
        protocol
    }

    fn new(beginning: V2Beginning) -> Self {
        Self { beginning, settings: v2::Settings::default() }
    }

    pub(super) fn join_by_pin(&mut self, pin: Pin) {
        self.settings.entry = Entry::Pin(pin);
    }

    pub(super) fn set_suite(&mut self, suite: Suite) {
        match &mut self.beginning {
            V2Beginning::Found(options) => options.suite = suite,
            V2Beginning::Join(ours) => *ours = suite,
        }
    }

    pub(super) fn set_founding(&mut self, chosen: FoundOptions) {
        if let V2Beginning::Found(options) = &mut self.beginning {
            *options = chosen;
        }
    }
}

impl Classic {
    pub(super) fn import(state: ClassicState) -> Self {
        let settings = classic::Settings::default();
        Self { beginning: ClassicBeginning::Import(state), settings }
    }

    pub(super) fn trust_any_admitter(&mut self) {
        self.settings.admitter = Admitter::Waived;
    }
}

/// What was chosen for both protocols is kept.
impl From<V2> for Classic {
    fn from(chosen: V2) -> Self {
        let beginning = match chosen.beginning {
            V2Beginning::Found(_) => ClassicBeginning::Found,
            V2Beginning::Join(_) => ClassicBeginning::Join,
        };
        let admitter = match chosen.settings.entry {
            Entry::Fingerprint(pinned) if !pinned.is_empty() => Admitter::Pinned(pinned),
            _ => Admitter::Confirm,
        };
        let limits = chosen.settings.limits;
        let settings = classic::Settings { admitter, limits, ..classic::Settings::default() };
        Self { beginning, settings }
    }
}

impl sealed::Sealed for V2 {
    fn limits(&mut self) -> &mut Limits {
        &mut self.settings.limits
    }

    fn pin_admitter(&mut self, fingerprint: Fingerprint) {
        match &mut self.settings.entry {
            Entry::Fingerprint(pinned) => pinned.push(fingerprint),
            entry => *entry = Entry::Fingerprint(vec![fingerprint]),
        }
    }

    fn into_choice(self) -> Choice {
        Choice::V2(Box::new(self))
    }
}

impl sealed::Sealed for Classic {
    fn limits(&mut self) -> &mut Limits {
        &mut self.settings.limits
    }

    fn pin_admitter(&mut self, fingerprint: Fingerprint) {
        match &mut self.settings.admitter {
            Admitter::Pinned(pinned) => pinned.push(fingerprint),
            admitter => *admitter = Admitter::Pinned(vec![fingerprint]),
        }
    }

    fn into_choice(self) -> Choice {
        Choice::Classic(self)
    }
}

pub(super) mod sealed {
    use stringphone_protocol::{Fingerprint, Limits};

    use super::{Classic, V2};

    /// The protocol that was chosen.
    #[derive(Debug)]
    pub enum Choice {
        V2(Box<V2>),
        Classic(Classic),
    }

    impl Choice {
        /// Whether there is an outbox, and whether there is an inbox.
        pub(in crate::topic) const fn keeps(&self) -> (bool, bool) {
            match self {
                Self::V2(chosen) => {
                    (chosen.settings.outbox.is_some(), chosen.settings.inbox.is_some())
                }
                Self::Classic(_) => (false, false),
            }
        }
    }

    pub trait Sealed {
        fn limits(&mut self) -> &mut Limits;
        fn pin_admitter(&mut self, fingerprint: Fingerprint);
        fn into_choice(self) -> Choice;
    }
}
