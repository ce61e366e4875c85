//! What the databases of gateway and far end hold, read beside the programs that own them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

/// What a dead gateway had committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbox {
    /// The stream, a UUID.
    pub stream: String,
    /// Highest number given.
    pub high_water: u64,
    /// Highest number known to be stored at the far end.
    pub acked: u64,
    /// The events still there: a digest of each, by number.
    pub events: BTreeMap<u64, u64>,
    /// Commands that were stored and have no outcome.
    pub open_commands: u64,
}

/// Reads a dead gateway's database out of a copy, so that its files stay as the kill left them.
/// `None` if it died before there was anything.
///
/// # Errors
/// The files cannot be copied or read.
pub fn read_dead_outbox(database: &Path) -> Result<Option<Outbox>> {
    if !database.exists() {
        return Ok(None);
    }
    let scratch = tempfile::tempdir()?;
    let copy = scratch.path().join("copy.db");
    std::fs::copy(database, &copy)?;
    let log = beside(database, "-wal");
    if log.exists() {
        std::fs::copy(log, beside(&copy, "-wal"))?;
    }
    let connection = Connection::open(&copy)?;
    read_outbox(&connection).with_context(|| format!("reading {}", database.display()))
}

/// How far a running gateway's stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Highest number given.
    pub high_water: u64,
    /// Highest number that the far end acknowledged.
    pub acked: u64,
}

/// Reads how far a running gateway's stream has come.
///
/// # Errors
/// The database cannot be read.
pub fn read_progress(database: &Path) -> Result<Option<Progress>> {
    if !database.exists() {
        return Ok(None);
    }
    let found = read_only(database)?
        .query_row("SELECT next_seq, acked FROM meta", [], |row| {
            Ok(Progress {
                high_water: number(row, 0)?.saturating_sub(1),
                acked: number(row, 1)?,
            })
        })
        .optional();
    found.with_context(|| format!("reading {}", database.display()))
}

/// Highest number of each stream that the far end has stored, whether it runs or is dead.
///
/// # Errors
/// The database cannot be read.
pub fn read_stored(database: &Path) -> Result<BTreeMap<String, u64>> {
    if !database.exists() {
        return Ok(BTreeMap::new());
    }
    let connection = read_only(database)?;
    let mut statement = connection.prepare("SELECT stream, last_seq FROM streams")?;
    let rows = statement.query_map([], |row| {
        let stream: Vec<u8> = row.get(0)?;
        Ok((uuid(&stream), number(row, 1)?))
    })?;
    let stored: rusqlite::Result<_> = rows.collect();
    stored.with_context(|| format!("reading {}", database.display()))
}

/// A digest of an event's text; never 0.
#[must_use]
pub fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish() | 1
}

fn read_outbox(connection: &Connection) -> Result<Option<Outbox>> {
    let is_there = connection.table_exists(None, "meta")?;
    if !is_there {
        return Ok(None);
    }
    let found = connection
        .query_row("SELECT stream, next_seq, acked FROM meta", [], |row| {
            let stream: Vec<u8> = row.get(0)?;
            let high_water = number(row, 1)?.saturating_sub(1);
            Ok((uuid(&stream), high_water, number(row, 2)?))
        })
        .optional()?;
    let Some((stream, high_water, acked)) = found else {
        return Ok(None);
    };
    let mut statement = connection.prepare("SELECT seq, body FROM outbox WHERE kind = 0")?;
    let rows = statement.query_map([], |row| {
        let body: String = row.get(1)?;
        Ok((number(row, 0)?, digest(&body)))
    })?;
    let events: rusqlite::Result<_> = rows.collect();
    let open = "SELECT count(*) FROM commands WHERE state < 2";
    let open_commands = connection.query_row(open, [], |row| number(row, 0))?;
    Ok(Some(Outbox {
        stream,
        high_water,
        acked,
        events: events?,
        open_commands,
    }))
}

/// Numbers of the stores are never negative.
fn number(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    Ok(u64::try_from(value).unwrap_or_default())
}

/// A connection that leaves the write-ahead log alone.
fn read_only(database: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)
        .with_context(|| format!("cannot open {}", database.display()))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Sixteen bytes as the channel writes them.
fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
