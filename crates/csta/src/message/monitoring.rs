//! Monitoring services (ECMA-269 §15.1).

use crate::codec::{choices, messages};
use crate::id::{ConnectionId, DeviceId, MonitorCrossRefId};
use crate::value::{Extensions, MonitorType, Raw};

messages! {
    /// Starts a monitor. Each start makes a monitor of its own, even on the same object (ECMA-269 §15.1.2).
    MonitorStart as "MonitorStart" {
        /// What is to be monitored.
        req monitor_object: MonitorObject = "monitorObject",
        /// Events that are not wanted, as they came.
        opt requested_monitor_filter: Raw = "requestedMonitorFilter",
        /// Device or call type; the switching function's default when absent.
        opt monitor_type: MonitorType = "monitorType",
        /// Media that are wanted, as they came.
        opt requested_monitor_media_class: Raw = "requestedMonitorMediaClass",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Says which monitor was started.
    MonitorStartResponse as "MonitorStartResponse" {
        /// The id that events of this monitor carry.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// Events that are not sent, as they came.
        opt actual_monitor_filter: Raw = "actualMonitorFilter",
        /// Media that are monitored, as they came.
        opt actual_monitor_media_class: Raw = "actualMonitorMediaClass",
        /// Whether calls that exist already are reported too.
        opt monitor_existing_calls: bool = "monitorExistingCalls",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Ends a monitor; either side may send it (ECMA-269 §15.1.3).
    MonitorStop as "MonitorStop" {
        /// The monitor.
        req monitor_cross_ref_id: MonitorCrossRefId = "monitorCrossRefID",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// The monitor has ended.
    MonitorStopResponse as "MonitorStopResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }
}

choices! {
    /// What a monitor watches (`CSTAObject`).
    MonitorObject {
        /// A device.
        Device(DeviceId) = "deviceObject",
        /// A call, by one of its connections.
        Call(ConnectionId) = "callObject",
    }
}
