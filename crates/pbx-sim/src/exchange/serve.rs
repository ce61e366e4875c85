//! Requests of clients: after their delay, carried out and answered.

use std::time::Instant;

use csta::message::monitoring::MonitorObject;
use csta::message::snapshot::{SnapshotCalls, SnapshotSource};
use csta::message::{
    AnswerCallResponse, ClearCallResponse, ClearConnectionResponse, HoldCallResponse, MakeCall,
    MakeCallResponse, MonitorStart, MonitorStartResponse, MonitorStopResponse,
    RequestSystemStatusResponse, RetrieveCallResponse, SnapshotCallInfo, SnapshotDevice,
    SnapshotDeviceData, SnapshotDeviceResponse, SystemRegisterResponse, SystemStatusResponse,
};
use csta::{AutoOriginate, CstaError, InvokeId, MonitorType, Request, Response, SystemStatusValue};

use super::{Exchange, Output, PENDING_REQUESTS_MAX, Pending};
use crate::switching::{
    Actor, AssociationId, invalid_call, invalid_monitor_object, monitor_limit, monitor_type,
    no_session, outstanding_requests, service_not_supported,
};
use crate::truth::{CALLED_NUMBERS_MAX, count};

impl Exchange {
    pub(super) fn handle_request(
        &mut self,
        id: AssociationId,
        invoke_id: InvokeId,
        request: Request,
        now: Instant,
    ) {
        count(&mut self.ledger.requests, request.name());
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let delay = self.association.response_delay;
        if delay.is_zero() && link.pending.is_empty() {
            self.carry_out(id, invoke_id, &request, now);
        } else if link.pending.len() < PENDING_REQUESTS_MAX {
            // In order, even if the delay was shortened meanwhile.
            let last = link.pending.back().map(|pending| pending.due);
            link.pending.push_back(Pending {
                due: last.map_or(now + delay, |last| last.max(now + delay)),
                invoke_id,
                request,
            });
        } else {
            self.answer(id, invoke_id, &outstanding_requests().into());
        }
    }

    pub(super) fn carry_out_pending(&mut self, now: Instant) {
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in ids {
            let due = |pending: &mut Pending| pending.due <= now;
            while let Some(link) = self.links.get_mut(&id)
                && let Some(pending) = link.pending.pop_front_if(due)
            {
                self.carry_out(id, pending.invoke_id, &pending.request, now);
            }
        }
    }

    pub(super) fn expire_sessions(&mut self, now: Instant) {
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in ids {
            let link = self.links.get_mut(&id);
            if let Some(notice) = link.and_then(|link| link.session.expire(now)) {
                self.ledger.sessions_expired += 1;
                self.ask(id, &notice);
                self.close_link(id);
                self.output.push_back(Output::Close(id));
            }
        }
    }

    /// The events of a request may come before or after its response.
    fn carry_out(
        &mut self,
        id: AssociationId,
        invoke_id: InvokeId,
        request: &Request,
        now: Instant,
    ) {
        let response = self.respond(id, request, now);
        if self.association.events_first {
            self.drain_events();
        }
        let answer = response.unwrap_or_else(|refusal| Some(refusal.into()));
        if let Some(answer) = answer {
            self.answer(id, invoke_id, &answer);
        }
        self.drain_events();
        if let Request::SnapshotDevice(snapshot) = request
            && self.association.segmented_snapshots
        {
            self.send_segments(id, invoke_id, snapshot);
        }
    }

    fn respond(
        &mut self,
        id: AssociationId,
        request: &Request,
        now: Instant,
    ) -> Result<Option<Response>, CstaError> {
        if let Some(response) = self.respond_to_session(id, request, now) {
            return Ok(Some(response));
        }
        self.check_session(id)?;
        let model_now = self.model_time(now);
        let pbx = &mut self.pbx;
        let service = Actor::Service;
        let response: Response = match request {
            Request::MonitorStart(start) => self.start_monitor(id, start)?.into(),
            Request::MonitorStop(stop) => {
                pbx.stop_monitor(id, &stop.monitor_cross_ref_id)?;
                MonitorStopResponse::new().into()
            }
            Request::SnapshotDevice(snapshot) => self.snapshot(snapshot)?.into(),
            Request::MakeCall(make) => self.make_call(make, model_now)?.into(),
            Request::AnswerCall(answer) => {
                pbx.answer(&answer.call_to_be_answered, service, model_now)?;
                AnswerCallResponse::new().into()
            }
            Request::HoldCall(hold) => {
                pbx.hold(&hold.call_to_be_held, service)?;
                HoldCallResponse::new().into()
            }
            Request::RetrieveCall(retrieve) => {
                pbx.retrieve(&retrieve.call_to_be_retrieved, service)?;
                RetrieveCallResponse::new().into()
            }
            Request::ClearConnection(clear) => {
                pbx.clear_connection(&clear.connection_to_be_cleared)?;
                ClearConnectionResponse::new().into()
            }
            Request::ClearCall(clear) => {
                let call_id = clear.call_to_be_cleared.call_id.as_ref();
                pbx.clear_call(call_id.ok_or_else(invalid_call)?)?;
                ClearCallResponse::new().into()
            }
            Request::RequestSystemStatus(_) => {
                RequestSystemStatusResponse::new(SystemStatusValue::Normal).into()
            }
            Request::SystemStatus(_) => SystemStatusResponse::new().into(),
            Request::SystemRegister(_) => SystemRegisterResponse::new(id.0.to_string()).into(),
            // Not for a switching function, and unanswered by their nature.
            Request::ApplicationSessionTerminated(_) | Request::SnapshotDeviceData(_) => {
                return Ok(None);
            }
            _ => return Err(service_not_supported()),
        };
        Ok(Some(response))
    }

