//! Capability exchange (ECMA-269 §13): what the switching function can do, and its devices.

use crate::codec::messages;
use crate::id::DeviceId;
use crate::value::{
    DeviceCategory, Devices, Extensions, FeatureGroups, Raw, RequestedDeviceCategory,
};

messages! {
    /// Asks what a device is and can do (ECMA-269 §13.1).
    GetLogicalDeviceInformation as "GetLogicalDeviceInformation" {
        /// The device.
        req device: DeviceId = "device",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// What it is and can do.
    GetLogicalDeviceInformationResponse as "GetLogicalDeviceInformationResponse" {
        /// What kind of device it is; a station where absent.
        opt device_category: DeviceCategory = "deviceCategory",
        /// As it came.
        opt group_device_attributes: Raw = "groupDeviceAttributes",
        /// A more exact kind, as it came.
        opt named_device_types: Raw = "namedDeviceTypes",
        /// A shorter id of the device.
        opt short_form_device_id: DeviceId = "shortFormDeviceID",
        /// Whether the device has a physical part.
        man has_physical_element: bool = "hasPhysicalElement",
        /// As it came.
        man acd_models: Raw = "acdModels",
        /// As it came.
        opt agent_log_on_models: Raw = "agentLogOnModels",
        /// Whether appearances can be addressed.
        man appearance_addressable: bool = "appearanceAddressable",
        /// As it came.
        man appearance_type: Raw = "appearanceType",
        /// As it came.
        opt appearance_list: Raw = "appearanceList",
        /// As it came.
        opt other_physical_device_list: Raw = "otherPhysicalDeviceList",
        /// As it came.
        opt misc_monitor_caps: Raw = "miscMonitorCaps",
        /// As it came.
        opt associated_group_list: Raw = "associatedGroupList",
        /// Most call-backs.
        opt max_callbacks: u32 = "maxCallbacks",
        /// Most rings before an automatic answer.
        opt max_auto_answer_rings: u32 = "maxAutoAnswerRings",
        /// Most active calls.
        opt max_active_calls: u32 = "maxActiveCalls",
        /// Most held calls.
        opt max_held_calls: u32 = "maxHeldCalls",
        /// Most forwardings at once.
        opt max_fwd_settings: u32 = "maxFwdSettings",
        /// Most devices in a conference.
        opt max_devices_in_conf: u32 = "maxDevicesInConf",
        /// As it came.
        opt trans_and_conf_setup: Raw = "transAndConfSetup",
        /// As it came.
        opt device_on_device_monitor_filter: Raw = "deviceOnDeviceMonitorFilter",
        /// As it came.
        opt device_on_connection_monitor_filter: Raw = "deviceOnConnectionMonitorFilter",
        /// As it came.
        opt call_on_device_monitor_filter: Raw = "callOnDeviceMonitorFilter",
        /// As it came.
        opt call_on_connection_monitor_filter: Raw = "callOnConnectionMonitorFilter",
        /// As it came.
        opt media_class_support: Raw = "mediaClassSupport",
        /// As it came.
        opt media_service_caps_list: Raw = "mediaServiceCapsList",
        /// As it came.
        opt connection_rate_list: Raw = "connectionRateList",
        /// As it came.
        opt delay_tolerance_list: Raw = "delayToleranceList",
        /// Number of channels.
        opt number_of_channels: u32 = "numberOfChannels",
        /// Most channels bound together.
        opt max_channel_bind: u32 = "maxChannelBind",
        /// As it came.
        opt routeing_serv_list: Raw = "routeingServList",
        /// As it came.
        opt log_dev_serv_list: Raw = "logDevServList",
        /// As it came.
        opt log_dev_evts_list: Raw = "logDevEvtsList",
        /// As it came.
        opt device_maint_evts_list: Raw = "deviceMaintEvtsList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Asks which services and events there are (ECMA-269 §13.1).
    GetCSTAFeatures as "GetCSTAFeatures" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// What there is.
    GetCSTAFeaturesResponse as "GetCSTAFeaturesResponse" {
        /// Services, in groups.
        man supported_services: FeatureGroups = "supportedServices",
        /// Events, in groups.
        man supported_events: FeatureGroups = "supportedEvents",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Asks for the list of devices (ECMA-269 §13.1).
    GetSwitchingFunctionDevices as "GetSwitchingFunctionDevices" {
        /// Only this device.
        opt requested_device_id: DeviceId = "requestedDeviceID",
        /// Only devices of this kind.
        opt requested_device_category: RequestedDeviceCategory = "requestedDeviceCategory",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// The list follows in Switching Function Devices.
    GetSwitchingFunctionDevicesResponse as "GetSwitchingFunctionDevicesResponse" {
        /// Names the segments that belong together.
        req service_cross_ref_id: String = "serviceCrossRefID",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// One segment of the list of devices; unanswered (ECMA-269 §13.1).
    SwitchingFunctionDevices as "SwitchingFunctionDevices" {
        /// Names the segments that belong together.
        req service_cross_ref_id: String = "serviceCrossRefID",
        /// Number of the segment, from 1.
        opt segment_id: u32 = "segmentID",
        /// Whether no more segments follow; absent means that this is the only one.
        man last_segment: bool = "lastSegment",
        /// The devices.
        man device_list: Devices = "deviceList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// One device of the list.
    DeviceListDevice as "device" {
        /// The device.
        req device_id: DeviceId = "deviceID",
        /// What kind of device it is.
        opt device_category: DeviceCategory = "deviceCategory",
        /// A more exact kind, as it came.
        opt named_device_types: Raw = "namedDeviceTypes",
        /// Attributes of the device, as they came.
        opt device_attributes: Raw = "deviceAttributes",
        /// The model.
        opt device_model_name: String = "deviceModelName",
        /// The group of network interfaces.
        opt nid_group: DeviceId = "nidGroup",
    }
}
