//! The messages of the channel. Each is one WebSocket text message holding one JSON object with its
//! kind in `t`; unknown fields are ignored, unknown kinds are refused without closing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::command::{Command, Outcome};
use crate::endpoint::EndpointView;
use crate::event::LegView;
use crate::id::{CloudLegId, CommandId, Identity, StreamId};
use crate::leg::{Leg, LegAck};
use crate::time::Timestamp;

/// WebSocket subprotocol: the major version of the channel.
pub const SUBPROTOCOL: &str = "ringway.v1.json";
/// Version of the channel that this code speaks.
pub const VERSION: u32 = 1;
/// Ability to carry cloud legs, in [`Hello::caps`] and [`Welcome::caps`]: who does not name it is sent no
/// `leg` and no `legAck`.
pub const CAP_LEGS: &str = "legs";
/// Largest frame that either side accepts, in bytes.
pub const FRAME_LEN_MAX: usize = 128 * 1024;
/// Largest response, in bytes of its JSON text; one that does not fit into a frame goes in parts. Room
/// for 20,000 devices of 400 bytes each; what is larger is answered with an error that says so.
pub const RESPONSE_LEN_MAX: usize = 8 * 1024 * 1024;

/// WebSocket close codes of the channel, beside RFC 6455's own.
pub mod close {
    /// A frame could not be read.
    pub const MALFORMED: u16 = 4400;
    /// The token is missing or wrong.
    pub const UNAUTHORIZED: u16 = 4401;
    /// The token does not belong to this gateway.
    pub const FORBIDDEN: u16 = 4403;
    /// No hello in time, or no answer to pings.
    pub const TIMEOUT: u16 = 4408;
    /// A newer session of the same gateway took over.
    pub const SUPERSEDED: u16 = 4409;
    /// A frame was larger than [`super::FRAME_LEN_MAX`].
    pub const TOO_BIG: u16 = 4413;
    /// No common version.
    pub const VERSION: u16 = 4426;
    /// Try again later.
    pub const RETRY_LATER: u16 = 4503;
}

/// Declares the frames of one direction: serialization by the tag, reading by peeking at it, so that
/// raw JSON inside stays raw.
macro_rules! frames {
    ($(#[$doc:meta])* $name:ident { $( $(#[$variant_doc:meta])* $variant:ident($ty:ty) = $tag:literal ),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, JsonSchema)]
        #[serde(tag = "t")]
        pub enum $name {
            $( $(#[$variant_doc])* #[serde(rename = $tag)] $variant($ty), )*
        }

        impl $name {
            /// The kind, as it stands in `t`.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self { $( Self::$variant(_) => $tag, )* }
            }

            /// Reads one frame.
            ///
            /// # Errors
            /// [`FrameParseError`]; only [`FrameParseError::UnknownKind`] leaves the channel open.
            pub fn parse(text: &str) -> Result<Self, FrameParseError> {
                if text.len() > FRAME_LEN_MAX {
                    return Err(FrameParseError::TooBig(text.len()));
                }
                let head: Head<'_> = serde_json::from_str(text)?;
                match &*head.t {
                    $( $tag => serde_json::from_str(text)
                        .map(Self::$variant)
                        .map_err(|error| FrameParseError::of($tag, text, error)), )*
                    other => Err(FrameParseError::UnknownKind(other.chars().take(32).collect())),
                }
            }

            /// Writes the frame as JSON.
            #[must_use]
            pub fn to_json(&self) -> String {
                // Plain structs with string keys: serialization has no way to fail.
                serde_json::to_string(self).unwrap_or_default()
            }
        }
    };
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    t: std::borrow::Cow<'a, str>,
}

/// Why a text is no frame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameParseError {
    /// No JSON object, no `t`, or a field of the wrong type.
    #[error("not a frame: {0}")]
    Json(#[from] serde_json::Error),
    /// A kind that this version does not know.
    #[error("unknown kind of frame {0:?}")]
    UnknownKind(String),
    /// A signal of a leg that cannot be read, perhaps of a newer kind: it ends the leg, not the channel.
    #[error("signal {n} of leg {leg}: {why}")]
    Signal {
        /// The leg.
        leg: CloudLegId,
        /// Number of the signal.
        n: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Larger than [`FRAME_LEN_MAX`].
    #[error("frame of {0} bytes, at most {FRAME_LEN_MAX} are allowed")]
    TooBig(usize),
}

/// Longest account of what is wrong with a signal, in bytes.
const WHY_LEN_MAX: usize = 200;

impl FrameParseError {
    /// What a frame of that kind, which cannot be read, means.
    fn of(kind: &str, text: &str, error: serde_json::Error) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Place {
            cloud_leg_id: CloudLegId,
            n: u64,
        }
        match serde_json::from_str::<Place>(text) {
            Ok(Place { cloud_leg_id, n }) if kind == "leg" => {
                let mut why = error.to_string().replace(char::is_control, " ");
                why.truncate(why.floor_char_boundary(WHY_LEN_MAX));
                Self::Signal {
                    leg: cloud_leg_id,
                    n,
                    why,
                }
            }
            _ => Self::Json(error),
        }
    }
}

frames! {
    /// What a gateway sends.
    GatewayFrame {
        /// First frame of a connection.
        Hello(Hello) = "hello",
        /// Events in sequence.
        Events(Events) = "events",
        /// Events that will never come.
        Gap(Gap) = "gap",
        /// All legs and endpoints as they are.
        Snapshot(Snapshot) = "snapshot",
        /// Commands stored up to a number.
        Ack(Ack) = "ack",
        /// Outcome of a command.
        Response(Response) = "response",
        /// A piece of a response that does not fit into a frame.
        ResponsePart(ResponsePart) = "responsePart",
        /// A signal of a cloud leg.
        Leg(Leg) = "leg",
        /// Signals of a cloud leg taken up to a number.
        LegAck(LegAck) = "legAck",
        /// Are you there?
        Ping(Ping) = "ping",
        /// I am.
        Pong(Ping) = "pong",
    }
}

frames! {
    /// What the far end sends.
    CloudFrame {
        /// Answer to hello.
        Welcome(Welcome) = "welcome",
        /// Events stored up to a number.
        Ack(Ack) = "ack",
        /// Something to do.
        Command(NumberedCommand) = "command",
        /// A signal of a cloud leg.
        Leg(Leg) = "leg",
        /// Signals of a cloud leg taken up to a number.
        LegAck(LegAck) = "legAck",
        /// Are you there?
        Ping(Ping) = "ping",
        /// I am.
        Pong(Ping) = "pong",
        /// Connect again elsewhere or later.
        Goaway(Goaway) = "goaway",
    }
}

/// First frame of a connection; the far end closes with [`close::TIMEOUT`] without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Newest version that the gateway speaks.
    pub v: u32,
    /// Oldest version that the gateway speaks.
    pub v_min: u32,
    /// Who it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// Software and its version, for example `ringway/0.1.0`.
    pub software: String,
    /// The stream that will be sent.
    pub stream: StreamId,
    /// Whether that stream survives a power cut; false while the disk does not take writes.
    pub durable: bool,
    /// Lowest sequence number that the gateway still holds unacknowledged; `high_water + 1` for none.
    pub next: u64,
    /// Highest sequence number given so far; 0 for none.
    pub high_water: u64,
    /// Counts starts of the gateway: a newer boot supersedes an older one.
    pub boot: u64,
    /// Fencing number of the active one of a pair; 0 where there is no pair.
    pub lease_epoch: u64,
    /// What to go on with, if there was a session before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
    /// Optional abilities.
    #[serde(default)]
    pub caps: Vec<String>,
}

/// What to go on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resume {
    /// The session of the last welcome.
    pub session: String,
    /// Highest command number stored in that session.
    pub commands: u64,
}

