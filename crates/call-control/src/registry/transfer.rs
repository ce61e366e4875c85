//! Transfers and conferences: two conversations become one, and connections get other identifiers.
//!
//! The conversation of the primary old call goes on, whatever identifier the resulting call has: a new
//! one, or that of either old call. Connections are re-keyed from the event's list (ECMA-269 §12.2.9).
//! The device that transferred leaves; one that made a conference stays. Every monitored party sends a
//! copy of the event; taking one twice changes nothing.
//!
//! Size: why one file: the steps of one event, which share its shape and are used nowhere else.

use cloud_uplink::event::LegChange;
use cloud_uplink::{CallId, EventData, LegId, LegState, Timestamp};
use csta::value::{ConnectionListItem, Endpoint};
use csta::{ConnectionId, DeviceId, Event, EventCause, ExtendedDeviceId, LocalConnectionState};

use super::call::{Call, FORMER_IDS_MAX, Gone, Leg, MonitorIndex, covers};
use super::history::{Joining, User};
use super::legs::{NewLeg, guess_direction};
use super::publish::Why;
use super::state::{self, Kind};
use super::{Ended, Registry, terminals};

/// What tells a transfer or conference from the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JoinMark {
    conference: bool,
    primary: ConnectionId,
    secondary: Option<ConnectionId>,
    to: Option<String>,
}

/// A transfer or conference that was taken in, and the monitors that have told of it.
#[derive(Debug)]
pub(super) struct Joined {
    mark: JoinMark,
    told_by: Vec<MonitorIndex>,
}

/// A Transferred or Conferenced event (ECMA-269 §17.2.19, §17.2.3) as one shape.
#[derive(Clone, Copy)]
struct Join<'a> {
    conference: bool,
    primary: &'a ConnectionId,
    secondary: Option<&'a ConnectionId>,
    /// The device that did it.
    by: Option<&'a DeviceId>,
    /// The device that the call went to, or that was added.
    to: Option<&'a DeviceId>,
    connections: &'a [ConnectionListItem],
    local: Option<LocalConnectionState>,
    cause: Option<&'a EventCause>,
    monitored: &'a DeviceId,
    /// Nobody told of it.
    missed: bool,
    now: Timestamp,
}

impl<'a> Join<'a> {
    fn read(monitored: &'a DeviceId, event: &'a Event, now: Timestamp) -> Option<Self> {
        let told = |device: &'a Option<ExtendedDeviceId>| {
            device.as_ref().and_then(ExtendedDeviceId::device)
        };
        let common = |primary: &'a ConnectionId, secondary: &'a Option<ConnectionId>| Self {
            conference: false,
            primary,
            secondary: secondary.as_ref(),
            by: primary.device_id.as_ref(),
            to: None,
            connections: &[],
            local: event.local_connection_info(),
            cause: event.cause(),
            monitored,
            missed: false,
            now,
        };
        match event {
            Event::Transferred(e) => Some(Self {
                by: told(&e.transferring_device).or(e.primary_old_call.device_id.as_ref()),
                to: told(&e.transferred_to_device),
                connections: e
                    .transferred_connections
                    .as_ref()
                    .map_or(&[], |list| &list.0),
                ..common(&e.primary_old_call, &e.secondary_old_call)
            }),
            Event::Conferenced(e) => Some(Self {
                conference: true,
                by: told(&e.conferencing_device).or(e.primary_old_call.device_id.as_ref()),
                to: told(&e.added_party),
                connections: e
                    .conference_connections
                    .as_ref()
                    .map_or(&[], |list| &list.0),
                ..common(&e.primary_old_call, &e.secondary_old_call)
            }),
            _ => None,
        }
    }

    const fn name(&self) -> &'static str {
        if self.conference {
            "ConferencedEvent"
        } else {
            "TransferedEvent"
        }
    }

    const fn why(&self, kind: Kind) -> Why<'a> {
        if self.missed {
            return Why::inferred(self.now);
        }
        Why::named(kind, self.name(), self.cause, self.now)
    }

    /// The resulting call's identifier.
    fn key(&self) -> Option<&'a csta::CallId> {
        let new = |item: &'a ConnectionListItem| item.new_connection.as_ref()?.call_id.as_ref();
        let mut keys = self.connections.iter().filter_map(new);
        keys.next().or(self.primary.call_id.as_ref())
    }

    fn is_by(&self, device: &DeviceId) -> bool {
        self.by.is_some_and(|by| by.number() == device.number())
    }

    fn is_to(&self, device: &DeviceId) -> bool {
        self.to.is_some_and(|to| to.number() == device.number())
    }

    /// Whether a connection gets another device.
    fn renames(&self, leg: &Leg) -> bool {
        self.connections.iter().any(|item| {
            let old = item.old_connection.as_ref();
            let new = item
                .new_connection
                .as_ref()
                .and_then(|it| it.device_id.as_ref());
            let own = |old: &ConnectionId| {
                old.call_id.as_ref() == Some(&leg.key)
                    && old.device_id.as_ref() == Some(&leg.device_id)
            };
            old.is_some_and(own) && new.is_some_and(|new| *new != leg.device_id)
        })
    }

    fn mark(&self) -> JoinMark {
        JoinMark {
            conference: self.conference,
            primary: self.primary.clone(),
            secondary: self.secondary.cloned(),
            to: self.to.map(|to| to.number().to_owned()),
        }
    }

    fn typed(&self, change: LegChange) -> EventData {
        if self.conference {
            EventData::CallConferenced(change)
        } else {
            EventData::CallTransferred(change)
        }
    }
}

