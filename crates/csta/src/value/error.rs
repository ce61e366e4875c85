//! The universal failure answer and the tree of its values.

mod sentence;

use std::fmt;

use crate::value::ErrorCategory;

/// The universal failure answer (`CSTAErrorCode`; ECMA-269 §12.2.12). Unknown values are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CstaError {
    /// The branch of the error tree.
    pub category: ErrorCategory,
    /// The value in it, as it came; empty for `unspecified`.
    pub value: String,
}

impl CstaError {
    /// An error of that branch and value.
    pub fn new(category: ErrorCategory, value: impl Into<String>) -> Self {
        Self {
            category,
            value: value.into(),
        }
    }
}

impl fmt::Display for CstaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value.as_str() {
            "" => write!(f, "{}", self.category),
            value => write!(f, "{}/{value}", self.category),
        }
    }
}

impl std::error::Error for CstaError {}

impl CstaError {
    /// Whether the standard has this value in this branch. A vendor's own code always counts as known:
    /// the standard leaves it to the vendor.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match self.category {
            ErrorCategory::PrivateErrorCode => true,
            category => known_values(category).contains(&self.value.as_str()),
        }
    }
}

/// The standard's values in a branch of the error tree. `unspecified` has the empty one alone, and
/// `privateErrorCode` none: they are the vendor's.
#[must_use]
pub const fn known_values(category: ErrorCategory) -> &'static [&'static str] {
    match category {
        ErrorCategory::Operation => OPERATION,
        ErrorCategory::PerformanceManagement => PERFORMANCE_MANAGEMENT,
        ErrorCategory::PrivateData => PRIVATE_DATA,
        ErrorCategory::PrivateErrorCode => &[],
        ErrorCategory::Security => SECURITY,
        ErrorCategory::StateIncompatibility => STATE_INCOMPATIBILITY,
        ErrorCategory::SubscribedResourceAvailability => SUBSCRIBED_RESOURCE_AVAILABILITY,
        ErrorCategory::SystemResourceAvailability => SYSTEM_RESOURCE_AVAILABILITY,
        ErrorCategory::Unspecified => &[""],
    }
}

/// Access refused.
pub(crate) const SECURITY: &[&str] = &[
    "generic",
    "sequenceNumberViolated",
    "timeStampViolated",
    "securityInfoViolated",
];

/// A limit of requests per time.
pub(crate) const PERFORMANCE_MANAGEMENT: &[&str] = &["generic", "performanceLimitExceeded"];

/// In private data.
pub(crate) const PRIVATE_DATA: &[&str] = &["cSTAPrivateDataInfoError"];

/// The object is in a state that does not allow the request.
pub(crate) const STATE_INCOMPATIBILITY: &[&str] = &[
    "generic",
    "invalidObjectState",
    "invalidDeviceState",
    "connectedCallExists",
    "invalidActiveDeviceState",
    "invalidCalledDeviceState",
    "invalidCallingDeviceState",
    "invalidCallToParkDeviceState",
    "invalidDestinationDeviceState",
    "invalidDivertingDeviceState",
    "invalidHeldDeviceState",
    "invalidParkToDeviceState",
    "invalidConnectionState",
    "invalidActiveConnectionState",
    "invalidConnectionIDForActiveCall",
    "invalidHeldConnectionState",
    "noActiveCall",
    "noCallToAnswer",
    "noCallToClear",
    "noCallToComplete",
    "noConnectionToClear",
    "noHeldCall",
    "incorrectMsgState",
    "beginningOfMsg",
    "endOfMsg",
    "msgSuspended",
    "notAbleToPlay",
    "notAbleToResume",
];

/// A limit of what was subscribed.
pub(crate) const SUBSCRIBED_RESOURCE_AVAILABILITY: &[&str] = &[
    "generic",
    "objectMonitorLimitExceeded",
    "trunkLimitExceeded",
    "outstandingReqLimitExceeded",
    "objectRegistrationLimitExceeded",
];

