//! What the store keeps in memory while the disk is out of order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use super::commands::VolatileCommands;
use super::types::{Gap, GapReason, OutboxItem, StreamState, ViewChange};

/// Events kept in memory; ten minutes of a busy hour.
pub const VOLATILE_EVENTS_MAX: usize = 100_000;
/// Bytes of their bodies kept in memory: a third of the process's budget.
pub const VOLATILE_BYTES_MAX: usize = 48 << 20;

/// A stream without a disk. Numbers below the ring's first that nobody acknowledged are lost.
#[derive(Debug)]
pub(super) struct Volatile {
    pub(super) stream: Uuid,
    pub(super) next_seq: u64,
    pub(super) acked: u64,
    pub(super) ring: VecDeque<Entry>,
    bytes: usize,
    pub(super) view: BTreeMap<String, String>,
    pub(super) commands: VolatileCommands,
    /// Nobody has been told of this stream yet.
    pub(super) is_news: bool,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) item: OutboxItem,
    pub(super) at_ms: i64,
}

impl OutboxItem {
    /// First and last sequence number.
    #[must_use]
    pub fn range(&self) -> (u64, u64) {
        match self {
            Self::Event { seq, .. } => (*seq, *seq),
            Self::Gap(gap) => (gap.from, gap.to),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Event { body, .. } => body.len(),
            Self::Gap(_) => 0,
        }
    }
}

impl Volatile {
    pub(super) fn new(view: BTreeMap<String, String>) -> Self {
        Self {
            stream: Uuid::new_v4(),
            next_seq: 1,
            acked: 0,
            ring: VecDeque::new(),
            bytes: 0,
            view,
            commands: VolatileCommands::new(),
            is_news: true,
        }
    }

    pub(super) fn state(&self) -> StreamState {
        StreamState {
            stream: self.stream,
            durable: false,
            high_water: self.next_seq - 1,
            acked: self.acked,
        }
    }

    /// Returns the number and how many old events had to go for it.
    pub(super) fn push_event(&mut self, body: Arc<str>, at_ms: i64) -> (u64, u64) {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.bytes += body.len();
        let item = OutboxItem::Event { seq, body };
        self.ring.push_back(Entry { item, at_ms });
        let mut lost = 0;
        while self.ring.len() > VOLATILE_EVENTS_MAX
            || (self.bytes > VOLATILE_BYTES_MAX && self.ring.len() > 1)
        {
            lost += self.pop().map_or(0, |(from, to)| to - from + 1);
        }
        (seq, lost)
    }

    pub(super) fn push_gap(&mut self, count: u64, reason: GapReason, at_ms: i64) -> Gap {
        let gap = Gap {
            from: self.next_seq,
            to: self.next_seq + count - 1,
            reason,
        };
        self.next_seq += count;
        let item = OutboxItem::Gap(gap.clone());
        self.ring.push_back(Entry { item, at_ms });
        gap
    }

    pub(super) fn ack(&mut self, seq: u64) {
        self.acked = seq.min(self.next_seq - 1).max(self.acked);
        while let Some(entry) = self.ring.front()
            && entry.item.range().1 <= self.acked
        {
            self.pop();
        }
    }

    /// Numbers that are neither acknowledged nor in the ring.
    pub(super) fn lost(&self) -> u64 {
        let first = self
            .ring
            .front()
            .map_or(self.next_seq, |e| e.item.range().0);
        first.saturating_sub(self.acked + 1)
    }

    /// Records, bytes and oldest time of the ring.
    pub(super) fn backlog(&self) -> (u64, u64, Option<i64>) {
        let oldest_ms = self.ring.front().map(|entry| entry.at_ms);
        (self.ring.len() as u64, self.bytes as u64, oldest_ms)
    }

    pub(super) fn change_view(&mut self, change: &ViewChange) {
        apply(&mut self.view, change);
    }

    fn pop(&mut self) -> Option<(u64, u64)> {
        let entry = self.ring.pop_front()?;
        self.bytes -= entry.item.bytes();
        Some(entry.item.range())
    }
}

/// Does to a view in memory what the database does to its table.
pub(super) fn apply(view: &mut BTreeMap<String, String>, change: &ViewChange) {
    match change {
        ViewChange::Put { key, body } => view.insert(key.clone(), body.clone()),
        ViewChange::Delete { key } => view.remove(key),
    };
}
