//! Application session services (ECMA-354).

use crate::codec::{Value, choices, lists, messages, optional};
use crate::conformance::{Content, ElementRule, Presence};
use crate::message::DecodeError;
use crate::xml::{Element, Writer};

messages! {
    /// Opens an application session.
    StartApplicationSession as "StartApplicationSession" {
        /// Who asks.
        req application_info: ApplicationInfo = "applicationInfo",
        /// Namespaces of the protocol versions, best first.
        req requested_protocol_versions: ProtocolVersions = "requestedProtocolVersions",
        /// Seconds that the session is to live without a reset.
        opt requested_session_duration: u32 = "requestedSessionDuration",
    }

    /// The session is open.
    StartApplicationSessionPosResponse as "StartApplicationSessionPosResponse" {
        /// Its id.
        req session_id: String = "sessionID",
        /// The protocol version chosen.
        opt actual_protocol_version: String = "actualProtocolVersion",
        /// Seconds that the session lives without a reset.
        opt actual_session_duration: u32 = "actualSessionDuration",
    }

    /// The session was refused.
    StartApplicationSessionNegResponse as "StartApplicationSessionNegResponse" {
        /// Why.
        opt error_code: SessionError = "errorCode",
    }

    /// Closes a session.
    StopApplicationSession as "StopApplicationSession" {
        /// The session.
        req session_id: String = "sessionID",
        /// Why.
        opt session_end_reason: SessionEndReason = "sessionEndReason",
    }

    /// The session is closed.
    StopApplicationSessionPosResponse as "StopApplicationSessionPosResponse" {}

    /// The session was not closed.
    StopApplicationSessionNegResponse as "StopApplicationSessionNegResponse" {
        /// Why.
        opt error_code: SessionError = "errorCode",
    }

    /// Keeps a session alive.
    ResetApplicationSessionTimer as "ResetApplicationSessionTimer" {
        /// The session.
        req session_id: String = "sessionID",
        /// Seconds asked for.
        opt requested_session_duration: u32 = "requestedSessionDuration",
    }

    /// The session lives on.
    ResetApplicationSessionTimerPosResponse as "ResetApplicationSessionTimerPosResponse" {
        /// Seconds granted.
        opt actual_session_duration: u32 = "actualSessionDuration",
    }

    /// The session was not prolonged.
    ResetApplicationSessionTimerNegResponse as "ResetApplicationSessionTimerNegResponse" {
        /// Why.
        opt error_code: SessionError = "errorCode",
    }

    /// The switching function has ended the session; unanswered.
    ApplicationSessionTerminated as "ApplicationSessionTerminated" {
        /// The session.
        opt session_id: String = "sessionID",
        /// Why.
        opt session_term_reason: SessionTermReason = "sessionTermReason",
    }
}

/// The application and what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationInfo {
    /// Name of the application.
    pub application_id: String,
    /// XML for `applicationSpecificInfo`, as the switching function's vendor wants it; credentials go
    /// here. Must be well-formed elements of a namespace of their own. Empty for none.
    pub specific_info: String,
}

impl Value for ApplicationInfo {
    const CONTENT: Content = Content::Sequence(&[
        ElementRule {
            name: "applicationID",
            presence: Presence::Mandatory,
            content: String::CONTENT,
        },
        ElementRule::part("applicationSpecificInfo", Content::Any),
    ]);
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let specific = element.child("applicationSpecificInfo");
        Ok(Self {
            application_id: optional(element, "applicationID")?.unwrap_or_default(),
            specific_info: specific
                .map(|info| info.children().map(Element::source).collect())
                .unwrap_or_default(),
        })
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| {
            self.application_id.write("applicationID", w);
            if !self.specific_info.is_empty() {
                w.element("applicationSpecificInfo", &[], |w| {
                    w.raw(&self.specific_info)
                });
            }
        });
    }
}

lists! {
    /// Namespaces of protocol versions, best first.
    ProtocolVersions of String = "protocolVersion";
}

choices! {
    /// Why a session service was refused.
    SessionError {
        /// One of the standard's: `invalidApplicationInfo`, `requestedProtocolVersionNotSupported`,
        /// `serverResourcesBusy`, `maxNumberSessions`, `invalidSessionID`,
        /// `serverCannotResetSessionTimer`, or whatever came.
        Defined(String) = "definedError",
        /// The switching function's own text.
        Application(String) = "applError",
    }

    /// Why the application ends a session.
    SessionEndReason {
        /// The standard's `normal`, or whatever came.
        Defined(String) = "definedEndReason",
        /// The application's own text.
        Application(String) = "appEndReason",
    }

    /// Why the switching function ended a session.
    SessionTermReason {
        /// One of the standard's: `resourceLimitation`, `sessionTimerExpired`, or whatever came.
        Defined(String) = "definedTermReason",
        /// The switching function's own text.
        Server(String) = "serverTermReason",
    }
}

impl SessionError {
    /// What it says in one plain English sentence (ECMA-354 §8.1.2 and §8.3.2).
    #[must_use]
    pub fn sentence(&self) -> &'static str {
        let Self::Defined(value) = self else {
            return "The PBX gives a reason of its own.";
        };
        match value.as_str() {
            "invalidApplicationInfo" => {
                "The PBX does not take the login: user, password, or the form that they are sent in."
            }
            "requestedProtocolVersionNotSupported" => {
                "The PBX speaks none of the editions offered."
            }
            "serverResourcesBusy" => "The PBX is busy; try again.",
            "maxNumberSessions" => "The PBX has as many sessions as it allows.",
            "invalidSessionID" => "The PBX does not know the session any longer.",
            "serverCannotResetSessionTimer" => "The PBX cannot prolong the session.",
            _ => "The PBX does not say why in words of the standard.",
        }
    }
}

impl std::fmt::Display for SessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Defined(text) | Self::Application(text) => f.write_str(text),
        }
    }
}

impl std::fmt::Display for SessionTermReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Defined(text) | Self::Server(text) => f.write_str(text),
        }
    }
}