/// A leg of the resulting call and where it was before.
struct Moved {
    id: LegId,
    from: Option<CallId>,
    /// Its state as published last; absent if it was not known.
    state: Option<LegState>,
}

impl Registry {
    pub(super) fn handle_join(&mut self, monitored: &DeviceId, event: &Event, now: Timestamp) {
        self.join(Join::read(monitored, event, now));
    }

    /// Takes in a transfer or conference that nobody told of.
    pub(super) fn join_missed(&mut self, by: &DeviceId, event: &Event, now: Timestamp) {
        let join = Join::read(by, event, now);
        self.join(join.map(|join| Join {
            missed: true,
            ..join
        }));
    }

    fn join(&mut self, join: Option<Join<'_>>) {
        let Some((join, key)) = join.and_then(|join| Some((join, join.key()?))) else {
            self.stats.illegal += 1;
            return;
        };
        let now = join.now;
        let Some(mut call) = self.take_joined(&join, key) else {
            self.stats.stale += 1;
            return;
        };
        let mark = join.mark();
        if is_of_the_past(&call, &join, &mark) {
            self.stats.copies += 1;
            self.calls.insert(call.id, call);
            return;
        }
        let monitor = self.devices.find(join.monitored).map(|device| device.index);
        let news = is_news(&call, &join, &mark, monitor);
        let mut moved: Vec<Moved> = Vec::new();
        if news {
            self.note_join(&mut call, &joining(&join));
            self.leave(&mut call, &join, false);
        }
        self.absorb_secondary(&mut call, &join, key, &mut moved);
        self.rekey(&mut call, &join, key, &mut moved);
        if news {
            let told_by = Vec::new();
            call.note_joined(Joined { mark, told_by });
            let known = |leg: &Leg, moved: &[Moved]| moved.iter().any(|m| m.id == leg.id);
            for leg in &call.legs {
                if !known(leg, &moved) {
                    moved.push(stays(leg.id, leg.state));
                }
            }
        } else {
            self.stats.copies += 1;
        }
        if let (Some(last), Some(monitor)) = (call.joined.last_mut(), monitor)
            && !last.told_by.contains(&monitor)
        {
            last.told_by.push(monitor);
        }
        if join.missed {
            call.users.iter_mut().for_each(User::miss);
        }
        self.publish_moved(&mut call, &join, moved);
        self.correct_joined(&mut call, &join);
        let next = join.to.filter(|_| join.secondary.is_none());
        if news && !self.goes_to(&call, next) {
            self.settle(&mut call, now);
        }
        self.note_left(&mut call, &join);
        call.epoch = self.epoch;
        self.put_call(call, now);
    }

