//! Monitors of devices and of calls (ECMA-269 §15.1), and snapshots (§16.1).

use csta::message::snapshot::{SnapshotDevices, Source};
use csta::message::{SnapshotCallInfo, SnapshotCallResponse, SnapshotDeviceInfo};
use csta::{ConnectionId, CstaError, DeviceId, ExtendedDeviceId, MonitorCrossRefId};

use super::call::CallKey;
use super::{AssociationId, SwitchingFunction, invalid_call, invalid_device, invalid_monitor};

#[derive(Debug)]
pub(super) struct Monitor {
    pub(super) id: MonitorCrossRefId,
    pub(super) association: AssociationId,
    pub(super) object: MonitorObject,
}

/// What a monitor watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MonitorObject {
    /// A device: device-type.
    Device(DeviceId),
    /// A call, and the one that comes of it: call-type.
    Call(CallKey),
}

impl SwitchingFunction {
    /// Starts a device-type monitor. It reports calls that exist already, too.
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is neither extension nor group.
    pub fn start_monitor(
        &mut self,
        association: AssociationId,
        device: &DeviceId,
    ) -> Result<MonitorCrossRefId, CstaError> {
        let device = self.object(device).ok_or_else(invalid_device)?;
        let (number, id) = self.new_monitor(association, MonitorObject::Device(device.clone()));
        if let Some(extension) = self.extensions.get_mut(&device) {
            extension.monitors.push(number);
        }
        Ok(id)
    }

    /// Starts a call-type monitor of the call that a connection belongs to; its call id is enough. It
    /// ends with the call, after Call Cleared, and goes on with the call that comes of a transfer or
    /// conference.
    ///
    /// # Errors
    /// `invalidCallID` when there is no such call.
    pub fn start_call_monitor(
        &mut self,
        association: AssociationId,
        call: &ConnectionId,
    ) -> Result<MonitorCrossRefId, CstaError> {
        let key = call.call_id.as_ref().and_then(|id| self.key(id));
        let key = key.ok_or_else(invalid_call)?;
        let (number, id) = self.new_monitor(association, MonitorObject::Call(key));
        if let Some(call) = self.calls.get_mut(&key) {
            call.monitors.push(number);
        }
        Ok(id)
    }

    fn new_monitor(
        &mut self,
        association: AssociationId,
        object: MonitorObject,
    ) -> (u64, MonitorCrossRefId) {
        self.last_monitor += 1;
        let number = self.last_monitor;
        let id = MonitorCrossRefId::new(number.to_string());
        let monitor = Monitor {
            id: id.clone(),
            association,
            object,
        };
        self.monitors.insert(number, monitor);
        (number, id)
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

    pub(super) fn remove_monitor(&mut self, number: u64) {
        let numbers = match self.monitors.remove(&number).map(|monitor| monitor.object) {
            Some(MonitorObject::Device(device)) => {
                let extension = self.extensions.get_mut(&device);
                extension.map(|extension| &mut extension.monitors)
            }
            Some(MonitorObject::Call(key)) => {
                let call = self.calls.get_mut(&key);
                call.map(|call| &mut call.monitors)
            }
            None => None,
        };
        if let Some(numbers) = numbers {
            numbers.retain(|other| *other != number);
        }
    }

    /// The calls at an extension or group, each connection with the state of its call: several of one
    /// call while terminals ring.
    ///
    /// # Errors
    /// `invalidDeviceID` when `device` is neither.
    pub fn snapshot(&self, device: &DeviceId) -> Result<Vec<SnapshotCallInfo>, CstaError> {
        let line = self.object(device).ok_or_else(invalid_device)?;
        let simple = self.config.options.simple_call_states;
        let calls = self.calls_at(&line);
        let legs = calls.flat_map(|(_, call)| call.of_line(&line).map(move |leg| (call, leg)));
        Ok(legs
            .map(|(call, leg)| SnapshotCallInfo {
                endpoint_device: Some(leg.party()),
                local_call_state: Some(call.call_state(leg, simple)),
                ..SnapshotCallInfo::new(ConnectionId::new(call.id.clone(), leg.device.clone()))
            })
            .collect())
    }

    /// The devices of a call (ECMA-269 §16.1.1); its call id is enough.
    ///
    /// # Errors
    /// `invalidCallID` when there is no such call.
    pub fn snapshot_call(&self, call: &ConnectionId) -> Result<SnapshotCallResponse, CstaError> {
        let key = call.call_id.as_ref().and_then(|id| self.key(id));
        let call = key.and_then(|key| self.calls.get(&key));
        let call = call.ok_or_else(invalid_call)?;
        let devices = call.connections.iter().map(|leg| SnapshotDeviceInfo {
            call_identifier: Some(ConnectionId::new(call.id.clone(), leg.device.clone())),
            local_connection_info: Some(leg.state),
            ..SnapshotDeviceInfo::new(leg.party())
        });
        Ok(SnapshotCallResponse {
            data: Some(Source::Inline(SnapshotDevices(devices.collect()))),
            calling_device: Some(call.caller()),
            called_device: Some(ExtendedDeviceId::Known(call.called.clone())),
            correlator_data: call.data.correlator.clone(),
            subject_of_call: call.data.subject.clone(),
            ..SnapshotCallResponse::new()
        })
    }
}
