//! `gateway.db`: the durable outbox, the view of live calls, and the commands of one gateway.
//!
//! * An event gets its sequence number in the transaction that stores it, together with what it
//!   does to the view; only then is it given to the uplink ([`Committed`]).
//! * Numbers never go missing: what is lost (a full queue, retention, a damaged row) is a
//!   [`Gap`] in its place.
//! * A full or failing disk stops nothing: first a ballast file is given up, then the store goes on
//!   in memory under a new, volatile stream, and returns to the durable one when the disk is back.
//!   Events that nobody acknowledged until then move to the durable stream.

mod ballast;
mod commands;
mod engine;
mod job;
mod mark;
mod outbox;
mod recover;
mod restore;
mod schema;
mod shared;
mod types;
mod volatile;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use uuid::Uuid;

use self::ballast::Ballast;
use self::commands::CommandJob;
pub use self::commands::{Accepted, COMMANDS_KEPT_MS, CommandState, NewCommand, StoredCommand};
use self::engine::GatewayEngine;
use self::job::{Job, PendingRecord};
use self::shared::Shared;
pub use self::types::{
    Batch, Committed, CommittedRecord, Done, Gap, GapReason, GatewayStats, OnCommit, OutboxItem,
    OutboxLimits, Overloaded, Record, Recovered, StoreHealth, StreamState, ViewChange,
    ViewSnapshot,
};
pub use self::volatile::{VOLATILE_BYTES_MAX, VOLATILE_EVENTS_MAX};
use crate::db::{self, io_error, read_error, uint};
use crate::error::{OpenError, StoreError};
use crate::stats::WriterStats;
use crate::writer::{Class, Refused, WRITER_GONE, Writer};

/// The gateway's store. Cheap to share behind an `Arc`; dropping it drains the queue.
#[derive(Debug)]
pub struct GatewayStore {
    reader: Mutex<Connection>,
    shared: Arc<Shared>,
    writer_stats: Arc<Mutex<WriterStats>>,
    writer: Writer<Job>,
}

