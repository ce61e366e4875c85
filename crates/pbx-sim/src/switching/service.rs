//! Call control with one call: the services of ECMA-269 §17.1 and the same acts at the telephone.

use std::time::Instant;

use csta::{
    AutoOriginate, CallId, ConnectionId, CstaError, DeviceId, EventCause, LocalConnectionState,
};

use super::call::{Call, CallData, CallKey, Connection, Timer};
use super::report::{Change, Report};
use super::{
    Actor, HELD_CALLS_MAX, OUTSIDE_CALLS_MAX, SwitchingFunction, calling_device_state,
    connected_call_exists, connection_state, held_connection_state, invalid_call,
    invalid_calling_device, invalid_connection, invalid_parameter_value, network_busy,
    no_held_call, out_of_service, outside_connection, same_device,
};

/// Most digits of one Generate Digits.
const DIGITS_MAX: usize = 64;

/// How a call of Make Call begins.
#[derive(Debug, Clone)]
pub struct Origination {
    /// Whether the telephone asks for its user first.
    pub auto_originate: AutoOriginate,
    /// What is attached to the call.
    pub data: CallData,
}

impl From<AutoOriginate> for Origination {
    fn from(auto_originate: AutoOriginate) -> Self {
        Self {
            auto_originate,
            data: CallData::default(),
        }
    }
}

impl SwitchingFunction {
    /// Make Call (ECMA-269 §17.1.18). With `prompt` the telephone asks for its user first, which
    /// Service Initiated reports; hands-free it dials at once.
    ///
    /// # Errors
    /// `invalidCallingDeviceID`, `invalidCallingDeviceState` or `notDifferentDevices`. A called device
    /// that is busy or unknown is no refusal: the call is made and fails.
    pub fn make_call(
        &mut self,
        calling: &DeviceId,
        called: &DeviceId,
        origination: impl Into<Origination>,
        now: Instant,
    ) -> Result<ConnectionId, CstaError> {
        let Origination {
            auto_originate,
            data,
        } = origination.into();
        self.check_idle(calling)?;
        let (key, id) = self.prepare(calling, called, EventCause::NEW_CALL)?;
        if let Some(call) = self.calls.get_mut(&key) {
            call.data = data;
        }
        match auto_originate {
            AutoOriginate::Prompt => self.begin(key, EventCause::MAKE_CALL, now),
            // ECMA-269 §17.2.18: no Service Initiated for a hands-free Make Call.
            AutoOriginate::DoNotPrompt => self.originate(key, now),
        }
        Ok(id)
    }

    /// A user lifts the handset and dials; `from` may also be a party beyond a trunk.
    ///
    /// # Errors
    /// As [`Self::make_call`]; `networkBusy` when too many calls come from outside.
    pub fn dial(
        &mut self,
        from: &DeviceId,
        to: &DeviceId,
        now: Instant,
    ) -> Result<ConnectionId, CstaError> {
        if self.is_outside(from) {
            return self.arrive(from, to, now);
        }
        self.check_idle(from)?;
        let (key, id) = self.prepare(from, to, EventCause::NEW_CALL)?;
        self.begin(key, EventCause::NEW_CALL, now);
        Ok(id)
    }

    /// ECMA-269 §17.2.18: Service Initiated C1A, local initiated, makeCall or newCall.
    fn begin(&mut self, key: CallKey, cause: EventCause, now: Instant) {
        self.tell_initiated(key, cause);
        let after = self.config.timing.pick_up_after;
        let caller = self
            .calls
            .get(&key)
            .and_then(|call| call.connections.first());
        let caller = caller.map(|leg| leg.device.clone());
        match caller {
            Some(caller) if !after.is_zero() => {
                self.set_timer(key, &caller, Some((now + after, Timer::PickUp)));
            }
            _ => self.originate(key, now),
        }
    }

    pub(super) fn tell_initiated(&mut self, key: CallKey, cause: EventCause) {
        let call = self.calls.get(&key);
        let leg = call.and_then(|call| call.connections.first()).cloned();
        if let Some(leg) = leg.filter(|_| self.config.options.service_initiated) {
            self.report(key, &Report::new(Change::ServiceInitiated, &leg, cause));
        }
    }

    fn check_idle(&self, calling: &DeviceId) -> Result<(), CstaError> {
        let line = self.extension(calling).ok_or_else(invalid_calling_device)?;
        match self.active_call_at(&line) {
            Some(_) => Err(calling_device_state()),
            None => Ok(()),
        }
    }

