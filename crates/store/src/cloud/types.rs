//! What goes into the far end's store and comes out of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::error::StoreError;
use crate::stats::WriterStats;

/// Whose rows: a gateway of a site of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Account.
    pub account: Arc<str>,
    /// Site.
    pub site: Arc<str>,
    /// Gateway.
    pub gateway: Arc<str>,
}

/// A gateway's stream as its `hello` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its identifier.
    pub stream: Uuid,
    /// Whose.
    pub owner: Owner,
    /// False: the gateway's disk is out of order, the stream lives in its memory.
    pub durable: bool,
    /// The gateway's boot counter.
    pub boot: u64,
    /// The gateway's lease epoch; a lower one than the highest seen is refused.
    pub lease_epoch: u64,
}

/// Some of a stream, in order.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// The stream.
    pub info: StreamInfo,
    /// Wall clock now, milliseconds since the epoch.
    pub now_ms: i64,
    /// Contiguous items; those already stored are skipped.
    pub items: Vec<IngestItem>,
}

/// One unit of a stream.
#[derive(Debug, Clone)]
pub struct IngestItem {
    /// Its (first) sequence number.
    pub seq: u64,
    /// What it is.
    pub content: Content,
    /// What it does to the view of legs; ignored if a snapshot already covers `seq`.
    pub legs: Vec<LegChange>,
    /// What it does to the view of endpoints; ignored likewise.
    pub endpoint: Option<EndpointChange>,
    /// What it does to all rows of both views before; ignored likewise.
    pub all: Option<AllChange>,
    /// The record that it adds to the call history.
    pub record: Option<Record>,
    /// What it adds to the records of a call.
    pub voice: Option<Voice>,
}

impl IngestItem {
    /// An item that changes no view.
    #[must_use]
    pub const fn new(seq: u64, content: Content) -> Self {
        Self {
            seq,
            content,
            legs: Vec::new(),
            endpoint: None,
            all: None,
            record: None,
            voice: None,
        }
    }
}

/// What a sequence number carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An event.
    Event {
        /// Event type.
        event_type: Arc<str>,
        /// The endpoint it is about, if any.
        endpoint: Option<Arc<str>>,
        /// When it happened, milliseconds since the epoch.
        at_ms: i64,
        /// Sent from the backlog after a reconnect.
        replayed: bool,
        /// One JSON object.
        body: Arc<str>,
    },
    /// Sequence numbers up to `to` carry no event.
    Gap {
        /// Last lost sequence number.
        to: u64,
        /// The gateway's word for it.
        reason: Arc<str>,
    },
}

/// A change of the view of live calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegChange {
    /// Insert or replace.
    Put(Leg),
    /// Remove, if there.
    Delete {
        /// Leg.
        leg_id: String,
    },
}

/// One leg of a live call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// Leg.
    pub leg_id: String,
    /// Call.
    pub call_id: String,
    /// Endpoint (extension).
    pub endpoint: String,
    /// State, in the event schema's words.
    pub state: String,
    /// One JSON object.
    pub body: String,
}

/// A leg and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedLeg {
    /// Whose.
    pub owner: Owner,
    /// The leg.
    pub leg: Leg,
}

/// An endpoint's row before a change, if there is one, to its row after it.
pub type Apply = Arc<dyn Fn(Option<&str>) -> String + Send + Sync>;

/// A change of the view of endpoints.
#[derive(Clone)]
pub struct EndpointChange {
    /// Endpoint (extension).
    pub endpoint: String,
    /// Makes the change; runs on the writer thread, and again if a commit has to be repeated.
    pub apply: Apply,
}

impl fmt::Debug for EndpointChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointChange")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// A row's body to what it is after a change; `None`: it stays.
pub type ApplyAll = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A change of many rows of the views of a gateway.
#[derive(Clone)]
pub struct AllChange {
    /// Rows of one endpoint only.
    pub endpoint: Option<String>,
    /// Changes the body of a leg; runs as [`EndpointChange::apply`] does.
    pub leg: ApplyAll,
    /// Changes the body of an endpoint.
    pub endpoints: ApplyAll,
}

impl fmt::Debug for AllChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllChange")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// What is known of an endpoint beside its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Endpoint (extension).
    pub endpoint: String,
    /// One JSON object.
    pub body: String,
}

/// An endpoint and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedEndpoint {
    /// Whose.
    pub owner: Owner,
    /// The endpoint.
    pub endpoint: Endpoint,
}

/// A place in the list of endpoints: endpoint, site, gateway.
pub type EndpointPlace = (String, String, String);

/// Which endpoints a reader wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointFilter {
    /// Account.
    pub account: String,
    /// One site only.
    pub site: Option<String>,
    /// One endpoint only.
    pub endpoint: Option<String>,
    /// Only those behind this place.
    pub after: Option<EndpointPlace>,
}

/// Everything that a snapshot lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Legs of live calls.
    pub legs: Vec<Leg>,
    /// Endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// One call of one user, once over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Endpoint (extension).
    pub endpoint: String,
    /// Call.
    pub call_id: String,
    /// Direction, in the event schema's words.
    pub direction: String,
    /// Outcome, in the event schema's words.
    pub outcome: String,
    /// When it began, milliseconds since the epoch.
    pub started_ms: i64,
    /// When it ended, milliseconds since the epoch.
    pub ended_ms: i64,
    /// One JSON object.
    pub body: String,
}

