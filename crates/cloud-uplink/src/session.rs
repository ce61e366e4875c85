//! Who may say what when: the gateway's end of the channel and the far end's, as plain state machines.
//!
//! Neither opens a socket, reads a clock or keeps events: the gateway's end asks the outbox to read
//! them, the far end's end hands them over to be stored. After each input or command, drain
//! `poll_transmit`, `poll_event` and `poll_timeout` until they give `None`.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`gateway`] | [`GatewaySession`]: lives across connections |
//! | [`cloud`] | [`CloudSession`]: one per connection; [`Fence`] decides which one lives |
//! | [`legs`] | [`Legs`]: cloud legs at either end; live across connections |
//! | `window` | what is on the way unacknowledged, counted alike at both ends |

pub mod cloud;
pub mod gateway;
mod heartbeat;
pub mod legs;
mod window;

use std::borrow::Cow;
use std::time::Duration;

use serde_json::value::RawValue;

pub use cloud::{CloudSession, Fence};
pub use gateway::GatewaySession;
pub use legs::{LegFrame, Legs};

use crate::endpoint::EndpointView;
use crate::event::LegView;
use crate::id::StreamId;

/// How long the peer may take to answer a ping.
pub const PONG_TIMEOUT: Duration = Duration::from_secs(5);
/// So many pings unanswered in a row mean that the connection is dead.
pub const MISSES_MAX: u32 = 2;
/// Most commands on their way that the gateway has not said to have stored. Further ones are refused
/// by the far end; a far end that sends them is cut off.
pub const COMMANDS_UNSTORED_MAX: u64 = 256;

/// The outbox as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamState {
    /// The stream that events are numbered in.
    pub stream: StreamId,
    /// Whether it survives a power cut.
    pub durable: bool,
    /// Highest number given so far; 0 for none.
    pub high_water: u64,
    /// Lowest number still held unacknowledged; `high_water + 1` for none.
    pub lowest_unacked: u64,
}

/// Everything that a snapshot lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// All legs.
    pub legs: Vec<LegView>,
    /// All endpoints of which something is known.
    pub endpoints: Vec<EndpointView>,
}

/// One thing of the outbox, in sequence.
#[derive(Debug, Clone)]
pub enum Item {
    /// An event.
    Event {
        /// Its number.
        seq: u64,
        /// The event as JSON, as [`crate::Event`] describes.
        body: Box<RawValue>,
    },
    /// Events that will never come.
    Gap {
        /// First missing number.
        from: u64,
        /// Last missing number.
        to: u64,
        /// Why; see [`crate::frame::Gap::reason`].
        reason: Cow<'static, str>,
    },
}

impl Item {
    /// The event with number `seq`, from the JSON text that the outbox holds.
    ///
    /// # Errors
    /// The text is no JSON: say so with a gap of reason `corrupt`.
    pub fn event(seq: u64, json: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(json).map(|body| Self::Event { seq, body })
    }

    /// Number of the first event that this accounts for.
    #[must_use]
    pub const fn first(&self) -> u64 {
        match self {
            Self::Event { seq, .. } => *seq,
            Self::Gap { from, .. } => *from,
        }
    }

    /// Number of the last event that this accounts for.
    #[must_use]
    pub const fn last(&self) -> u64 {
        match self {
            Self::Event { seq, .. } => *seq,
            Self::Gap { to, .. } => *to,
        }
    }

    /// Bytes that this counts against the window.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        match self {
            Self::Event { body, .. } => body.get().len() as u64,
            Self::Gap { .. } => 0,
        }
    }
}
