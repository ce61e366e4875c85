//! Commands from the far end: stored before the PBX is asked, so that nothing is dialled twice.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Done;
use crate::error::StoreError;

/// How long a command is remembered, in milliseconds: 24 hours.
pub const COMMANDS_KEPT_MS: i64 = 24 * 3600 * 1000;
/// Commands remembered while the disk is out of order; further ones are refused.
const VOLATILE_COMMANDS_MAX: usize = 10_000;

/// A command from the far end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommand {
    /// Idempotency key.
    pub key: String,
    /// The far end's identifier of this request.
    pub id: String,
    /// Digest of method and parameters: tells a repeat from a clash.
    pub fingerprint: String,
    /// Method name.
    pub method: String,
    /// Parameters as one JSON object.
    pub body: String,
    /// Not to be executed after this, milliseconds since the epoch.
    pub deadline_ms: i64,
    /// Wall clock now.
    pub now_ms: i64,
}

/// A command as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCommand {
    /// Idempotency key.
    pub key: String,
    /// The far end's identifier of the request.
    pub id: String,
    /// Digest of method and parameters.
    pub fingerprint: String,
    /// Method name.
    pub method: String,
    /// Parameters as one JSON object.
    pub body: String,
    /// Milliseconds since the epoch.
    pub deadline_ms: i64,
    /// How far it got.
    pub state: CommandState,
    /// The outcome, one JSON object, once done.
    pub outcome: Option<String>,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
}

/// How far a command got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandState {
    /// Stored; the PBX has not seen it.
    Accepted,
    /// The PBX may have seen it; found after a restart, its outcome is unknown.
    Sent,
    /// Finished; the outcome is stored.
    Done,
}

/// What accepting a command found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// First time: go on.
    New,
    /// The same command again: do not execute it.
    Known {
        /// How far the first one got.
        state: CommandState,
        /// Its outcome, if done.
        outcome: Option<String>,
    },
    /// The key was used for something else.
    Conflict,
}

/// One step of a command's life, and who waits for it.
pub(super) enum CommandJob {
    Accept(NewCommand, Option<Accepted>, Done<Accepted>),
    Sent(String, Option<bool>, Done<()>),
    Done(String, String, Option<bool>, Done<()>),
}

/// Commands touched while the disk is out of order, by key.
pub(super) type VolatileCommands = BTreeMap<String, StoredCommand>;

impl CommandJob {
    /// Bytes it occupies in the queue.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Accept(command, ..) => {
                command.key.len() + command.method.len() + command.body.len()
            }
            Self::Sent(key, ..) => key.len(),
            Self::Done(key, outcome, ..) => key.len() + outcome.len(),
        }
    }

    /// Does it inside the group's transaction; may be repeated after a rollback.
    pub(super) fn run(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Accept(command, found, _) => *found = Some(accept(conn, command)?),
            Self::Sent(key, found, _) => {
                let changed = conn
                    .prepare_cached("UPDATE commands SET state = 1 WHERE key = ?1 AND state = 0")?
                    .execute([&*key])?;
                *found = Some(changed == 1);
            }
            Self::Done(key, outcome, found, _) => {
                conn.prepare_cached(
                    "UPDATE commands SET state = 2, outcome = ?2 WHERE key = ?1 AND state <> 2",
                )?
                .execute([&*key, &*outcome])?;
                *found = Some(select(conn, key)?.is_some());
            }
        }
        Ok(())
    }

    /// Does it in memory, looking up in the database what came before.
    pub(super) fn run_volatile(&mut self, conn: &Connection, memory: &mut VolatileCommands) {
        let key = match self {
            Self::Accept(command, ..) => &command.key,
            Self::Sent(key, ..) | Self::Done(key, ..) => key,
        };
        if !memory.contains_key(key)
            && let Ok(Some(stored)) = select(conn, key)
            && memory.len() < VOLATILE_COMMANDS_MAX
        {
            memory.insert(key.clone(), stored);
        }
        let known = memory.get_mut(key);
        match (self, known) {
            (Self::Accept(command, found, _), Some(stored)) if !is_old(stored, command.now_ms) => {
                *found = Some(stored.compare(command));
            }
            (Self::Accept(command, found, _), _) => {
                if memory.len() < VOLATILE_COMMANDS_MAX {
                    memory.insert(command.key.clone(), StoredCommand::new(command));
                    *found = Some(Accepted::New);
                }
            }
            (Self::Sent(_, found, _), Some(stored)) => {
                *found = Some(stored.state == CommandState::Accepted);
                if stored.state == CommandState::Accepted {
                    stored.state = CommandState::Sent;
                }
            }
            (Self::Done(_, outcome, found, _), Some(stored)) => {
                if stored.state != CommandState::Done {
                    stored.state = CommandState::Done;
                    stored.outcome = Some(std::mem::take(outcome));
                }
                *found = Some(true);
            }
            (Self::Sent(_, found, _) | Self::Done(_, _, found, _), None) => *found = Some(false),
        }
    }

    /// Tells the caller, once the group is stored or has failed.
    pub(super) fn finish(self, stored: Result<(), StoreError>) {
        let known = |found: Option<bool>| match found {
            Some(true) => Ok(()),
            Some(false) => Err(StoreError::NotFound),
            None => Err(StoreError::Overloaded),
        };
        match self {
            Self::Accept(_, found, done) => {
                done(stored.and_then(|()| found.ok_or(StoreError::Overloaded)));
            }
            Self::Sent(_, found, done) | Self::Done(_, _, found, done) => {
                done(stored.and_then(|()| known(found)));
            }
        }
    }
}

