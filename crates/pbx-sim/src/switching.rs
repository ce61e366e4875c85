//! The switching function: extensions, calls, connections and monitors as ECMA-269 has them.
//!
//! No I/O and no clock. Commands are telephone users' acts and CSTA services; each one changes the
//! model at once or is refused with the [`CstaError`] that a CSTA client gets. Drain
//! [`SwitchingFunction::poll_event`] after every command and [`SwitchingFunction::handle_timeout`].
//!
//! A telephone has one active call and up to [`HELD_CALLS_MAX`] held ones. A call has two parties.
//! Only a client's monitors see events: one event for each monitor of each device in the call, with
//! the state of *that* device's connection.

mod call;
mod feature;
mod refusal;
mod report;
mod route;
mod service;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use csta::message::SnapshotCallInfo;
use csta::{
    CallId, ConnectionId, CstaError, DeviceId, Event, EventCause, ExtendedDeviceId,
    LocalConnectionState, MonitorCrossRefId,
};

use crate::config::{Config, Timing};
use crate::truth::{Truth, TruthDevice};
use call::{Call, CallKey, Timer};
pub use feature::{
    Agent, AgentAct, AgentState, Device, DeviceCount, Features, Forwarding, ForwardingType,
    MessageWaiting,
};
pub(crate) use refusal::*;
use report::Report;
pub use report::{Change, Stats};

/// Most calls that a telephone holds.
pub const HELD_CALLS_MAX: usize = 8;
/// Most calls at a time that come from outside: as many as a large trunk group has channels.
pub const OUTSIDE_CALLS_MAX: usize = 2_000;

/// Names the client that owns a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssociationId(pub u64);

/// Who acts: it shows in the cause of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Somebody at the telephone.
    User,
    /// A CSTA service.
    Service,
}

/// See the module.
#[derive(Debug)]
pub struct SwitchingFunction {
    config: SwitchingConfig,
    boot: u32,
    last_call: CallKey,
    last_monitor: u64,
    extensions: BTreeMap<DeviceId, Extension>,
    calls: BTreeMap<CallKey, Call>,
    timers: BTreeSet<(Instant, CallKey)>,
    monitors: BTreeMap<u64, Monitor>,
    events: VecDeque<(AssociationId, Event)>,
    stats: Stats,
    feature_changes: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
struct SwitchingConfig {
    trunk_prefix: String,
    timing: Timing,
    diverted_to_all: bool,
}

#[derive(Debug, Default)]
struct Extension {
    features: Features,
    /// In the order in which they came.
    calls: Vec<CallKey>,
    monitors: Vec<u64>,
}

#[derive(Debug)]
struct Monitor {
    id: MonitorCrossRefId,
    association: AssociationId,
    device: DeviceId,
}

impl SwitchingFunction {
    /// A PBX with its extensions and without calls. `boot` becomes part of every call id.
    #[must_use]
    pub fn new(config: &Config, boot: u32) -> Self {
        let users = config.extensions.iter().map(|number| (number, true));
        let phantoms = config.phantoms.iter().map(|number| (number, false));
        // A number that stands in both lists has a user.
        let extensions = phantoms.chain(users).map(|(number, has_user)| {
            let features = Features::new(has_user);
            (
                DeviceId::new(number),
                Extension {
                    features,
                    ..Extension::default()
                },
            )
        });
        Self {
            config: SwitchingConfig {
                trunk_prefix: config.trunk_prefix.clone(),
                timing: config.timing,
                diverted_to_all: config.diverted_to_all,
            },
            boot,
            last_call: 0,
            last_monitor: 0,
            extensions: extensions.collect(),
            calls: BTreeMap::new(),
            timers: BTreeSet::new(),
            monitors: BTreeMap::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
            feature_changes: BTreeMap::new(),
        }
    }

    /// Switches off and on: no call is left and no event says so; features stay.
    pub fn restart(&mut self, boot: u32) {
        self.stats.calls_lost += self.calls.len() as u64;
        self.boot = boot;
        self.last_call = 0;
        self.calls.clear();
        self.timers.clear();
        self.monitors.clear();
        self.events.clear();
        for extension in self.extensions.values_mut() {
            extension.calls.clear();
            extension.monitors.clear();
        }
    }

