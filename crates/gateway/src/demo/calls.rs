//! The calls as the application knows them: from events alone.

use std::collections::{BTreeMap, BTreeSet};

use cloud_uplink::event::{Direction, LegChange};
use cloud_uplink::{CallId, LegId, LegState, Timestamp};

/// Most calls that are remembered; the oldest is forgotten first.
const CALLS_MAX: usize = 20_000;

/// Calls that are going on, the oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(BTreeMap<CallId, Call>);

/// A call that is going on.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Who calls, where told.
    pub(crate) from: Option<String>,
    /// Who was called, where told.
    pub(crate) to: Option<String>,
    /// When it was first heard of.
    pub(crate) since: Timestamp,
    legs: BTreeMap<LegId, Leg>,
}

#[derive(Debug, Clone)]
struct Leg {
    endpoint: Option<String>,
    called: bool,
    state: LegState,
}

impl Calls {
    /// A leg changed. True if that begins a call.
    pub(crate) fn change(&mut self, change: &LegChange, time: Timestamp) -> bool {
        let leg = &change.leg;
        if let Some(previous) = change.previous_call_id {
            self.remove(previous, leg.leg_id);
        }
        if leg.state == LegState::Cleared {
            self.remove(leg.call_id, leg.leg_id);
            return false;
        }
        let new = !self.0.contains_key(&leg.call_id);
        if new && self.0.len() == CALLS_MAX {
            self.0.pop_first();
        }
        let call = self.0.entry(leg.call_id).or_insert_with(|| Call {
            from: None,
            to: None,
            since: time,
            legs: BTreeMap::new(),
        });
        if leg.from.is_some() {
            call.from.clone_from(&leg.from);
        }
        if leg.to.is_some() {
            call.to.clone_from(&leg.to);
        }
        let endpoint = leg.endpoint_id.clone();
        let state = leg.state;
        let called = leg.direction == Direction::Inbound;
        let leg_now = Leg {
            endpoint,
            called,
            state,
        };
        call.legs.insert(leg.leg_id, leg_now);
        new
    }

    /// A leg is no longer in a call; the last one takes the call along.
    fn remove(&mut self, call_id: CallId, leg_id: LegId) {
        if let Some(call) = self.0.get_mut(&call_id) {
            call.legs.remove(&leg_id);
            if call.legs.is_empty() {
                self.0.remove(&call_id);
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The calls, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (CallId, &Call)> {
        self.0.iter().map(|(id, call)| (*id, call))
    }

    /// The extensions that are in a call.
    pub(crate) fn busy(&self) -> BTreeSet<&str> {
        let legs = self.0.values().flat_map(|call| call.legs.values());
        legs.filter_map(|leg| leg.endpoint.as_deref()).collect()
    }
}

impl Call {
    /// What is going on, in one or two words.
    pub(crate) fn word(&self) -> &'static str {
        let with = |state| self.legs.values().filter(|leg| leg.state == state).count();
        // A caller beyond the trunk has no leg until something is heard of it.
        let answered = |leg: &Leg| leg.called && leg.state == LegState::Connected;
        if with(LegState::Failed) > 0 {
            "failed"
        } else if with(LegState::Held) > 0 {
            "on hold"
        } else if with(LegState::Alerting) > 0 {
            "ringing"
        } else if with(LegState::Queued) > 0 {
            "queued"
        } else if with(LegState::Connected) > 1 || self.legs.values().any(answered) {
            "talking"
        } else {
            "dialling"
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use cloud_uplink::event::{LegView, PbxIds};

    use super::*;

    /// A change of one extension's leg in call number `call`.
    pub(crate) fn change(
        call: u64,
        endpoint: &str,
        state: LegState,
        (from, to): (&str, &str),
    ) -> LegChange {
        let inbound = endpoint == to;
        LegChange {
            leg: LegView {
                call_id: id(call),
                leg_id: id(call * 2 + u64::from(inbound)),
                endpoint_id: Some(endpoint.to_owned()),
                device: endpoint.to_owned(),
                direction: if inbound {
                    Direction::Inbound
                } else {
                    Direction::Outbound
                },
                state,
                from: Some(from.to_owned()),
                to: Some(to.to_owned()),
                redirected_from: None,
                party: None,
                since: Timestamp::from_unix_ms(0),
                pbx: PbxIds {
                    call_id: call.to_string(),
                    device_id: endpoint.to_owned(),
                },
                known_until: None,
            },
            previous_state: None,
            cause: None,
            pbx_event: None,
            previous_call_id: None,
            by: None,
            peers: Vec::new(),
            diverted_to: None,
            synthetic: false,
        }
    }

    fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u64) -> T {
        format!("{number:026}").parse().unwrap()
    }

    #[test]
    fn a_call_is_told_from_its_legs_and_forgotten_with_the_last_one() {
        let mut calls = Calls::default();
        let at = Timestamp::from_unix_ms(1);
        let parties = ("2001", "2002");
        let steps = [
            ("2001", LegState::Initiated, "dialling"),
            ("2001", LegState::Connected, "dialling"),
            ("2002", LegState::Alerting, "ringing"),
            ("2002", LegState::Connected, "talking"),
            ("2001", LegState::Held, "on hold"),
            ("2001", LegState::Connected, "talking"),
        ];
        for (endpoint, state, word) in steps {
            calls.change(&change(7, endpoint, state, parties), at);
            assert_eq!(calls.iter().next().unwrap().1.word(), word);
        }
        assert_eq!(calls.busy(), BTreeSet::from(["2001", "2002"]));
        calls.change(&change(7, "2002", LegState::Cleared, parties), at);
        assert_eq!(calls.len(), 1);
        calls.change(&change(7, "2001", LegState::Cleared, parties), at);
        assert_eq!(calls.len(), 0);
    }

    #[test]
    fn a_leg_that_is_transferred_leaves_its_call() {
        let mut calls = Calls::default();
        let at = Timestamp::from_unix_ms(1);
        let parties = ("2001", "2003");
        calls.change(&change(7, "2002", LegState::Connected, parties), at);
        let second = change(8, "2003", LegState::Connected, parties);
        calls.change(&second, at);
        assert_eq!(calls.len(), 2);
        let mut moved = second;
        moved.previous_call_id = Some(moved.leg.call_id);
        moved.leg.call_id = id(7);
        calls.change(&moved, at);
        assert_eq!(calls.len(), 1);
        moved.leg.state = LegState::Cleared;
        moved.previous_call_id = None;
        calls.change(&moved, at);
        calls.change(&change(7, "2002", LegState::Cleared, parties), at);
        assert_eq!(calls.len(), 0);
    }
}
