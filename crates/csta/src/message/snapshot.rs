//! Snapshot services (ECMA-269 §16.1).

use crate::codec::{Value, lists, messages, optional};
use crate::conformance::{Content, ElementRule};
use crate::edition::Edition;
use crate::id::{ConnectionId, DeviceId};
use crate::message::DecodeError;
use crate::value::{
    CallState, ExtendedDeviceId, Extensions, LocalConnectionState, OpaqueData, Raw,
};
use crate::xml::{Element, Writer};

messages! {
    /// Asks for the calls at a device (ECMA-269 §16.1.2).
    SnapshotDevice as "SnapshotDevice" {
        /// The device.
        req snapshot_object: DeviceId = "snapshotObject",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// The calls at the device, inline or announced under a service cross reference.
    SnapshotDeviceResponse as "SnapshotDeviceResponse" {
        /// Where the data are; nothing at all is read as no calls.
        man data: SnapshotSource = "crossRefIDorSnapshotData",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// One segment of a snapshot that was announced; unanswered (ECMA-269 §16.1.4).
    SnapshotDeviceData as "SnapshotDeviceData" {
        /// Names the segments that belong together.
        req service_cross_ref_id: String = "serviceCrossRefID",
        /// Number of the segment, from 1.
        opt segment_id: u32 = "segmentID",
        /// Whether no more segments follow; absent means that this is the only one.
        man last_segment: bool = "lastSegment",
        /// The calls.
        man snapshot_data: SnapshotCalls = "snapshotData",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// One call at the device.
    SnapshotCallInfo as "snapshotDeviceResponseInfo" {
        /// The device's own connection in the call.
        req connection_identifier: ConnectionId = "connectionIdentifier",
        /// The device at that connection.
        opt endpoint_device: ExtendedDeviceId = "endpointDevice",
        /// The state of the call, the device's own connection first.
        man local_call_state: CallState = "localCallState",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// Media services attached, as they came.
        opt media_service_info_list: Raw = "mediaServiceInfoList",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Identifiers that link the call with others.
        ed6 call_linkage_data: Raw = "callLinkageData",
    }

    /// Asks for the devices of a call (ECMA-269 §16.1.1).
    SnapshotCall as "SnapshotCall" {
        /// The call, by one of its connections.
        req snapshot_object: ConnectionId = "snapshotObject",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// The devices of the call, inline or announced under a service cross reference.
    SnapshotCallResponse as "SnapshotCallResponse" {
        /// Where the data are; nothing at all is read as no calls.
        man data: SnapshotCallSource = "crossRefIDorSnapshotData",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// The calling device.
        opt calling_device: ExtendedDeviceId = "callingDevice",
        /// The device that was called at first.
        opt called_device: ExtendedDeviceId = "calledDevice",
        /// The device in the sub-domain that stands for a calling party outside.
        opt associated_calling_device: ExtendedDeviceId = "associatedCallingDevice",
        /// The device in the sub-domain that stands for a called party outside.
        opt associated_called_device: ExtendedDeviceId = "associatedCalledDevice",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
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
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// One segment of a call's snapshot that was announced, as the editions before the sixth have it.
    SnapshotCallSegment as "SnapshotCallData" {
        /// Names the segments that belong together.
        man service_cross_ref_id: String = "serviceCrossRefID",
        /// Number of the segment, from 1.
        opt segment_id: u32 = "segmentID",
        /// Whether no more segments follow; absent means that this is the only one.
        man last_segment: bool = "lastSegment",
        /// The devices.
        man snapshot_data: SnapshotDevices = "snapshotData",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// One device of the call.
    SnapshotDeviceInfo as "snapshotCallResponseInfo" {
        /// The device.
        req device_on_call: ExtendedDeviceId = "deviceOnCall",
        /// Its connection.
        opt call_identifier: ConnectionId = "callIdentifier",
        /// State of the monitored device's connection.
        opt local_connection_info: LocalConnectionState = "localConnectionInfo",
        /// Services that the device may use now, as they came.
        opt services_permitted: Raw = "servicesPermitted",
        /// Media services attached, as they came.
        opt media_service_info_list: Raw = "mediaServiceInfoList",
        /// Its place, as it came.
        ed6 location_info: Raw = "locationInfo",
    }
}

lists! {
    /// The calls at a device.
    SnapshotCalls of SnapshotCallInfo = SnapshotCallInfo::NAME;
    /// The devices of a call.
    SnapshotDevices of SnapshotDeviceInfo = SnapshotDeviceInfo::NAME;
}

/// Devices of a call whose snapshot was announced; unanswered (ECMA-269 §16.1.3). In the sixth edition
/// the message is the list of devices alone: it names no snapshot, and all devices are in one message.
/// Both forms are read, whatever the edition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotCallData(pub SnapshotCallSegment);

impl SnapshotCallData {
    /// The element's name.
    pub const NAME: &'static str = SnapshotCallSegment::NAME;

    pub(crate) fn write_elements(&self, w: &mut Writer) {
        if w.edition() < Edition::Ed6 {
            return self.0.write_elements(w);
        }
        for device in self.0.snapshot_data.iter().flat_map(|devices| &devices.0) {
            device.write(SnapshotDeviceInfo::NAME, w);
        }
    }
}

impl Value for SnapshotCallData {
    const CONTENT: Content = Content::ByEdition {
        before_ed6: &SnapshotCallSegment::CONTENT,
        since_ed6: &SnapshotDevices::CONTENT,
    };
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let mut segment = SnapshotCallSegment::read(element)?;
        if element.child(SnapshotDeviceInfo::NAME).is_some() {
            segment.snapshot_data = Some(SnapshotDevices::read(element)?);
        }
        Ok(Self(segment))
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| self.write_elements(w));
    }
}

/// Where a snapshot's data are: here or in segments, not both (ECMA-269 §16.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<T> {
    /// Here.
    Inline(T),
    /// In messages of their own under this id.
    Segmented(String),
}

/// Where the calls of a device are: here, or in [`SnapshotDeviceData`] messages.
pub type SnapshotSource = Source<SnapshotCalls>;
/// Where the devices of a call are: here, or in [`SnapshotCallData`] messages.
pub type SnapshotCallSource = Source<SnapshotDevices>;

impl<T: Value + Default> Value for Source<T> {
    const CONTENT: Content = Content::OneOf(&[
        ElementRule::part("snapshotData", T::CONTENT),
        ElementRule::part("serviceCrossRefID", String::CONTENT),
    ]);
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        match optional(element, "serviceCrossRefID")? {
            Some(id) => Ok(Self::Segmented(id)),
            None => {
                optional(element, "snapshotData").map(|data| Self::Inline(data.unwrap_or_default()))
            }
        }
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| match self {
            Self::Inline(data) => data.write("snapshotData", w),
            Self::Segmented(id) => id.write("serviceCrossRefID", w),
        });
    }
}
