//! Which state a leg may enter from which (ECMA-269 §6.1.5), and what a report means in each.
//!
//! The connection states of the standard are the leg states: null is "no leg" or
//! [`LegState::Cleared`], hold is [`LegState::Held`], fail is [`LegState::Failed`].

use cloud_uplink::LegState;
use csta::LocalConnectionState;

use LegState::{Alerting, Cleared, Connected, Failed, Held, Initiated, Queued};

/// What a monitor reports of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ServiceInitiated,
    Originated,
    Offered,
    NetworkReached,
    Delivered,
    Established,
    Held,
    Retrieved,
    Queued,
    Diverted,
    Failed,
    Cleared,
}

impl Kind {
    /// Whether the connection ends with it.
    pub(super) const fn ends(self) -> bool {
        matches!(self, Self::Diverted | Self::Cleared)
    }

    /// Whether only the first connection of a call is reported so.
    pub(super) const fn opens_a_call(self) -> bool {
        matches!(self, Self::ServiceInitiated | Self::Originated)
    }
}

/// What a report means for a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It enters that state, having gone through those that were not reported.
    Enter {
        missed: &'static [LegState],
        to: LegState,
    },
    /// It is there already.
    Same,
    /// It has gone on since.
    Stale,
    /// It cannot be.
    Illegal,
}

const fn enter(to: LegState) -> Step {
    Step::Enter { missed: &[], to }
}

const fn enter_after(missed: &'static [LegState], to: LegState) -> Step {
    Step::Enter { missed, to }
}

/// What a report means in each state; `None` is a connection not known.
///
/// | report ↓ in → | none | initiated | alerting | connected | held | queued | failed |
/// | --- | --- | --- | --- | --- | --- | --- | --- |
/// | service initiated | enter | same | stale | stale | stale | stale | stale |
/// | originated | enter | enter | enter | same | stale | stale | stale |
/// | network reached | as initiated | same | stale | stale | stale | stale | stale |
/// | offered | alerting | alerting | same | stale | stale | alerting | alerting |
/// | delivered | enter | enter | same | stale, recall enters | stale, recall enters | enter | enter |
/// | established | enter | enter | enter | same | stale | enter | enter |
/// | queued | enter | enter | enter | enter | stale | same | enter |
/// | held | after connected | after connected | after connected | enter | same | after connected | illegal |
/// | retrieved | after held | after connected, held | after connected, held | same | enter | after connected, held | illegal |
/// | failed | enter | enter | enter | enter | enter | enter | same |
/// | diverted | enter | enter | enter | enter | enter | enter | enter |
/// | cleared | same | enter | enter | enter | enter | enter | enter |
pub(super) const fn step(kind: Kind, from: Option<LegState>, recall: bool) -> Step {
    match (kind, from) {
        (_, Some(Cleared)) => Step::Stale,

        (Kind::ServiceInitiated, None) => enter(Initiated),
        (Kind::ServiceInitiated, Some(Initiated)) => Step::Same,
        (Kind::ServiceInitiated, Some(_)) => Step::Stale,

        (Kind::Originated, None | Some(Initiated | Alerting)) => enter(Connected),
        (Kind::Originated, Some(Connected)) => Step::Same,
        (Kind::Originated, Some(Held | Queued | Failed)) => Step::Stale,

        // The outside party: it is on the way, whether it rings is not known yet.
        (Kind::NetworkReached, None) => enter(Initiated),
        (Kind::NetworkReached, Some(Initiated)) => Step::Same,
        (Kind::NetworkReached, Some(_)) => Step::Stale,

        (Kind::Delivered | Kind::Offered, None | Some(Initiated | Queued | Failed)) => {
            enter(Alerting)
        }
        (Kind::Delivered | Kind::Offered, Some(Alerting)) => Step::Same,
        (Kind::Offered, Some(Connected | Held)) => Step::Stale,
        (Kind::Delivered, Some(Held)) if recall => enter(Alerting),
        (Kind::Delivered, Some(Connected)) if recall => enter_after(&[Held], Alerting),
        (Kind::Delivered, Some(Connected | Held)) => Step::Stale,

        (Kind::Established, None | Some(Initiated | Alerting | Queued | Failed)) => {
            enter(Connected)
        }
        (Kind::Established, Some(Connected)) => Step::Same,
        (Kind::Established, Some(Held)) => Step::Stale,

        (Kind::Queued, None | Some(Initiated | Alerting | Connected | Failed)) => enter(Queued),
        (Kind::Queued, Some(Queued)) => Step::Same,
        (Kind::Queued, Some(Held)) => Step::Stale,

        (Kind::Held, Some(Connected)) => enter(Held),
        (Kind::Held, Some(Held)) => Step::Same,
        (Kind::Held, None | Some(Initiated | Alerting | Queued)) => enter_after(&[Connected], Held),
        (Kind::Retrieved, Some(Held)) => enter(Connected),
        (Kind::Retrieved, Some(Connected)) => Step::Same,
        (Kind::Retrieved, None) => enter_after(&[Held], Connected),
        (Kind::Retrieved, Some(Initiated | Alerting | Queued)) => {
            enter_after(&[Connected, Held], Connected)
        }
        (Kind::Held | Kind::Retrieved, Some(Failed)) => Step::Illegal,

        (Kind::Failed, Some(Failed)) => Step::Same,
        (Kind::Failed, _) => enter(Failed),

        (Kind::Cleared, None) => Step::Same,
        (Kind::Diverted | Kind::Cleared, _) => enter(Cleared),
    }
}

/// The states between `from` and another state `to` that was found out without a report; `None` where
/// no legal way leads there, so that this must be another connection.
pub(super) const fn between(from: LegState, to: LegState) -> Option<&'static [LegState]> {
    match (from, to) {
        (Initiated, Alerting | Connected | Queued | Failed)
        | (Alerting, Connected | Queued | Failed)
        | (Connected, Held | Queued | Failed)
        | (Held, Connected | Alerting | Failed)
        | (Queued, Alerting | Connected | Failed)
        | (Failed, Alerting | Connected | Queued)
        | (Initiated | Alerting | Connected | Held | Queued | Failed, Cleared) => Some(&[]),
        (Initiated | Alerting | Queued, Held) => Some(&[Connected]),
        _ => None,
    }
}

/// The leg state of a connection state; `None` for null.
pub(super) const fn leg_state(state: LocalConnectionState) -> Option<LegState> {
    match state {
        LocalConnectionState::Null => None,
        LocalConnectionState::Initiated => Some(Initiated),
        LocalConnectionState::Alerting => Some(Alerting),
        LocalConnectionState::Connected => Some(Connected),
        LocalConnectionState::Hold => Some(Held),
        LocalConnectionState::Queued => Some(Queued),
        LocalConnectionState::Fail => Some(Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: [LegState; 6] = [Initiated, Alerting, Connected, Held, Queued, Failed];

    #[test]
    fn what_was_missed_leads_legally_to_what_was_reported() {
        for kind in [Kind::Delivered, Kind::Held, Kind::Retrieved] {
            for from in LIVE {
                let Step::Enter { missed, to } = step(kind, Some(from), true) else {
                    continue;
                };
                let mut state = from;
                for next in missed.iter().chain([&to]) {
                    assert_eq!(between(state, *next), Some(&[][..]), "{kind:?} in {from:?}");
                    state = *next;
                }
            }
        }
    }

    #[test]
    fn nothing_follows_the_end_of_a_leg() {
        for to in LIVE {
            assert_eq!(between(Cleared, to), None);
        }
        assert_eq!(step(Kind::Delivered, Some(Cleared), true), Step::Stale);
    }
}
