//! Every message that the crate can write, once with all its elements and once with the fewest that
//! the schemas allow. Those want a `cause` in every event, a status in System Status, and number and
//! end mark in a snapshot's segment, which the crate does without when it reads.

use csta::message::application_session::{ApplicationInfo, ProtocolVersions, SessionEndReason};
use csta::message::monitoring::MonitorObject;
use csta::message::snapshot::{SnapshotCalls, SnapshotSource};
use csta::message::*;
use csta::value::RequestTypes;
use csta::{
    AutoOriginate, CallId, CallState, ConnectionId, CstaError, DeviceId, Edition, ErrorCategory,
    EventCause, ExtendedDeviceId, LocalConnectionState, MonitorCrossRefId, MonitorType,
    RedirectionDeviceId, SimpleCallState, SystemStatusValue,
};

/// All messages; `full` says whether the optional elements are there.
pub(crate) fn messages(full: bool) -> Vec<Message> {
    let mut messages: Vec<Message> = session(full);
    messages.extend(requests(full).into_iter().map(Message::Request));
    messages.extend(call_requests(full).into_iter().map(Message::Request));
    messages.extend(responses(full).into_iter().map(Message::Response));
    messages.extend(events(full).into_iter().map(Message::Event));
    messages
}

pub(crate) fn to_xml(message: &Message, edition: Edition) -> String {
    match message {
        Message::Request(request) => request.to_xml(edition),
        Message::Response(response) => response.to_xml(edition),
        Message::Event(event) => event.to_xml(edition),
        Message::Unknown { xml, .. } => xml.clone(),
    }
}

fn device() -> DeviceId {
    DeviceId::new("N<2001!98&Jürgen>\"J\" & co;a=b").with_type_of_number("deviceNumber")
}

fn connection() -> ConnectionId {
    ConnectionId::new(CallId::new("FF0001<&>"), DeviceId::new("2001"))
}

fn cross_ref() -> MonitorCrossRefId {
    MonitorCrossRefId::new("99")
}

fn known() -> ExtendedDeviceId {
    device().into()
}

fn session(full: bool) -> Vec<Message> {
    let login = "<l:Login xmlns:l=\"urn:vendor\"><l:user>u</l:user></l:Login>";
    let session_id = || "s1".to_owned();
    let error = |text: &str| full.then(|| SessionError::Defined(text.to_owned()));
    let requests: [Request; 4] = [
        StartApplicationSession {
            application_info: ApplicationInfo {
                application_id: "ringway".to_owned(),
                specific_info: if full { login } else { "" }.to_owned(),
            },
            requested_protocol_versions: ProtocolVersions(vec![
                Edition::Ed5.namespace().to_owned(),
                Edition::Ed3.namespace().to_owned(),
            ]),
            requested_session_duration: full.then_some(120),
        }
        .into(),
        StopApplicationSession {
            session_id: session_id(),
            session_end_reason: full.then(|| SessionEndReason::Defined("normal".to_owned())),
        }
        .into(),
        ResetApplicationSessionTimer {
            session_id: session_id(),
            requested_session_duration: full.then_some(120),
        }
        .into(),
        ApplicationSessionTerminated {
            session_id: full.then(session_id),
            session_term_reason: full
                .then(|| SessionEndReason::Defined("sessionTimerExpired".to_owned())),
        }
        .into(),
    ];
    let responses: [Response; 7] = [
        StartApplicationSessionPosResponse {
            session_id: session_id(),
            actual_protocol_version: full.then(|| Edition::Ed5.namespace().to_owned()),
            actual_session_duration: full.then_some(120),
        }
        .into(),
        StartApplicationSessionNegResponse {
            error_code: error("maxNumberSessions"),
        }
        .into(),
        StartApplicationSessionNegResponse {
            error_code: Some(SessionError::Application("not you".to_owned())),
        }
        .into(),
        StopApplicationSessionPosResponse {}.into(),
        StopApplicationSessionNegResponse {
            error_code: error("invalidSessionID"),
        }
        .into(),
        ResetApplicationSessionTimerPosResponse {
            actual_session_duration: full.then_some(120),
        }
        .into(),
        ResetApplicationSessionTimerNegResponse {
            error_code: error("serverCannotResetSessionTimer"),
        }
        .into(),
    ];
    let requests = requests.into_iter().map(Message::Request);
    requests
        .chain(responses.into_iter().map(Message::Response))
        .collect()
}

fn requests(full: bool) -> Vec<Request> {
    let register_id = || full.then(|| "r1".to_owned());
    vec![
        MonitorStart {
            monitor_object: MonitorObject::Device(device()),
            monitor_type: full.then_some(MonitorType::Device),
        }
        .into(),
        MonitorStart {
            monitor_object: MonitorObject::Call(connection()),
            monitor_type: full.then_some(MonitorType::Call),
        }
        .into(),
        MonitorStop {
            monitor_cross_ref_id: cross_ref(),
        }
        .into(),
        SnapshotDevice {
            snapshot_object: device(),
        }
        .into(),
        SnapshotDeviceData {
            service_cross_ref_id: "k".to_owned(),
            segment_id: Some(1),
            last_segment: Some(full),
            snapshot_data: full.then(|| calls(full)),
        }
        .into(),
        RequestSystemStatus {
            sys_stat_register_id: register_id(),
        }
        .into(),
        SystemStatus {
            sys_stat_register_id: register_id(),
            system_status: Some(SystemStatusValue::MessagesLost),
        }
        .into(),
        SystemRegister {
            request_types: RequestTypes {
                system_status: full,
                request_system_status: true,
                ..RequestTypes::default()
            },
        }
        .into(),
    ]
}

