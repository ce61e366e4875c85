//! Taking in a snapshot: the complete list of calls at one device.

use cloud_uplink::event::Direction;
use cloud_uplink::{LegState, Timestamp};
use csta::message::SnapshotCallInfo;
use csta::{CallState, DeviceId, ExtendedDeviceId, LocalConnectionState};

use super::Registry;
use super::apply::guess_direction;
use super::call::{Call, covers};
use super::legs::NewLeg;
use super::publish::Why;
use super::state;

/// A connection that an event ended less than this long ago is not taken for alive because a snapshot
/// lists it: the snapshot may have come in segments that were older.
const SNAPSHOT_GUARD_MS: u64 = 2_000;

/// One connection of a snapshot.
#[derive(Clone, Copy)]
struct Listed<'a> {
    call_id: &'a csta::CallId,
    device_id: Option<&'a DeviceId>,
    device: &'a DeviceId,
    /// Its state, where the switching function knows it.
    state: Option<LegState>,
    call_state: Option<&'a CallState>,
}

impl<'a> Listed<'a> {
    /// Reads an item; `None` if it names no call or the device is not in it.
    fn read(info: &'a SnapshotCallInfo, monitored: &'a DeviceId) -> Option<Self> {
        let call_state = info.local_call_state.as_ref();
        let own = call_state.and_then(CallState::own);
        if own == Some(LocalConnectionState::Null) {
            return None;
        }
        let told = info.endpoint_device.as_ref();
        let device_id = info.connection_identifier.device_id.as_ref();
        let device = told.and_then(ExtendedDeviceId::device).or(device_id);
        Some(Self {
            call_id: info.connection_identifier.call_id.as_ref()?,
            device_id,
            device: device
                .filter(|it| covers(monitored, it))
                .unwrap_or(monitored),
            state: own.and_then(state::leg_state),
            call_state,
        })
    }

    fn is(&self, device_id: &DeviceId, assumed: bool) -> bool {
        assumed || self.device_id.is_none_or(|listed| listed == device_id)
    }

    /// What it says of the only other connection: its state, or that there is none.
    fn other(&self) -> Option<Option<LegState>> {
        match self.call_state? {
            CallState::Simple(simple) => Some(state::leg_state(simple.states().1)),
            CallState::Compound(states) => match states.as_slice() {
                [_, other] => Some(state::leg_state(*other)),
                // A list of one may tell of the device alone.
                _ => None,
            },
            CallState::Unknown => None,
        }
    }
}

impl Registry {
    /// Takes the complete list of calls at `device`: what is known of the device otherwise is put
    /// right, as inferred changes. Taking the same list again changes nothing.
    pub fn handle_snapshot(
        &mut self,
        device: &DeviceId,
        calls: &[SnapshotCallInfo],
        now: Timestamp,
    ) {
        self.stats.snapshots += 1;
        self.expire_ended(now);
        self.wanted.remove(device);
        let Some(monitor) = self.devices.find(device).map(|device| device.index) else {
            self.stats.stale += 1;
            return;
        };
        let read = calls.iter().filter_map(|info| Listed::read(info, device));
        let listed: Vec<_> = read.collect();
        self.end_unlisted(device, &listed, now);
        for item in listed {
            let (key, mut call) = self.take_call(item.call_id, now);
            self.confirm(&key, &mut call, device, &item, now);
            for leg in &mut call.legs {
                leg.reports.catch_up(monitor);
            }
            call.epoch = self.epoch;
            self.put_call(key, call, now);
        }
    }

