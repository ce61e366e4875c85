//! The streams table: who may write, and what comes next.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::types::{Owner, StreamInfo, StreamState};
use crate::db::{int, uint};
use crate::error::IngestError;

/// A stream that may be written to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admitted {
    pub(super) id: i64,
    pub(super) last_seq: u64,
    /// Not seen before: it begins wherever it begins.
    pub(super) is_new: bool,
}

/// Registers the stream, or finds it, and notes what its gateway says about it.
pub(super) fn admit(
    conn: &Connection,
    info: &StreamInfo,
    now_ms: i64,
) -> rusqlite::Result<Result<Admitted, IngestError>> {
    let owner = &info.owner;
    let newest: Option<i64> = conn
        .prepare_cached(
            "SELECT max(lease_epoch) FROM streams
                WHERE account = ?1 AND site = ?2 AND gateway = ?3",
        )?
        .query_row(params![owner.account, owner.site, owner.gateway], |row| {
            row.get(0)
        })?;
    let known = newest.map_or(0, uint);
    if info.lease_epoch < known {
        let found = info.lease_epoch;
        return Ok(Err(IngestError::StaleLease { known, found }));
    }
    let Some((id, state)) = select(conn, info.stream)? else {
        conn.prepare_cached(
            "INSERT INTO streams (stream, account, site, gateway, durable, last_seq, boot,
                lease_epoch, updated_ms) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8)",
        )?
        .execute(params![
            info.stream.as_bytes(),
            owner.account,
            owner.site,
            owner.gateway,
            info.durable,
            int(info.boot),
            int(info.lease_epoch),
            now_ms
        ])?;
        return Ok(Ok(Admitted {
            id: conn.last_insert_rowid(),
            last_seq: 0,
            is_new: true,
        }));
    };
    if state.info.owner != *owner {
        return Ok(Err(IngestError::ForeignStream));
    }
    if state.info != *info {
        conn.prepare_cached(
            "UPDATE streams SET durable = ?2, boot = ?3, lease_epoch = ?4 WHERE id = ?1",
        )?
        .execute(params![
            id,
            info.durable,
            int(info.boot),
            int(info.lease_epoch)
        ])?;
    }
    Ok(Ok(Admitted {
        id,
        last_seq: state.last_seq,
        is_new: state.last_seq == 0,
    }))
}

pub(super) fn advance(
    conn: &Connection,
    id: i64,
    last_seq: u64,
    now_ms: i64,
) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE streams SET last_seq = ?2, updated_ms = ?3 WHERE id = ?1")?
        .execute([id, int(last_seq), now_ms])?;
    Ok(())
}

pub(super) fn select(
    conn: &Connection,
    stream: Uuid,
) -> rusqlite::Result<Option<(i64, StreamState)>> {
    conn.prepare_cached(
        "SELECT id, account, site, gateway, durable, last_seq, boot, lease_epoch, updated_ms
            FROM streams WHERE stream = ?1",
    )?
    .query_row([stream.as_bytes()], |row| {
        let state = StreamState {
            info: StreamInfo {
                stream,
                owner: owner(row, 1)?,
                durable: row.get(4)?,
                boot: uint(row.get(6)?),
                lease_epoch: uint(row.get(7)?),
            },
            last_seq: uint(row.get(5)?),
            updated_ms: row.get(8)?,
        };
        Ok((row.get(0)?, state))
    })
    .optional()
}

/// When a gateway's last event was stored, milliseconds since the epoch.
pub(super) fn heard(conn: &Connection, owner: &Owner) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached(
        "SELECT max(updated_ms) FROM streams WHERE account = ?1 AND site = ?2 AND gateway = ?3",
    )?
    .query_row(params![owner.account, owner.site, owner.gateway], |row| {
        row.get(0)
    })
}

/// Account, site and gateway in three columns from `first`.
pub(super) fn owner(row: &Row<'_>, first: usize) -> rusqlite::Result<Owner> {
    let text = |index| row.get::<_, Arc<str>>(index);
    Ok(Owner {
        account: text(first)?,
        site: text(first + 1)?,
        gateway: text(first + 2)?,
    })
}