    /// The conversation that goes on: that of the primary old call, else of the secondary, else of the
    /// resulting call. `None` if none is known and the monitored device is out of it.
    fn take_joined(&mut self, join: &Join<'_>, key: &csta::CallId) -> Option<Call> {
        let olds = [Some(join.primary), join.secondary];
        let olds = olds
            .into_iter()
            .flatten()
            .filter_map(|old| old.call_id.as_ref());
        for old in olds.chain([key]) {
            let known = self.keys.get(old).and_then(|id| self.calls.remove(id));
            if let Some(call) = known {
                return Some(call);
            }
        }
        let over = join.local == Some(LocalConnectionState::Null);
        (!over).then(|| self.mint_call(key, join.now))
    }

    /// Ends the leg of the device that transferred; of a conference, its second one alone.
    fn leave(&mut self, call: &mut Call, join: &Join<'_>, secondary: bool) {
        if join.conference && !secondary {
            return;
        }
        let old = if secondary {
            join.secondary
        } else {
            Some(join.primary)
        };
        let Some((old, key)) = old.and_then(|old| Some((old, old.call_id.as_ref()?))) else {
            return;
        };
        while let Some(index) = call
            .legs
            .iter()
            .position(|leg| leg.key == *key && join.is_by(&leg.device))
        {
            self.end_leg(call, index, &join.why(Kind::Cleared));
        }
        // What its own monitor tells of it afterwards is late, even if nobody had told of it before.
        if let Some(device_id) = old.device_id.as_ref()
            && call.find_gone(key, device_id).is_none()
            && call.find(key, device_id).is_none()
            && !(join.conference && join.key() == Some(key))
        {
            call.bury(Gone {
                key: key.clone(),
                device_id: device_id.clone(),
                device: join.by.unwrap_or(device_id).clone(),
                leg_id: None,
                redirected_from: None,
                at: join.now,
                synthetic: false,
                ended_by: Vec::new(),
            });
        }
    }

    /// The monitor has told that the old connections of the device that transferred ended.
    fn note_left(&self, call: &mut Call, join: &Join<'_>) {
        let Some(monitor) = self.devices.find(join.monitored) else {
            return;
        };
        let primary = (!join.conference).then_some(join.primary);
        for old in primary.into_iter().chain(join.secondary) {
            if let (Some(key), Some(device_id)) = (&old.call_id, &old.device_id) {
                call.note_ended((key, device_id), monitor.index);
            }
        }
    }

    /// Takes in what other conversations the connections are in: that of the secondary old call, and
    /// one that was begun because events under the resulting identifier came first.
    fn absorb_secondary(
        &mut self,
        call: &mut Call,
        join: &Join<'_>,
        key: &csta::CallId,
        moved: &mut Vec<Moved>,
    ) {
        let secondary = join.secondary.and_then(|old| old.call_id.as_ref());
        if let Some(mut other) = secondary.and_then(|key| self.take_other(call, key)) {
            self.note_join(&mut other, &joining(join));
            self.leave(&mut other, join, true);
            self.end_twins(call, &mut other, join);
            let from = other.id;
            for leg in &other.legs {
                if moved.iter().all(|m| m.id != leg.id) {
                    let state = terminals::folded(&other, leg.id);
                    moved.push(Moved {
                        id: leg.id,
                        from: Some(from),
                        state,
                    });
                }
            }
            self.absorb(call, other);
        }
        let Some(mut early) = self.take_other(call, key) else {
            return;
        };
        // The legs are known from the old calls: what came first is put right there.
        while let Some(leg) = early.legs.first() {
            let (device, state) = (leg.device.clone(), leg.state);
            let known = |leg: &Leg| leg.device.number() == device.number();
            if let Some(index) = call.legs.iter().position(known) {
                self.end_leg(&mut early, 0, &Why::inferred(join.now));
                let leg = &mut call.legs[index];
                if state::between(leg.state, state).is_some_and(<[_]>::is_empty) {
                    let (id, old) = (leg.id, std::mem::replace(&mut leg.state, state));
                    leg.since = join.now;
                    if moved.iter().all(|m| m.id != id) {
                        moved.push(stays(id, old));
                    }
                }
            } else {
                let leg = early.legs.remove(0);
                let from = Some(early.id);
                moved.push(Moved {
                    id: leg.id,
                    from,
                    state: Some(leg.state),
                });
                self.index_leg(call.id, leg.endpoint.as_deref());
                self.unindex_leg(&early, leg.endpoint.as_deref());
                call.legs.push(leg);
            }
        }
        self.absorb(call, early);
    }

