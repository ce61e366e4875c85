//! One database file: opening it safely, and committing a group of jobs.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use crate::checkpoint::Checkpointer;
use crate::error::{OpenError, StoreError};
use crate::stats::{Stopwatch, WriterStats};

/// SQLite before this can corrupt a database when its write-ahead log restarts.
const SQLITE_MIN: i32 = 3_051_003;
/// Files above this get SQLite's quick check at start instead of the full one, in bytes.
const FULL_CHECK_MAX: u64 = 64 << 20;
/// The log file is kept for overwriting up to this size, in bytes: appending costs twice as much.
const LOG_KEPT_BYTES: i64 = 64 << 20;
/// Prepared statements kept per connection; more than any store uses.
const STATEMENTS_KEPT: usize = 64;

/// What kind of file it is.
pub(crate) struct Schema {
    /// `PRAGMA application_id`.
    pub(crate) application_id: i32,
    /// One script per version, from version 1; never changed once released.
    pub(crate) migrations: &'static [&'static str],
}

/// The writing connection and the lock on the file.
#[derive(Debug)]
pub(crate) struct Db {
    /// Dropped before the connection, which is then the last and cleans up.
    checkpointer: Checkpointer,
    pub(crate) conn: Connection,
    pub(crate) stats: Arc<Mutex<WriterStats>>,
    _lock: Lock,
}

/// Keeps every other store out of a database until it is dropped, or the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// What becomes of one job of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    /// The job refused itself: what it wrote is taken back, the rest of the group stands.
    Undo,
}

/// The jobs of a group, run inside one transaction.
pub(crate) trait Work<J> {
    /// Runs one job; may be called again for the same job after the group was rolled back.
    fn run(&mut self, conn: &Connection, job: &mut J) -> rusqlite::Result<Verdict>;
    /// What the job did in memory is to be taken back, too.
    fn undone(&mut self, _job: &mut J) {}
    /// Last statements before the commit.
    fn close(&mut self, _conn: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }
}

/// Of every file of a store: for its owner alone.
pub(crate) const FILE_MODE: u32 = 0o600;

impl Lock {
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let lock_path = beside(path, ".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(FILE_MODE)
            .open(&lock_path)
            .map_err(|source| io_error(&lock_path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(io_error(&lock_path, source)),
        }
    }
}

/// Makes the database readable by its owner alone; SQLite gives the files beside it the same mode.
fn private(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(FILE_MODE)
        .open(path)?;
    drop(file);
    Ok(())
}

impl Db {
    /// Opens or creates the file, checks it, and brings its schema up to date.
    pub(crate) fn open(path: &Path, lock: Lock, schema: &Schema) -> Result<Self, OpenError> {
        if rusqlite::version_number() < SQLITE_MIN {
            return Err(OpenError::SqliteTooOld {
                found: rusqlite::version(),
            });
        }
        let size = path.metadata().map_or(0, |meta| meta.len());
        private(path).map_err(|source| io_error(path, source))?;
        let mut conn = Connection::open(path).map_err(|e| sqlite_error(path, e))?;
        prepare(&mut conn, path, size, schema)?;
        sync_directory(path)?;
        Ok(Self {
            checkpointer: Checkpointer::start(path)?,
            conn,
            stats: Arc::new(Mutex::new(WriterStats::new())),
            _lock: lock,
        })
    }

    /// Runs all jobs in one transaction and commits it; a job that fails leaves the others alone.
    ///
    /// The results stand in the order of the jobs. An error means that nothing was stored.
    pub(crate) fn group<J>(
        &mut self,
        jobs: &mut [J],
        work: &mut impl Work<J>,
    ) -> rusqlite::Result<Vec<Result<(), StoreError>>> {
        let watch = Stopwatch::start();
        let outcome = self.try_group(jobs, work);
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        match &outcome {
            Ok(_) => stats.commit(watch.elapsed(), jobs.len()),
            Err(_) => stats.disk_failures += 1,
        }
        drop(stats);
        if outcome.is_err() && !self.conn.is_autocommit() {
            // The error that matters is the one already at hand.
            drop(self.conn.execute_batch("ROLLBACK"));
        }
        outcome
    }

