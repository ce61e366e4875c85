//! The check for mandatory elements, against the OPTIONAL marks of ECMA-285.

use std::collections::BTreeMap;

use csta::Edition;
use csta::conformance::{Content, ElementRule, MessageRule, instances, missing};
use csta::xml::{Document, Element};

/// The elements without OPTIONAL or DEFAULT in the ASN.1 modules of ECMA-285. Three come from the XML
/// form: every event carries its monitor there (ECMA-269 §15.1), what has a default in ASN.1 has to be
/// there where the schema gives it none (`participationType`), and ECMA-354 has no ASN.1. Messages that
/// are not listed have no mandatory element.
const MANDATORY: &str = "
    StartApplicationSession applicationInfo requestedProtocolVersions
    StartApplicationSessionPosResponse sessionID
    StopApplicationSession sessionID
    ResetApplicationSessionTimer sessionID
    GetLogicalDeviceInformation device
    GetLogicalDeviceInformationResponse hasPhysicalElement acdModels appearanceAddressable appearanceType
    GetCSTAFeaturesResponse supportedServices supportedEvents
    GetSwitchingFunctionDevicesResponse serviceCrossRefID
    SwitchingFunctionDevices serviceCrossRefID lastSegment deviceList
    SystemRegister requestTypes
    SystemRegisterResponse sysStatRegisterID
    RequestSystemStatusResponse systemStatus
    SystemStatus systemStatus
    MonitorStart monitorObject
    MonitorStartResponse monitorCrossRefID
    MonitorStop monitorCrossRefID
    SnapshotDevice snapshotObject
    SnapshotDeviceResponse crossRefIDorSnapshotData
    SnapshotDeviceData serviceCrossRefID lastSegment snapshotData
    SnapshotCall snapshotObject
    SnapshotCallData serviceCrossRefID lastSegment snapshotData
    SnapshotCallResponse crossRefIDorSnapshotData
    MakeCall callingDevice calledDirectoryNumber
    MakeCallResponse callingDevice
    AnswerCall callToBeAnswered
    ClearConnection connectionToBeCleared
    ClearCall callToBeCleared
    HoldCall callToBeHeld
    RetrieveCall callToBeRetrieved
    ConsultationCall existingCall consultedDevice
    ConsultationCallResponse initiatedCall
    AlternateCall heldCall activeCall
    ReconnectCall activeCall heldCall
    TransferCall heldCall activeCall
    TransferCallResponse transferredCall
    SingleStepTransferCall activeCall transferredTo
    SingleStepTransferCallResponse transferredCall
    ConferenceCall heldCall activeCall
    ConferenceCallResponse conferenceCall
    SingleStepConferenceCall activeCall deviceToJoin participationType
    SingleStepConferenceCallResponse conferencedCall
    DeflectCall callToBeDiverted newDestination
    GenerateDigits connectionToSendDigits charactersToSend
    SetDoNotDisturb device doNotDisturbOn
    GetDoNotDisturb device
    GetDoNotDisturbResponse doNotDisturbOn
    SetForwarding device activateForward
    GetForwarding device
    GetForwardingResponse forwardingList
    SetMessageWaitingIndicator device messageWaitingOn
    GetMessageWaitingIndicator device
    GetMessageWaitingIndicatorResponse messageWaitingOn
    SetPresenceState device requestedPresenceState
    GetPresenceState device
    GetPresenceStateResponse presenceState
    ServiceInitiatedEvent monitorCrossRefID initiatedConnection initiatingDevice cause
    OriginatedEvent monitorCrossRefID originatedConnection callingDevice calledDevice cause
    OfferedEvent monitorCrossRefID offeredConnection offeredDevice callingDevice calledDevice lastRedirectionDevice cause
    DeliveredEvent monitorCrossRefID connection alertingDevice callingDevice calledDevice lastRedirectionDevice cause
    EstablishedEvent monitorCrossRefID establishedConnection answeringDevice callingDevice calledDevice lastRedirectionDevice cause
    NetworkReachedEvent monitorCrossRefID outboundConnection networkInterfaceUsed callingDevice calledDevice lastRedirectionDevice cause
    QueuedEvent monitorCrossRefID queuedConnection queue callingDevice calledDevice lastRedirectionDevice cause
    HeldEvent monitorCrossRefID heldConnection holdingDevice cause
    RetrievedEvent monitorCrossRefID retrievedConnection retrievingDevice cause
    DivertedEvent monitorCrossRefID connection divertingDevice newDestination lastRedirectionDevice cause
    TransferedEvent monitorCrossRefID primaryOldCall transferringDevice transferredToDevice transferredConnections cause
    ConferencedEvent monitorCrossRefID primaryOldCall conferencingDevice addedParty conferenceConnections cause
    FailedEvent monitorCrossRefID failedConnection failingDevice callingDevice calledDevice lastRedirectionDevice cause
    ConnectionClearedEvent monitorCrossRefID droppedConnection releasingDevice cause
    CallClearedEvent monitorCrossRefID clearedCall cause
    DigitsGeneratedEvent monitorCrossRefID connection digitGeneratedList
    CallInformationEvent monitorCrossRefID connection device
    DoNotDisturbEvent monitorCrossRefID device doNotDisturbOn
    ForwardingEvent monitorCrossRefID device forwardStatus
    MessageWaitingEvent monitorCrossRefID targetDevice messageWaitingOn
    AgentBusyEvent monitorCrossRefID agentDevice
    AgentLoggedOnEvent monitorCrossRefID agentDevice
    AgentLoggedOffEvent monitorCrossRefID agentDevice
    AgentNotReadyEvent monitorCrossRefID agentDevice
    AgentReadyEvent monitorCrossRefID agentDevice
    AgentWorkingAfterCallEvent monitorCrossRefID agentDevice
    BackInServiceEvent monitorCrossRefID device
    OutOfServiceEvent monitorCrossRefID device
    PresenceStateEvent monitorCrossRefID device presenceState
    applicationInfo applicationID
    snapshotDeviceResponseInfo connectionIdentifier localCallState
    snapshotCallResponseInfo deviceOnCall
    forwardListItem forwardStatus
    device deviceID
