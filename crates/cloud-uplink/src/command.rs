//! What the far end may ask of a gateway, and every way it can be refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{CallId, CommandId, LegId};
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
