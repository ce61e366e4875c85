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
    /// A value that the standard does not have.
    invalid_parameter_value = Operation / "invalidParameterValue",
    /// Nobody is logged on, or somebody else.
    invalid_agent_state = Operation / "invalidAgentState",
    /// A device calls or forwards to itself.
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
    /// It is on hold already.
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
    /// Too many outside calls.
    network_busy = SystemResourceAvailability / "networkBusy",
    /// Too many requests wait for their answers.
    outstanding_requests = SubscribedResourceAvailability / "outstandingReqLimitExceeded",
}
