//! Every message as a plain struct, and the three kinds of message there are.
//!
//! A message is read by local name, its elements in any order; it is written in strict schema order
//! in the namespace of the chosen [`Edition`]. Adding one takes a list of elements (`message/*.rs`) and
//! a line in a table (`message/kind.rs`).
//!
//! What is missing, unknown or new does not lose a message: mandatory elements without which it still
//! says something may be absent, unknown elements are passed over, and unknown values of enumerations
//! that the editions extend (causes, kinds of forwarding, errors) are kept. What is wrong does: a word
//! where a number belongs, or a connection state that does not exist, is a typed error, also in an
//! optional element. To drop it silently would show a state that the switching function did not report.

pub mod application_session;
pub mod call_control;
pub mod capability;
pub mod device_event;
pub mod device_feature;
pub mod event;
mod kind;
pub mod monitoring;
pub mod presence;
pub mod snapshot;
pub mod system;

use crate::edition::Edition;
use crate::xml::{Document, XmlError};

pub use application_session::{
    ApplicationSessionTerminated, ResetApplicationSessionTimer,
    ResetApplicationSessionTimerNegResponse, ResetApplicationSessionTimerPosResponse, SessionError,
    StartApplicationSession, StartApplicationSessionNegResponse,
    StartApplicationSessionPosResponse, StopApplicationSession, StopApplicationSessionNegResponse,
    StopApplicationSessionPosResponse,
};
pub use call_control::{
    AlternateCall, AlternateCallResponse, AnswerCall, AnswerCallResponse, ClearCall,
    ClearCallResponse, ClearConnection, ClearConnectionResponse, ConferenceCall,
    ConferenceCallResponse, ConsultationCall, ConsultationCallResponse, DeflectCall,
    DeflectCallResponse, GenerateDigits, GenerateDigitsResponse, HoldCall, HoldCallResponse,
    MakeCall, MakeCallResponse, ReconnectCall, ReconnectCallResponse, RetrieveCall,
    RetrieveCallResponse, SingleStepConferenceCall, SingleStepConferenceCallResponse,
    SingleStepTransferCall, SingleStepTransferCallResponse, TransferCall, TransferCallResponse,
};
pub use capability::{
    DeviceListDevice, GetCSTAFeatures, GetCSTAFeaturesResponse, GetLogicalDeviceInformation,
    GetLogicalDeviceInformationResponse, GetSwitchingFunctionDevices,
    GetSwitchingFunctionDevicesResponse, SwitchingFunctionDevices,
};
pub use device_event::{
    AgentBusyEvent, AgentLoggedOffEvent, AgentLoggedOnEvent, AgentNotReadyEvent, AgentReadyEvent,
    AgentWorkingAfterCallEvent, BackInServiceEvent, CallInformationEvent, DigitsGeneratedEvent,
    DoNotDisturbEvent, ForwardingEvent, MessageWaitingEvent, OutOfServiceEvent,
};
pub use device_feature::{
    GetDoNotDisturb, GetDoNotDisturbResponse, GetForwarding, GetForwardingResponse,
    GetMessageWaitingIndicator, GetMessageWaitingIndicatorResponse, SetDoNotDisturb,
    SetDoNotDisturbResponse, SetForwarding, SetForwardingResponse, SetMessageWaitingIndicator,
    SetMessageWaitingIndicatorResponse,
};
pub use event::{
    CallClearedEvent, ConferencedEvent, ConnectionClearedEvent, DeliveredEvent, DivertedEvent,
    EstablishedEvent, FailedEvent, HeldEvent, NetworkReachedEvent, OfferedEvent, OriginatedEvent,
    QueuedEvent, RetrievedEvent, ServiceInitiatedEvent, TransferedEvent,
};
pub(crate) use kind::Family;
pub use kind::{Event, Request, Response};
pub use monitoring::{MonitorStart, MonitorStartResponse, MonitorStop, MonitorStopResponse};
pub use presence::{
    GetPresenceState, GetPresenceStateResponse, PresenceStateEvent, SetPresenceState,
    SetPresenceStateResponse,
};
pub use snapshot::{
    SnapshotCall, SnapshotCallData, SnapshotCallInfo, SnapshotCallResponse, SnapshotDevice,
    SnapshotDeviceData, SnapshotDeviceInfo, SnapshotDeviceResponse,
};
pub use system::{
    RequestSystemStatus, RequestSystemStatusResponse, SwFunctionDevicesChanged,
    SwFunctionDevicesChangedResponse, SystemRegister, SystemRegisterResponse, SystemStatus,
    SystemStatusResponse,
};

