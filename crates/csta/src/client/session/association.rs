//! Making, keeping and ending the association.

use std::time::{Duration, Instant};

use super::{ApplicationSession, Purpose, SessionEvent};
use crate::client::config::{Config, STOP_TIMEOUT};
use crate::client::event::{ClientState, CloseReason, InvocationError};
use crate::dialect::{AssociationMode, HeartBeatMessage, Registration};
use crate::edition::Edition;
use crate::message::application_session::{ApplicationInfo, ProtocolVersions, SessionEndReason};
use crate::message::{
    Request, RequestSystemStatus, ResetApplicationSessionTimer, Response, SessionError,
    StartApplicationSession, StartApplicationSessionPosResponse, StopApplicationSession,
    SystemRegister, SystemStatus,
};
use crate::value::{CstaError, ErrorCategory, RequestTypes, SystemStatusValue};

/// The two kinds of association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Association {
    /// Application session (ECMA-354).
    Session,
    /// Implicit (ECMA-269 §7.2).
    Implicit,
}

impl Association {
    pub(super) const fn first(mode: AssociationMode) -> Self {
        match mode {
            AssociationMode::Auto | AssociationMode::ApplicationSession => Self::Session,
            AssociationMode::Implicit => Self::Implicit,
        }
    }
}

impl<T: Copy> ApplicationSession<T> {
    /// Makes the association, or waits for the switching function to speak first.
    pub(super) fn associate(&mut self, now: Instant) {
        match self.association {
            Association::Session => {
                self.send_association(start_request(&self.config).into(), now);
            }
            Association::Implicit if self.config.dialect.speaks_first() && !self.spoken_to => {
                self.silent_until = Some(now + self.config.association_timeout);
            }
            Association::Implicit => self.speak(now),
        }
    }

    /// Sends the first request of an implicit association: the switching function has spoken, or has
    /// been waited for long enough.
    pub(super) fn speak(&mut self, now: Instant) {
        self.silent_until = None;
        let request = match self.config.dialect.system_register() {
            Registration::Always => register_request(),
            Registration::Never | Registration::WhenSpokenTo => RequestSystemStatus::new().into(),
        };
        self.send_association(request, now);
    }

    fn send_association(&mut self, request: Request, now: Instant) {
        let timeout = self.config.association_timeout;
        self.send_own(request, Purpose::Associate, timeout, now);
    }

    /// Takes note that the switching function has reported its status.
    pub(super) fn spoken_to(&mut self, now: Instant) {
        if self.state == ClientState::Starting {
            self.spoken_to = true;
            if self.silent_until.is_some() {
                self.speak(now);
            }
        }
    }

    pub(super) fn conclude_association(
        &mut self,
        result: Result<Response, InvocationError>,
        now: Instant,
    ) {
        // A second answer, after the fall-back or a stop, changes nothing.
        if self.state != ClientState::Starting {
            return;
        }
        let reason = match result {
            Ok(Response::StartApplicationSessionPos(answer)) => {
                return self.session_started(answer, now);
            }
            Ok(Response::RequestSystemStatus(answer)) => {
                self.beat_later(now);
                self.started(now);
                return self.status_is(answer.system_status);
            }
            Ok(Response::SystemRegister(_)) => {
                self.beat_later(now);
                return self.set_started();
            }
            Ok(Response::StartApplicationSessionNeg(answer)) => {
                let unspecified = || SessionError::Application("no reason given".to_owned());
                CloseReason::Refused(answer.error_code.unwrap_or_else(unspecified))
            }
            Err(InvocationError::Refused(error)) => CloseReason::Error(error),
            Err(InvocationError::Timeout) => CloseReason::Silent,
            Ok(other) => CloseReason::Unexpected(other.name().to_owned()),
            Err(InvocationError::Unexpected { name }) => CloseReason::Unexpected(name),
            Err(InvocationError::TooLong(error)) => CloseReason::TooLong(error),
            Err(InvocationError::LinkClosed) => CloseReason::LinkClosed,
        };
        let session_tried = self.association == Association::Session;
        let auto = self.config.dialect.association() == AssociationMode::Auto;
        let may_fall_back = auto && session_tried;
        if may_fall_back && session_service_unknown(&reason) {
            self.association = Association::Implicit;
            return self.associate(now);
        }
        self.close(reason);
    }