/// A resource of the system is out. The last four are there from the sixth edition on.
pub(crate) const SYSTEM_RESOURCE_AVAILABILITY: &[&str] = &[
    "generic",
    "resourceBusy",
    "internalResourceBusy",
    "classifierBusy",
    "noMediaChannelsAvailable",
    "channelsInUseForBridgedDevices",
    "channelsInUseForData",
    "toneDetectorBusy",
    "toneGeneratorBusy",
    "networkBusy",
    "resourceOutOfService",
    "deviceOutOfService",
    "activeDeviceOutOfService",
    "calledDeviceOutOfService",
    "callingDeviceOutOfService",
    "callToParkDeviceOutOfService",
    "destinationDeviceOutOfService",
    "divertingDeviceOutOfService",
    "heldDeviceOutOfService",
    "parkToDeviceOutOfService",
    "pickupDeviceOutOfService",
    "networkOutOfService",
    "otherResourceOutOfService",
    "resourceLimitExceeded",
    "overallMonitorLimitExceeded",
    "conferenceMemberLimitExceeded",
    "registrationLimitExceeded",
    "conferenceResourceCannotBeSatisfied",
    "maxDevicesExceeded",
    "startTimeOutOfRange",
    "durationExceeded",
];

/// The request cannot be carried out as asked (misspelt ones as the schema has them).
pub(crate) const OPERATION: &[&str] = &[
    "generic",
    "atLeastOneConditionalParameterNotProvided",
    "featureAlreadySet",
    "invalidMsgID",
    "invalidParameterValue",
    "invalidAccountCode",
    "invalidAgentGroup",
    "invalidAgentIdentifier",
    "invalidAgentPassword",
    "invalidAgentState",
    "invalidAlertTime",
    "invalidAllocationState",
    "invalidAuthCode",
    "invalidAutoAnswer",
    "invalidBitRate",
    "invalidButtonIdentifier",
    "invalidCallType",
    "invalidConnectionRate",
    "invalidConsultPurpose",
    "invalidCorrelatorData",
    "invalidCrossRefID",
    "invalidDelayTolerance",
    "invalidDestination",
    "invalidDestinationDetect",
    "invalidDoNotDisturb",
    "invalidEscapeCrossRefID",
    "invalidFeature",
    "invalidFile",
    "invalidFlowDirection",
    "invalidForwardingDestination",
    "invalidForwardingFlag",
    "invalidForwardingType",
    "invalidHookswitchType",
    "invalidHookswitchComponent",
    "invalidLampMode",
    "invalidLampID",
    "invalidMessageWaitingSetting",
    "invalidMicrophoneGain",
    "invalidMicrophoneMute",
    "invalidMonitorCrossRefID",
    "invalidMonitorFilter",
    "invalidMonitorObject",
    "invalidMonitorType",
    "invalidNumberOFChannels",
    "invalidParticipationType",
    "invalidRemainRetry",
    "invalidRingCount",
    "invalidRingPattern",
    "invalidRingVolume",
    "invalidRouteingAlgorithm",
    "invalidRouteingCrossRefID",
    "invalidRouteRegistrationCrossRefID",
    "invalidSpeakerVolume",
    "invalidSpeakerMute",
    "invalidSwitchingSubdomainCharsType",
    "invalidObjectType",
    "invalidActiveCallObject",
    "invalidCalledDeviceObjectType",
    "invalidCallingDeviceObjectType",
    "invalidCallToBePickedUpObjectType",
    "invalidCallToDivertObjectType",
    "invalidCallToParkObjectType",
    "invalidDestinationDeviceObject",
    "invalidHeldCallObject",
    "invalidMonitorObjectType",
    "invalidParkToObjectType",
    "messageIDRequired",
    "notDifferentDevices",
    "notSameDevice",
    "objectNotKnown",
    "invalidCallID",
    "invalidActiveCallID",
    "invalidHeldCallID",
    "invalidConnectionID",
    "invalidActiveConnectionID",
    "invalidHeldConnectionID",
    "invalidDeviceID",
    "invalidActiveDeviceID",
    "invalidCalledDeviceID",
    "invalidCallingDeviceID",
    "invalidCallToParkDeviceID",
    "invalidDestinationDeviceID",
    "invalidDivertingDeviceID",
    "invalidHeldDeviceID",
    "invalidParkToDeviceID",
    "invalidPickUpDeviceID",
    "parameterNotSupported",
    "accountCodeNotSupported",
    "agentGroupNotSupported",
    "agentPasswordNotSupported",
    "agentStateNotSupported",
    "alertTimeNotSupported",
    "allocationNotSupported",
    "authorisationCodeNotSupported",
    "autoAnswerNotSupported",
    "bitRateNotSupported",
    "buttonNotSupported",
    "callTypeNotSupported",
    "charactersToSendNotSupported",
    "connectionRateNotSupported",
    "connectionReservationNotSupported",
    "consultPurposeNotSupported",
    "correlatorDataNotSupported",
    "delayToleranceNotSupported",
    "destinationDetectNotSupported",
    "digitModeNotSupported",
    "errorValueNotSupported",
    "flowDirectionNotSupported",
    "forwardingDestinationNotSupported",
    "lampNotSupported",
    "monitorTypeNotSupported",
    "numberOfChannelsNotSupported",
    "parameterTypeNotSupported",
    "priorityNotSupported",
    "privateDataNotSupported",
    "pulseDurationNotSupported",
    "pulseRateNotSupported",
    "remainRetryNotSupported",
    "ringCountNotSupported",
    "routeUsedNotSupported",
    "securityNotSupported",
    "swSubdomainCCIETypeNotSupported",
    "toneDurationNotSupported",
    "sysStatRegIDNotSupported",
    "userDataNotSupported",
    "privilegeViolationSpecifiedDevice",
    "privilegeViolationActiveDevice",
    "privilegeViolationCalledDevice",
    "privilegeViolationCallingDevice",
    "privilegeViolationCallToParkDevice",
    "privilegeViolationDestinationDevice",
    "privilegeViolationOnDivertingDevice",
    "privilegeViolationHeldDevice",
    "privilegeViolationOnParkToDevice",
    "privilegeViolationPickUpDevice",
    "routeingTimerExpired",
    "requestIncompatibleWithObject",
    "requestIncompatibleWithConnection",
    "requestIncompatibleWithActiveConnection",
    "requestIncompatibleWithHeldConnection",
    "requestIncompatibleWithDevice",
    "requestIncompatibleWithCalledDevice",
    "requestIncompatibleWithCallingDevice",
    "requestIncompatibleWithSubjectDevice",
    "requestIncompatibleWithActiveDevice",
    "requestIncompatibleWithCallToParkDevice",
    "requestIncompatibleWithDestinationDevice",
    "requestIncompatibleWithDivertingDevice",
    "requestIncompatibleWithHeldDevice",
    "requestIncompatibleWithMedia",
    "requestIncompatibleWithParkToDevice",
    "requestIncompatibleWithPickupDevice",
    "serviceNotSupported",
    "securityViolation",
    "valueOutOfRange",
    "agentStateOutOfRange",
    "alertTimeOutOfRange",
    "allocationOutOfRange",
    "autoAnswerOutOfRange",
    "bitRateOutOfRange",
    "callTypeOutOfRange",
    "connectionRateOutOfRange",
    "connectionReservoationOutOfRange",
    "consultPurposeOutOfRange",
    "correlatorDataOutOfRange",
    "delayToleranceOutOfRange",
    "destinationDetectOutOfRange",
    "digitModeOutOfRange",
    "doNotDisturbOutOfRange",
    "flowDirectionOutOfRange",
    "forwardingFlagOutOfRange",
    "forwardingTypeOutOfRange",
    "hookswitchComponentOutOfRange",
    "hookswitchTypeOutOfRange",
    "lampModeOutOfRange",
    "messageWaitingSettingOutOfRange",
    "micGainOutOfRange",
    "micMuteOutOfRange",
    "monitorTypeOutOfRange",
    "numberOfChannelsOutOfRange",
    "participationTypeOutOfRange",
    "pulseDurationOutOfRange",
    "pulseRateOutOfRange",
    "ringCountOutOfRange",
    "ringPatternOutOfRange",
    "ringVolumnOutOfRange",
    "routeingAlgorithmOutOfRange",
    "speakerMuteOutOfRange",
    "speakerVolumeOutOfRange",
    "switchingCcittTypeOutOfRange",
    "systemStatusOutOfRange",
    "toneCharacterOutOfRange",
    "toneDurationOutOfRange",
];
