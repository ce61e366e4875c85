//! Every message as a plain struct, and the three kinds of message there are.
//!
//! A message is read by local name, its elements in any order; it is written in strict schema order
//! in the namespace of the chosen [`Edition`]. Adding one takes a line in a list of elements
//! (`message/*.rs`) and a line in the table below.

pub mod application_session;
pub mod call_control;
pub mod event;
pub mod monitoring;
pub mod snapshot;
pub mod system;

use crate::codec::Value as _;
use crate::edition::{APPLICATION_SESSION_NAMESPACE, Edition};
use crate::id::{ConnectionId, MonitorCrossRefId};
use crate::value::{CstaError, EventCause, LocalConnectionState};
use crate::xml::{Document, Element, Writer, XmlError};

pub use application_session::{
    ApplicationSessionTerminated, ResetApplicationSessionTimer,
    ResetApplicationSessionTimerNegResponse, ResetApplicationSessionTimerPosResponse, SessionError,
    StartApplicationSession, StartApplicationSessionNegResponse,
    StartApplicationSessionPosResponse, StopApplicationSession, StopApplicationSessionNegResponse,
    StopApplicationSessionPosResponse,
};
pub use call_control::{
    AnswerCall, AnswerCallResponse, ClearCall, ClearCallResponse, ClearConnection,
    ClearConnectionResponse, HoldCall, HoldCallResponse, MakeCall, MakeCallResponse, RetrieveCall,
    RetrieveCallResponse,
};
pub use event::{
    ConnectionClearedEvent, DeliveredEvent, DivertedEvent, EstablishedEvent, FailedEvent,
    HeldEvent, OriginatedEvent, RetrievedEvent, ServiceInitiatedEvent,
};
pub use monitoring::{MonitorStart, MonitorStartResponse, MonitorStop, MonitorStopResponse};
pub use snapshot::{SnapshotCallInfo, SnapshotDevice, SnapshotDeviceData, SnapshotDeviceResponse};
pub use system::{
    RequestSystemStatus, RequestSystemStatusResponse, SystemRegister, SystemRegisterResponse,
    SystemStatus, SystemStatusResponse,
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

/// Which namespace a message is written in.
#[derive(Clone, Copy)]
enum Family {
    Csta,
    ApplicationSession,
}

impl Family {
    const fn namespace(self, edition: Edition) -> &'static str {
        match self {
            Self::Csta => edition.namespace(),
            Self::ApplicationSession => APPLICATION_SESSION_NAMESPACE,
        }
    }
}

