//! What the writer thread is asked to do, and doing it on the disk.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::commands::{self, CommandJob};
use super::outbox::Tally;
use super::types::{Gap, GapReason, OutboxLimits, ViewChange};
use crate::db::{Verdict, Work, int};

pub(super) enum Job {
    Append(Append),
    Command(CommandJob),
    /// Wall clock, milliseconds since the epoch.
    Prune(i64),
    /// A row that a reader found damaged.
    Quarantine(u64, u64),
    /// Go on under this name instead of the second one.
    NewStream(Uuid, Uuid),
    /// A fault switch for tests: how many pages the file may have.
    PageLimit(i64),
}

/// One batch, and what was lost before it.
pub(super) struct Append {
    pub(super) lost: u64,
    pub(super) records: Vec<PendingRecord>,
    pub(super) view: Vec<ViewChange>,
    /// Set when done: the first event's number, and the gap of the lost ones.
    pub(super) first: u64,
    pub(super) gap: Option<Gap>,
}

pub(super) struct PendingRecord {
    pub(super) body: Arc<str>,
    pub(super) at_ms: i64,
    pub(super) received: Option<Instant>,
}

impl Append {
    /// Bytes it occupies in the queue.
    pub(super) fn bytes(&self) -> usize {
        let record = |record: &PendingRecord| record.body.len();
        let change = |change: &ViewChange| match change {
            ViewChange::Put { key, body } => key.len() + body.len(),
            ViewChange::Delete { key } => key.len(),
        };
        let records: usize = self.records.iter().map(record).sum();
        records + self.view.iter().map(change).sum::<usize>()
    }
}

/// One group on the disk.
pub(super) struct OnDisk<'a> {
    pub(super) tally: Tally,
    /// As before the running job.
    pub(super) before: Tally,
    /// As at the beginning of the group.
    pub(super) start: Tally,
    pub(super) limits: &'a OutboxLimits,
    /// Newest wall clock seen.
    pub(super) now_ms: i64,
    /// Acknowledged up to here, to be removed with this group.
    pub(super) ack: Option<u64>,
}

impl Work<Job> for OnDisk<'_> {
    fn run(&mut self, conn: &Connection, job: &mut Job) -> rusqlite::Result<Verdict> {
        self.before = self.tally;
        match job {
            Job::Append(append) => self.append(conn, append)?,
            Job::Command(command) => command.run(conn)?,
            Job::Prune(now_ms) => self.prune(conn, *now_ms)?,
            Job::Quarantine(from, to) => self.quarantine(conn, *from, *to)?,
            Job::NewStream(new, old) => rename_stream(conn, *new, *old)?,
            Job::PageLimit(pages) => {
                conn.pragma_update_and_check(None, "max_page_count", *pages, |_| Ok(()))?;
            }
        }
        Ok(Verdict::Keep)
    }

    fn undone(&mut self, _job: &mut Job) {
        self.tally = self.before;
    }

    fn close(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if let Some(target) = self.ack {
            self.tally.ack(conn, target)?;
        }
        if self.tally.bytes > self.limits.bytes_max {
            // A little more than needed, so that not every group has to.
            let target = self.limits.bytes_max - self.limits.bytes_max / 256;
            self.tally.retain_bytes(conn, target, self.now_ms)?;
        }
        if self.tally != self.start {
            write_meta(conn, &self.tally)?;
        }
        Ok(())
    }
}

impl OnDisk<'_> {
    fn append(&mut self, conn: &Connection, append: &mut Append) -> rusqlite::Result<()> {
        append.gap = None;
        if append.lost > 0 {
            let gap = self
                .tally
                .push_gap(conn, append.lost, GapReason::Overload, self.now_ms)?;
            append.gap = Some(gap);
        }
        append.first = self.tally.next_seq;
        for record in &append.records {
            self.tally.push_event(conn, &record.body, record.at_ms)?;
            self.now_ms = self.now_ms.max(record.at_ms);
        }
        for change in &append.view {
            change_view(conn, change)?;
        }
        Ok(())
    }

    fn prune(&mut self, conn: &Connection, now_ms: i64) -> rusqlite::Result<()> {
        self.now_ms = self.now_ms.max(now_ms);
        let retention_ms = i64::try_from(self.limits.retention.as_millis()).unwrap_or(i64::MAX);
        self.tally
            .retain_since(conn, now_ms.saturating_sub(retention_ms), now_ms)?;
        commands::prune(conn, now_ms)
    }

    fn quarantine(&mut self, conn: &Connection, from: u64, to: u64) -> rusqlite::Result<()> {
        if from <= self.tally.acked || to > self.tally.high_water() {
            return Ok(());
        }
        self.tally.lost_corrupt += to - from + 1;
        self.tally
            .put_gap(conn, from, to, GapReason::Corrupt, self.now_ms)
    }
}

/// Nothing if another stream rules by now.
fn rename_stream(conn: &Connection, new: Uuid, old: Uuid) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE meta SET stream = ?1 WHERE stream = ?2")?
        .execute([new.as_bytes(), old.as_bytes()])?;
    Ok(())
}

pub(super) fn write_meta(conn: &Connection, tally: &Tally) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE meta SET next_seq = ?1, acked = ?2")?
        .execute([int(tally.next_seq), int(tally.acked)])?;
    Ok(())
}

pub(super) fn change_view(conn: &Connection, change: &ViewChange) -> rusqlite::Result<()> {
    match change {
        ViewChange::Put { key, body } => conn
            .prepare_cached("INSERT OR REPLACE INTO view (key, body) VALUES (?1, ?2)")?
            .execute(params![key, body])?,
        ViewChange::Delete { key } => conn
            .prepare_cached("DELETE FROM view WHERE key = ?1")?
            .execute([key])?,
    };
    Ok(())
}
