//! Two calls at one telephone: Consultation, Alternate and Reconnect Call (ECMA-269 §17.1).

use std::time::Instant;

use csta::value::ConsultOptions;
use csta::{ConnectionId, CstaError, DeviceId, EventCause, LocalConnectionState};

use super::call::{CallData, CallKey, Connection};
use super::report::Change;
use super::service::key_cause;
use super::{
    Actor, HELD_CALLS_MAX, SwitchingFunction, active_connection_state, calling_device_state,
    connection_state, held_connection_state, not_same_device, same_call, same_device,
};

/// The two connections of one device that a service names.
pub(super) struct Pair {
    pub(super) held: (CallKey, Connection),
    pub(super) active: (CallKey, Connection),
}

impl SwitchingFunction {
    /// Consultation Call (§17.1.10): holds the existing call and makes another, hands-free. Gives the
    /// connection of the new one.
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `invalidConnectionState` unless the
    /// existing call is connected, `invalidCallingDeviceState` when the device has too many calls,
    /// and `notDifferentDevices`.
    pub fn consultation_call(
        &mut self,
        existing: &ConnectionId,
        consulted: &DeviceId,
        options: ConsultOptions,
        data: CallData,
        actor: Actor,
        now: Instant,
    ) -> Result<ConnectionId, CstaError> {
        let (key, leg) = self.find_inside(existing, actor)?;
        if leg.state != LocalConnectionState::Connected || !self.is_settled(key) {
            return Err(connection_state());
        }
        let mut calls = self.calls_at(&leg.line);
        let waiting = calls.any(|(other, call)| other != key && call.is_active_at(&leg.line));
        drop(calls);
        // The existing call will be held, too.
        if waiting || self.held_calls_at(&leg.line) + 1 >= HELD_CALLS_MAX {
            return Err(calling_device_state());
        }
        if self.number_of(consulted) == leg.line {
            return Err(same_device());
        }
        // ECMA-269 §17.1.10: Held C1A, then the events of a new call, all with consultation.
        let cause = EventCause::CONSULTATION;
        self.change_hold(key, &leg.device, Change::Held, cause.clone());
        let (second, id) = self.prepare(&leg.device, consulted, cause.clone())?;
        if let Some(call) = self.calls.get_mut(&second) {
            call.consult = Some(options);
            // ECMA-269 §12.2.10: the data of the request belong to the second call alone.
            call.data = data;
        }
        self.tell_initiated(second, cause);
        self.originate(second, now);
        Ok(id)
    }

    /// Alternate Call (§17.1.2): the active call is held, and the held one is retrieved, or the one
    /// that rings is answered.
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `notSameDevice`,
    /// `notDifferentDevices` for a call with itself, `invalidActiveConnectionState`,
    /// `invalidHeldConnectionState`.
    pub fn alternate_call(
        &mut self,
        held: &ConnectionId,
        active: &ConnectionId,
        actor: Actor,
    ) -> Result<(), CstaError> {
        use LocalConnectionState::{Alerting, Connected, Hold};
        let Pair { held, active } = self.find_pair(held, active, actor)?;
        if active.1.state != Connected || !self.is_settled(active.0) {
            return Err(active_connection_state());
        }
        if !matches!(held.1.state, Hold | Alerting) {
            return Err(held_connection_state());
        }
        let cause = EventCause::ALTERNATE;
        self.change_hold(active.0, &active.1.device, Change::Held, cause.clone());
        if held.1.state == Hold {
            self.change_hold(held.0, &held.1.device, Change::Retrieved, cause);
        } else {
            self.establish(held.0, &held.1.device, Some(cause));
        }
        Ok(())
    }

    /// Reconnect Call (§17.1.22): clears the active connection and retrieves the held call.
    ///
    /// # Errors
    /// `invalidConnectionID`, `requestIncompatibleWithConnection`, `notSameDevice`,
    /// `notDifferentDevices` for a call with itself, `invalidActiveConnectionState`,
    /// `invalidHeldConnectionState`.
    pub fn reconnect_call(
        &mut self,
        active: &ConnectionId,
        held: &ConnectionId,
        actor: Actor,
    ) -> Result<(), CstaError> {
        let Pair { held, active } = self.find_pair(held, active, actor)?;
        if held.1.state != LocalConnectionState::Hold {
            return Err(held_connection_state());
        }
        if active.1.state == LocalConnectionState::Hold {
            return Err(active_connection_state());
        }
        let mut calls = self.calls_at(&active.1.line);
        let line = &active.1.line;
        let third = calls.any(|(key, call)| {
            let of_fork = || call.siblings.contains(&active.0);
            key != active.0 && call.is_active_at(line) && !of_fork()
        });
        drop(calls);
        if third {
            return Err(active_connection_state());
        }
        let cause = self.clearing_cause(active.0, &active.1.line);
        self.clear_leg(active.0, &active.1.device, &cause);
        self.change_hold(held.0, &held.1.device, Change::Retrieved, key_cause(actor));
        Ok(())
    }

    /// Finds the held and the active connection of one device in two calls.
    pub(super) fn find_pair(
        &self,
        held: &ConnectionId,
        active: &ConnectionId,
        actor: Actor,
    ) -> Result<Pair, CstaError> {
        let held = self.find_inside(held, actor)?;
        let active = self.find_inside(active, actor)?;
        if held.1.line != active.1.line {
            return Err(not_same_device());
        }
        if held.0 == active.0 {
            return Err(same_call());
        }
        Ok(Pair { held, active })
    }
}
