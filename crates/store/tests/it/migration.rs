//! A far end's file of schema version 1.

use rusqlite::Connection;
use store::cloud::{Endpoint, EventFilter, IngestItem, Leg, View};

use crate::cloud::{Rig, event, leg, owner};
use crate::history::{everything, record};
use crate::views::{bodies, change};

/// The tables as version 1 made them.
const VERSION_1: &str = "
PRAGMA journal_mode = WAL;
PRAGMA application_id = 0x5277436c;
PRAGMA user_version = 1;
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

/// A stream with two events, its view as of the second, and a command without outcome.
const ROWS: &str = "
INSERT INTO streams VALUES
    (1, x'00000000000000000000000000000001', 'acme', 'berlin', 'gw1', 1, 2, 1, 1, 5);
INSERT INTO events (stream, seq, kind, upto, endpoint, type, at_ms, replayed, body, stored_ms)
    VALUES (1, 1, 0, 1, '2001', 'call.delivered', 5, 0, 'e1', 5),
        (1, 2, 0, 2, '2000', 'call.delivered', 5, 0, 'e2', 5);
INSERT INTO legs VALUES ('acme', 'berlin', 'gw1', 'a', 'call1', '2000', 'connected', '{}');
INSERT INTO view_as_of VALUES ('acme', 'berlin', 'gw1', 1, 2);
INSERT INTO commands VALUES
    ('1', 'acme', 'berlin', 'gw1', 'k', 'f', 'makeCall', '{}', 9, 5, NULL);
";

#[test]
fn a_file_of_version_1_keeps_everything_and_takes_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(VERSION_1).unwrap();
    old.execute_batch(ROWS).unwrap();
    drop(old);
    let rig = Rig::at(dir);
    let events = EventFilter {
        account: "acme".into(),
        site: None,
        endpoint: None,
    };
    let page = rig.store.events_after(0, &events, 10).unwrap();
    let seqs: Vec<_> = page.events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [1, 2]);
    assert_eq!(rig.legs(), ["a"]);
    let pending = rig.store.pending_commands(&owner("gw1")).unwrap();
    assert_eq!(pending[0].command.key, "k");
    assert_eq!(bodies(&rig), Vec::<String>::new());
    let ended = IngestItem {
        endpoint: Some(change("2000", "+dnd")),
        record: Some(record("2000", 1)),
        ..event(3)
    };
    assert_eq!(rig.ingest(vec![event(2), ended]).unwrap().new, 1);
    let Rig { dir, store, .. } = rig;
    drop(store);
    let rig = Rig::at(dir);
    assert_eq!(bodies(&rig), ["gw1 2000 +dnd"]);
    let history = rig.store.records(&everything(), None, 10).unwrap();
    assert_eq!(history.records[0].record, record("2000", 1));
    let endpoint = Endpoint {
        endpoint: "2001".into(),
        body: "new".into(),
    };
    let legs: Vec<Leg> = vec![leg("b", "2001")];
    let endpoints = vec![endpoint];
    rig.replace_all(3, View { legs, endpoints });
    assert_eq!(
        (bodies(&rig), rig.legs()),
        (vec!["gw1 2001 new".into()], vec!["b".into()])
    );
    let file = Connection::open(rig.dir.path().join("cloud.db")).unwrap();
    let version: i64 = file
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 3);
}
