//! Events of devices and of what goes along with calls (ECMA-269 §18.2, §21.2, §22.2, §23.1).

use crate::codec::messages;
use crate::id::{ConnectionId, DeviceId, MonitorCrossRefId};
use crate::value::{
    CallOrigination, CallingDevices, EventCause, ExtendedDeviceId, Extensions, ForwardDefault,
    ForwardingType, HexBinary, OpaqueData, PendingAgentState, Raw, StateAfterWork,
};

messages! {
    /// Digits were sent on a connection (ECMA-269 §18.2).
    DigitsGeneratedEvent as "DigitsGeneratedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection.
        req connection: ConnectionId = "connection",
        /// The digits.
        man digit_generated_list: String = "digitGeneratedList",
        /// Length of each digit, as it came.
        opt digit_duration_list: Raw = "digitDurationList",
        /// Length of each pause, as it came.
        opt pause_duration_list: Raw = "pauseDurationList",
        /// Media flow of the connection, as it came.
        opt connection_info: Raw = "connectionInfo",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Information of a call changed (ECMA-269 §18.2).
    CallInformationEvent as "CallInformationEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection.
        req connection: ConnectionId = "connection",
        /// The device.
        man device: ExtendedDeviceId = "device",
        /// The calling device.
        opt calling_device: ExtendedDeviceId = "callingDevice",
        /// Account to charge.
        opt account_info: HexBinary = "accountInfo",
        /// Authorisation code of the user.
        opt auth_code: HexBinary = "authCode",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// A qualification that the user gave the call.
        opt call_qualifying_data: HexBinary = "callQualifyingData",
        /// Media flow of the connection, as it came.
        opt connection_info: Raw = "connectionInfo",
        /// Identifiers that link the new call and the old ones with others.
        opt call_linkage_data_list: Raw = "callLinkageDataList",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// The device that the information is about.
        ed6 device_info: DeviceId = "deviceInfo",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Do not disturb changed (ECMA-269 §22.2).
    DoNotDisturbEvent as "DoNotDisturbEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The device.
        req device: ExtendedDeviceId = "device",
        /// Whether it is on.
        req do_not_disturb_on: bool = "doNotDisturbOn",
        /// For calls from inside, outside, or both where absent.
        opt call_origination: CallOrigination = "callOrigination",
        /// Only for calls from these devices.
        opt calling_device_list: CallingDevices = "callingDeviceList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A forwarding changed (ECMA-269 §22.2).
    ForwardingEvent as "ForwardingEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The device.
        req device: ExtendedDeviceId = "device",
        /// Which calls are forwarded; all where it is absent.
        opt forwarding_type: ForwardingType = "forwardingType",
        /// Whether it is on.
        req forward_status: bool = "forwardStatus",
        /// Where to.
        opt forward_to: DeviceId = "forwardTo",
        /// Whether type or destination are those of the device itself.
        opt forward_default: ForwardDefault = "forwardDefault",
        /// Rings before it is forwarded.
        opt ring_count: u32 = "ringCount",
        /// Seconds of ringing before it is forwarded.
        ed6 ring_duration: u32 = "ringDuration",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// The message waiting indicator changed (ECMA-269 §21.2).
    MessageWaitingEvent as "MessageWaitingEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The device for whose user the message is.
        req target_device: ExtendedDeviceId = "targetDevice",
        /// The device that holds the message: what the user calls.
        opt device_for_message: DeviceId = "deviceForMessage",
        /// Whether a message waits.
        req message_waiting_on: bool = "messageWaitingOn",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// An agent is busy with a call (ECMA-269 §22.2).
    AgentBusyEvent as "AgentBusyEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The device of the agent.
        req agent_device: ExtendedDeviceId = "agentDevice",
        /// The agent.
        opt agent_id: String = "agentID",
        /// The group.
        opt acd_group: DeviceId = "acdGroup",
        /// The state that follows.
        opt pending_agent_state: PendingAgentState = "pendingAgentState",
        /// Why.
        opt cause: EventCause = "cause",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// An agent logged on (ECMA-269 §22.2).
    AgentLoggedOnEvent as "AgentLoggedOnEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The device of the agent.
        req agent_device: ExtendedDeviceId = "agentDevice",
        /// The agent.
        opt agent_id: String = "agentID",
        /// The group.
        opt acd_group: DeviceId = "acdGroup",
        /// The password that was used.
        opt agent_password: HexBinary = "agentPassword",
        /// Why.
        opt cause: EventCause = "cause",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// An agent logged off (ECMA-269 §22.2).
    AgentLoggedOffEvent as "AgentLoggedOffEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The device of the agent.
        req agent_device: ExtendedDeviceId = "agentDevice",
        /// The agent.
        opt agent_id: String = "agentID",
        /// The group.
        opt acd_group: DeviceId = "acdGroup",
        /// The password that was used.
        opt agent_password: HexBinary = "agentPassword",
        /// Why.
        opt cause: EventCause = "cause",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// An agent takes no calls (ECMA-269 §22.2).
    AgentNotReadyEvent as "AgentNotReadyEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The device of the agent.
        req agent_device: ExtendedDeviceId = "agentDevice",
        /// The agent.
        opt agent_id: String = "agentID",
        /// The group.
        opt acd_group: DeviceId = "acdGroup",
        /// Why.
        opt cause: EventCause = "cause",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// An agent takes calls (ECMA-269 §22.2).
    AgentReadyEvent as "AgentReadyEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The device of the agent.
        req agent_device: ExtendedDeviceId = "agentDevice",
        /// The agent.
        opt agent_id: String = "agentID",
        /// The group.
        opt acd_group: DeviceId = "acdGroup",
        /// Why.
        opt cause: EventCause = "cause",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// An agent works on after a call (ECMA-269 §22.2).
    AgentWorkingAfterCallEvent as "AgentWorkingAfterCallEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The device of the agent.
        req agent_device: ExtendedDeviceId = "agentDevice",
        /// The agent.
        opt agent_id: String = "agentID",
        /// The group.
        opt acd_group: DeviceId = "acdGroup",
        /// The state that follows.
        opt pending_agent_state: StateAfterWork = "pendingAgentState",
        /// Why.
        opt cause: EventCause = "cause",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A device is back in service (ECMA-269 §23.1).
    BackInServiceEvent as "BackInServiceEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The device.
        req device: ExtendedDeviceId = "device",
        /// Why.
        opt cause: EventCause = "cause",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A device is out of service (ECMA-269 §23.1).
    OutOfServiceEvent as "OutOfServiceEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The device.
        req device: ExtendedDeviceId = "device",
        /// Why.
        opt cause: EventCause = "cause",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }
}
