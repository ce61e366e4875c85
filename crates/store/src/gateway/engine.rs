//! The writer thread's half of the gateway's store: groups on the disk, or in memory without it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ballast::Ballast;
use super::job::{Append, Job, OnDisk, PendingRecord};
use super::mark::Mark;
use super::outbox::Tally;
use super::restore::Restore;
use super::shared::Shared;
use super::types::{
    Committed, CommittedRecord, GapReason, OnCommit, OutboxLimits, StoreHealth, StreamState,
};
use super::volatile::{Volatile, apply};
use crate::db::Db;
use crate::error::StoreError;
use crate::stats::Stopwatch;
use crate::writer::Engine;

/// Acknowledged rows are removed when this many have gathered, with a group that commits anyway,
/// or when the store is idle: removing them at once would cost a second sync per event.
const ACK_GATHER: u64 = 512;
/// Sequence numbers removed per group, so that a long backlog does not hold up live events.
const ACK_STEP: u64 = 8_192;

pub(super) struct GatewayEngine {
    pub(super) db: Db,
    pub(super) uuid: uuid::Uuid,
    pub(super) tally: Tally,
    pub(super) mark: Mark,
    pub(super) ballast: Ballast,
    pub(super) limits: OutboxLimits,
    /// Copy of the view table; moved into the volatile store while that rules.
    pub(super) view: BTreeMap<String, String>,
    pub(super) shared: Arc<Shared>,
    pub(super) on_commit: OnCommit,
    /// Newest wall clock seen, milliseconds since the epoch.
    pub(super) now_ms: i64,
    pub(super) tight: bool,
    /// Since the disk was last tried, while it is out of order.
    pub(super) probed: Option<Stopwatch>,
}

impl Engine<Job> for GatewayEngine {
    fn group(&mut self, mut jobs: Vec<Job>) {
        self.probe();
        if self.probed.is_some() {
            return self.group_in_memory(jobs);
        }
        match self.group_on_disk(&mut jobs, false) {
            Ok(results) => self.finish(jobs, results),
            Err(error) => {
                self.go_volatile(&error);
                self.group_in_memory(jobs);
            }
        }
        if self.db.checkpoint(false) {
            self.mark.sync();
        }
    }

    fn idle(&mut self) {
        // What was lost to a full queue, and no later batch has carried.
        if let Some(lost) = self.shared.take_overflow() {
            return self.group(vec![Job::Append(lost)]);
        }
        self.probe();
        if self.probed.is_some() {
            return;
        }
        if self.shared.acked(self.uuid) > self.tally.acked
            && let Err(error) = self.group_on_disk(&mut [], true)
        {
            self.go_volatile(&error);
        }
        if self.db.checkpoint(true) {
            self.mark.sync();
        }
    }
}

impl GatewayEngine {
    /// Stores a group; with a full disk, once more after giving up the ballast.
    fn group_on_disk(
        &mut self,
        jobs: &mut [Job],
        idle: bool,
    ) -> rusqlite::Result<Vec<Result<(), StoreError>>> {
        let outcome = self.try_group(jobs, idle);
        let Err(error) = outcome else {
            return outcome;
        };
        if !self.ballast.release() {
            return Err(error);
        }
        tracing::warn!(%error, "the disk is full: the ballast was given up to go on");
        self.tight = true;
        self.try_group(jobs, idle)
    }

    fn try_group(
        &mut self,
        jobs: &mut [Job],
        idle: bool,
    ) -> rusqlite::Result<Vec<Result<(), StoreError>>> {
        let acked = self.shared.acked(self.uuid);
        let gathered = acked.saturating_sub(self.tally.acked);
        let mut work = OnDisk {
            tally: self.tally,
            before: self.tally,
            start: self.tally,
            limits: &self.limits,
            now_ms: self.now_ms,
            ack: (gathered >= ACK_GATHER || (idle && gathered > 0))
                .then(|| acked.min(self.tally.acked + ACK_STEP)),
        };
        let results = self.db.group(jobs, &mut work)?;
        (self.tally, self.now_ms) = (work.tally, work.now_ms);
        self.mark.note(self.uuid, self.tally.high_water());
        if self.tight && jobs.iter().any(|job| matches!(job, Job::Prune(_))) {
            self.tight = !self.ballast.ensure();
        }
        self.shared.update(&self.tally, self.health());
        self.shared.set_stream(self.uuid, self.tally.high_water());
        Ok(results)
    }

