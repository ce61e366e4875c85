//! `cloud.db`: the far end's log of all gateways' events, its view of live calls, its commands.
//!
//! A batch is stored before it is acknowledged, and each (stream, sequence number) once; a stream
//! is stored without holes, a gap counting as what it covers. The log's cursor orders all streams
//! for the applications that read it.

mod commands;
mod endpoints;
mod engine;
mod log;
mod reading;
mod records;
mod schema;
mod streams;
mod types;
mod view;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use uuid::Uuid;

pub use self::commands::COMMANDS_KEPT_MS;
use self::engine::{CloudEngine, Counters, Due, Job, Snapshot};
pub use self::reading::Reading;
use self::schema::SCHEMA;
pub use self::types::{
    AllChange, Apply, ApplyAll, CloudStats, CommandPut, Content, Done, Endpoint, EndpointChange,
    EndpointFilter, EndpointPlace, EventFilter, EventPage, Ingest, IngestItem, Ingested, Leg,
    LegChange, LegFilter, NewCommand, OnCommit, OwnedEndpoint, OwnedLeg, OwnedRecord, Owner,
    Record, RecordFilter, RecordPage, RecordPlace, Retention, StoredCommand, StoredEvent,
    StreamInfo, StreamState, View, Voice,
};
use crate::db::{self, Db, Lock, io_error, read_error};
use crate::error::{IngestError, OpenError, StoreError};
use crate::stats::WriterStats;
use crate::writer::{Class, Refused, Writer};

/// How long stored events are kept unless told otherwise.
pub const RETENTION: Duration = Duration::from_secs(72 * 3600);

/// The far end's store. Cheap to share behind an `Arc`; dropping it drains the queue.
#[derive(Debug)]
pub struct CloudStore {
    reader: Mutex<Connection>,
    counters: Arc<Mutex<Counters>>,
    writer_stats: Arc<Mutex<WriterStats>>,
    writer: Writer<Job>,
}

