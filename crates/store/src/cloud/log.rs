//! The event log.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::streams::owner;
use super::types::{Content, EventFilter, EventPage, StoredEvent};
use crate::db::{int, uint};

/// Rows looked at per call, matching or not: bounds how long a reader holds the connection.
pub(super) const SCAN_ROWS_MAX: usize = 10_000;
/// Rows removed per transaction, so that ingest does not wait long.
pub(super) const PRUNE_ROWS_MAX: i64 = 20_000;

/// Stores one item; its cursor.
pub(super) fn insert(
    conn: &Connection,
    stream: i64,
    seq: u64,
    content: &Content,
    now_ms: i64,
) -> rusqlite::Result<u64> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO events (stream, seq, kind, upto, reason, endpoint, type, at_ms, replayed,
            body, stored_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    let none = None::<&str>;
    let cursor = match content {
        Content::Event {
            event_type,
            endpoint,
            at_ms,
            replayed,
            body,
        } => statement.insert(params![
            stream,
            int(seq),
            0,
            int(seq),
            none,
            endpoint,
            event_type,
            at_ms,
            replayed,
            body,
            now_ms
        ])?,
        Content::Gap { to, reason } => statement.insert(params![
            stream,
            int(seq),
            1,
            int(*to),
            reason,
            none,
            none,
            now_ms,
            false,
            none,
            now_ms
        ])?,
    };
    Ok(uint(cursor))
}

/// Rows after `cursor` that pass the filter.
pub(super) fn page(
    conn: &Connection,
    cursor: u64,
    filter: &EventFilter,
    events_max: usize,
) -> rusqlite::Result<EventPage> {
    let pruned: i64 = conn
        .prepare_cached("SELECT pruned_upto FROM meta")?
        .query_row([], |row| row.get(0))?;
    let mut page = EventPage {
        events: Vec::new(),
        next: cursor,
        at_end: true,
        missed_upto: Some(uint(pruned)).filter(|pruned| *pruned > cursor),
    };
    let mut statement = conn.prepare_cached(
        "SELECT e.cursor, s.stream, e.seq, s.account, s.site, s.gateway, e.kind, e.upto, e.reason,
                e.type, e.endpoint, e.at_ms, e.replayed, e.body
            FROM events e JOIN streams s ON s.id = e.stream
            WHERE e.cursor > ?1 ORDER BY e.cursor",
    )?;
    let mut rows = statement.query([int(cursor)])?;
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        if looked_at == SCAN_ROWS_MAX || page.events.len() >= events_max.max(1) {
            page.at_end = false;
            break;
        }
        looked_at += 1;
        page.next = uint(row.get(0)?);
        if is_wanted(row, filter)? {
            page.events.push(stored(row)?);
        }
    }
    Ok(page)
}

pub(super) fn last_cursor(conn: &Connection) -> rusqlite::Result<u64> {
    conn.prepare_cached(
        "SELECT max(coalesce((SELECT max(cursor) FROM events), 0),
            (SELECT pruned_upto FROM meta))",
    )?
    .query_row([], |row| row.get(0).map(uint))
}

/// Removes the oldest rows stored before `limit_ms`; true if there are more.
pub(super) fn prune(conn: &Connection, limit_ms: i64) -> rusqlite::Result<bool> {
    let (last, rows): (Option<i64>, i64) = conn
        .prepare_cached(
            "SELECT max(cursor), count(*) FROM (SELECT cursor, stored_ms FROM events
                ORDER BY cursor LIMIT ?2) WHERE stored_ms < ?1",
        )?
        .query_row([limit_ms, PRUNE_ROWS_MAX], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    if let Some(last) = last {
        conn.prepare_cached("DELETE FROM events WHERE cursor <= ?1")?
            .execute([last])?;
        conn.prepare_cached("UPDATE meta SET pruned_upto = ?1")?
            .execute([last])?;
    }
    Ok(rows == PRUNE_ROWS_MAX)
}

/// The filter on the row itself, before its text is copied.
fn is_wanted(row: &Row<'_>, filter: &EventFilter) -> rusqlite::Result<bool> {
    let text = |index| Ok::<_, rusqlite::Error>(row.get_ref(index)?.as_str_or_null()?);
    let is_gap = row.get::<_, i64>(6)? != 0;
    Ok(text(3)? == Some(filter.account.as_str())
        && (filter.site.is_none() || text(4)? == filter.site.as_deref())
        && (is_gap || filter.endpoint.is_none() || text(10)? == filter.endpoint.as_deref()))
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    let stream: [u8; 16] = row.get(1)?;
    let content = if row.get::<_, i64>(6)? == 0 {
        Content::Event {
            event_type: row.get(9)?,
            endpoint: row.get::<_, Option<Arc<str>>>(10)?,
            at_ms: row.get(11)?,
            replayed: row.get(12)?,
            body: row.get(13)?,
        }
    } else {
        Content::Gap {
            to: uint(row.get(7)?),
            reason: row.get(8)?,
        }
    };
    Ok(StoredEvent {
        cursor: uint(row.get(0)?),
        stream: Uuid::from_bytes(stream),
        seq: uint(row.get(2)?),
        owner: owner(row, 3)?,
        content,
    })
}
