//! Call control events (ECMA-269 §17.2).
//!
//! Size: why one file: the elements of fifteen events, a line each, in the schema's order.

use crate::codec::messages;
use crate::id::{ConnectionId, DeviceId, MonitorCrossRefId};
use crate::value::{
    ConnectionList, EventCause, ExtendedDeviceId, Extensions, LocalConnectionState, OpaqueData,
    Raw, RedirectionDeviceId,
};

messages! {
    /// A device asks for service: off hook, or prompted by Make Call (ECMA-269 §17.2.18).
    ServiceInitiatedEvent as "ServiceInitiatedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection that was initiated.
        req initiated_connection: ConnectionId = "initiatedConnection",
        /// The device that asks.
        man initiating_device: ExtendedDeviceId = "initiatingDevice",
        /// The device that was called at first.
        ed6 called_device: ExtendedDeviceId = "calledDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media flow of the connection, as it came.
        opt initiated_connection_info: Raw = "initiatedConnectionInfo",
        /// The calling number as the network gave it.
        opt network_calling_device: ExtendedDeviceId = "networkCallingDevice",
        /// The called number as the network gave it.
        opt network_called_device: ExtendedDeviceId = "networkCalledDevice",
        /// The device in the sub-domain that stands for a calling party outside.
        opt associated_calling_device: ExtendedDeviceId = "associatedCallingDevice",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Messages of the call, as they came.
        opt message_info: Raw = "messageInfo",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A call is being attempted from a device (ECMA-269 §17.2.14).
    OriginatedEvent as "OriginatedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection of the calling device.
        req originated_connection: ConnectionId = "originatedConnection",
        /// The calling device.
        man calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called at first.
        man called_device: ExtendedDeviceId = "calledDevice",
        /// The device that originated for the calling one.
        opt originating_device: DeviceId = "originatingDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// The calling number as the network gave it.
        opt network_calling_device: ExtendedDeviceId = "networkCallingDevice",
        /// The called number as the network gave it.
        opt network_called_device: ExtendedDeviceId = "networkCalledDevice",
        /// The device in the sub-domain that stands for a calling party outside.
        opt associated_calling_device: ExtendedDeviceId = "associatedCallingDevice",
        /// The device in the sub-domain that stands for a called party outside.
        opt associated_called_device: ExtendedDeviceId = "associatedCalledDevice",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media flow of the connection, as it came.
        opt originated_connection_info: Raw = "originatedConnectionInfo",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Messages of the call, as they came.
        opt message_info: Raw = "messageInfo",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A call is offered to a device before it alerts (ECMA-269 §17.2.13).
    OfferedEvent as "OfferedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection that is offered.
        req offered_connection: ConnectionId = "offeredConnection",
        /// The device that it is offered to.
        man offered_device: ExtendedDeviceId = "offeredDevice",
        /// The calling device.
        man calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called at first.
        man called_device: ExtendedDeviceId = "calledDevice",
        /// The device that redirected the call last.
        man last_redirection_device: RedirectionDeviceId = "lastRedirectionDevice",
        /// The connection of the network interface on which the call came in.
        opt originating_nid_connection: ConnectionId = "originatingNIDConnection",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// The calling number as the network gave it.
        opt network_calling_device: ExtendedDeviceId = "networkCallingDevice",
        /// The called number as the network gave it.
        opt network_called_device: ExtendedDeviceId = "networkCalledDevice",
        /// The device in the sub-domain that stands for a calling party outside.
        opt associated_calling_device: ExtendedDeviceId = "associatedCallingDevice",
        /// The device in the sub-domain that stands for a called party outside.
        opt associated_called_device: ExtendedDeviceId = "associatedCalledDevice",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media flow of the connection, as it came.
        opt offered_connection_info: Raw = "offeredConnectionInfo",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Messages of the call, as they came.
        opt message_info: Raw = "messageInfo",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Devices that the call went through, as they came.
        opt device_history: Raw = "deviceHistory",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A call is delivered to a device: it rings there, or enters distribution (ECMA-269 §17.2.5).
    DeliveredEvent as "DeliveredEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection.
        req connection: ConnectionId = "connection",
        /// The alerting device.
        man alerting_device: ExtendedDeviceId = "alertingDevice",
        /// The calling device.
        man calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called at first.
        man called_device: ExtendedDeviceId = "calledDevice",
        /// The device that redirected the call last.
        man last_redirection_device: RedirectionDeviceId = "lastRedirectionDevice",
        /// The connection of the network interface on which the call came in.
        opt originating_nid_connection: ConnectionId = "originatingNIDConnection",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// The calling number as the network gave it.
        opt network_calling_device: ExtendedDeviceId = "networkCallingDevice",
        /// The called number as the network gave it.
        opt network_called_device: ExtendedDeviceId = "networkCalledDevice",
        /// The device in the sub-domain that stands for a calling party outside.
        opt associated_calling_device: ExtendedDeviceId = "associatedCallingDevice",
        /// The device in the sub-domain that stands for a called party outside.
        opt associated_called_device: ExtendedDeviceId = "associatedCalledDevice",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media flow of the connection, as it came.
        opt connection_info: Raw = "connectionInfo",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Messages of the call, as they came.
        opt message_info: Raw = "messageInfo",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Devices that the call went through, as they came.
        opt device_history: Raw = "deviceHistory",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A device answered or was connected (ECMA-269 §17.2.8).
    EstablishedEvent as "EstablishedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection of the answering device.
        req established_connection: ConnectionId = "establishedConnection",
        /// The answering device.
        man answering_device: ExtendedDeviceId = "answeringDevice",
        /// The calling device.
        man calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called at first.
        man called_device: ExtendedDeviceId = "calledDevice",
        /// The device that redirected the call last.
        man last_redirection_device: RedirectionDeviceId = "lastRedirectionDevice",
        /// The connection of the network interface on which the call came in (sic: the schema's spelling).
        opt originatin_nid_connection: ConnectionId = "originatinNIDConnection",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// The calling number as the network gave it.
        opt network_calling_device: ExtendedDeviceId = "networkCallingDevice",
        /// The called number as the network gave it.
        opt network_called_device: ExtendedDeviceId = "networkCalledDevice",
        /// The device in the sub-domain that stands for a calling party outside.
        opt associated_calling_device: ExtendedDeviceId = "associatedCallingDevice",
        /// The device in the sub-domain that stands for a called party outside.
        opt associated_called_device: ExtendedDeviceId = "associatedCalledDevice",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media flow of the connection, as it came.
        opt established_connection_info: Raw = "establishedConnectionInfo",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Messages of the call, as they came.
        opt message_info: Raw = "messageInfo",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Devices that the call went through, as they came.
        opt device_history: Raw = "deviceHistory",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A call left the sub-domain through a network interface (ECMA-269 §17.2.12).
    NetworkReachedEvent as "NetworkReachedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection of the network interface.
        req outbound_connection: ConnectionId = "outboundConnection",
        /// The network interface.
        man network_interface_used: ExtendedDeviceId = "networkInterfaceUsed",
        /// The calling device.
        man calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called at first.
        man called_device: ExtendedDeviceId = "calledDevice",
        /// The device that redirected the call last.
        man last_redirection_device: RedirectionDeviceId = "lastRedirectionDevice",
        /// The connection of the network interface on which the call came in.
        opt originating_nid_connection: ConnectionId = "originatingNIDConnection",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// What the network tells further on, as it came.
        opt network_capability: Raw = "networkCapability",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media flow of the connection, as it came.
        opt outbound_connection_info: Raw = "outboundConnectionInfo",
        /// The calling number as the network gave it.
        opt network_calling_device: ExtendedDeviceId = "networkCallingDevice",
        /// The called number as the network gave it.
        opt network_called_device: ExtendedDeviceId = "networkCalledDevice",
        /// The device in the sub-domain that stands for a calling party outside.
        opt associated_calling_device: ExtendedDeviceId = "associatedCallingDevice",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Devices that the call went through, as they came.
        opt device_history: Raw = "deviceHistory",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A call waits at a device (ECMA-269 §17.2.15).
    QueuedEvent as "QueuedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection in the queue.
        req queued_connection: ConnectionId = "queuedConnection",
        /// The device that queues.
        man queue: ExtendedDeviceId = "queue",
        /// The calling device.
        man calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called at first.
        man called_device: ExtendedDeviceId = "calledDevice",
        /// The device that redirected the call last.
        man last_redirection_device: RedirectionDeviceId = "lastRedirectionDevice",
        /// Calls in the queue.
        opt number_queued: u32 = "numberQueued",
        /// Calls in front of this one.
        opt calls_in_front: u32 = "callsInFront",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// The calling number as the network gave it.
        opt network_calling_device: ExtendedDeviceId = "networkCallingDevice",
        /// The called number as the network gave it.
        opt network_called_device: ExtendedDeviceId = "networkCalledDevice",
        /// The device in the sub-domain that stands for a calling party outside.
        opt associated_calling_device: ExtendedDeviceId = "associatedCallingDevice",
        /// The device in the sub-domain that stands for a called party outside.
        opt associated_called_device: ExtendedDeviceId = "associatedCalledDevice",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media flow of the connection, as it came.
        opt queued_connection_info: Raw = "queuedConnectionInfo",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Messages of the call, as they came.
        opt message_info: Raw = "messageInfo",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Devices that the call went through, as they came.
        opt device_history: Raw = "deviceHistory",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A device placed a call on hold (ECMA-269 §17.2.10).
    HeldEvent as "HeldEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The held connection.
        req held_connection: ConnectionId = "heldConnection",
        /// The device that holds.
        man holding_device: ExtendedDeviceId = "holdingDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media flow of the connection, as it came.
        opt held_connection_info: Raw = "heldConnectionInfo",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A device connected a held call again (ECMA-269 §17.2.17).
    RetrievedEvent as "RetrievedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection that was held.
        req retrieved_connection: ConnectionId = "retrievedConnection",
        /// The device that retrieved.
        man retrieving_device: ExtendedDeviceId = "retrievingDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media flow of the connection, as it came.
        opt retrieved_connection_info: Raw = "retrievedConnectionInfo",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A call left a device for another destination (ECMA-269 §17.2.7).
    DivertedEvent as "DivertedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection.
        req connection: ConnectionId = "connection",
        /// The device that the call left.
        man diverting_device: ExtendedDeviceId = "divertingDevice",
        /// Where the call goes.
        man new_destination: ExtendedDeviceId = "newDestination",
        /// The calling device.
        opt calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called at first.
        opt called_device: ExtendedDeviceId = "calledDevice",
        /// The device that redirected the call last.
        man last_redirection_device: RedirectionDeviceId = "lastRedirectionDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media flow of the connection, as it came.
        opt connection_info: Raw = "connectionInfo",
        /// The calling number as the network gave it.
        opt network_calling_device: ExtendedDeviceId = "networkCallingDevice",
        /// The called number as the network gave it.
        opt network_called_device: ExtendedDeviceId = "networkCalledDevice",
        /// The device in the sub-domain that stands for a calling party outside.
        opt associated_calling_device: ExtendedDeviceId = "associatedCallingDevice",
        /// The device in the sub-domain that stands for a called party outside.
        opt associated_called_device: ExtendedDeviceId = "associatedCalledDevice",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Messages of the call, as they came.
        opt message_info: Raw = "messageInfo",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Devices that the call went through, as they came.
        opt device_history: Raw = "deviceHistory",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A device joined two calls and left, or handed its call on (ECMA-269 §17.2.19; sic: the schema's spelling).
    TransferedEvent as "TransferedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The call that was held, or the only one.
        req primary_old_call: ConnectionId = "primaryOldCall",
        /// The call that was active.
        opt secondary_old_call: ConnectionId = "secondaryOldCall",
        /// The device that transferred and left.
        man transferring_device: ExtendedDeviceId = "transferringDevice",
        /// The device that the call went to.
        man transferred_to_device: ExtendedDeviceId = "transferredToDevice",
        /// Every connection of the resulting call, with its old one.
        man transferred_connections: ConnectionList = "transferredConnections",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Charges, as they came.
        opt charging_info: Raw = "chargingInfo",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Identifiers that link the new call and the old ones with others.
        opt call_linkage_data_list: Raw = "callLinkageDataList",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Devices that the call went through, as they came.
        opt device_history: Raw = "deviceHistory",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A device was added to a call (ECMA-269 §17.2.3).
    ConferencedEvent as "ConferencedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The call that was held, or the only one.
        req primary_old_call: ConnectionId = "primaryOldCall",
        /// The call that was active.
        opt secondary_old_call: ConnectionId = "secondaryOldCall",
        /// The device that made the conference.
        man conferencing_device: ExtendedDeviceId = "conferencingDevice",
        /// The device that was added.
        man added_party: ExtendedDeviceId = "addedParty",
        /// Every connection of the resulting call, with its old one.
        man conference_connections: ConnectionList = "conferenceConnections",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Identifiers that link the new call and the old ones with others.
        opt call_linkage_data_list: Raw = "callLinkageDataList",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Devices that the call went through, as they came.
        opt device_history: Raw = "deviceHistory",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A call cannot be completed, or a connection entered the fail state (ECMA-269 §17.2.9).
    FailedEvent as "FailedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection that failed; may carry the call alone (ECMA-269 §17.2.9).
        req failed_connection: ConnectionId = "failedConnection",
        /// The device that failed.
        man failing_device: ExtendedDeviceId = "failingDevice",
        /// The calling device.
        man calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called at first.
        man called_device: ExtendedDeviceId = "calledDevice",
        /// The device that redirected the call last.
        man last_redirection_device: RedirectionDeviceId = "lastRedirectionDevice",
        /// The connection of the network interface on which the call came in.
        opt originating_nid_connection: ConnectionId = "originatingNIDConnection",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// The calling number as the network gave it.
        opt network_calling_device: ExtendedDeviceId = "networkCallingDevice",
        /// The called number as the network gave it.
        opt network_called_device: ExtendedDeviceId = "networkCalledDevice",
        /// The device in the sub-domain that stands for a calling party outside.
        opt associated_calling_device: ExtendedDeviceId = "associatedCallingDevice",
        /// The device in the sub-domain that stands for a called party outside.
        opt associated_called_device: ExtendedDeviceId = "associatedCalledDevice",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media flow of the connection, as it came.
        opt failed_connection_info: Raw = "failedConnectionInfo",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Messages of the call, as they came.
        opt message_info: Raw = "messageInfo",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Devices that the call went through, as they came.
        opt device_history: Raw = "deviceHistory",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A device left a call (ECMA-269 §17.2.4).
    ConnectionClearedEvent as "ConnectionClearedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection that was dropped.
        req dropped_connection: ConnectionId = "droppedConnection",
        /// The device that released.
        man releasing_device: ExtendedDeviceId = "releasingDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Charges, as they came.
        opt charging_info: Raw = "chargingInfo",
        /// Why.
        man cause: EventCause = "cause",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media flow of the connection, as it came.
        opt dropped_connection_info: Raw = "droppedConnectionInfo",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Devices that the call went through, as they came.
        opt device_history: Raw = "deviceHistory",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// A call is over: the last device left (ECMA-269 §17.2.2).
    CallClearedEvent as "CallClearedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The call that is over.
        req cleared_call: ConnectionId = "clearedCall",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Why.
        man cause: EventCause = "cause",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Identifiers that link the call with others.
        opt call_linkage_data: Raw = "callLinkageData",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Places of the devices, as they came.
        ed6 location_info_list: Raw = "locationInfoList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }
}
