//! Capability exchange (ECMA-269 §13.1): what this switching function really does, and its devices.

use csta::message::{
    DeviceListDevice, GetCSTAFeaturesResponse, GetLogicalDeviceInformationResponse,
    GetSwitchingFunctionDevices, GetSwitchingFunctionDevicesResponse, SwitchingFunctionDevices,
};
use csta::value::{
    DeviceCategory, Devices, FeatureGroup, FeatureGroups, Raw, RequestedDeviceCategory,
};
use csta::{CstaError, DeviceId};

use super::Exchange;
use super::serve::Answer;
use crate::switching::{
    CONNECTIONS_MAX, Device, ForwardingType, HELD_CALLS_MAX, SwitchingFunction, invalid_device,
};

/// Most devices in one segment of the list: a frame holds four times as many.
pub const DEVICES_PER_SEGMENT_MAX: usize = 100;

/// Services by group, in the order of the schema.
const SERVICES: &[(&str, &[&str])] = &[
    (
        "capExchangeServList",
        &[
            "getCSTAFeatures",
            "getLogicalDeviceInformation",
            "getSwitchingFunctionDevices",
            "switchingFunctionDevices",
        ],
    ),
    (
        "systemStatServList",
        &[
            "systemRegister",
            "requestSystemStatus",
            "systemStatus",
            "swFunctionDevicesChanged",
        ],
    ),
    ("monitoringServList", &["monitorStart", "monitorStop"]),
    (
        "snapshotServList",
        &[
            "snapshotCall",
            "snapshotDevice",
            "snapshotCallData",
            "snapshotDeviceData",
        ],
    ),
    (CALL_CONTROL.0, CALL_CONTROL.1),
    (CALL_ASSOCIATED.0, CALL_ASSOCIATED.1),
    (
        "physDevServList",
        &["getMessageWaitingIndicator", "setMessageWaitingIndicator"],
    ),
    (LOGICAL.0, LOGICAL.1),
];

