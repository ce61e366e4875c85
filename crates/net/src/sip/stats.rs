//! What the sockets count.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a link was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The peer closed it.
    Peer,
    /// The socket failed.
    Error,
    /// The handshake took too long, or failed.
    Handshake,
    /// A message was not complete in time.
    Slow,
    /// Nothing came for too long.
    Idle,
    /// A keep-alive was not answered.
    Pong,
    /// Where one message ends could not be told.
    Framing,
    /// The peer does not read.
    Backlog,
    /// Too many links.
    Limit,
    /// We shut down.
    Shutdown,
}

impl Closed {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::Peer,
        Self::Error,
        Self::Handshake,
        Self::Slow,
        Self::Idle,
        Self::Pong,
        Self::Framing,
        Self::Backlog,
        Self::Limit,
        Self::Shutdown,
    ];

    /// The reason as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Error => "error",
            Self::Handshake => "handshake",
            Self::Slow => "slow",
            Self::Idle => "idle",
            Self::Pong => "pong",
            Self::Framing => "framing",
            Self::Backlog => "backlog",
            Self::Limit => "limit",
            Self::Shutdown => "shutdown",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// Counters of the sockets, written by their tasks, read by metrics.
#[derive(Debug, Default)]
pub struct SipStats {
    /// Messages received.
    pub received: AtomicU64,
    /// Messages sent.
    pub sent: AtomicU64,
    /// Datagrams and links of strangers, dropped without an answer.
    pub strangers: AtomicU64,
    /// Bytes that were no message.
    pub unreadable: AtomicU64,
    /// Datagrams that the kernel did not take.
    pub unsent: AtomicU64,
    /// Links accepted.
    pub accepted: AtomicU64,
    /// Links opened by us.
    pub opened: AtomicU64,
    /// Links that could not be opened.
    pub not_opened: AtomicU64,
    /// Links open now.
    pub links: AtomicU64,
    closed: [AtomicU64; Closed::ALL.len()],
}

impl SipStats {
    /// Links closed for that reason.
    #[must_use]
    pub fn closed(&self, why: Closed) -> u64 {
        self.closed[why.index()].load(Ordering::Relaxed)
    }

    pub(super) fn count_closed(&self, why: Closed) {
        self.closed[why.index()].fetch_add(1, Ordering::Relaxed);
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
