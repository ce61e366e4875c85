//! How a call sounded whose sound went through the gateway.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::CallId;

/// What the packets of a call told of its sound, once it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallVoice {
    /// The conversation.
    pub call_id: CallId,
    /// The extension whose softphone took part, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<String>,
    /// Both sides in one word.
    pub quality: VoiceQuality,
    /// Who called, as heard by the gateway.
    pub caller: VoiceSide,
    /// Who was called, as heard by the gateway.
    pub called: VoiceSide,
}

/// A call's sound in one word: that of the worse side (E-model, ITU-T G.107 and G.109).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum VoiceQuality {
    /// R of 80 and more: users are satisfied.
    High,
    /// R of 70 to 80: some users are dissatisfied.
    Medium,
    /// R below 70: many are.
    Low,
    /// Packets came from one side alone.
    OneSide,
    /// Neither side was heard for two seconds.
    Short,
    /// The codec has no published factors.
    Unrated,
}

/// One side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VoiceSide {
    /// Packets that came from its phone.
    pub received: u64,
    /// Packets that should have come and did not.
    pub lost: u64,
    /// The mean deviation of the time between packets, in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// The share of packets lost within bursts, 0 to 1 (RFC 3611 §4.7.2), where there was a burst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst_density: Option<f64>,
    /// From the gateway to the phone and back, in milliseconds, where its reports tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<u64>,
    /// Packets of the gateway's that its phone missed, where its reports tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<i64>,
    /// The rating R of its voice at the other side, 0 to 100, where the codec has published factors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<f64>,
    /// The mean opinion score that R stands for, 1 to 4.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos: Option<f64>,
}