/// One group and what is in it.
type Group = (&'static str, &'static [&'static str]);

const CALL_CONTROL: Group = (
    "callControlServList",
    &[
        "alternateCall",
        "answerCall",
        "clearCall",
        "clearConnection",
        "conferenceCall",
        "consultationCall",
        "deflectCall",
        "holdCall",
        "makeCall",
        "reconnectCall",
        "retrieveCall",
        "singleStepConference",
        "singleStepTransfer",
        "transferCall",
    ],
);
const CALL_ASSOCIATED: Group = ("callAssociatedServList", &["generateDigits"]);
const LOGICAL: Group = (
    "logicalServList",
    &[
        "getDoNotDisturb",
        "getForwarding",
        "getPresenceState",
        "setDoNotDisturb",
        "setForwarding",
        "setPresenceState",
    ],
);
const CALL_CONTROL_EVENTS: Group = (
    "callControlEvtsList",
    &[
        "callCleared",
        "conferenced",
        "connectionCleared",
        "delivered",
        "diverted",
        "established",
        "failed",
        "held",
        "netwReached",
        "offered",
        "originated",
        "queued",
        "retrieved",
        "serviceInitiated",
        "transferred",
    ],
);
const CALL_ASSOCIATED_EVENTS: Group = (
    "callAssociatedEvtsList",
    &["callInformation", "digitsGenerated"],
);
const LOGICAL_EVENTS: Group = (
    "logicalEvtsList",
    &[
        "agentBusy",
        "agentLoggedOff",
        "agentLoggedOn",
        "agentNotReady",
        "agentReady",
        "agentWorkingAfterCall",
        "doNotDisturb",
        "forwarding",
        "presenceState",
    ],
);
const MAINTENANCE_EVENTS: Group = ("deviceMaintEvtsList", &["backInService", "outOfService"]);

/// Events by group, in the order of the schema.
const EVENTS: &[Group] = &[
    CALL_CONTROL_EVENTS,
    CALL_ASSOCIATED_EVENTS,
    ("physDevEvtsList", &["messageWaiting"]),
    LOGICAL_EVENTS,
    MAINTENANCE_EVENTS,
];

/// Get CSTA Features.
pub(super) fn features() -> GetCSTAFeaturesResponse {
    GetCSTAFeaturesResponse {
        supported_services: Some(groups(SERVICES)),
        supported_events: Some(groups(EVENTS)),
        ..GetCSTAFeaturesResponse::new()
    }
}

/// Get Logical Device Information: every telephone can do the same.
pub(super) fn device_information(
    pbx: &SwitchingFunction,
    device: &DeviceId,
) -> Result<GetLogicalDeviceInformationResponse, CstaError> {
    if !pbx.is_group(device) {
        pbx.features(device)?;
    }
    let small = |number: usize| u32::try_from(number).ok();
    Ok(GetLogicalDeviceInformationResponse {
        device_category: Some(category_of(pbx.is_group(device))),
        has_physical_element: Some(!pbx.is_group(device)),
        max_active_calls: Some(1),
        max_held_calls: small(HELD_CALLS_MAX),
        max_fwd_settings: small(ForwardingType::ALL.len()),
        max_devices_in_conf: small(CONNECTIONS_MAX),
        log_dev_serv_list: Some(raw(&[CALL_CONTROL, CALL_ASSOCIATED, LOGICAL])),
        log_dev_evts_list: Some(raw(&[
            CALL_CONTROL_EVENTS,
            CALL_ASSOCIATED_EVENTS,
            LOGICAL_EVENTS,
        ])),
        device_maint_evts_list: Some(Raw::new(elements(MAINTENANCE_EVENTS.1))),
        ..GetLogicalDeviceInformationResponse::new()
    })
}

impl Exchange {
    /// Get Switching Function Devices: the list follows in segments that get no answer.
    pub(super) fn device_list(
        &mut self,
        request: &GetSwitchingFunctionDevices,
    ) -> Result<Answer, CstaError> {
        let only = match &request.requested_device_id {
            Some(device) => {
                let number = DeviceId::new(device.number());
                let known = self.pbx.devices().any(|device| *device.id == number);
                Some(known.then_some(number).ok_or_else(invalid_device)?)
            }
            None => None,
        };
        let category = request.requested_device_category.as_ref();
        let wanted = |device: &Device<'_>| {
            let its_own = match device.is_group {
                true => RequestedDeviceCategory::GROUP_HUNT,
                false => RequestedDeviceCategory::STATION,
            };
            only.as_ref().is_none_or(|only| only == device.id)
                && category.is_none_or(|category| *category == its_own)
        };
        let devices = self.pbx.devices().filter(wanted);
        let devices: Vec<_> = devices
            .map(|device| DeviceListDevice {
                device_category: Some(category_of(device.is_group)),
                ..DeviceListDevice::new(device.id.clone())
            })
            .collect();
        let service_ref = self.next_service_ref();
        let size = self.association.devices_per_segment;
        let size = size.clamp(1, DEVICES_PER_SEGMENT_MAX);
        let mut segments: Vec<Vec<_>> = devices.chunks(size).map(<[_]>::to_vec).collect();
        if segments.is_empty() {
            segments.push(Vec::new());
        }
        let count = segments.len();
        let segments = segments.into_iter().enumerate();
        Ok(Answer {
            then: segments
                .map(|(index, devices)| {
                    SwitchingFunctionDevices {
                        segment_id: u32::try_from(index + 1).ok(),
                        last_segment: Some(index + 1 == count),
                        device_list: Some(Devices(devices)),
                        ..SwitchingFunctionDevices::new(service_ref.clone())
                    }
                    .into()
                })
                .collect(),
            ..GetSwitchingFunctionDevicesResponse::new(service_ref).into()
        })
    }
}

const fn category_of(is_group: bool) -> DeviceCategory {
    if is_group {
        DeviceCategory::GROUP
    } else {
        DeviceCategory::STATION
    }
}

fn groups(groups: &[Group]) -> FeatureGroups {
    let groups = groups.iter().map(|(name, features)| FeatureGroup {
        name: (*name).to_owned(),
        features: features
            .iter()
            .map(|feature| (*feature).to_owned())
            .collect(),
    });
    FeatureGroups(groups.collect())
}

/// The same as XML, where `csta` keeps a list as it comes.
fn raw(groups: &[Group]) -> Raw {
    let groups = groups.iter();
    let xml: String = groups
        .map(|(name, features)| format!("<{name}>{}</{name}>", elements(features)))
        .collect();
    Raw::new(xml)
}

fn elements(features: &[&str]) -> String {
    features
        .iter()
        .map(|feature| format!("<{feature}/>"))
        .collect()
}