    /// Makes a call with its caller, initiated.
    pub(super) fn prepare(
        &mut self,
        calling: &DeviceId,
        called: &DeviceId,
        cause: EventCause,
    ) -> Result<(CallKey, ConnectionId), CstaError> {
        let line = self.extension(calling).ok_or_else(invalid_calling_device)?;
        let called = self.number_of(called);
        if line == called {
            return Err(same_device());
        }
        if !self.features(&line)?.in_service {
            return Err(out_of_service());
        }
        if self.held_calls_at(&line) >= HELD_CALLS_MAX {
            return Err(calling_device_state());
        }
        let device = self.terminal_of(&line, calling);
        let key = self.new_call(line.clone(), called);
        if let Some(call) = self.calls.get_mut(&key) {
            call.cause = cause;
        }
        let leg = Connection {
            device: device.clone(),
            ..Connection::new(&line, LocalConnectionState::Initiated)
        };
        self.enter(key, leg);
        Ok((key, self.id_of(key, &device)))
    }

    pub(super) fn held_calls_at(&self, line: &DeviceId) -> usize {
        let held = |call: &Call| call.state(line) == Some(LocalConnectionState::Hold);
        let calls = self.calls_at(line);
        calls.filter(|(_, call)| held(call)).count()
    }

    /// The terminal that a device id names, or the first one of the extension.
    fn terminal_of(&self, line: &DeviceId, device: &DeviceId) -> DeviceId {
        let terminals = self.config.options.terminals.get(line.as_str());
        let mut devices = terminals.into_iter().flat_map(|it| it.devices(line));
        let first = devices.next().unwrap_or_else(|| line.clone());
        match devices.any(|terminal| terminal == *device) {
            true => device.clone(),
            false => first,
        }
    }

    /// A call comes in over a trunk: its caller is connected, and no client sees that.
    fn arrive(
        &mut self,
        from: &DeviceId,
        to: &DeviceId,
        now: Instant,
    ) -> Result<ConnectionId, CstaError> {
        if from == to {
            return Err(same_device());
        }
        let calls = self.calls.values();
        let outside = calls.filter(|call| self.is_outside(&call.calling));
        if outside.count() >= OUTSIDE_CALLS_MAX {
            return Err(network_busy());
        }
        let to = self.number_of(to);
        let leg = self.outside_leg(from, LocalConnectionState::Connected);
        let device = leg.device.clone();
        let key = self.new_call(from.clone(), to.clone());
        self.enter(key, leg);
        let id = self.id_of(key, &device);
        self.route(key, to, EventCause::NEW_CALL, now);
        Ok(id)
    }

    /// Answer Call (§17.1.3); at an initiated connection the user picks up the prompting telephone.
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `invalidConnectionState`, and
    /// `connectedCallExists` when the device talks already: Alternate Call answers then.
    pub fn answer(
        &mut self,
        connection: &ConnectionId,
        actor: Actor,
        now: Instant,
    ) -> Result<(), CstaError> {
        let (key, leg) = self.find(connection, actor)?;
        match leg.state {
            LocalConnectionState::Alerting => {
                let mut calls = self.calls_at(&leg.line);
                let connected = LocalConnectionState::Connected;
                if calls.any(|(_, call)| call.state(&leg.line) == Some(connected)) {
                    return Err(connected_call_exists());
                }
                drop(calls);
                self.establish(key, &leg.device, None);
            }
            LocalConnectionState::Initiated => {
                self.set_timer(key, &leg.device, None);
                self.originate(key, now);
            }
            _ => return Err(connection_state()),
        }
        Ok(())
    }

    /// Hold Call (§17.1.15).
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `invalidConnectionState`, and
    /// `invalidHeldConnectionState` when it is held already.
    pub fn hold(&mut self, connection: &ConnectionId, actor: Actor) -> Result<(), CstaError> {
        let (key, leg) = self.find(connection, actor)?;
        match leg.state {
            // Connected with a timer is an outside party that has not answered yet.
            LocalConnectionState::Connected if self.is_settled(key) && leg.timer.is_none() => {}
            LocalConnectionState::Hold => return Err(held_connection_state()),
            _ => return Err(connection_state()),
        }
        // ECMA-269 §17.2.10: Held C1A, A local hold, B local connected, normal or keyOperation.
        self.change_hold(key, &leg.device, Change::Held, key_cause(actor));
        Ok(())
    }

    /// Retrieve Call (§17.1.23).
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `noHeldCall`, and
    /// `connectedCallExists` when the device has an active call.
    pub fn retrieve(&mut self, connection: &ConnectionId, actor: Actor) -> Result<(), CstaError> {
        let (key, leg) = self.find(connection, actor)?;
        if leg.state != LocalConnectionState::Hold {
            return Err(no_held_call());
        }
        if self.active_call_at(&leg.line).is_some() {
            return Err(connected_call_exists());
        }
        self.change_hold(key, &leg.device, Change::Retrieved, key_cause(actor));
        Ok(())
    }

    pub(super) fn change_hold(
        &mut self,
        key: CallKey,
        device: &DeviceId,
        change: Change,
        cause: EventCause,
    ) {
        let state = match change {
            Change::Held => LocalConnectionState::Hold,
            _ => LocalConnectionState::Connected,
        };
        self.advance(key, device, state);
        self.tell_change(key, change, device, cause);
    }