    fn take_other(&mut self, call: &Call, key: &csta::CallId) -> Option<Call> {
        let id = *self.keys.get(key)?;
        if id == call.id {
            return None;
        }
        self.calls.remove(&id)
    }

    /// Moves everything of a conversation into another one.
    fn absorb(&mut self, call: &mut Call, mut other: Call) {
        let legs = std::mem::take(&mut other.legs);
        for leg in &legs {
            self.unindex_leg(&other, leg.endpoint.as_deref());
            self.index_leg(call.id, leg.endpoint.as_deref());
        }
        call.legs.extend(legs);
        for gone in std::mem::take(&mut other.gone) {
            call.bury(gone);
        }
        for key in std::mem::take(&mut other.keys) {
            self.add_key(call, &key);
        }
        // What was taken in there is older than what is taken in now.
        let joined = std::mem::take(&mut other.joined);
        joined.into_iter().for_each(|one| call.note_joined(one));
        let former = std::mem::take(&mut other.former);
        for id in former.into_iter().chain([other.id]) {
            if call.former.len() == FORMER_IDS_MAX {
                self.former.remove(&call.former.remove(0));
            }
            self.former.insert(id, call.id);
            call.former.push(id);
        }
        if call.promised.is_none() {
            call.promised = other.promised;
        }
        self.merge_users(call, other.users);
    }

    /// Gives the connections their identifiers in the resulting call.
    fn rekey(
        &mut self,
        call: &mut Call,
        join: &Join<'_>,
        key: &csta::CallId,
        moved: &mut Vec<Moved>,
    ) {
        self.add_key(call, key);
        for item in join.connections {
            let Some(new) = &item.new_connection else {
                continue;
            };
            let endpoint = item.endpoint.as_ref().and_then(Endpoint::device);
            let Some(device_id) = new.device_id.as_ref().or(endpoint) else {
                continue;
            };
            let new_key = new.call_id.as_ref().unwrap_or(key);
            self.add_key(call, new_key);
            if call.find(new_key, device_id).is_some() {
                continue;
            }
            if let Some(gone) = call.find_gone(new_key, device_id) {
                // Added again after it left, if the monitor told that it left; else it left since.
                let monitor = self.devices.find(join.monitored).map(|device| device.index);
                if monitor.is_none_or(|monitor| !gone.ended_by.contains(&monitor)) {
                    continue;
                }
                call.dig_up(new_key, device_id);
            }
            match find_old(call, join, item, device_id) {
                Some(index) => rename(call, index, new_key, device_id, join.now),
                None => self.open_joined(call, join, (new_key, device_id), endpoint, moved),
            }
        }
        // Connections that the list leaves out are in the resulting call as well.
        let olds = [join.secondary, Some(join.primary)];
        for old in olds
            .into_iter()
            .flatten()
            .filter_map(|old| old.call_id.as_ref())
        {
            if old == key {
                continue;
            }
            while let Some(index) = call.legs.iter().position(|leg| leg.key == *old) {
                let device_id = call.legs[index].device_id.clone();
                if call.legs.iter().any(|leg| leg.is(key, &device_id)) {
                    // It is known there already: the old connection is over, unseen.
                    self.end_leg(call, index, &Why::inferred(join.now));
                } else {
                    rename(call, index, key, &device_id, join.now);
                }
            }
            self.ended.push_back((join.now, Ended::Key(old.clone())));
        }
        // A conference's device has one connection left.
        let mut own = call.legs.iter().filter(|leg| join.is_by(&leg.device));
        if let (true, Some(first)) = (join.conference, own.next()) {
            let id = first.id;
            if let Some(monitor) = self.devices.find(join.monitored) {
                // It is retrieved so: whether it is held again is news.
                let legs = call.legs.iter_mut().filter(|leg| leg.id == id);
                legs.for_each(|leg| leg.reports.note(monitor.index, Kind::Retrieved));
            }
            let held = |leg: &Leg| leg.id == id && leg.state == LegState::Held;
            if let Some(index) = call.legs.iter().position(held) {
                moved.push(stays(id, LegState::Held));
                call.legs[index].state = LegState::Connected;
                call.legs[index].since = join.now;
            }
        }
    }

