//! Why the switching function refuses, in the words of the schema (ECMA-269 §12.2.12).

use csta::{CstaError, ErrorCategory};

macro_rules! refusals {
    ($( $(#[$doc:meta])* $name:ident = $category:ident / $value:literal ),* $(,)?) => {$(
        $(#[$doc])*
        pub(crate) fn $name() -> CstaError {
            CstaError::new(ErrorCategory::$category, $value)
        }
    )*};
}

refusals! {
    /// The calling device of Make Call is no extension.
    invalid_calling_device = Operation / "invalidCallingDeviceID",
    /// The device is no extension.
    invalid_device = Operation / "invalidDeviceID",
    /// No such connection, or half an id.
    invalid_connection = Operation / "invalidConnectionID",
    /// No such call.
    invalid_call = Operation / "invalidCallID",
    /// No such forwarding.
    invalid_forwarding_type = Operation / "invalidForwardingType",
    /// A forwarding without a destination.
    invalid_forwarding_destination = Operation / "invalidForwardingDestination",
    /// No such registration.
    invalid_cross_ref = Operation / "invalidCrossRefID",
    /// Do not disturb for no calls at all.
    invalid_do_not_disturb = Operation / "invalidDoNotDisturb",
    /// Digits are sent as tones.
    digit_mode = Operation / "digitModeNotSupported",
    /// An element that this switching function makes nothing of.
    parameter_not_supported = Operation / "parameterNotSupported",
    /// A value that the standard does not have.
    invalid_parameter_value = Operation / "invalidParameterValue",
    /// Nobody is logged on, or somebody else.
    invalid_agent_state = Operation / "invalidAgentState",
    /// The destination does not exist.
    invalid_destination = Operation / "invalidDestination",
    /// The consultation was for something else.
    invalid_consult_purpose = Operation / "invalidConsultPurpose",
    /// A device that is to join and neither talk nor listen.
    participation_type = Operation / "participationTypeOutOfRange",
    /// The two connections belong to different devices.
    not_same_device = Operation / "notSameDevice",
    /// The two connections are of one call.
    same_call = Operation / "requestIncompatibleWithHeldConnection",
    /// A device calls or forwards to itself, or to one that is in the call.
    same_device = Operation / "notDifferentDevices",
    /// The connection belongs to a party beyond a trunk.
    outside_connection = Operation / "requestIncompatibleWithConnection",
    /// No such monitor in this association.
    invalid_monitor = Operation / "invalidMonitorCrossRefID",
    /// Monitors are for devices.
    invalid_monitor_object = Operation / "invalidMonitorObjectType",
    /// Monitors are of the device type.
    monitor_type = Operation / "monitorTypeNotSupported",
    /// No such service here.
    service_not_supported = Operation / "serviceNotSupported",
    /// The body is no message.
    unreadable = Operation / "generic",
    /// No session is open, and one is needed.
    no_session = Operation / "securityViolation",
    /// The calling device has an active call or too many held ones.
    calling_device_state = StateIncompatibility / "invalidCallingDeviceState",
    /// The connection is not in a state for this.
    connection_state = StateIncompatibility / "invalidConnectionState",
    /// The active connection is not in a state for this.
    active_connection_state = StateIncompatibility / "invalidActiveConnectionState",
    /// The device that is to join is busy.
    destination_state = StateIncompatibility / "invalidDestinationDeviceState",
    /// It is on hold already, or is to be and is not.
    held_connection_state = StateIncompatibility / "invalidHeldConnectionState",
    /// It is not on hold.
    no_held_call = StateIncompatibility / "noHeldCall",
    /// The device has an active call.
    connected_call_exists = StateIncompatibility / "connectedCallExists",
    /// Too many monitors.
    monitor_limit = SystemResourceAvailability / "overallMonitorLimitExceeded",
    /// The device is out of service.
    out_of_service = SystemResourceAvailability / "deviceOutOfService",
    /// Too many devices.
    max_devices = SystemResourceAvailability / "maxDevicesExceeded",
    /// The conference bridge has no port left.
    conference_limit = SystemResourceAvailability / "conferenceMemberLimitExceeded",
    /// Too many outside calls.
    network_busy = SystemResourceAvailability / "networkBusy",
    /// Too many registrations.
    registration_limit = SystemResourceAvailability / "registrationLimitExceeded",
    /// The licence has expired.
    licence_expired = SubscribedResourceAvailability / "generic",
    /// Too many requests wait for their answers.
    outstanding_requests = SubscribedResourceAvailability / "outstandingReqLimitExceeded",
}