";

/// Adds what `content` wants, under `name`, and what its elements want under theirs.
fn collect(
    name: &'static str,
    content: Content,
    marks: &mut BTreeMap<&'static str, Vec<&'static str>>,
) {
    let rules: &[ElementRule] = match content.of(Edition::Ed3) {
        Content::Empty | Content::Text(_) | Content::Any | Content::ByEdition { .. } => return,
        Content::Sequence(rules) => {
            let mandatory = rules.iter().filter(|rule| rule.presence.is_mandatory());
            let mandatory: Vec<_> = mandatory.map(|rule| rule.name).collect();
            if !mandatory.is_empty() {
                marks.insert(name, mandatory);
            }
            rules
        }
        Content::OneOf(rules) | Content::SomeOf(rules) => rules,
        Content::List(item) => std::slice::from_ref(item),
    };
    for rule in rules {
        collect(rule.name, rule.content, marks);
    }
}

#[test]
fn the_marks_are_those_of_the_standard() {
    let mut ours = BTreeMap::new();
    for rule in MessageRule::all() {
        collect(rule.name, rule.content, &mut ours);
    }
    let lines = MANDATORY.lines().map(str::split_whitespace);
    let standard: BTreeMap<&str, Vec<&str>> = lines
        .filter_map(|mut words| Some((words.next()?, words.collect())))
        .collect();
    for (name, elements) in &standard {
        assert_eq!(ours.get(name), Some(elements), "{name}");
    }
    assert_eq!(ours.len(), standard.len());
}

/// Calls `each` with every mandatory element of a document, its path and what is missing without it.
fn mandatory_elements<'x>(
    element: Element<'_, 'x>,
    content: Content,
    path: &str,
    each: &mut impl FnMut(&'x str, &str, Vec<&str>),
) {
    let (rules, choice): (&[ElementRule], bool) = match content {
        Content::Empty | Content::Text(_) | Content::Any | Content::ByEdition { .. } => return,
        Content::Sequence(rules) => (rules, false),
        Content::OneOf(rules) | Content::SomeOf(rules) => (rules, true),
        Content::List(item) => (std::slice::from_ref(item), false),
    };
    let alone = element.children().count() == 1;
    for child in element.children() {
        let Some(rule) = rules.iter().find(|rule| rule.name == child.name()) else {
            continue;
        };
        if choice && alone {
            each(
                child.source(),
                path,
                rules.iter().map(|it| it.name).collect(),
            );
        } else if !choice && rule.presence.is_mandatory() {
            each(child.source(), path, vec![rule.name]);
        }
        let path = format!("{path}/{}", rule.name);
        mandatory_elements(child, rule.content, &path, each);
    }
}

#[test]
fn the_check_names_each_mandatory_element_that_is_taken_out() {
    let mut taken_out = 0;
    for edition in [Edition::Ed3, Edition::Ed6] {
        for instance in instances(edition) {
            let xml = instance.message.to_xml(edition);
            let document = Document::parse(&xml).expect("a document of our own");
            let (name, content) = (instance.rule.name, instance.rule.content.of(edition));
            mandatory_elements(
                document.root(),
                content,
                name,
                &mut |source, path, elements| {
                    let start = source.as_ptr() as usize - xml.as_ptr() as usize;
                    let without = [&xml[..start], &xml[start + source.len()..]].concat();
                    let found = missing(without.as_bytes()).expect("still a document");
                    assert_eq!(found.len(), 1, "{name} {}: {without}", instance.variant);
                    assert_eq!(
                        (found[0].path.as_str(), &found[0].elements),
                        (path, &elements)
                    );
                    taken_out += 1;
                },
            );
        }
    }
    assert!(taken_out > 4000, "{taken_out} elements");
}
