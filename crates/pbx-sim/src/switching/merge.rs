//! Two calls become one, and devices that leave or join on behalf of another: Transfer Call,
//! Conference Call, their single step forms, and Deflect Call (ECMA-269 §17.1).

use std::time::Instant;

use csta::value::{
    ConnectionList, ConnectionListItem, ConsultOptions, Endpoint, ParticipationType,
};
use csta::{ConnectionId, CstaError, DeviceId, EventCause, LocalConnectionState};

use super::call::{CONNECTIONS_MAX, Call, CallData, CallKey, Connection};
use super::consult::Pair;
use super::options::{ResultingCall, TERMINALS_MAX};
use super::report::{Change, Merge, Report};
use super::{
    Actor, SwitchingFunction, active_connection_state, conference_limit, connection_state,
    destination_state, held_connection_state, invalid_connection, invalid_consult_purpose,
    invalid_destination, participation_type, same_device,
};

/// What came of two calls, or of one that was transferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// A connection of the resulting call: that of the device transferred to, or of the conferencing
    /// one.
    pub connection: ConnectionId,
    /// The connections of the resulting call and what they were before.
    pub connections: ConnectionList,
}

impl SwitchingFunction {
    /// Transfer Call (§17.1.27): the parties of both calls stay together, the device leaves.
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `notSameDevice`,
    /// `notDifferentDevices` when both calls have another device in common,
    /// `invalidActiveConnectionState`, `invalidHeldConnectionState`, `invalidConsultPurpose` when the
    /// consultation was for something else, and `conferenceMemberLimitExceeded`.
    pub fn transfer_call(
        &mut self,
        held: &ConnectionId,
        active: &ConnectionId,
        actor: Actor,
    ) -> Result<Merged, CstaError> {
        let pair = self.find_pair(held, active, actor)?;
        self.check_merge(&pair, ConsultOptions::TRANSFER_ONLY)?;
        Ok(self.merge(pair, Change::Transferred, EventCause::TRANSFER))
    }

    /// Conference Call (§17.1.9): the parties of both calls and the device talk together.
    ///
    /// # Errors
    /// As [`Self::transfer_call`]; the consulted party must have answered.
    pub fn conference_call(
        &mut self,
        held: &ConnectionId,
        active: &ConnectionId,
        actor: Actor,
    ) -> Result<Merged, CstaError> {
        let pair = self.find_pair(held, active, actor)?;
        self.check_merge(&pair, ConsultOptions::CONFERENCE_ONLY)?;
        let second = self.calls.get(&pair.active.0);
        if second.is_none_or(|call| !call.has_partner(&pair.active.1.line)) {
            return Err(active_connection_state());
        }
        Ok(self.merge(pair, Change::Conferenced, EventCause::CONFERENCE))
    }

    fn check_merge(&self, pair: &Pair, purpose: ConsultOptions) -> Result<(), CstaError> {
        let (held, active) = (&pair.held, &pair.active);
        let calls = (self.calls.get(&held.0), self.calls.get(&active.0));
        let (Some(first), Some(second)) = calls else {
            return Err(invalid_connection());
        };
        let line = &held.1.line;
        if active.1.state != LocalConnectionState::Connected
            || !second.siblings.is_empty()
            || second.has_failed()
        {
            return Err(active_connection_state());
        }
        if held.1.state != LocalConnectionState::Hold
            || first.has_failed()
            || !first.has_partner(line)
        {
            return Err(held_connection_state());
        }
        let purposes = [&first.consult, &second.consult];
        let fits = |it: &ConsultOptions| *it == ConsultOptions::UNRESTRICTED || *it == purpose;
        if !purposes.into_iter().flatten().all(fits) {
            return Err(invalid_consult_purpose());
        }
        let theirs = second.lines();
        let mut ours = first.lines().into_iter();
        if ours.any(|it| it != *line && theirs.contains(&it)) {
            return Err(same_device());
        }
        if first.connections.len() + second.connections.len() > CONNECTIONS_MAX {
            return Err(conference_limit());
        }
        Ok(())
    }

