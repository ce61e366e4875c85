//! Application session services (ECMA-354).

use crate::codec::{Value, bad_value, messages, optional};
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
        opt session_term_reason: SessionEndReason = "sessionTermReason",
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

/// Namespaces of protocol versions, best first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProtocolVersions(pub Vec<String>);

impl Value for ProtocolVersions {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let versions = element
            .children()
            .filter(|child| child.name() == "protocolVersion");
        Ok(Self(
            versions.map(|version| version.text().to_owned()).collect(),
        ))
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| {
            for version in &self.0 {
                version.write("protocolVersion", w);
            }
        });
    }
}

/// Why a session service was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionError {
    /// One of the standard's: `invalidApplicationInfo`, `requestedProtocolVersionNotSupported`,
    /// `serverResourcesBusy`, `maxNumberSessions`, `invalidSessionID`,
    /// `serverCannotResetSessionTimer`, or whatever came.
    Defined(String),
    /// The switching function's own text.
    Application(String),
}

impl std::fmt::Display for SessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Defined(text) | Self::Application(text) => f.write_str(text),
        }
    }
}

impl Value for SessionError {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        if let Some(defined) = element.child("definedError") {
            return Ok(Self::Defined(defined.text().to_owned()));
        }
        match element.child("applError") {
            Some(text) => Ok(Self::Application(text.text().to_owned())),
            None => Err(bad_value(element, "definedError or applError")),
        }
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| match self {
            Self::Defined(text) => text.write("definedError", w),
            Self::Application(text) => text.write("applError", w),
        });
    }
}

/// Why a session ends: sent with Stop (`definedEndReason`/`appEndReason`) and with Terminated
/// (`definedTermReason`/`serverTermReason`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEndReason {
    /// One of the standard's: `normal`; `resourceLimitation`, `sessionTimerExpired`.
    Defined(String),
    /// The sender's own text.
    Other(String),
}

impl std::fmt::Display for SessionEndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Defined(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

impl Value for SessionEndReason {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let text = |child: Element<'_, '_>| child.text().to_owned();
        match element.children().next() {
            Some(child) if child.name().starts_with("defined") => Ok(Self::Defined(text(child))),
            Some(child) => Ok(Self::Other(text(child))),
            None => Err(bad_value(element, "a defined reason or a text")),
        }
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        let terminated = name == "sessionTermReason";
        writer.element(name, &[], |w| match self {
            Self::Defined(text) if terminated => text.write("definedTermReason", w),
            Self::Defined(text) => text.write("definedEndReason", w),
            Self::Other(text) if terminated => text.write("serverTermReason", w),
            Self::Other(text) => text.write("appEndReason", w),
        });
    }
}
