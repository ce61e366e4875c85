//! Commands to gateways, and their outcomes.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::streams::owner;
use super::types::{CommandPut, NewCommand, Owner, StoredCommand};

/// How long a command is remembered, in milliseconds: 24 hours.
pub const COMMANDS_KEPT_MS: i64 = 24 * 3600 * 1000;

const COLUMNS: &str = "SELECT id, account, site, gateway, key, fingerprint, method, params,
    deadline_ms, created_ms, outcome FROM commands WHERE ";

pub(super) fn put(conn: &Connection, command: &NewCommand) -> rusqlite::Result<CommandPut> {
    let Owner {
        account,
        site,
        gateway,
    } = &command.owner;
    let same = "account = ?1 AND site = ?2 AND gateway = ?3 AND key = ?4";
    if let Some(stored) = one(conn, same, params![account, site, gateway, command.key])? {
        if stored.command.now_ms >= command.now_ms - COMMANDS_KEPT_MS {
            return Ok(if stored.command.fingerprint == command.fingerprint {
                CommandPut::Known(Box::new(stored))
            } else {
                CommandPut::Conflict
            });
        }
        conn.prepare_cached("DELETE FROM commands WHERE id = ?1")?
            .execute([stored.command.id])?;
    }
    conn.prepare_cached(
        "INSERT INTO commands (id, account, site, gateway, key, fingerprint, method, params,
            deadline_ms, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        command.id,
        account,
        site,
        gateway,
        command.key,
        command.fingerprint,
        command.method,
        command.params,
        command.deadline_ms,
        command.now_ms
    ])?;
    Ok(CommandPut::New)
}

/// False: no such command. The first outcome stays.
pub(super) fn done(conn: &Connection, id: &str, outcome: &str) -> rusqlite::Result<bool> {
    conn.prepare_cached("UPDATE commands SET outcome = coalesce(outcome, ?2) WHERE id = ?1")?
        .execute([id, outcome])
        .map(|changed| changed == 1)
}

pub(super) fn select(conn: &Connection, id: &str) -> rusqlite::Result<Option<StoredCommand>> {
    one(conn, "id = ?1", &[&id])
}

pub(super) fn by_key(
    conn: &Connection,
    owner: &Owner,
    key: &str,
) -> rusqlite::Result<Option<StoredCommand>> {
    let same = "account = ?1 AND site = ?2 AND gateway = ?3 AND key = ?4";
    one(
        conn,
        same,
        params![owner.account, owner.site, owner.gateway, key],
    )
}

pub(super) fn pending(conn: &Connection, owner: &Owner) -> rusqlite::Result<Vec<StoredCommand>> {
    conn.prepare_cached(&format!(
        "{COLUMNS} account = ?1 AND site = ?2 AND gateway = ?3 AND outcome IS NULL
            ORDER BY created_ms, id"
    ))?
    .query_map(params![owner.account, owner.site, owner.gateway], stored)?
    .collect()
}

pub(super) fn prune(conn: &Connection, now_ms: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM commands WHERE created_ms < ?1")?
        .execute([now_ms.saturating_sub(COMMANDS_KEPT_MS)])?;
    Ok(())
}

fn one(
    conn: &Connection,
    condition: &str,
    params: &[&dyn ToSql],
) -> rusqlite::Result<Option<StoredCommand>> {
    conn.prepare_cached(&format!("{COLUMNS} {condition}"))?
        .query_row(params, stored)
        .optional()
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredCommand> {
    Ok(StoredCommand {
        command: NewCommand {
            id: row.get(0)?,
            owner: owner(row, 1)?,
            key: row.get(4)?,
            fingerprint: row.get(5)?,
            method: row.get(6)?,
            params: row.get(7)?,
            deadline_ms: row.get(8)?,
            now_ms: row.get(9)?,
        },
        outcome: row.get(10)?,
    })
}
