//! What may be asked without changing anything: by the control port, the users' traffic and tests.

use csta::{CallId, ConnectionId, DeviceId, LocalConnectionState};

use super::SwitchingFunction;
use super::call::{Call, CallKey};
use super::report::Stats;
use crate::truth::{Truth, TruthDevice};

impl SwitchingFunction {
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

    /// The device's connection in its active call, if it has one: that in which it talks before one
    /// that rings.
    #[must_use]
    pub fn active_connection(&self, device: &DeviceId) -> Option<ConnectionId> {
        let line = self.number_of(device);
        let key = self.active_call_at(&line)?;
        self.calls.get(&key).map(|call| call.connection_id(&line))
    }

    /// The device's connection that came last of those in that state; of a terminal if it is named.
    #[must_use]
    pub fn connection_in(
        &self,
        device: &DeviceId,
        state: LocalConnectionState,
    ) -> Option<ConnectionId> {
        let line = self.number_of(device);
        let calls = self.calls_at(&line);
        let legs = calls.flat_map(|(_, call)| call.of_line(&line).map(move |leg| (call, leg)));
        let legs = legs.filter(|(_, leg)| leg.state == state);
        let legs = legs.filter(|(_, leg)| *device == line || *device == leg.device);
        let last = legs.last();
        last.map(|(call, leg)| ConnectionId::new(call.id.clone(), leg.device.clone()))
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
        let object = self.object(device)?;
        let telephone = self.extensions.get(&object)?.group.is_none();
        telephone.then_some(object)
    }

    /// Whether a device is a group that distributes calls, not a telephone.
    #[must_use]
    pub fn is_group(&self, device: &DeviceId) -> bool {
        let extension = self.extensions.get(&self.number_of(device));
        extension.is_some_and(|extension| extension.group.is_some())
    }

    /// Whether a number belongs to a party beyond a trunk.
    #[must_use]
    pub fn is_outside(&self, device: &DeviceId) -> bool {
        let prefix = self.config.trunk_prefix.as_str();
        let outside = !prefix.is_empty() && device.as_str().starts_with(prefix);
        (outside || self.is_routed(device)) && !self.extensions.contains_key(device)
    }

    /// What can be monitored: extension or group.
    pub(super) fn object(&self, device: &DeviceId) -> Option<DeviceId> {
        let number = self.number_of(device);
        self.extensions.contains_key(&number).then_some(number)
    }

    /// The number in a device id of any form; for a terminal, that of its extension.
    pub(super) fn number_of(&self, device: &DeviceId) -> DeviceId {
        let of_terminal = self.terminals.get(device).cloned();
        of_terminal.unwrap_or_else(|| DeviceId::new(device.number()))
    }

    /// Whether a further call cannot ring there.
    pub(super) fn is_busy(&self, line: &DeviceId) -> bool {
        if !self.config.options.call_waiting {
            return self.active_call_at(line).is_some();
        }
        let mut active = self.calls_at(line);
        active.any(|(_, call)| {
            call.is_active_at(line) && call.state(line) != Some(LocalConnectionState::Connected)
        })
    }

    pub(super) fn active_call_at(&self, line: &DeviceId) -> Option<CallKey> {
        let calls = self.calls_at(line);
        let active = calls.filter(|(_, call)| call.is_active_at(line));
        let rings = |call: &Call| call.state(line) == Some(LocalConnectionState::Alerting);
        active
            .min_by_key(|(_, call)| rings(call))
            .map(|(key, _)| key)
    }

    /// The calls of an extension, in the order in which they came; of an outside party by search.
    pub(super) fn calls_at(
        &self,
        line: &DeviceId,
    ) -> Box<dyn DoubleEndedIterator<Item = (CallKey, &Call)> + '_> {
        match self.extensions.get(line) {
            Some(extension) => {
                let keys = extension.calls.iter();
                Box::new(keys.filter_map(|key| self.calls.get(key).map(|call| (*key, call))))
            }
            None => {
                let line = line.clone();
                let calls = self.calls.iter().map(|(key, call)| (*key, call));
                Box::new(calls.filter(move |(_, call)| call.connection(&line).is_some()))
            }
        }
    }
}
