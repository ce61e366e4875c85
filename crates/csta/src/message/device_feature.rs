//! Features of devices (ECMA-269 §21.1, §22.1).

use crate::codec::messages;
use crate::id::DeviceId;
use crate::value::{CallOrigination, CallingDevices, Extensions, ForwardingType, Forwardings};

messages! {
    /// Turns do not disturb on or off (ECMA-269 §22.1).
    SetDoNotDisturb as "SetDoNotDisturb" {
        /// The device.
        req device: DeviceId = "device",
        /// Whether it is on.
        req do_not_disturb_on: bool = "doNotDisturbOn",
        /// For calls from inside, outside, or both where absent.
        opt call_origination: CallOrigination = "callOrigination",
        /// Only for calls from these devices.
        opt calling_device_list: CallingDevices = "callingDeviceList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Done. Where it was so already, no event follows.
    SetDoNotDisturbResponse as "SetDoNotDisturbResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Asks whether do not disturb is on (ECMA-269 §22.1).
    GetDoNotDisturb as "GetDoNotDisturb" {
        /// The device.
        req device: DeviceId = "device",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// How it is set.
    GetDoNotDisturbResponse as "GetDoNotDisturbResponse" {
        /// Whether it is on.
        req do_not_disturb_on: bool = "doNotDisturbOn",
        /// For calls from inside, outside, or both where absent.
        opt call_origination: CallOrigination = "callOrigination",
        /// Only for calls from these devices.
        opt calling_device_list: CallingDevices = "callingDeviceList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Turns a forwarding on or off (ECMA-269 §22.1).
    SetForwarding as "SetForwarding" {
        /// The device.
        req device: DeviceId = "device",
        /// Which calls are forwarded.
        opt forwarding_type: ForwardingType = "forwardingType",
        /// On or off.
        req activate_forward: bool = "activateForward",
        /// Where to.
        opt forward_dn: DeviceId = "forwardDN",
        /// Rings before it is forwarded.
        opt ring_count: u32 = "ringCount",
        /// Seconds of ringing before it is forwarded.
        ed6 ring_duration: u32 = "ringDuration",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Done. Where it was so already, no event follows.
    SetForwardingResponse as "SetForwardingResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Asks for every forwarding of a device (ECMA-269 §22.1).
    GetForwarding as "GetForwarding" {
        /// The device.
        req device: DeviceId = "device",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// How they are set.
    GetForwardingResponse as "GetForwardingResponse" {
        /// Every forwarding of the device.
        man forwarding_list: Forwardings = "forwardingList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Turns the message waiting indicator on or off (ECMA-269 §21.1).
    SetMessageWaitingIndicator as "SetMessageWaitingIndicator" {
        /// The device.
        req device: DeviceId = "device",
        /// Whether a message waits.
        req message_waiting_on: bool = "messageWaitingOn",
        /// The device that holds the message: what the user calls.
        opt device_for_message: DeviceId = "deviceForMessage",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Done. Where it was so already, no event follows.
    SetMessageWaitingIndicatorResponse as "SetMessageWaitingIndicatorResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Asks whether a message waits (ECMA-269 §21.1).
    GetMessageWaitingIndicator as "GetMessageWaitingIndicator" {
        /// The device.
        req device: DeviceId = "device",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// How it is set.
    GetMessageWaitingIndicatorResponse as "GetMessageWaitingIndicatorResponse" {
        /// Whether a message waits.
        req message_waiting_on: bool = "messageWaitingOn",
        /// The device that holds the message: what the user calls.
        opt device_for_message: DeviceId = "deviceForMessage",
        /// Whether the device has a lamp for it.
        opt lamp_is_present: bool = "lampIsPresent",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }
}
