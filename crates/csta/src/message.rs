//! Every message as a plain struct, and the three kinds of message there are.
//!
//! A message is read by local name, its elements in any order; it is written in strict schema order
//! in the namespace of the chosen [`Edition`]. Adding one takes a line in a list of elements
//! (`message/*.rs`) and a line in the table below.

pub mod application_session;
pub mod call_control;
pub mod capability;
pub mod device_event;
pub mod device_feature;
pub mod event;
pub mod monitoring;
pub mod presence;
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
pub use monitoring::{MonitorStart, MonitorStartResponse, MonitorStop, MonitorStopResponse};
pub use presence::{
    GetPresenceState, GetPresenceStateResponse, PresenceStateEvent, SetPresenceState,
    SetPresenceStateResponse,
};
pub use snapshot::{
    SnapshotCall, SnapshotCallInfo, SnapshotCallResponse, SnapshotDevice, SnapshotDeviceData,
    SnapshotDeviceInfo, SnapshotDeviceResponse,
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
                let mut writer = Writer::new(edition);
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
        /// ECMA-269 §13.1
        GetLogicalDeviceInformation(GetLogicalDeviceInformation) in Csta,
        /// ECMA-269 §13.1
        GetCSTAFeatures(GetCSTAFeatures) in Csta,
        /// ECMA-269 §13.1
        GetSwitchingFunctionDevices(GetSwitchingFunctionDevices) in Csta,
        /// ECMA-269 §13.1; unanswered
        SwitchingFunctionDevices(SwitchingFunctionDevices) in Csta,
        /// ECMA-269 §15.1.2
        MonitorStart(MonitorStart) in Csta,
        /// ECMA-269 §15.1.3
        MonitorStop(MonitorStop) in Csta,
        /// ECMA-269 §16.1.2
        SnapshotDevice(SnapshotDevice) in Csta,
        /// ECMA-269 §16.1.4; unanswered
        SnapshotDeviceData(SnapshotDeviceData) in Csta,
        /// ECMA-269 §16.1.1
        SnapshotCall(SnapshotCall) in Csta,
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
        /// ECMA-269 §17.1.10
        ConsultationCall(ConsultationCall) in Csta,
        /// ECMA-269 §17.1.2
        AlternateCall(AlternateCall) in Csta,
        /// ECMA-269 §17.1.22
        ReconnectCall(ReconnectCall) in Csta,
        /// ECMA-269 §17.1.27
        TransferCall(TransferCall) in Csta,
        /// ECMA-269 §17.1.26
        SingleStepTransferCall(SingleStepTransferCall) in Csta,
        /// ECMA-269 §17.1.9
        ConferenceCall(ConferenceCall) in Csta,
        /// ECMA-269 §17.1.25
        SingleStepConferenceCall(SingleStepConferenceCall) in Csta,
        /// ECMA-269 §17.1.11
        DeflectCall(DeflectCall) in Csta,
        /// ECMA-269 §18.1
        GenerateDigits(GenerateDigits) in Csta,
        /// ECMA-269 §22.1
        SetDoNotDisturb(SetDoNotDisturb) in Csta,
        /// ECMA-269 §22.1
        GetDoNotDisturb(GetDoNotDisturb) in Csta,
        /// ECMA-269 §22.1
        SetForwarding(SetForwarding) in Csta,
        /// ECMA-269 §22.1
        GetForwarding(GetForwarding) in Csta,
        /// ECMA-269 §21.1
        SetMessageWaitingIndicator(SetMessageWaitingIndicator) in Csta,
        /// ECMA-269 §21.1
        GetMessageWaitingIndicator(GetMessageWaitingIndicator) in Csta,
        /// ECMA-269, ninth edition, §22
        SetPresenceState(SetPresenceState) in Csta,
        /// ECMA-269, ninth edition, §22
        GetPresenceState(GetPresenceState) in Csta,
        /// ECMA-269, ninth edition, §22
        PresenceStateEvent(PresenceStateEvent) in Csta,
        /// ECMA-269 §14.1
        RequestSystemStatus(RequestSystemStatus) in Csta,
        /// ECMA-269 §14.1
        SystemStatus(SystemStatus) in Csta,
        /// ECMA-269 §14.2
        SystemRegister(SystemRegister) in Csta,
        /// ECMA-269 §14.1
        SwFunctionDevicesChanged(SwFunctionDevicesChanged) in Csta,
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
        GetLogicalDeviceInformation(GetLogicalDeviceInformationResponse) in Csta,
        /// Positive answer.
        GetCSTAFeatures(GetCSTAFeaturesResponse) in Csta,
        /// Positive answer.
        GetSwitchingFunctionDevices(GetSwitchingFunctionDevicesResponse) in Csta,
        /// Positive answer.
        MonitorStart(MonitorStartResponse) in Csta,
        /// Positive answer.
        MonitorStop(MonitorStopResponse) in Csta,
        /// Positive answer.
        SnapshotDevice(SnapshotDeviceResponse) in Csta,
        /// Positive answer.
        SnapshotCall(SnapshotCallResponse) in Csta,
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
        ConsultationCall(ConsultationCallResponse) in Csta,
        /// Positive answer.
        AlternateCall(AlternateCallResponse) in Csta,
        /// Positive answer.
        ReconnectCall(ReconnectCallResponse) in Csta,
        /// Positive answer.
        TransferCall(TransferCallResponse) in Csta,
        /// Positive answer.
        SingleStepTransferCall(SingleStepTransferCallResponse) in Csta,
        /// Positive answer.
        ConferenceCall(ConferenceCallResponse) in Csta,
        /// Positive answer.
        SingleStepConferenceCall(SingleStepConferenceCallResponse) in Csta,
        /// Positive answer.
        DeflectCall(DeflectCallResponse) in Csta,
        /// Positive answer.
        GenerateDigits(GenerateDigitsResponse) in Csta,
        /// Positive answer.
        SetDoNotDisturb(SetDoNotDisturbResponse) in Csta,
        /// Positive answer.
        GetDoNotDisturb(GetDoNotDisturbResponse) in Csta,
        /// Positive answer.
        SetForwarding(SetForwardingResponse) in Csta,
        /// Positive answer.
        GetForwarding(GetForwardingResponse) in Csta,
        /// Positive answer.
        SetMessageWaitingIndicator(SetMessageWaitingIndicatorResponse) in Csta,
        /// Positive answer.
        GetMessageWaitingIndicator(GetMessageWaitingIndicatorResponse) in Csta,
        /// Positive answer.
        SetPresenceState(SetPresenceStateResponse) in Csta,
        /// Positive answer.
        GetPresenceState(GetPresenceStateResponse) in Csta,
        /// Positive answer.
        RequestSystemStatus(RequestSystemStatusResponse) in Csta,
        /// Positive answer.
        SystemStatus(SystemStatusResponse) in Csta,
        /// Positive answer.
        SystemRegister(SystemRegisterResponse) in Csta,
        /// Positive answer.
        SwFunctionDevicesChanged(SwFunctionDevicesChangedResponse) in Csta,
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
        /// ECMA-269 §17.2.13
        Offered(OfferedEvent) in Csta,
        /// ECMA-269 §17.2.5
        Delivered(DeliveredEvent) in Csta,
        /// ECMA-269 §17.2.8
        Established(EstablishedEvent) in Csta,
        /// ECMA-269 §17.2.12
        NetworkReached(NetworkReachedEvent) in Csta,
        /// ECMA-269 §17.2.15
        Queued(QueuedEvent) in Csta,
        /// ECMA-269 §17.2.10
        Held(HeldEvent) in Csta,
        /// ECMA-269 §17.2.17
        Retrieved(RetrievedEvent) in Csta,
        /// ECMA-269 §17.2.7
        Diverted(DivertedEvent) in Csta,
        /// ECMA-269 §17.2.19
        Transferred(TransferedEvent) in Csta,
        /// ECMA-269 §17.2.3
        Conferenced(ConferencedEvent) in Csta,
        /// ECMA-269 §17.2.9
        Failed(FailedEvent) in Csta,
        /// ECMA-269 §17.2.4
        ConnectionCleared(ConnectionClearedEvent) in Csta,
        /// ECMA-269 §17.2.2
        CallCleared(CallClearedEvent) in Csta,
        /// ECMA-269 §18.2
        DigitsGenerated(DigitsGeneratedEvent) in Csta,
        /// ECMA-269 §18.2
        CallInformation(CallInformationEvent) in Csta,
        /// ECMA-269 §22.2
        DoNotDisturb(DoNotDisturbEvent) in Csta,
        /// ECMA-269 §22.2
        Forwarding(ForwardingEvent) in Csta,
        /// ECMA-269 §21.2
        MessageWaiting(MessageWaitingEvent) in Csta,
        /// ECMA-269 §22.2
        AgentBusy(AgentBusyEvent) in Csta,
        /// ECMA-269 §22.2
        AgentLoggedOn(AgentLoggedOnEvent) in Csta,
        /// ECMA-269 §22.2
        AgentLoggedOff(AgentLoggedOffEvent) in Csta,
        /// ECMA-269 §22.2
        AgentNotReady(AgentNotReadyEvent) in Csta,
        /// ECMA-269 §22.2
        AgentReady(AgentReadyEvent) in Csta,
        /// ECMA-269 §22.2
        AgentWorkingAfterCall(AgentWorkingAfterCallEvent) in Csta,
        /// ECMA-269 §24.2
        BackInService(BackInServiceEvent) in Csta,
        /// ECMA-269 §24.2
        OutOfService(OutOfServiceEvent) in Csta,
        /// ECMA-269, ninth edition, §22
        PresenceState(PresenceStateEvent) in Csta,
    }
}