    /// Starts a device-type monitor. It reports calls that exist already, too.
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is no extension.
    pub fn start_monitor(
        &mut self,
        association: AssociationId,
        device: &DeviceId,
    ) -> Result<MonitorCrossRefId, CstaError> {
        let device = self.extension(device).ok_or_else(invalid_device)?;
        self.last_monitor += 1;
        let number = self.last_monitor;
        let id = MonitorCrossRefId::new(number.to_string());
        if let Some(extension) = self.extensions.get_mut(&device) {
            extension.monitors.push(number);
        }
        let monitor = Monitor {
            id: id.clone(),
            association,
            device,
        };
        self.monitors.insert(number, monitor);
        Ok(id)
    }

    /// Ends a monitor.
    ///
    /// # Errors
    /// `invalidMonitorCrossRefID` when the association has no such monitor.
    pub fn stop_monitor(
        &mut self,
        association: AssociationId,
        id: &MonitorCrossRefId,
    ) -> Result<(), CstaError> {
        let number: u64 = id.as_str().parse().map_err(|_| invalid_monitor())?;
        let monitor = self.monitors.get(&number);
        if monitor.is_none_or(|m| m.association != association || m.id != *id) {
            return Err(invalid_monitor());
        }
        self.remove_monitor(number);
        Ok(())
    }

    /// Ends all monitors of a client that is gone, and forgets its events.
    pub fn stop_monitors(&mut self, association: AssociationId) {
        let monitors = self.monitors.iter();
        let theirs = monitors.filter(|(_, monitor)| monitor.association == association);
        for number in theirs.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.remove_monitor(number);
        }
        self.events.retain(|(owner, _)| *owner != association);
    }

    fn remove_monitor(&mut self, number: u64) {
        if let Some(monitor) = self.monitors.remove(&number)
            && let Some(extension) = self.extensions.get_mut(&monitor.device)
        {
            extension.monitors.retain(|other| *other != number);
        }
    }

    /// The calls at an extension, each with its compound state.
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is no extension.
    pub fn snapshot(&self, device: &DeviceId) -> Result<Vec<SnapshotCallInfo>, CstaError> {
        let device = self.extension(device).ok_or_else(invalid_device)?;
        let calls = self.calls_at(&device);
        Ok(calls
            .map(|(_, call)| SnapshotCallInfo {
                endpoint_device: Some(ExtendedDeviceId::Known(device.clone())),
                local_call_state: Some(call.compound_state(&device)),
                ..SnapshotCallInfo::new(call.connection_id(&device))
            })
            .collect())
    }

