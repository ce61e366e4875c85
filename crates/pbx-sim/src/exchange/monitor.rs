//! Monitors and snapshots (ECMA-269 §15.1, §16.1).

use csta::dialect::SnapshotForm;
use csta::message::monitoring::MonitorObject;
use csta::message::snapshot::{SnapshotCalls, SnapshotSource};
use csta::message::{
    MonitorStart, MonitorStartResponse, MonitorStop, SnapshotCallInfo, SnapshotDevice,
    SnapshotDeviceData, SnapshotDeviceResponse,
};
use csta::{CstaError, MonitorCrossRefId, MonitorType, Request};

use super::Exchange;
use super::serve::Answer;
use crate::switching::{AssociationId, monitor_limit, monitor_type};

impl Exchange {
    pub(super) fn start_monitor(
        &mut self,
        id: AssociationId,
        start: &MonitorStart,
    ) -> Result<MonitorStartResponse, CstaError> {
        let limit = self.association.monitor_limit;
        if limit.is_some_and(|limit| self.pbx.monitor_count() >= limit) {
            self.bite("monitorLimit");
            return Err(monitor_limit());
        }
        // A device has monitors of the device type, a call of the call type.
        let of_call = matches!(start.monitor_object, MonitorObject::Call(_));
        let its_type = if of_call {
            MonitorType::Call
        } else {
            MonitorType::Device
        };
        if start.monitor_type.is_some_and(|wanted| wanted != its_type) {
            return Err(monitor_type());
        }
        let monitor = match &start.monitor_object {
            MonitorObject::Device(device) => self.pbx.start_monitor(id, device)?,
            MonitorObject::Call(call) => self.pbx.start_call_monitor(id, call)?,
        };
        Ok(MonitorStartResponse {
            monitor_existing_calls: Some(self.association.dialect.monitor_existing_calls()),
            ..MonitorStartResponse::new(monitor)
        })
    }

    /// The PBX ends monitors by itself (§15.1.3); gives how many.
    pub(super) fn tell_stopped(&mut self, ended: &[(AssociationId, MonitorCrossRefId)]) -> usize {
        for (id, monitor) in ended {
            self.bite("monitorStopped");
            self.ask(*id, &MonitorStop::new(monitor.clone()).into());
        }
        ended.len()
    }

    /// ECMA-269 §16.1.2: inline or segmented, not both.
    pub(super) fn snapshot(&mut self, request: &SnapshotDevice) -> Result<Answer, CstaError> {
        let calls = self.pbx.snapshot(&request.snapshot_object)?;
        if self.association.dialect.snapshot() == SnapshotForm::Inline {
            return Ok(snapshot_answer(
                SnapshotSource::Inline(SnapshotCalls(calls)),
                Vec::new(),
            ));
        }
        self.bite("snapshotSegmented");
        let service_ref = self.next_service_ref();
        let segments = segments(&service_ref, calls);
        Ok(snapshot_answer(
            SnapshotSource::Segmented(service_ref),
            segments,
        ))
    }
}

fn snapshot_answer(data: SnapshotSource, then: Vec<Request>) -> Answer {
    let response = SnapshotDeviceResponse {
        data: Some(data),
        ..SnapshotDeviceResponse::new()
    };
    Answer {
        then,
        ..response.into()
    }
}

/// One call in each segment; one empty segment when there is no call (§16.1.4).
fn segments(service_ref: &str, calls: Vec<SnapshotCallInfo>) -> Vec<Request> {
    let count = calls.len().max(1);
    let mut calls = calls.into_iter();
    let segment = |number| {
        let segment: Vec<SnapshotCallInfo> = calls.next().into_iter().collect();
        SnapshotDeviceData {
            segment_id: u32::try_from(number).ok(),
            last_segment: Some(number == count),
            snapshot_data: Some(SnapshotCalls(segment)),
            ..SnapshotDeviceData::new(service_ref.to_owned())
        }
        .into()
    };
    (1..=count).map(segment).collect()
}
