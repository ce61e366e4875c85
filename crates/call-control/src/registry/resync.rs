//! Taking in a snapshot: the complete list of calls at one device.

use std::collections::BTreeSet;

use cloud_uplink::event::Direction;
use cloud_uplink::{CallId, LegState, Timestamp};
use csta::message::SnapshotCallInfo;
use csta::value::Raw;
use csta::{CallState, DeviceId, ExtendedDeviceId, LocalConnectionState};

use super::Registry;
use super::call::{Call, Leg, covers};
use super::history::User;
use super::legs::{self, NewLeg, guess_direction};
use super::origin::Origin;
use super::publish::Why;
use super::state;

/// A connection that an event ended less than this long ago is not taken for alive because a snapshot
/// lists it, one that an event opened not for over because it does not, and one that an event led on is
/// not led back: the snapshot may have been taken before.
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
    linkage: Option<&'a Raw>,
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
            linkage: info.call_linkage_data.as_ref(),
        })
    }

    fn is(&self, leg: &Leg) -> bool {
        let same = |listed: &DeviceId| {
            *listed == leg.device_id || (leg.assumed && covers(&leg.device_id, listed))
        };
        *self.call_id == leg.key && self.device_id.is_none_or(same)
    }

    /// The device of its connection, where that is one of several terminals.
    fn terminal(&self) -> Option<&'a DeviceId> {
        self.device_id.filter(|id| id.instance().is_some())
    }

    /// Whether the other party is not connected. Who is while the other is not is the one who calls.
    fn is_alone(&self) -> bool {
        let waits = |other| {
            use LegState::{Alerting, Failed, Initiated, Queued};
            matches!(other, Alerting | Failed | Initiated | Queued)
        };
        self.other().is_some_and(|other| other.is_none_or(waits))
    }

    /// Whether somebody whose connection failed is the one who called: nobody else is in the call then.
    /// A simple state does not tell, but an event may have.
    fn has_called(&self, call: &Call) -> bool {
        match self.call_state {
            Some(CallState::Compound(states)) => states.len() == 1,
            _ => call.from.as_deref() == Some(self.device.number()),
        }
    }

    fn is_calling(&self) -> bool {
        self.is_alone() && matches!(self.state, Some(LegState::Connected | LegState::Held))
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
        if self.awaits_others(device, calls, now) {
            return;
        }
        self.stats.snapshots += 1;
        self.expire_ended(now);
        self.wanted.remove(device);
        let Some(monitor) = self.devices.find(device).map(|device| device.index) else {
            self.stats.stale += 1;
            return;
        };
        self.publisher.touched.push(device.number().to_owned());
        let read = calls.iter().filter_map(|info| Listed::read(info, device));
        let listed: Vec<_> = read.collect();
        self.end_unlisted(device, &listed, now);
        for item in &listed {
            let mut call = self.take_listed(item, &listed, now);
            if self.is_outdated(&mut call, item, now) {
                self.stats.stale += 1;
                self.doubtful.insert(device.clone(), now);
            } else {
                self.confirm(&mut call, device, item, now);
                let legs = call.legs.iter_mut();
                legs.for_each(|leg| leg.reports.catch_up(monitor));
                let own = |leg: &Leg| covers(device, &leg.device) && item.is(leg);
                if let Some(leg) = call.legs.iter().position(own) {
                    self.confirm_leg(&call, leg, now);
                }
            }
            call.epoch = self.epoch;
            self.put_call(call, now);
        }
        self.derive_presence(now);
    }

    /// The call of an item. Calls not known before that alert at different terminals of the number,
    /// one at each, are one conversation.
    fn take_listed(&mut self, item: &Listed<'_>, listed: &[Listed<'_>], now: Timestamp) -> Call {
        let rings = item.state == Some(LegState::Alerting) && !self.keys.contains_key(item.call_id);
        let terminal = item.terminal().filter(|_| rings);
        let origin = terminal.map(|_| Origin::of_linkage(item.linkage));
        let fork = terminal.zip(origin.as_ref());
        let certain = fork.and_then(|(device, origin)| self.certain_fork(device, origin));
        let certain = certain.or_else(|| self.calling_beside(item, listed));
        let guessed = fork.filter(|_| certain.is_none());
        let guessed =
            guessed.and_then(|(device, origin)| self.listed_beside(device, origin, listed));
        let mut call = self.take_beside(certain.or(guessed), item.call_id, now);
        call.guessed |= guessed.is_some();
        if let (None, Some(origin)) = (&call.origin, origin) {
            call.origin = Some(Box::new(origin));
        }
        let calls = item.is_calling().then(|| item.device.number());
        self.part(call, item.call_id, calls, now)
    }

    /// The call that a device makes beside this one: a telephone is connected in one call at a time, unless
    /// the calls ring at terminals of one number for it.
    fn calling_beside(&self, item: &Listed<'_>, listed: &[Listed<'_>]) -> Option<CallId> {
        let calls = |it: &&Listed<'_>| {
            it.state == Some(LegState::Connected) && it.other() == Some(Some(LegState::Alerting))
        };
        if self.keys.contains_key(item.call_id) || !calls(&item) {
            return None;
        }
        let mut others = listed.iter().filter(calls);
        others.find_map(|other| {
            let call = self.calls.get(self.keys.get(other.call_id)?)?;
            (!call.legs.is_empty()).then_some(call.id)
        })
    }

    /// The call that rings at another terminal, where each of the terminals rings for one call.
    fn listed_beside(
        &self,
        device: &DeviceId,
        origin: &Origin,
        listed: &[Listed<'_>],
    ) -> Option<CallId> {
        let alerting = |it: &&Listed<'_>| it.state == Some(LegState::Alerting);
        let ringing: Vec<_> = listed
            .iter()
            .filter(alerting)
            .filter_map(Listed::terminal)
            .collect();
        let distinct: BTreeSet<_> = ringing.iter().map(|id| id.instance()).collect();
        if distinct.len() < ringing.len() {
            return None;
        }
        let mut others = listed.iter().filter(alerting).filter_map(|other| {
            let instance = other.terminal()?.instance();
            let call = self.calls.get(self.keys.get(other.call_id)?)?;
            let rings = |leg: &Leg| leg.key == *other.call_id && leg.state == LegState::Alerting;
            let fits = instance != device.instance() && call.legs.iter().any(rings);
            (fits && call.is_same_origin(origin) != Some(false)).then_some(call.id)
        });
        others.next()
    }

    fn end_unlisted(&mut self, device: &DeviceId, listed: &[Listed<'_>], now: Timestamp) {
        let at_device = self.at_endpoint.get(device.number());
        let known: Vec<_> = at_device.into_iter().flatten().cloned().collect();
        for id in known {
            let Some(mut call) = self.calls.remove(&id) else {
                continue;
            };
            self.rename_terminals(&mut call, device, listed);
            let mut ended = false;
            let unlisted = |leg: &Leg| {
                let own = leg.endpoint.is_some() && covers(device, &leg.device);
                own && !listed.iter().any(|item| item.is(leg))
            };
            while let Some(index) = call
                .legs
                .iter()
                .position(|leg| unlisted(leg) && !self.is_fresh(leg, now))
            {
                self.end_leg(&mut call, index, &Why::inferred(now));
                ended = true;
            }
            if call.legs.iter().any(unlisted) {
                self.stats.stale += 1;
                self.doubtful.insert(device.clone(), now);
            }
            if ended {
                call.users.iter_mut().for_each(User::miss);
                self.settle(&mut call, now);
            }
            self.put_call(call, now);
        }
    }

    /// A leg that goes on at another terminal than the one that stood for it goes on there.
    fn rename_terminals(&self, call: &mut Call, device: &DeviceId, listed: &[Listed<'_>]) {
        for index in 0..call.legs.len() {
            let leg = &call.legs[index];
            let own = leg.endpoint.is_some() && covers(device, &leg.device);
            if !own || leg.epoch == self.epoch || listed.iter().any(|item| item.is(leg)) {
                continue;
            }
            let other = listed.iter().find_map(|item| {
                let other = item.device_id.filter(|_| *item.call_id == leg.key)?;
                let free = call.legs.iter().all(|leg| !leg.is(item.call_id, other));
                (free && other.number() == leg.device_id.number()).then_some((other, item.device))
            });
            if let Some((device_id, device)) = other {
                let leg = &mut call.legs[index];
                leg.device_id = device_id.clone();
                leg.device = device.clone();
            }
        }
    }

    /// Whether another monitor has just reported what leads on from the state that is listed: the
    /// snapshot was taken before. The device's own events since are still to come.
    fn is_outdated(&self, call: &mut Call, item: &Listed<'_>, now: Timestamp) -> bool {
        let index = item
            .device_id
            .and_then(|device_id| call.find(item.call_id, device_id));
        let (Some(index), Some(listed)) = (index, item.state) else {
            return false;
        };
        let leg = &call.legs[index];
        leg.state != listed
            && self.is_fresh(leg, now)
            && state::between(listed, leg.state).is_some()
    }

    /// Whether a monitor has just reported how a leg stands.
    fn is_fresh(&self, leg: &Leg, now: Timestamp) -> bool {
        let age_ms = now.as_unix_ms().saturating_sub(leg.since.as_unix_ms());
        leg.epoch == self.epoch && !leg.reports.is_empty() && age_ms < SNAPSHOT_GUARD_MS
    }

    /// Devices whose snapshot was outdated are to be asked again.
    pub(super) fn ask_doubtful(&mut self, now: Timestamp) {
        let wanted = &mut self.wanted;
        self.doubtful.retain(|device, since| {
            let waits = now.as_unix_ms().saturating_sub(since.as_unix_ms()) < SNAPSHOT_GUARD_MS;
            if !waits {
                wanted.insert(device.clone());
            }
            waits
        });
    }

    fn confirm(&mut self, call: &mut Call, device: &DeviceId, item: &Listed<'_>, now: Timestamp) {
        let known = match item.device_id {
            Some(device_id) => call.find(item.call_id, device_id),
            None => call
                .find_own(device)
                .filter(|index| call.legs[*index].key == *item.call_id),
        };
        let Some(index) = known else {
            self.open_listed(call, item, now);
            return;
        };
        let leg = &mut call.legs[index];
        let (old, from) = (leg.epoch < self.epoch, leg.state);
        leg.epoch = self.epoch;
        let Some(to) = item.state.filter(|to| *to != from) else {
            self.confirm_other(call, index, item, now);
            return;
        };
        let Some(missed) = state::between(from, to) else {
            // No way leads there: this is another connection under the same identifier.
            if old && call.epoch < self.epoch {
                self.reincarnate(item.call_id, call, now);
            } else {
                self.end_leg(call, index, &Why::inferred(now));
            }
            call.gone.clear();
            self.open_listed(call, item, now);
            return;
        };
        let device_id = call.legs[index].device_id.clone();
        self.enter_through(call, index, missed, to, &Why::inferred(now));
        if let Some(index) = call.find(item.call_id, &device_id) {
            self.confirm_other(call, index, item, now);
        }
    }

    fn open_listed(&mut self, call: &mut Call, item: &Listed<'_>, now: Timestamp) {
        let device_id = item.device_id.unwrap_or(item.device);
        let state = item.state.unwrap_or(LegState::Connected);
        if let Some(gone) = call.find_gone(item.call_id, device_id) {
            let age_ms = now.as_unix_ms().saturating_sub(gone.at.as_unix_ms());
            if !gone.synthetic && age_ms < SNAPSHOT_GUARD_MS {
                self.stats.stale += 1;
                return;
            }
        }
        let outdated = call.epoch < self.epoch && !call.legs.is_empty();
        if outdated && state == LegState::Initiated {
            self.reincarnate(item.call_id, call, now);
        }
        let alone = item.is_alone();
        let direction = match state {
            LegState::Connected | LegState::Held if alone && call.from.is_none() => {
                Direction::Outbound
            }
            LegState::Failed => legs::direction(item.has_called(call)),
            _ => guess_direction(call, item.device, state),
        };
        let party = match state {
            LegState::Connected | LegState::Held if alone => {
                Some((&mut call.from, &mut call.assumed.from))
            }
            // Who calls listens to a tone alone.
            LegState::Failed if item.has_called(call) => None,
            LegState::Alerting | LegState::Queued | LegState::Failed => {
                Some((&mut call.to, &mut call.assumed.to))
            }
            _ => None,
        };
        if let Some((party @ None, assumed)) = party {
            *party = Some(item.device.number().to_owned());
            *assumed = true;
        }
        let new = NewLeg {
            key: item.call_id.clone(),
            device_id: device_id.clone(),
            device: item.device.clone(),
            assumed: item.device_id.is_none(),
            direction,
            direction_told: false,
            redirected_from: None,
        };
        call.dig_up(&new.key, &new.device_id);
        self.open_leg(call, new, state, &Why::inferred(now));
    }

    /// Puts right the other party of a two-party call if nobody follows it: no snapshot of its own will.
    fn confirm_other(&mut self, call: &mut Call, own: usize, item: &Listed<'_>, now: Timestamp) {
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
            self.end_leg(call, index, &why);
            return;
        };
        // A party beyond a network that was reached is connected whether it has answered or not.
        let open = leg.state == LegState::Initiated && to == LegState::Connected;
        if to == leg.state || open {
            return;
        }
        let Some(missed) = state::between(leg.state, to) else {
            return;
        };
        self.enter_through(call, index, missed, to, &why);
    }
}
