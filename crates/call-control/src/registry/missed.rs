//! Transfers and conferences that nobody told of, since there was no link to the switching function.
//!
//! Who had two calls when the link went down may have joined them since. No snapshot says so by itself;
//! those of both calls' parties together do: the other parties are in one call now, and the one in the
//! middle is out of both or in that call alone. So the snapshots of the parties of two such calls wait
//! for each other. If they show it, it is taken in as the event that was missed would have been; if
//! there is any doubt, they are taken one by one like any other, and what is new is a new conversation.
//!
//! They wait until all are there, one of their devices reports an event, the devices are all
//! synchronised, or [`WAIT_MAX_MS`] are over.

use std::collections::BTreeSet;

use cloud_uplink::{CallId, LegState, Timestamp};
use csta::message::{ConferencedEvent, SnapshotCallInfo, TransferedEvent};
use csta::value::{ConnectionList, ConnectionListItem};
use csta::{CallState, ConnectionId, DeviceId, Event, LocalConnectionState, MonitorCrossRefId};

use super::call::{Call, Leg, covers};
use super::{Registry, connection, state};

/// Pairs of calls that are looked at after one outage; joins of others are not recognised.
pub(super) const CONSULTATIONS_MAX: usize = 1_000;

/// How long snapshots wait for each other at most, in milliseconds.
pub(super) const WAIT_MAX_MS: u64 = 60_000;

/// Two calls that had a party in common when the link came up again.
#[derive(Debug)]
pub(super) struct Consultation {
    /// Extension of the party that they have in common.
    middle: String,
    /// The call that goes on if they were joined: that which was held, else the older.
    primary: CallId,
    secondary: CallId,
    since: Timestamp,
    /// Devices whose snapshots have not come.
    waiting: BTreeSet<DeviceId>,
    snapshots: Vec<(DeviceId, Vec<SnapshotCallInfo>)>,
}

/// Where a leg may be now: as a connection of a snapshot, or as it was where nobody would tell.
struct Place<'a> {
    old: &'a Leg,
    call_id: &'a csta::CallId,
    device_id: &'a DeviceId,
}

impl Consultation {
    fn concerns(&self, device: &DeviceId) -> bool {
        self.waiting.contains(device) || self.snapshots.iter().any(|(of, _)| of == device)
    }

    /// What is listed at the devices that are those of `leg`; `None` if none of them was heard of.
    fn listed(&self, leg: &Leg) -> Option<Vec<&SnapshotCallInfo>> {
        let of_leg = |of: &DeviceId| covers(of, &leg.device);
        let heard = self.snapshots.iter().filter(|(of, _)| of_leg(of));
        let lists: Vec<_> = heard.map(|(_, calls)| calls).collect();
        let alive = |it: &&SnapshotCallInfo| own_state(it) != Some(LocalConnectionState::Null);
        (!lists.is_empty()).then(|| lists.into_iter().flatten().filter(alive).collect())
    }

    /// Where the other parties of one of the calls may be now.
    fn places<'a>(&'a self, call: &'a Call) -> Vec<Place<'a>> {
        let middle = |leg: &&Leg| leg.endpoint.as_deref() == Some(self.middle.as_str());
        let (mut told, mut untold) = (Vec::new(), Vec::new());
        for old in call.legs.iter().filter(|leg| !middle(leg)) {
            match self.listed(old) {
                Some(listed) => told.extend(listed.into_iter().filter_map(|it| place(old, it))),
                None => untold.push(Place {
                    old,
                    call_id: &old.key,
                    device_id: &old.device_id,
                }),
            }
        }
        if told.is_empty() { untold } else { told }
    }
}

/// A connection as the one that a leg goes on as, if a way leads there.
fn place<'a>(old: &'a Leg, listed: &'a SnapshotCallInfo) -> Option<Place<'a>> {
    let ConnectionId { call_id, device_id } = &listed.connection_identifier;
    let now = own_state(listed).and_then(state::leg_state);
    let leads = now.is_none_or(|now| now == old.state || state::between(old.state, now).is_some());
    // Who has answered, waits on hold or was not reached does not wait again because of a join, nor fail.
    let again = now.is_some_and(|now| now != old.state && (waits(now) || now == LegState::Failed))
        && !waits(old.state);
    (leads && !again).then_some(Place {
        old,
        call_id: call_id.as_ref()?,
        device_id: device_id.as_ref().unwrap_or(&old.device),
    })
}

