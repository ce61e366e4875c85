//! Cloud legs: the far end's part in a call that the gateway bridges, a softphone's or an
//! application's.
//!
//! ```text
//! PBX ══ SIP ══ gateway (back-to-back user agent) ══ cloud leg, on the channel ══ far end ══ softphone
//! ```
//!
//! A leg is begun by [`LegSignal::Invite`] from either side and ended by [`LegSignal::End`] from either
//! side.
//!
//! Session descriptions are SDP, offered and answered by the rules of RFC 3264: at any time at most one
//! offer is open.
//!
//! | offer in | answer in |
//! | --- | --- |
//! | [`Invite`](LegSignal::Invite) | [`Ringing`](LegSignal::Ringing), repeated in [`Answer`](LegSignal::Answer); or `Answer` alone |
//! | `Ringing` or `Answer`, where the invite has none | [`OfferAnswer`](LegSignal::OfferAnswer) |
//! | [`Offer`](LegSignal::Offer), perhaps after [`OfferWanted`](LegSignal::OfferWanted) | `OfferAnswer`, or [`OfferRefused`](LegSignal::OfferRefused) |
//!
//! Where two offers cross, that of the gateway goes on: it refuses the far end's with status 491, and the
//! far end answers the gateway's as if it had not offered, and may offer again after that.
//!
//! Signals are numbered from 1 for each leg and direction, acknowledged, sent again
//! after a reconnect, and taken once. A leg lives in memory: it ends on both sides when one of them
//! starts anew, or when the channel stays down for longer than [`LOST_AFTER`].

mod check;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::check::{BadSignal, DIGIT_MS_MAX, DIGIT_MS_MIN, TEXT_LEN_MAX};
use crate::id::{CallId, CloudLegId};

/// How long a leg outlives the channel that carries it.
pub const LOST_AFTER: Duration = Duration::from_secs(30);
/// Longest session description that either side accepts, in bytes.
pub const SDP_LEN_MAX: usize = 32 * 1024;
/// Most digits in one [`LegSignal::Dtmf`].
pub const DIGITS_MAX: usize = 64;

/// One signal of a leg, with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Leg {
    /// The leg.
    pub cloud_leg_id: CloudLegId,
    /// Number in this leg and direction, from 1, without holes; an [`LegSignal::End`] may come after one,
    /// and with number 0 from a side that does not keep the leg.
    pub n: u64,
    /// What is said.
    #[serde(flatten)]
    pub signal: LegSignal,
}

/// Signals of a leg up to `n` were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegAck {
    /// The leg.
    pub cloud_leg_id: CloudLegId,
    /// The number.
    pub n: u64,
}

/// What the ends of a leg say to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "signal", content = "data", rename_all = "camelCase")]
pub enum LegSignal {
    /// A call begins.
    Invite(LegInvite),
    /// The called side rings, or lets hear early media where `sdp` is given. From the far end the first
    /// description is the answer: later ones have to be the same. From the gateway it may change, as
    /// several telephones ring at the same time.
    Ringing(EarlyMedia),
    /// The called side answers; `sdp` answers the offer of the invite, or is the offer where that had
    /// none, and is answered by [`LegSignal::OfferAnswer`].
    Answer(Description),
    /// An offer with everything that the other side can is wanted: the peer asked for one (RFC 3261
    /// §14.1). Followed by [`LegSignal::Offer`] or [`LegSignal::OfferRefused`].
    OfferWanted,
    /// A new offer within the call: hold, resume, another address (RFC 3264 §8).
    Offer(Description),
    /// Answers the open offer.
    OfferAnswer(Description),
    /// Refuses the open offer: media stay as they were.
    OfferRefused(Refused),
    /// Digits dialled within the call.
    Dtmf(LegDigits),
    /// The far end hands its party over: blindly to a number, or to the other party of another of its
    /// legs, which ends with it. The gateway answers by [`LegSignal::TransferRefused`] or, once it is
    /// done, by [`LegSignal::End`] with cause `transferred`.
    Transfer(TransferTarget),
    /// The transfer was not carried out; the call goes on as it was.
    TransferRefused(Refused),
    /// The leg is part of that conversation: same `callId` as in events and REST.
    Correlated(Correlated),
    /// The leg is over.
    End(LegEnd),
}

/// How a call begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegInvite {
    /// Who calls: to the gateway the extension whose softphone calls, or the number that an application
    /// shows; from the gateway the caller's number as the PBX tells it, absent where withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The caller's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    /// The number called.
    pub to: String,
    /// Whom of the far end the leg belongs to.
    pub owner: LegOwner,
    /// The conversation, where it is known already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
    /// The number first called, where the call was diverted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverted_from: Option<String>,
    /// The offer; without one the called side offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp: Option<String>,
}

/// Whom of the far end a leg belongs to.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(tag = "kind", content = "id", rename_all = "camelCase")]
pub enum LegOwner {
    /// The softphone of an extension.
    Endpoint(String),
    /// An application, by the name in the gateway's destination codes.
    Application(String),
}

/// A session description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Description {
    /// SDP (RFC 8866).
    pub sdp: String,
}

/// A session description before the answer, if any.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EarlyMedia {
    /// SDP (RFC 8866).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp: Option<String>,
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// SIP status, 300 to 699 (RFC 3261 §21).
    pub status: u16,
    /// In plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Digits dialled within a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegDigits {
    /// `0` to `9`, `*`, `#`, `A` to `D`; 1 to [`DIGITS_MAX`].
    pub digits: String,
    /// How long each one is heard, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u32>,
}

/// Where a party is handed over to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "id", rename_all = "camelCase")]
pub enum TransferTarget {
    /// A number.
    Number(String),
    /// The other party of that leg.
    Leg(CloudLegId),
}

/// The conversation that a leg is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Correlated {
    /// The conversation.
    pub call_id: CallId,
}

/// How a leg ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LegEnd {
    /// Why.
    pub cause: LegEndCause,
    /// SIP status before an answer, 300 to 699, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// In plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why a leg ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum LegEndCause {
    /// A party hung up after the answer.
    Hangup,
    /// The caller gave up before the answer.
    Cancelled,
    /// Answered by another terminal of the same number.
    AnsweredElsewhere,
    /// Nobody answered.
    NoAnswer,
    /// The called party is busy.
    Busy,
    /// The called party declined.
    Declined,
    /// The number leads nowhere.
    NotFound,
    /// Refused by the dial policy.
    Forbidden,
    /// No channel, port or other resource.
    Congestion,
    /// Handed over: the parties go on without this leg.
    Transferred,
    /// The channel was down for too long, or one side started anew.
    Lost,
    /// Something failed; `reason` says what.
    Failed,
}
