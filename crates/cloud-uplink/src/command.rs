//! What the far end may ask of a gateway, and every way it can be refused.

mod answer;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::answer::{
    Accepted, Answer, CommandError, EndpointSnapshot, ErrorCode, Outcome, PbxConnection, PbxDevice,
    PbxFeatures,
};
use crate::endpoint::{ForwardingKind, Origin, PresenceState};
use crate::id::{CallId, CommandId};
use crate::time::Timestamp;

/// One command. Its `key` makes it idempotent: the same key is carried out once, ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Names this command in the response.
    pub id: CommandId,
    /// Idempotency key, 1 to 128 characters; unique per gateway for 24 hours.
    pub key: String,
    /// Not to be carried out after this instant.
    pub deadline: Timestamp,
    /// What to do.
    #[serde(flatten)]
    pub action: Action,
}

/// What to do, with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "method", content = "params", rename_all = "camelCase")]
pub enum Action {
    /// Originates a call from an extension.
    MakeCall(MakeCall),
    /// Answers a call that alerts at an extension.
    Answer(LegRef),
    /// Places an extension's call on hold.
    Hold(LegRef),
    /// Takes an extension's call back from hold.
    Retrieve(LegRef),
    /// Takes an extension out of a call.
    End(LegRef),
    /// Ends a call for everybody; the extension names the device that asks.
    EndCall(LegRef),
    /// Holds an extension's call and calls somebody else from there.
    Consult(Redirect),
    /// Holds an extension's active call and takes its held one.
    Alternate(LegPair),
    /// Ends an extension's active call and takes its held one back.
    Reconnect(LegPair),
    /// Joins an extension's held and active calls and leaves them.
    Transfer(LegPair),
    /// Hands an extension's call on to a number.
    SingleStepTransfer(Redirect),
    /// Joins an extension's held and active calls.
    Conference(LegPair),
    /// Adds a number to an extension's call.
    SingleStepConference(Redirect),
    /// Sends a call that alerts at an extension on to a number.
    Deflect(Redirect),
    /// Sends digits in an extension's call.
    Dtmf(Digits),
    /// Turns do not disturb of an extension on or off.
    SetDoNotDisturb(SetSwitch),
    /// Asks the PBX whether do not disturb is on.
    GetDoNotDisturb(EndpointId),
    /// Turns a forwarding of an extension on or off.
    SetForwarding(SetForwarding),
    /// Asks the PBX for the forwardings of an extension.
    GetForwarding(EndpointId),
    /// Turns the message waiting indicator of an extension on or off.
    SetMessageWaiting(SetMessageWaiting),
    /// Asks the PBX whether messages wait.
    GetMessageWaiting(EndpointId),
    /// Sets the presence of an extension's user.
    SetPresence(SetPresence),
    /// Asks the PBX for the presence of an extension's user.
    GetPresence(EndpointId),
    /// Reads the calls and features of an extension anew from the PBX.
    Snapshot(EndpointId),
    /// Asks the PBX for the devices of a call.
    SnapshotCall(LegRef),
    /// Asks the PBX what an extension's device is and can do.
    GetDevice(EndpointId),
    /// Asks the PBX for the list of its devices.
    GetDevices(Site),
    /// Asks the PBX which services and events it has.
    GetFeatures(Site),
}