    /// Clear Connection (§17.1.8): hangs up, gives up, rejects, leaves a conference. A call of two
    /// parties ends with it.
    ///
    /// # Errors
    /// `invalidConnectionID`.
    pub fn clear_connection(&mut self, connection: &ConnectionId) -> Result<(), CstaError> {
        let (key, leg) = self.find(connection, Actor::User)?;
        let cause = self.clearing_cause(key, &leg.line);
        self.clear_leg(key, &leg.device, &cause);
        Ok(())
    }

    /// Clear Call (§17.1.7): the call's id is enough.
    ///
    /// # Errors
    /// `invalidCallID`.
    pub fn clear_call(&mut self, call_id: &CallId) -> Result<(), CstaError> {
        let key = self.key(call_id).ok_or_else(invalid_call)?;
        self.clear(key);
        Ok(())
    }

    /// Ends every call; gives how many.
    pub fn clear_every_call(&mut self) -> usize {
        let keys: Vec<_> = self.calls.keys().copied().collect();
        for key in &keys {
            self.clear(*key);
        }
        keys.len()
    }

    /// Generate Digits (§18.1): the device sends tones into the call.
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `invalidConnectionState`, and
    /// `invalidParameterValue` for what no telephone sends.
    pub fn generate_digits(
        &mut self,
        connection: &ConnectionId,
        digits: &str,
        actor: Actor,
    ) -> Result<(), CstaError> {
        let (key, leg) = self.find(connection, actor)?;
        if leg.state != LocalConnectionState::Connected {
            return Err(connection_state());
        }
        let all = digits
            .chars()
            .all(|digit| "0123456789*#ABCD,".contains(digit));
        if digits.is_empty() || digits.len() > DIGITS_MAX || !all {
            return Err(invalid_parameter_value());
        }
        self.report_digits(key, &leg, digits);
        Ok(())
    }

    /// Attaches data that a service carries to its call; Call Information says so (§18.2). What is
    /// absent stays as it is. Gives whether something changed.
    ///
    /// # Errors
    /// `invalidConnectionID`.
    pub fn associate_data(
        &mut self,
        connection: &ConnectionId,
        data: CallData,
    ) -> Result<bool, CstaError> {
        let (key, leg) = self.find(connection, Actor::User)?;
        let Some(call) = self.calls.get_mut(&key) else {
            return Err(invalid_connection());
        };
        let before = call.data.clone();
        call.data = data.over(&before);
        let changed = call.data != before;
        if changed {
            self.report_information(key, &leg);
        }
        Ok(changed)
    }

    pub(super) fn id_of(&self, key: CallKey, device: &DeviceId) -> ConnectionId {
        let call = self.calls.get(&key);
        let call_id = call.map(|call| call.id.clone());
        ConnectionId {
            call_id,
            device_id: Some(device.clone()),
        }
    }

    pub(super) fn key(&self, call_id: &CallId) -> Option<CallKey> {
        let text = call_id.as_str();
        // The id is opaque to clients, not to us: eight digits of boot, eight of the call.
        let key = CallKey::from_str_radix(text.get(8..)?, 16).ok()?;
        self.calls
            .get(&key)
            .filter(|call| call.id == *call_id)
            .map(|_| key)
    }

    /// The call and connection of an id; a service may not act for parties outside.
    pub(super) fn find(
        &self,
        connection: &ConnectionId,
        actor: Actor,
    ) -> Result<(CallKey, Connection), CstaError> {
        let (Some(call_id), Some(device)) = (&connection.call_id, &connection.device_id) else {
            return Err(invalid_connection());
        };
        let key = self.key(call_id).ok_or_else(invalid_connection)?;
        let call = self.calls.get(&key).ok_or_else(invalid_connection)?;
        let exact = call.connections.iter().find(|leg| leg.device == *device);
        let of_line = || call.connection(&self.number_of(device));
        let leg = exact.or_else(of_line).ok_or_else(invalid_connection)?;
        if leg.outside && actor == Actor::Service {
            return Err(outside_connection());
        }
        Ok((key, leg.clone()))
    }

    /// As [`Self::find`], for what nobody does beyond a trunk.
    pub(super) fn find_inside(
        &self,
        connection: &ConnectionId,
        actor: Actor,
    ) -> Result<(CallKey, Connection), CstaError> {
        let found = self.find(connection, actor)?;
        match found.1.outside {
            true => Err(outside_connection()),
            false => Ok(found),
        }
    }

    /// Whether the call is no fork that nobody has answered yet.
    pub(super) fn is_settled(&self, key: CallKey) -> bool {
        let call = self.calls.get(&key);
        call.is_some_and(|call| call.siblings.is_empty())
    }
}

pub(super) const fn key_cause(actor: Actor) -> EventCause {
    match actor {
        Actor::User => EventCause::KEY_OPERATION,
        Actor::Service => EventCause::NORMAL,
    }
}
