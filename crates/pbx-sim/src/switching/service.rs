//! Call control: the services of ECMA-269 §17.1 and the same acts at the telephone.

use std::time::Instant;

use csta::{
    AutoOriginate, CallId, ConnectionId, CstaError, DeviceId, EventCause, LocalConnectionState,
};

use super::call::{Call, CallKey, Timer};
use super::report::{Change, Report};
use super::{
    Actor, HELD_CALLS_MAX, OUTSIDE_CALLS_MAX, SwitchingFunction, calling_device_state,
    connected_call_exists, connection_state, held_connection_state, invalid_call,
    invalid_calling_device, invalid_connection, network_busy, no_held_call, out_of_service,
    outside_connection, same_device,
};

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
        auto_originate: AutoOriginate,
        now: Instant,
    ) -> Result<ConnectionId, CstaError> {
        let calling = self.extension(calling).ok_or_else(invalid_calling_device)?;
        match auto_originate {
            AutoOriginate::Prompt => self.begin(calling, called, EventCause::MAKE_CALL, now),
            // ECMA-269 §17.2.18: no Service Initiated for a hands-free Make Call.
            AutoOriginate::DoNotPrompt => {
                let (key, id) = self.prepare(calling, called)?;
                self.originate(key, now);
                Ok(id)
            }
        }
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
        let calling = self.extension(from).ok_or_else(invalid_calling_device)?;
        self.begin(calling, to, EventCause::NEW_CALL, now)
    }

    /// ECMA-269 §17.2.18: Service Initiated C1A, local initiated, makeCall or newCall.
    fn begin(
        &mut self,
        calling: DeviceId,
        called: &DeviceId,
        cause: EventCause,
        now: Instant,
    ) -> Result<ConnectionId, CstaError> {
        let (key, id) = self.prepare(calling.clone(), called)?;
        self.report(key, &Report::new(Change::ServiceInitiated, &calling, cause));
        let after = self.config.timing.pick_up_after;
        if after.is_zero() {
            self.originate(key, now);
        } else {
            self.set_timer(key, Some((now + after, Timer::PickUp)));
        }
        Ok(id)
    }

    fn prepare(
        &mut self,
        calling: DeviceId,
        called: &DeviceId,
    ) -> Result<(CallKey, ConnectionId), CstaError> {
        let called = DeviceId::new(called.number());
        if calling == called {
            return Err(same_device());
        }
        if !self.features(&calling)?.in_service {
            return Err(out_of_service());
        }
        if self.active_call_at(&calling).is_some() {
            return Err(calling_device_state());
        }
        let held = |call: &Call| call.state(&calling) == Some(LocalConnectionState::Hold);
        let calls = self.calls_at(&calling);
        if calls.filter(|(_, call)| held(call)).count() >= HELD_CALLS_MAX {
            return Err(calling_device_state());
        }
        let key = self.new_call(calling.clone(), called);
        self.enter(key, &calling, LocalConnectionState::Initiated, false);
        Ok((key, self.id_of(key, &calling)))
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
        let outside = self
            .calls
            .values()
            .filter(|call| self.is_outside(&call.calling));
        if outside.count() >= OUTSIDE_CALLS_MAX {
            return Err(network_busy());
        }
        let key = self.new_call(from.clone(), DeviceId::new(to.number()));
        self.enter(key, from, LocalConnectionState::Connected, true);
        self.route(key, DeviceId::new(to.number()), EventCause::NEW_CALL, now);
        Ok(self.id_of(key, from))
    }

    /// Answer Call (§17.1.3); at an initiated connection the user picks up the prompting telephone.
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `invalidConnectionState`.
    pub fn answer(
        &mut self,
        connection: &ConnectionId,
        actor: Actor,
        now: Instant,
    ) -> Result<(), CstaError> {
        let (key, device, state) = self.find(connection, actor)?;
        match state {
            LocalConnectionState::Alerting => self.establish(key, &device),
            LocalConnectionState::Initiated => {
                self.set_timer(key, None);
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
        let (key, device, state) = self.find(connection, actor)?;
        match state {
            LocalConnectionState::Connected => {}
            LocalConnectionState::Hold => return Err(held_connection_state()),
            _ => return Err(connection_state()),
        }
        self.advance(key, &device, LocalConnectionState::Hold);
        // ECMA-269 §17.2.10: Held C1A, A local hold, B local connected, normal or keyOperation.
        self.report(key, &Report::new(Change::Held, &device, key_cause(actor)));
        Ok(())
    }

    /// Retrieve Call (§17.1.23).
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `noHeldCall`, and
    /// `connectedCallExists` when the device has an active call.
    pub fn retrieve(&mut self, connection: &ConnectionId, actor: Actor) -> Result<(), CstaError> {
        let (key, device, state) = self.find(connection, actor)?;
        if state != LocalConnectionState::Hold {
            return Err(no_held_call());
        }
        if self.active_call_at(&device).is_some() {
            return Err(connected_call_exists());
        }
        self.advance(key, &device, LocalConnectionState::Connected);
        self.report(
            key,
            &Report::new(Change::Retrieved, &device, key_cause(actor)),
        );
        Ok(())
    }

    /// Clear Connection (§17.1.8): hangs up, gives up, rejects. A call of two parties ends with it.
    ///
    /// # Errors
    /// `invalidConnectionID`.
    pub fn clear_connection(&mut self, connection: &ConnectionId) -> Result<(), CstaError> {
        let (key, device, _) = self.find(connection, Actor::User)?;
        let cause = self.clearing_cause(key, &device);
        self.clear_all(key, &device, &cause);
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

    fn clear(&mut self, key: CallKey) {
        let call = self.calls.get(&key);
        let first = call.and_then(|call| call.connections.first());
        if let Some(first) = first.map(|leg| leg.device.clone()) {
            let cause = self.clearing_cause(key, &first);
            self.clear_all(key, &first, &cause);
        }
    }

    /// A caller who hangs up before the answer cancels the call.
    fn clearing_cause(&self, key: CallKey, device: &DeviceId) -> EventCause {
        match self.calls.get(&key) {
            Some(call) if is_cancelled_by(call, device) => EventCause::CALL_CANCELLED,
            _ => EventCause::NORMAL_CLEARING,
        }
    }

    fn advance(&mut self, key: CallKey, device: &DeviceId, to: LocalConnectionState) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.advance(device, to);
        }
    }

    fn id_of(&self, key: CallKey, device: &DeviceId) -> ConnectionId {
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

    fn find(
        &self,
        connection: &ConnectionId,
        actor: Actor,
    ) -> Result<(CallKey, DeviceId, LocalConnectionState), CstaError> {
        let (Some(call_id), Some(device)) = (&connection.call_id, &connection.device_id) else {
            return Err(invalid_connection());
        };
        let key = self.key(call_id).ok_or_else(invalid_connection)?;
        let device = DeviceId::new(device.number());
        let call = self.calls.get(&key).ok_or_else(invalid_connection)?;
        let leg = call.connection(&device).ok_or_else(invalid_connection)?;
        if leg.outside && actor == Actor::Service {
            return Err(outside_connection());
        }
        Ok((key, device, leg.state))
    }
}

const fn key_cause(actor: Actor) -> EventCause {
    match actor {
        Actor::User => EventCause::KEY_OPERATION,
        Actor::Service => EventCause::NORMAL,
    }
}

fn is_cancelled_by(call: &Call, device: &DeviceId) -> bool {
    let failed = |state| state == LocalConnectionState::Fail;
    let over = call.established || call.connections.iter().any(|leg| failed(leg.state));
    !over && call.calling == *device
}