    fn merge(&mut self, pair: Pair, change: Change, cause: EventCause) -> Merged {
        let Pair { held, active } = pair;
        let line = held.1.line.clone();
        let stays = change == Change::Conferenced;
        let primary_old = self.id_of(held.0, &held.1.device);
        let secondary_old = self.id_of(active.0, &active.1.device);
        let first = self.take_out(held.0);
        let second = self.take_out(active.0);
        let (Some(first), Some(second)) = (first, second) else {
            unreachable!("both calls were found");
        };
        let mut lines = first.lines();
        lines.extend(second.lines().into_iter().filter(|it| *it != line));
        let to = second
            .connections
            .iter()
            .find(|leg| leg.line != line)
            .cloned();
        let to = to.unwrap_or_else(|| active.1.clone());

        let own = Connection {
            state: LocalConnectionState::Connected,
            ..held.1.clone()
        };
        let own = stays.then(|| (own, primary_old.clone()));
        let own = own.into_iter();
        let legs = own
            .chain(others(&first, &line))
            .chain(others(&second, &line));
        let legs: Vec<_> = legs.collect();
        let (calling, called) = match stays {
            true => (first.calling.clone(), first.called.clone()),
            false => (partner(&first, &line), partner(&second, &line)),
        };
        let resulting = Call {
            calling,
            called,
            last_redirection: second.last_redirection.clone(),
            connections: Vec::with_capacity(legs.len()),
            established: true,
            cause: EventCause::NORMAL,
            consult: None,
            data: first.data.clone(),
            monitors: first
                .monitors
                .iter()
                .chain(&second.monitors)
                .copied()
                .collect(),
            ..first
        };
        let key = self.put_in(resulting, held.0, active.0);
        let connections = self.put_legs(key, legs, true);
        let merge = Merge {
            change,
            primary_old: primary_old.clone(),
            secondary_old: Some(secondary_old.clone()),
            by: held.1.party(),
            to: to.party(),
            connections: connections.clone(),
            cause: cause.clone(),
            lines,
        };
        self.report_merge(key, &merge);
        if !stays {
            self.tell_left(&held.1, [primary_old, secondary_old], &cause, key);
        }
        let device = if stays { &held.1.device } else { &to.device };
        Merged {
            connection: self.id_of(key, device),
            connections,
        }
    }

    /// Single Step Transfer Call (§17.1.26): the others go on to a new destination, the device
    /// leaves at once.
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `invalidActiveConnectionState`,
    /// `invalidDestination` when there is no such number, `notDifferentDevices` when it is in the call.
    pub fn single_step_transfer_call(
        &mut self,
        active: &ConnectionId,
        to: &DeviceId,
        data: CallData,
        actor: Actor,
        now: Instant,
    ) -> Result<Merged, CstaError> {
        let (key, leg) = self.find_inside(active, actor)?;
        let call = self.calls.get(&key).ok_or_else(invalid_connection)?;
        let ready = call.siblings.is_empty() && call.has_partner(&leg.line) && !call.has_failed();
        if leg.state != LocalConnectionState::Connected || !ready {
            return Err(active_connection_state());
        }
        let to = self.check_destination(key, to)?;
        let primary_old = self.id_of(key, &leg.device);
        let Some(first) = self.take_out(key) else {
            unreachable!("the call was found");
        };
        let lines = first.lines();
        let legs = others(&first, &leg.line);
        let resulting = Call {
            calling: partner(&first, &leg.line),
            called: to.clone(),
            last_redirection: None,
            connections: Vec::with_capacity(legs.len() + 1),
            established: legs.len() > 1,
            cause: EventCause::SINGLE_STEP_TRANSFER,
            consult: None,
            data: data.over(&first.data),
            ..first
        };
        let resulting = self.put_in(resulting, key, key);
        let old_too = self.config.options.single_step_old_connections;
        let mut connections = self.put_legs(resulting, legs, old_too);
        connections.0.push(item(self.id_of(resulting, &to), None));
        let cause = EventCause::SINGLE_STEP_TRANSFER;
        let merge = Merge {
            change: Change::Transferred,
            primary_old: primary_old.clone(),
            secondary_old: None,
            by: leg.party(),
            to: to.clone().into(),
            connections: connections.clone(),
            cause: cause.clone(),
            lines,
        };
        self.report_merge(resulting, &merge);
        self.tell_left(&leg, [primary_old], &cause, resulting);
        self.route(resulting, to.clone(), cause, now);
        Ok(Merged {
            connection: self.id_of(resulting, &to),
            connections,
        })
    }

