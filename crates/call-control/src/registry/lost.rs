//! What may have changed unheard: while the link to the switching function is down, or a device's monitor,
//! calls and features are known as they were. Each is so again when an event or an answer tells it.

use cloud_uplink::event::LegChange;
use cloud_uplink::{EventData, LegView, Timestamp};

use super::call::Call;
use super::{Registry, ViewChange, views};

impl Registry {
    /// What was restored is known as of the last change that was persisted; tells it where the process
    /// before did not. Call it once, after the `restore*` methods and before any other input.
    pub fn handle_restart(&mut self, now: Timestamp) {
        let legs = self.calls.values().flat_map(views);
        let legs = legs.filter(|leg| leg.endpoint_id.is_some());
        let unmarked = legs.filter(|leg| !self.publisher.unconfirmed.contains_key(&leg.leg_id));
        let calls = unmarked.map(|leg| leg.since);
        let views = self.endpoints.values().filter_map(|view| {
            let is_told = !view.clone().lose(now);
            (!is_told).then_some(view.since)
        });
        if let Some(last) = calls.chain(views).max() {
            self.publish_link_down("the gateway was restarted", Some(last), now);
        }
    }

    /// Publishes that something cannot be heard any longer, with the views as they are from then on.
    pub(super) fn publish_loss(&mut self, body: EventData, now: Timestamp) {
        let Some(lost) = body.loses() else {
            return;
        };
        let until = lost.known_until.unwrap_or(now);
        let of =
            |endpoint: Option<&str>| lost.endpoint_id.is_none_or(|lost| endpoint == Some(lost));
        let mut legs: Vec<LegView> = self.legs().collect();
        legs.retain_mut(|leg| of(leg.endpoint_id.as_deref()) && leg.lose(until));
        let marks = legs.iter().map(|leg| (leg.leg_id, until));
        self.publisher.unconfirmed.extend(marks);
        let mut endpoints = Vec::new();
        for view in self.endpoints.values_mut() {
            if of(Some(&view.endpoint_id)) && view.lose(until) {
                endpoints.push(view.clone());
            }
        }
        let change = ViewChange::PutAll(legs, endpoints);
        self.publisher.publish(body, Some(change), now);
    }

    /// A snapshot lists a leg: tells so if it was not known any longer whether it is so.
    pub(super) fn confirm_leg(&mut self, call: &Call, leg: usize, now: Timestamp) {
        let id = call.legs[leg].id;
        if !self.publisher.unconfirmed.contains_key(&id) {
            return;
        }
        let Some(leg) = views(call).find(|view| view.leg_id == id) else {
            return;
        };
        let change = LegChange {
            previous_state: Some(leg.state),
            cause: None,
            pbx_event: None,
            previous_call_id: None,
            by: None,
            peers: call.peers(&leg),
            diverted_to: None,
            synthetic: true,
            leg,
        };
        self.publisher.change(change, EventData::CallConfirmed, now);
    }

    /// A leg as it is known.
    pub(super) fn as_known(&self, mut leg: LegView) -> LegView {
        leg.known_until = self.publisher.unconfirmed.get(&leg.leg_id).copied();
        leg
    }
}
