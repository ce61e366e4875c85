//! How the channel is, for health, metrics and the terminal view.

use std::time::{Duration, Instant};

/// State of the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UplinkState {
    /// A connection is being opened.
    Connecting,
    /// The far end has been said hello.
    Greeting,
    /// The far end accepted the gateway.
    Up,
    /// The driver waits before the next try.
    Waiting,
    /// The far end refuses the gateway; only a person can change that. Tries go on, slowly.
    Refused,
}

/// How the channel is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UplinkStatus {
    /// State of the channel.
    pub state: UplinkState,
    /// Since when.
    pub since: Instant,
    /// When a connection is tried next, while the driver waits for that.
    pub retry_at: Option<Instant>,
    /// Round-trip time of the last ping.
    pub rtt: Option<Duration>,
    /// How far the far end's clock was ahead of ours at its last welcome, in milliseconds; negative when
    /// ours is ahead. Deadlines of commands are set by the far end's.
    pub far_end_ahead_ms: i64,
    /// Highest number that the far end has stored.
    pub acked: u64,
    /// Highest number given so far.
    pub high_water: u64,
    /// Events sent and not acknowledged.
    pub in_flight: u64,
    /// Connections opened after the first.
    pub reconnects: u64,
    /// Commands refused because the gateway did not take them in time.
    pub commands_refused: u64,
    /// Why the last connection or try ended, in plain words.
    pub last_error: Option<String>,
}

impl UplinkStatus {
    /// The status before the first try.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            state: UplinkState::Connecting,
            since: now,
            retry_at: None,
            rtt: None,
            far_end_ahead_ms: 0,
            acked: 0,
            high_water: 0,
            in_flight: 0,
            reconnects: 0,
            commands_refused: 0,
            last_error: None,
        }
    }
}
