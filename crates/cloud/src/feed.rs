//! The newest rows of the event log, kept in memory for readers that follow it.
//!
//! A reader has a cursor and nothing else: what is behind it comes out of this ring, or out of the
//! database when the reader is too far behind. So replay and live events are one thing, and a slow
//! reader costs no memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use store::cloud::{Content, EventFilter, EventPage, StoredEvent};
use tokio::sync::watch;

/// Most rows in the ring; the oldest go first.
const ROWS_MAX: usize = 4096;
/// Most bytes of event bodies in the ring; the oldest go first.
const BYTES_MAX: usize = 8 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Feed {
    ring: Mutex<Ring>,
    /// Newest cursor committed.
    newest: watch::Sender<u64>,
}

/// All rows with a cursor above `floor`, in order.
#[derive(Debug, Default)]
struct Ring {
    floor: u64,
    rows: VecDeque<StoredEvent>,
    bytes: usize,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self {
            ring: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }

    /// Says where the log ends before the first commit of this run.
    pub(crate) fn start_at(&self, cursor: u64) {
        self.lock().floor = cursor;
        self.newest.send_replace(cursor);
    }

    /// Takes rows just committed.
    pub(crate) fn push(&self, rows: &[StoredEvent]) {
        let Some(last) = rows.last() else { return };
        self.lock().push(rows);
        self.newest.send_replace(last.cursor);
    }

    /// Wakes readers.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Rows after `cursor` that pass the filter; `None` if the ring does not reach back that far.
    pub(crate) fn after(
        &self,
        cursor: u64,
        filter: &EventFilter,
        events_max: usize,
    ) -> Option<EventPage> {
        let ring = self.lock();
        if cursor < ring.floor {
            return None;
        }
        let start = ring.rows.partition_point(|row| row.cursor <= cursor);
        let mut events = Vec::new();
        let mut next = cursor;
        for row in ring.rows.range(start..) {
            if events.len() == events_max {
                break;
            }
            next = row.cursor;
            if filter.matches(row) {
                events.push(row.clone());
            }
        }
        let at_end = ring.rows.back().is_none_or(|row| row.cursor <= next);
        Some(EventPage {
            events,
            next,
            at_end,
            missed_upto: None,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, rows: &[StoredEvent]) {
        for row in rows {
            self.bytes += len(row);
            self.rows.push_back(row.clone());
        }
        while self.rows.len() > ROWS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.rows.pop_front() else {
                break;
            };
            self.bytes -= len(&oldest);
            self.floor = oldest.cursor;
        }
    }
}

fn len(row: &StoredEvent) -> usize {
    match &row.content {
        Content::Event { body, .. } => body.len(),
        Content::Gap { .. } => 0,
    }
}

/// The callback for the store: rows just committed go to the feed.
pub(crate) fn on_commit(feed: &Arc<Feed>) -> store::cloud::OnCommit {
    let feed = Arc::clone(feed);
    Box::new(move |rows| feed.push(&rows))
}

#[cfg(test)]
mod tests {
    use store::cloud::Owner;

    use super::*;

    fn row(cursor: u64, account: &str, len: usize) -> StoredEvent {
        StoredEvent {
            cursor,
            stream: uuid::Uuid::nil(),
            seq: cursor,
            owner: Owner {
                account: account.into(),
                site: "s".into(),
                gateway: "g".into(),
            },
            content: Content::Event {
                event_type: "ringway.link.up.v1".into(),
                endpoint: None,
                at_ms: 0,
                replayed: false,
                body: "x".repeat(len).into(),
            },
        }
    }

    fn filter() -> EventFilter {
        EventFilter {
            account: "a".into(),
            site: None,
            endpoint: None,
        }
    }

    #[test]
    fn gives_what_is_behind_the_cursor_and_nothing_of_other_accounts() {
        let feed = Feed::new();
        feed.start_at(10);
        feed.push(&[row(11, "a", 1), row(12, "b", 1), row(13, "a", 1)]);
        assert!(
            feed.after(9, &filter(), 9).is_none(),
            "the ring starts later"
        );
        let page = feed.after(10, &filter(), 1).unwrap();
        assert_eq!((page.events.len(), page.next, page.at_end), (1, 11, false));
        let page = feed.after(11, &filter(), 1).unwrap();
        assert_eq!(
            (page.events[0].cursor, page.next, page.at_end),
            (13, 13, true)
        );
        let page = feed.after(13, &filter(), 1).unwrap();
        assert_eq!((page.events.len(), page.next, page.at_end), (0, 13, true));
        assert_eq!(*feed.newest().borrow(), 13);
    }

    #[test]
    fn forgets_the_oldest_by_number_and_by_size() {
        let feed = Feed::new();
        for cursor in 1..=ROWS_MAX as u64 + 5 {
            feed.push(&[row(cursor, "a", 1)]);
        }
        assert!(feed.after(4, &filter(), 1).is_none());
        assert_eq!(feed.after(5, &filter(), 1).unwrap().events[0].cursor, 6);
        feed.push(&[row(9000, "a", BYTES_MAX)]);
        assert_eq!(feed.lock().rows.len(), 1);
    }
}
