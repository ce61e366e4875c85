//! The outbox and the commands with a healthy disk.

use std::sync::mpsc::channel;
use std::time::Duration;

use store::StoreError;
use store::gateway::{
    Accepted, Batch, CommandState, GatewayStore, NewCommand, OutboxLimits, StoreHealth, ViewChange,
};

use crate::support::{NOW_MS, Rig, batch, file, limits};

const HOUR_MS: i64 = 3_600_000;

#[test]
fn numbers_a_batch_and_tells_after_the_commit() {
    let rig = Rig::new();
    assert_eq!((rig.recovered.boot, rig.recovered.high_water), (1, 0));
    rig.append(&["a", "b"]);
    let told = rig.committed.recv().unwrap();
    assert_eq!(told.stream, rig.recovered.stream);
    assert!(told.durable && !told.snapshot_needed);
    assert_eq!((told.first_seq, told.last_seq), (1, 2));
    assert_eq!(&*told.records[1].body, "b");
    assert_eq!(rig.read(1), ["1:a", "2:b"]);
    assert_eq!(rig.read(2), ["2:b"]);
    assert!(rig.read(3).is_empty());
}

#[test]
fn a_page_is_bounded_by_events_and_bytes_but_never_empty() {
    let rig = Rig::new();
    rig.append(&["aaaa", "bbbb", "cccc"]);
    let stream = rig.recovered.stream;
    let page = |events, bytes| rig.store.read_from(stream, 1, events, bytes).unwrap().len();
    assert_eq!((page(2, 100), page(9, 9), page(9, 1)), (2, 2, 1));
}

#[test]
fn goes_on_where_it_was_after_a_restart() {
    let rig = Rig::new();
    let stream = rig.recovered.stream;
    rig.append(&["a", "b", "c"]);
    rig.put("leg1", "ringing");
    rig.ack(1);
    let rig = rig.reopened();
    assert_eq!((rig.recovered.stream, rig.recovered.boot), (stream, 2));
    assert_eq!(rig.recovered.high_water, 3);
    assert_eq!(rig.recovered.view, [("leg1".into(), "ringing".into())]);
    rig.append(&["d"]);
    assert_eq!(rig.read(2), ["2:b", "3:c", "4:d"]);
}

#[test]
fn hands_out_endpoints_beside_legs_as_they_were_last() {
    let rig = Rig::new();
    rig.put("leg1", "ringing");
    rig.put("endpoint/2000", "dnd");
    rig.put("endpoint/2001", "idle");
    rig.put("endpoint/2000", "busy");
    let key = "endpoint/2001".to_owned();
    let gone = Batch {
        records: Vec::new(),
        view: vec![ViewChange::Delete { key }],
    };
    rig.store.append(gone).unwrap();
    rig.store.flush();
    let expected = [("endpoint/2000", "busy"), ("leg1", "ringing")]
        .map(|(key, body)| (key.to_owned(), body.to_owned()));
    assert_eq!(rig.store.snapshot().unwrap().view, expected);
    let after = rig.after_crash(true);
    assert_eq!(after.recovered.view, expected);
    assert_eq!(after.reopened().recovered.view, expected);
}

#[test]
fn goes_on_as_a_new_stream_when_the_far_end_has_more_of_the_old_one() {
    let rig = Rig::new();
    let old = rig.recovered.stream;
    rig.append(&["a", "b"]);
    rig.ack(1);
    rig.committed.recv().unwrap();
    rig.store.open_new_stream(uuid::Uuid::from_u128(7));
    rig.store.flush();
    assert_eq!(
        rig.store.stream().stream,
        old,
        "that was not the name of this stream"
    );
    rig.store.open_new_stream(old);
    rig.store.flush();
    let told = rig.committed.recv().unwrap();
    assert!(told.stream != old && told.snapshot_needed && told.durable);
    let state = rig.store.stream();
    assert_eq!(
        (state.stream, state.high_water, state.acked),
        (told.stream, 2, 1)
    );
    assert_eq!(rig.store.snapshot().unwrap().stream, told.stream);
    let rig = rig.reopened();
    assert_eq!(
        (rig.recovered.stream, rig.recovered.high_water),
        (told.stream, 2)
    );
    rig.append(&["c"]);
    assert_eq!(rig.read(2), ["2:b", "3:c"]);
}

#[test]
fn loses_nothing_when_killed_after_a_commit() {
    let rig = Rig::new();
    for n in 0..50 {
        rig.append(&[&format!("e{n}")]);
    }
    rig.put("leg1", "ringing");
    let after = rig.after_crash(true);
    assert_eq!(after.recovered.high_water, 50);
    assert_eq!(after.recovered.stream, rig.recovered.stream);
    assert_eq!(after.recovered.view.len(), 1);
    assert_eq!(after.read(1).len(), 50);
    assert_eq!(after.store.stats().lost_corrupt, 0);
}