impl Action {
    /// Which method this is.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::MakeCall(_) => Method::MakeCall,
            Self::Answer(_) => Method::Answer,
            Self::Hold(_) => Method::Hold,
            Self::Retrieve(_) => Method::Retrieve,
            Self::End(_) => Method::End,
            Self::EndCall(_) => Method::EndCall,
            Self::Consult(_) => Method::Consult,
            Self::Alternate(_) => Method::Alternate,
            Self::Reconnect(_) => Method::Reconnect,
            Self::Transfer(_) => Method::Transfer,
            Self::SingleStepTransfer(_) => Method::SingleStepTransfer,
            Self::Conference(_) => Method::Conference,
            Self::SingleStepConference(_) => Method::SingleStepConference,
            Self::Deflect(_) => Method::Deflect,
            Self::Dtmf(_) => Method::Dtmf,
            Self::SetDoNotDisturb(_) => Method::SetDoNotDisturb,
            Self::GetDoNotDisturb(_) => Method::GetDoNotDisturb,
            Self::SetForwarding(_) => Method::SetForwarding,
            Self::GetForwarding(_) => Method::GetForwarding,
            Self::SetMessageWaiting(_) => Method::SetMessageWaiting,
            Self::GetMessageWaiting(_) => Method::GetMessageWaiting,
            Self::SetPresence(_) => Method::SetPresence,
            Self::GetPresence(_) => Method::GetPresence,
            Self::Snapshot(_) => Method::Snapshot,
            Self::SnapshotCall(_) => Method::SnapshotCall,
            Self::GetDevice(_) => Method::GetDevice,
            Self::GetDevices(_) => Method::GetDevices,
            Self::GetFeatures(_) => Method::GetFeatures,
        }
    }

    /// The extension that it acts for; `None` where it is about the site.
    #[must_use]
    pub fn endpoint_id(&self) -> Option<&str> {
        Some(match self {
            Self::MakeCall(make) => &make.endpoint_id,
            Self::Answer(leg)
            | Self::Hold(leg)
            | Self::Retrieve(leg)
            | Self::End(leg)
            | Self::EndCall(leg)
            | Self::SnapshotCall(leg) => &leg.endpoint_id,
            Self::Consult(redirect)
            | Self::SingleStepTransfer(redirect)
            | Self::SingleStepConference(redirect)
            | Self::Deflect(redirect) => &redirect.endpoint_id,
            Self::Alternate(pair)
            | Self::Reconnect(pair)
            | Self::Transfer(pair)
            | Self::Conference(pair) => &pair.endpoint_id,
            Self::Dtmf(digits) => &digits.endpoint_id,
            Self::SetDoNotDisturb(set) => &set.endpoint_id,
            Self::SetMessageWaiting(set) => &set.endpoint_id,
            Self::SetForwarding(set) => &set.endpoint_id,
            Self::SetPresence(set) => &set.endpoint_id,
            Self::GetDoNotDisturb(endpoint)
            | Self::GetForwarding(endpoint)
            | Self::GetMessageWaiting(endpoint)
            | Self::GetPresence(endpoint)
            | Self::Snapshot(endpoint)
            | Self::GetDevice(endpoint) => &endpoint.endpoint_id,
            Self::GetDevices(_) | Self::GetFeatures(_) => return None,
        })
    }

    /// The call that it acts on; of two the active one.
    #[must_use]
    pub const fn call_id(&self) -> Option<CallId> {
        match self {
            Self::Answer(leg)
            | Self::Hold(leg)
            | Self::Retrieve(leg)
            | Self::End(leg)
            | Self::EndCall(leg)
            | Self::SnapshotCall(leg) => Some(leg.call_id),
            Self::Consult(redirect)
            | Self::SingleStepTransfer(redirect)
            | Self::SingleStepConference(redirect)
            | Self::Deflect(redirect) => Some(redirect.call_id),
            Self::Alternate(pair)
            | Self::Reconnect(pair)
            | Self::Transfer(pair)
            | Self::Conference(pair) => Some(pair.active_call_id),
            Self::Dtmf(digits) => Some(digits.call_id),
            _ => None,
        }
    }
}

/// The names of the methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Method {
    /// See [`Action::MakeCall`].
    MakeCall,
    /// See [`Action::Answer`].
    Answer,
    /// See [`Action::Hold`].
    Hold,
    /// See [`Action::Retrieve`].
    Retrieve,
    /// See [`Action::End`].
    End,
    /// See [`Action::EndCall`].
    EndCall,
    /// See [`Action::Consult`].
    Consult,
    /// See [`Action::Alternate`].
    Alternate,
    /// See [`Action::Reconnect`].
    Reconnect,
    /// See [`Action::Transfer`].
    Transfer,
    /// See [`Action::SingleStepTransfer`].
    SingleStepTransfer,
    /// See [`Action::Conference`].
    Conference,
    /// See [`Action::SingleStepConference`].
    SingleStepConference,
    /// See [`Action::Deflect`].
    Deflect,
    /// See [`Action::Dtmf`].
    Dtmf,
    /// See [`Action::SetDoNotDisturb`].
    SetDoNotDisturb,
    /// See [`Action::GetDoNotDisturb`].
    GetDoNotDisturb,
    /// See [`Action::SetForwarding`].
    SetForwarding,
    /// See [`Action::GetForwarding`].
    GetForwarding,
    /// See [`Action::SetMessageWaiting`].
    SetMessageWaiting,
    /// See [`Action::GetMessageWaiting`].
    GetMessageWaiting,
    /// See [`Action::SetPresence`].
    SetPresence,
    /// See [`Action::GetPresence`].
    GetPresence,
    /// See [`Action::Snapshot`].
    Snapshot,
    /// See [`Action::SnapshotCall`].
    SnapshotCall,
    /// See [`Action::GetDevice`].
    GetDevice,
    /// See [`Action::GetDevices`].
    GetDevices,
    /// See [`Action::GetFeatures`].
    GetFeatures,
}