/// Whether somebody has yet to answer, or to be answered.
const fn waits(state: LegState) -> bool {
    use LegState::{Alerting, Initiated, Queued};
    matches!(state, Initiated | Alerting | Queued)
}

fn own_state(listed: &SnapshotCallInfo) -> Option<LocalConnectionState> {
    listed.local_call_state.as_ref().and_then(CallState::own)
}

impl Registry {
    /// Notes who is in two calls, now that the link is up again.
    pub(super) fn note_consultations(&mut self, now: Timestamp) {
        self.consultations.clear();
        let mut taken = BTreeSet::new();
        let mut found = Vec::new();
        for (middle, calls) in &self.at_endpoint {
            let consultation = self.consultation(middle, calls, now);
            let Some(consultation) = consultation.filter(|_| found.len() < CONSULTATIONS_MAX)
            else {
                continue;
            };
            // Who is in several pairs leaves room for doubt.
            if consultation.waiting.is_disjoint(&taken) {
                taken.extend(consultation.waiting.iter().cloned());
                found.push(consultation);
            }
        }
        self.consultations = found;
    }

    fn consultation(
        &self,
        middle: &str,
        calls: &BTreeSet<CallId>,
        now: Timestamp,
    ) -> Option<Consultation> {
        let ids: Vec<_> = calls.iter().copied().collect();
        let [older, younger] = ids[..] else {
            return None;
        };
        // Who has two calls with the same party cannot join them.
        let [one, other] = [older, younger].map(|id| self.others(id, middle));
        if !one.is_disjoint(&other) {
            return None;
        }
        let held = |id| Some(own(self.calls.get(&id)?, middle)?.state == LegState::Held);
        let (primary, secondary) = match (held(older)?, held(younger)?) {
            (false, true) => (younger, older),
            _ => (older, younger),
        };
        let legs = calls.iter().filter_map(|id| self.calls.get(id));
        let legs = legs.flat_map(|call| &call.legs);
        let devices = legs.flat_map(|leg| self.devices.covering(&leg.device));
        Some(Consultation {
            middle: middle.to_owned(),
            primary,
            secondary,
            since: now,
            waiting: devices.cloned().collect(),
            snapshots: Vec::new(),
        })
    }

    /// Numbers of the other parties of a call.
    fn others(&self, id: CallId, middle: &str) -> BTreeSet<&str> {
        let legs = self.calls.get(&id).into_iter().flat_map(|call| &call.legs);
        let others = legs.filter(|leg| leg.endpoint.as_deref() != Some(middle));
        others.map(|leg| leg.device.number()).collect()
    }

    /// Whether a snapshot waits for others.
    pub(super) fn awaits_others(
        &mut self,
        device: &DeviceId,
        calls: &[SnapshotCallInfo],
        now: Timestamp,
    ) -> bool {
        let mut all = self.consultations.iter();
        let Some(index) = all.position(|it| it.concerns(device)) else {
            return false;
        };
        let consultation = &mut self.consultations[index];
        consultation.waiting.remove(device);
        consultation.snapshots.retain(|(of, _)| of != device);
        let snapshot = (device.clone(), calls.to_vec());
        consultation.snapshots.push(snapshot);
        if consultation.waiting.is_empty() {
            self.take_pair(index, now);
        }
        true
    }

    /// A device will not be snapshotted for now.
    pub(super) fn await_no_longer(&mut self, device: &DeviceId, now: Timestamp) {
        let mut all = self.consultations.iter_mut();
        if let Some(index) = all.position(|it| it.waiting.remove(device))
            && self.consultations[index].waiting.is_empty()
        {
            self.take_pair(index, now);
        }
    }

    /// Takes what waits with a device: what it reports from now on comes after that.
    pub(super) fn take_waiting(&mut self, device: &DeviceId, now: Timestamp) {
        let mut all = self.consultations.iter();
        if let Some(index) = all.position(|it| it.concerns(device)) {
            self.take_pair(index, now);
        }
    }

