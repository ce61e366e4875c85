//! A full disk: ballast, memory, and back.

use store::gateway::{Accepted, Committed, OutboxLimits, StoreHealth, ViewChange};

use crate::gateway::{accept, command, sent};
use crate::support::{NOW_MS, Rig, batch, limits};

/// Fills the disk by telling SQLite that it may not grow.
fn fill(rig: &Rig) {
    rig.store.limit_pages(1);
    rig.store.flush();
}

fn free(rig: &Rig) {
    rig.store.limit_pages(1 << 20);
    rig.store.flush();
}

fn drain(rig: &Rig) -> Vec<Committed> {
    rig.committed.try_iter().collect()
}

#[test]
fn goes_on_in_memory_when_the_disk_is_full_and_comes_back() {
    let patient = OutboxLimits {
        probe_every: std::time::Duration::from_secs(3600),
        ..limits()
    };
    volatile_and_back(Rig::with(tempfile::tempdir().unwrap(), patient), |rig| {
        // Nothing but a restart probes within the hour.
        assert!(matches!(rig.store.health(), StoreHealth::Volatile { .. }));
    });
}

#[test]
fn moves_unacknowledged_events_to_the_durable_stream_when_the_disk_is_back() {
    let rig = Rig::new();
    let durable = rig.recovered.stream;
    rig.append(&["a"]);
    rig.put("leg1", "old");
    drain(&rig);
    fill(&rig);
    let big = "x".repeat(100_000);
    rig.append(&[&big, "c", "d"]);
    let told = drain(&rig);
    let volatile = told[0].stream;
    assert!(volatile != durable && !told[0].durable && told[0].snapshot_needed);
    rig.store.ack_upto(volatile, 2);
    rig.put("leg1", "new");
    free(&rig);
    rig.append(&["e"]);
    let told = drain(&rig);
    assert_eq!(rig.store.health(), StoreHealth::Durable);
    assert_eq!(rig.store.stream().stream, durable);
    assert!(told.iter().any(|c| c.durable && c.snapshot_needed));
    assert_eq!(rig.read(1), ["1:a", "2:d", "3:e"]);
    let after = rig.after_crash(true);
    assert_eq!(after.recovered.view, [("leg1".into(), "new".into())]);
    assert_eq!(after.read(1), ["1:a", "2:d", "3:e"]);
}

fn volatile_and_back(rig: Rig, check: impl FnOnce(&Rig)) {
    rig.append(&["a"]);
    accept(&rig.store, command("before", "f")).unwrap();
    drain(&rig);
    fill(&rig);
    let big = "x".repeat(100_000);
    let mut full = batch(&[&big], NOW_MS);
    full.view.push(ViewChange::Put {
        key: "leg1".into(),
        body: "v".into(),
    });
    rig.store.append(full).unwrap();
    rig.append(&["b"]);
    let state = rig.store.stream();
    assert!(!state.durable);
    assert_eq!(rig.read(2), ["2:b"]);
    assert_eq!(rig.store.snapshot().unwrap().as_of, 2);
    assert_eq!(rig.store.stats().went_volatile, 1);
    // Commands are still executed once.
    let known = accept(&rig.store, command("before", "f"));
    assert!(matches!(known, Ok(Accepted::Known { .. })));
    assert_eq!(accept(&rig.store, command("k", "f")), Ok(Accepted::New));
    assert_eq!(sent(&rig.store, "k"), Ok(()));
    let known = accept(&rig.store, command("k", "f"));
    assert!(matches!(known, Ok(Accepted::Known { .. })));
    check(&rig);
}

#[test]
fn pushes_the_oldest_out_of_a_full_memory_and_reports_them() {
    let rig = Rig::new();
    fill(&rig);
    let big = "x".repeat(4 << 20);
    for _ in 0..20 {
        rig.append(&[&big]);
    }
    let lost = rig.store.stats().lost_volatile;
    assert!(lost > 0, "the fault never bit");
    let stream = rig.store.stream().stream;
    let items = rig.store.read_from(stream, 1, 1, 1).unwrap();
    let first = crate::support::show(&items[0]);
    assert_eq!(first, format!("1-{lost}:volatile"));
    free(&rig);
    rig.append(&["y"]);
    assert_eq!(rig.read(1)[0], format!("1-{lost}:volatile"));
    assert_eq!(rig.store.stream().high_water, 21);
}

#[test]
fn gives_up_the_ballast_before_the_disk() {
    let heavy = OutboxLimits {
        ballast_bytes: 1 << 20,
        ..limits()
    };
    let rig = Rig::with(tempfile::tempdir().unwrap(), heavy);
    let ballast = rig.dir.path().join("gateway.db.ballast");
    assert_eq!(ballast.metadata().unwrap().len(), 1 << 20);
    assert_eq!(rig.store.health(), StoreHealth::Durable);
    fill(&rig);
    rig.append(&[&"x".repeat(100_000)]);
    // The page limit does not mind the ballast: it goes first, and then the memory has to do.
    assert!(!ballast.exists());
    assert!(matches!(rig.store.health(), StoreHealth::Volatile { .. }));
    free(&rig);
    rig.append(&["b"]);
    assert_eq!(rig.store.health(), StoreHealth::Durable);
    assert!(ballast.exists());
}
