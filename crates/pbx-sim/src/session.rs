//! The serving end of ECMA-354: one application session per link. No I/O, no clock.

use std::time::{Duration, Instant};

use csta::message::application_session::{SessionError, SessionTermReason};
use csta::message::{
    ApplicationSessionTerminated, ResetApplicationSessionTimer,
    ResetApplicationSessionTimerNegResponse, ResetApplicationSessionTimerPosResponse,
    StartApplicationSession, StartApplicationSessionNegResponse,
    StartApplicationSessionPosResponse, StopApplicationSession, StopApplicationSessionNegResponse,
    StopApplicationSessionPosResponse,
};
use csta::xml::Document;
use csta::{Edition, Request, Response};

use crate::command::SessionFault;
use crate::config::AssociationConfig;

/// The standard's reasons to refuse a session (ECMA-354 §8.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionRefusal {
    /// Application id or credentials.
    InvalidApplicationInfo,
    /// No common protocol version.
    RequestedProtocolVersionNotSupported,
    /// Try later.
    ServerResourcesBusy,
    /// Too many sessions.
    MaxNumberSessions,
}

impl SessionRefusal {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::InvalidApplicationInfo,
        Self::RequestedProtocolVersionNotSupported,
        Self::ServerResourcesBusy,
        Self::MaxNumberSessions,
    ];

    /// The schema's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidApplicationInfo => "invalidApplicationInfo",
            Self::RequestedProtocolVersionNotSupported => "requestedProtocolVersionNotSupported",
            Self::ServerResourcesBusy => "serverResourcesBusy",
            Self::MaxNumberSessions => "maxNumberSessions",
        }
    }

    /// Finds one by the schema's spelling.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// The session of one link.
#[derive(Debug)]
pub struct Session {
    edition: Edition,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    id: String,
    duration: Duration,
    expires: Instant,
}

impl Session {
    /// A link without a session; messages are written in `edition` until one is agreed on.
    #[must_use]
    pub const fn new(edition: Edition) -> Self {
        Self {
            edition,
            open: None,
        }
    }

    /// The edition to write in.
    #[must_use]
    pub const fn edition(&self) -> Edition {
        self.edition
    }

    /// Whether a session is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// When the session expires unless it is reset before.
    #[must_use]
    pub fn expires(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.expires)
    }

    /// Answers a request for a session; `id` names it if it is granted.
    pub fn start(
        &mut self,
        request: &StartApplicationSession,
        id: String,
        config: &AssociationConfig,
        now: Instant,
    ) -> Response {
        match self.try_start(request, id, config, now) {
            Ok(response) => response.into(),
            Err(refusal) => StartApplicationSessionNegResponse {
                error_code: Some(SessionError::Defined(refusal.as_str().to_owned())),
            }
            .into(),
        }
    }

    fn try_start(
        &mut self,
        request: &StartApplicationSession,
        id: String,
        config: &AssociationConfig,
        now: Instant,
    ) -> Result<StartApplicationSessionPosResponse, SessionRefusal> {
        if let Some(SessionFault::Refused(refusal)) = config.refuse_session {
            return Err(refusal);
        }
        if self.is_open() {
            return Err(SessionRefusal::MaxNumberSessions);
        }
        if let Some((user, password)) = &config.credentials
            && !holds_both(&request.application_info.specific_info, user, password)
        {
            return Err(SessionRefusal::InvalidApplicationInfo);
        }
        // ECMA-354 §8.1.1: the requested versions stand in order of preference.
        let spoken = |version: &&String| {
            Edition::from_namespace(version)
                .is_some_and(|it| config.dialect.editions().contains(it))
        };
        let versions = &request.requested_protocol_versions.0;
        let version = versions.iter().find(spoken);
        let version = version.ok_or(SessionRefusal::RequestedProtocolVersionNotSupported)?;
        self.edition = Edition::from_namespace(version).unwrap_or(self.edition);
        let duration = granted(request.requested_session_duration, config);
        self.open = Some(Open {
            id: id.clone(),
            duration,
            expires: now + duration,
        });
        Ok(StartApplicationSessionPosResponse {
            session_id: id,
            actual_protocol_version: Some(version.clone()),
            actual_session_duration: Some(seconds(duration)),
        })
    }

    /// Answers a request to prolong the session.
    pub fn reset(
        &mut self,
        request: &ResetApplicationSessionTimer,
        config: &AssociationConfig,
        now: Instant,
    ) -> Response {
        let open = self.open.as_mut();
        let Some(open) = open.filter(|open| open.id == request.session_id) else {
            return ResetApplicationSessionTimerNegResponse {
                error_code: Some(invalid_session_id()),
            }
            .into();
        };
        if request.requested_session_duration.is_some() {
            open.duration = granted(request.requested_session_duration, config);
        }
        open.expires = now + open.duration;
        ResetApplicationSessionTimerPosResponse {
            actual_session_duration: Some(seconds(open.duration)),
        }
        .into()
    }

    /// Answers a request to end the session.
    pub fn stop(&mut self, request: &StopApplicationSession) -> Response {
        let open = self.open.take_if(|open| open.id == request.session_id);
        match open {
            Some(_) => StopApplicationSessionPosResponse {}.into(),
            None => StopApplicationSessionNegResponse {
                error_code: Some(invalid_session_id()),
            }
            .into(),
        }
    }

    /// Ends the session if its time is over, and gives the message that says so (ECMA-354 §8.2.1).
    pub fn expire(&mut self, now: Instant) -> Option<Request> {
        self.open.as_ref().filter(|open| open.expires <= now)?;
        self.terminate("sessionTimerExpired")
    }

    /// Ends the session for one of the standard's reasons, and gives the message that says so.
    pub fn terminate(&mut self, reason: &str) -> Option<Request> {
        let open = self.open.take()?;
        Some(Request::from(ApplicationSessionTerminated {
            session_id: Some(open.id),
            session_term_reason: Some(SessionTermReason::Defined(reason.to_owned())),
        }))
    }
}