impl GatewayStore {
    /// Opens or creates the store.
    ///
    /// A full disk is met by giving up the ballast; a damaged file is moved aside
    /// ([`Recovered::set_aside`]); damaged rows become gaps.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        path: &Path,
        limits: OutboxLimits,
        now_ms: i64,
        on_commit: OnCommit,
    ) -> Result<(Self, Recovered), OpenError> {
        let ballast = Ballast::new(path, limits.ballast_bytes);
        let found = match recover::open(path, now_ms) {
            Err(OpenError::Sqlite { .. } | OpenError::Io { .. }) if ballast.release() => {
                recover::open(path, now_ms)
            }
            other => other,
        }
        .map_err(|error| blame_disk(error, path, &ballast))?;
        let reader = db::reader(path)?;
        let stream = StreamState {
            stream: found.recovered.stream,
            durable: true,
            high_water: found.recovered.high_water,
            acked: found.recovered.acked,
        };
        let tight = !ballast.ensure();
        let health = if tight {
            StoreHealth::Tight
        } else {
            StoreHealth::Durable
        };
        let shared = Arc::new(Shared::new(stream, health, found.tally));
        let writer_stats = Arc::clone(&found.db.stats);
        let engine = GatewayEngine {
            db: found.db,
            uuid: stream.stream,
            tally: found.tally,
            mark: found.mark,
            ballast,
            limits,
            view: found.recovered.view.iter().cloned().collect(),
            shared: Arc::clone(&shared),
            on_commit,
            now_ms,
            tight,
            probed: None,
        };
        let writer = Writer::spawn("store-gateway", engine).map_err(|e| io_error(path, e))?;
        let store = Self {
            reader: Mutex::new(reader),
            shared,
            writer_stats,
            writer,
        };
        Ok((store, found.recovered))
    }

    /// Queues a batch; never blocks on the disk. The outcome comes through `on_commit`.
    ///
    /// # Errors
    /// [`Overloaded`] when the queue is full: the records become a gap, the view changes are kept.
    pub fn append(&self, batch: Batch) -> Result<(), Overloaded> {
        let count = batch.records.len();
        if count == 0 && batch.view.is_empty() {
            return Ok(());
        }
        let mut overflow = self.shared.overflow();
        let mut append = overflow.take();
        append.view.extend(batch.view);
        append
            .records
            .extend(batch.records.into_iter().map(|record| PendingRecord {
                body: Arc::from(record.body),
                at_ms: record.at_ms,
                received: record.received,
            }));
        let bytes = append.bytes();
        let queued = self
            .writer
            .try_submit(Job::Append(append), bytes, Class::Ordinary);
        if let Err(Refused::Full(Job::Append(append)) | Refused::Closed(Job::Append(append))) =
            queued
        {
            overflow.keep(append);
            overflow.lost_total += count as u64;
            return Err(Overloaded { lost: count });
        }
        Ok(())
    }

    /// Reads the stream from `seq` on, without holes: what is missing comes as a gap.
    ///
    /// At least one item comes if there is one, however large. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError::OtherStream`] if `stream` is not the current one.
    pub fn read_from(
        &self,
        stream: Uuid,
        seq: u64,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<OutboxItem>, StoreError> {
        let (items, damaged) = loop {
            let state = self.stream();
            let (items, damaged) = self.page(state, stream, seq, events_max, bytes_max)?;
            // What was acknowledged and removed meanwhile is not damage.
            if damaged.is_empty() || self.stream().acked == state.acked {
                break (items, damaged);
            }
        };
        for (from, to) in damaged {
            // If the queue is full, the next reader finds it again.
            drop(
                self.writer
                    .try_submit(Job::Quarantine(from, to), 0, Class::Reserved),
            );
        }
        Ok(items)
    }

    /// The view and the sequence number it belongs to. Blocks on the disk.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn snapshot(&self) -> Result<ViewSnapshot, StoreError> {
        if let Some(volatile) = self.shared.volatile().as_ref() {
            return Ok(ViewSnapshot {
                stream: volatile.stream,
                as_of: volatile.next_seq - 1,
                view: volatile.view.clone().into_iter().collect(),
            });
        }
        let read = || {
            let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            let tx = reader.transaction()?;
            let (stream, next_seq): (Vec<u8>, i64) =
                tx.query_row("SELECT stream, next_seq FROM meta", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            Ok((stream, uint(next_seq), recover::view(&tx)?))
        };
        let (stream, next_seq, view) = read().map_err(|e: rusqlite::Error| read_error(&e))?;
        Ok(ViewSnapshot {
            stream: Uuid::from_slice(&stream).map_err(|e| StoreError::Sqlite(e.to_string()))?,
            as_of: next_seq.saturating_sub(1),
            view: view.into_iter().collect(),
        })
    }

    /// The stream that events go to now.
    #[must_use]
    pub fn stream(&self) -> StreamState {
        self.shared.status().stream
    }

    /// The far end has stored everything up to `seq`; removed soon, not at once.
    ///
    /// Another stream's acknowledgement, and one beyond what is stored, are ignored.
    pub fn ack_upto(&self, stream: Uuid, seq: u64) {
        let mut status = self.shared.status();
        let current = &mut status.stream;
        if current.stream == stream && seq <= current.high_water {
            current.acked = current.acked.max(seq);
        }
    }

    /// Goes on as a new stream, with the same numbers: the far end has more of `old` than was ever
    /// given out here, as it happens when a backup is put back, and would take new events for repeats.
    /// Told through `on_commit` like any change of stream.
    pub fn open_new_stream(&self, old: Uuid) {
        let job = Job::NewStream(Uuid::new_v4(), old);
        // Refused by a full queue, the far end says it again at the next connect.
        drop(self.writer.try_submit(job, 0, Class::Reserved));
    }

    /// Applies retention; call it about once a minute.
    pub fn prune(&self, now_ms: i64) {
        // Refused by a full queue, it is simply done a minute later.
        drop(
            self.writer
                .try_submit(Job::Prune(now_ms), 0, Class::Reserved),
        );
    }

    /// Stores a command before it is executed, or recognises it.
    pub fn command_accept(&self, command: NewCommand, done: Done<Accepted>) {
        self.command(CommandJob::Accept(command, None, done));
    }

    /// Stores that the PBX is about to be asked; ask it when `done` says so.
    ///
    /// [`StoreError::NotFound`] if the command is not waiting to be sent.
    pub fn command_sent(&self, key: &str, done: Done<()>) {
        self.command(CommandJob::Sent(key.to_owned(), None, done));
    }

    /// Stores the outcome, one JSON object; the first one stays.
    ///
    /// [`StoreError::NotFound`] if there is no such command.
    pub fn command_done(&self, key: &str, outcome: String, done: Done<()>) {
        self.command(CommandJob::Done(key.to_owned(), outcome, None, done));
    }

    /// How well the store can keep its promise.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        if !self.writer.is_running() {
            return StoreHealth::Failed {
                error: WRITER_GONE.to_owned(),
            };
        }
        self.shared.status().health.clone()
    }

    /// For how long the oldest unfinished job has waited: much more than a second means that the disk
    /// does not answer.
    #[must_use]
    pub fn waiting(&self) -> Duration {
        self.writer.waiting()
    }

    /// A fault switch for tests: the writer thread panics.
    #[doc(hidden)]
    pub fn panic_writer(&self) {
        self.writer.panic();
    }

    /// Plain numbers.
    #[must_use]
    pub fn stats(&self) -> GatewayStats {
        let status = self.shared.status().clone();
        let mut writer = self
            .writer_stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        (writer.queued, writer.refused) = self.writer.load();
        let lost_overload = self.shared.overflow().lost_total;
        let (records, bytes, oldest_ms) = self.backlog(&status);
        GatewayStats {
            writer,
            records,
            bytes,
            oldest_ms,
            lost_overload,
            lost_retention: status.tally.lost_retention,
            lost_corrupt: status.tally.lost_corrupt,
            lost_volatile: status.tally.lost_volatile,
            went_volatile: status.went_volatile,
        }
    }

    /// Waits until everything queued before is committed and its callbacks have run.
    ///
    /// Blocks: for start-up, shutdown and tests.
    pub fn flush(&self) {
        self.writer.flush();
    }

    /// A fault switch for tests: the file may have so many pages of 4 KiB; SQLite then reports a
    /// full disk.
    #[doc(hidden)]
    pub fn limit_pages(&self, pages: u32) {
        drop(
            self.writer
                .try_submit(Job::PageLimit(i64::from(pages)), 0, Class::Reserved),
        );
    }

    fn command(&self, command: CommandJob) {
        let bytes = command.bytes();
        let queued = self
            .writer
            .try_submit(Job::Command(command), bytes, Class::Reserved);
        match queued {
            Err(Refused::Full(Job::Command(command))) => {
                command.finish(Err(StoreError::Overloaded));
            }
            Err(Refused::Closed(Job::Command(command))) => {
                command.finish(Err(StoreError::Closed));
            }
            _ => {}
        }
    }

    /// One page, and what of it is damaged.
    fn page(
        &self,
        state: StreamState,
        stream: Uuid,
        seq: u64,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<(Vec<OutboxItem>, Vec<Range>), StoreError> {
        if state.stream != stream {
            return Err(StoreError::OtherStream);
        }
        let mut page = Page::new(state, seq.max(1), events_max, bytes_max);
        if state.durable {
            let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            outbox::scan(&reader, page.next, |row| {
                page.push(row.from, row.to, row.item)
            })
            .map_err(|e| read_error(&e))?;
        } else {
            let volatile = self.shared.volatile();
            let Some(volatile) = volatile.as_ref().filter(|v| v.stream == stream) else {
                return Err(StoreError::OtherStream);
            };
            // The ring is ordered by sequence number.
            let start = volatile
                .ring
                .partition_point(|entry| entry.item.range().1 < page.next);
            for entry in volatile.ring.range(start..) {
                let (from, to) = entry.item.range();
                if !page.push(from, to, Some(entry.item.clone())) {
                    break;
                }
            }
        }
        Ok(page.close())
    }

    /// Records, bytes and oldest time of what waits for an acknowledgement.
    fn backlog(&self, status: &shared::Status) -> (u64, u64, Option<i64>) {
        if let Some(volatile) = self.shared.volatile().as_ref() {
            return volatile.backlog();
        }
        let waiting = status.stream.high_water - status.stream.acked;
        if waiting == 0 {
            return (0, 0, None);
        }
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = outbox::oldest_ms(&reader, status.stream.acked).unwrap_or(None);
        (status.tally.rows.min(waiting), status.tally.bytes, oldest)
    }
}

