//! The few ways in which a call's legs change. Each publishes, and keeps the indexes true.

use cloud_uplink::event::Direction;
use cloud_uplink::{CallId, LegId, LegState, Timestamp};
use csta::DeviceId;

use super::call::{Call, Gone, Leg, ReportLog};
use super::publish::Why;
use super::{ENDED_CALL_TTL_MS, ENDED_CALLS_MAX, LEGS_MAX, LEGS_PER_CALL_MAX, Registry};

/// What is known of a leg to be.
#[derive(Debug, Clone)]
pub(super) struct NewLeg {
    pub(super) device_id: DeviceId,
    pub(super) device: DeviceId,
    pub(super) assumed: bool,
    pub(super) direction: Direction,
    pub(super) direction_told: bool,
    pub(super) redirected_from: Option<String>,
}

impl Registry {
    /// Takes a call out of the table to work on it, a new one if it is not known.
    pub(super) fn take_call(&mut self, key: &csta::CallId, now: Timestamp) -> (csta::CallId, Call) {
        if let Some(entry) = self.calls.remove_entry(key) {
            return entry;
        }
        (key.clone(), self.mint_call(key, now))
    }

    pub(super) fn mint_call(&mut self, key: &csta::CallId, now: Timestamp) -> Call {
        let id = CallId::new(self.publisher.ids.ulid(now));
        self.by_id.insert(id, key.clone());
        Call::new(id, self.epoch)
    }

    /// Puts a call back into the table. One without legs is kept for a while against late copies.
    pub(super) fn put_call(&mut self, key: csta::CallId, mut call: Call, now: Timestamp) {
        if !call.legs.is_empty() {
            call.ended_at = None;
        } else if call.ended_at.is_none() {
            call.ended_at = Some(now);
            self.ended.push_back((now, key.clone()));
        }
        self.calls.insert(key, call);
        self.note_room(now);
    }

    /// Forgets the calls that ended long enough ago, and the oldest beyond the limit.
    pub(super) fn expire_ended(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.ended.front() {
            let age_ms = now.as_unix_ms().saturating_sub(at.as_unix_ms());
            if age_ms < ENDED_CALL_TTL_MS && self.ended.len() <= ENDED_CALLS_MAX {
                return;
            }
            let Some((at, key)) = self.ended.pop_front() else {
                return;
            };
            if self
                .calls
                .get(&key)
                .is_some_and(|call| call.ended_at == Some(at))
            {
                self.forget_call(&key);
            }
        }
    }

    pub(super) fn forget_call(&mut self, key: &csta::CallId) {
        if let Some(call) = self.calls.remove(key) {
            self.by_id.remove(&call.id);
        }
    }

    /// Opens a leg in its first state; `None` if there is no room for it.
    pub(super) fn open_leg(
        &mut self,
        key: &csta::CallId,
        call: &mut Call,
        new: NewLeg,
        state: LegState,
        why: &Why<'_>,
    ) -> Option<usize> {
        if self.legs >= LEGS_MAX || call.legs.len() >= LEGS_PER_CALL_MAX {
            self.overflow(why.now);
            return None;
        }
        for monitor in self.devices.monitors_of(&new.device) {
            let others = call.legs.iter_mut();
            others.for_each(|leg| leg.reports.catch_up(monitor));
        }
        let leg = self.make_leg(call, new, state, why.now);
        self.index_leg(key, leg.endpoint.as_deref());
        self.legs += 1;
        self.publisher.leg(leg.view(call, key), None, why);
        call.legs.push(leg);
        Some(call.legs.len() - 1)
    }

    /// Makes a leg that is in no call yet.
    pub(super) fn make_leg(
        &mut self,
        call: &mut Call,
        new: NewLeg,
        state: LegState,
        now: Timestamp,
    ) -> Leg {
        Leg {
            id: self.leg_id(call, &new.device_id, now),
            endpoint: self.devices.endpoint_of(&new.device),
            device_id: new.device_id,
            assumed: new.assumed,
            device: new.device,
            direction: new.direction,
            direction_told: new.direction_told,
            redirected_from: new.redirected_from,
            state,
            since: now,
            epoch: self.epoch,
            reports: ReportLog::default(),
        }
    }

