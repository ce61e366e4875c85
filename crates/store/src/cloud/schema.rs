//! The tables of `cloud.db`.

use crate::db::Schema;

pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x5277_436c, // "RwCl"
    migrations: &[VERSION_1, VERSION_2, VERSION_3],
};

/// `events.kind`: 0 event, 1 gap up to `upto`; an event's owner is its stream's.
const VERSION_1: &str = "
CREATE TABLE meta (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    pruned_upto INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES (1, 0);
CREATE TABLE streams (
    id          INTEGER PRIMARY KEY,
    stream      BLOB    NOT NULL UNIQUE,
    account     TEXT    NOT NULL,
    site        TEXT    NOT NULL,
    gateway     TEXT    NOT NULL,
    durable     INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    boot        INTEGER NOT NULL,
    lease_epoch INTEGER NOT NULL,
    updated_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX streams_by_owner ON streams (account, site, gateway, lease_epoch);
CREATE TABLE events (
    cursor    INTEGER PRIMARY KEY AUTOINCREMENT,
    stream    INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    upto      INTEGER NOT NULL,
    reason    TEXT,
    endpoint  TEXT,
    type      TEXT,
    at_ms     INTEGER NOT NULL,
    replayed  INTEGER NOT NULL,
    body      TEXT,
    stored_ms INTEGER NOT NULL,
    UNIQUE (stream, seq)
) STRICT;
CREATE TABLE legs (
    account  TEXT NOT NULL,
    site     TEXT NOT NULL,
    gateway  TEXT NOT NULL,
    leg_id   TEXT NOT NULL,
    call_id  TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state    TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (account, site, gateway, leg_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX legs_by_call ON legs (account, call_id);
CREATE INDEX legs_by_endpoint ON legs (account, endpoint);
CREATE TABLE view_as_of (
    account TEXT    NOT NULL,
    site    TEXT    NOT NULL,
    gateway TEXT    NOT NULL,
    stream  INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (account, site, gateway)
) STRICT, WITHOUT ROWID;
CREATE TABLE commands (
    id          TEXT PRIMARY KEY,
    account     TEXT    NOT NULL,
    site        TEXT    NOT NULL,
    gateway     TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    method      TEXT    NOT NULL,
    params      TEXT    NOT NULL,
    deadline_ms INTEGER NOT NULL,
    created_ms  INTEGER NOT NULL,
    outcome     TEXT,
    UNIQUE (account, site, gateway, key)
) STRICT;
CREATE INDEX commands_by_age ON commands (created_ms);
";

/// Endpoints are a view, like legs; records are kept for their own time and have the cursor of the
/// event that brought them.
const VERSION_2: &str = "
CREATE TABLE endpoints (
    account  TEXT NOT NULL,
    site     TEXT NOT NULL,
    gateway  TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (account, site, gateway, endpoint)
) STRICT, WITHOUT ROWID;
CREATE INDEX endpoints_by_name ON endpoints (account, endpoint, site, gateway);
CREATE TABLE records (
    cursor     INTEGER PRIMARY KEY,
    account    TEXT    NOT NULL,
    site       TEXT    NOT NULL,
    gateway    TEXT    NOT NULL,
    endpoint   TEXT    NOT NULL,
    call_id    TEXT    NOT NULL,
    direction  TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms   INTEGER NOT NULL,
    body       TEXT    NOT NULL
) STRICT;
CREATE INDEX records_by_time ON records (account, started_ms);
CREATE INDEX records_by_endpoint ON records (account, endpoint, started_ms);
CREATE INDEX records_by_age ON records (ended_ms);
";

/// How calls sounded is told apart from their records, before or after them.
const VERSION_3: &str = "
CREATE TABLE voices (
    cursor   INTEGER PRIMARY KEY,
    account  TEXT    NOT NULL,
    site     TEXT    NOT NULL,
    gateway  TEXT    NOT NULL,
    call_id  TEXT    NOT NULL,
    ended_ms INTEGER NOT NULL,
    body     TEXT    NOT NULL
) STRICT;
CREATE INDEX voices_by_call ON voices (account, call_id);
CREATE INDEX voices_by_age ON voices (ended_ms);
";
