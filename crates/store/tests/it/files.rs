//! Damaged, foreign, newer and busy files.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::Connection;
use store::gateway::GatewayStore;
use store::{CloudStore, OpenError};

use crate::support::{NOW_MS, Rig, file, limits};

fn open_error(path: &Path) -> OpenError {
    GatewayStore::open(path, limits(), NOW_MS, Box::new(|_| {})).unwrap_err()
}

fn edit(dir: &Path, sql: &str) {
    Connection::open(file(dir))
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

#[test]
fn two_stores_on_one_file_are_refused() {
    let rig = Rig::new();
    let error = open_error(&file(rig.dir.path()));
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"));
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let rig = Rig::new();
    let dir = rig.dir;
    drop(rig.store);
    edit(dir.path(), "PRAGMA user_version = 7");
    let error = open_error(&file(dir.path()));
    let OpenError::NewerSchema { found, known, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((found, known), (7, 1));
}

#[test]
fn a_foreign_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    edit(dir.path(), "CREATE TABLE recipes (name TEXT)");
    let error = open_error(&file(dir.path()));
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    let dir = tempfile::tempdir().unwrap();
    drop(CloudStore::open(&file(dir.path()), Box::new(|_| {})).unwrap());
    let error = open_error(&file(dir.path()));
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
}

#[test]
fn a_missing_directory_names_the_path() {
    let error = open_error(Path::new("/nonexistent/gateway.db"));
    assert!(error.to_string().contains("/nonexistent/gateway.db"));
}

#[test]
fn a_damaged_row_becomes_a_gap_at_start() {
    let rig = Rig::new();
    rig.append(&["aaaa", "bbbb", "cccc", "dddd", "eeee"]);
    let after = rig.after_crash_with(true, |dir| {
        edit(dir, "UPDATE outbox SET body = 'bbbc' WHERE seq = 2");
        edit(dir, "DELETE FROM outbox WHERE seq = 3");
    });
    assert_eq!(after.read(1), ["1:aaaa", "2-3:corrupt", "4:dddd", "5:eeee"]);
    assert_eq!(after.store.stats().lost_corrupt, 2);
}

#[test]
fn a_row_damaged_later_becomes_a_gap_when_it_is_read() {
    let rig = Rig::new();
    rig.append(&["aaaa", "bbbb", "cccc"]);
    edit(
        rig.dir.path(),
        "UPDATE outbox SET body = CAST(x'fffefdfc' AS TEXT) WHERE seq = 2",
    );
    let expected = ["1:aaaa", "2-2:corrupt", "3:cccc"];
    assert_eq!(rig.read(1), expected);
    rig.store.flush();
    assert_eq!(rig.store.stats().lost_corrupt, 1);
    assert_eq!(rig.read(1), expected);
}

#[test]
fn a_file_of_rubbish_is_moved_aside_and_a_new_stream_begun() {
    let rig = Rig::new();
    rig.append(&["a"]);
    let after = rig.after_crash_with(true, |dir| {
        std::fs::remove_file(dir.join("gateway.db-wal")).unwrap();
        std::fs::write(file(dir), [0x55; 8192]).unwrap();
    });
    assert_ne!(after.recovered.stream, rig.recovered.stream);
    let aside = after.recovered.set_aside.clone().unwrap();
    assert_eq!(std::fs::read(aside).unwrap(), [0x55; 8192]);
    after.append(&["b"]);
    assert_eq!(after.read(1), ["1:b"]);
}

/// What is left of a log that is cut or zeroed at every so many bytes.
fn harmed_log(with_mark: bool, harm: impl Fn(&Path, u64)) {
    let rig = Rig::new();
    for n in 1..=20 {
        rig.append(&[&format!("e{n}")]);
    }
    let log = rig.dir.path().join("gateway.db-wal");
    let size = log.metadata().unwrap().len();
    let mut bit = 0;
    for step in 2..20 {
        let at = size * step / 20 + 13;
        let after = rig.after_crash_with(with_mark, |dir| harm(&dir.join("gateway.db-wal"), at));
        if after.recovered.set_aside.is_some() || after.recovered.stream != rig.recovered.stream {
            // Even the first transaction, which made the tables, is gone.
            continue;
        }
        let items = after.read(1);
        let events = items.iter().filter(|item| item.contains(":e")).count();
        for (index, item) in items.iter().take(events).enumerate() {
            let n = index + 1;
            assert_eq!(*item, format!("{n}:e{n}"));
        }
        if events < 20 {
            bit += 1;
            let missing = format!("{}-20:corrupt", events + 1);
            assert_eq!(items.get(events), with_mark.then_some(&missing));
            after.append(&["new"]);
            let high_water = if with_mark { 21 } else { events as u64 + 1 };
            assert_eq!(after.store.stream().high_water, high_water);
        }
    }
    assert!(bit > 5, "the fault hardly ever bit: {bit}");
}

fn truncate(log: &Path, at: u64) {
    let log = OpenOptions::new().write(true).open(log).unwrap();
    log.set_len(at).unwrap();
}

fn zero_tail(log: &Path, at: u64) {
    let log = OpenOptions::new().write(true).open(log).unwrap();
    let size = log.metadata().unwrap().len();
    let zeros = vec![0; usize::try_from(size - at).unwrap()];
    log.write_all_at(&zeros, at).unwrap();
}

#[test]
fn a_truncated_log_recovers_a_prefix() {
    harmed_log(false, truncate);
}

#[test]
fn a_log_with_a_zeroed_tail_recovers_a_prefix() {
    harmed_log(false, zero_tail);
}

#[test]
fn numbers_that_the_log_has_forgotten_are_a_gap_and_never_used_again() {
    harmed_log(true, truncate);
    harmed_log(true, zero_tail);
}
