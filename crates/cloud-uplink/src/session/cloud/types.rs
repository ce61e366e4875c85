//! What the far end's end is told and what it tells.

use std::time::Duration;

use serde_json::value::RawValue;

use crate::frame::{CAP_LEGS, FRAME_LEN_MAX, Hello, Response, Window};
use crate::id::CloudLegId;
use crate::session::legs::LegFrame;
use crate::session::{PONG_TIMEOUT, View};
use crate::time::Timestamp;

/// What a far end grants and expects.
#[derive(Debug, Clone)]
pub struct Config {
    /// How long the gateway may take to say hello.
    pub hello_timeout: Duration,
    /// Time between pings, in both directions.
    pub heartbeat: Duration,
    /// How long the gateway may take to answer a ping.
    pub pong_timeout: Duration,
    /// How much may be on the way unacknowledged.
    pub window: Window,
    /// Largest frame that the gateway may send, in bytes; 16 KiB to [`FRAME_LEN_MAX`].
    pub max_frame: usize,
    /// Most legs, and most endpoints, in a snapshot.
    pub snapshot_rows_max: usize,
}

/// The far end's answer to a hello.
#[derive(Debug, Clone)]
pub struct Accept {
    /// Names the session.
    pub session: String,
    /// Whether the session asked for goes on.
    pub resumed: bool,
    /// Highest number of the stream that is stored; 0 for none.
    pub acked: u64,
    /// The far end's clock.
    pub time: Timestamp,
}

/// What happened, for the session's owner.
#[derive(Debug, Clone)]
pub enum CloudEvent {
    /// Decide: [`super::CloudSession::accept`] or [`super::CloudSession::refuse`].
    Hello(Hello),
    /// Store these, then call [`super::CloudSession::stored`].
    Store {
        /// Number of the first.
        first: u64,
        /// The events, contiguous.
        events: Vec<Box<RawValue>>,
        /// History behind the snapshot.
        replayed: bool,
    },
    /// Store that these will never come, then call [`super::CloudSession::stored`] with `to`.
    StoreGap {
        /// First missing number.
        from: u64,
        /// Last missing number.
        to: u64,
        /// Why.
        reason: String,
    },
    /// All legs and endpoints as they are after event `as_of`.
    Snapshot {
        /// The number.
        as_of: u64,
        /// Legs and endpoints.
        view: View,
    },
    /// The gateway has stored the commands up to this number.
    CommandStored(u64),
    /// Outcome of a command.
    Response(Response),
    /// Give it to [`crate::session::Legs::handle_frame`].
    Leg(LegFrame),
    /// Give it to [`crate::session::Legs::handle_unreadable`].
    LegUnreadable {
        /// The leg.
        leg: CloudLegId,
        /// What is wrong with the signal.
        why: String,
    },
    /// Close the connection.
    Disconnect {
        /// WebSocket close code.
        code: u16,
        /// Why, in plain words.
        reason: String,
    },
}

/// What a timeout is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The gateway has to say hello by then.
    Hello,
    /// The next ping is due.
    Ping,
    /// The gateway has to answer the ping by then.
    Pong,
}

/// Which of two sessions of the same gateway is newer: greater is newer, equal is the same gateway
/// connecting again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence {
    /// Fencing number of the active one of a pair.
    pub lease_epoch: u64,
    /// Start of the gateway.
    pub boot: u64,
}

impl Hello {
    /// Whether the gateway can carry cloud legs.
    #[must_use]
    pub fn has_legs(&self) -> bool {
        self.caps.iter().any(|cap| cap == CAP_LEGS)
    }
}

impl From<&Hello> for Fence {
    fn from(hello: &Hello) -> Self {
        Self {
            lease_epoch: hello.lease_epoch,
            boot: hello.boot,
        }
    }
}

impl Fence {
    /// Whether a session that says this takes over from the `live` one. If so, the live one is closed
    /// with [`crate::frame::close::SUPERSEDED`]; if not, the new one is.
    #[must_use]
    pub fn supersedes(self, live: Self) -> bool {
        self >= live
    }
}

/// The gateway takes no more commands at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway takes no more commands at the moment")]
pub struct CommandsFull;

impl Default for Config {
    /// What a far end grants unless told otherwise: 2,048 events or 1 MiB on the way, a ping every
    /// 10 s, 100,000 legs and as many endpoints.
    fn default() -> Self {
        Self {
            hello_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            pong_timeout: PONG_TIMEOUT,
            window: Window {
                events: 2_048,
                bytes: 1024 * 1024,
            },
            max_frame: FRAME_LEN_MAX,
            snapshot_rows_max: 100_000,
        }
    }
}

/// Numbers of a session, for status and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Events received and not stored.
    pub unstored: u64,
    /// Events received more than once on this connection.
    pub duplicates: u64,
    /// Round-trip time of the last ping.
    pub rtt: Option<Duration>,
    /// Frames of a kind that this version does not know.
    pub frames_unknown: u64,
}
