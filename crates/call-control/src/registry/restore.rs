//! Going on from what was persisted.

use cloud_uplink::{LegState, LegView};
use csta::DeviceId;

use super::Registry;
use super::call::{Call, Leg, ReportLog};
use super::history::talks;
use super::publish::Why;

impl Registry {
    /// Takes back the legs as they were persisted last. They count as unconfirmed until a snapshot of
    /// their device; nothing is published for them, unless two calls claim one identifier: then
    /// the older ends. Call it once, before any input.
    pub fn restore(&mut self, legs: Vec<LegView>) {
        let mut legs = legs;
        legs.retain(|leg| leg.state != LegState::Cleared);
        // The youngest call first: it keeps the identifier.
        legs.sort_by_key(|leg| (std::cmp::Reverse(leg.call_id), leg.leg_id));
        for view in legs {
            let key = csta::CallId::new(view.pbx.call_id.as_str());
            let id = *self.keys.entry(key.clone()).or_insert(view.call_id);
            let call = self.calls.entry(id).or_insert_with(|| Call::new(id, 0));
            let leg = restored(&view);
            let lost = view.known_until.map(|until| (view.leg_id, until));
            self.publisher.unconfirmed.extend(lost);
            let taken = call.legs.iter().any(|old| old.is(&key, &leg.device_id));
            if call.id != view.call_id || taken {
                self.end_restored(view);
                continue;
            }
            if !call.keys.contains(&key) {
                call.keys.push(key);
            }
            call.from = call.from.take().or_else(|| view.from.clone());
            call.to = call.to.take().or_else(|| view.to.clone());
            call.legs.push(leg);
            self.index_leg(id, view.endpoint_id.as_deref());
            self.legs += 1;
        }
        self.restore_users();
    }

    fn end_restored(&mut self, mut view: LegView) {
        let previous = std::mem::replace(&mut view.state, LegState::Cleared);
        let why = Why::inferred(view.since);
        self.publisher.view(view, Vec::new(), Some(previous), &why);
    }
}

fn restored(view: &LegView) -> Leg {
    let device_id = DeviceId::new(view.pbx.device_id.as_str());
    let own_number = device_id.number() == view.device;
    Leg {
        id: view.leg_id,
        key: csta::CallId::new(view.pbx.call_id.as_str()),
        device: if own_number {
            device_id.clone()
        } else {
            DeviceId::new(view.device.as_str())
        },
        device_id,
        assumed: false,
        endpoint: view.endpoint_id.clone(),
        direction: view.direction,
        direction_told: true,
        redirected_from: view.redirected_from.clone(),
        state: view.state,
        since: view.since,
        talks_since: talks(view.state).then_some((view.since, 0)),
        epoch: 0,
        reports: ReportLog::default(),
    }
}