    fn health(&self) -> StoreHealth {
        if self.tight {
            StoreHealth::Tight
        } else {
            StoreHealth::Durable
        }
    }

    fn finish(&mut self, jobs: Vec<Job>, results: Vec<Result<(), StoreError>>) {
        let mut group = Group::new(StreamState {
            stream: self.uuid,
            durable: true,
            high_water: 0,
            acked: 0,
        });
        let mut answers = Vec::new();
        let mut renamed = None;
        for (job, result) in jobs.into_iter().zip(results) {
            match job {
                Job::Append(append) if result.is_ok() => {
                    for change in &append.view {
                        apply(&mut self.view, change);
                    }
                    group.take(append);
                }
                Job::Append(_) => tracing::error!(?result, "a batch of events was refused"),
                Job::Command(command) => answers.push((command, result)),
                Job::NewStream(new, old) if result.is_ok() && old == self.uuid => {
                    renamed = Some(new)
                }
                Job::NewStream(..) | Job::Prune(_) | Job::Quarantine(..) | Job::PageLimit(_) => {}
            }
        }
        self.publish(group);
        if let Some(new) = renamed {
            self.rename_stream(new);
        }
        for (command, result) in answers {
            command.finish(result);
        }
    }

    /// The numbers go on under another name: what the far end has of the old one is not ours.
    fn rename_stream(&mut self, new: uuid::Uuid) {
        tracing::warn!(old = %self.uuid, %new, "the outbox goes on as a new stream");
        self.uuid = new;
        self.mark.note(new, self.tally.high_water());
        let mut group = Group::new(self.shared.rename_stream(new));
        group.snapshot_needed = true;
        self.publish(group);
    }

    fn publish(&mut self, group: Group) {
        if let Some(committed) = group.close() {
            (self.on_commit)(committed);
        }
    }

    fn go_volatile(&mut self, error: &rusqlite::Error) {
        tracing::error!(%error, "the disk refuses: events are kept in memory until it is back");
        self.probed = Some(Stopwatch::start());
        let volatile = Volatile::new(std::mem::take(&mut self.view));
        let health = StoreHealth::Volatile {
            since_ms: self.now_ms,
            error: error.to_string(),
        };
        self.shared.go_volatile(volatile, health);
    }

    fn group_in_memory(&mut self, jobs: Vec<Job>) {
        let shared = Arc::clone(&self.shared);
        let mut guard = shared.volatile();
        let Some(volatile) = guard.as_mut() else {
            return;
        };
        volatile.ack(shared.acked(volatile.stream));
        let mut group = Group::new(volatile.state());
        group.snapshot_needed = std::mem::take(&mut volatile.is_news);
        let mut answers = Vec::new();
        for job in jobs {
            match job {
                Job::Append(append) => group.take(self.append_in_memory(append, volatile)),
                Job::Command(mut command) => {
                    command.run_volatile(&self.db.conn, &mut volatile.commands);
                    answers.push(command);
                }
                Job::Prune(now_ms) => self.now_ms = self.now_ms.max(now_ms),
                // Tests make the disk whole again with this one; nothing depends on its success.
                Job::PageLimit(pages) => drop(self.db.conn.pragma_update_and_check(
                    None,
                    "max_page_count",
                    pages,
                    |_| Ok(()),
                )),
                Job::Quarantine(..) | Job::NewStream(..) => {}
            }
        }
        shared.set_stream(volatile.stream, volatile.next_seq - 1);
        drop(guard);
        shared.update_lost(&self.tally);
        self.publish(group);
        for command in answers {
            command.finish(Ok(()));
        }
    }