impl Request {
    /// Whether the receiver answers this message.
    #[must_use]
    pub const fn expects_answer(&self) -> bool {
        !matches!(
            self,
            Self::ApplicationSessionTerminated(_)
                | Self::SnapshotDeviceData(_)
                | Self::SwitchingFunctionDevices(_)
        )
    }
}

impl Event {
    /// The monitor that reports.
    #[must_use]
    pub const fn monitor_cross_ref_id(&self) -> &MonitorCrossRefId {
        match self {
            Self::ServiceInitiated(event) => &event.monitor_cross_ref_id,
            Self::Originated(event) => &event.monitor_cross_ref_id,
            Self::Offered(event) => &event.monitor_cross_ref_id,
            Self::Delivered(event) => &event.monitor_cross_ref_id,
            Self::Established(event) => &event.monitor_cross_ref_id,
            Self::NetworkReached(event) => &event.monitor_cross_ref_id,
            Self::Queued(event) => &event.monitor_cross_ref_id,
            Self::Held(event) => &event.monitor_cross_ref_id,
            Self::Retrieved(event) => &event.monitor_cross_ref_id,
            Self::Diverted(event) => &event.monitor_cross_ref_id,
            Self::Transferred(event) => &event.monitor_cross_ref_id,
            Self::Conferenced(event) => &event.monitor_cross_ref_id,
            Self::Failed(event) => &event.monitor_cross_ref_id,
            Self::ConnectionCleared(event) => &event.monitor_cross_ref_id,
            Self::CallCleared(event) => &event.monitor_cross_ref_id,
            Self::DigitsGenerated(event) => &event.monitor_cross_ref_id,
            Self::CallInformation(event) => &event.monitor_cross_ref_id,
            Self::DoNotDisturb(event) => &event.monitor_cross_ref_id,
            Self::Forwarding(event) => &event.monitor_cross_ref_id,
            Self::MessageWaiting(event) => &event.monitor_cross_ref_id,
            Self::AgentBusy(event) => &event.monitor_cross_ref_id,
            Self::AgentLoggedOn(event) => &event.monitor_cross_ref_id,
            Self::AgentLoggedOff(event) => &event.monitor_cross_ref_id,
            Self::AgentNotReady(event) => &event.monitor_cross_ref_id,
            Self::AgentReady(event) => &event.monitor_cross_ref_id,
            Self::AgentWorkingAfterCall(event) => &event.monitor_cross_ref_id,
            Self::BackInService(event) => &event.monitor_cross_ref_id,
            Self::OutOfService(event) => &event.monitor_cross_ref_id,
            Self::PresenceState(event) => &event.monitor_cross_ref_id,
        }
    }

