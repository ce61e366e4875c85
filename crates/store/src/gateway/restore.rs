//! From memory back to the disk, in one transaction.

use rusqlite::Connection;
use uuid::Uuid;

use super::commands;
use super::engine::Group;
use super::job::{change_view, write_meta};
use super::outbox::Tally;
use super::types::{CommittedRecord, Gap, GapReason, OutboxItem, StreamState, ViewChange};
use super::volatile::Volatile;
use crate::db::{Verdict, Work};

/// Rewrites the view, stores the commands, and appends to the durable stream what nobody has
/// acknowledged: events that the far end has seen but not yet acknowledged arrive twice, under
/// another stream, rather than not at all.
pub(super) struct Restore<'a> {
    volatile: &'a Volatile,
    tally: Tally,
    now_ms: i64,
    records: Vec<CommittedRecord>,
    gaps: Vec<Gap>,
}

impl<'a> Restore<'a> {
    pub(super) fn new(volatile: &'a Volatile, tally: Tally, now_ms: i64) -> Self {
        Self {
            volatile,
            tally,
            now_ms,
            records: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// The new figures and what to tell, after the commit.
    pub(super) fn done(self, stream: Uuid) -> (Tally, Group) {
        let mut group = Group::new(StreamState {
            stream,
            durable: true,
            high_water: self.tally.high_water(),
            acked: self.tally.acked,
        });
        group.snapshot_needed = true;
        self.records.into_iter().for_each(|r| group.push_event(r));
        self.gaps.into_iter().for_each(|gap| group.push_gap(gap));
        (self.tally, group)
    }

    fn append(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let lost = self.volatile.lost();
        if lost > 0 {
            let reason = GapReason::Volatile;
            let gap = self.tally.push_gap(conn, lost, reason, self.now_ms)?;
            self.gaps.push(gap);
        }
        for entry in &self.volatile.ring {
            match &entry.item {
                OutboxItem::Event { body, .. } => {
                    let seq = self.tally.push_event(conn, body, entry.at_ms)?;
                    let body = body.clone();
                    self.records.push(CommittedRecord {
                        seq,
                        body,
                        received: None,
                    });
                }
                OutboxItem::Gap(gap) => {
                    let count = gap.to - gap.from + 1;
                    let gap = self.tally.push_gap(conn, count, gap.reason, entry.at_ms)?;
                    self.gaps.push(gap);
                }
            }
        }
        Ok(())
    }
}

impl Work<()> for Restore<'_> {
    fn run(&mut self, conn: &Connection, (): &mut ()) -> rusqlite::Result<Verdict> {
        conn.execute("DELETE FROM view", [])?;
        for (key, body) in &self.volatile.view {
            let (key, body) = (key.clone(), body.clone());
            change_view(conn, &ViewChange::Put { key, body })?;
        }
        for command in self.volatile.commands.values() {
            commands::put(conn, command)?;
        }
        self.append(conn)?;
        Ok(Verdict::Keep)
    }

    fn close(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        // Written in any case: the probe has to meet the disk.
        write_meta(conn, &self.tally)
    }
}
