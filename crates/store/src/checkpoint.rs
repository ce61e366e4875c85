//! Copying the write-ahead log home, out of the way of commits.
//!
//! A copy writes thousands of pages and syncs two files: tens of milliseconds in which nothing could
//! be committed. So a thread with a connection of its own copies the bulk while commits go on. What
//! they add meanwhile is little; the writer copies that itself, because the log begins anew only
//! when all of it is home at the moment of the next commit.

use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

use crate::db::{io_error, sqlite_error};
use crate::error::OpenError;

/// Pages in the write-ahead log (4 KiB each) above which it is copied home while commits go on.
const BUSY_PAGES: i64 = 4_000;
/// The same for a writer with nothing else to do.
const IDLE_PAGES: i64 = 250;

/// Nothing to do.
const RESTING: u8 = 0;
/// The thread copies.
const COPYING: u8 = 1;
/// The thread has copied; the writer is to copy the rest.
const COPIED: u8 = 2;

#[derive(Debug)]
pub(crate) struct Checkpointer {
    phase: Arc<AtomicU8>,
    /// Dropped first: that ends the thread.
    orders: Option<mpsc::SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread on a database that exists.
    pub(crate) fn start(path: &Path) -> Result<Self, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn =
            Connection::open_with_flags(path, flags).map_err(|error| sqlite_error(path, error))?;
        let phase = Arc::new(AtomicU8::new(RESTING));
        let (orders, queue) = mpsc::sync_channel::<()>(1);
        let theirs = Arc::clone(&phase);
        let thread = std::thread::Builder::new()
            .name("store-copy".to_owned())
            .spawn(move || {
                while queue.recv().is_ok() {
                    copy(&conn);
                    theirs.store(COPIED, Ordering::Release);
                }
            })
            .map_err(|error| io_error(path, error))?;
        Ok(Self {
            phase,
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    /// Takes the next step, if one is due; true when the writer's connection `conn` has copied.
    pub(crate) fn step(&self, conn: &Connection, idle: bool) -> bool {
        match self.phase.load(Ordering::Acquire) {
            COPYING => false,
            COPIED => {
                self.phase.store(RESTING, Ordering::Release);
                copy(conn);
                true
            }
            _ => {
                let pages = pages(conn, "PRAGMA wal_checkpoint(NOOP)").unwrap_or_default();
                if idle && pages > IDLE_PAGES {
                    copy(conn);
                    return true;
                }
                if pages > BUSY_PAGES {
                    self.order();
                }
                false
            }
        }
    }

    fn order(&self) {
        self.phase.store(COPYING, Ordering::Release);
        let sent = self.orders.as_ref().map(|orders| orders.try_send(()));
        if !matches!(sent, Some(Ok(()))) {
            // The thread is gone: the writer does all of it.
            self.phase.store(COPIED, Ordering::Release);
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that copies the write-ahead log panicked");
        }
    }
}

/// Copies what can be copied without waiting for anybody.
///
/// A failure is left to the next commit, which meets the same disk.
fn copy(conn: &Connection) {
    if let Err(error) = pages(conn, "PRAGMA wal_checkpoint(PASSIVE)") {
        tracing::warn!(%error, "could not copy the write-ahead log home");
    }
}

/// Pages in the log that are not home.
fn pages(conn: &Connection, sql: &str) -> rusqlite::Result<i64> {
    conn.prepare_cached(sql)?
        .query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_copied_beside_commits_and_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF;
             CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)",
        )
        .unwrap();
        let checkpointer = Checkpointer::start(&path).unwrap();
        let commit = || {
            let sql = "INSERT INTO t (body) VALUES (zeroblob(400000))";
            conn.execute(sql, []).unwrap();
        };
        let log_len = || {
            std::fs::metadata(dir.path().join("t.db-wal"))
                .unwrap()
                .len()
        };
        while checkpointer.phase.load(Ordering::Acquire) == RESTING {
            commit();
            assert!(!checkpointer.step(&conn, false), "not by the writer");
        }
        while !checkpointer.step(&conn, false) {
            commit();
        }
        let (left, grown) = (
            pages(&conn, "PRAGMA wal_checkpoint(NOOP)").unwrap(),
            log_len(),
        );
        assert_eq!(left, 0, "all of it is home");
        commit();
        assert_eq!(log_len(), grown, "written over from the beginning");
    }
}