    fn session_started(&mut self, answer: StartApplicationSessionPosResponse, now: Instant) {
        let version = answer.actual_protocol_version.as_deref().unwrap_or("");
        self.edition = Edition::from_namespace(version).unwrap_or(self.edition);
        self.session_id = Some(answer.session_id);
        self.prolonged(
            answer.actual_session_duration,
            self.config.session_duration,
            now,
        );
        self.started(now);
    }

    /// The association is up; registers where that is wanted and was not the way to associate.
    fn started(&mut self, now: Instant) {
        self.set_started();
        let register = match self.config.dialect.system_register() {
            Registration::Never => false,
            Registration::WhenSpokenTo => self.spoken_to,
            Registration::Always => true,
        };
        if register {
            let timeout = self.config.request_timeout;
            self.send_own(register_request(), Purpose::Register, timeout, now);
        }
    }

    fn set_started(&mut self) {
        self.state = ClientState::Started;
        self.events.push_back(SessionEvent::Started);
    }

    fn beat_later(&mut self, now: Instant) {
        self.keep_alive_at = Some(now + self.config.dialect.heart_beat().duration());
    }

    /// Sets the timers of a session that lives from now for as many seconds as were granted, or else
    /// for `otherwise`. One that never expires gets heart-beats instead.
    fn prolonged(&mut self, granted: Option<u32>, otherwise: Duration, now: Instant) {
        let granted = granted.filter(|_| self.config.dialect.obey_session_duration());
        self.duration = granted.map_or(otherwise, |granted| Duration::from_secs(granted.into()));
        if self.duration.is_zero() {
            self.expires_at = None;
            self.beat_later(now);
        } else {
            self.expires_at = Some(now + self.duration);
            self.keep_alive_at = Some(now + self.config.dialect.reset_at().of(self.duration));
        }
    }

    /// Resets the session's timer, or sends a heart-beat where there is none.
    pub(super) fn keep_alive(&mut self, now: Instant) {
        self.keep_alive_at = None;
        let (request, timeout) = match (&self.session_id, self.expires_at) {
            (Some(session_id), Some(_)) => (
                ResetApplicationSessionTimer {
                    session_id: session_id.clone(),
                    requested_session_duration: Some(seconds(self.config.session_duration)),
                }
                .into(),
                // Leaves time for a second try before the session expires.
                self.config.request_timeout.min(self.duration / 4),
            ),
            _ => (self.heart_beat(), self.config.request_timeout),
        };
        self.send_own(request, Purpose::KeepAlive, timeout, now);
    }

    fn heart_beat(&self) -> Request {
        match self.config.dialect.heart_beat_message() {
            HeartBeatMessage::RequestSystemStatus => RequestSystemStatus::new().into(),
            HeartBeatMessage::SystemStatus => SystemStatus {
                system_status: Some(SystemStatusValue::Normal),
                ..SystemStatus::new()
            }
            .into(),
        }
    }

