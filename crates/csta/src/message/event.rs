//! Call control events (ECMA-269 §17.2).

use crate::codec::messages;
use crate::id::{ConnectionId, DeviceId, MonitorCrossRefId};
use crate::value::{EventCause, ExtendedDeviceId, LocalConnectionState, RedirectionDeviceId};

messages! {
    /// A device asks for service: off hook, or prompted by Make Call.
    ServiceInitiatedEvent as "ServiceInitiatedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection that was initiated.
        req initiated_connection: ConnectionId = "initiatedConnection",
        /// The device that asks.
        opt initiating_device: ExtendedDeviceId = "initiatingDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Why.
        opt cause: EventCause = "cause",
    }

    /// A call is being attempted from a device.
    OriginatedEvent as "OriginatedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection of the calling device.
        req originated_connection: ConnectionId = "originatedConnection",
        /// The calling device.
        opt calling_device: ExtendedDeviceId = "callingDevice",
        /// The called device.
        opt called_device: ExtendedDeviceId = "calledDevice",
        /// The device that originated for the calling one.
        opt originating_device: DeviceId = "originatingDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Why.
        opt cause: EventCause = "cause",
    }

    /// A call is offered to a device.
    DeliveredEvent as "DeliveredEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection of the alerting device.
        req connection: ConnectionId = "connection",
        /// The alerting device.
        opt alerting_device: ExtendedDeviceId = "alertingDevice",
        /// The calling device.
        opt calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called at first.
        opt called_device: ExtendedDeviceId = "calledDevice",
        /// The device that redirected the call last.
        opt last_redirection_device: RedirectionDeviceId = "lastRedirectionDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Why.
        opt cause: EventCause = "cause",
    }

    /// A device answered or was connected.
    EstablishedEvent as "EstablishedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection of the answering device.
        req established_connection: ConnectionId = "establishedConnection",
        /// The answering device.
        opt answering_device: ExtendedDeviceId = "answeringDevice",
        /// The calling device.
        opt calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called at first.
        opt called_device: ExtendedDeviceId = "calledDevice",
        /// The device that redirected the call last.
        opt last_redirection_device: RedirectionDeviceId = "lastRedirectionDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Why.
        opt cause: EventCause = "cause",
    }

    /// A device placed a call on hold.
    HeldEvent as "HeldEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The held connection.
        req held_connection: ConnectionId = "heldConnection",
        /// The device that holds.
        opt holding_device: ExtendedDeviceId = "holdingDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Why.
        opt cause: EventCause = "cause",
    }

    /// A device connected a held call again.
    RetrievedEvent as "RetrievedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection that was held.
        req retrieved_connection: ConnectionId = "retrievedConnection",
        /// The device that retrieved.
        opt retrieving_device: ExtendedDeviceId = "retrievingDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Why.
        opt cause: EventCause = "cause",
    }

    /// A call left a device for another destination.
    DivertedEvent as "DivertedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection that was diverted.
        req connection: ConnectionId = "connection",
        /// The device that the call left.
        opt diverting_device: ExtendedDeviceId = "divertingDevice",
        /// Where the call goes.
        opt new_destination: ExtendedDeviceId = "newDestination",
        /// The calling device.
        opt calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called at first.
        opt called_device: ExtendedDeviceId = "calledDevice",
        /// The device that redirected the call last.
        opt last_redirection_device: RedirectionDeviceId = "lastRedirectionDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Why.
        opt cause: EventCause = "cause",
    }

    /// A call cannot be completed, or a connection entered the fail state.
    FailedEvent as "FailedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection that failed; may carry the call alone (ECMA-269 §17.2.9).
        req failed_connection: ConnectionId = "failedConnection",
        /// The device that failed.
        opt failing_device: ExtendedDeviceId = "failingDevice",
        /// The calling device.
        opt calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called.
        opt called_device: ExtendedDeviceId = "calledDevice",
        /// The device that redirected the call last.
        opt last_redirection_device: RedirectionDeviceId = "lastRedirectionDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Why.
        opt cause: EventCause = "cause",
    }

    /// A device left a call.
    ConnectionClearedEvent as "ConnectionClearedEvent" {
        /// The monitor that reports.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// The connection that was dropped.
        req dropped_connection: ConnectionId = "droppedConnection",
        /// The device that released.
        opt releasing_device: ExtendedDeviceId = "releasingDevice",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Why.
        opt cause: EventCause = "cause",
    }
}