    fn append_in_memory(&mut self, mut append: Append, volatile: &mut Volatile) -> Append {
        append.gap = (append.lost > 0)
            .then(|| volatile.push_gap(append.lost, GapReason::Overload, self.now_ms));
        self.tally.lost_overload += append.lost;
        append.first = volatile.next_seq;
        for record in &append.records {
            self.now_ms = self.now_ms.max(record.at_ms);
            let (_, lost) = volatile.push_event(Arc::clone(&record.body), record.at_ms);
            self.tally.lost_volatile += lost;
        }
        for change in &append.view {
            volatile.change_view(change);
        }
        append
    }

    /// Tries to leave the memory, if it is time.
    fn probe(&mut self) {
        let due = |watch: &Stopwatch| watch.elapsed() >= self.limits.probe_every;
        if !self.probed.as_ref().is_some_and(due) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut guard = shared.volatile();
        let Some(volatile) = guard.as_mut() else {
            return;
        };
        volatile.ack(shared.acked(volatile.stream));
        let mut restore = Restore::new(volatile, self.tally, self.now_ms);
        if let Err(error) = self.db.group(&mut [()], &mut restore) {
            tracing::debug!(%error, "the disk still refuses");
            self.probed = Some(Stopwatch::start());
            return;
        }
        let (tally, group) = restore.done(self.uuid);
        self.tally = tally;
        self.view = std::mem::take(&mut volatile.view);
        *guard = None;
        drop(guard);
        self.probed = None;
        self.mark.note(self.uuid, self.tally.high_water());
        self.tight = !self.ballast.ensure();
        tracing::info!("the disk is back: what was kept in memory is stored");
        shared.update(&self.tally, self.health());
        shared.set_stream(self.uuid, self.tally.high_water());
        self.publish(group);
    }
}

/// Collects what one group has added to the stream.
pub(super) struct Group {
    stream: StreamState,
    pub(super) snapshot_needed: bool,
    first_seq: u64,
    last_seq: u64,
    pub(super) records: Vec<CommittedRecord>,
    pub(super) gaps: Vec<super::types::Gap>,
}

impl Group {
    pub(super) fn new(stream: StreamState) -> Self {
        Self {
            stream,
            snapshot_needed: false,
            first_seq: u64::MAX,
            last_seq: 0,
            records: Vec::new(),
            gaps: Vec::new(),
        }
    }

    fn take(&mut self, append: Append) {
        for (seq, record) in (append.first..).zip(append.records) {
            let PendingRecord { body, received, .. } = record;
            self.push_event(CommittedRecord {
                seq,
                body,
                received,
            });
        }
        if let Some(gap) = append.gap {
            self.snapshot_needed = true;
            self.push_gap(gap);
        }
    }

    pub(super) fn push_event(&mut self, record: CommittedRecord) {
        self.cover(record.seq, record.seq);
        self.records.push(record);
    }

    pub(super) fn push_gap(&mut self, gap: super::types::Gap) {
        self.cover(gap.from, gap.to);
        self.gaps.push(gap);
    }

    fn cover(&mut self, from: u64, to: u64) {
        self.first_seq = self.first_seq.min(from);
        self.last_seq = self.last_seq.max(to);
    }

    /// `None`: nothing to tell.
    fn close(self) -> Option<Committed> {
        let empty = self.records.is_empty() && self.gaps.is_empty();
        (!empty || self.snapshot_needed).then_some(Committed {
            stream: self.stream.stream,
            durable: self.stream.durable,
            first_seq: if empty {
                self.stream.high_water + 1
            } else {
                self.first_seq
            },
            last_seq: if empty {
                self.stream.high_water
            } else {
                self.last_seq
            },
            records: self.records,
            gaps: self.gaps,
            snapshot_needed: self.snapshot_needed,
        })
    }
}