    fn try_group<J>(
        &mut self,
        jobs: &mut [J],
        work: &mut impl Work<J>,
    ) -> rusqlite::Result<Vec<Result<(), StoreError>>> {
        let run = |sql| self.conn.prepare_cached(sql)?.execute([]).map(drop);
        let mut results = Vec::with_capacity(jobs.len());
        run("BEGIN IMMEDIATE")?;
        for job in jobs {
            run("SAVEPOINT job")?;
            let (keep, result) = match work.run(&self.conn, job) {
                Ok(verdict) => (verdict == Verdict::Keep, Ok(())),
                Err(error) if is_disk_failure(&error) || self.conn.is_autocommit() => {
                    return Err(error);
                }
                Err(error) => (false, Err(StoreError::Sqlite(error.to_string()))),
            };
            if !keep {
                work.undone(job);
                run("ROLLBACK TO job")?;
            }
            run("RELEASE job")?;
            results.push(result);
        }
        work.close(&self.conn)?;
        run("COMMIT")?;
        Ok(results)
    }

    /// Sees to it that the log is copied home when it has grown; true if it was.
    pub(crate) fn checkpoint(&self, idle: bool) -> bool {
        self.checkpointer.step(&self.conn, idle)
    }
}

/// Opens a second connection that only reads.
pub(crate) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|e| sqlite_error(path, e))?;
    conn.busy_timeout(std::time::Duration::from_secs(5))
        .map_err(|e| sqlite_error(path, e))?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(conn)
}

/// Is it the disk (full, failing, damaged, gone), rather than this one statement?
pub(crate) fn is_disk_failure(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
        )
    )
}

/// The error of a read.
pub(crate) fn read_error(error: &rusqlite::Error) -> StoreError {
    if is_disk_failure(error) {
        StoreError::Disk(error.to_string())
    } else {
        StoreError::Sqlite(error.to_string())
    }
}

/// `name.db` and `.lock` give `name.db.lock`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the names of new files in the file's directory survive a power cut.
pub(crate) fn sync_directory(path: &Path) -> Result<(), OpenError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| io_error(directory, source))
}

/// SQLite's integers are signed; no counter of ours reaches 2^63.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Back from [`int`]; a damaged negative number reads as 0.
pub(crate) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(crate) fn io_error(path: &Path, source: std::io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Tells a damaged file from everything else.
pub(crate) fn sqlite_error(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OpenError::Damaged {
            path,
            detail: source.to_string(),
        },
        _ => OpenError::Sqlite { path, source },
    }
}

fn prepare(
    conn: &mut Connection,
    path: &Path,
    size: u64,
    schema: &Schema,
) -> Result<(), OpenError> {
    let version = identify(conn, path, schema)?;
    let check = if size <= FULL_CHECK_MAX {
        "PRAGMA integrity_check(1)"
    } else {
        "PRAGMA quick_check(1)"
    };
    set_up(conn).map_err(|e| sqlite_error(path, e))?;
    let verdict: String = conn
        .query_row(check, [], |row| row.get(0))
        .map_err(|e| sqlite_error(path, e))?;
    if verdict != "ok" {
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            detail: verdict,
        });
    }
    migrate(conn, version, schema).map_err(|e| sqlite_error(path, e))
}

/// Whose file is it, and how old? Nothing is written before this is answered.
fn identify(conn: &Connection, path: &Path, schema: &Schema) -> Result<usize, OpenError> {
    let pragma = |name| -> Result<i64, OpenError> {
        conn.pragma_query_value(None, name, |row| row.get(0))
            .map_err(|e| sqlite_error(path, e))
    };
    let (found, application_id) = (pragma("user_version")?, pragma("application_id")?);
    let table: Option<String> = conn
        .query_row("SELECT name FROM sqlite_schema LIMIT 1", [], |row| {
            row.get(0)
        })
        .optional()
        .map_err(|e| sqlite_error(path, e))?;
    let fresh = application_id == 0 && found == 0 && table.is_none();
    if !fresh && application_id != i64::from(schema.application_id) {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
            found: i32::try_from(application_id).unwrap_or(0),
            expected: schema.application_id,
        });
    }
    match usize::try_from(found) {
        Ok(version) if version <= schema.migrations.len() => Ok(version),
        _ => Err(OpenError::NewerSchema {
            path: path.to_owned(),
            found,
            known: int(schema.migrations.len() as u64),
        }),
    }
}

fn set_up(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "journal_size_limit", LOG_KEPT_BYTES)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "trusted_schema", false)
}

fn migrate(conn: &mut Connection, version: usize, schema: &Schema) -> rusqlite::Result<()> {
    for (index, script) in schema.migrations.iter().enumerate().skip(version) {
        let tx = conn.transaction()?;
        tx.execute_batch(script)?;
        tx.pragma_update(None, "application_id", schema.application_id)?;
        tx.pragma_update(None, "user_version", int(index as u64 + 1))?;
        tx.commit()?;
    }
    Ok(())
}