fn granted(requested_seconds: Option<u32>, config: &AssociationConfig) -> Duration {
    let max = config.session_duration_max;
    requested_seconds.map_or(max, |s| Duration::from_secs(s.into()).clamp(SHORTEST, max))
}

/// Shortest session: ECMA-354 counts whole seconds.
const SHORTEST: Duration = Duration::from_secs(1);

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn invalid_session_id() -> SessionError {
    SessionError::Defined("invalidSessionID".to_owned())
}

/// Whether elements of the vendor's fragment hold the user and the password, whatever their names.
fn holds_both(fragment: &str, user: &str, password: &str) -> bool {
    let wrapped = format!("<info>{fragment}</info>");
    let Ok(document) = Document::parse(&wrapped) else {
        return false;
    };
    let mut found = (false, false);
    let mut pending = vec![document.root()];
    while let Some(element) = pending.pop() {
        found.0 |= element.text() == user;
        found.1 |= element.text() == password;
        pending.extend(element.children());
    }
    found == (true, true)
}

#[cfg(test)]
mod tests {
    use csta::message::application_session::{ApplicationInfo, ProtocolVersions};

    use super::*;

    fn config() -> AssociationConfig {
        AssociationConfig::default()
    }

    fn request(specific_info: &str, editions: &[Edition]) -> StartApplicationSession {
        let versions = editions
            .iter()
            .map(|edition| edition.namespace().to_owned());
        StartApplicationSession {
            application_info: ApplicationInfo {
                application_id: "test".to_owned(),
                specific_info: specific_info.to_owned(),
            },
            requested_protocol_versions: ProtocolVersions(versions.collect()),
            requested_session_duration: Some(30),
        }
    }

    fn start(config: &AssociationConfig, request: &StartApplicationSession) -> (Session, Response) {
        let mut session = Session::new(config.edition());
        let response = session.start(request, "s1".to_owned(), config, net::clock::now());
        (session, response)
    }

    fn refusal(response: &Response) -> Option<String> {
        match response {
            Response::StartApplicationSessionNeg(neg) => {
                neg.error_code.as_ref().map(ToString::to_string)
            }
            _ => None,
        }
    }

    #[test]
    fn takes_the_first_version_that_it_speaks() {
        let offered = request("", &Edition::NEWEST_FIRST);
        let (session, response) = start(&config(), &offered);
        let Response::StartApplicationSessionPos(pos) = response else {
            panic!()
        };
        assert_eq!(
            pos.actual_protocol_version.as_deref(),
            Some(Edition::Ed5.namespace())
        );
        assert_eq!(
            (session.edition(), pos.actual_session_duration),
            (Edition::Ed5, Some(30))
        );
    }

    #[test]
    fn refuses_with_each_of_the_standards_reasons() {
        let (_, response) = start(&config(), &request("", &[Edition::Ed6]));
        assert_eq!(
            refusal(&response).unwrap(),
            "requestedProtocolVersionNotSupported"
        );
        for reason in SessionRefusal::ALL {
            let config = AssociationConfig {
                refuse_session: Some(SessionFault::Refused(reason)),
                ..config()
            };
            let (_, response) = start(&config, &request("", &[Edition::Ed5]));
            assert_eq!(refusal(&response).unwrap(), reason.as_str());
        }
    }

    #[test]
    fn finds_user_and_password_in_the_fragment_whatever_the_elements_are_called() {
        let config = AssociationConfig {
            credentials: Some(("anna".to_owned(), "s3&cret".to_owned())),
            ..config()
        };
        for (fragment, granted) in [
            (
                "<l:Login xmlns:l='urn:x'><l:u>anna</l:u><l:p>s3&amp;cret</l:p></l:Login>",
                true,
            ),
            ("<u>anna</u><p>s3&amp;cret</p>", true),
            ("<u>anna</u><p>wrong</p>", false),
            ("", false),
        ] {
            let (_, response) = start(&config, &request(fragment, &[Edition::Ed5]));
            let refused = refusal(&response);
            assert_eq!(refused.is_none(), granted, "{fragment}");
            assert!(granted || refused.unwrap() == "invalidApplicationInfo");
        }
    }

    #[test]
    fn lives_until_its_timer_and_no_longer() {
        let now = net::clock::now();
        let mut session = Session::new(Edition::Ed5);
        session.start(
            &request("", &[Edition::Ed5]),
            "s1".to_owned(),
            &config(),
            now,
        );
        let reset = |id: &str| ResetApplicationSessionTimer {
            session_id: id.to_owned(),
            requested_session_duration: None,
        };
        let later = now + Duration::from_secs(20);
        let response = session.reset(&reset("s2"), &config(), later);
        assert!(matches!(
            response,
            Response::ResetApplicationSessionTimerNeg(_)
        ));
        session.reset(&reset("s1"), &config(), later);
        assert_eq!(session.expire(now + Duration::from_secs(49)), None);
        let ended = session.expire(now + Duration::from_secs(50)).unwrap();
        let Request::ApplicationSessionTerminated(ended) = ended else {
            panic!()
        };
        assert_eq!(
            ended.session_term_reason.unwrap().to_string(),
            "sessionTimerExpired"
        );
        assert!(!session.is_open());
    }
}
