//! What goes wrong, how often, and how often it really bit.

use std::collections::BTreeMap;
use std::fmt;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

/// One kind of bad luck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL of the gateway.
    GatewayKilled,
    /// SIGKILL of the far end.
    FarEndKilled,
    /// SIGKILL of both, in either order.
    BothKilled,
    /// The far end is killed and stays away for seconds.
    FarEndAway,
    /// The PBX link is cut while calls are up.
    LinkCut,
    /// The PBX restarts: its calls are gone without an event.
    PbxRestarted,
    /// SIGKILL of the gateway while it takes stock of the PBX after a start.
    KilledInResync,
    /// SIGKILL of the gateway while commands are being carried out.
    KilledInCommand,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::GatewayKilled,
        Self::FarEndKilled,
        Self::BothKilled,
        Self::FarEndAway,
        Self::LinkCut,
        Self::PbxRestarted,
        Self::KilledInResync,
        Self::KilledInCommand,
    ];

    /// What must be so for it to count.
    #[must_use]
    pub const fn bites_if(self) -> &'static str {
        match self {
            Self::GatewayKilled => "alive, with events committed in this life and unacknowledged",
            Self::FarEndKilled => "alive, had stored events, and events came while it was away",
            Self::BothKilled => "both of the above",
            Self::FarEndAway => "away for seconds while the gateway committed events",
            Self::LinkCut => "a link was open and calls were up",
            Self::PbxRestarted => "a link was open and calls were up",
            Self::KilledInResync => "some, but not all devices were monitored",
            Self::KilledInCommand => "a command was on its way without an answer",
        }
    }

    /// The more frequent ones first: each once, then again as often as they are wanted.
    const AGAIN: [(Self, usize); 4] = [
        (Self::GatewayKilled, 4),
        (Self::FarEndKilled, 3),
        (Self::KilledInCommand, 2),
        (Self::BothKilled, 1),
    ];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::GatewayKilled => "gateway killed",
            Self::FarEndKilled => "far end killed",
            Self::BothKilled => "both killed",
            Self::FarEndAway => "far end away",
            Self::LinkCut => "PBX link cut",
            Self::PbxRestarted => "PBX restarted",
            Self::KilledInResync => "gateway killed in resync",
            Self::KilledInCommand => "gateway killed in command",
        })
    }
}

/// Draws faults: every kind once in each bag, the frequent ones more often, in random order.
#[derive(Debug, Default)]
pub struct Bag(Vec<Fault>);

impl Bag {
    /// The next fault.
    pub fn draw(&mut self, rng: &mut StdRng) -> Fault {
        if self.0.is_empty() {
            self.0.extend(Fault::ALL);
            for (fault, times) in Fault::AGAIN {
                self.0.extend(std::iter::repeat_n(fault, times));
            }
            self.0.shuffle(rng);
        }
        self.0.pop().unwrap_or(Fault::GatewayKilled)
    }

    /// One of each kind, in random order, before the first full bag.
    #[must_use]
    pub fn with_each_once(rng: &mut StdRng) -> Self {
        let mut faults = Fault::ALL.to_vec();
        faults.shuffle(rng);
        Self(faults)
    }
}

/// How often each was tried, and bit.
#[derive(Debug, Default)]
pub struct Bites(BTreeMap<Fault, (u64, u64)>);

impl Bites {
    /// Counts one.
    pub fn count(&mut self, fault: Fault, bit: bool) {
        let (tried, bitten) = self.0.entry(fault).or_default();
        *tried += 1;
        *bitten += u64::from(bit);
    }

    /// How often it was tried, and bit.
    #[must_use]
    pub fn of(&self, fault: Fault) -> (u64, u64) {
        self.0.get(&fault).copied().unwrap_or_default()
    }

    /// Kinds that never bit.
    #[must_use]
    pub fn never(&self) -> Vec<Fault> {
        let mut all = Fault::ALL.to_vec();
        all.retain(|fault| self.of(*fault).1 == 0);
        all
    }
}