/// Declares one kind of message: the enumeration, its reading by root element, its writing.
macro_rules! kind {
    ($(#[$doc:meta])* $kind:ident {
        $( $(#[$variant_doc:meta])* $variant:ident ( $ty:ident ) in $family:ident ),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $kind {
            $( $(#[$variant_doc])* $variant($ty), )*
        }

        impl $kind {
            /// The name of the root element.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $( Self::$variant(_) => $ty::NAME, )* }
            }

            fn read(root: Element<'_, '_>) -> Option<Result<Self, DecodeError>> {
                match root.name() {
                    $( $ty::NAME => Some($ty::read(root).map(Self::$variant)), )*
                    _ => None,
                }
            }

            /// Writes the message as a document in the namespace of `edition`.
            #[must_use]
            pub fn to_xml(&self, edition: Edition) -> String {
                let mut writer = Writer::new();
                match self {
                    $( Self::$variant(message) => {
                        let namespace = Family::$family.namespace(edition);
                        writer.element($ty::NAME, &[("xmlns", namespace)], |w| {
                            message.write_elements(w);
                        });
                    } )*
                }
                writer.finish()
            }
        }

        $( impl From<$ty> for $kind {
            fn from(message: $ty) -> Self {
                Self::$variant(message)
            }
        } )*
    };
}

kind! {
    /// A message that opens an exchange. All but [`Request::expects_answer`]'s exceptions are answered
    /// with the same invoke id.
    Request {
        /// ECMA-354 §8.1.1
        StartApplicationSession(StartApplicationSession) in ApplicationSession,
        /// ECMA-354 §8.1.2
        StopApplicationSession(StopApplicationSession) in ApplicationSession,
        /// ECMA-354 §8.1.3
        ResetApplicationSessionTimer(ResetApplicationSessionTimer) in ApplicationSession,
        /// ECMA-354 §8.2.1; unanswered
        ApplicationSessionTerminated(ApplicationSessionTerminated) in ApplicationSession,
        /// ECMA-269 §15.1.2
        MonitorStart(MonitorStart) in Csta,
        /// ECMA-269 §15.1.3
        MonitorStop(MonitorStop) in Csta,
        /// ECMA-269 §16.1.2
        SnapshotDevice(SnapshotDevice) in Csta,
        /// ECMA-269 §16.1.4; unanswered
        SnapshotDeviceData(SnapshotDeviceData) in Csta,
        /// ECMA-269 §17.1.18
        MakeCall(MakeCall) in Csta,
        /// ECMA-269 §17.1.3
        AnswerCall(AnswerCall) in Csta,
        /// ECMA-269 §17.1.8
        ClearConnection(ClearConnection) in Csta,
        /// ECMA-269 §17.1.7
        ClearCall(ClearCall) in Csta,
        /// ECMA-269 §17.1.15
        HoldCall(HoldCall) in Csta,
        /// ECMA-269 §17.1.23
        RetrieveCall(RetrieveCall) in Csta,
        /// ECMA-269 §14.1.1
        RequestSystemStatus(RequestSystemStatus) in Csta,
        /// ECMA-269 §14.1.2
        SystemStatus(SystemStatus) in Csta,
        /// ECMA-269 §14.2.1
        SystemRegister(SystemRegister) in Csta,
    }
}

kind! {
    /// An answer to a [`Request`], carrying its invoke id.
    Response {
        /// Positive answer.
        StartApplicationSessionPos(StartApplicationSessionPosResponse) in ApplicationSession,
        /// Negative answer.
        StartApplicationSessionNeg(StartApplicationSessionNegResponse) in ApplicationSession,
        /// Positive answer.
        StopApplicationSessionPos(StopApplicationSessionPosResponse) in ApplicationSession,
        /// Negative answer.
        StopApplicationSessionNeg(StopApplicationSessionNegResponse) in ApplicationSession,
        /// Positive answer.
        ResetApplicationSessionTimerPos(ResetApplicationSessionTimerPosResponse) in ApplicationSession,
        /// Negative answer.
        ResetApplicationSessionTimerNeg(ResetApplicationSessionTimerNegResponse) in ApplicationSession,
        /// Positive answer.
        MonitorStart(MonitorStartResponse) in Csta,
        /// Positive answer.
        MonitorStop(MonitorStopResponse) in Csta,
        /// Positive answer.
        SnapshotDevice(SnapshotDeviceResponse) in Csta,
        /// Positive answer.
        MakeCall(MakeCallResponse) in Csta,
        /// Positive answer.
        AnswerCall(AnswerCallResponse) in Csta,
        /// Positive answer.
        ClearConnection(ClearConnectionResponse) in Csta,
        /// Positive answer.
        ClearCall(ClearCallResponse) in Csta,
        /// Positive answer.
        HoldCall(HoldCallResponse) in Csta,
        /// Positive answer.
        RetrieveCall(RetrieveCallResponse) in Csta,
        /// Positive answer.
        RequestSystemStatus(RequestSystemStatusResponse) in Csta,
        /// Positive answer.
        SystemStatus(SystemStatusResponse) in Csta,
        /// Positive answer.
        SystemRegister(SystemRegisterResponse) in Csta,
        /// Negative answer to any CSTA request.
        Error(CstaError) in Csta,
    }
}

kind! {
    /// A report of a monitor, with invoke id 9999.
    Event {
        /// ECMA-269 §17.2.18
        ServiceInitiated(ServiceInitiatedEvent) in Csta,
        /// ECMA-269 §17.2.14
        Originated(OriginatedEvent) in Csta,
        /// ECMA-269 §17.2.5
        Delivered(DeliveredEvent) in Csta,
        /// ECMA-269 §17.2.8
        Established(EstablishedEvent) in Csta,
        /// ECMA-269 §17.2.10
        Held(HeldEvent) in Csta,
        /// ECMA-269 §17.2.17
        Retrieved(RetrievedEvent) in Csta,
        /// ECMA-269 §17.2.7
        Diverted(DivertedEvent) in Csta,
        /// ECMA-269 §17.2.9
        Failed(FailedEvent) in Csta,
        /// ECMA-269 §17.2.4
        ConnectionCleared(ConnectionClearedEvent) in Csta,
    }
}

impl Request {
    /// Whether the receiver answers this message.
    #[must_use]
    pub const fn expects_answer(&self) -> bool {
        !matches!(
            self,
            Self::ApplicationSessionTerminated(_) | Self::SnapshotDeviceData(_)
        )
    }
}

macro_rules! event_getters {
    ($( $variant:ident . $connection:ident ),* $(,)?) => {
        impl Event {
            /// The monitor that reports.
            #[must_use]
            pub const fn monitor_cross_ref_id(&self) -> &MonitorCrossRefId {
                match self { $( Self::$variant(event) => &event.monitor_cross_ref_id, )* }
            }

            /// The connection that the event is about.
            #[must_use]
            pub const fn connection(&self) -> &ConnectionId {
                match self { $( Self::$variant(event) => &event.$connection, )* }
            }

            /// The state of the *monitored* device's connection (device-type monitors only).
            #[must_use]
            pub const fn local_connection_info(&self) -> Option<LocalConnectionState> {
                match self { $( Self::$variant(event) => event.local_connection_info, )* }
            }

            /// Why it happened.
            #[must_use]
            pub const fn cause(&self) -> Option<&EventCause> {
                match self { $( Self::$variant(event) => event.cause.as_ref(), )* }
            }
        }
    };
}
event_getters! {
    ServiceInitiated.initiated_connection,
    Originated.originated_connection,
    Delivered.connection,
    Established.established_connection,
    Held.held_connection,
    Retrieved.retrieved_connection,
    Diverted.connection,
    Failed.failed_connection,
    ConnectionCleared.dropped_connection,
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
        let document = Document::from_bytes(body)?;
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