#[test]
fn removes_what_is_acknowledged_when_idle_or_when_much_has_gathered() {
    let rig = Rig::new();
    let bodies = vec!["x"; 1_000];
    rig.append(&bodies);
    rig.ack(990);
    rig.append(&["y"]);
    assert_eq!(rig.store.stats().records, 11);
    assert_eq!(rig.store.stats().bytes, 11);
    assert_eq!(rig.read(980)[0], "980-990:pruned");
    let rig = rig.reopened();
    assert_eq!(rig.recovered.acked, 990);
    assert_eq!(rig.store.stats().records, 11);
}

#[test]
fn ignores_an_acknowledgement_beyond_what_is_stored_or_of_another_stream() {
    let rig = Rig::new();
    rig.append(&["a"]);
    rig.ack(2);
    rig.store.ack_upto(uuid::Uuid::new_v4(), 1);
    assert_eq!(rig.store.stream().acked, 0);
    let foreign = rig.store.read_from(uuid::Uuid::new_v4(), 1, 1, 1);
    assert_eq!(foreign, Err(StoreError::OtherStream));
}

#[test]
fn takes_a_snapshot_that_fits_the_stream() {
    let rig = Rig::new();
    rig.append(&["a"]);
    rig.put("leg2", "new");
    rig.put("leg1", "old");
    let view = vec![
        ViewChange::Put {
            key: "leg1".into(),
            body: "new".into(),
        },
        ViewChange::Delete { key: "leg2".into() },
    ];
    let records = batch(&["b"], NOW_MS).records;
    rig.store.append(Batch { records, view }).unwrap();
    rig.store.flush();
    let snapshot = rig.store.snapshot().unwrap();
    assert_eq!((snapshot.as_of, snapshot.stream), (2, rig.recovered.stream));
    assert_eq!(snapshot.view, [("leg1".into(), "new".into())]);
}

#[test]
fn turns_old_events_into_one_gap() {
    let rig = Rig::new();
    rig.append_at(&["a", "b"], NOW_MS - 80 * HOUR_MS);
    rig.append_at(&["c"], NOW_MS - 70 * HOUR_MS);
    rig.append_at(&["d"], NOW_MS);
    let prune = |now_ms| {
        rig.store.prune(now_ms);
        rig.store.flush();
    };
    prune(NOW_MS);
    assert_eq!(rig.read(1), ["1-2:retention", "3:c", "4:d"]);
    prune(NOW_MS + 3 * HOUR_MS);
    assert_eq!(rig.read(1), ["1-3:retention", "4:d"]);
    assert_eq!(rig.read(2), ["2-3:retention", "4:d"]);
    assert_eq!(rig.store.stats().lost_retention, 3);
    rig.ack(2);
    let rig = rig.reopened();
    assert_eq!(rig.read(1), ["1-3:retention", "4:d"]);
}

#[test]
fn turns_the_oldest_bytes_into_a_gap() {
    let small = OutboxLimits {
        bytes_max: 10_000,
        ..limits()
    };
    let rig = Rig::with(tempfile::tempdir().unwrap(), small);
    let body = "x".repeat(1_000);
    for _ in 0..25 {
        rig.append(&[&body]);
    }
    let stats = rig.store.stats();
    assert!(stats.bytes <= 10_000, "{stats:?}");
    let items = rig.read(1);
    let lost = stats.lost_retention;
    assert_eq!(items[0], format!("1-{lost}:retention"));
    assert_eq!(items.len() as u64, 25 - lost + 1);
}

#[test]
fn a_writer_that_panicked_is_visible_and_one_that_hangs_too() {
    let dir = tempfile::tempdir().unwrap();
    let (go, wait) = channel::<()>();
    let on_commit = Box::new(move |_| {
        let _ = wait.recv();
    });
    let (store, _) = GatewayStore::open(&file(dir.path()), limits(), NOW_MS, on_commit).unwrap();
    assert_eq!(store.waiting(), Duration::ZERO);
    store.append(batch(&["x"], NOW_MS)).unwrap();
    let hangs = Duration::from_millis(20);
    while store.waiting() < hangs {
        std::thread::yield_now();
    }
    drop(go);
    store.flush();
    assert_eq!(store.waiting(), Duration::ZERO);
    assert_eq!(store.health(), StoreHealth::Durable);
    store.panic_writer();
    while !matches!(store.health(), StoreHealth::Failed { .. }) {
        std::thread::yield_now();
    }
    assert!(store.append(batch(&["y"], NOW_MS)).is_err());
    store.flush();
}