    /// Lets everything happen that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(due, key)) = self.timers.first()
            && due <= now
        {
            self.timers.pop_first();
            let timer = self.calls.get_mut(&key).and_then(|call| call.timer.take());
            debug_assert!(timer.is_some(), "an entry of the table has its call");
            if let Some((due, timer)) = timer {
                self.act(key, timer, due);
            }
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// The next event for a client.
    pub fn poll_event(&mut self) -> Option<(AssociationId, Event)> {
        self.events.pop_front()
    }

    /// All calls as they are.
    #[must_use]
    pub fn truth(&self) -> Truth {
        Truth {
            boot: self.boot,
            calls: self.calls.values().map(Call::truth).collect(),
            devices: self
                .extensions
                .iter()
                .map(|(device, extension)| (device.to_string(), extension.features.truth()))
                .filter(|(_, device)| *device != TruthDevice::default())
                .collect(),
        }
    }

    /// What was counted.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Monitors that are running.
    #[must_use]
    pub fn monitor_count(&self) -> usize {
        self.monitors.len()
    }

    /// Calls that are there.
    #[must_use]
    pub fn call_count(&self) -> usize {
        self.calls.len()
    }

    /// The device's connection in its active call, if it has one.
    #[must_use]
    pub fn active_connection(&self, device: &DeviceId) -> Option<ConnectionId> {
        let key = self.active_call_at(device)?;
        self.calls.get(&key).map(|call| call.connection_id(device))
    }

    /// The device's connection that came last of those in that state.
    #[must_use]
    pub fn connection_in(
        &self,
        device: &DeviceId,
        state: LocalConnectionState,
    ) -> Option<ConnectionId> {
        let calls = self.calls_at(device);
        let mut theirs = calls.filter(|(_, call)| call.state(device) == Some(state));
        theirs
            .next_back()
            .map(|(_, call)| call.connection_id(device))
    }

    /// The connection that alerts in a call.
    #[must_use]
    pub fn alerting_in(&self, call_id: &CallId) -> Option<ConnectionId> {
        let call = self.calls.get(&self.key(call_id)?)?;
        call.alerting().map(|leg| call.connection_id(&leg.device))
    }

    /// Whether a call was forwarded; `None` when it is over.
    #[must_use]
    pub fn is_redirected(&self, call_id: &CallId) -> Option<bool> {
        let call = self.calls.get(&self.key(call_id)?)?;
        Some(call.last_redirection.is_some())
    }

    /// The extension that a device id in any form names.
    #[must_use]
    pub fn extension(&self, device: &DeviceId) -> Option<DeviceId> {
        let plain = DeviceId::new(device.number());
        self.extensions.contains_key(&plain).then_some(plain)
    }

    /// Whether a number belongs to a party beyond a trunk.
    #[must_use]
    pub fn is_outside(&self, device: &DeviceId) -> bool {
        let prefix = self.config.trunk_prefix.as_str();
        !prefix.is_empty()
            && device.as_str().starts_with(prefix)
            && !self.extensions.contains_key(device)
    }

    fn active_call_at(&self, device: &DeviceId) -> Option<CallKey> {
        let mut calls = self.calls_at(device);
        calls
            .find(|(_, call)| call.is_active_at(device))
            .map(|(key, _)| key)
    }

    /// The calls of an extension, in the order in which they came; of an outside party by search.
    fn calls_at(
        &self,
        device: &DeviceId,
    ) -> Box<dyn DoubleEndedIterator<Item = (CallKey, &Call)> + '_> {
        match self.extensions.get(device) {
            Some(extension) => {
                let keys = extension.calls.iter();
                Box::new(keys.filter_map(|key| self.calls.get(key).map(|call| (*key, call))))
            }
            None => {
                let device = device.clone();
                let calls = self.calls.iter().map(|(key, call)| (*key, call));
                Box::new(calls.filter(move |(_, call)| call.connection(&device).is_some()))
            }
        }
    }

    fn set_timer(&mut self, key: CallKey, timer: Option<(Instant, Timer)>) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if let Some((due, _)) = call.timer.take() {
            self.timers.remove(&(due, key));
        }
        if let Some((due, _)) = timer {
            self.timers.insert((due, key));
        }
        call.timer = timer;
    }

    /// Puts a device into a call.
    fn enter(
        &mut self,
        key: CallKey,
        device: &DeviceId,
        state: LocalConnectionState,
        outside: bool,
    ) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.add(device.clone(), state, outside);
        }
        if let Some(extension) = self.extensions.get_mut(device) {
            extension.calls.push(key);
        }
    }

    /// Takes a device out of a call, without a word.
    fn leave(&mut self, key: CallKey, device: &DeviceId) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.connections.retain(|leg| leg.device != *device);
        }
        if let Some(extension) = self.extensions.get_mut(device) {
            extension.calls.retain(|other| *other != key);
        }
    }

    /// Ends a call, `first`'s connection before the other.
    ///
    /// ECMA-269 §17.2.4: Connection Cleared C1A to all that are in the call (A local null); then the
    /// last party, alone, is cleared as well.
    fn clear_all(&mut self, key: CallKey, first: &DeviceId, cause: &EventCause) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let others = call.connections.iter().map(|leg| leg.device.clone());
        let others: Vec<_> = others.filter(|device| device != first).collect();
        self.set_timer(key, None);
        for device in std::iter::once(first).chain(&others) {
            self.leave(key, device);
            let report = Report::new(Change::ConnectionCleared, device, cause.clone());
            self.report(key, &report);
        }
        self.calls.remove(&key);
        self.stats.calls_ended += 1;
    }

    fn new_call(&mut self, calling: DeviceId, called: DeviceId) -> CallKey {
        self.last_call += 1;
        let key = self.last_call;
        let call = Call {
            id: CallId::new(format!("{:08X}{key:08X}", self.boot)),
            calling,
            called,
            last_redirection: None,
            connections: Vec::with_capacity(2),
            established: false,
            timer: None,
        };
        self.calls.insert(key, call);
        self.stats.calls_begun += 1;
        key
    }
}
