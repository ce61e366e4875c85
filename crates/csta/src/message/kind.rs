//! The three kinds of message, each a table: its elements' type, who sends it, the standard's clause.

use crate::codec::Value as _;
use crate::conformance::{MessageRule, Sender};
use crate::edition::{APPLICATION_SESSION_NAMESPACE, Edition};
use crate::id::{ConnectionId, MonitorCrossRefId};
use crate::message::*;
use crate::value::{CstaError, EventCause, LocalConnectionState};
use crate::xml::{Element, Writer};

/// Which namespace a message is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Csta,
    ApplicationSession,
}

impl Family {
    pub(crate) const fn namespace(self, edition: Edition) -> &'static str {
        match self {
            Self::Csta => edition.namespace(),
            Self::ApplicationSession => APPLICATION_SESSION_NAMESPACE,
        }
    }
}

/// Declares one kind of message: the enumeration, its reading by root element, its writing.
macro_rules! kind {
    ($(#[$doc:meta])* $kind:ident {
        $( $variant:ident ( $ty:ident ) in $family:ident from $sender:ident at $clause:literal ),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $kind {
            $( #[doc = $clause] $variant($ty), )*
        }

        impl $kind {
            /// What there is of this kind, in the order of the standard's clauses.
            pub const RULES: &'static [MessageRule] = &[
                $( MessageRule {
                    name: $ty::NAME,
                    content: $ty::CONTENT,
                    sender: Sender::$sender,
                    clause: $clause,
                }, )*
            ];

            /// The name of the root element.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $( Self::$variant(_) => $ty::NAME, )* }
            }

            pub(super) fn read(root: Element<'_, '_>) -> Option<Result<Self, DecodeError>> {
                match root.name() {
                    $( $ty::NAME => Some($ty::read(root).map(Self::$variant)), )*
                    _ => None,
                }
            }

            pub(crate) const fn family(&self) -> Family {
                match self { $( Self::$variant(_) => Family::$family, )* }
            }

            /// Writes the message as a document in the namespace of `edition`.
            #[must_use]
            pub fn to_xml(&self, edition: Edition) -> String {
                let namespace = self.family().namespace(edition);
                self.write_to(Writer::new(edition), &[("xmlns", namespace)])
            }

            /// Writes the message as a document whose root has these attributes.
            pub(crate) fn write_to(&self, mut writer: Writer, root: &[(&str, &str)]) -> String {
                writer.element(self.name(), root, |w| match self {
                    $( Self::$variant(message) => message.write_elements(w), )*
                });
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
        StartApplicationSession(StartApplicationSession) in ApplicationSession from Computing at "ECMA-354 §8.1.1",
        StopApplicationSession(StopApplicationSession) in ApplicationSession from Computing at "ECMA-354 §8.1.2",
        ResetApplicationSessionTimer(ResetApplicationSessionTimer) in ApplicationSession from Computing at "ECMA-354 §8.1.3",
        ApplicationSessionTerminated(ApplicationSessionTerminated) in ApplicationSession from Switching at "ECMA-354 §8.2.1",
        GetLogicalDeviceInformation(GetLogicalDeviceInformation) in Csta from Computing at "ECMA-269 §13.1.2",
        GetCSTAFeatures(GetCSTAFeatures) in Csta from Computing at "ECMA-269 §13.1",
        GetSwitchingFunctionDevices(GetSwitchingFunctionDevices) in Csta from Computing at "ECMA-269 §13.1.5",
        SwitchingFunctionDevices(SwitchingFunctionDevices) in Csta from Switching at "ECMA-269 §13.1.6",
        MonitorStart(MonitorStart) in Csta from Computing at "ECMA-269 §15.1.2",
        MonitorStop(MonitorStop) in Csta from Either at "ECMA-269 §15.1.3",
        SnapshotDevice(SnapshotDevice) in Csta from Computing at "ECMA-269 §16.1.2",
        SnapshotDeviceData(SnapshotDeviceData) in Csta from Switching at "ECMA-269 §16.1.4",
        SnapshotCall(SnapshotCall) in Csta from Computing at "ECMA-269 §16.1.1",
        SnapshotCallData(SnapshotCallData) in Csta from Switching at "ECMA-269 §16.1.3",
        MakeCall(MakeCall) in Csta from Computing at "ECMA-269 §17.1.18",
        AnswerCall(AnswerCall) in Csta from Computing at "ECMA-269 §17.1.3",
        ClearConnection(ClearConnection) in Csta from Computing at "ECMA-269 §17.1.8",
        ClearCall(ClearCall) in Csta from Computing at "ECMA-269 §17.1.7",
        HoldCall(HoldCall) in Csta from Computing at "ECMA-269 §17.1.15",
        RetrieveCall(RetrieveCall) in Csta from Computing at "ECMA-269 §17.1.23",
        ConsultationCall(ConsultationCall) in Csta from Computing at "ECMA-269 §17.1.10",
        AlternateCall(AlternateCall) in Csta from Computing at "ECMA-269 §17.1.2",
        ReconnectCall(ReconnectCall) in Csta from Computing at "ECMA-269 §17.1.22",
        TransferCall(TransferCall) in Csta from Computing at "ECMA-269 §17.1.27",
        SingleStepTransferCall(SingleStepTransferCall) in Csta from Computing at "ECMA-269 §17.1.26",
        ConferenceCall(ConferenceCall) in Csta from Computing at "ECMA-269 §17.1.9",
        SingleStepConferenceCall(SingleStepConferenceCall) in Csta from Computing at "ECMA-269 §17.1.25",
        DeflectCall(DeflectCall) in Csta from Computing at "ECMA-269 §17.1.11",
        GenerateDigits(GenerateDigits) in Csta from Computing at "ECMA-269 §18.1.4",
        SetDoNotDisturb(SetDoNotDisturb) in Csta from Computing at "ECMA-269 §22.1.19",
        GetDoNotDisturb(GetDoNotDisturb) in Csta from Computing at "ECMA-269 §22.1.10",
        SetForwarding(SetForwarding) in Csta from Computing at "ECMA-269 §22.1.20",
        GetForwarding(GetForwarding) in Csta from Computing at "ECMA-269 §22.1.11",
        SetMessageWaitingIndicator(SetMessageWaitingIndicator) in Csta from Computing at "ECMA-269 §21.1.18",
        GetMessageWaitingIndicator(GetMessageWaitingIndicator) in Csta from Computing at "ECMA-269 §21.1.8",
        SetPresenceState(SetPresenceState) in Csta from Computing at "ECMA-269 §22.1.21",
        GetPresenceState(GetPresenceState) in Csta from Computing at "ECMA-269 §22.1.13",
        RequestSystemStatus(RequestSystemStatus) in Csta from Either at "ECMA-269 §14.2.1",
        SystemStatus(SystemStatus) in Csta from Either at "ECMA-269 §14.2.2",
        SystemRegister(SystemRegister) in Csta from Computing at "ECMA-269 §14.1.2",
        SwFunctionDevicesChanged(SwFunctionDevicesChanged) in Csta from Switching at "ECMA-269 §14.2.4",
    }
}

kind! {
    /// An answer to a [`Request`], carrying its invoke id.
    Response {
        StartApplicationSessionPos(StartApplicationSessionPosResponse) in ApplicationSession from Switching at "ECMA-354 §8.1.1",
        StartApplicationSessionNeg(StartApplicationSessionNegResponse) in ApplicationSession from Switching at "ECMA-354 §8.1.1",
        StopApplicationSessionPos(StopApplicationSessionPosResponse) in ApplicationSession from Switching at "ECMA-354 §8.1.2",
        StopApplicationSessionNeg(StopApplicationSessionNegResponse) in ApplicationSession from Switching at "ECMA-354 §8.1.2",
        ResetApplicationSessionTimerPos(ResetApplicationSessionTimerPosResponse) in ApplicationSession from Switching at "ECMA-354 §8.1.3",
        ResetApplicationSessionTimerNeg(ResetApplicationSessionTimerNegResponse) in ApplicationSession from Switching at "ECMA-354 §8.1.3",
        GetLogicalDeviceInformation(GetLogicalDeviceInformationResponse) in Csta from Switching at "ECMA-269 §13.1.2",
        GetCSTAFeatures(GetCSTAFeaturesResponse) in Csta from Switching at "ECMA-269 §13.1",
        GetSwitchingFunctionDevices(GetSwitchingFunctionDevicesResponse) in Csta from Switching at "ECMA-269 §13.1.5",
        MonitorStart(MonitorStartResponse) in Csta from Switching at "ECMA-269 §15.1.2",
        MonitorStop(MonitorStopResponse) in Csta from Either at "ECMA-269 §15.1.3",
        SnapshotDevice(SnapshotDeviceResponse) in Csta from Switching at "ECMA-269 §16.1.2",
        SnapshotCall(SnapshotCallResponse) in Csta from Switching at "ECMA-269 §16.1.1",
        MakeCall(MakeCallResponse) in Csta from Switching at "ECMA-269 §17.1.18",
        AnswerCall(AnswerCallResponse) in Csta from Switching at "ECMA-269 §17.1.3",
        ClearConnection(ClearConnectionResponse) in Csta from Switching at "ECMA-269 §17.1.8",
        ClearCall(ClearCallResponse) in Csta from Switching at "ECMA-269 §17.1.7",
        HoldCall(HoldCallResponse) in Csta from Switching at "ECMA-269 §17.1.15",
        RetrieveCall(RetrieveCallResponse) in Csta from Switching at "ECMA-269 §17.1.23",
        ConsultationCall(ConsultationCallResponse) in Csta from Switching at "ECMA-269 §17.1.10",
        AlternateCall(AlternateCallResponse) in Csta from Switching at "ECMA-269 §17.1.2",
        ReconnectCall(ReconnectCallResponse) in Csta from Switching at "ECMA-269 §17.1.22",
        TransferCall(TransferCallResponse) in Csta from Switching at "ECMA-269 §17.1.27",
        SingleStepTransferCall(SingleStepTransferCallResponse) in Csta from Switching at "ECMA-269 §17.1.26",
        ConferenceCall(ConferenceCallResponse) in Csta from Switching at "ECMA-269 §17.1.9",
        SingleStepConferenceCall(SingleStepConferenceCallResponse) in Csta from Switching at "ECMA-269 §17.1.25",
        DeflectCall(DeflectCallResponse) in Csta from Switching at "ECMA-269 §17.1.11",
        GenerateDigits(GenerateDigitsResponse) in Csta from Switching at "ECMA-269 §18.1.4",
        SetDoNotDisturb(SetDoNotDisturbResponse) in Csta from Switching at "ECMA-269 §22.1.19",
        GetDoNotDisturb(GetDoNotDisturbResponse) in Csta from Switching at "ECMA-269 §22.1.10",
        SetForwarding(SetForwardingResponse) in Csta from Switching at "ECMA-269 §22.1.20",
        GetForwarding(GetForwardingResponse) in Csta from Switching at "ECMA-269 §22.1.11",
        SetMessageWaitingIndicator(SetMessageWaitingIndicatorResponse) in Csta from Switching at "ECMA-269 §21.1.18",
        GetMessageWaitingIndicator(GetMessageWaitingIndicatorResponse) in Csta from Switching at "ECMA-269 §21.1.8",
        SetPresenceState(SetPresenceStateResponse) in Csta from Switching at "ECMA-269 §22.1.21",
        GetPresenceState(GetPresenceStateResponse) in Csta from Switching at "ECMA-269 §22.1.13",
        RequestSystemStatus(RequestSystemStatusResponse) in Csta from Either at "ECMA-269 §14.2.1",
        SystemStatus(SystemStatusResponse) in Csta from Either at "ECMA-269 §14.2.2",
        SystemRegister(SystemRegisterResponse) in Csta from Switching at "ECMA-269 §14.1.2",
        SwFunctionDevicesChanged(SwFunctionDevicesChangedResponse) in Csta from Computing at "ECMA-269 §14.2.4",
        Error(CstaError) in Csta from Either at "ECMA-269 §12.2.12",
    }
}

kind! {
    /// A report of a monitor, with invoke id 9999.
    Event {
        ServiceInitiated(ServiceInitiatedEvent) in Csta from Switching at "ECMA-269 §17.2.18",
        Originated(OriginatedEvent) in Csta from Switching at "ECMA-269 §17.2.14",
        Offered(OfferedEvent) in Csta from Switching at "ECMA-269 §17.2.13",
        Delivered(DeliveredEvent) in Csta from Switching at "ECMA-269 §17.2.5",
        Established(EstablishedEvent) in Csta from Switching at "ECMA-269 §17.2.8",
        NetworkReached(NetworkReachedEvent) in Csta from Switching at "ECMA-269 §17.2.12",
        Queued(QueuedEvent) in Csta from Switching at "ECMA-269 §17.2.15",
        Held(HeldEvent) in Csta from Switching at "ECMA-269 §17.2.10",
        Retrieved(RetrievedEvent) in Csta from Switching at "ECMA-269 §17.2.17",
        Diverted(DivertedEvent) in Csta from Switching at "ECMA-269 §17.2.7",
        Transferred(TransferedEvent) in Csta from Switching at "ECMA-269 §17.2.19",
        Conferenced(ConferencedEvent) in Csta from Switching at "ECMA-269 §17.2.3",
        Failed(FailedEvent) in Csta from Switching at "ECMA-269 §17.2.9",
        ConnectionCleared(ConnectionClearedEvent) in Csta from Switching at "ECMA-269 §17.2.4",
        CallCleared(CallClearedEvent) in Csta from Switching at "ECMA-269 §17.2.2",
        DigitsGenerated(DigitsGeneratedEvent) in Csta from Switching at "ECMA-269 §18.2.3",
        CallInformation(CallInformationEvent) in Csta from Switching at "ECMA-269 §18.2.1",
        DoNotDisturb(DoNotDisturbEvent) in Csta from Switching at "ECMA-269 §22.2.12",
        Forwarding(ForwardingEvent) in Csta from Switching at "ECMA-269 §22.2.13",
        MessageWaiting(MessageWaitingEvent) in Csta from Switching at "ECMA-269 §21.2.6",
        AgentBusy(AgentBusyEvent) in Csta from Switching at "ECMA-269 §22.2.1",
        AgentLoggedOn(AgentLoggedOnEvent) in Csta from Switching at "ECMA-269 §22.2.3",
        AgentLoggedOff(AgentLoggedOffEvent) in Csta from Switching at "ECMA-269 §22.2.2",
        AgentNotReady(AgentNotReadyEvent) in Csta from Switching at "ECMA-269 §22.2.4",
        AgentReady(AgentReadyEvent) in Csta from Switching at "ECMA-269 §22.2.5",
        AgentWorkingAfterCall(AgentWorkingAfterCallEvent) in Csta from Switching at "ECMA-269 §22.2.6",
        BackInService(BackInServiceEvent) in Csta from Switching at "ECMA-269 §23.1.1",
        OutOfService(OutOfServiceEvent) in Csta from Switching at "ECMA-269 §23.1.3",
        PresenceState(PresenceStateEvent) in Csta from Switching at "ECMA-269 §22.2.14",
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
                | Self::SnapshotCallData(_)
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