/// Names a full disk as the cause: what SQLite says of it depends on which file was the first to meet it.
fn blame_disk(error: OpenError, path: &Path, ballast: &Ballast) -> OpenError {
    match error {
        OpenError::Sqlite { .. } | OpenError::Io { .. } if ballast.is_disk_full() => {
            OpenError::DiskFull {
                path: path.to_owned(),
                detail: error.to_string(),
            }
        }
        other => other,
    }
}

/// First and last of some sequence numbers.
type Range = (u64, u64);

/// Builds an answer of [`GatewayStore::read_from`].
struct Page {
    state: StreamState,
    next: u64,
    events_left: usize,
    bytes_left: usize,
    items: Vec<OutboxItem>,
    damaged: Vec<Range>,
    full: bool,
}

impl Page {
    fn new(state: StreamState, seq: u64, events_max: usize, bytes_max: usize) -> Self {
        Self {
            state,
            next: seq,
            events_left: events_max.max(1),
            bytes_left: bytes_max,
            items: Vec::new(),
            damaged: Vec::new(),
            full: false,
        }
    }

    /// Takes a row; false: enough.
    fn push(&mut self, from: u64, to: u64, item: Option<OutboxItem>) -> bool {
        // Rows committed after the state was looked at are left to the next page.
        if from > self.state.high_water || self.full {
            return false;
        }
        if from > self.next {
            self.missing(from - 1);
        }
        let first = self.items.is_empty();
        let bytes = item.as_ref().map_or(0, OutboxItem::bytes);
        if self.events_left == 0 || (bytes > self.bytes_left && !first) {
            self.full = true;
            return false;
        }
        match item {
            Some(OutboxItem::Gap(gap)) => self.gap(to, gap.reason),
            Some(event @ OutboxItem::Event { .. }) => self.items.push(event),
            None => {
                self.damaged.push((from, to));
                self.gap(to, GapReason::Corrupt);
            }
        }
        self.next = to + 1;
        self.events_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        true
    }

    /// Fills a hole up to `to`: acknowledged and removed, lost by the ring, or a missing row.
    fn missing(&mut self, to: u64) {
        let pruned_to = to.min(self.state.acked);
        if self.next <= pruned_to {
            self.gap(pruned_to, GapReason::Pruned);
            self.next = pruned_to + 1;
        }
        if self.next > to {
            return;
        }
        if self.state.durable {
            self.damaged.push((self.next, to));
            self.gap(to, GapReason::Corrupt);
        } else {
            self.gap(to, GapReason::Volatile);
        }
        self.next = to + 1;
    }

    fn gap(&mut self, to: u64, reason: GapReason) {
        let from = self.next;
        self.items.push(OutboxItem::Gap(Gap { from, to, reason }));
    }

    fn close(mut self) -> (Vec<OutboxItem>, Vec<Range>) {
        if !self.full && self.events_left > 0 && self.next <= self.state.high_water {
            self.missing(self.state.high_water);
        }
        (self.items, self.damaged)
    }
}
