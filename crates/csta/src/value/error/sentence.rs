//! Each value of the error tree in a plain sentence, for people who do not know the standard.
//!
//! Size: one row for each value.

use super::CstaError;
use crate::value::ErrorCategory;

impl CstaError {
    /// What the error says in one plain English sentence; a value that is not known is told by its
    /// branch of the tree (ECMA-269 §12.2.12).
    #[must_use]
    pub fn sentence(&self) -> &'static str {
        let mut rows = SENTENCES.iter().chain(BESIDE_THE_STANDARD);
        let row = rows.find(|(value, _)| *value == self.value);
        row.map_or_else(|| of_category(self.category), |(_, sentence)| sentence)
    }
}

/// What is known of an error by its branch alone.
const fn of_category(category: ErrorCategory) -> &'static str {
    match category {
        ErrorCategory::Security => "The PBX does not allow it.",
        ErrorCategory::PerformanceManagement => "The PBX gets too many requests; try again.",
        ErrorCategory::StateIncompatibility => "The state of the call does not allow it.",
        ErrorCategory::SubscribedResourceAvailability => {
            "The PBX's licence or subscription does not cover it."
        }
        ErrorCategory::SystemResourceAvailability => "The PBX has no resources left for it.",
        ErrorCategory::PrivateData => "The PBX cannot read its vendor's data in the request.",
        ErrorCategory::PrivateErrorCode => "The PBX refused, with an error of its vendor's own.",
        ErrorCategory::Operation => "The PBX cannot carry out the request.",
        ErrorCategory::Unspecified => "The PBX refused.",
    }
}

/// Values that real switching functions send and the standard does not have.
#[rustfmt::skip] // one row, one line
const BESIDE_THE_STANDARD: &[(&str, &str)] = &[
    ("invalidCallingDevice", "The PBX does not let this extension make calls."),
    ("invalidCalledDevice", "The PBX cannot reach the called number."),
    ("invalidConnectionIdentifier", "The PBX does not know the call (any longer)."),
    ("invalidActiveCallState", "There is no active call."),
    ("invalidHeldCallState", "There is no held call."),
    ("notSupported", "The PBX does not support this."),
];