    fn end_unlisted(&mut self, device: &DeviceId, listed: &[Listed<'_>], now: Timestamp) {
        let at_device = self.at_endpoint.get(device.number());
        let known: Vec<_> = at_device.into_iter().flatten().cloned().collect();
        for key in known {
            let here = || listed.iter().filter(|item| *item.call_id == key);
            let (key, mut call) = self.take_call(&key, now);
            let mut ended = false;
            while let Some(index) = call.legs.iter().position(|leg| {
                let own = leg.endpoint.is_some() && covers(device, &leg.device);
                own && !here().any(|item| item.is(&leg.device_id, leg.assumed))
            }) {
                self.end_leg(&key, &mut call, index, &Why::inferred(now));
                ended = true;
            }
            if ended {
                self.settle(&key, &mut call, now);
            }
            self.put_call(key, call, now);
        }
    }

    fn confirm(
        &mut self,
        key: &csta::CallId,
        call: &mut Call,
        device: &DeviceId,
        item: &Listed<'_>,
        now: Timestamp,
    ) {
        let known = match item.device_id {
            Some(device_id) => call.find(device_id),
            None => call.find_own(device),
        };
        let Some(index) = known else {
            self.open_listed(key, call, item, now);
            return;
        };
        let leg = &mut call.legs[index];
        let (old, from) = (leg.epoch < self.epoch, leg.state);
        leg.epoch = self.epoch;
        let Some(to) = item.state.filter(|to| *to != from) else {
            self.confirm_other(key, call, index, item, now);
            return;
        };
        let Some(missed) = state::between(from, to) else {
            // No way leads there: this is another connection under the same identifier.
            if old && call.epoch < self.epoch {
                self.reincarnate(key, call, now);
            } else {
                self.end_leg(key, call, index, &Why::inferred(now));
            }
            call.gone.clear();
            self.open_listed(key, call, item, now);
            return;
        };
        for state in missed.iter().chain([&to]) {
            self.enter(key, call, index, *state, &Why::inferred(now));
        }
        self.confirm_other(key, call, index, item, now);
    }

    fn open_listed(
        &mut self,
        key: &csta::CallId,
        call: &mut Call,
        item: &Listed<'_>,
        now: Timestamp,
    ) {
        let device_id = item.device_id.unwrap_or(item.device);
        let state = item.state.unwrap_or(LegState::Connected);
        if let Some(gone) = call.find_gone(device_id) {
            let age_ms = now.as_unix_ms().saturating_sub(gone.at.as_unix_ms());
            if !gone.synthetic && age_ms < SNAPSHOT_GUARD_MS {
                self.stats.stale += 1;
                return;
            }
        }
        let outdated = call.epoch < self.epoch && !call.legs.is_empty();
        if outdated && state == LegState::Initiated {
            self.reincarnate(key, call, now);
        }
        let alone = matches!(item.other(), Some(None | Some(LegState::Alerting)));
        let direction = match state {
            LegState::Connected | LegState::Held if alone && call.from.is_none() => {
                Direction::Outbound
            }
            _ => guess_direction(call, item.device, state),
        };
        let new = NewLeg {
            device_id: device_id.clone(),
            device: item.device.clone(),
            assumed: item.device_id.is_none(),
            direction,
            direction_told: false,
            redirected_from: None,
        };
        call.gone.retain(|gone| gone.device_id != new.device_id);
        self.open_leg(key, call, new, state, &Why::inferred(now));
    }

    /// Puts right the other party of a two-party call if nobody follows it: no snapshot of its own will.
    fn confirm_other(
        &mut self,
        key: &csta::CallId,
        call: &mut Call,
        own: usize,
        item: &Listed<'_>,
        now: Timestamp,
    ) {
        let (2, Some(told)) = (call.legs.len(), item.other()) else {
            return;
        };
        let index = 1 - own;
        let leg = &call.legs[index];
        if leg.endpoint.is_some() && self.devices.follows(&leg.device) {
            return;
        }
        let why = Why::inferred(now);
        let Some(to) = told else {
            self.end_leg(key, call, index, &why);
            return;
        };
        if to == leg.state {
            return;
        }
        let Some(missed) = state::between(leg.state, to) else {
            return;
        };
        for state in missed.iter().chain([&to]) {
            self.enter(key, call, index, *state, &why);
        }
    }
}
