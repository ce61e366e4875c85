//! Causes of CSTA and statuses of SIP, each in the words of the other.

use csta::{CstaError, EventCause};
use sip::StatusCode;
use sip::header::Reason;

/// What a caller is told whose call failed.
pub(super) fn status_of_failure(cause: &EventCause) -> StatusCode {
    match cause.as_str() {
        "busy" | "trunksBusy" => StatusCode::BUSY_HERE,
        "destNotObtainable" | "numberUnallocated" => StatusCode::NOT_FOUND,
        "invalidNumberFormat" => StatusCode::ADDRESS_INCOMPLETE,
        "blocked" => StatusCode::FORBIDDEN,
        "networkCongestion" | "resourcesNotAvailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::TEMPORARILY_UNAVAILABLE,
    }
}

/// What a caller is told whose call the model does not begin.
pub(super) fn status_of_refusal(error: &CstaError) -> StatusCode {
    match error.value.as_str() {
        "invalidCallingDeviceState" | "connectedCallExists" => StatusCode::BUSY_HERE,
        "notDifferentDevices" => StatusCode::LOOP_DETECTED,
        "deviceOutOfService" | "networkBusy" => StatusCode::SERVICE_UNAVAILABLE,
        "invalidDestination" => StatusCode::NOT_FOUND,
        _ => StatusCode::FORBIDDEN,
    }
}

/// Why a call beyond the trunk failed.
pub(super) fn cause_of(status: Option<StatusCode>) -> EventCause {
    match status.map(StatusCode::code) {
        Some(486 | 600) => EventCause::BUSY,
        Some(404 | 410 | 604) => EventCause::NUMBER_UNALLOCATED,
        Some(484) => EventCause::INVALID_NUMBER_FORMAT,
        Some(403 | 603 | 607) => EventCause::BLOCKED,
        Some(408 | 480 | 487) => EventCause::CALL_NOT_ANSWERED,
        Some(500..=599) => EventCause::NETWORK_CONGESTION,
        _ => EventCause::DEST_NOT_OBTAINABLE,
    }
}

/// Why a terminal stops ringing for a call that another one has answered (RFC 3326 §3.1).
pub(super) fn elsewhere() -> Reason {
    Reason {
        protocol: "SIP".to_owned(),
        cause: Some(200),
        text: Some("Call completed elsewhere".to_owned()),
    }
}