    /// ECMA-354; `None` for any other request.
    fn respond_to_session(
        &mut self,
        id: AssociationId,
        request: &Request,
        now: Instant,
    ) -> Option<Response> {
        let link = self.links.get_mut(&id)?;
        match request {
            Request::StartApplicationSession(start) => {
                self.last_session += 1;
                let session = format!("{:08X}-{}", self.boot, self.last_session);
                Some(link.session.start(start, session, &self.association, now))
            }
            Request::ResetApplicationSessionTimer(reset) => {
                Some(link.session.reset(reset, &self.association, now))
            }
            Request::StopApplicationSession(stop) => {
                let response = link.session.stop(stop);
                if !link.session.is_open() {
                    self.pbx.stop_monitors(id);
                }
                Some(response)
            }
            _ => None,
        }
    }

    fn check_session(&self, id: AssociationId) -> Result<(), CstaError> {
        let needed = self.association.session_required || self.association.credentials.is_some();
        let open = self
            .links
            .get(&id)
            .is_some_and(|link| link.session.is_open());
        if needed && !open {
            return Err(no_session());
        }
        Ok(())
    }

    fn start_monitor(
        &mut self,
        id: AssociationId,
        start: &MonitorStart,
    ) -> Result<MonitorStartResponse, CstaError> {
        let MonitorObject::Device(device) = &start.monitor_object else {
            return Err(invalid_monitor_object());
        };
        if start.monitor_type == Some(MonitorType::Call) {
            return Err(monitor_type());
        }
        let limit = self.association.monitor_limit;
        if limit.is_some_and(|limit| self.pbx.monitor_count() >= limit) {
            return Err(monitor_limit());
        }
        Ok(MonitorStartResponse {
            monitor_existing_calls: Some(true),
            ..MonitorStartResponse::new(self.pbx.start_monitor(id, device)?)
        })
    }

    fn make_call(&mut self, make: &MakeCall, now: Instant) -> Result<MakeCallResponse, CstaError> {
        let calling_device = self.pbx.make_call(
            &make.calling_device,
            &make.called_directory_number,
            // ECMA-269 §17.1.18: prompting is the default.
            make.auto_originate.unwrap_or(AutoOriginate::Prompt),
            now,
        )?;
        let (made, called) = (&mut self.ledger.calls_made, &make.called_directory_number);
        if made.len() < CALLED_NUMBERS_MAX || made.contains_key(called.as_str()) {
            count(made, called.as_str());
        }
        Ok(MakeCallResponse::new(calling_device))
    }

    /// ECMA-269 §16.1.2: inline or segmented, not both.
    fn snapshot(&self, request: &SnapshotDevice) -> Result<SnapshotDeviceResponse, CstaError> {
        let calls = self.pbx.snapshot(&request.snapshot_object)?;
        let data = if self.association.segmented_snapshots {
            SnapshotSource::Segmented(segments_id(request))
        } else {
            SnapshotSource::Inline(SnapshotCalls(calls))
        };
        Ok(SnapshotDeviceResponse {
            data: Some(data),
            ..SnapshotDeviceResponse::new()
        })
    }

    /// One call in each segment; one empty segment when there is no call (§16.1.4).
    fn send_segments(&mut self, id: AssociationId, invoke_id: InvokeId, request: &SnapshotDevice) {
        let Ok(calls) = self.pbx.snapshot(&request.snapshot_object) else {
            return;
        };
        tracing::debug!(%invoke_id, calls = calls.len(), "snapshot in segments");
        let count = calls.len().max(1);
        let mut calls = calls.into_iter();
        for number in 1..=count {
            let segment: Vec<SnapshotCallInfo> = calls.next().into_iter().collect();
            let data = SnapshotDeviceData {
                segment_id: u32::try_from(number).ok(),
                last_segment: Some(number == count),
                snapshot_data: Some(SnapshotCalls(segment)),
                ..SnapshotDeviceData::new(segments_id(request))
            };
            self.ask(id, &data.into());
        }
    }
}

/// Names the segments of a snapshot: by device, because one answer's segments are sent together.
fn segments_id(request: &SnapshotDevice) -> String {
    format!("snapshot-{}", request.snapshot_object)
}
