//! What happens to the gateway's file before the first event.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::commands;
use super::mark::Mark;
use super::outbox::{Tally, scan};
use super::schema::SCHEMA;
use super::types::{GapReason, Recovered};
use crate::db::{Db, Lock, beside, int, io_error, sqlite_error, sync_directory, uint};
use crate::error::OpenError;

/// An open file and what it held.
pub(super) struct Found {
    pub(super) db: Db,
    pub(super) mark: Mark,
    pub(super) tally: Tally,
    pub(super) recovered: Recovered,
}

/// Opens the file; a damaged one is moved aside, and a new one with a new stream begun.
pub(super) fn open(path: &Path, now_ms: i64) -> Result<Found, OpenError> {
    match attempt(path, now_ms) {
        Err(OpenError::Damaged { detail, .. }) => {
            let aside = set_aside(path, now_ms)?;
            tracing::error!(%detail, aside = %aside.display(), "the outbox is damaged: begun anew");
            let mut found = attempt(path, now_ms)?;
            found.recovered.set_aside = Some(aside);
            Ok(found)
        }
        other => other,
    }
}

fn attempt(path: &Path, now_ms: i64) -> Result<Found, OpenError> {
    let mut db = Db::open(path, Lock::take(path)?, &SCHEMA)?;
    let mark = Mark::open(path)?;
    let (tally, recovered) =
        recover(&mut db.conn, &mark, now_ms).map_err(|e| sqlite_error(path, e))?;
    sync_directory(path)?;
    Ok(Found {
        db,
        mark,
        tally,
        recovered,
    })
}

/// Moves the database and its log out of the way.
fn set_aside(path: &Path, now_ms: i64) -> Result<PathBuf, OpenError> {
    let aside = beside(path, &format!(".damaged-{now_ms}"));
    for suffix in ["-wal", "-shm"] {
        let from = beside(path, suffix);
        if from.exists() {
            let to = beside(&aside, suffix);
            std::fs::rename(&from, &to).map_err(|source| io_error(&from, source))?;
        }
    }
    std::fs::rename(path, &aside).map_err(|source| io_error(path, source))?;
    Ok(aside)
}

fn recover(
    conn: &mut Connection,
    mark: &Mark,
    now_ms: i64,
) -> rusqlite::Result<(Tally, Recovered)> {
    let tx = conn.transaction()?;
    let meta = tx
        .query_row("SELECT stream, next_seq, acked FROM meta", [], |row| {
            let stream: Vec<u8> = row.get(0)?;
            Ok((stream, uint(row.get(1)?), uint(row.get(2)?)))
        })
        .optional()?;
    let known = meta.and_then(|(stream, next_seq, acked)| {
        Some((Uuid::from_slice(&stream).ok()?, next_seq, acked))
    });
    let (stream, next_seq, acked) = known.unwrap_or_else(|| (Uuid::new_v4(), 1, 0));
    tx.execute(
        "INSERT INTO meta (id, stream, boot, next_seq, acked) VALUES (1, ?1, 1, ?2, ?3)
            ON CONFLICT (id) DO UPDATE SET boot = boot + 1, stream = excluded.stream",
        params![stream.as_bytes(), int(next_seq), int(acked)],
    )?;
    let mut tally = Tally {
        next_seq: next_seq.max(1),
        acked,
        ..Tally::default()
    };
    repair(&tx, &mut tally, mark.high_water(stream), now_ms)?;
    tx.execute("UPDATE meta SET next_seq = ?1", [int(tally.next_seq)])?;
    let recovered = Recovered {
        stream,
        boot: uint(tx.query_row("SELECT boot FROM meta", [], |row| row.get(0))?),
        high_water: tally.high_water(),
        acked,
        view: view(&tx)?.into_iter().collect(),
        unfinished: commands::unfinished(&tx)?,
        set_aside: None,
    };
    tx.commit()?;
    Ok((tally, recovered))
}

/// Counts the rows, and puts gaps where rows are damaged or missing: in the middle, behind what was
/// acknowledged, and at the end, where the mark knows of numbers that the database has forgotten.
fn repair(conn: &Connection, tally: &mut Tally, marked: u64, now_ms: i64) -> rusqlite::Result<()> {
    let mut bad: Vec<(u64, u64)> = Vec::new();
    let mut expected = tally.acked + 1;
    scan(conn, 0, |row| {
        tally.rows += 1;
        tally.bytes += row.bytes as u64;
        if row.from > expected {
            bad.push((expected, row.from - 1));
        }
        if row.item.is_none() {
            bad.push((row.from, row.to));
        }
        expected = expected.max(row.to + 1);
        true
    })?;
    tally.next_seq = tally.next_seq.max(expected).max(marked + 1);
    if expected < tally.next_seq {
        bad.push((expected, tally.high_water()));
    }
    for (from, to) in bad {
        tracing::error!(from, to, "events are damaged or missing: reported as a gap");
        tally.lost_corrupt += to - from + 1;
        tally.put_gap(conn, from, to, GapReason::Corrupt, now_ms)?;
    }
    Ok(())
}

/// The view table.
pub(super) fn view(conn: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    conn.prepare_cached("SELECT key, body FROM view ORDER BY key")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
