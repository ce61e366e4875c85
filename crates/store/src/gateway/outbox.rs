//! The outbox table: events and gaps by sequence number, without holes.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::types::{Gap, GapReason, OutboxItem};
use crate::db::{int, uint};

const EVENT: i64 = 0;
const GAP: i64 = 1;

/// Running figures of the table; a copy is taken before a job and put back when it is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// The number the next event gets.
    pub(super) next_seq: u64,
    pub(super) acked: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) lost_overload: u64,
    pub(super) lost_retention: u64,
    pub(super) lost_corrupt: u64,
    pub(super) lost_volatile: u64,
}

/// A row as found; damaged if the checksum does not fit.
pub(super) struct Found {
    pub(super) from: u64,
    pub(super) to: u64,
    /// `None`: damaged.
    pub(super) item: Option<OutboxItem>,
    pub(super) bytes: usize,
}

impl Tally {
    pub(super) fn high_water(&self) -> u64 {
        self.next_seq - 1
    }

    /// Stores an event under the next number.
    pub(super) fn push_event(
        &mut self,
        conn: &Connection,
        body: &str,
        at_ms: i64,
    ) -> rusqlite::Result<u64> {
        let seq = self.next_seq;
        insert(conn, seq, seq, EVENT, body, at_ms)?;
        self.next_seq += 1;
        self.rows += 1;
        self.bytes += body.len() as u64;
        Ok(seq)
    }

    /// Uses up the next `count` numbers for events that are lost.
    pub(super) fn push_gap(
        &mut self,
        conn: &Connection,
        count: u64,
        reason: GapReason,
        at_ms: i64,
    ) -> rusqlite::Result<Gap> {
        let from = self.next_seq;
        let to = from + count - 1;
        self.next_seq = to + 1;
        self.put_gap(conn, from, to, reason, at_ms)?;
        Ok(Gap { from, to, reason })
    }

    /// Puts one gap in the place of whatever is stored from `from` to `to`, and makes it one with
    /// neighbours of the same reason.
    pub(super) fn put_gap(
        &mut self,
        conn: &Connection,
        from: u64,
        to: u64,
        reason: GapReason,
        at_ms: i64,
    ) -> rusqlite::Result<()> {
        let mut range = (int(from), int(to));
        let word = reason.as_str();
        let left: Option<i64> = conn
            .prepare_cached(
                "SELECT seq FROM outbox WHERE seq = (SELECT max(seq) FROM outbox WHERE seq < ?1)
                    AND upto = ?1 - 1 AND kind = 1 AND body = ?2",
            )?
            .query_row(params![range.0, word], |row| row.get(0))
            .optional()?;
        let right: Option<i64> = conn
            .prepare_cached(
                "SELECT upto FROM outbox WHERE seq = ?1 + 1 AND kind = 1 AND body = ?2",
            )?
            .query_row(params![range.1, word], |row| row.get(0))
            .optional()?;
        range = (left.unwrap_or(range.0), right.unwrap_or(range.1));
        self.remove(conn, range.0, range.1)?;
        insert(conn, uint(range.0), uint(range.1), GAP, word, at_ms)?;
        self.rows += 1;
        self.bytes += word.len() as u64;
        Ok(())
    }

    /// Removes rows that are acknowledged up to `target`.
    pub(super) fn ack(&mut self, conn: &Connection, target: u64) -> rusqlite::Result<()> {
        let target = target.min(self.high_water());
        if target <= self.acked {
            return Ok(());
        }
        // A gap that reaches beyond the acknowledgement is the last row at or below it, and stays.
        let straddles: Option<i64> = conn
            .prepare_cached(
                "SELECT seq FROM outbox WHERE seq <= ?1 AND upto > ?1 ORDER BY seq DESC LIMIT 1",
            )?
            .query_row([int(target)], |row| row.get(0))
            .optional()?;
        self.remove(conn, 0, straddles.unwrap_or_else(|| int(target) + 1) - 1)?;
        self.acked = target;
        Ok(())
    }

    /// Turns events older than `limit_ms` into one gap.
    pub(super) fn retain_since(
        &mut self,
        conn: &Connection,
        limit_ms: i64,
        now_ms: i64,
    ) -> rusqlite::Result<()> {
        let first_kept: Option<i64> = conn
            .prepare_cached(
                "SELECT seq FROM outbox WHERE at_ms >= ?1 AND kind = 0 ORDER BY seq LIMIT 1",
            )?
            .query_row([limit_ms], |row| row.get(0))
            .optional()?;
        let cut = first_kept.map_or(self.next_seq, uint) - 1;
        self.give_up_to(conn, cut, now_ms)
    }

