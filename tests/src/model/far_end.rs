//! What the far end makes of the events alone, and whether each of them can be.

use std::collections::{BTreeMap, BTreeSet};

use cloud_uplink::event::LegChange;
use cloud_uplink::{
    CallId, CallRecord, EndpointView, Event, EventData, LegId, LegState, LegView, Timestamp,
};

use crate::harness::Leg;

/// All legs and extensions, by the events so far.
#[derive(Debug, Default)]
pub struct FarEnd {
    legs: BTreeMap<LegId, LegView>,
    over: BTreeSet<LegId>,
    endpoints: BTreeMap<String, EndpointView>,
    /// Events taken in, by type.
    pub events: BTreeMap<String, u64>,
    /// Of these, inferred ones.
    pub synthetic: u64,
    /// Call records since they were taken last.
    pub records: Vec<CallRecord>,
    /// Parts of extensions that are over in a conversation, less the records of them: 0 at any quiet point.
    unrecorded: BTreeMap<(CallId, String), i64>,
    last: Option<Timestamp>,
    /// What cannot be.
    pub complaints: Vec<String>,
}

impl FarEnd {
    /// Takes in an event as it travels.
    pub fn take(&mut self, json: &str) {
        let event: Event = match serde_json::from_str(json) {
            Ok(event) => event,
            Err(error) => return self.complain(format!("not readable: {error}: {json}")),
        };
        let kind = serde_json::to_value(&event.body).ok();
        let kind = kind.as_ref().and_then(|value| value["type"].as_str());
        *self
            .events
            .entry(kind.unwrap_or_default().to_owned())
            .or_default() += 1;
        if self.last.is_some_and(|last| event.time < last) {
            self.complain(format!("time goes back: {json}"));
        }
        self.last = Some(event.time);
        if let Some(lost) = event.body.loses() {
            let until = lost.known_until.unwrap_or(event.time);
            let of = |leg: &LegView| {
                lost.endpoint_id
                    .is_none_or(|lost| leg.endpoint_id.as_deref() == Some(lost))
            };
            for leg in self.legs.values_mut().filter(|leg| of(leg)) {
                leg.lose(until);
            }
        }
        if let EventData::CallRecorded(record) = &event.body {
            self.record(record, json);
        }
        if let Some(change) = event.body.leg_change() {
            self.synthetic += u64::from(change.synthetic);
            if let Err(why) = self.legal(change, &event.body) {
                self.complain(format!("{why}: {json}"));
            }
            let leg = change.leg.clone();
            self.count_end(change);
            if leg.state == LegState::Cleared {
                self.legs.remove(&leg.leg_id);
                self.over.insert(leg.leg_id);
            } else {
                self.legs.insert(leg.leg_id, leg);
            }
        } else if let Some(change) = event.body.endpoint_change() {
            let id = change.endpoint_id.to_owned();
            let new = || EndpointView::new(id.clone(), event.time);
            let view = self.endpoints.entry(id.clone()).or_insert_with(new);
            let before = view.clone();
            view.apply(&event.body, event.time);
            if before.since != view.since {
                let same = EndpointView {
                    since: view.since,
                    ..before
                };
                if same == *view {
                    self.complain(format!("an extension changes to what it was: {json}"));
                }
            }
        }
    }

    fn record(&mut self, record: &CallRecord, json: &str) {
        let times = [Some(record.started), record.answered, Some(record.ended)];
        if !times.iter().flatten().is_sorted() {
            self.complain(format!("times of a record are out of order: {json}"));
        }
        let key = (record.call_id, record.endpoint_id.clone());
        *self.unrecorded.entry(key).or_default() -= 1;
        self.records.push(record.clone());
    }

    /// Counts the last leg of an extension in a conversation.
    fn count_end(&mut self, change: &LegChange) {
        let leg = &change.leg;
        let Some(endpoint) = leg.endpoint_id.clone() else {
            return;
        };
        let here = |other: &&LegView| {
            other.leg_id != leg.leg_id
                && other.call_id == leg.call_id
                && other.endpoint_id == leg.endpoint_id
        };
        if leg.state == LegState::Cleared && self.legs.values().find(here).is_none() {
            *self.unrecorded.entry((leg.call_id, endpoint)).or_default() += 1;
        }
    }