/// How one call sounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// Call.
    pub call_id: String,
    /// When it ended, milliseconds since the epoch.
    pub ended_ms: i64,
    /// One JSON object.
    pub body: String,
}

/// A record and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Whose.
    pub owner: Owner,
    /// The record.
    pub record: Record,
    /// How the call sounded, as far as it was told: a JSON array, empty where nothing was.
    pub voices: String,
}

/// Which records a reader wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Account.
    pub account: String,
    /// One site only.
    pub site: Option<String>,
    /// One endpoint only.
    pub endpoint: Option<String>,
    /// One direction only.
    pub direction: Option<String>,
    /// One outcome only.
    pub outcome: Option<String>,
    /// Begun at this time or later, milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Begun before this time.
    pub until_ms: Option<i64>,
}

/// A place in the call history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordPlace {
    /// When the call began.
    pub started_ms: i64,
    /// Cursor of the event that brought the record.
    pub cursor: u64,
}

/// Some of the call history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPage {
    /// Matching records, newest first.
    pub records: Vec<OwnedRecord>,
    /// Go on from here; `None`: that was all. A page may be short, even empty, before the end.
    pub next: Option<RecordPlace>,
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Events, from when they were stored.
    pub events: Duration,
    /// Records, from when their call ended.
    pub records: Duration,
    /// Most records of an account; the oldest go first.
    pub records_max: u64,
}

impl Default for Retention {
    /// 72 hours of events; 90 days of records, at most 1,000,000 for each account.
    fn default() -> Self {
        Self {
            events: super::RETENTION,
            records: Duration::from_hours(90 * 24),
            records_max: 1_000_000,
        }
    }
}

/// What storing a batch did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingested {
    /// Highest sequence number of the stream now stored; acknowledge this.
    pub acked: u64,
    /// Items stored by this batch.
    pub new: usize,
    /// Items that had been stored before.
    pub duplicates: usize,
    /// First and last cursor of the new rows, if any.
    pub cursors: Option<(u64, u64)>,
}

/// What the far end knows about a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// As last announced.
    pub info: StreamInfo,
    /// Highest sequence number stored; 0: none.
    pub last_seq: u64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
}

/// A row of the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Position in the log; ascending, with holes.
    pub cursor: u64,
    /// The gateway's stream.
    pub stream: Uuid,
    /// The gateway's (first) sequence number.
    pub seq: u64,
    /// Whose.
    pub owner: Owner,
    /// The event or gap.
    pub content: Content,
}

/// Which events a reader wants. Gaps of the account and site always come along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    /// Account.
    pub account: String,
    /// One site only.
    pub site: Option<String>,
    /// One endpoint only.
    pub endpoint: Option<String>,
}

impl EventFilter {
    /// Does this row pass?
    #[must_use]
    pub fn matches(&self, event: &StoredEvent) -> bool {
        let endpoint_fits = match (&self.endpoint, &event.content) {
            (None, _) | (_, Content::Gap { .. }) => true,
            (Some(wanted), Content::Event { endpoint, .. }) => {
                endpoint.as_deref() == Some(wanted.as_str())
            }
        };
        endpoint_fits
            && *event.owner.account == *self.account
            && self
                .site
                .as_ref()
                .is_none_or(|site| **site == *event.owner.site)
    }
}

/// Some of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// Matching rows, in order.
    pub events: Vec<StoredEvent>,
    /// Go on from here; rows up to it have been looked at.
    pub next: u64,
    /// Nothing is behind `next` yet.
    pub at_end: bool,
    /// Rows after the asked cursor were already removed by retention, up to this one.
    pub missed_upto: Option<u64>,
}

/// Which legs a reader wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegFilter {
    /// Account.
    pub account: String,
    /// One site only.
    pub site: Option<String>,
    /// One gateway only.
    pub gateway: Option<String>,
    /// One endpoint only.
    pub endpoint: Option<String>,
}

/// A command to a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommand {
    /// Our identifier of it.
    pub id: String,
    /// To whom.
    pub owner: Owner,
    /// Idempotency key, unique per gateway.
    pub key: String,
    /// Digest of method and parameters: tells a repeat from a clash.
    pub fingerprint: String,
    /// Method name.
    pub method: String,
    /// Parameters as one JSON object.
    pub params: String,
    /// Not to be executed after this, milliseconds since the epoch.
    pub deadline_ms: i64,
    /// Wall clock now.
    pub now_ms: i64,
}

/// A command as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCommand {
    /// As put; `now_ms` is when.
    pub command: NewCommand,
    /// The outcome, one JSON object; `None`: pending.
    pub outcome: Option<String>,
}

/// What storing a command found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandPut {
    /// First time: send it.
    New,
    /// The same command again: wait for, or answer with, the first one's outcome.
    Known(Box<StoredCommand>),
    /// The key was used for something else.
    Conflict,
}

/// Called on the writer thread with rows just committed; must not block.
pub type OnCommit = Box<dyn FnMut(Arc<[StoredEvent]>) + Send>;

/// Called on the writer thread when the outcome is stored, or at once when it cannot be.
pub type Done<T, E = StoreError> = Box<dyn FnOnce(Result<T, E>) + Send>;

/// Plain numbers for the metrics page.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudStats {
    /// The writer thread.
    pub writer: WriterStats,
    /// Events and gaps stored since start.
    pub stored: u64,
    /// Items that had been stored before, since start.
    pub duplicates: u64,
    /// Batches refused, since start.
    pub refused: u64,
}
