//! Call control services (ECMA-269 §17.1).

use crate::codec::messages;
use crate::id::{ConnectionId, DeviceId};
use crate::value::AutoOriginate;

messages! {
    /// Originates a call between two devices.
    MakeCall as "MakeCall" {
        /// The device that calls.
        req calling_device: DeviceId = "callingDevice",
        /// The number that is called.
        req called_directory_number: DeviceId = "calledDirectoryNumber",
        /// Whether the calling device is prompted first.
        opt auto_originate: AutoOriginate = "autoOriginate",
    }

    /// The call was made or is being made.
    MakeCallResponse as "MakeCallResponse" {
        /// The connection of the calling device.
        req calling_device: ConnectionId = "callingDevice",
    }

    /// Answers a call that alerts.
    AnswerCall as "AnswerCall" {
        /// The alerting connection.
        req call_to_be_answered: ConnectionId = "callToBeAnswered",
    }

    /// Accepted; the state changes with the Established event.
    AnswerCallResponse as "AnswerCallResponse" {}

    /// Releases one device from a call.
    ClearConnection as "ClearConnection" {
        /// The connection to release.
        req connection_to_be_cleared: ConnectionId = "connectionToBeCleared",
    }

    /// Accepted; the state changes with the Connection Cleared event.
    ClearConnectionResponse as "ClearConnectionResponse" {}

    /// Releases all devices from a call.
    ClearCall as "ClearCall" {
        /// Any connection of the call.
        req call_to_be_cleared: ConnectionId = "callToBeCleared",
    }

    /// Accepted; the state changes with the Connection Cleared events.
    ClearCallResponse as "ClearCallResponse" {}

    /// Places a connected call on hold.
    HoldCall as "HoldCall" {
        /// The connection of the holding device.
        req call_to_be_held: ConnectionId = "callToBeHeld",
        /// Whether the facilities are kept for retrieving.
        opt connection_reservation: bool = "connectionReservation",
    }

    /// Accepted; the state changes with the Held event.
    HoldCallResponse as "HoldCallResponse" {}

    /// Connects a held call again.
    RetrieveCall as "RetrieveCall" {
        /// The held connection.
        req call_to_be_retrieved: ConnectionId = "callToBeRetrieved",
    }

    /// Accepted; the state changes with the Retrieved event.
    RetrieveCallResponse as "RetrieveCallResponse" {}
}
