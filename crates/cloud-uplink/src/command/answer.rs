//! What became of a command, what the PBX answered, and why not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::{DoNotDisturb, EndpointView, Forwardings, MessageWaiting, Presence};
use crate::event::{LegState, LegView, PbxIds};
use crate::id::{CallId, LegId};

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The PBX accepted it; the change itself comes as an event.
    Ok(Accepted),
    /// It was refused, or nobody knows.
    Error(CommandError),
}

/// What a command that was accepted led to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// The call made or acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
    /// The extension's leg in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg_id: Option<LegId>,
    /// What the PBX answered, where it was asked for something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// What the PBX answered to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// Do not disturb.
    DoNotDisturb(DoNotDisturb),
    /// Forwardings that are on.
    Forwarding(Forwardings),
    /// Message waiting.
    MessageWaiting(MessageWaiting),
    /// Presence.
    Presence(Presence),
    /// An extension's calls and features as they are known after the snapshot.
    Snapshot(EndpointSnapshot),
    /// The devices of a call.
    Call(Vec<PbxConnection>),
    /// What a device is.
    Device(PbxDevice),
    /// The devices of the PBX, at most 20,000.
    Devices(Vec<PbxDevice>),
    /// Services and events of the PBX.
    Features(PbxFeatures),
}

/// An extension after a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSnapshot {
    /// Its legs.
    pub legs: Vec<LegView>,
    /// Its features.
    pub endpoint: Box<EndpointView>,
}

/// A device in a call, as the PBX lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PbxConnection {
    /// Number of the device, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// State of its connection, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<LegState>,
    /// What the PBX calls the connection.
    pub pbx: PbxIds,
}

/// A device of the PBX.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PbxDevice {
    /// The id as the PBX writes it.
    pub device_id: String,
    /// Its number.
    pub number: String,
    /// What kind of device (ECMA-269 device category), where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The model, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Names of the services that may be used with it, where told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
}

/// Services and events of a PBX, by their names in the schema.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PbxFeatures {
    /// Services.
    pub services: Vec<String>,
    /// Events.
    pub events: Vec<String>,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
pub struct CommandError {
    /// Stable name.
    pub code: ErrorCode,
    /// A plain sentence in English.
    pub message: String,
    /// The PBX's own error, `category/value` (ECMA-269 §12.2.12), where it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pbx_error: Option<String>,
}

impl CommandError {
    /// An error of that code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            pbx_error: None,
        }
    }
}

/// The closed list of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ErrorCode {
    /// The gateway does not know the extension, or does not follow it.
    UnknownEndpoint,
    /// The call does not exist or the extension is not in it.
    UnknownCall,
    /// The number cannot be dialled as written.
    InvalidNumber,
    /// The call is in a state that does not allow it.
    InvalidState,
    /// The PBX refused; `pbxError` says how.
    PbxRefused,
    /// There is no link to the PBX.
    PbxUnavailable,
    /// The gateway's channel to the far end is down.
    GatewayUnavailable,
    /// The deadline passed before the PBX was asked; nothing was done.
    Expired,
    /// The PBX was asked and nobody knows what it did.
    OutcomeUnknown,
    /// The key was used before for another command.
    KeyReused,
    /// The command is not understood.
    Unsupported,
    /// Too many commands at once; nothing was done.
    Overloaded,
    /// A defect or an exhausted resource of ours; nothing was done.
    Internal,
}

impl ErrorCode {
    /// Whether the same command with a new key may succeed later. Never for an unknown outcome.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::PbxUnavailable | Self::GatewayUnavailable | Self::Overloaded
        )
    }
}
