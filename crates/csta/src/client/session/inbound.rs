//! What the switching function sends: events, answers, and requests of its own.

use std::time::Instant;

use super::association::Association;
use super::{ApplicationSession, Purpose, SessionEvent};
use crate::client::config::{UNKNOWN_NAMES_MAX, UNKNOWN_XML_MAX};
use crate::client::event::{CloseReason, InvocationError};
use crate::edition::Edition;
use crate::frame::Frame;
use crate::id::{InvokeId, MonitorCrossRefId};
use crate::message::{
    ApplicationSessionTerminated, DecodeError, Message, MonitorStopResponse, Request,
    RequestSystemStatusResponse, Response, SwFunctionDevicesChangedResponse, SystemStatusResponse,
};
use crate::value::{CstaError, ErrorCategory, SystemStatusValue};
use crate::xml::{Document, XmlError};

impl<T: Copy> ApplicationSession<T> {
    pub(super) fn handle_frame(&mut self, frame: &Frame, now: Instant) {
        match Message::parse(&frame.body) {
            Ok(Message::Event(event)) => self.events.push_back(SessionEvent::Report(event)),
            Ok(Message::Response(response)) => self.handle_response(frame, response, now),
            Ok(Message::Request(request)) => self.handle_request(frame.invoke_id, request, now),
            Ok(Message::Unknown { name, xml })
                if frame.invoke_id == InvokeId::EVENT || name.ends_with("Event") =>
            {
                self.handle_unknown_event(name, xml);
            }
            Ok(Message::Unknown { name, .. }) => self.handle_unknown(frame.invoke_id, name, now),
            Err(error @ DecodeError::Xml(XmlError::TrailingData { .. })) => {
                self.close(CloseReason::FrameLength(error));
            }
            Err(error) => self.handle_bad(error),
        }
    }

    /// A body that is no message: as if it had not come, but counted.
    fn handle_bad(&mut self, error: DecodeError) {
        let kind = error.kind();
        let count = self.stats.bad_messages.entry(kind).or_default();
        *count += 1;
        if *count == 1 {
            self.events
                .push_back(SessionEvent::BadMessage { kind, error });
        }
    }

    fn handle_response(&mut self, frame: &Frame, response: Response, now: Instant) {
        let id = frame.invoke_id;
        let Some(answered) = self.invocations.answer(id, response.name()) else {
            self.stats.unmatched_answers += 1;
            return;
        };
        if answered.late {
            self.stats.late_answers += 1;
            if let Purpose::Owner(tag) = answered.tag {
                self.events.push_back(SessionEvent::Late { tag, response });
            }
            return;
        }
        if answered.tag_is_association() && self.association == Association::Implicit {
            self.adopt_edition(&frame.body);
        }
        let result = match response {
            Response::Error(error) => Err(InvocationError::Refused(error)),
            response if answered.fits => Ok(response),
            response => Err(InvocationError::Unexpected {
                name: response.name().to_owned(),
            }),
        };
        self.conclude(id, answered.tag, result, now);
    }

    /// Nothing is negotiated in an implicit association: the answer's namespace tells the edition.
    fn adopt_edition(&mut self, body: &[u8]) {
        let document = Document::from_bytes(body).ok();
        let namespace = document.as_ref().and_then(|d| d.root().namespace());
        let edition = namespace.and_then(Edition::from_namespace);
        if let Some(edition) = edition.filter(|it| self.config.dialect.editions().contains(*it)) {
            self.edition = edition;
        }
    }

    fn handle_request(&mut self, id: InvokeId, request: Request, now: Instant) {
        match request {
            Request::SystemStatus(report) => {
                if self.config.dialect.answer_system_services() {
                    self.answer(id, SystemStatusResponse::new());
                }
                self.spoken_to(now);
                // Without a status it is a heart-beat.
                if let Some(status) = report.system_status {
                    self.status_is(status);
                }
            }
            Request::RequestSystemStatus(_) if !self.config.dialect.answer_system_services() => {}
            Request::RequestSystemStatus(_) => {
                let system_status = SystemStatusValue::Normal;
                self.answer(id, RequestSystemStatusResponse::new(system_status));
            }
            Request::MonitorStop(stop) => {
                self.answer(id, MonitorStopResponse::new());
                let cross_ref = stop.monitor_cross_ref_id;
                self.events
                    .push_back(SessionEvent::MonitorStopped(cross_ref));
            }
            Request::SnapshotDeviceData(data) => {
                self.events.push_back(SessionEvent::SnapshotData(data));
            }
            Request::SnapshotCallData(data) => {
                self.events.push_back(SessionEvent::SnapshotCallData(data));
            }
            Request::ApplicationSessionTerminated(terminated) => self.terminated(&terminated),
            Request::SwFunctionDevicesChanged(_) => {
                self.answer(id, SwFunctionDevicesChangedResponse::new());
                self.events.push_back(SessionEvent::DevicesChanged);
            }
            Request::SwitchingFunctionDevices(segment) => {
                self.events.push_back(SessionEvent::Devices(segment));
            }
            _ => self.refuse(id),
        }
    }

    /// Answers a request for a service that a computing function does not have.
    fn refuse(&mut self, id: InvokeId) {
        self.stats.refused_requests += 1;
        let error = CstaError::new(ErrorCategory::Operation, "serviceNotSupported");
        self.answer(id, error);
    }

    fn terminated(&mut self, terminated: &ApplicationSessionTerminated) {
        let other = terminated.session_id.is_some() && terminated.session_id != self.session_id;
        if other && self.session_id.is_some() {
            return;
        }
        let reason = terminated.session_term_reason.as_ref();
        let reason = reason.map_or_else(|| "no reason given".to_owned(), ToString::to_string);
        self.close(CloseReason::Terminated(reason));
    }

    /// An event that this crate has no type for: passed on with its XML, and with the monitor that it
    /// names.
    fn handle_unknown_event(&mut self, name: String, mut xml: String) {
        self.stats.unknown_events += 1;
        let document = Document::parse(&xml).ok();
        let cross_ref = document
            .as_ref()
            .and_then(|document| document.root().child("monitorCrossRefID"))
            .map(|element| MonitorCrossRefId::new(element.text()));
        xml.truncate(xml.floor_char_boundary(UNKNOWN_XML_MAX));
        self.events.push_back(SessionEvent::UnknownEvent {
            cross_ref,
            name,
            xml,
        });
    }

    /// Answers and requests that this crate has no type for, told apart by their names.
    fn handle_unknown(&mut self, id: InvokeId, name: String, now: Instant) {
        self.stats.unknown_messages += 1;
        let known = self.unknown_names.contains(&name);
        if !known && self.unknown_names.len() < UNKNOWN_NAMES_MAX {
            self.unknown_names.insert(name.clone());
            let name = name.clone();
            self.events.push_back(SessionEvent::UnknownMessage { name });
        }
        if name.ends_with("Response") {
            match self.invocations.answer(id, &name) {
                Some(answered) if answered.late => self.stats.late_answers += 1,
                Some(answered) => {
                    let unexpected = InvocationError::Unexpected { name };
                    self.conclude(id, answered.tag, Err(unexpected), now);
                }
                None => self.stats.unmatched_answers += 1,
            }
        } else {
            self.refuse(id);
        }
    }

    pub(super) fn status_is(&mut self, status: SystemStatusValue) {
        self.last_status = Some(status);
        self.events.push_back(SessionEvent::Status(status));
    }
}

impl<T> crate::client::invocation::Answered<Purpose<T>> {
    fn tag_is_association(&self) -> bool {
        matches!(self.tag, Purpose::Associate)
    }
}