/// Answer to [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// Version that both will speak.
    pub v: u32,
    /// Names the session for a later resume.
    pub session: String,
    /// Whether the session asked for goes on, and with it the numbers of commands. Commands without
    /// outcome are sent again either way.
    pub resumed: bool,
    /// Highest sequence number of the stream that the far end has stored; 0 for none.
    pub acked: u64,
    /// Milliseconds between pings.
    pub heartbeat_ms: u64,
    /// How much may be on the way unacknowledged.
    pub window: Window,
    /// Largest frame that the far end accepts, in bytes.
    pub max_frame: usize,
    /// The far end's clock, UTC.
    pub time: Timestamp,
    /// Optional abilities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<String>,
}

/// How much may be on the way unacknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Events.
    pub events: u64,
    /// Bytes of events.
    pub bytes: u64,
}

/// Events in sequence: the first has number `s`, the next `s + 1`, and so on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Events {
    /// Number of the first.
    pub s: u64,
    /// Already in the last snapshot: history, which changes no state.
    #[serde(default)]
    pub replayed: bool,
    /// The events, each an object as [`crate::Event`] describes.
    #[schemars(with = "Vec<crate::Event>")]
    pub e: Vec<Box<RawValue>>,
}

/// Events `from` to `to`, both included, will never come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// First missing number.
    pub from: u64,
    /// Last missing number.
    pub to: u64,
    /// Why: `retention`, `overload`, `disk`, `corrupt`, `too-big`.
    pub reason: String,
}

/// One part of all legs and endpoints as they are after event `asOf`; together the parts replace
/// everything known before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Names the snapshot that this is a part of.
    pub id: u64,
    /// Number of the part, from 0.
    pub part: u32,
    /// Whether it is the last part; the snapshot counts from then on.
    pub last: bool,
    /// The sequence number up to which events are in it.
    pub as_of: u64,
    /// Legs.
    pub items: Vec<LegView>,
    /// Endpoints: what is known of them beside their calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointView>,
}

/// Everything up to `s` is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ack {
    /// The number.
    pub s: u64,
}

/// A command with its number in the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NumberedCommand {
    /// Number, from 1, without holes.
    pub s: u64,
    /// The command.
    #[serde(flatten)]
    pub command: Command,
}

/// Outcome of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Response {
    /// The command.
    pub id: CommandId,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A piece of a response that does not fit into a frame: the texts of all its parts, one after the
/// other, are the JSON text of the `response` frame. Parts of two responses do not mix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResponsePart {
    /// The command.
    pub id: CommandId,
    /// Number of the part, from 0.
    pub part: u32,
    /// Whether it is the last part; the response counts from then on.
    pub last: bool,
    /// The piece.
    pub text: String,
}

/// Are you there; the pong repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ping {
    /// Number of the ping.
    pub n: u64,
}

/// Connect again: the gateway opens the new connection before it closes this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Goaway {
    /// Why, in plain words.
    pub reason: String,
    /// Not before this many milliseconds.
    pub after_ms: u64,
    /// Spread the reconnect over this many milliseconds more.
    pub spread_ms: u64,
}
