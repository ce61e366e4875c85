//! The connections as those see them who carry the calls to somewhere else: SIP terminals and the trunk.
//! What carries a connection has a number that stays the same when calls are joined.

use std::collections::BTreeMap;
use std::time::Instant;

use csta::{ConnectionId, DeviceId, EventCause, LocalConnectionState};

use super::SwitchingFunction;
use super::call::{Call, CallKey, Connection};
use super::report::{Change, Report};

/// What carries a connection. A number is given once; the caller of a fork with a call for each terminal
/// has one in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LegId(u64);

impl LegId {
    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A connection and how its call stands.
#[derive(Debug, Clone)]
pub struct Leg {
    /// What carries it.
    pub id: LegId,
    /// The connection.
    pub connection: ConnectionId,
    /// The device of the connection: extension, terminal or network interface.
    pub device: DeviceId,
    /// The extension, or the number of a party outside.
    pub line: DeviceId,
    /// Its state.
    pub state: LocalConnectionState,
    /// Whether it is a party beyond a trunk.
    pub outside: bool,
    /// Who calls.
    pub calling: DeviceId,
    /// The number dialled.
    pub called: DeviceId,
    /// Who redirected the call last.
    pub redirected_by: Option<DeviceId>,
    /// Whether somebody answered the call.
    pub established: bool,
    /// Whether the call asks somebody on behalf of a held one.
    pub consulting: bool,
    /// Why the call could not be delivered.
    pub failure: Option<EventCause>,
    /// The states of the other connections.
    pub others: Vec<LocalConnectionState>,
}

impl Leg {
    /// Whether another connection of the call is in that state.
    #[must_use]
    pub fn other_is(&self, state: LocalConnectionState) -> bool {
        self.others.contains(&state)
    }
}

impl SwitchingFunction {
    /// Grows with whatever happens to a call: nothing has changed while it is the same.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Every connection, by what carries it. Of a caller whose call has forked into several, the one
    /// whose call was answered, or the first.
    #[must_use]
    pub fn legs(&self) -> BTreeMap<LegId, Leg> {
        let mut legs: BTreeMap<LegId, Leg> = BTreeMap::new();
        for call in self.calls.values() {
            for connection in &call.connections {
                let leg = leg_of(call, connection);
                match legs.get(&leg.id) {
                    Some(known) if known.established || !leg.established => {}
                    _ => {
                        legs.insert(leg.id, leg);
                    }
                }
            }
        }
        legs
    }

    /// What carries a connection.
    #[must_use]
    pub fn leg_of(&self, connection: &ConnectionId) -> Option<LegId> {
        let key = self.key(connection.call_id.as_ref()?)?;
        let device = connection.device_id.as_ref()?;
        Some(self.calls.get(&key)?.connection(device)?.leg)
    }

    /// The connection that something carries, and only one call if there are several.
    #[must_use]
    pub fn connection_of(&self, leg: LegId) -> Option<ConnectionId> {
        let (key, connection) = self.carried(leg)?;
        Some(self.id_of(key, &connection.device))
    }

    /// The device ids of an extension's terminals; none where a client sees the extension alone.
    #[must_use]
    pub fn terminals_of(&self, line: &DeviceId) -> Vec<DeviceId> {
        let terminals = self.config.options.terminals.get(line.as_str());
        let devices = terminals.into_iter().flat_map(|it| it.devices(line));
        devices.collect()
    }

    /// Whether a number is reached through a trunk that somebody carries.
    #[must_use]
    pub fn is_routed(&self, number: &DeviceId) -> bool {
        let mut routes = self.config.routes.iter();
        routes.any(|route| number.as_str().starts_with(route.as_str()))
    }

    /// A number as that of a party outside: behind the trunk prefix, unless it stands there already.
    /// `None` where there are no parties outside.
    #[must_use]
    pub fn outside_number(&self, number: &str) -> Option<DeviceId> {
        let prefix = self.config.trunk_prefix.as_str();
        let number = match number.starts_with(prefix) {
            true => number.to_owned(),
            false => format!("{prefix}{number}"),
        };
        let number = DeviceId::new(number);
        self.is_outside(&number).then_some(number)
    }

    /// The party beyond the trunk answers.
    pub fn outside_answers(&mut self, leg: LegId) {
        if let Some((key, connection)) = self.carried(leg).filter(|(_, it)| it.outside) {
            self.establish(key, &connection.device, None);
        }
    }

    /// The party beyond the trunk cannot be reached: Failed (ECMA-269 §17.2.9), and the caller hears a
    /// tone.
    pub fn outside_fails(&mut self, leg: LegId, cause: EventCause, now: Instant) {
        let Some((key, connection)) = self.carried(leg).filter(|(_, it)| it.outside) else {
            return;
        };
        self.note_failure(key, &cause);
        self.leave(key, &connection.device);
        let failed = Connection {
            state: LocalConnectionState::Fail,
            timer: None,
            ..connection
        };
        self.enter(key, failed.clone());
        self.report(key, &Report::new(Change::Failed, &failed, cause));
        self.tone(key, &failed.device, now);
    }

    pub(super) fn note_failure(&mut self, key: CallKey, cause: &EventCause) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.failure = Some(cause.clone());
        }
    }

    fn carried(&self, leg: LegId) -> Option<(CallKey, Connection)> {
        let mut calls = self.calls.iter();
        calls.find_map(|(key, call)| {
            let connection = call.connections.iter().find(|it| it.leg == leg)?;
            Some((*key, connection.clone()))
        })
    }
}

fn leg_of(call: &Call, connection: &Connection) -> Leg {
    let others = call.connections.iter();
    let others = others.filter(|other| other.device != connection.device);
    Leg {
        id: connection.leg,
        connection: ConnectionId::new(call.id.clone(), connection.device.clone()),
        device: connection.device.clone(),
        line: connection.line.clone(),
        state: connection.state,
        outside: connection.outside,
        calling: call.calling.clone(),
        called: call.called.clone(),
        redirected_by: call.last_redirection.clone(),
        established: call.established,
        consulting: call.consult.is_some(),
        failure: call.failure.clone(),
        others: others.map(|other| other.state).collect(),
    }
}