/// Why a body is no message. The link survives each of these but [`XmlError::TrailingData`], which
/// says that the frame's length is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not readable as XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// An element is missing without which the message says nothing.
    #[error("<{parent}> has no <{element}>")]
    Missing {
        /// Where it was expected.
        parent: String,
        /// What was expected.
        element: &'static str,
    },
    /// An element holds what its type does not allow. Logs get the value's shape alone: it may be
    /// a telephone number or a name that has gone astray.
    #[error(
        "<{element}> holds {:?}, expected {expected}",
        crate::mask::shape(value)
    )]
    Value {
        /// The element.
        element: String,
        /// Its text, shortened to 64 characters.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
}

impl DecodeError {
    /// A short name of the kind of error, for counters and for logging each kind once.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Xml(XmlError::Utf8 { .. }) => "utf8",
            Self::Xml(XmlError::Malformed { .. }) => "malformed",
            Self::Xml(XmlError::Dtd { .. }) => "dtd",
            Self::Xml(XmlError::TooDeep { .. }) => "too-deep",
            Self::Xml(XmlError::TooMany { .. }) => "too-many",
            Self::Xml(XmlError::TrailingData { .. }) => "trailing-data",
            Self::Xml(XmlError::Empty) => "empty",
            Self::Missing { .. } => "missing-element",
            Self::Value { .. } => "bad-value",
        }
    }
}

/// Any message, told apart by its root element.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "events are the bulk of what comes: boxing the common case would only add allocations"
)]
pub enum Message {
    /// Opens an exchange.
    Request(Request),
    /// Answers one.
    Response(Response),
    /// Reports.
    Event(Event),
    /// A root element that this crate has no type for; kept as it came.
    Unknown {
        /// Local name of the root element.
        name: String,
        /// The XML of the root element.
        xml: String,
    },
}

/// Whether a body says of itself that it is ISO 8859-1, which some switching functions write.
fn is_latin_1(body: &[u8]) -> bool {
    const NAMES: [&str; 2] = ["iso-8859-1", "latin1"];
    let Some(rest) = body.strip_prefix(b"<?xml") else {
        return false;
    };
    let declaration = rest.split(|byte| *byte == b'>').next().unwrap_or_default();
    let mut values = declaration.split(|byte| matches!(byte, b'"' | b'\''));
    let encoding = values
        .position(|it| it.ends_with(b"encoding="))
        .and_then(|_| values.next());
    encoding.is_some_and(|it| {
        NAMES
            .iter()
            .any(|name| it.eq_ignore_ascii_case(name.as_bytes()))
    })
}

impl Message {
    /// Reads the body of a frame.
    ///
    /// # Errors
    /// [`DecodeError`] with position or element; the body is then as if it had not come.
    ///
    /// ```
    /// use csta::{Message, Response};
    /// let body = b"<CSTAErrorCode><operation>invalidDeviceID</operation></CSTAErrorCode>";
    /// let Ok(Message::Response(Response::Error(error))) = Message::parse(body) else { panic!() };
    /// assert_eq!(error.to_string(), "operation/invalidDeviceID");
    /// ```
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        let transcoded = is_latin_1(body).then(|| body.iter().copied().map(char::from).collect());
        let transcoded: Option<String> = transcoded;
        let document = Document::from_bytes(transcoded.as_ref().map_or(body, String::as_bytes))?;
        let root = document.root();
        if let Some(event) = Event::read(root) {
            return event.map(Self::Event);
        }
        if let Some(response) = Response::read(root) {
            return response.map(Self::Response);
        }
        if let Some(request) = Request::read(root) {
            return request.map(Self::Request);
        }
        Ok(Self::Unknown {
            name: root.name().to_owned(),
            xml: root.source().to_owned(),
        })
    }

    /// Writes the message as a document in the namespace of `edition`; an unknown one as it came.
    #[must_use]
    pub fn to_xml(&self, edition: Edition) -> String {
        match self {
            Self::Request(request) => request.to_xml(edition),
            Self::Response(response) => response.to_xml(edition),
            Self::Event(event) => event.to_xml(edition),
            Self::Unknown { xml, .. } => xml.clone(),
        }
    }

    /// The local name of the root element.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Request(request) => request.name(),
            Self::Response(response) => response.name(),
            Self::Event(event) => event.name(),
            Self::Unknown { name, .. } => name,
        }
    }
}