impl CloudStore {
    /// Opens or creates the store.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path, on_commit: OnCommit) -> Result<Self, OpenError> {
        let db = Db::open(path, Lock::take(path)?, &SCHEMA)?;
        let reader = db::reader(path)?;
        let counters = Arc::new(Mutex::new(Counters::default()));
        let writer_stats = Arc::clone(&db.stats);
        let engine = CloudEngine {
            db,
            on_commit,
            counters: Arc::clone(&counters),
            prune_left: None,
        };
        let writer = Writer::spawn("store-cloud", engine).map_err(|e| io_error(path, e))?;
        Ok(Self {
            reader: Mutex::new(reader),
            counters,
            writer_stats,
            writer,
        })
    }

    /// Stores a batch; `done` runs once it is on disk. Never blocks.
    pub fn ingest(&self, batch: Ingest, done: Done<Ingested, IngestError>) {
        let bytes = batch.bytes();
        let found = None;
        self.submit(Job::Ingest { batch, done, found }, bytes, Class::Ordinary);
    }

    /// Replaces a gateway's view by a snapshot that contains its stream up to `as_of`.
    pub fn replace_view(
        &self,
        info: StreamInfo,
        as_of: u64,
        view: View,
        now_ms: i64,
        done: Done<(), IngestError>,
    ) {
        let legs = view.legs.iter().map(|leg| leg.body.len());
        let endpoints = view.endpoints.iter().map(|endpoint| endpoint.body.len());
        let bytes = legs.chain(endpoints).sum();
        let snapshot = Snapshot {
            info,
            as_of,
            view,
            now_ms,
        };
        let job = Job::ReplaceView {
            snapshot,
            done,
            found: None,
        };
        self.submit(job, bytes, Class::Reserved);
    }

    /// Rows after `cursor` that pass the filter.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn events_after(
        &self,
        cursor: u64,
        filter: &EventFilter,
        events_max: usize,
    ) -> Result<EventPage, StoreError> {
        self.read(|conn| log::page(conn, cursor, filter, events_max))
    }

    /// The newest cursor; 0: none.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn last_cursor(&self) -> Result<u64, StoreError> {
        self.read(log::last_cursor)
    }

    /// What is known about a stream.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn stream_state(&self, stream: Uuid) -> Result<Option<StreamState>, StoreError> {
        let found = self.read(|conn| streams::select(conn, stream))?;
        Ok(found.map(|(_, state)| state))
    }

    /// Reads several things as they are at one moment.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn at_once<T>(
        &self,
        read: impl FnOnce(&Reading<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = reader.unchecked_transaction().map_err(|e| read_error(&e))?;
        read(&Reading { conn: &moment })
    }

    /// Call records behind `after`, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn records(
        &self,
        filter: &RecordFilter,
        after: Option<RecordPlace>,
        records_max: usize,
    ) -> Result<RecordPage, StoreError> {
        self.read(|conn| records::page(conn, filter, after, records_max))
    }

    /// Stores a command before it is sent, or recognises it.
    pub fn command_put(&self, command: NewCommand, done: Done<CommandPut>) {
        let bytes = command.key.len() + command.params.len();
        self.submit(Job::CommandPut(command, done, None), bytes, Class::Reserved);
    }

    /// Stores an outcome, one JSON object; the first one stays.
    pub fn command_done(&self, id: &str, outcome: String, done: Done<()>) {
        let bytes = outcome.len();
        let job = Job::CommandDone(id.to_owned(), outcome, done, None);
        self.submit(job, bytes, Class::Reserved);
    }

    /// A command by our identifier.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn command(&self, id: &str) -> Result<Option<StoredCommand>, StoreError> {
        self.read(|conn| commands::select(conn, id))
    }

    /// A command by its idempotency key, also one older than [`COMMANDS_KEPT_MS`].
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn command_by_key(
        &self,
        owner: &Owner,
        key: &str,
    ) -> Result<Option<StoredCommand>, StoreError> {
        self.read(|conn| commands::by_key(conn, owner, key))
    }

    /// Commands of a gateway without an outcome, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn pending_commands(&self, owner: &Owner) -> Result<Vec<StoredCommand>, StoreError> {
        self.read(|conn| commands::pending(conn, owner))
    }

    /// Removes what is older than `retention` says, and commands created longer than
    /// [`COMMANDS_KEPT_MS`] ago.
    pub fn prune(&self, now_ms: i64, retention: Retention) {
        let before = |kept: Duration| {
            now_ms.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
        };
        let due = Due {
            now_ms,
            events_before_ms: before(retention.events),
            records_before_ms: before(retention.records),
            records_max: retention.records_max,
        };
        self.submit(Job::Prune(due), 0, Class::Reserved);
    }

    /// Plain numbers.
    #[must_use]
    pub fn stats(&self) -> CloudStats {
        let mut writer = self
            .writer_stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        (writer.queued, writer.refused) = self.writer.load();
        let counters = *self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        CloudStats {
            writer,
            stored: counters.stored,
            duplicates: counters.duplicates,
            refused: counters.refused,
        }
    }

    /// Whether the writer thread is there; once false, only a new start of the process helps.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.writer.is_running()
    }

    /// A fault switch for tests: the writer thread panics.
    #[doc(hidden)]
    pub fn panic_writer(&self) {
        self.writer.panic();
    }

    /// Waits until everything queued before is committed and its callbacks have run.
    ///
    /// Blocks: for start-up, shutdown and tests.
    pub fn flush(&self) {
        self.writer.flush();
    }

    /// Queues a job, or tells at once that it cannot be.
    fn submit(&self, job: Job, bytes: usize, class: Class) {
        match self.writer.try_submit(job, bytes, class) {
            Ok(()) => {}
            Err(Refused::Full(job)) => job.refuse(StoreError::Overloaded),
            Err(Refused::Closed(job)) => job.refuse(StoreError::Closed),
        }
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        read(&reader).map_err(|e| read_error(&e))
    }
}
