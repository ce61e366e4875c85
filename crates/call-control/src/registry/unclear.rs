//! Calls that were there before anybody listened: the snapshots of devices leave open who calls and who
//! else is in it. The call's own snapshot (ECMA-269 §16.1.1) tells the parties that no device is
//! followed of. What is still not certain then stays open.

use cloud_uplink::{LegState, Timestamp};
use csta::message::snapshot::Source;
use csta::message::{SnapshotCallResponse, SnapshotDeviceInfo};
use csta::{ConnectionId, DeviceId};

use super::call::Call;
use super::legs::{NewLeg, direction, guess_direction};
use super::publish::Why;
use super::{Registry, connection, state};

/// A device of a call's snapshot.
struct Party<'a> {
    key: &'a csta::CallId,
    device_id: &'a DeviceId,
    device: &'a DeviceId,
    state: LegState,
}

impl<'a> Party<'a> {
    /// Reads an item; `None` if it names nobody, or nobody who is in the call.
    fn read(info: &'a SnapshotDeviceInfo) -> Option<Self> {
        let connection = info.call_identifier.as_ref()?;
        let told = info.device_on_call.device();
        let device_id = connection.device_id.as_ref().or(told)?;
        Some(Self {
            key: connection.call_id.as_ref()?,
            device_id,
            device: told.unwrap_or(device_id),
            state: info.local_connection_info.and_then(state::leg_state)?,
        })
    }

    const fn waits(&self) -> bool {
        matches!(
            self.state,
            LegState::Alerting | LegState::Queued | LegState::Failed
        )
    }
}

impl Registry {
    /// Calls of which only snapshots of devices have told are to be asked for, each once in an
    /// association.
    pub(super) fn note_unclear(&mut self) {
        for call in self.calls.values_mut() {
            let unclear = call.from.is_none() || call.to.is_none();
            let told = call.legs.iter().any(|leg| leg.direction_told);
            if unclear
                && !told
                && !call.legs.is_empty()
                && !std::mem::replace(&mut call.asked, true)
            {
                self.unclear.extend(call.legs.first().map(connection));
            }
        }
    }

    /// A connection whose call is to be snapshotted, so that its parties become known. Optional to
    /// drain.
    pub fn poll_wanted_call(&mut self) -> Option<ConnectionId> {
        self.unclear.pop_front()
    }

    /// The question about a connection that [`Self::poll_wanted_call`] gave has no answer: the call's
    /// parties stay open, and are asked for once more when all devices have been synchronised again.
    pub fn handle_call_unanswered(&mut self, connection: &ConnectionId) {
        let key = connection.call_id.as_ref();
        let id = key.and_then(|key| self.keys.get(key));
        if let Some(call) = id.and_then(|id| self.calls.get_mut(id)) {
            call.asked = false;
        }
    }

    /// Takes the parties of the call of a connection that [`Self::poll_wanted_call`] gave: those that
    /// nobody follows are legs of it, and who calls is told where only one is not being called.
    pub fn handle_call_snapshot(
        &mut self,
        connection: &ConnectionId,
        answer: &SnapshotCallResponse,
        now: Timestamp,
    ) {
        let key = connection.call_id.as_ref();
        let id = key.and_then(|key| self.keys.get(key));
        // One in segments is left alone: nothing depends on it.
        let (Some(id), Some(Source::Inline(listed))) = (id, &answer.data) else {
            return;
        };
        let Some(mut call) = self.calls.remove(&id.clone()) else {
            return;
        };
        if !call.legs.is_empty() {
            let parties: Vec<_> = listed.0.iter().filter_map(Party::read).collect();
            learn(&mut call, &parties);
            for party in &parties {
                self.open_party(&mut call, party, now);
            }
        }
        self.put_call(call, now);
        self.derive_presence(now);
    }

    /// A party that no snapshot of its own tells of.
    fn open_party(&mut self, call: &mut Call, party: &Party<'_>, now: Timestamp) {
        let (key, device_id) = (party.key, party.device_id);
        let known = call.find(key, device_id).is_some() || call.find_gone(key, device_id).is_some();
        if known || self.devices.follows(party.device) {
            return;
        }
        self.add_key(call, key);
        let new = NewLeg {
            key: key.clone(),
            device_id: device_id.clone(),
            device: party.device.clone(),
            assumed: false,
            direction: guess_direction(call, party.device, party.state),
            direction_told: false,
            redirected_from: None,
        };
        self.open_leg(call, new, party.state, &Why::inferred(now));
    }
}

/// Learns who calls whom: one is not being called and the others wait.
fn learn(call: &mut Call, parties: &[Party<'_>]) {
    let (waiting, there): (Vec<_>, Vec<_>) = parties.iter().partition(|party| party.waits());
    let ([caller], [called, ..]) = (&there[..], &waiting[..]) else {
        return;
    };
    let number = |party: &Party<'_>| Some(party.device.number().to_owned());
    call.from = call.from.take().or_else(|| number(caller));
    if waiting.len() == 1 {
        call.to = call.to.take().or_else(|| number(called));
    }
    for leg in call.legs.iter_mut().filter(|leg| !leg.direction_told) {
        let calls = leg.device.number() == caller.device.number();
        leg.direction = direction(calls);
    }
}