    /// The connection that the event is about; `None` for events of devices.
    #[must_use]
    pub const fn connection(&self) -> Option<&ConnectionId> {
        Some(match self {
            Self::ServiceInitiated(event) => &event.initiated_connection,
            Self::Originated(event) => &event.originated_connection,
            Self::Offered(event) => &event.offered_connection,
            Self::Delivered(event) => &event.connection,
            Self::Established(event) => &event.established_connection,
            Self::NetworkReached(event) => &event.outbound_connection,
            Self::Queued(event) => &event.queued_connection,
            Self::Held(event) => &event.held_connection,
            Self::Retrieved(event) => &event.retrieved_connection,
            Self::Diverted(event) => &event.connection,
            Self::Transferred(event) => &event.primary_old_call,
            Self::Conferenced(event) => &event.primary_old_call,
            Self::Failed(event) => &event.failed_connection,
            Self::ConnectionCleared(event) => &event.dropped_connection,
            Self::CallCleared(event) => &event.cleared_call,
            Self::DigitsGenerated(event) => &event.connection,
            Self::CallInformation(event) => &event.connection,
            _ => return None,
        })
    }

    /// The state of the *monitored* device's connection (device-type monitors only).
    #[must_use]
    pub const fn local_connection_info(&self) -> Option<LocalConnectionState> {
        match self {
            Self::ServiceInitiated(event) => event.local_connection_info,
            Self::Originated(event) => event.local_connection_info,
            Self::Offered(event) => event.local_connection_info,
            Self::Delivered(event) => event.local_connection_info,
            Self::Established(event) => event.local_connection_info,
            Self::NetworkReached(event) => event.local_connection_info,
            Self::Queued(event) => event.local_connection_info,
            Self::Held(event) => event.local_connection_info,
            Self::Retrieved(event) => event.local_connection_info,
            Self::Diverted(event) => event.local_connection_info,
            Self::Transferred(event) => event.local_connection_info,
            Self::Conferenced(event) => event.local_connection_info,
            Self::Failed(event) => event.local_connection_info,
            Self::ConnectionCleared(event) => event.local_connection_info,
            _ => None,
        }
    }

