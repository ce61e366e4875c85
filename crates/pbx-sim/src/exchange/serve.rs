//! Requests of clients: after their delay, carried out and answered.

use std::time::Instant;

use csta::dialect::AnswerOrder;
use csta::message::monitoring::MonitorObject;
use csta::message::{MonitorStopResponse, SwFunctionDevicesChangedResponse, SystemStatusResponse};
use csta::{CstaError, DeviceId, InvokeId, Request, Response};

use super::fault::jitter;
use super::{Exchange, Held, Output, PENDING_REQUESTS_MAX, Pending, capability};
use crate::command::SessionFault;
use crate::switching::{
    AssociationId, invalid_device, licence_expired, no_session, outstanding_requests,
    service_not_supported,
};
use crate::truth::count;

/// What a request gets: an answer, and what follows it without being answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// `None` for a request that is unanswered by its nature, or by a fault.
    pub(super) response: Option<Response>,
    /// Segments of what the answer announces.
    pub(super) then: Vec<Request>,
}

impl Answer {
    const NONE: Self = Self {
        response: None,
        then: Vec::new(),
    };
}

impl<R: Into<Response>> From<R> for Answer {
    fn from(response: R) -> Self {
        Self {
            response: Some(response.into()),
            then: Vec::new(),
        }
    }
}

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
            while let Some(link) = self.links.get_mut(&id)
                && let Some(entry) = link.held.first_entry()
                && entry.key().0 <= now
            {
                let held = entry.remove();
                self.give(id, held.invoke_id, held.answer);
            }
        }
    }

    pub(super) fn expire_sessions(&mut self, now: Instant) {
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in ids {
            let link = self.links.get_mut(&id);
            if let Some(notice) = link.and_then(|link| link.session.expire(now)) {
                self.ledger.sessions_expired += 1;
                self.end_link(id, &notice);
            }
        }
    }

    /// Says that a session is over and closes its link after that.
    pub(super) fn end_link(&mut self, id: AssociationId, notice: &Request) {
        self.ask(id, notice);
        self.close_link(id);
        self.output.push_back(Output::Close(id));
    }

    /// The events of a request may come before or after its response.
    fn carry_out(
        &mut self,
        id: AssociationId,
        invoke_id: InvokeId,
        request: &Request,
        now: Instant,
    ) {
        let answer = match self.respond(id, request, now) {
            Ok(answer) => answer,
            Err(refusal) => refusal.into(),
        };
        if self.association.dialect.answers() == AnswerOrder::AfterEvents {
            self.drain_events();
        }
        let longest = self.association.shuffle;
        self.held_ever += 1;
        let number = self.held_ever;
        match self.links.get_mut(&id) {
            Some(link) if !longest.is_zero() && link.held.len() < PENDING_REQUESTS_MAX => {
                let due = now + jitter(number, longest);
                link.held.insert((due, number), Held { invoke_id, answer });
                self.bite("answerShuffled");
            }
            _ => self.give(id, invoke_id, answer),
        }
        self.drain_events();
    }

    fn give(&mut self, id: AssociationId, invoke_id: InvokeId, answer: Answer) {
        if let Some(response) = &answer.response {
            self.answer(id, invoke_id, response);
        }
        // The client hears of a request's events before the segments that its answer announces.
        self.drain_events();
        for request in &answer.then {
            self.ask(id, request);
        }
    }

    fn respond(
        &mut self,
        id: AssociationId,
        request: &Request,
        now: Instant,
    ) -> Result<Answer, CstaError> {
        if let Some(answer) = self.respond_to_session(id, request, now) {
            return answer;
        }
        self.check_session(id)?;
        if self.faults.licence_expired {
            self.bite("licenceRefused");
            return Err(licence_expired());
        }
        self.check_device(request)?;
        if let Some(response) = self.respond_to_feature(request) {
            return response.map(Answer::from);
        }
        if let Some(response) = self.respond_to_call(request, now) {
            return response.map(Answer::from);
        }
        Ok(match request {
            Request::MonitorStart(start) => self.start_monitor(id, start)?.into(),
            Request::MonitorStop(stop) => {
                self.pbx.stop_monitor(id, &stop.monitor_cross_ref_id)?;
                MonitorStopResponse::new().into()
            }
            Request::SnapshotDevice(snapshot) => self.snapshot(snapshot)?,
            Request::SnapshotCall(snapshot) => self.snapshot_call(id, snapshot)?,
            Request::GetLogicalDeviceInformation(get) => {
                capability::device_information(&self.pbx, &get.device)?.into()
            }
            Request::GetCSTAFeatures(_) => capability::features().into(),
            Request::GetSwitchingFunctionDevices(get) => self.device_list(get)?,
            Request::RequestSystemStatus(ask) => {
                self.status(id, ask.sys_stat_register_id.as_deref())?.into()
            }
            Request::SystemStatus(_) => SystemStatusResponse::new().into(),
            Request::SystemRegister(register) => self.register(id, register)?.into(),
            Request::SwFunctionDevicesChanged(_) => SwFunctionDevicesChangedResponse::new().into(),
            // Not for a switching function, and unanswered by their nature.
            unanswered if !unanswered.expects_answer() => Answer::NONE,
            _ => return Err(service_not_supported()),
        })
    }

    /// ECMA-354; `None` for any other request.
    fn respond_to_session(
        &mut self,
        id: AssociationId,
        request: &Request,
        now: Instant,
    ) -> Option<Result<Answer, CstaError>> {
        match request {
            Request::StartApplicationSession(_) => match self.association.refuse_session {
                Some(SessionFault::Silent) => {
                    self.bite("sessionUnanswered");
                    return Some(Ok(Answer::NONE));
                }
                Some(SessionFault::Unsupported) => {
                    self.bite("sessionUnsupported");
                    return Some(Err(service_not_supported()));
                }
                Some(SessionFault::Refused(_)) => self.bite("sessionRefused"),
                None => {}
            },
            Request::ResetApplicationSessionTimer(_) if self.faults.no_reset => {
                self.bite("resetSwallowed");
                return Some(Ok(Answer::NONE));
            }
            _ => {}
        }
        let link = self.links.get_mut(&id)?;
        let response = match request {
            Request::StartApplicationSession(start) => {
                self.last_session += 1;
                let session = format!("{:08X}-{}", self.boot, self.last_session);
                link.session.start(start, session, &self.association, now)
            }
            Request::ResetApplicationSessionTimer(reset) => {
                link.session.reset(reset, &self.association, now)
            }
            Request::StopApplicationSession(stop) => {
                let response = link.session.stop(stop);
                if !link.session.is_open() {
                    link.registrations.clear();
                    self.pbx.stop_monitors(id);
                }
                response
            }
            _ => return None,
        };
        Some(Ok(response.into()))
    }

    pub(super) fn session_needed(&self) -> bool {
        self.association.session_required || self.association.credentials.is_some()
    }

    fn check_session(&self, id: AssociationId) -> Result<(), CstaError> {
        let link = self.links.get(&id);
        let open = link.is_some_and(|link| link.session.is_open());
        if self.session_needed() && !open {
            return Err(no_session());
        }
        Ok(())
    }

    /// A device that the PBX denies to have.
    fn check_device(&mut self, request: &Request) -> Result<(), CstaError> {
        let unknown = |device: &DeviceId| self.faults.unknown.contains(device.number());
        if device_of(request).is_some_and(unknown) {
            self.bite("deviceUnknown");
            return Err(invalid_device());
        }
        Ok(())
    }
}

/// The device that a request is for.
fn device_of(request: &Request) -> Option<&DeviceId> {
    Some(match request {
        Request::MonitorStart(start) => match &start.monitor_object {
            MonitorObject::Device(device) => device,
            MonitorObject::Call(call) => call.device_id.as_ref()?,
        },
        Request::SnapshotDevice(snapshot) => &snapshot.snapshot_object,
        Request::GetLogicalDeviceInformation(get) => &get.device,
        Request::MakeCall(make) => &make.calling_device,
        Request::SetDoNotDisturb(set) => &set.device,
        Request::GetDoNotDisturb(get) => &get.device,
        Request::SetForwarding(set) => &set.device,
        Request::GetForwarding(get) => &get.device,
        Request::SetMessageWaitingIndicator(set) => &set.device,
        Request::GetMessageWaitingIndicator(get) => &get.device,
        Request::SetPresenceState(set) => &set.device,
        Request::GetPresenceState(get) => &get.device,
        _ => return None,
    })
}
