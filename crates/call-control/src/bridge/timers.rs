//! What a call waits for, and for how long.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::call::CallKey;

/// How long a party may take to answer an offer within a call (64*T1, as a SIP transaction).
pub(super) const OFFER_ANSWER: Duration = Duration::from_secs(32);
/// How long an emergency call goes on after its cloud leg is lost.
pub(super) const EMERGENCY_ALONE: Duration = Duration::from_mins(30);

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The called party's answer.
    NoAnswer,
    /// The answer to an offer.
    Offer,
    /// The leg that is to take a side.
    Joining,
    /// The end of an emergency call that has one side.
    Alone,
}

/// When the timers of a call are due.
pub(super) type Armed = [Option<Instant>; 4];

/// The timers of all calls.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Instant, CallKey, Timer)>);

impl Timers {
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _, _)| *at)
    }

    /// Takes one that is due.
    pub(super) fn expired(&mut self, now: Instant) -> Option<(CallKey, Timer)> {
        let (at, key, timer) = *self.0.first()?;
        if at > now {
            return None;
        }
        self.0.pop_first();
        Some((key, timer))
    }

    /// Arms a timer, or stops it.
    pub(super) fn set(
        &mut self,
        armed: &mut Armed,
        (key, timer): (CallKey, Timer),
        at: Option<Instant>,
    ) {
        let slot = &mut armed[timer as usize];
        if let Some(old) = slot.take() {
            self.0.remove(&(old, key, timer));
        }
        if let Some(at) = at {
            self.0.insert((at, key, timer));
        }
        *slot = at;
    }

    /// Stops all of a call.
    pub(super) fn clear(&mut self, key: CallKey, armed: &mut Armed) {
        for timer in [Timer::NoAnswer, Timer::Offer, Timer::Joining, Timer::Alone] {
            self.set(armed, (key, timer), None);
        }
    }
}