    /// Complains of parts without a record, and of records without a part.
    pub fn check_records(&mut self) {
        let wrong = std::mem::take(&mut self.unrecorded).into_iter();
        for ((call, endpoint), number) in wrong.filter(|(_, number)| *number != 0) {
            self.complain(format!(
                "parts of {endpoint} in {call} that are over, less their records: {number}"
            ));
        }
    }

    fn legal(&self, change: &LegChange, body: &EventData) -> Result<(), String> {
        let leg = &change.leg;
        if self.over.contains(&leg.leg_id) {
            return Err("a leg that is over changes".to_owned());
        }
        let known = self.legs.get(&leg.leg_id);
        if known.map(|known| known.state) != change.previous_state {
            let was = known.map(|known| known.state);
            return Err(format!("previous state is not {was:?}"));
        }
        let moved = known.filter(|known| known.call_id != leg.call_id);
        if change.previous_call_id != moved.map(|known| known.call_id) {
            return Err(format!(
                "previous call is not {:?}",
                moved.map(|known| known.call_id)
            ));
        }
        let joined = matches!(
            body,
            EventData::CallTransferred(_) | EventData::CallConferenced(_)
        );
        if moved.is_some() && !joined {
            return Err("a leg moves to another call without a transfer or conference".to_owned());
        }
        let from = change.previous_state;
        // Of a party beyond a trunk the network tells that it was reached, and then perhaps that it rings.
        let reached = leg.endpoint_id.is_none()
            && (from, leg.state) == (Some(LegState::Initiated), LegState::Alerting);
        let confirmed = matches!(body, EventData::CallConfirmed(_));
        if confirmed && from != Some(leg.state) {
            return Err("a leg that is only confirmed changes".to_owned());
        }
        let stays = (joined || confirmed) && from == Some(leg.state);
        if !(may_follow(from, leg.state) || reached || stays) {
            return Err(format!("{from:?} cannot become {:?}", leg.state));
        }
        let twin = self.legs.values().find(|other| {
            other.leg_id != leg.leg_id
                && other.call_id == leg.call_id
                && other.endpoint_id == leg.endpoint_id
                && leg.endpoint_id.is_some()
        });
        if let (Some(twin), true) = (twin, leg.state != LegState::Cleared) {
            return Err(format!(
                "the extension has another leg in the call, {}",
                twin.leg_id
            ));
        }
        Ok(())
    }

    fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    /// The legs of extensions, sorted.
    #[must_use]
    pub fn view(&self) -> Vec<Leg> {
        let mut legs: Vec<Leg> = self.legs.values().filter_map(Leg::of).collect();
        legs.sort();
        legs
    }

    /// All legs, of outside parties too.
    pub fn legs(&self) -> impl Iterator<Item = &LegView> {
        self.legs.values()
    }

    /// The extensions of which something is known.
    #[must_use]
    pub const fn endpoints(&self) -> &BTreeMap<String, EndpointView> {
        &self.endpoints
    }
}

/// Whether a leg may go from one state to another (ECMA-269 §6.1.5; null is no leg, or cleared).
fn may_follow(from: Option<LegState>, to: LegState) -> bool {
    use LegState::{Alerting, Cleared, Connected, Failed, Held, Initiated, Queued};
    match from {
        // A leg that was over before anybody heard of it may be told once, as over.
        None => true,
        Some(Initiated) => matches!(to, Connected | Held | Failed | Cleared),
        Some(Alerting) => matches!(to, Connected | Held | Failed | Queued | Cleared),
        Some(Connected) => matches!(to, Held | Failed | Queued | Cleared),
        Some(Held) => matches!(to, Connected | Queued | Failed | Cleared),
        Some(Queued) => matches!(to, Connected | Held | Alerting | Failed | Cleared),
        Some(Failed) => matches!(to, Connected | Alerting | Cleared),
        Some(Cleared) => false,
    }
}
