//! The tables of `gateway.db`.

use crate::db::Schema;

pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x5277_4757, // "RwGW"
    migrations: &[VERSION_1],
};

/// `outbox.kind`: 0 event (`body` is the event), 1 gap (`body` is the reason); `commands.state`:
/// 0 accepted, 1 sent, 2 done.
const VERSION_1: &str = "
CREATE TABLE meta (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    stream   BLOB    NOT NULL,
    boot     INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    acked    INTEGER NOT NULL
) STRICT;
CREATE TABLE outbox (
    seq   INTEGER PRIMARY KEY,
    upto  INTEGER NOT NULL,
    kind  INTEGER NOT NULL,
    body  TEXT    NOT NULL,
    at_ms INTEGER NOT NULL,
    crc   INTEGER NOT NULL
) STRICT;
CREATE TABLE view (
    key  TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE commands (
    key         TEXT PRIMARY KEY,
    id          TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    method      TEXT    NOT NULL,
    body        TEXT    NOT NULL,
    deadline_ms INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    outcome     TEXT,
    created_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX commands_by_age ON commands (created_ms);
";