/// The values of all branches but `generic`, which says no more than its branch.
#[rustfmt::skip] // one row, one line
const SENTENCES: &[(&str, &str)] = &[
    ("atLeastOneConditionalParameterNotProvided", "The PBX misses something in the request."),
    ("featureAlreadySet", "It is so already."),
    ("invalidMsgID", "The PBX does not know the message."),
    ("invalidParameterValue", "The PBX does not take a value in the request."),
    ("invalidAccountCode", "The account code is wrong."),
    ("invalidAgentGroup", "The PBX does not know the agent's group."),
    ("invalidAgentIdentifier", "The PBX does not know the agent."),
    ("invalidAgentPassword", "The agent's password is wrong."),
    ("invalidAgentState", "The PBX does not have this state of an agent."),
    ("invalidAlertTime", "The PBX does not take this time of alerting."),
    ("invalidAllocationState", "The PBX does not take this allocation."),
    ("invalidAuthCode", "The authorisation code is wrong."),
    ("invalidAutoAnswer", "The PBX does not take this setting of answering by itself."),
    ("invalidBitRate", "The PBX does not take this bit rate."),
    ("invalidButtonIdentifier", "The device has no such button."),
    ("invalidCallType", "The PBX does not take this type of call."),
    ("invalidConnectionRate", "The PBX does not take this connection rate."),
    ("invalidConsultPurpose", "The call was not made for that."),
    ("invalidCorrelatorData", "The PBX does not take the correlator data."),
    ("invalidCrossRefID", "The PBX does not know what the request refers to (any longer)."),
    ("invalidDelayTolerance", "The PBX does not take this delay tolerance."),
    ("invalidDestination", "The PBX cannot reach the called number."),
    ("invalidDestinationDetect", "The PBX cannot detect who answers in this way."),
    ("invalidDoNotDisturb", "The PBX does not take this setting of do not disturb."),
    ("invalidEscapeCrossRefID", "The PBX does not know the vendor's service (any longer)."),
    ("invalidFeature", "The PBX does not support this."),
    ("invalidFile", "The PBX does not have the file."),
    ("invalidFlowDirection", "The PBX does not take this direction of media."),
    ("invalidForwardingDestination", "The PBX cannot forward to this number."),
    ("invalidForwardingFlag", "The PBX does not take this setting of forwarding."),
    ("invalidForwardingType", "The PBX does not have this kind of forwarding."),
    ("invalidHookswitchType", "The device has no such hookswitch."),
    ("invalidHookswitchComponent", "The device's hookswitch has no such part."),
    ("invalidLampMode", "The device's lamp does not have this mode."),
    ("invalidLampID", "The device has no such lamp."),
    ("invalidMessageWaitingSetting", "The PBX does not take this setting of message waiting."),
    ("invalidMicrophoneGain", "The PBX does not take this gain of the microphone."),
    ("invalidMicrophoneMute", "The PBX does not take this muting of the microphone."),
    ("invalidMonitorCrossRefID", "The PBX does not follow the extension for the gateway (any longer)."),
    ("invalidMonitorFilter", "The PBX does not take the filter of events."),
    ("invalidMonitorObject", "The PBX cannot follow this device."),
    ("invalidMonitorType", "The PBX cannot follow a device in this way."),
    ("invalidNumberOFChannels", "The PBX does not take this number of channels."),
    ("invalidParticipationType", "The PBX does not add a party in this way."),
    ("invalidRemainRetry", "The PBX does not take this number of tries."),
    ("invalidRingCount", "The PBX does not take this number of rings."),
    ("invalidRingPattern", "The PBX does not take this ring pattern."),
    ("invalidRingVolume", "The PBX does not take this ring volume."),
    ("invalidRouteingAlgorithm", "The PBX does not take this routeing algorithm."),
    ("invalidRouteingCrossRefID", "The PBX does not know the routeing dialogue (any longer)."),
    ("invalidRouteRegistrationCrossRefID", "The PBX does not know the routeing registration (any longer)."),
    ("invalidSpeakerVolume", "The PBX does not take this volume of the speaker."),
    ("invalidSpeakerMute", "The PBX does not take this muting of the speaker."),
    ("invalidSwitchingSubdomainCharsType", "The PBX does not know what it is asked about itself."),
    ("invalidObjectType", "It cannot be done with an object of this kind."),
    ("invalidActiveCallObject", "It cannot be done with this kind of active call."),
    ("invalidCalledDeviceObjectType", "A device of this kind cannot be called."),
    ("invalidCallingDeviceObjectType", "A device of this kind cannot call."),
    ("invalidCallToBePickedUpObjectType", "A call of this kind cannot be picked up."),
    ("invalidCallToDivertObjectType", "A call of this kind cannot be sent on."),
    ("invalidCallToParkObjectType", "A call of this kind cannot be parked."),
    ("invalidDestinationDeviceObject", "A call cannot be sent to a device of this kind."),
    ("invalidHeldCallObject", "It cannot be done with this kind of held call."),
    ("invalidMonitorObjectType", "The PBX does not follow objects of this kind."),
    ("invalidParkToObjectType", "A call cannot be parked at a device of this kind."),
    ("messageIDRequired", "The request does not say which message."),
    ("notDifferentDevices", "It cannot be done with the extension itself."),
    ("notSameDevice", "The PBX does not see a held and an active call at this extension."),
    ("objectNotKnown", "The PBX does not know the extension."),
    ("invalidCallID", "The PBX does not know the call (any longer)."),
    ("invalidActiveCallID", "The PBX does not see a held and an active call at this extension."),
    ("invalidHeldCallID", "The PBX does not see a held and an active call at this extension."),
    ("invalidConnectionID", "The PBX does not know the call (any longer)."),
    ("invalidActiveConnectionID", "The PBX does not know the active call (any longer)."),
    ("invalidHeldConnectionID", "The PBX does not know the held call (any longer)."),
    ("invalidDeviceID", "The PBX does not know the extension."),
    ("invalidActiveDeviceID", "The PBX does not know the extension of the active call."),
    ("invalidCalledDeviceID", "The PBX cannot reach the called number."),
    ("invalidCallingDeviceID", "The PBX does not know the extension."),
    ("invalidCallToParkDeviceID", "The PBX does not know the extension whose call is to be parked."),
    ("invalidDestinationDeviceID", "The PBX does not know the destination."),
    ("invalidDivertingDeviceID", "The PBX does not know the extension that sends the call on."),
    ("invalidHeldDeviceID", "The PBX does not know the extension of the held call."),
    ("invalidParkToDeviceID", "The PBX does not know the extension to park at."),
    ("invalidPickUpDeviceID", "The PBX does not know the extension to pick up from."),
    ("parameterNotSupported", "The PBX does not support something in the request."),
    ("accountCodeNotSupported", "The PBX does not support account codes."),
    ("agentGroupNotSupported", "The PBX does not support groups of agents."),
    ("agentPasswordNotSupported", "The PBX does not support passwords of agents."),
    ("agentStateNotSupported", "The PBX does not support this state of agents."),
    ("alertTimeNotSupported", "The PBX does not support a time of alerting."),
    ("allocationNotSupported", "The PBX does not support this allocation."),
    ("authorisationCodeNotSupported", "The PBX does not support authorisation codes."),
    ("autoAnswerNotSupported", "The PBX does not support answering by itself."),
    ("bitRateNotSupported", "The PBX does not support this bit rate."),
    ("buttonNotSupported", "The PBX does not support buttons."),
    ("callTypeNotSupported", "The PBX does not support this type of call."),
    ("charactersToSendNotSupported", "The PBX does not support these characters to send."),
    ("connectionRateNotSupported", "The PBX does not support this connection rate."),
    ("connectionReservationNotSupported", "The PBX does not support reserved connections."),
    ("consultPurposeNotSupported", "The PBX does not support consultations for one purpose."),
    ("correlatorDataNotSupported", "The PBX does not support correlator data."),
    ("delayToleranceNotSupported", "The PBX does not support this delay tolerance."),
    ("destinationDetectNotSupported", "The PBX does not support detecting who answers."),
    ("digitModeNotSupported", "The PBX does not support this mode of digits."),
    ("errorValueNotSupported", "The PBX does not know the error that it was told."),
    ("flowDirectionNotSupported", "The PBX does not support this direction of media."),
    ("forwardingDestinationNotSupported", "The PBX does not support a destination of forwarding."),
    ("lampNotSupported", "The PBX does not support lamps."),
    ("monitorTypeNotSupported", "The PBX does not support this type of monitor."),
    ("numberOfChannelsNotSupported", "The PBX does not support this number of channels."),
    ("parameterTypeNotSupported", "The PBX does not support something in the request."),
    ("priorityNotSupported", "The PBX does not support calls with priority."),
    ("privateDataNotSupported", "The PBX does not support its vendor's data."),
    ("pulseDurationNotSupported", "The PBX does not support this duration of pulses."),
    ("pulseRateNotSupported", "The PBX does not support this rate of pulses."),
    ("remainRetryNotSupported", "The PBX does not support a number of tries."),
    ("ringCountNotSupported", "The PBX does not support a number of rings."),
    ("routeUsedNotSupported", "The PBX does not support telling the route used."),
    ("securityNotSupported", "The PBX does not support security data."),
    ("swSubdomainCCIETypeNotSupported", "The PBX does not support information elements of this type."),
    ("toneDurationNotSupported", "The PBX does not support this duration of tones."),
    ("sysStatRegIDNotSupported", "The PBX does not register for its status."),
    ("userDataNotSupported", "The PBX does not support user data."),
    ("privilegeViolationSpecifiedDevice", "The PBX does not allow it for this extension."),
    ("privilegeViolationActiveDevice", "The PBX does not allow it for the extension of the active call."),
    ("privilegeViolationCalledDevice", "The PBX does not allow a call to this number."),
    ("privilegeViolationCallingDevice", "The PBX does not let this extension call there."),
    ("privilegeViolationCallToParkDevice", "The PBX does not let this extension park calls."),
    ("privilegeViolationDestinationDevice", "The PBX does not allow calls to be sent to this destination."),
    ("privilegeViolationOnDivertingDevice", "The PBX does not let this extension send calls on."),
    ("privilegeViolationHeldDevice", "The PBX does not allow it for the extension that holds the call."),
    ("privilegeViolationOnParkToDevice", "The PBX does not allow calls to be parked there."),
    ("privilegeViolationPickUpDevice", "The PBX does not let this extension pick up the call."),
    ("routeingTimerExpired", "The route came too late."),
    ("requestIncompatibleWithObject", "That cannot be done with this object."),
    ("requestIncompatibleWithConnection", "That cannot be done with this call."),
    ("requestIncompatibleWithActiveConnection", "That cannot be done with the active call."),
    ("requestIncompatibleWithHeldConnection", "That cannot be done with the held call."),
    ("requestIncompatibleWithDevice", "The device cannot do that."),
    ("requestIncompatibleWithCalledDevice", "The called device cannot do that."),
    ("requestIncompatibleWithCallingDevice", "The device cannot do that."),
    ("requestIncompatibleWithSubjectDevice", "The device cannot do that."),
    ("requestIncompatibleWithActiveDevice", "The device of the active call cannot do that."),
    ("requestIncompatibleWithCallToParkDevice", "The device cannot park calls."),
    ("requestIncompatibleWithDestinationDevice", "The destination cannot do that."),
    ("requestIncompatibleWithDivertingDevice", "The device cannot send calls on."),
    ("requestIncompatibleWithHeldDevice", "The device that holds the call cannot do that."),
    ("requestIncompatibleWithMedia", "That cannot be done with the media of the call."),
    ("requestIncompatibleWithParkToDevice", "Calls cannot be parked at the device."),
    ("requestIncompatibleWithPickupDevice", "Calls at the device cannot be picked up."),
    ("serviceNotSupported", "The PBX does not support this."),
    ("securityViolation", "The PBX does not allow it."),
    ("valueOutOfRange", "A value in the request is out of the range that the PBX allows."),
    ("agentStateOutOfRange", "The state of the agent is out of the range that the PBX allows."),
    ("alertTimeOutOfRange", "The time of alerting is out of the range that the PBX allows."),
    ("allocationOutOfRange", "The allocation is out of the range that the PBX allows."),
    ("autoAnswerOutOfRange", "The setting of answering by itself is out of the range that the PBX allows."),
    ("bitRateOutOfRange", "The bit rate is out of the range that the PBX allows."),
    ("callTypeOutOfRange", "The type of call is out of the range that the PBX allows."),
    ("connectionRateOutOfRange", "The connection rate is out of the range that the PBX allows."),
    ("connectionReservoationOutOfRange", "The reservation of the connection is out of the range that the PBX allows."),
    ("consultPurposeOutOfRange", "The purpose of the consultation is out of the range that the PBX allows."),
    ("correlatorDataOutOfRange", "The correlator data is out of the range that the PBX allows."),
    ("delayToleranceOutOfRange", "The delay tolerance is out of the range that the PBX allows."),
    ("destinationDetectOutOfRange", "The way to detect who answers is out of the range that the PBX allows."),
    ("digitModeOutOfRange", "The mode of digits is out of the range that the PBX allows."),
    ("doNotDisturbOutOfRange", "The setting of do not disturb is out of the range that the PBX allows."),
    ("flowDirectionOutOfRange", "The direction of media is out of the range that the PBX allows."),
    ("forwardingFlagOutOfRange", "The setting of forwarding is out of the range that the PBX allows."),
    ("forwardingTypeOutOfRange", "The type of forwarding is out of the range that the PBX allows."),
    ("hookswitchComponentOutOfRange", "The part of the hookswitch is out of the range that the PBX allows."),
    ("hookswitchTypeOutOfRange", "The type of hookswitch is out of the range that the PBX allows."),
    ("lampModeOutOfRange", "The mode of the lamp is out of the range that the PBX allows."),
    ("messageWaitingSettingOutOfRange", "The setting of message waiting is out of the range that the PBX allows."),
    ("micGainOutOfRange", "The gain of the microphone is out of the range that the PBX allows."),
    ("micMuteOutOfRange", "The muting of the microphone is out of the range that the PBX allows."),
    ("monitorTypeOutOfRange", "The type of monitor is out of the range that the PBX allows."),
    ("numberOfChannelsOutOfRange", "The number of channels is out of the range that the PBX allows."),
    ("participationTypeOutOfRange", "The type of participation is out of the range that the PBX allows."),
    ("pulseDurationOutOfRange", "The duration of pulses is out of the range that the PBX allows."),
    ("pulseRateOutOfRange", "The rate of pulses is out of the range that the PBX allows."),
    ("ringCountOutOfRange", "The number of rings is out of the range that the PBX allows."),
    ("ringPatternOutOfRange", "The ring pattern is out of the range that the PBX allows."),
    ("ringVolumnOutOfRange", "The ring volume is out of the range that the PBX allows."),
    ("routeingAlgorithmOutOfRange", "The routeing algorithm is out of the range that the PBX allows."),
    ("speakerMuteOutOfRange", "The muting of the speaker is out of the range that the PBX allows."),
    ("speakerVolumeOutOfRange", "The volume of the speaker is out of the range that the PBX allows."),
    ("switchingCcittTypeOutOfRange", "The PBX does not know the type of ITU-T that was asked about."),
    ("systemStatusOutOfRange", "The PBX does not know this status of a system."),
    ("toneCharacterOutOfRange", "The tone is out of the range that the PBX allows."),
    ("toneDurationOutOfRange", "The duration of tones is out of the range that the PBX allows."),
    ("invalidObjectState", "The state of the call does not allow it."),
    ("invalidDeviceState", "The state of the extension does not allow it."),
    ("connectedCallExists", "The extension is in another call."),
    ("invalidActiveDeviceState", "The state of the extension does not allow it."),
    ("invalidCalledDeviceState", "The state of the called device does not allow it."),
    ("invalidCallingDeviceState", "The state of the calling extension does not allow it."),
    ("invalidCallToParkDeviceState", "The call cannot be parked in the state of its extension."),
    ("invalidDestinationDeviceState", "The destination cannot take the call now."),
    ("invalidDivertingDeviceState", "The extension cannot send the call on in its state."),
    ("invalidHeldDeviceState", "The state of the extension that holds the call does not allow it."),
    ("invalidParkToDeviceState", "A call cannot be parked at that extension now."),
    ("invalidConnectionState", "The state of the call does not allow it."),
    ("invalidActiveConnectionState", "The active call is not in a state that allows it."),
    ("invalidConnectionIDForActiveCall", "The active call is not in a state that allows it."),
    ("invalidHeldConnectionState", "There is no held call."),
    ("noActiveCall", "There is no active call."),
    ("noCallToAnswer", "There is no call to answer."),
    ("noCallToClear", "There is no call to end."),
    ("noCallToComplete", "There is no call to complete."),
    ("noConnectionToClear", "There is no call to end."),
    ("noHeldCall", "There is no held call."),
    ("incorrectMsgState", "The state of the message does not allow it."),
    ("beginningOfMsg", "The message is at its beginning."),
    ("endOfMsg", "The message is at its end."),
    ("msgSuspended", "The message is suspended."),
    ("notAbleToPlay", "The message cannot be played."),
    ("notAbleToResume", "The message cannot be resumed."),
    ("resourceBusy", "The PBX is busy; try again."),
    ("internalResourceBusy", "The PBX is busy inside; try again."),
    ("classifierBusy", "All classifiers of the PBX are in use; try again."),
    ("noMediaChannelsAvailable", "The PBX has no media channel left."),
    ("channelsInUseForBridgedDevices", "The channels are in use by bridged devices."),
    ("channelsInUseForData", "The channels are in use for data."),
    ("toneDetectorBusy", "All tone detectors of the PBX are in use; try again."),
    ("toneGeneratorBusy", "All tone generators of the PBX are in use; try again."),
    ("networkBusy", "The network cannot take the call."),
    ("resourceOutOfService", "A resource of the PBX is out of service."),
    ("deviceOutOfService", "The device is out of service."),
    ("activeDeviceOutOfService", "The device is out of service."),
    ("calledDeviceOutOfService", "The destination cannot take the call now."),
    ("callingDeviceOutOfService", "The device is out of service."),
    ("callToParkDeviceOutOfService", "The extension whose call is to be parked is out of service."),
    ("destinationDeviceOutOfService", "The destination is out of service."),
    ("divertingDeviceOutOfService", "The extension that sends the call on is out of service."),
    ("heldDeviceOutOfService", "The extension that holds the call is out of service."),
    ("parkToDeviceOutOfService", "The extension to park at is out of service."),
    ("pickupDeviceOutOfService", "The extension to pick up from is out of service."),
    ("networkOutOfService", "The network cannot take the call."),
    ("otherResourceOutOfService", "Something that the PBX needs for it is out of service."),
    ("resourceLimitExceeded", "The PBX has no resources left for it."),
    ("overallMonitorLimitExceeded", "The PBX follows as many extensions as it allows."),
    ("conferenceMemberLimitExceeded", "The conference has no room for another party."),
    ("registrationLimitExceeded", "The PBX has as many registrations as it allows."),
    ("conferenceResourceCannotBeSatisfied", "The PBX has no conference left."),
    ("maxDevicesExceeded", "The conference has no room for another party."),
    ("startTimeOutOfRange", "The PBX does not reserve a conference that early or late."),
    ("durationExceeded", "The PBX does not reserve a conference that long."),
    ("objectMonitorLimitExceeded", "The extension is followed by as many applications as the PBX allows."),
    ("trunkLimitExceeded", "All licensed trunks are in use."),
    ("outstandingReqLimitExceeded", "The PBX works on as many requests as it allows; try again."),
    ("objectRegistrationLimitExceeded", "The extension has as many registrations as the PBX allows."),
    ("performanceLimitExceeded", "The PBX gets too many requests; try again."),
    ("sequenceNumberViolated", "The PBX missed a message before this one."),
    ("timeStampViolated", "The clocks of gateway and PBX disagree."),
    ("securityInfoViolated", "The PBX does not accept the gateway's signature."),
    ("cSTAPrivateDataInfoError", "The PBX cannot read its vendor's data in the request."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::known_values;
    use super::*;

    const CATEGORIES: [ErrorCategory; 9] = [
        ErrorCategory::Operation,
        ErrorCategory::Security,
        ErrorCategory::StateIncompatibility,
        ErrorCategory::SystemResourceAvailability,
        ErrorCategory::SubscribedResourceAvailability,
        ErrorCategory::PerformanceManagement,
        ErrorCategory::PrivateData,
        ErrorCategory::PrivateErrorCode,
        ErrorCategory::Unspecified,
    ];

    #[test]
    fn each_value_of_the_standard_has_one_row_and_no_other_has() {
        let known = CATEGORIES.iter().flat_map(|it| known_values(*it));
        let known: BTreeSet<_> = known.filter(|it| !["", "generic"].contains(it)).collect();
        let told: BTreeSet<_> = SENTENCES.iter().map(|(value, _)| value).collect();
        assert_eq!(known, told);
        assert_eq!(told.len(), SENTENCES.len(), "a value stands twice");
        let beside = BESIDE_THE_STANDARD.iter().map(|(value, _)| value);
        assert_eq!(beside.filter(|value| told.contains(value)).count(), 0);
    }

    #[test]
    fn each_is_one_plain_sentence() {
        let branches = CATEGORIES.iter().map(|it| of_category(*it));
        let rows = SENTENCES.iter().chain(BESIDE_THE_STANDARD);
        for sentence in branches.chain(rows.map(|(_, sentence)| *sentence)) {
            let plain = sentence.starts_with(char::is_uppercase) && sentence.ends_with('.');
            assert!(plain && sentence.len() <= 80, "{sentence}");
            assert_eq!(sentence.matches('.').count(), 1, "{sentence}");
        }
    }

    #[test]
    fn an_unknown_value_is_told_by_its_branch() {
        let odd = CstaError::new(ErrorCategory::StateIncompatibility, "moonPhase");
        assert_eq!(odd.sentence(), "The state of the call does not allow it.");
        let generic = CstaError::new(ErrorCategory::Security, "generic");
        assert_eq!(generic.sentence(), "The PBX does not allow it.");
        let busy = CstaError::new(ErrorCategory::SystemResourceAvailability, "resourceBusy");
        assert_eq!(busy.sentence(), "The PBX is busy; try again.");
    }
}
