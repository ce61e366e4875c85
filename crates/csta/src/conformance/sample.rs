//! Content of samples, where the rules do not tell it.

/// Characters for an element of a message.
pub(super) fn text(message: &str, name: &str) -> &'static str {
    match (message, name) {
        (_, "timeStamp" | "fromTime" | "untilTime") => "2026-01-31T12:00:00Z",
        (_, "definedEndReason") => "normal",
        (_, "definedTermReason") => "sessionTimerExpired",
        ("StartApplicationSessionNegResponse", "definedError") => "maxNumberSessions",
        (_, "definedError") => "invalidSessionID",
        (_, "languagePreferences") => "en",
        (_, "charactersToSend" | "digitGeneratedList") => "0123456789*#ABCD",
        (_, "callID") => "FF0001<&>",
        _ => "s1",
    }
}

/// XML for an element that is kept as it came.
///
/// # Panics
/// For a name that no message has.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn any(name: &str) -> &'static str {
    if name.ends_with("ConnectionInfo") || name.ends_with("CallInfo") || name == "connectionInfo" {
        return "<flowDirection>transmitAndReceive</flowDirection>\
            <numberOfChannels>1</numberOfChannels><mediaSessionInfo>m</mediaSessionInfo>";
    }
    if name.ends_with("MonitorFilter") {
        return "<callcontrol><bridged>true</bridged></callcontrol>";
    }
    match name {
        "applicationSpecificInfo" => "<l:Login xmlns:l=\"urn:vendor\"><l:user>u</l:user></l:Login>",
        "private" => "<Charge xmlns=\"urn:vendor\" unit=\"1\">5 &lt; 6</Charge>",
        "securityInfo" => "<string>0AFF</string>",
        "servicesPermitted" => {
            "<callControlServices><answerCall>true</answerCall></callControlServices>\
             <callAssociatedServices/><mediaAttachementServices/><routeingServices/><voiceServices/>"
        }
        "mediaCallCharacteristics" => "<mediaClass><voice>true</voice></mediaClass>",
        "callCharacteristics" => "<acdCall>true</acdCall><priorityCall>true</priorityCall>",
        "callLinkageData" => {
            "<globalCallData><globalCallLinkageID><subDomainCallLinkageID>01\
             </subDomainCallLinkageID></globalCallLinkageID></globalCallData>"
        }
        "callLinkageDataList" => {
            "<newCallLinkageData><globalCallData><globalCallLinkageID><subDomainCallLinkageID>01\
             </subDomainCallLinkageID></globalCallLinkageID></globalCallData></newCallLinkageData>\
             <oldCallLinkageData><globalCallData><globalCallLinkageID><subDomainCallLinkageID>02\
             </subDomainCallLinkageID></globalCallLinkageID></globalCallData></oldCallLinkageData>"
        }
        "messageInfo" => "<messageInfoItem><contents>Hello</contents></messageInfoItem>",
        "deviceHistory" => {
            "<DeviceHistoryListItem><oldDeviceID><notKnown/></oldDeviceID>\
             <eventCause>redirected</eventCause></DeviceHistoryListItem>"
        }
        "locationInfoList" => "<locationInfoEntry/>",
        "locationInfo" => "<place xmlns=\"urn:vendor\">here</place>",
        "networkCapability" => {
            "<networkType>iSDNPublic</networkType><eventsProvided><bridged>true</bridged>\
             </eventsProvided>"
        }
        "chargingInfo" => "<typeOfChargingInfo>total</typeOfChargingInfo>",
        "digitDurationList" => "<digitDuration>100</digitDuration>",
        "pauseDurationList" => "<pauseDuration>100</pauseDuration>",
        "mediaServiceInfoList" => "",
        "requestedMonitorMediaClass" | "actualMonitorMediaClass" | "mediaClassSupport" => {
            "<voice>true</voice>"
        }
        "groupDeviceAttributes" => "<acd>true</acd>",
        "namedDeviceTypes" => "line",
        "acdModels" => "<visibleACDRelatedDevices>true</visibleACDRelatedDevices>",
        "agentLogOnModels" => "<logOnToACDDevice>true</logOnToACDDevice>",
        "appearanceType" => "basicStandard",
        "appearanceList" => "<appearance>1</appearance>",
        "otherPhysicalDeviceList" | "associatedGroupList" => "<deviceID>2001</deviceID>",
        "miscMonitorCaps" => "<groupExclusiveModel>true</groupExclusiveModel>",
        "transAndConfSetup" => "<consultationCall>true</consultationCall>",
        "mediaServiceCapsList" => {
            "<mediaServiceCapsItem><mediaServiceType>cstaVoiceUnit</mediaServiceType>\
             <mediaStreamIDSupported>true</mediaStreamIDSupported></mediaServiceCapsItem>"
        }
        "connectionRateList" => "<connectionRate>64</connectionRate>",
        "delayToleranceList" => "<delayTolerance>1</delayTolerance>",
        "routeingServList" => "<routeRegister/>",
        "logDevServList" => "<callControlServList><answerCall/></callControlServList>",
        "logDevEvtsList" => "<callControlEvtsList><delivered/></callControlEvtsList>",
        "deviceMaintEvtsList" => "<backInService/><outOfService/>",
        "deviceAttributes" => "<routeingDevice>true</routeingDevice>",
        "supportedServices" => {
            "<callControlServList><answerCall/><makeCall/></callControlServList>"
        }
        "supportedEvents" => "<callControlEvtsList><delivered/><held/></callControlEvtsList>",
        "presenceState" | "requestedPresenceState" => "<busy>true</busy>",
        _ => panic!("no sample for <{name}>"),
    }
}
