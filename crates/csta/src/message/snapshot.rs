//! Snapshot services (ECMA-269 §16.1).

use crate::codec::{Value, messages, optional};
use crate::id::{ConnectionId, DeviceId};
use crate::message::DecodeError;
use crate::value::{CallState, ExtendedDeviceId};
use crate::xml::{Element, Writer};

messages! {
    /// Asks for the calls at a device.
    SnapshotDevice as "SnapshotDevice" {
        /// The device.
        req snapshot_object: DeviceId = "snapshotObject",
    }

    /// The calls at the device, inline or announced under a service cross reference.
    SnapshotDeviceResponse as "SnapshotDeviceResponse" {
        /// Where the data are; nothing at all is read as no calls.
        opt data: SnapshotSource = "crossRefIDorSnapshotData",
    }

    /// One segment of a snapshot that was announced; unanswered (ECMA-269 §16.1.4).
    SnapshotDeviceData as "SnapshotDeviceData" {
        /// The id from the announcing response.
        req service_cross_ref_id: String = "serviceCrossRefID",
        /// Number of the segment, from 1.
        opt segment_id: u32 = "segmentID",
        /// Whether no more segments follow; absent means that this is the only one.
        opt last_segment: bool = "lastSegment",
        /// The calls.
        opt snapshot_data: SnapshotCalls = "snapshotData",
    }

    /// One call at the device.
    SnapshotCallInfo as "snapshotDeviceResponseInfo" {
        /// The device's own connection in the call.
        req connection_identifier: ConnectionId = "connectionIdentifier",
        /// The device at that connection.
        opt endpoint_device: ExtendedDeviceId = "endpointDevice",
        /// The state of the call, the device's own connection first.
        opt local_call_state: CallState = "localCallState",
    }
}

/// Where a snapshot's data are: inline or segmented, not both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotSource {
    /// Here.
    Inline(SnapshotCalls),
    /// In [`SnapshotDeviceData`] messages under this id.
    Segmented(String),
}

impl Value for SnapshotSource {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        match optional(element, "serviceCrossRefID")? {
            Some(id) => Ok(Self::Segmented(id)),
            None => optional(element, "snapshotData")
                .map(|calls| Self::Inline(calls.unwrap_or_default())),
        }
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| match self {
            Self::Inline(calls) => calls.write("snapshotData", w),
            Self::Segmented(id) => id.write("serviceCrossRefID", w),
        });
    }
}

/// The calls at a device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnapshotCalls(pub Vec<SnapshotCallInfo>);

impl Value for SnapshotCalls {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let items = element
            .children()
            .filter(|child| child.name() == SnapshotCallInfo::NAME);
        items
            .map(SnapshotCallInfo::read)
            .collect::<Result<_, _>>()
            .map(Self)
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| {
            for call in &self.0 {
                call.write(SnapshotCallInfo::NAME, w);
            }
        });
    }
}