    /// Single Step Conference Call (§17.1.25): a device is added to a call, which keeps its id, and
    /// rings. Its forwardings do not count.
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `invalidConnectionState`,
    /// `invalidDestination` when the device is no extension, `notDifferentDevices` when it is in the
    /// call, `invalidDestinationDeviceState` when it is busy, `participationTypeOutOfRange` for a
    /// device that is to do neither, and `conferenceMemberLimitExceeded`.
    pub fn single_step_conference_call(
        &mut self,
        active: &ConnectionId,
        joining: &DeviceId,
        participation: &ParticipationType,
        actor: Actor,
        now: Instant,
    ) -> Result<Merged, CstaError> {
        let (key, leg) = self.find_inside(active, actor)?;
        let call = self.calls.get(&key).ok_or_else(invalid_connection)?;
        if leg.state != LocalConnectionState::Connected || !call.has_partner(&leg.line) {
            return Err(connection_state());
        }
        if *participation == ParticipationType::NONE {
            return Err(participation_type());
        }
        let line = self.extension(joining).ok_or_else(invalid_destination)?;
        if self.is_party(key, &line) {
            return Err(same_device());
        }
        let free = self
            .features(&line)
            .is_ok_and(|features| features.in_service);
        if !free || self.active_call_at(&line).is_some() {
            return Err(destination_state());
        }
        if call.connections.len() + usize::from(TERMINALS_MAX) > CONNECTIONS_MAX {
            return Err(conference_limit());
        }
        let olds = call.connections.iter();
        let olds: Vec<_> = olds.map(|leg| call.connection_id(&leg.device)).collect();
        let items = olds.into_iter().map(|old| item(old.clone(), Some(old)));
        let new = item(self.id_of(key, &line), None);
        let connections = ConnectionList(items.chain([new]).collect());
        let lines = self.calls.get(&key).map(Call::lines).unwrap_or_default();
        let merge = Merge {
            change: Change::Conferenced,
            primary_old: self.id_of(key, &leg.device),
            secondary_old: None,
            by: leg.party(),
            to: line.clone().into(),
            connections: connections.clone(),
            cause: EventCause::SINGLE_STEP_CONFERENCE,
            lines,
        };
        self.report_merge(key, &merge);
        self.deliver(key, &line, EventCause::SINGLE_STEP_CONFERENCE, now);
        Ok(Merged {
            connection: self.id_of(key, &line),
            connections,
        })
    }

    /// Deflect Call (§17.1.11): what rings or waits at a device goes to another destination.
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `invalidConnectionState`,
    /// `invalidDestination` when there is no such number, `notDifferentDevices` when it is in the call.
    pub fn deflect_call(
        &mut self,
        alerting: &ConnectionId,
        to: &DeviceId,
        data: CallData,
        actor: Actor,
        now: Instant,
    ) -> Result<(), CstaError> {
        use LocalConnectionState::{Alerting, Queued};
        let (key, leg) = self.find_inside(alerting, actor)?;
        if !matches!(leg.state, Alerting | Queued) {
            return Err(connection_state());
        }
        let to = self.check_destination(key, to)?;
        self.join_fork(key);
        self.associate_data(&self.id_of(key, &leg.device), data)?;
        // ECMA-269 §17.2.7: Diverted C1B with redirected, Delivered C1C.
        let cause = EventCause::REDIRECTED;
        self.divert(key, &leg.line, &to, &cause);
        self.route(key, to, cause, now);
        Ok(())
    }

