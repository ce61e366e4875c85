//! The gateway's end of the channel.

use std::time::{Duration, Instant};

use super::{Item, StreamState};
use crate::command::Command;
use crate::event::LegView;
use crate::frame::{CloudFrame, GatewayFrame, Response};
use crate::id::{Identity, StreamId};
use crate::time::Timestamp;

/// What a gateway says of itself.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who it is.
    pub identity: Identity,
    /// Software and its version, for example `ringway/0.1.0`.
    pub software: String,
    /// Counts starts of the gateway.
    pub boot: u64,
    /// Fencing number of the active one of a pair; 0 where there is no pair.
    pub lease_epoch: u64,
    /// How long the far end may take to answer the hello.
    pub welcome_timeout: Duration,
    /// How long the far end may take to answer a ping.
    pub pong_timeout: Duration,
}

/// What the session wants to be read from the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadRequest {
    /// The stream to read.
    pub stream: StreamId,
    /// First number wanted.
    pub from: u64,
    /// At most so many items.
    pub max_events: u64,
    /// At most so many bytes of events, but always one item.
    pub max_bytes: u64,
}

/// Names a command within the connection that brought it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandRef {
    connection: u64,
    number: u64,
}

/// What happened, for the session's owner.
#[derive(Debug, Clone)]
pub enum GatewayEvent {
    /// The far end accepted the gateway.
    Welcome {
        /// Name of the session.
        session: String,
        /// Whether the session before goes on.
        resumed: bool,
        /// The far end's clock.
        time: Timestamp,
    },
    /// Everything of `stream` up to `seq` is stored by the far end: it may be deleted.
    Acked {
        /// The stream.
        stream: StreamId,
        /// The number.
        seq: u64,
    },
    /// A command to store, then to confirm by [`GatewaySession::command_stored`], then to carry out.
    Command {
        /// To confirm it by.
        reference: CommandRef,
        /// The command. It may come again after a reconnect: its key tells.
        command: Command,
    },
    /// Read events and give them to [`GatewaySession::supply`], also when there are none.
    ReadEvents(ReadRequest),
    /// Read all legs and give them to [`GatewaySession::supply_snapshot`].
    ReadSnapshot,
    /// Close the connection.
    Disconnect {
        /// WebSocket close code.
        code: u16,
        /// Why, in plain words.
        reason: String,
    },
    /// Open a new connection, then give this one up.
    Reconnect {
        /// Not before this.
        after: Duration,
        /// Spread over this much more, at random.
        spread: Duration,
    },
    /// The far end closed with a refusal.
    Refused {
        /// WebSocket close code.
        code: u16,
        /// Trying again will not help before somebody changed something.
        needs_person: bool,
    },
    /// The far end has stored more than was ever given out: the outbox was put back from a copy. It must
    /// open a new stream, or numbers would repeat.
    StreamAhead {
        /// The stream.
        stream: StreamId,
        /// What the far end has stored.
        acked: u64,
        /// What the outbox has given out.
        high_water: u64,
    },
}

/// What a timeout is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The far end has to answer the hello by then.
    Welcome,
    /// The next ping is due.
    Ping,
    /// The far end has to answer the ping by then.
    Pong,
    /// The outbox gave nothing: ask again.
    ReadRetry,
}

/// The gateway's end; see the module.
#[derive(Debug)]
pub struct GatewaySession {
    config: Config,
}

impl GatewaySession {
    /// A session without a connection.
    #[must_use]
    pub const fn new(config: Config, stream: StreamState) -> Self {
        let _ = stream;
        Self { config }
    }
    /// Input: a connection was opened.
    pub fn handle_connected(&mut self, _now: Instant) {}
    /// Input: a text message came.
    pub fn handle_text(&mut self, _text: &str, _now: Instant) {}
    /// Input: a frame came.
    pub fn handle_frame(&mut self, _frame: CloudFrame, _now: Instant) {}
    /// Input: the connection is gone, with the far end's close code if it gave one.
    pub fn handle_disconnected(&mut self, _code: Option<u16>, _now: Instant) {}
    /// Input: the time that [`Self::poll_timeout`] gave is reached.
    pub fn handle_timeout(&mut self, _now: Instant) {}
    /// Input: the outbox's state, also when it changed to another stream.
    pub fn handle_stream(&mut self, _state: StreamState, _now: Instant) {}
    /// Input: items just committed to `stream`, in sequence.
    pub fn handle_committed(&mut self, _stream: StreamId, _items: Vec<Item>, _now: Instant) {}
    /// Command: what was read for `request`; empty if reading failed.
    pub fn supply(&mut self, _request: ReadRequest, _items: Vec<Item>, _now: Instant) {}
    /// Command: all legs as they are after event `as_of` of `stream`.
    pub fn supply_snapshot(&mut self, _stream: StreamId, _as_of: u64, _legs: Vec<LegView>) {}
    /// Command: a new snapshot has to be sent before any further event.
    pub fn snapshot_needed(&mut self) {}
    /// Command: the outcome of a command.
    pub fn respond(&mut self, _response: Response) {}
    /// Command: a command is stored; those before it are, too.
    pub fn command_stored(&mut self, _reference: CommandRef) {}
    /// Output: the next frame to send.
    pub fn poll_transmit(&mut self) -> Option<GatewayFrame> {
        None
    }
    /// Output: the next thing that happened.
    pub fn poll_event(&mut self) -> Option<GatewayEvent> {
        None
    }
    /// Output: when to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        None
    }
}