fn call_requests(full: bool) -> Vec<Request> {
    vec![
        MakeCall {
            calling_device: device(),
            called_directory_number: DeviceId::new("2002"),
            auto_originate: full.then_some(AutoOriginate::DoNotPrompt),
        }
        .into(),
        AnswerCall {
            call_to_be_answered: connection(),
        }
        .into(),
        ClearConnection {
            connection_to_be_cleared: connection(),
        }
        .into(),
        ClearCall {
            call_to_be_cleared: connection(),
        }
        .into(),
        HoldCall {
            call_to_be_held: connection(),
            connection_reservation: full.then_some(false),
        }
        .into(),
        RetrieveCall {
            call_to_be_retrieved: connection(),
        }
        .into(),
    ]
}

fn calls(full: bool) -> SnapshotCalls {
    use LocalConnectionState::{Connected, Hold};
    let states = [
        CallState::Simple(SimpleCallState::CallEstablishedOnHold),
        CallState::Compound(vec![Connected, Hold]),
        CallState::Unknown,
    ];
    let call = |state: CallState| SnapshotCallInfo {
        connection_identifier: connection(),
        endpoint_device: full.then_some(ExtendedDeviceId::NotKnown),
        local_call_state: full.then_some(state),
    };
    SnapshotCalls(states.map(call).into())
}

fn responses(full: bool) -> Vec<Response> {
    let mut responses: Vec<Response> = vec![
        MonitorStartResponse {
            monitor_cross_ref_id: cross_ref(),
            monitor_existing_calls: full.then_some(true),
        }
        .into(),
        MonitorStopResponse {}.into(),
        SnapshotDeviceResponse {
            data: full.then(|| SnapshotSource::Inline(calls(full))),
            ..SnapshotDeviceResponse::new()
        }
        .into(),
        SnapshotDeviceResponse {
            data: Some(SnapshotSource::Segmented("k".to_owned())),
            ..SnapshotDeviceResponse::new()
        }
        .into(),
        SnapshotDeviceResponse {
            data: Some(SnapshotSource::Inline(SnapshotCalls::default())),
            ..SnapshotDeviceResponse::new()
        }
        .into(),
        MakeCallResponse::new(connection()).into(),
        AnswerCallResponse::new().into(),
        ClearConnectionResponse::new().into(),
        ClearCallResponse::new().into(),
        HoldCallResponse::new().into(),
        RetrieveCallResponse::new().into(),
        RequestSystemStatusResponse::new(SystemStatusValue::Normal).into(),
        SystemStatusResponse::new().into(),
        SystemRegisterResponse::new("r1".to_owned()).into(),
    ];
    use ErrorCategory as C;
    let errors = [
        (C::Operation, "serviceNotSupported"),
        (C::PerformanceManagement, "performanceLimitExceeded"),
        (C::PrivateErrorCode, "17"),
        (C::Security, "securityInfoViolated"),
        (C::StateIncompatibility, "noCallToAnswer"),
        (
            C::SubscribedResourceAvailability,
            "objectMonitorLimitExceeded",
        ),
        (C::SystemResourceAvailability, "overallMonitorLimitExceeded"),
        (C::Unspecified, ""),
    ];
    responses.extend(errors.map(|(category, value)| CstaError::new(category, value).into()));
    responses
}

/// Builds an event from its own two elements and those that all have.
macro_rules! event {
    ($full:ident, $name:ident, $connection:ident, { $($field:ident : $value:expr),* }) => {
        Event::from($name {
            $( $field: $full.then(|| $value), )*
            local_connection_info: $full.then_some(LocalConnectionState::Alerting),
            cause: Some(EventCause::ALTERNATE),
            ..$name::new(cross_ref(), connection())
        })
    };
}

fn events(full: bool) -> Vec<Event> {
    let restricted = || ExtendedDeviceId::Restricted;
    let redirected = || RedirectionDeviceId::NumberDialed(device());
    vec![
        event!(full, ServiceInitiatedEvent, initiated_connection, { initiating_device: known() }),
        event!(full, OriginatedEvent, originated_connection, {
            calling_device: known(), called_device: restricted(), originating_device: device()
        }),
        event!(full, DeliveredEvent, connection, {
            alerting_device: known(), calling_device: restricted(), called_device: known(),
            last_redirection_device: redirected()
        }),
        event!(full, EstablishedEvent, established_connection, {
            answering_device: known(), calling_device: known(), called_device: known(),
            last_redirection_device: RedirectionDeviceId::NotRequired
        }),
        event!(full, HeldEvent, held_connection, { holding_device: known() }),
        event!(full, RetrievedEvent, retrieved_connection, { retrieving_device: known() }),
        event!(full, DivertedEvent, connection, {
            diverting_device: known(), new_destination: known(), calling_device: known(),
            called_device: ExtendedDeviceId::NotKnown, last_redirection_device: redirected()
        }),
        event!(full, FailedEvent, failed_connection, {
            failing_device: known(), calling_device: known(), called_device: known(),
            last_redirection_device: RedirectionDeviceId::NotSpecified
        }),
        event!(full, ConnectionClearedEvent, dropped_connection, { releasing_device: known() }),
    ]
}
