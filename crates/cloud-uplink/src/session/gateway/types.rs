//! What the gateway's end is told and what it tells.

use std::time::Duration;

use crate::command::Command;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommandRef {
    pub(super) connection: u64,
    pub(super) number: u64,
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
    /// A command to store, then to confirm by [`super::GatewaySession::command_stored`], then to carry out.
    Command {
        /// To confirm it by.
        reference: CommandRef,
        /// The command. It may come again after a reconnect: its key tells.
        command: Command,
    },
    /// Read events and give them to [`super::GatewaySession::supply`], also when there are none.
    ReadEvents(ReadRequest),
    /// Read all legs and give them to [`super::GatewaySession::supply_snapshot`].
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
    /// The channel has been down for so long that calls end.
    Legs,
}

/// Numbers of a session, for status and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Highest number of the stream that the far end has stored.
    pub acked: u64,
    /// Highest number of the stream given so far.
    pub high_water: u64,
    /// Events sent and not acknowledged.
    pub in_flight: u64,
    /// Round-trip time of the last ping of this connection.
    pub rtt: Option<Duration>,
    /// Responses thrown away because too many waited for a connection.
    pub responses_dropped: u64,
    /// Frames of a kind that this version does not know.
    pub frames_unknown: u64,
}
