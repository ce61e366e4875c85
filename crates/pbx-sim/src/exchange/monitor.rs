//! Monitors and snapshots (ECMA-269 §15.1, §16.1).

use csta::dialect::SnapshotForm;
use csta::message::monitoring::MonitorObject;
use csta::message::snapshot::{
    SnapshotCallSegment, SnapshotCallSource, SnapshotCalls, SnapshotDevices, SnapshotSource,
};
use csta::message::{
    MonitorStart, MonitorStartResponse, MonitorStop, SnapshotCall, SnapshotCallData,
    SnapshotDevice, SnapshotDeviceData, SnapshotDeviceResponse,
};
use csta::{CstaError, Edition, MonitorCrossRefId, MonitorType, Request};

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
        let segments = segments(calls, 1, |number, last, calls| {
            SnapshotDeviceData {
                segment_id: number,
                last_segment: Some(last),
                snapshot_data: Some(SnapshotCalls(calls)),
                ..SnapshotDeviceData::new(service_ref.clone())
            }
            .into()
        });
        Ok(snapshot_answer(
            SnapshotSource::Segmented(service_ref),
            segments,
        ))
    }

    /// ECMA-269 §16.1.1: inline or segmented, not both.
    pub(super) fn snapshot_call(
        &mut self,
        id: AssociationId,
        request: &SnapshotCall,
    ) -> Result<Answer, CstaError> {
        let mut response = self.pbx.snapshot_call(&request.snapshot_object)?;
        if self.association.dialect.snapshot() == SnapshotForm::Inline {
            return Ok(response.into());
        }
        let devices = match response.data.take() {
            Some(SnapshotCallSource::Inline(devices)) => devices.0,
            Some(SnapshotCallSource::Segmented(_)) | None => Vec::new(),
        };
        self.bite("snapshotSegmented");
        let service_ref = self.next_service_ref();
        response.data = Some(SnapshotCallSource::Segmented(service_ref.clone()));
        // The sixth edition's form has no numbers: one message is all of it.
        let size = match self.edition(id) {
            Edition::Ed6 => devices.len().max(1),
            Edition::Ed3 | Edition::Ed4 | Edition::Ed5 => 1,
        };
        let then = segments(devices, size, |number, last, devices| {
            SnapshotCallData(SnapshotCallSegment {
                service_cross_ref_id: Some(service_ref.clone()),
                segment_id: number,
                last_segment: Some(last),
                snapshot_data: Some(SnapshotDevices(devices)),
                ..SnapshotCallSegment::new()
            })
            .into()
        });
        Ok(Answer {
            then,
            ..response.into()
        })
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

/// Items in segments of that size, each with its number and whether it is the last; one empty segment
/// where there is no item (ECMA-269 §16.1.3, §16.1.4).
fn segments<T>(
    items: Vec<T>,
    size: usize,
    segment: impl Fn(Option<u32>, bool, Vec<T>) -> Request,
) -> Vec<Request> {
    let count = items.len().div_ceil(size).max(1);
    let mut items = items.into_iter();
    (1..=count)
        .map(|number| {
            let some = items.by_ref().take(size).collect();
            segment(u32::try_from(number).ok(), number == count, some)
        })
        .collect()
}
