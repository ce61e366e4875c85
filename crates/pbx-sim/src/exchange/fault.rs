//! What goes wrong on purpose. Each fault that bites is counted in the ledger under its name.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use csta::Event;

use crate::command::EventChoice;

/// The faults that are switched on.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Requests are swallowed without an answer.
    pub(super) silent: bool,
    /// Session timers are not reset: such requests are swallowed.
    pub(super) no_reset: bool,
    /// These events never go out.
    pub(super) drop: Option<Picker>,
    /// These events go out twice.
    pub(super) duplicate: Option<Picker>,
    /// Every event until then is lost; then the PBX says so.
    pub(super) losing_until: Option<Instant>,
    /// Devices that the PBX denies to have.
    pub(super) unknown: BTreeSet<String>,
    /// Whether requests are refused because a licence has expired.
    pub(super) licence_expired: bool,
}

/// Picks events out of all.
#[derive(Debug)]
pub(super) struct Picker {
    choice: EventChoice,
    seen: u32,
}

impl Picker {
    pub(super) const fn new(choice: EventChoice) -> Self {
        Self { choice, seen: 0 }
    }

    fn picks(&mut self, event: &Event) -> bool {
        match &self.choice {
            EventChoice::Named(name) => *name == event.name(),
            EventChoice::Every(n) => {
                self.seen = (self.seen + 1) % n.get();
                self.seen == 0
            }
        }
    }
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes out.
    Sent,
    /// It goes out twice.
    SentTwice,
    /// It does not go out, and the client is not told.
    Dropped,
    /// It does not go out, and the client will be told that some did not.
    Lost,
}

impl Fate {
    /// How often it goes out.
    pub(super) const fn copies(self) -> u64 {
        match self {
            Self::Sent => 1,
            Self::SentTwice => 2,
            Self::Dropped | Self::Lost => 0,
        }
    }

    /// The name under which it is counted.
    pub(super) const fn fault(self) -> Option<&'static str> {
        match self {
            Self::Sent => None,
            Self::SentTwice => Some("eventDuplicated"),
            Self::Dropped => Some("eventDropped"),
            Self::Lost => Some("eventLost"),
        }
    }
}

impl Faults {
    pub(super) fn fate(&mut self, event: &Event) -> Fate {
        let picks = |picker: &mut Option<Picker>| {
            let picker = picker.as_mut();
            picker.is_some_and(|picker| picker.picks(event))
        };
        if self.losing_until.is_some() {
            Fate::Lost
        } else if picks(&mut self.drop) {
            Fate::Dropped
        } else if picks(&mut self.duplicate) {
            Fate::SentTwice
        } else {
            Fate::Sent
        }
    }
}

/// A number that looks random, from `seed`: the same seed gives the same faults.
pub(super) fn jitter(seed: u64, longest: Duration) -> Duration {
    // SplitMix64: its finaliser alone.
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(z % micros.saturating_add(1))
}
