//! What goes into the gateway's store and comes out of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::StoredCommand;
use crate::error::StoreError;
use crate::stats::WriterStats;

/// How much the outbox keeps, and when it gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Age after which an event that nobody acknowledged becomes a gap.
    pub retention: Duration,
    /// Bytes of unacknowledged events above which the oldest become a gap.
    pub bytes_max: u64,
    /// Size of the file that is given up first when the disk is full, in bytes; 0: none.
    pub ballast_bytes: u64,
    /// How often a store in memory tries the disk again.
    pub probe_every: Duration,
}

impl Default for OutboxLimits {
    /// 72 hours, 2 GiB, 64 MiB of ballast, a probe every 5 seconds.
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(72 * 3600),
            bytes_max: 2 << 30,
            ballast_bytes: 64 << 20,
            probe_every: Duration::from_secs(5),
        }
    }
}

/// What a restart finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The durable stream.
    pub stream: Uuid,
    /// How often this file has been opened, from 1.
    pub boot: u64,
    /// Highest sequence number ever assigned in the stream; 0: none.
    pub high_water: u64,
    /// Highest sequence number known to be stored at the far end; may lag behind the truth.
    pub acked: u64,
    /// The view as of `high_water`, ordered by key.
    pub view: Vec<(String, String)>,
    /// Commands that the PBX may have seen and whose outcome is unknown, or that it never saw.
    pub unfinished: Vec<StoredCommand>,
    /// Where a damaged file was moved to; the stream is then a new one.
    pub set_aside: Option<PathBuf>,
}

/// One atomic unit: either all of it is stored or none.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Events, oldest first; each gets the next sequence number.
    pub records: Vec<Record>,
    /// What the events did to the view.
    pub view: Vec<ViewChange>,
}

/// One event on its way into the outbox.
#[derive(Debug, Clone)]
pub struct Record {
    /// One JSON object.
    pub body: String,
    /// Wall clock of the event, milliseconds since the epoch.
    pub at_ms: i64,
    /// When the frame behind the event was read, for latency figures; travels along untouched.
    pub received: Option<Instant>,
}

/// A change of the view of live calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewChange {
    /// Insert or replace.
    Put {
        /// Row key, chosen by the caller.
        key: String,
        /// One JSON object.
        body: String,
    },
    /// Remove, if there.
    Delete {
        /// Row key.
        key: String,
    },
}

/// Sequence numbers that will never carry an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// First lost sequence number.
    pub from: u64,
    /// Last lost sequence number.
    pub to: u64,
    /// Why.
    pub reason: GapReason,
}

/// Why sequence numbers carry no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The write queue was full.
    Overload,
    /// Unacknowledged for too long, or too many bytes of it.
    Retention,
    /// The stored row was damaged or is missing.
    Corrupt,
    /// Acknowledged once and removed; the far end asks for it again.
    Pruned,
    /// The memory ring of a volatile stream was full.
    Volatile,
}

/// One unit of the stream as the uplink sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxItem {
    /// An event.
    Event {
        /// Its sequence number.
        seq: u64,
        /// One JSON object.
        body: Arc<str>,
    },
    /// Sequence numbers without events.
    Gap(Gap),
}

/// A group of appended records that is now stored.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The stream the numbers belong to; it changes when the store goes volatile and back.
    pub stream: Uuid,
    /// False: in memory only.
    pub durable: bool,
    /// First sequence number of this group, gaps included; the group is contiguous.
    pub first_seq: u64,
    /// Last sequence number of this group, gaps included.
    pub last_seq: u64,
    /// The events, in order.
    pub records: Vec<CommittedRecord>,
    /// Gaps among them, in order.
    pub gaps: Vec<Gap>,
    /// Events were lost or the stream changed: the far end's view needs a snapshot.
    pub snapshot_needed: bool,
}

/// One event with its number.
#[derive(Debug, Clone)]
pub struct CommittedRecord {
    /// Sequence number.
    pub seq: u64,
    /// One JSON object.
    pub body: Arc<str>,
    /// As in [`Record::received`].
    pub received: Option<Instant>,
}

/// The stream that appended events go to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamState {
    /// Its identifier.
    pub stream: Uuid,
    /// False: in memory only.
    pub durable: bool,
    /// Highest number assigned and stored; 0: none.
    pub high_water: u64,
    /// Highest number acknowledged.
    pub acked: u64,
}

/// The view at one point of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewSnapshot {
    /// The stream.
    pub stream: Uuid,
    /// The view contains everything up to this sequence number and nothing after it.
    pub as_of: u64,
    /// Rows ordered by key.
    pub view: Vec<(String, String)>,
}

/// How well the store can keep its promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreHealth {
    /// Everything committed is on disk.
    Durable,
    /// On disk, but the ballast file had to be given up.
    Tight,
    /// The disk refuses: events live in memory until it is back.
    Volatile {
        /// Since when, milliseconds since the epoch (the newest time the store was told then).
        since_ms: i64,
        /// What the disk said.
        error: String,
    },
    /// The writer thread is gone: nothing is stored any more until the process starts anew.
    Failed {
        /// What is known of it.
        error: String,
    },
}

/// Plain numbers for the metrics page.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayStats {
    /// The writer thread.
    pub writer: WriterStats,
    /// Unacknowledged events and gaps in the outbox.
    pub records: u64,
    /// Bytes of their bodies; counts acknowledged ones until they are removed.
    pub bytes: u64,
    /// Wall clock of the oldest of them, milliseconds since the epoch.
    pub oldest_ms: Option<i64>,
    /// Events lost to a full queue.
    pub lost_overload: u64,
    /// Events given up by retention.
    pub lost_retention: u64,
    /// Rows found damaged.
    pub lost_corrupt: u64,
    /// Events pushed out of the memory ring.
    pub lost_volatile: u64,
    /// Times the store went volatile.
    pub went_volatile: u64,
}

/// Events were not stored because the queue is full; their loss will be in the stream as a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the outbox's write queue is full: {lost} events become a gap")]
pub struct Overloaded {
    /// Events of this batch.
    pub lost: usize,
}

/// Called on the writer thread after each commit; must not block.
pub type OnCommit = Box<dyn FnMut(Committed) + Send>;

/// Called on the writer thread when the outcome is stored, or at once when it cannot be.
pub type Done<T> = Box<dyn FnOnce(Result<T, StoreError>) + Send>;

impl GapReason {
    /// The word used in the database and on the channel.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overload => "overload",
            Self::Retention => "retention",
            Self::Corrupt => "corrupt",
            Self::Pruned => "pruned",
            Self::Volatile => "volatile",
        }
    }

    /// Back from [`GapReason::as_str`]; a word that a bit flip has spoilt reads as `Corrupt`.
    pub(super) fn parse(word: &str) -> Self {
        [
            Self::Overload,
            Self::Retention,
            Self::Pruned,
            Self::Volatile,
        ]
        .into_iter()
        .find(|reason| reason.as_str() == word)
        .unwrap_or(Self::Corrupt)
    }
}