impl Method {
    /// Whether what it is for is the [`Answer`]; everything else changes something.
    #[must_use]
    pub const fn is_question(self) -> bool {
        matches!(
            self,
            Self::GetDoNotDisturb
                | Self::GetForwarding
                | Self::GetMessageWaiting
                | Self::GetPresence
                | Self::Snapshot
                | Self::SnapshotCall
                | Self::GetDevice
                | Self::GetDevices
                | Self::GetFeatures
        )
    }

    /// What it is in plain words, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::MakeCall => "make call",
            Self::Answer => "answer",
            Self::Hold => "hold",
            Self::Retrieve => "retrieve",
            Self::End => "hang up",
            Self::EndCall => "end call",
            Self::Consult => "consult",
            Self::Alternate => "alternate",
            Self::Reconnect => "reconnect",
            Self::Transfer => "transfer",
            Self::SingleStepTransfer => "single step transfer",
            Self::Conference => "conference",
            Self::SingleStepConference => "single step conference",
            Self::Deflect => "deflect",
            Self::Dtmf => "send digits",
            Self::SetDoNotDisturb => "set do not disturb",
            Self::GetDoNotDisturb => "get do not disturb",
            Self::SetForwarding => "set forwarding",
            Self::GetForwarding => "get forwarding",
            Self::SetMessageWaiting => "set message waiting",
            Self::GetMessageWaiting => "get message waiting",
            Self::SetPresence => "set presence",
            Self::GetPresence => "get presence",
            Self::Snapshot => "snapshot",
            Self::SnapshotCall => "snapshot call",
            Self::GetDevice => "get device",
            Self::GetDevices => "get devices",
            Self::GetFeatures => "get features",
        }
    }
}

/// Parameters of [`Action::MakeCall`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MakeCall {
    /// The extension that calls.
    pub endpoint_id: String,
    /// The number to call: 1 to 32 of `0-9 * # + , A-D`.
    pub to: String,
    /// Whether the extension's phone rings first (`true`, the default) or goes off hook by itself.
    #[serde(default = "yes")]
    pub prompt: bool,
}

const fn yes() -> bool {
    true
}

/// One extension's part in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegRef {
    /// The extension.
    pub endpoint_id: String,
    /// The call.
    pub call_id: CallId,
}

/// One extension's part in a call, and a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redirect {
    /// The extension.
    pub endpoint_id: String,
    /// The call.
    pub call_id: CallId,
    /// The number: as in [`MakeCall::to`].
    pub to: String,
}

/// An extension's held and active calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegPair {
    /// The extension.
    pub endpoint_id: String,
    /// The held call.
    pub held_call_id: CallId,
    /// The active call.
    pub active_call_id: CallId,
}

/// Digits to send in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Digits {
    /// The extension.
    pub endpoint_id: String,
    /// The call.
    pub call_id: CallId,
    /// The digits: 1 to 32 of `0-9 * # A-D` and `,` for a pause.
    pub digits: String,
}

/// An extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointId {
    /// The extension.
    pub endpoint_id: String,
}

/// The site as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Site {}

/// A switch of an extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetSwitch {
    /// The extension.
    pub endpoint_id: String,
    /// On or off.
    pub on: bool,
}

/// Parameters of [`Action::SetForwarding`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetForwarding {
    /// The extension.
    pub endpoint_id: String,
    /// Which calls.
    pub kind: ForwardingKind,
    /// Only calls from inside or outside; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// On or off.
    pub on: bool,
    /// Where to; needed to turn it on, unless the PBX has a destination of its own for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Parameters of [`Action::SetMessageWaiting`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetMessageWaiting {
    /// The extension.
    pub endpoint_id: String,
    /// On or off.
    pub on: bool,
    /// The number to call to hear the messages; as the PBX has it where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
}

/// Parameters of [`Action::SetPresence`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetPresence {
    /// The extension.
    pub endpoint_id: String,
    /// The state.
    pub presence: PresenceState,
}