    /// Ends what would stand in the call a second time, in the conversation that it comes from.
    fn end_twins(&mut self, call: &Call, other: &mut Call, join: &Join<'_>) {
        let known = |leg: &Leg| call.legs.iter().any(|it| it.device_id == leg.device_id);
        while let Some(index) = other
            .legs
            .iter()
            .position(|leg| known(leg) && !join.renames(leg))
        {
            self.end_leg(other, index, &Why::inferred(join.now));
        }
    }

    /// A connection of the resulting call that was not known. The party that a single step brings in
    /// is told of when it alerts.
    fn open_joined(
        &mut self,
        call: &mut Call,
        join: &Join<'_>,
        (key, device_id): (&csta::CallId, &DeviceId),
        endpoint: Option<&DeviceId>,
        moved: &mut Vec<Moved>,
    ) {
        let named = endpoint.filter(|device| device.number() != device_id.number());
        let device = named.unwrap_or(device_id);
        self.wanted.insert(join.monitored.clone());
        if join.is_to(device) && join.secondary.is_none() {
            return;
        }
        let own = covers(join.monitored, device);
        let local = join.local.filter(|_| own).and_then(state::leg_state);
        let state = local.unwrap_or(LegState::Connected);
        let new = NewLeg {
            key: key.clone(),
            device_id: device_id.clone(),
            device: device.clone(),
            assumed: false,
            direction: guess_direction(call, device, state),
            direction_told: false,
            redirected_from: None,
        };
        let placed = self.place_leg(call, new, state, join.now);
        let known = |id: &LegId| moved.iter().any(|m| m.id == *id);
        let placed = placed.filter(|(id, _)| !known(id));
        moved.extend(placed.map(|(id, state)| Moved {
            id,
            from: None,
            state,
        }));
    }

    fn publish_moved(&mut self, call: &mut Call, join: &Join<'_>, moved: Vec<Moved>) {
        for Moved { id, from, state } in moved {
            let Some(index) = terminals::main(call, id) else {
                continue;
            };
            call.legs[index].epoch = self.epoch;
            let leg = call.legs[index].view(call);
            let change = LegChange {
                peers: call.peers(&leg),
                diverted_to: None,
                leg,
                previous_state: state,
                cause: join.cause.map(|cause| cause.as_str().to_owned()),
                pbx_event: (!join.missed).then(|| join.name().to_owned()),
                previous_call_id: from,
                by: join.by.map(|by| by.number().to_owned()),
                synthetic: join.missed,
            };
            self.publisher
                .change(change, |change| join.typed(change), join.now);
            self.note_change(call, id, &join.why(Kind::Established));
        }
    }

