//! The legs of live calls, per gateway, and what a snapshot replaces.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::endpoints;
use super::streams::owner;
use super::types::{AllChange, Leg, LegChange, LegFilter, OwnedLeg, Owner, View};
use crate::db::{int, uint};

const COLUMNS: &str = "SELECT account, site, gateway, leg_id, call_id, endpoint, state, body
    FROM legs WHERE account = ?1";

/// Does a change of the stream at `seq` still have to be made? Not if a snapshot covers it, nor if
/// the view belongs to another stream: then that stream's own snapshot is to come first.
pub(super) fn is_due(
    conn: &Connection,
    owner: &Owner,
    stream: i64,
    seq: u64,
) -> rusqlite::Result<bool> {
    let as_of: Option<(i64, i64)> = conn
        .prepare_cached(
            "SELECT stream, seq FROM view_as_of WHERE account = ?1 AND site = ?2 AND gateway = ?3",
        )?
        .query_row(params![owner.account, owner.site, owner.gateway], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(as_of.is_none_or(|(of, as_of)| of == stream && seq > uint(as_of)))
}

pub(super) fn change(conn: &Connection, owner: &Owner, change: &LegChange) -> rusqlite::Result<()> {
    let Owner {
        account,
        site,
        gateway,
    } = owner;
    match change {
        LegChange::Put(leg) => conn
            .prepare_cached(
                "INSERT OR REPLACE INTO legs (account, site, gateway, leg_id, call_id, endpoint,
                    state, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                account,
                site,
                gateway,
                leg.leg_id,
                leg.call_id,
                leg.endpoint,
                leg.state,
                leg.body
            ])?,
        LegChange::Delete { leg_id } => conn
            .prepare_cached(
                "DELETE FROM legs
                    WHERE account = ?1 AND site = ?2 AND gateway = ?3 AND leg_id = ?4",
            )?
            .execute(params![account, site, gateway, leg_id])?,
    };
    Ok(())
}

/// Changes the bodies of all rows of a gateway, or of those of one endpoint.
pub(super) fn change_all(
    conn: &Connection,
    owner: &Owner,
    all: &AllChange,
) -> rusqlite::Result<()> {
    let rows: Vec<(String, String)> = conn
        .prepare_cached(
            "SELECT leg_id, body FROM legs WHERE account = ?1 AND site = ?2 AND gateway = ?3
                AND (?4 IS NULL OR endpoint = ?4)",
        )?
        .query_map(
            params![owner.account, owner.site, owner.gateway, all.endpoint],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .collect::<rusqlite::Result<_>>()?;
    let mut update = conn.prepare_cached(
        "UPDATE legs SET body = ?5
            WHERE account = ?1 AND site = ?2 AND gateway = ?3 AND leg_id = ?4",
    )?;
    for (leg, body) in rows {
        if let Some(body) = (all.leg)(&body) {
            update.execute(params![owner.account, owner.site, owner.gateway, leg, body])?;
        }
    }
    endpoints::change_all(conn, owner, all.endpoint.as_deref(), &all.endpoints)
}

pub(super) fn replace(
    conn: &Connection,
    owner: &Owner,
    stream: i64,
    as_of: u64,
    view: &View,
) -> rusqlite::Result<()> {
    let Owner {
        account,
        site,
        gateway,
    } = owner;
    conn.prepare_cached("DELETE FROM legs WHERE account = ?1 AND site = ?2 AND gateway = ?3")?
        .execute(params![account, site, gateway])?;
    for leg in &view.legs {
        change(conn, owner, &LegChange::Put(leg.clone()))?;
    }
    endpoints::replace(conn, owner, &view.endpoints)?;
    conn.prepare_cached(
        "INSERT OR REPLACE INTO view_as_of (account, site, gateway, stream, seq)
            VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![account, site, gateway, stream, int(as_of)])?;
    Ok(())
}

pub(super) fn select(conn: &Connection, filter: &LegFilter) -> rusqlite::Result<Vec<OwnedLeg>> {
    // A literal NULL test would keep the planner from the endpoint's index.
    let by_endpoint = if filter.endpoint.is_some() {
        "endpoint = ?4"
    } else {
        "?4 IS NULL"
    };
    let sql = format!(
        "{COLUMNS} AND (?2 IS NULL OR site = ?2) AND (?3 IS NULL OR gateway = ?3) AND {by_endpoint}
            ORDER BY call_id, leg_id"
    );
    let LegFilter {
        account,
        site,
        gateway,
        endpoint,
    } = filter;
    conn.prepare_cached(&sql)?
        .query_map(params![account, site, gateway, endpoint], leg)?
        .collect()
}

pub(super) fn of_call(
    conn: &Connection,
    account: &str,
    call_id: &str,
) -> rusqlite::Result<Vec<OwnedLeg>> {
    conn.prepare_cached(&format!("{COLUMNS} AND call_id = ?2 ORDER BY leg_id"))?
        .query_map([account, call_id], leg)?
        .collect()
}

fn leg(row: &Row<'_>) -> rusqlite::Result<OwnedLeg> {
    Ok(OwnedLeg {
        owner: owner(row, 0)?,
        leg: Leg {
            leg_id: row.get(3)?,
            call_id: row.get(4)?,
            endpoint: row.get(5)?,
            state: row.get(6)?,
            body: row.get(7)?,
        },
    })
}
