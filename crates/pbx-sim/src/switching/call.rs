//! One call and its connections (ECMA-269 §6.1.4, §6.1.5).

use std::time::Instant;

use csta::{CallId, CallState, ConnectionId, DeviceId, LocalConnectionState};

use crate::truth::{TruthCall, TruthConnection};

/// Finds a call; the second half of its id.
pub(super) type CallKey = u32;

/// A call: its parties and what happens to it next.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) calling: DeviceId,
    /// The number dialled, whoever answers in the end.
    pub(super) called: DeviceId,
    pub(super) last_redirection: Option<DeviceId>,
    /// The caller's first; two at most.
    pub(super) connections: Vec<Connection>,
    /// Whether somebody answered.
    pub(super) established: bool,
    pub(super) timer: Option<(Instant, Timer)>,
}

/// A device in a call. There is no connection in the null state: it is taken out.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) device: DeviceId,
    pub(super) state: LocalConnectionState,
    pub(super) outside: bool,
}

/// What a call waits for; one thing at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The user picks up the prompting phone, or ends dialling.
    PickUp,
    /// No-answer forwarding.
    NoAnswer,
    /// The PBX stops ringing.
    RingTimeout,
    /// The outside party answers.
    OutsideAnswer,
    /// The caller has heard the busy or number-unobtainable tone long enough.
    Tone,
}

impl Call {
    pub(super) fn connection(&self, device: &DeviceId) -> Option<&Connection> {
        self.connections.iter().find(|leg| leg.device == *device)
    }

    pub(super) fn state(&self, device: &DeviceId) -> Option<LocalConnectionState> {
        self.connection(device).map(|leg| leg.state)
    }

    pub(super) fn connection_id(&self, device: &DeviceId) -> ConnectionId {
        ConnectionId::new(self.id.clone(), device.clone())
    }

    pub(super) fn alerting(&self) -> Option<&Connection> {
        let mut legs = self.connections.iter();
        legs.find(|leg| leg.state == LocalConnectionState::Alerting)
    }

    /// Whether the call takes the device's attention: neither on hold nor a call that failed because
    /// the device was busy with another one.
    pub(super) fn is_active_at(&self, device: &DeviceId) -> bool {
        match self.state(device) {
            Some(LocalConnectionState::Hold) | None => false,
            Some(LocalConnectionState::Fail) => self.calling == *device,
            Some(_) => true,
        }
    }

    pub(super) fn add(&mut self, device: DeviceId, state: LocalConnectionState, outside: bool) {
        debug_assert!(
            self.connection(&device).is_none(),
            "one connection a device"
        );
        debug_assert!(self.connections.len() < 2, "two parties a call");
        self.connections.push(Connection {
            device,
            state,
            outside,
        });
    }

    /// Moves a connection from one state to another; both are the caller's to have checked.
    pub(super) fn advance(&mut self, device: &DeviceId, to: LocalConnectionState) {
        use LocalConnectionState::{Alerting, Connected, Fail, Hold, Initiated};
        let leg = self
            .connections
            .iter_mut()
            .find(|leg| leg.device == *device);
        debug_assert!(leg.is_some(), "a connection that changes is there");
        if let Some(leg) = leg {
            debug_assert!(
                matches!(
                    (leg.state, to),
                    (Initiated | Alerting | Hold, Connected) | (Connected, Hold | Fail)
                ),
                "{:?} to {to:?}",
                leg.state
            );
            leg.state = to;
        }
    }

    /// The compound state for a snapshot of `device`: its own first.
    pub(super) fn compound_state(&self, device: &DeviceId) -> CallState {
        let own = self.state(device);
        let others = self.connections.iter().filter(|leg| leg.device != *device);
        CallState::Compound(own.into_iter().chain(others.map(|leg| leg.state)).collect())
    }

    pub(super) fn truth(&self) -> TruthCall {
        let legs = self.connections.iter().map(|leg| TruthConnection {
            device: leg.device.to_string(),
            state: leg.state.to_string(),
            outside: leg.outside,
        });
        TruthCall {
            call_id: self.id.to_string(),
            calling: self.calling.to_string(),
            called: self.called.to_string(),
            last_redirection: self.last_redirection.as_ref().map(ToString::to_string),
            connections: legs.collect(),
        }
    }
}