#[test]
fn reports_what_a_full_queue_keeps_out_and_keeps_its_view() {
    let dir = tempfile::tempdir().unwrap();
    let (tell, committed) = channel();
    let (go, wait) = channel::<()>();
    let on_commit = Box::new(move |c| {
        // Holds the writer up until the test says go.
        let _ = wait.recv();
        drop(tell.send(c));
    });
    let (store, _) = GatewayStore::open(&file(dir.path()), limits(), NOW_MS, on_commit).unwrap();
    let mut accepted = 0;
    let mut lost = 0;
    while lost < 100 {
        let mut batch = batch(&["x"], NOW_MS);
        batch.view.push(ViewChange::Put {
            key: "leg1".into(),
            body: format!("v{}", accepted + lost),
        });
        match store.append(batch) {
            Ok(()) => accepted += 1,
            Err(overloaded) => lost += overloaded.lost,
        }
    }
    drop(go);
    store.flush();
    // Nothing follows: an idle writer reports the loss by itself.
    let told: Vec<_> = std::iter::from_fn(|| committed.recv_timeout(Duration::from_secs(5)).ok())
        .take_while_inclusive_gap()
        .collect();
    let last = told.last().unwrap();
    assert!(last.snapshot_needed);
    assert_eq!(last.gaps[0].from, accepted as u64 + 1);
    assert_eq!(last.gaps[0].to, (accepted + lost) as u64);
    assert_eq!(store.stats().lost_overload, 100);
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.view[0].1, format!("v{}", accepted + lost - 1));
}

trait UntilGap: Iterator<Item = store::gateway::Committed> + Sized {
    /// Up to and with the first that carries a gap.
    fn take_while_inclusive_gap(self) -> impl Iterator<Item = store::gateway::Committed> {
        let mut over = false;
        self.take_while(move |c| !std::mem::replace(&mut over, !c.gaps.is_empty()))
    }
}

impl<I: Iterator<Item = store::gateway::Committed>> UntilGap for I {}

pub(crate) fn command(key: &str, fingerprint: &str) -> NewCommand {
    NewCommand {
        key: key.into(),
        id: format!("id-{key}"),
        fingerprint: fingerprint.into(),
        method: "make-call".into(),
        body: "{}".into(),
        deadline_ms: NOW_MS + 5_000,
        now_ms: NOW_MS,
    }
}

pub(crate) fn accept(store: &GatewayStore, command: NewCommand) -> Result<Accepted, StoreError> {
    let (tell, told) = channel();
    store.command_accept(command, Box::new(move |r| drop(tell.send(r))));
    told.recv().unwrap()
}

pub(crate) fn sent(store: &GatewayStore, key: &str) -> Result<(), StoreError> {
    let (tell, told) = channel();
    store.command_sent(key, Box::new(move |r| drop(tell.send(r))));
    told.recv().unwrap()
}

pub(crate) fn done(store: &GatewayStore, key: &str, outcome: &str) -> Result<(), StoreError> {
    let (tell, told) = channel();
    let tell = Box::new(move |r| drop(tell.send(r)));
    store.command_done(key, outcome.to_owned(), tell);
    told.recv().unwrap()
}

fn known(state: CommandState, outcome: Option<&str>) -> Accepted {
    Accepted::Known {
        state,
        outcome: outcome.map(str::to_owned),
    }
}

#[test]
fn recognises_a_repeated_command_and_a_clash_of_keys() {
    let rig = Rig::new();
    let store = &rig.store;
    assert_eq!(accept(store, command("k", "f")), Ok(Accepted::New));
    let again = accept(store, command("k", "f"));
    assert_eq!(again, Ok(known(CommandState::Accepted, None)));
    assert_eq!(accept(store, command("k", "g")), Ok(Accepted::Conflict));
    assert_eq!(sent(store, "k"), Ok(()));
    assert_eq!(sent(store, "k"), Err(StoreError::NotFound));
    assert_eq!(done(store, "k", "1"), Ok(()));
    assert_eq!(done(store, "k", "2"), Ok(()));
    assert_eq!(done(store, "other", "2"), Err(StoreError::NotFound));
    let again = accept(store, command("k", "f"));
    assert_eq!(again, Ok(known(CommandState::Done, Some("1"))));
    let mut tomorrow = command("k", "g");
    tomorrow.now_ms += 25 * HOUR_MS;
    assert_eq!(accept(store, tomorrow), Ok(Accepted::New));
}

#[test]
fn hands_back_unfinished_commands_after_a_crash() {
    let rig = Rig::new();
    for key in ["accepted", "sent", "done"] {
        accept(&rig.store, command(key, "f")).unwrap();
    }
    sent(&rig.store, "sent").unwrap();
    sent(&rig.store, "done").unwrap();
    done(&rig.store, "done", "{}").unwrap();
    let after = rig.after_crash(true);
    let found: Vec<_> = after
        .recovered
        .unfinished
        .iter()
        .map(|c| (c.key.as_str(), c.state))
        .collect();
    let expected = [
        ("accepted", CommandState::Accepted),
        ("sent", CommandState::Sent),
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut limits = limits();
    limits.ballast_bytes = 4096;
    let rig = Rig::with(tempfile::tempdir().unwrap(), limits);
    rig.append(&["x"]);
    let mut files = 0;
    for entry in std::fs::read_dir(rig.dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
        files += 1;
    }
    assert!(files >= 4, "{files}");
}
