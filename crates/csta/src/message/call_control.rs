//! Call control services (ECMA-269 §17.1) and Generate Digits (§18.1).

use crate::codec::messages;
use crate::id::{ConnectionId, DeviceId};
use crate::value::{
    AutoOriginate, ConnectionList, ConsultOptions, Destinations, DigitMode, EventCause, Extensions,
    HexBinary, OpaqueData, ParticipationType, Raw,
};

messages! {
    /// Originates a call between two devices (ECMA-269 §17.1.18).
    MakeCall as "MakeCall" {
        /// The calling device.
        req calling_device: DeviceId = "callingDevice",
        /// The number that is called.
        req called_directory_number: DeviceId = "calledDirectoryNumber",
        /// Account to charge.
        opt account_code: HexBinary = "accountCode",
        /// Authorisation code of the user.
        opt auth_code: HexBinary = "authCode",
        /// Whether the calling device is prompted first.
        opt auto_originate: AutoOriginate = "autoOriginate",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Media flow of the connection, as it came.
        opt calling_connection_info: Raw = "callingConnectionInfo",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Why.
        ed6 reason: EventCause = "reason",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// The call was made or is being made.
    MakeCallResponse as "MakeCallResponse" {
        /// The connection of the calling device.
        req calling_device: ConnectionId = "callingDevice",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Media flow of the connection, as it came.
        opt initiated_call_info: Raw = "initiatedCallInfo",
        /// Identifiers that link the call with others.
        ed6 call_linkage_data: Raw = "callLinkageData",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Answers a call that alerts (ECMA-269 §17.1.3).
    AnswerCall as "AnswerCall" {
        /// The alerting connection.
        req call_to_be_answered: ConnectionId = "callToBeAnswered",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the state changes with the Established event.
    AnswerCallResponse as "AnswerCallResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Releases one device from a call (ECMA-269 §17.1.8).
    ClearConnection as "ClearConnection" {
        /// The connection to release.
        req connection_to_be_cleared: ConnectionId = "connectionToBeCleared",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Why.
        opt reason: EventCause = "reason",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the state changes with the Connection Cleared event.
    ClearConnectionResponse as "ClearConnectionResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Releases all devices from a call (ECMA-269 §17.1.7).
    ClearCall as "ClearCall" {
        /// Any connection of the call.
        req call_to_be_cleared: ConnectionId = "callToBeCleared",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Why.
        ed6 reason: EventCause = "reason",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the state changes with the Connection Cleared events.
    ClearCallResponse as "ClearCallResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Places a connected call on hold (ECMA-269 §17.1.15).
    HoldCall as "HoldCall" {
        /// The connection of the holding device.
        req call_to_be_held: ConnectionId = "callToBeHeld",
        /// Whether the facilities are kept.
        opt connection_reservation: bool = "connectionReservation",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the state changes with the Held event.
    HoldCallResponse as "HoldCallResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Connects a held call again (ECMA-269 §17.1.23).
    RetrieveCall as "RetrieveCall" {
        /// The held connection.
        req call_to_be_retrieved: ConnectionId = "callToBeRetrieved",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the state changes with the Retrieved event.
    RetrieveCallResponse as "RetrieveCallResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Holds a call and originates a second one (ECMA-269 §17.1.10).
    ConsultationCall as "ConsultationCall" {
        /// The consulting device's connection in the present call.
        req existing_call: ConnectionId = "existingCall",
        /// The device to consult.
        req consulted_device: DeviceId = "consultedDevice",
        /// Whether the facilities are kept.
        opt connection_reservation: bool = "connectionReservation",
        /// Account to charge.
        opt account_code: HexBinary = "accountCode",
        /// Authorisation code of the user.
        opt auth_code: HexBinary = "authCode",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Characteristics of the call, as they came.
        opt call_characteristics: Raw = "callCharacteristics",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Media flow of the connection, as it came.
        opt calling_connection_info: Raw = "callingConnectionInfo",
        /// What the consultation is for.
        opt consult_options: ConsultOptions = "consultOptions",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the second call has begun.
    ConsultationCallResponse as "ConsultationCallResponse" {
        /// The consulting device's connection in the new call.
        req initiated_call: ConnectionId = "initiatedCall",
        /// Media of the call, as it came.
        opt media_call_characteristics: Raw = "mediaCallCharacteristics",
        /// Media flow of the connection, as it came.
        opt initiated_call_info: Raw = "initiatedCallInfo",
        /// Identifiers that link the call with others.
        ed6 call_linkage_data: Raw = "callLinkageData",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Holds the active call and connects the held one (ECMA-269 §17.1.2).
    AlternateCall as "AlternateCall" {
        /// The held connection.
        req held_call: ConnectionId = "heldCall",
        /// The active connection.
        req active_call: ConnectionId = "activeCall",
        /// Whether the facilities are kept.
        opt connection_reservation: bool = "connectionReservation",
        /// What the consultation is for.
        opt consult_options: ConsultOptions = "consultOptions",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the states change with the Held and Retrieved events.
    AlternateCallResponse as "AlternateCallResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Clears the active call and connects the held one (ECMA-269 §17.1.22).
    ReconnectCall as "ReconnectCall" {
        /// The active connection.
        req active_call: ConnectionId = "activeCall",
        /// The held connection.
        req held_call: ConnectionId = "heldCall",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the states change with the Connection Cleared and Retrieved events.
    ReconnectCallResponse as "ReconnectCallResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Joins a held and an active call and leaves them (ECMA-269 §17.1.27).
    TransferCall as "TransferCall" {
        /// The held connection.
        req held_call: ConnectionId = "heldCall",
        /// The active connection.
        req active_call: ConnectionId = "activeCall",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the identifiers change with the Transferred event.
    TransferCallResponse as "TransferCallResponse" {
        /// The resulting call, by a connection of it.
        req transferred_call: ConnectionId = "transferredCall",
        /// The connections of the resulting call.
        opt connections: ConnectionList = "connections",
        /// Media flow of the connection, as it came.
        opt transferred_call_info: Raw = "transferredCallInfo",
        /// Identifiers that link the new call and the old ones with others.
        ed6 call_linkage_data_list: Raw = "callLinkageDataList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Hands a call on to another device (ECMA-269 §17.1.26).
    SingleStepTransferCall as "SingleStepTransferCall" {
        /// The active connection.
        req active_call: ConnectionId = "activeCall",
        /// Where the call goes.
        req transferred_to: DeviceId = "transferredTo",
        /// Account to charge.
        opt account_code: HexBinary = "accountCode",
        /// Authorisation code of the user.
        opt auth_code: HexBinary = "authCode",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Characteristics of the call, as they came.
        ed6 call_characteristics: Raw = "callCharacteristics",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Why.
        opt reason: EventCause = "reason",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the identifiers change with the Transferred event.
    SingleStepTransferCallResponse as "SingleStepTransferCallResponse" {
        /// The resulting call, by a connection of it.
        req transferred_call: ConnectionId = "transferredCall",
        /// The connections of the resulting call.
        opt connections: ConnectionList = "connections",
        /// Media flow of the connection, as it came.
        opt transferred_call_info: Raw = "transferredCallInfo",
        /// Identifiers that link the new call and the old ones with others.
        ed6 call_linkage_data_list: Raw = "callLinkageDataList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Joins a held and an active call (ECMA-269 §17.1.9).
    ConferenceCall as "ConferenceCall" {
        /// The held connection.
        req held_call: ConnectionId = "heldCall",
        /// The active connection.
        req active_call: ConnectionId = "activeCall",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the identifiers change with the Conferenced event.
    ConferenceCallResponse as "ConferenceCallResponse" {
        /// The conferencing device's connection in the resulting call.
        req conference_call: ConnectionId = "conferenceCall",
        /// The connections of the resulting call.
        opt connections: ConnectionList = "connections",
        /// Media flow of the connection, as it came.
        opt conference_call_info: Raw = "conferenceCallInfo",
        /// Identifiers that link the new call and the old ones with others.
        ed6 call_linkage_data_list: Raw = "callLinkageDataList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Adds a device to a call (ECMA-269 §17.1.25).
    SingleStepConferenceCall as "SingleStepConferenceCall" {
        /// The active connection.
        req active_call: ConnectionId = "activeCall",
        /// The device to add.
        req device_to_join: DeviceId = "deviceToJoin",
        /// How it takes part; active where absent.
        man participation_type: ParticipationType = "participationType",
        /// Account to charge.
        opt account_code: HexBinary = "accountCode",
        /// Authorisation code of the user.
        opt auth_code: HexBinary = "authCode",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the identifiers change with the Conferenced event.
    SingleStepConferenceCallResponse as "SingleStepConferenceCallResponse" {
        /// The added connection.
        req conferenced_call: ConnectionId = "conferencedCall",
        /// Media flow of the connection, as it came.
        opt conferenced_call_info: Raw = "conferencedCallInfo",
        /// Identifiers that link the new call and the old ones with others.
        ed6 call_linkage_data_list: Raw = "callLinkageDataList",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Sends an alerting or queued call on to other devices (ECMA-269 §17.1.11).
    DeflectCall as "DeflectCall" {
        /// The connection to divert.
        req call_to_be_diverted: ConnectionId = "callToBeDiverted",
        /// Where the call goes.
        req new_destination: Destinations = "newDestination",
        /// Data that applications have attached to the call.
        opt correlator_data: OpaqueData = "correlatorData",
        /// Data that a user or application sent along.
        opt user_data: OpaqueData = "userData",
        /// Characteristics of the call, as they came.
        ed6 call_characteristics: Raw = "callCharacteristics",
        /// What the call is about.
        opt subject_of_call: String = "subjectOfCall",
        /// Languages preferred for the call, as they came.
        opt language_preferences: String = "languagePreferences",
        /// Why.
        opt reason: EventCause = "reason",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted; the call leaves with the Diverted event.
    DeflectCallResponse as "DeflectCallResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Sends digits on a connection (ECMA-269 §18.1).
    GenerateDigits as "GenerateDigits" {
        /// The connection on which the digits are sent.
        req connection_to_send_digits: ConnectionId = "connectionToSendDigits",
        /// Tones or pulses; tones where absent.
        opt digit_mode: DigitMode = "digitMode",
        /// The digits: 0 to 9, `*`, `#`, A to D, `,` for a pause.
        man characters_to_send: String = "charactersToSend",
        /// Length of each tone in milliseconds.
        opt tone_duration: u32 = "toneDuration",
        /// Pulses per second.
        opt pulse_rate: u32 = "pulseRate",
        /// Length of a pause in milliseconds.
        opt pause_duration: u32 = "pauseDuration",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Accepted.
    GenerateDigitsResponse as "GenerateDigitsResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }
}
