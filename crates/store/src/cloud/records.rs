//! The call history: one row for each call and user.

use rusqlite::{Connection, Row, params};

use super::log::{PRUNE_ROWS_MAX, SCAN_ROWS_MAX};
use super::streams::owner;
use super::types::{OwnedRecord, Owner, Record, RecordFilter, RecordPage, RecordPlace, Voice};
use crate::db::{int, uint};

/// Tellings of how one call sounded that are read with a record of it.
const VOICES_MAX: usize = 16;

/// Stores a record under the cursor of the event that brought it.
pub(super) fn insert(
    conn: &Connection,
    owner: &Owner,
    cursor: u64,
    record: &Record,
) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO records (cursor, account, site, gateway, endpoint, call_id, direction,
            outcome, started_ms, ended_ms, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        int(cursor),
        owner.account,
        owner.site,
        owner.gateway,
        record.endpoint,
        record.call_id,
        record.direction,
        record.outcome,
        record.started_ms,
        record.ended_ms,
        record.body
    ])?;
    Ok(())
}

/// Stores how a call sounded under the cursor of the event that told it.
pub(super) fn insert_voice(
    conn: &Connection,
    owner: &Owner,
    cursor: u64,
    voice: &Voice,
) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO voices (cursor, account, site, gateway, call_id, ended_ms, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        int(cursor),
        owner.account,
        owner.site,
        owner.gateway,
        voice.call_id,
        voice.ended_ms,
        voice.body
    ])?;
    Ok(())
}

/// Records that pass the filter and lie behind `after`, newest first.
pub(super) fn page(
    conn: &Connection,
    filter: &RecordFilter,
    after: Option<RecordPlace>,
    records_max: usize,
) -> rusqlite::Result<RecordPage> {
    // A literal NULL test would keep the planner from the endpoint's index.
    let by_endpoint = if filter.endpoint.is_some() {
        "endpoint = ?2"
    } else {
        "?2 IS NULL"
    };
    let sql = format!(
        "SELECT account, site, gateway, cursor, endpoint, call_id, direction, outcome, started_ms,
                ended_ms, body,
                (SELECT json_group_array(json(told.body)) FROM
                    (SELECT body FROM voices AS voice
                        WHERE voice.account = records.account AND voice.call_id = records.call_id
                            AND voice.site = records.site AND voice.gateway = records.gateway
                        ORDER BY voice.cursor LIMIT {VOICES_MAX}) AS told)
            FROM records
            WHERE account = ?1 AND {by_endpoint} AND started_ms >= ?3 AND started_ms < ?4
                AND (started_ms, cursor) < (?5, ?6)
            ORDER BY started_ms DESC, cursor DESC"
    );
    let after = after.unwrap_or(RecordPlace {
        started_ms: i64::MAX,
        cursor: i64::MAX.unsigned_abs(),
    });
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params![
        filter.account,
        filter.endpoint,
        filter.since_ms.unwrap_or(i64::MIN),
        filter.until_ms.unwrap_or(i64::MAX),
        after.started_ms,
        int(after.cursor)
    ])?;
    let mut page = RecordPage {
        records: Vec::new(),
        next: None,
    };
    let (mut looked_at, mut place) = (0, None);
    while let Some(row) = rows.next()? {
        if looked_at == SCAN_ROWS_MAX || page.records.len() >= records_max.max(1) {
            page.next = place;
            break;
        }
        looked_at += 1;
        place = Some(RecordPlace {
            started_ms: row.get(8)?,
            cursor: uint(row.get(3)?),
        });
        if is_wanted(row, filter)? {
            page.records.push(record(row)?);
        }
    }
    Ok(page)
}

/// Removes records that ended before `limit_ms`, and of each account the oldest beyond
/// `records_max`; true if there may be more to remove.
pub(super) fn prune(conn: &Connection, limit_ms: i64, records_max: u64) -> rusqlite::Result<bool> {
    let mut removed = conn
        .prepare_cached(
            "DELETE FROM records WHERE cursor IN
                (SELECT cursor FROM records WHERE ended_ms < ?1 ORDER BY ended_ms LIMIT ?2)",
        )?
        .execute([limit_ms, PRUNE_ROWS_MAX])?;
    let voices = conn
        .prepare_cached(
            "DELETE FROM voices WHERE cursor IN
                (SELECT cursor FROM voices WHERE ended_ms < ?1 ORDER BY ended_ms LIMIT ?2)",
        )?
        .execute([limit_ms, PRUNE_ROWS_MAX])?;
    removed = removed.max(voices);
    let crowded: Vec<(String, i64)> = conn
        .prepare_cached(
            "SELECT account, count(*) FROM records GROUP BY account HAVING count(*) > ?1",
        )?
        .query_map([int(records_max)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (account, rows) in crowded {
        let surplus = (rows - int(records_max)).min(PRUNE_ROWS_MAX);
        let oldest = conn
            .prepare_cached(
                "DELETE FROM records WHERE cursor IN (SELECT cursor FROM records
                    WHERE account = ?1 ORDER BY started_ms, cursor LIMIT ?2)",
            )?
            .execute(params![account, surplus])?;
        removed = removed.max(oldest);
        // A call has one telling or two, and as many records: those that go take theirs along.
        conn.prepare_cached(
            "DELETE FROM voices WHERE account = ?1 AND ended_ms <
                (SELECT min(started_ms) FROM records WHERE account = ?1)",
        )?
        .execute([&account])?;
    }
    Ok(int(removed as u64) == PRUNE_ROWS_MAX)
}

/// The filter on the row itself, before its text is copied.
fn is_wanted(row: &Row<'_>, filter: &RecordFilter) -> rusqlite::Result<bool> {
    let fits = |index, wanted: &Option<String>| {
        let found = row.get_ref(index)?.as_str_or_null()?;
        Ok::<_, rusqlite::Error>(wanted.is_none() || found == wanted.as_deref())
    };
    Ok(fits(1, &filter.site)? && fits(6, &filter.direction)? && fits(7, &filter.outcome)?)
}

fn record(row: &Row<'_>) -> rusqlite::Result<OwnedRecord> {
    Ok(OwnedRecord {
        owner: owner(row, 0)?,
        record: Record {
            endpoint: row.get(4)?,
            call_id: row.get(5)?,
            direction: row.get(6)?,
            outcome: row.get(7)?,
            started_ms: row.get(8)?,
            ended_ms: row.get(9)?,
            body: row.get(10)?,
        },
        voices: row.get(11)?,
    })
}