    /// Why it happened.
    #[must_use]
    pub const fn cause(&self) -> Option<&EventCause> {
        match self {
            Self::ServiceInitiated(event) => event.cause.as_ref(),
            Self::Originated(event) => event.cause.as_ref(),
            Self::Offered(event) => event.cause.as_ref(),
            Self::Delivered(event) => event.cause.as_ref(),
            Self::Established(event) => event.cause.as_ref(),
            Self::NetworkReached(event) => event.cause.as_ref(),
            Self::Queued(event) => event.cause.as_ref(),
            Self::Held(event) => event.cause.as_ref(),
            Self::Retrieved(event) => event.cause.as_ref(),
            Self::Diverted(event) => event.cause.as_ref(),
            Self::Transferred(event) => event.cause.as_ref(),
            Self::Conferenced(event) => event.cause.as_ref(),
            Self::Failed(event) => event.cause.as_ref(),
            Self::ConnectionCleared(event) => event.cause.as_ref(),
            Self::CallCleared(event) => event.cause.as_ref(),
            Self::AgentBusy(event) => event.cause.as_ref(),
            Self::AgentLoggedOn(event) => event.cause.as_ref(),
            Self::AgentLoggedOff(event) => event.cause.as_ref(),
            Self::AgentNotReady(event) => event.cause.as_ref(),
            Self::AgentReady(event) => event.cause.as_ref(),
            Self::AgentWorkingAfterCall(event) => event.cause.as_ref(),
            Self::BackInService(event) => event.cause.as_ref(),
            Self::OutOfService(event) => event.cause.as_ref(),
            _ => None,
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