    /// Turns the oldest events into one gap until at most `bytes_max` bytes are left.
    pub(super) fn retain_bytes(
        &mut self,
        conn: &Connection,
        bytes_max: u64,
        now_ms: i64,
    ) -> rusqlite::Result<()> {
        let mut excess = self.bytes.saturating_sub(bytes_max);
        let mut cut = 0;
        let mut statement =
            conn.prepare_cached("SELECT upto, octet_length(body) FROM outbox ORDER BY seq")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()?
            && excess > 0
        {
            cut = uint(row.get(0)?);
            excess = excess.saturating_sub(uint(row.get(1)?));
        }
        drop(rows);
        self.give_up_to(conn, cut, now_ms)
    }

    fn give_up_to(&mut self, conn: &Connection, cut: u64, now_ms: i64) -> rusqlite::Result<()> {
        let (first, events): (Option<i64>, i64) = conn
            .prepare_cached("SELECT min(seq), total(kind = 0) FROM outbox WHERE seq <= ?1")?
            .query_row([int(cut)], |row| {
                Ok((row.get(0)?, row.get::<_, f64>(1)? as i64))
            })?;
        let Some(first) = first.filter(|_| events > 0) else {
            return Ok(());
        };
        self.lost_retention += uint(events);
        self.put_gap(conn, uint(first), cut, GapReason::Retention, now_ms)
    }

    /// Removes the rows that begin in the range.
    fn remove(&mut self, conn: &Connection, from: i64, to: i64) -> rusqlite::Result<()> {
        let (rows, bytes): (i64, i64) = conn
            .prepare_cached(
                "SELECT count(*), coalesce(sum(octet_length(body)), 0) FROM outbox
                    WHERE seq BETWEEN ?1 AND ?2",
            )?
            .query_row([from, to], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if rows > 0 {
            conn.prepare_cached("DELETE FROM outbox WHERE seq BETWEEN ?1 AND ?2")?
                .execute([from, to])?;
        }
        self.rows = self.rows.saturating_sub(uint(rows));
        self.bytes = self.bytes.saturating_sub(uint(bytes));
        Ok(())
    }
}

/// Goes through the rows from `seq` on, in order, until `each` says stop (false).
pub(super) fn scan(
    conn: &Connection,
    seq: u64,
    mut each: impl FnMut(Found) -> bool,
) -> rusqlite::Result<()> {
    // A gap that begins before `seq` may reach beyond it.
    let mut statement = conn.prepare_cached(
        "SELECT seq, upto, kind, body, crc FROM outbox
            WHERE seq >= coalesce((SELECT max(seq) FROM outbox WHERE seq <= ?1), 0)
                AND upto >= ?1
            ORDER BY seq",
    )?;
    let mut rows = statement.query([int(seq)])?;
    while let Some(row) = rows.next()? {
        if !each(found(row)?) {
            break;
        }
    }
    Ok(())
}

/// Wall clock of the oldest row behind what was acknowledged.
pub(super) fn oldest_ms(conn: &Connection, acked: u64) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT at_ms FROM outbox WHERE seq > ?1 ORDER BY seq LIMIT 1")?
        .query_row([int(acked)], |row| row.get(0))
        .optional()
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let (seq, upto, kind): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    // Taken as bytes: a bit flip may leave text that is no UTF-8.
    let bytes = match row.get_ref(3)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => &[],
    };
    let (from, to) = (uint(seq), uint(upto).max(uint(seq)));
    let sound = row.get::<_, i64>(4)? == checksum(seq, upto, kind, bytes);
    let text = std::str::from_utf8(bytes).ok().filter(|_| sound);
    let item = text.map(|text| match kind {
        EVENT => OutboxItem::Event {
            seq: from,
            body: Arc::from(text),
        },
        _ => OutboxItem::Gap(Gap {
            from,
            to,
            reason: GapReason::parse(text),
        }),
    });
    Ok(Found {
        from,
        // A damaged row cannot be believed about its end.
        to: if item.is_some() { to } else { from },
        item,
        bytes: bytes.len(),
    })
}

fn insert(
    conn: &Connection,
    seq: u64,
    upto: u64,
    kind: i64,
    body: &str,
    at_ms: i64,
) -> rusqlite::Result<()> {
    let (seq, upto) = (int(seq), int(upto));
    let crc = checksum(seq, upto, kind, body.as_bytes());
    conn.prepare_cached(
        "INSERT INTO outbox (seq, upto, kind, body, at_ms, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![seq, upto, kind, body, at_ms, crc])?;
    Ok(())
}

fn checksum(seq: i64, upto: i64, kind: i64, body: &[u8]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&seq.to_le_bytes());
    hasher.update(&upto.to_le_bytes());
    hasher.update(&kind.to_le_bytes());
    hasher.update(body);
    i64::from(hasher.finalize())
}