    /// The number of a destination that exists and is not in the call yet.
    fn check_destination(&self, key: CallKey, to: &DeviceId) -> Result<DeviceId, CstaError> {
        let to = self.number_of(to);
        if !self.extensions.contains_key(&to) && !self.is_outside(&to) {
            return Err(invalid_destination());
        }
        if self.is_party(key, &to) {
            return Err(same_device());
        }
        Ok(to)
    }

    /// Takes a call out of every table; its connections keep their timers.
    fn take_out(&mut self, key: CallKey) -> Option<Call> {
        let call = self.calls.remove(&key)?;
        for leg in &call.connections {
            if let Some((due, _)) = leg.timer {
                self.timers.remove(&(due, key, leg.device.clone()));
            }
            if let Some(extension) = self.extensions.get_mut(&leg.line) {
                extension.calls.retain(|other| *other != key);
            }
        }
        self.stats.calls_ended += 1;
        Some(call)
    }

    /// Puts the resulting call in, under the id that the options choose.
    fn put_in(&mut self, call: Call, primary: CallKey, secondary: CallKey) -> CallKey {
        let key = match self.config.options.resulting_call {
            ResultingCall::New => self.new_call(call.calling.clone(), call.called.clone()),
            ResultingCall::Primary => primary,
            ResultingCall::Secondary => secondary,
        };
        if self.config.options.resulting_call != ResultingCall::New {
            self.stats.calls_begun += 1;
        }
        let id = self.call_id(key);
        for number in &call.monitors {
            if let Some(monitor) = self.monitors.get_mut(number) {
                monitor.object = super::MonitorObject::Call(key);
            }
        }
        self.calls.insert(key, Call { id, ..call });
        key
    }

    /// Puts connections into the resulting call; gives the list of them.
    fn put_legs(
        &mut self,
        key: CallKey,
        legs: Vec<(Connection, ConnectionId)>,
        old_too: bool,
    ) -> ConnectionList {
        let mut items = Vec::with_capacity(legs.len());
        for (leg, old) in legs {
            if let Some((due, _)) = leg.timer {
                self.timers.insert((due, key, leg.device.clone()));
            }
            let new = self.id_of(key, &leg.device);
            let endpoint = leg.party().device().cloned().map(Endpoint::Device);
            items.push(ConnectionListItem {
                endpoint,
                ..item(new, old_too.then_some(old))
            });
            self.enter(key, leg);
        }
        ConnectionList(items)
    }

    /// Connection Cleared for the device that transferred, where the options want it: nothing
    /// requires it after Transferred.
    fn tell_left(
        &mut self,
        leg: &Connection,
        olds: impl IntoIterator<Item = ConnectionId>,
        cause: &EventCause,
        key: CallKey,
    ) {
        if !self.config.options.clears_after_transfer {
            return;
        }
        let leg = Connection {
            state: LocalConnectionState::Null,
            timer: None,
            ..leg.clone()
        };
        for old in olds {
            let report = Report::new(Change::ConnectionCleared, &leg, cause.clone());
            self.report_to_subject(key, &report, &old);
        }
    }
}

fn item(new: ConnectionId, old: Option<ConnectionId>) -> ConnectionListItem {
    ConnectionListItem {
        endpoint: new.device_id.clone().map(Endpoint::Device),
        new_connection: Some(new),
        old_connection: old,
        ..ConnectionListItem::new()
    }
}

/// Everybody in a call but one, each with the id that the connection has there.
fn others(call: &Call, line: &DeviceId) -> Vec<(Connection, ConnectionId)> {
    let legs = call.connections.iter().filter(|leg| leg.line != *line);
    let legs = legs.map(|leg| (leg.clone(), call.connection_id(&leg.device)));
    legs.collect()
}

/// Who a resulting call is from, or to: the caller, unless that is the device that leaves.
fn partner(call: &Call, leaving: &DeviceId) -> DeviceId {
    if call.calling != *leaving {
        return call.calling.clone();
    }
    let mut others = call.connections.iter().filter(|leg| leg.line != *leaving);
    let first = others.next().map(|leg| leg.line.clone());
    first.unwrap_or_else(|| call.called.clone())
}
