//! The far end's end of the channel: one per connection.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use crate::command::Command;
use crate::event::LegView;
use crate::frame::{CloudFrame, GatewayFrame, Goaway, Hello, Response, Window};
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
    /// Most legs in a snapshot.
    pub snapshot_legs_max: usize,
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
    /// Decide: [`CloudSession::accept`] or [`CloudSession::refuse`].
    Hello(Hello),
    /// Store these, then call [`CloudSession::stored`].
    Store {
        /// Number of the first.
        first: u64,
        /// The events, contiguous.
        events: Vec<Box<RawValue>>,
        /// History behind the snapshot.
        replayed: bool,
    },
    /// Store that these will never come, then call [`CloudSession::stored`] with `to`.
    StoreGap {
        /// First missing number.
        from: u64,
        /// Last missing number.
        to: u64,
        /// Why.
        reason: String,
    },
    /// All legs as they are after event `as_of`.
    Snapshot {
        /// The number.
        as_of: u64,
        /// The legs.
        legs: Vec<LegView>,
    },
    /// The gateway has stored the commands up to this number.
    CommandStored(u64),
    /// Outcome of a command.
    Response(Response),
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

/// Too many commands wait to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many commands wait to be sent to the gateway")]
pub struct CommandsFull;

/// The far end's end; see the module.
#[derive(Debug)]
pub struct CloudSession {
    config: Config,
}

impl CloudSession {
    /// A session without a connection.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
    /// Input: the connection is open.
    pub fn handle_connected(&mut self, _now: Instant) {}
    /// Input: a text message came.
    pub fn handle_text(&mut self, _text: &str, _now: Instant) {}
    /// Input: a frame came.
    pub fn handle_frame(&mut self, _frame: GatewayFrame, _now: Instant) {}
    /// Input: the time that [`Self::poll_timeout`] gave is reached.
    pub fn handle_timeout(&mut self, _now: Instant) {}
    /// Command: welcomes the gateway. Commands without an answer are then to be sent again, in order.
    pub fn accept(&mut self, _accept: Accept, _now: Instant) {}
    /// Command: closes the connection.
    pub fn refuse(&mut self, _code: u16, _reason: &str) {}
    /// Command: everything up to `seq` is stored.
    pub fn stored(&mut self, _seq: u64) {}
    /// Command: sends a command and says its number.
    ///
    /// # Errors
    /// [`CommandsFull`].
    pub fn send_command(&mut self, _command: Command) -> Result<u64, CommandsFull> {
        Err(CommandsFull)
    }
    /// Command: asks the gateway to connect again.
    pub fn goaway(&mut self, _goaway: Goaway) {}
    /// Output: the next frame to send.
    pub fn poll_transmit(&mut self) -> Option<CloudFrame> {
        None
    }
    /// Output: the next thing that happened.
    pub fn poll_event(&mut self) -> Option<CloudEvent> {
        None
    }
    /// Output: when to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        None
    }
}