    /// All devices are as they should be, so that no snapshot has to be waited for any longer. Calls
    /// that snapshots leave unclear are to be asked for.
    pub fn handle_synchronised(&mut self, now: Timestamp) {
        while !self.consultations.is_empty() {
            self.take_pair(0, now);
        }
        self.note_unclear();
    }

    /// Takes what has waited too long.
    pub(super) fn expire_consultations(&mut self, now: Timestamp) {
        let old = |it: &Consultation| {
            now.as_unix_ms().saturating_sub(it.since.as_unix_ms()) >= WAIT_MAX_MS
        };
        while let Some(index) = self.consultations.iter().position(old) {
            self.take_pair(index, now);
        }
    }

    fn take_pair(&mut self, index: usize, now: Timestamp) {
        let consultation = self.consultations.swap_remove(index);
        if let Some((by, event)) = self.recognised(&consultation) {
            self.join_missed(&by, &event, now);
        }
        for (device, calls) in consultation.snapshots {
            self.handle_snapshot(&device, &calls, now);
        }
    }

    /// The join that the snapshots show, as the event that was missed.
    fn recognised(&self, consultation: &Consultation) -> Option<(DeviceId, Event)> {
        let [primary, secondary] = [consultation.primary, consultation.secondary]
            .map(|id| Some((id, self.calls.get(&id)?)));
        let ((primary, one), (secondary, other)) = (primary?, secondary?);
        let olds = [one, other].map(|call| own(call, &consultation.middle));
        let [Some(old), Some(consulted)] = olds else {
            return None;
        };
        let sides = [one, other].map(|call| consultation.places(call));
        let mut keys: BTreeSet<_> = sides[0].iter().map(|it| it.call_id).collect();
        keys.retain(|key| sides[1].iter().any(|it| it.call_id == *key));
        // Another conversation of the time before is none that came of these two.
        keys.retain(|key| {
            let known = self.keys.get(*key);
            known.is_none_or(|id| [primary, secondary].contains(id))
        });
        let key = *keys.first().filter(|_| keys.len() == 1)?;
        let middle = consultation.listed(old)?;
        let at = |key: &csta::CallId| {
            let of =
                |it: &&&SnapshotCallInfo| it.connection_identifier.call_id.as_ref() == Some(key);
            middle.iter().find(of)
        };
        let stays = at(key);
        if [old, consulted]
            .iter()
            .any(|leg| leg.key != *key && at(&leg.key).is_some())
        {
            return None;
        }
        let places = sides.iter().flatten().filter(|it| it.call_id == key);
        let mut list: Vec<_> = places.map(item).collect();
        let added = sides[1].first().map(|it| it.old.device.clone().into());
        let by = Some(old.device.clone().into());
        let secondary_old_call = Some(connection(consulted));
        let xref = MonitorCrossRefId::new("");
        let Some(stays) = stays else {
            let event = TransferedEvent {
                secondary_old_call,
                transferring_device: by,
                transferred_to_device: added,
                transferred_connections: Some(ConnectionList(list)),
                ..TransferedEvent::new(xref, connection(old))
            };
            return Some((old.device.clone(), event.into()));
        };
        list.extend(place(old, stays).as_ref().map(item));
        let event = ConferencedEvent {
            secondary_old_call,
            conferencing_device: by,
            added_party: added,
            conference_connections: Some(ConnectionList(list)),
            ..ConferencedEvent::new(xref, connection(old))
        };
        Some((old.device.clone(), event.into()))
    }
}

fn item(place: &Place<'_>) -> ConnectionListItem {
    ConnectionListItem {
        new_connection: Some(ConnectionId::new(
            place.call_id.clone(),
            place.device_id.clone(),
        )),
        old_connection: Some(connection(place.old)),
        endpoint: Some(place.old.device.clone().into()),
        ..ConnectionListItem::new()
    }
}

/// The only leg of an extension in a call, where others are in it too.
fn own<'a>(call: &'a Call, endpoint: &str) -> Option<&'a Leg> {
    let here = |leg: &&Leg| leg.endpoint.as_deref() == Some(endpoint);
    let mut legs = call.legs.iter().filter(here);
    let leg = legs.next()?;
    let alone = legs.next().is_none() && call.legs.len() > 1;
    alone.then_some(leg)
}