    /// The state that the event gives for the monitored device.
    fn correct_joined(&mut self, call: &mut Call, join: &Join<'_>) {
        let Some(to) = join.local.and_then(state::leg_state) else {
            return;
        };
        let (Some(index), Some(device)) = (
            call.find_only(join.monitored),
            self.devices.find(join.monitored),
        ) else {
            return;
        };
        let leg = &mut call.legs[index];
        if leg.state != to && leg.reports.is_caught_up(device.index) {
            self.move_to(call, index, to, &Why::inferred(join.now));
        }
    }
}

/// Whether this is a late copy of a transfer or conference after which there was another one. It is
/// not if the device that transferred is in the call again, under the same identifier: then it
/// transferred once more.
fn is_of_the_past(call: &Call, join: &Join<'_>, mark: &JoinMark) -> bool {
    let Some((last, earlier)) = call.joined.split_last() else {
        return false;
    };
    let key = join.primary.call_id.as_ref();
    let again = |leg: &Leg| Some(&leg.key) == key && join.is_by(&leg.device);
    last.mark != *mark
        && earlier.iter().any(|one| one.mark == *mark)
        && (join.conference || !call.legs.iter().any(again))
}

/// Whether this is not a copy of the last transfer or conference. Whom a single step has added and who
/// left since may be added once more: then who told of the first time tells of it again.
fn is_news(call: &Call, join: &Join<'_>, mark: &JoinMark, monitor: Option<MonitorIndex>) -> bool {
    let Some(last) = call.joined.last().filter(|last| last.mark == *mark) else {
        return true;
    };
    let told = monitor.is_some_and(|monitor| last.told_by.contains(&monitor));
    let single = join.conference && join.secondary.is_none();
    told && single && join.to.is_some_and(|to| call.has_left(to))
}

const fn stays(id: LegId, state: LegState) -> Moved {
    Moved {
        id,
        from: None,
        state: Some(state),
    }
}

fn joining<'a>(join: &Join<'a>) -> Joining<'a> {
    Joining {
        conference: join.conference,
        by: join.by.map(DeviceId::number),
        to: join.to.map(DeviceId::number),
        at: join.now,
    }
}

/// The leg that a connection of the resulting call was: by its old connection, or, where that is not
/// told, by its device.
fn find_old(
    call: &mut Call,
    join: &Join<'_>,
    item: &ConnectionListItem,
    device_id: &DeviceId,
) -> Option<usize> {
    if let Some(old) = &item.old_connection
        && let (Some(key), Some(device)) = (&old.call_id, &old.device_id)
        && let Some(index) = call.find(key, device)
    {
        return Some(index);
    }
    let told = item.endpoint.as_ref().and_then(Endpoint::device);
    let olds = [Some(join.primary), join.secondary];
    let old_key = |key: &csta::CallId| {
        let mut olds = olds.iter().flatten();
        olds.any(|old| old.call_id.as_ref() == Some(key))
    };
    let mut legs = call.legs.iter();
    legs.position(|leg| {
        let number = leg.device.number();
        let same = number == device_id.number() || told.is_some_and(|it| it.number() == number);
        old_key(&leg.key) && same
    })
}

/// Gives a connection other identifiers; the old ones are over.
pub(super) fn rename(
    call: &mut Call,
    index: usize,
    key: &csta::CallId,
    device_id: &DeviceId,
    now: Timestamp,
) {
    let leg = &mut call.legs[index];
    if leg.is(key, device_id) {
        return;
    }
    let old = Gone {
        key: std::mem::replace(&mut leg.key, key.clone()),
        device_id: std::mem::replace(&mut leg.device_id, device_id.clone()),
        device: leg.device.clone(),
        leg_id: Some(leg.id),
        redirected_from: leg.redirected_from.clone(),
        at: now,
        synthetic: false,
        ended_by: Vec::new(),
    };
    leg.assumed = false;
    call.dig_up(key, device_id);
    call.bury(old);
}