    pub(super) fn conclude_keep_alive(
        &mut self,
        result: Result<Response, InvocationError>,
        now: Instant,
    ) {
        if self.state != ClientState::Started {
            return;
        }
        let Some(expires_at) = self.expires_at else {
            // A heart-beat: whatever the answer says, it says that somebody is there.
            if result == Err(InvocationError::Timeout) {
                return self.close(CloseReason::HeartBeatLost);
            }
            self.beat_later(now);
            if let Ok(Response::RequestSystemStatus(answer)) = result
                && self.last_status != Some(answer.system_status)
            {
                self.status_is(answer.system_status);
            }
            return;
        };
        match result {
            Ok(Response::ResetApplicationSessionTimerPos(answer)) => {
                self.prolonged(answer.actual_session_duration, self.duration, now);
            }
            Ok(Response::ResetApplicationSessionTimerNeg(answer))
                if answer.error_code.as_ref().is_some_and(is_invalid_session) =>
            {
                self.close(CloseReason::Expired);
            }
            // Anything else leaves the session as it is: again at half of what remains.
            Ok(_) | Err(_) => {
                let remaining = expires_at.saturating_duration_since(now);
                self.keep_alive_at = Some(now + (remaining / 2).max(Duration::from_secs(1)));
            }
        }
    }

    /// Closes the association in good order.
    pub(super) fn end(&mut self, now: Instant) {
        match (self.state, self.session_id.clone()) {
            (ClientState::Started, Some(session_id)) if self.config.dialect.stop_session() => {
                self.state = ClientState::Stopping;
                self.keep_alive_at = None;
                let request = StopApplicationSession {
                    session_id,
                    session_end_reason: Some(SessionEndReason::Defined("normal".to_owned())),
                };
                self.send_own(request.into(), Purpose::Stop, STOP_TIMEOUT, now);
            }
            (ClientState::Started | ClientState::Starting, _) => self.close(CloseReason::Stopped),
            (ClientState::Stopping | ClientState::Closed, _) => {}
        }
    }

    /// How to make the association on the next link, where this link has taught something.
    pub(super) fn try_next(&self, reason: &CloseReason) -> Option<AssociationMode> {
        let hung_up_on = self.state == ClientState::Starting
            && self.config.dialect.association() == AssociationMode::Auto
            && self.association == Association::Session
            && *reason == CloseReason::LinkClosed;
        let implicit_works =
            self.state == ClientState::Started && self.association == Association::Implicit;
        (hung_up_on || implicit_works).then_some(AssociationMode::Implicit)
    }
}

/// Whether Start Application Session failed because the switching function does not know the service,
/// and not because it refuses this application.
fn session_service_unknown(reason: &CloseReason) -> bool {
    match reason {
        CloseReason::Silent | CloseReason::Unexpected(_) => true,
        CloseReason::Refused(SessionError::Defined(error)) => {
            error == "requestedProtocolVersionNotSupported"
        }
        CloseReason::Error(CstaError { category, value }) => match category {
            ErrorCategory::Operation => {
                !value.starts_with("security") && !value.starts_with("privilege")
            }
            ErrorCategory::PrivateData
            | ErrorCategory::PrivateErrorCode
            | ErrorCategory::StateIncompatibility
            | ErrorCategory::Unspecified => true,
            ErrorCategory::PerformanceManagement
            | ErrorCategory::Security
            | ErrorCategory::SubscribedResourceAvailability
            | ErrorCategory::SystemResourceAvailability => false,
        },
        _ => false,
    }
}

fn start_request(config: &Config) -> StartApplicationSession {
    let versions = config.dialect.editions().newest_first();
    StartApplicationSession {
        application_info: ApplicationInfo {
            application_id: config.application_id.clone(),
            specific_info: config
                .login
                .as_ref()
                .map(|login| login.specific_info().to_owned())
                .unwrap_or_default(),
        },
        requested_protocol_versions: ProtocolVersions(
            versions
                .map(|edition| edition.namespace().to_owned())
                .collect(),
        ),
        requested_session_duration: Some(seconds(config.session_duration)),
    }
}

fn register_request() -> Request {
    let request_types = RequestTypes {
        system_status: true,
        request_system_status: true,
        switching_function_devices_changed: true,
        ..RequestTypes::default()
    };
    SystemRegister::new(request_types).into()
}

fn is_invalid_session(error: &SessionError) -> bool {
    *error == SessionError::Defined("invalidSessionID".to_owned())
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