    fn leg_id(&mut self, call: &mut Call, device_id: &DeviceId, now: Timestamp) -> LegId {
        match call.promised.take_if(|(device, _)| device == device_id) {
            Some((_, id)) => id,
            None => LegId::new(self.publisher.ids.ulid(now)),
        }
    }

    /// Lets a leg enter another state than it is in, not the last one.
    pub(super) fn enter(
        &mut self,
        key: &csta::CallId,
        call: &mut Call,
        index: usize,
        to: LegState,
        why: &Why<'_>,
    ) {
        let leg = &mut call.legs[index];
        debug_assert!(leg.state != to && to != LegState::Cleared);
        let previous = std::mem::replace(&mut leg.state, to);
        leg.since = why.now;
        leg.epoch = self.epoch;
        let view = call.legs[index].view(call, key);
        self.publisher.leg(view, Some(previous), why);
    }

    /// Ends a leg.
    pub(super) fn end_leg(
        &mut self,
        key: &csta::CallId,
        call: &mut Call,
        index: usize,
        why: &Why<'_>,
    ) {
        let mut leg = call.legs.remove(index);
        let previous = std::mem::replace(&mut leg.state, LegState::Cleared);
        leg.since = why.now;
        self.publisher.leg(leg.view(call, key), Some(previous), why);
        self.legs -= 1;
        self.unindex_leg(key, call, leg.endpoint.as_deref());
        call.bury(Gone {
            device_id: leg.device_id,
            device: leg.device,
            leg_id: Some(leg.id),
            redirected_from: leg.redirected_from,
            at: why.now,
            synthetic: why.is_synthetic(),
        });
    }

    /// Ends all legs of a call.
    pub(super) fn end_call(&mut self, key: &csta::CallId, call: &mut Call, now: Timestamp) {
        while !call.legs.is_empty() {
            self.end_leg(key, call, 0, &Why::inferred(now));
        }
    }

    /// Ends what goes with the legs that ended: a call that nobody followed is in is not reported on
    /// any longer, and failed legs end with the rest of the call.
    pub(super) fn settle(&mut self, key: &csta::CallId, call: &mut Call, now: Timestamp) {
        // A caller whose call failed still listens to the tone; a called device has nothing left.
        let over = |leg: &Leg| leg.state == LegState::Failed && leg.direction == Direction::Inbound;
        if call.legs.iter().all(over) || !self.is_followed(call) {
            self.end_call(key, call, now);
        }
    }

    pub(super) fn is_followed(&self, call: &Call) -> bool {
        let mut legs = call.legs.iter();
        legs.any(|leg| leg.endpoint.is_some() && self.devices.follows(&leg.device))
    }

    pub(super) fn index_leg(&mut self, key: &csta::CallId, endpoint: Option<&str>) {
        let Some(endpoint) = endpoint else { return };
        match self.at_endpoint.get_mut(endpoint) {
            Some(calls) => {
                calls.insert(key.clone());
            }
            None => {
                let calls = [key.clone()].into();
                self.at_endpoint.insert(endpoint.to_owned(), calls);
            }
        }
    }

    fn unindex_leg(&mut self, key: &csta::CallId, call: &Call, endpoint: Option<&str>) {
        let Some(endpoint) = endpoint else { return };
        if call
            .legs
            .iter()
            .any(|leg| leg.endpoint.as_deref() == Some(endpoint))
        {
            return;
        }
        if let Some(calls) = self.at_endpoint.get_mut(endpoint) {
            calls.remove(key);
            if calls.is_empty() {
                self.at_endpoint.remove(endpoint);
            }
        }
    }
}
