//! Call history: one record for each call and user.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Direction;
use crate::id::CallId;
use crate::time::Timestamp;
use crate::voice::CallVoice;

/// What a call was for one user, once the user is out of it for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallRecord {
    /// The conversation.
    pub call_id: CallId,
    /// The user's extension.
    pub endpoint_id: String,
    /// Whether the user called or was called.
    pub direction: Direction,
    /// Number of the calling party, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Number that was called at first, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Number that redirected the call to the user, where it was redirected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirected_from: Option<String>,
    /// Numbers that were in the call with the user, in the order in which they came.
    pub parties: Vec<String>,
    /// When the call reached the user or the user began it, UTC.
    pub started: Timestamp,
    /// When the user was connected first; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Timestamp>,
    /// When the user was out of it, UTC.
    pub ended: Timestamp,
    /// How it ended for the user.
    pub outcome: CallOutcome,
    /// Why, in the PBX's word, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Transfers, conferences and diversions that the user saw, in order; the oldest are dropped
    /// beyond 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<CallStep>,
    /// Some of it was inferred: the link to the PBX was down meanwhile.
    #[serde(default)]
    pub synthetic: bool,
    /// How it sounded, for each of the gateway's calls that it was: the far end puts here what the gateway
    /// tells of that in events of its own. Empty where the sound went elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub voice: Vec<CallVoice>,
}

/// How a call ended for one user.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum CallOutcome {
    /// The parties talked.
    Answered,
    /// The user was called and did not answer.
    Missed,
    /// The user called and nobody answered.
    NoAnswer,
    /// The called party was busy.
    Busy,
    /// It could not be completed otherwise.
    Failed,
    /// It went on to another destination before the user answered.
    Diverted,
    /// Another terminal or user answered it.
    AnsweredElsewhere,
    /// The user gave up before it went anywhere.
    Abandoned,
}

/// One thing that moved a call on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallStep {
    /// What.
    pub kind: CallStepKind,
    /// The number that did it, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The number that the call went to or that was added, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// When, UTC.
    pub at: Timestamp,
}

/// What moved a call on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum CallStepKind {
    /// Two calls were joined and their middle left.
    Transferred,
    /// A party was added.
    Conferenced,
    /// It left a device for another one.
    Diverted,
}