impl StoredCommand {
    fn new(command: &NewCommand) -> Self {
        let NewCommand {
            key,
            id,
            fingerprint,
            method,
            body,
            deadline_ms,
            now_ms,
        } = command.clone();
        Self {
            key,
            id,
            fingerprint,
            method,
            body,
            deadline_ms,
            state: CommandState::Accepted,
            outcome: None,
            created_ms: now_ms,
        }
    }

    fn compare(&self, again: &NewCommand) -> Accepted {
        if self.fingerprint != again.fingerprint {
            return Accepted::Conflict;
        }
        Accepted::Known {
            state: self.state,
            outcome: self.outcome.clone(),
        }
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: row.get(0)?,
            id: row.get(1)?,
            fingerprint: row.get(2)?,
            method: row.get(3)?,
            body: row.get(4)?,
            deadline_ms: row.get(5)?,
            state: match row.get(6)? {
                0 => CommandState::Accepted,
                2 => CommandState::Done,
                _ => CommandState::Sent,
            },
            outcome: row.get(7)?,
            created_ms: row.get(8)?,
        })
    }
}

/// Commands without an outcome, oldest first.
pub(super) fn unfinished(conn: &Connection) -> rusqlite::Result<Vec<StoredCommand>> {
    conn.prepare("SELECT * FROM commands WHERE state <> 2 ORDER BY created_ms, key")?
        .query_map([], StoredCommand::from_row)?
        .collect()
}

/// Forgets what is older than [`COMMANDS_KEPT_MS`].
pub(super) fn prune(conn: &Connection, now_ms: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM commands WHERE created_ms < ?1")?
        .execute([now_ms.saturating_sub(COMMANDS_KEPT_MS)])?;
    Ok(())
}

/// Stores a command as it is, over an older state of it.
pub(super) fn put(conn: &Connection, command: &StoredCommand) -> rusqlite::Result<()> {
    let state = match command.state {
        CommandState::Accepted => 0,
        CommandState::Sent => 1,
        CommandState::Done => 2,
    };
    conn.prepare_cached(
        "INSERT OR REPLACE INTO commands (key, id, fingerprint, method, body, deadline_ms, state,
            outcome, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        command.key,
        command.id,
        command.fingerprint,
        command.method,
        command.body,
        command.deadline_ms,
        state,
        command.outcome,
        command.created_ms
    ])?;
    Ok(())
}

fn accept(conn: &Connection, command: &NewCommand) -> rusqlite::Result<Accepted> {
    if let Some(stored) = select(conn, &command.key)?
        && !is_old(&stored, command.now_ms)
    {
        return Ok(stored.compare(command));
    }
    put(conn, &StoredCommand::new(command))?;
    Ok(Accepted::New)
}

fn select(conn: &Connection, key: &str) -> rusqlite::Result<Option<StoredCommand>> {
    conn.prepare_cached("SELECT * FROM commands WHERE key = ?1")?
        .query_row([key], StoredCommand::from_row)
        .optional()
}

fn is_old(stored: &StoredCommand, now_ms: i64) -> bool {
    stored.created_ms < now_ms - COMMANDS_KEPT_MS
}
