//! What can go wrong, one enum per kind of operation.

use std::path::PathBuf;

/// Opening a store failed; the caller cannot go on with this file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another store of this process, has the file open.
    #[error("{path} is in use by another process (its lock file is held)")]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// A newer version of this program has written the file.
    #[error(
        "{path} has schema version {found}, this program knows up to {known}: \
         install the newer version or restore the copy made before the upgrade"
    )]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Highest version this program knows.
        known: i64,
    },
    /// The file is an SQLite database of something else.
    #[error(
        "{path} belongs to another application (application id {found:#010x}, expected {expected:#010x})"
    )]
    Foreign {
        /// The database file.
        path: PathBuf,
        /// Identifier in the file.
        found: i32,
        /// This store's identifier.
        expected: i32,
    },
    /// The file failed SQLite's own check.
    #[error("{path} is damaged: {detail}")]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// SQLite's first complaint.
        detail: String,
    },
    /// The linked SQLite has a known corruption bug in its write-ahead log.
    #[error("SQLite {found} is too old: 3.51.3 or newer is needed")]
    SqliteTooOld {
        /// Version linked.
        found: &'static str,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file in question.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The disk is full, and there is no ballast left to give up.
    #[error(
        "{path} cannot be opened because its disk is full ({detail}): free some space there, a \
         later start then succeeds and goes on where it was"
    )]
    DiskFull {
        /// The database file.
        path: PathBuf,
        /// What failed.
        detail: String,
    },
    /// SQLite refused.
    #[error("{path}: {source}")]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
}

/// A read or write on an open store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The writer's queue is full; nothing was stored.
    #[error("the store's write queue is full")]
    Overloaded,
    /// The store is shutting down; nothing was stored.
    #[error("the store is closed")]
    Closed,
    /// The disk is full or fails; nothing was stored.
    #[error("disk failure: {0}")]
    Disk(String),
    /// Another stream has taken the place of the one that was asked for.
    #[error("the outbox now runs another stream")]
    OtherStream,
    /// No such row.
    #[error("not found")]
    NotFound,
    /// SQLite refused this operation alone.
    #[error("database: {0}")]
    Sqlite(String),
}

/// The far end cannot store a batch of events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// Sequence numbers are missing before this batch; nothing of it was stored.
    #[error("expected sequence number {expected}, got {found}")]
    Hole {
        /// The lowest number not yet stored.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A newer owner of this gateway's lease has already spoken; nothing was stored.
    #[error("lease epoch {found} is older than {known}")]
    StaleLease {
        /// Highest epoch seen.
        known: u64,
        /// The epoch that came.
        found: u64,
    },
    /// The stream belongs to another gateway; nothing was stored.
    #[error("the stream belongs to another gateway")]
    ForeignStream,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
