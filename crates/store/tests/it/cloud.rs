//! The far end's store.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use store::cloud::{
    CommandPut, Content, EventFilter, EventPage, Ingest, IngestItem, Ingested, Leg, LegChange,
    LegFilter, NewCommand, Owner, Retention, StoredEvent, StreamInfo, View,
};
use store::{CloudStore, IngestError, StoreError};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::NOW_MS;

pub(crate) const HOUR_MS: i64 = 3_600_000;

pub(crate) struct Rig {
    pub(crate) dir: TempDir,
    pub(crate) store: CloudStore,
    rows: Receiver<Arc<[StoredEvent]>>,
    pub(crate) info: StreamInfo,
}

pub(crate) fn owner(gateway: &str) -> Owner {
    Owner {
        account: "acme".into(),
        site: "berlin".into(),
        gateway: gateway.into(),
    }
}

pub(crate) fn event(seq: u64) -> IngestItem {
    let endpoint = if seq.is_multiple_of(2) {
        "2000"
    } else {
        "2001"
    };
    let content = Content::Event {
        event_type: "call.delivered".into(),
        endpoint: Some(endpoint.into()),
        at_ms: NOW_MS,
        replayed: false,
        body: format!("e{seq}").into(),
    };
    IngestItem::new(seq, content)
}

fn gap(seq: u64, to: u64) -> IngestItem {
    let reason = "retention".into();
    IngestItem::new(seq, Content::Gap { to, reason })
}

pub(crate) fn leg(leg_id: &str, endpoint: &str) -> Leg {
    Leg {
        leg_id: leg_id.into(),
        call_id: "call1".into(),
        endpoint: endpoint.into(),
        state: "connected".into(),
        body: "{}".into(),
    }
}

fn everything() -> EventFilter {
    EventFilter {
        account: "acme".into(),
        site: None,
        endpoint: None,
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    pub(crate) fn at(dir: TempDir) -> Self {
        let (tell, rows) = channel();
        let path: PathBuf = dir.path().join("cloud.db");
        let store = CloudStore::open(&path, Box::new(move |r| drop(tell.send(r)))).unwrap();
        let info = StreamInfo {
            stream: Uuid::from_u128(1),
            owner: owner("gw1"),
            durable: true,
            boot: 1,
            lease_epoch: 1,
        };
        Self {
            dir,
            store,
            rows,
            info,
        }
    }

    pub(crate) fn ingest(&self, items: Vec<IngestItem>) -> Result<Ingested, IngestError> {
        self.ingest_as(self.info.clone(), items, NOW_MS)
    }

    pub(crate) fn ingest_as(
        &self,
        info: StreamInfo,
        items: Vec<IngestItem>,
        now_ms: i64,
    ) -> Result<Ingested, IngestError> {
        let (tell, told) = channel();
        let batch = Ingest {
            info,
            now_ms,
            items,
        };
        self.store
            .ingest(batch, Box::new(move |r| drop(tell.send(r))));
        told.recv().unwrap()
    }

    fn replace_view(&self, as_of: u64, legs: Vec<Leg>) {
        let endpoints = Vec::new();
        self.replace_all(as_of, View { legs, endpoints });
    }

    pub(crate) fn replace_all(&self, as_of: u64, view: View) {
        let (tell, told) = channel();
        let done = Box::new(move |r| drop(tell.send(r)));
        self.store
            .replace_view(self.info.clone(), as_of, view, NOW_MS, done);
        told.recv().unwrap().unwrap();
    }

    fn page(&self, cursor: u64, filter: &EventFilter) -> EventPage {
        self.store.events_after(cursor, filter, 100).unwrap()
    }

    fn seqs(&self, filter: &EventFilter) -> Vec<u64> {
        let page = self.page(0, filter);
        page.events.iter().map(|event| event.seq).collect()
    }

    pub(crate) fn legs(&self) -> Vec<String> {
        let filter = LegFilter {
            account: "acme".into(),
            site: None,
            gateway: Some("gw1".into()),
            endpoint: None,
        };
        let legs = self.store.at_once(|at| at.legs(&filter)).unwrap();
        legs.into_iter().map(|owned| owned.leg.leg_id).collect()
    }
}

#[test]
fn stores_in_order_and_each_number_once() {
    let rig = Rig::new();
    let first = rig.ingest(vec![event(1), event(2)]).unwrap();
    assert_eq!((first.acked, first.new, first.duplicates), (2, 2, 0));
    assert_eq!(rig.rows.recv().unwrap().len(), 2);
    let again = rig.ingest(vec![event(1), event(2), event(3)]).unwrap();
    assert_eq!((again.acked, again.new, again.duplicates), (3, 1, 2));
    assert_eq!(rig.rows.recv().unwrap()[0].seq, 3);
    let nothing_new = rig.ingest(vec![event(3)]).unwrap();
    assert_eq!((nothing_new.acked, nothing_new.cursors), (3, None));
    assert_eq!(rig.seqs(&everything()), [1, 2, 3]);
    let stats = rig.store.stats();
    assert_eq!((stats.stored, stats.duplicates), (3, 3));
}

#[test]
fn refuses_a_hole_and_stores_nothing_of_the_batch() {
    let rig = Rig::new();
    rig.ingest(vec![event(1)]).unwrap();
    let refused = rig.ingest(vec![event(2), event(4)]);
    let (expected, found) = (3, 4);
    assert_eq!(refused, Err(IngestError::Hole { expected, found }));
    assert_eq!(rig.seqs(&everything()), [1]);
    let state = rig.store.stream_state(rig.info.stream).unwrap().unwrap();
    assert_eq!(state.last_seq, 1);
}

#[test]
fn a_gap_counts_as_what_it_covers_even_when_it_has_grown() {
    let rig = Rig::new();
    rig.ingest(vec![event(1), gap(2, 4)]).unwrap();
    let grown = rig.ingest(vec![gap(2, 6), event(7)]).unwrap();
    assert_eq!((grown.acked, grown.new), (7, 2));
    assert_eq!(rig.seqs(&everything()), [1, 2, 5, 7]);
}

#[test]
fn a_stream_that_begins_late_begins_with_a_gap() {
    let rig = Rig::new();
    rig.ingest(vec![event(5)]).unwrap();
    let page = rig.page(0, &everything());
    let Content::Gap { to, reason } = &page.events[0].content else {
        panic!("{page:?}");
    };
    assert_eq!((*to, &**reason), (4, "before-first-contact"));
}

#[test]
fn refuses_an_older_lease_and_a_foreign_stream() {
    let rig = Rig::new();
    let mut info = rig.info.clone();
    info.lease_epoch = 5;
    rig.ingest_as(info.clone(), vec![event(1)], NOW_MS).unwrap();
    let (known, found) = (5, 1);
    let stale = rig.ingest(vec![event(2)]);
    assert_eq!(stale, Err(IngestError::StaleLease { known, found }));
    info.owner = owner("gw2");
    let foreign = rig.ingest_as(info, vec![event(2)], NOW_MS);
    assert_eq!(foreign, Err(IngestError::ForeignStream));
    assert_eq!(rig.store.stats().refused, 2);
}

#[test]
fn a_refused_batch_does_not_take_the_rest_of_the_group_along() {
    let rig = Rig::new();
    let (tell, told) = channel();
    for (number, items) in [vec![event(1)], vec![event(9)], vec![event(2)]]
        .into_iter()
        .enumerate()
    {
        let tell = tell.clone();
        let batch = Ingest {
            info: rig.info.clone(),
            now_ms: NOW_MS,
            items,
        };
        let done = Box::new(move |r: Result<_, _>| tell.send((number, r.is_ok())).unwrap());
        rig.store.ingest(batch, done);
    }
    let told: Vec<_> = told.into_iter().take(3).collect();
    assert_eq!(told, [(0, true), (1, false), (2, true)]);
    assert_eq!(rig.seqs(&everything()), [1, 2]);
}

#[test]
fn goes_on_where_it_was_after_a_restart() {
    let rig = Rig::new();
    rig.ingest(vec![event(1), event(2)]).unwrap();
    let Rig { dir, store, .. } = rig;
    drop(store);
    let rig = Rig::at(dir);
    assert_eq!(rig.ingest(vec![event(2), event(3)]).unwrap().acked, 3);
    assert_eq!(rig.seqs(&everything()), [1, 2, 3]);
}

#[test]
fn filters_by_account_site_and_endpoint_but_keeps_gaps() {
    let rig = Rig::new();
    let items = vec![event(1), event(2), gap(3, 3), event(4)];
    rig.ingest(items).unwrap();
    let mut filter = everything();
    filter.endpoint = Some("2000".into());
    assert_eq!(rig.seqs(&filter), [2, 3, 4]);
    filter.site = Some("paris".into());
    assert!(rig.seqs(&filter).is_empty());
    filter = everything();
    filter.account = "other".into();
    let page = rig.page(0, &filter);
    assert!(page.events.is_empty() && page.at_end);
    assert_eq!(page.next, rig.store.last_cursor().unwrap());
}

#[test]
fn a_reader_goes_on_from_its_cursor() {
    let rig = Rig::new();
    rig.ingest((1..=5).map(event).collect()).unwrap();
    let first = rig.store.events_after(0, &everything(), 2).unwrap();
    assert!(!first.at_end);
    let second = rig.page(first.next, &everything());
    assert!(second.at_end);
    assert_eq!(second.events[0].seq, 3);
}

#[test]
fn retention_removes_old_rows_and_tells_late_readers() {
    let rig = Rig::new();
    rig.ingest(vec![event(1)]).unwrap();
    let later = NOW_MS + 71 * HOUR_MS;
    rig.ingest_as(rig.info.clone(), vec![event(2)], later)
        .unwrap();
    let retention = Retention::default();
    rig.store.prune(NOW_MS + 73 * HOUR_MS, retention);
    rig.store.flush();
    assert_eq!(rig.seqs(&everything()), [2]);
    assert_eq!(rig.page(0, &everything()).missed_upto, Some(1));
    assert_eq!(rig.page(1, &everything()).missed_upto, None);
    assert_eq!(rig.ingest(vec![event(1)]).unwrap().duplicates, 1);
}

#[test]
fn events_that_a_snapshot_covers_leave_the_view_alone() {
    let rig = Rig::new();
    let put = |seq, leg_id| IngestItem {
        legs: vec![LegChange::Put(leg(leg_id, "2000"))],
        ..event(seq)
    };
    rig.ingest(vec![put(1, "a")]).unwrap();
    rig.replace_view(3, vec![leg("b", "2000"), leg("c", "2001")]);
    rig.ingest(vec![put(2, "x"), put(3, "y"), put(4, "d")])
        .unwrap();
    assert_eq!(rig.legs(), ["b", "c", "d"]);
    let delete = IngestItem {
        legs: vec![LegChange::Delete { leg_id: "b".into() }],
        ..event(5)
    };
    rig.ingest(vec![delete]).unwrap();
    assert_eq!(rig.legs(), ["c", "d"]);
    assert_eq!(
        rig.store
            .at_once(|at| at.call_legs("acme", "call1"))
            .unwrap()
            .len(),
        2
    );
    assert!(
        rig.store
            .at_once(|at| at.call_legs("other", "call1"))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_new_stream_changes_the_view_only_after_its_own_snapshot() {
    let mut rig = Rig::new();
    rig.replace_view(0, vec![leg("a", "2000")]);
    rig.info.stream = Uuid::from_u128(2);
    let put = |seq, leg_id| IngestItem {
        legs: vec![LegChange::Put(leg(leg_id, "2000"))],
        ..event(seq)
    };
    rig.ingest(vec![put(1, "b")]).unwrap();
    assert_eq!(rig.legs(), ["a"]);
    rig.replace_view(1, vec![leg("b", "2000")]);
    rig.ingest(vec![put(2, "c")]).unwrap();
    assert_eq!(rig.legs(), ["b", "c"]);
}

fn command(id: &str, fingerprint: &str) -> NewCommand {
    NewCommand {
        id: id.into(),
        owner: owner("gw1"),
        key: "k".into(),
        fingerprint: fingerprint.into(),
        method: "make-call".into(),
        params: "{}".into(),
        deadline_ms: NOW_MS + 5_000,
        now_ms: NOW_MS,
    }
}

fn put(store: &CloudStore, command: NewCommand) -> Result<CommandPut, StoreError> {
    let (tell, told) = channel();
    store.command_put(command, Box::new(move |r| drop(tell.send(r))));
    told.recv().unwrap()
}

#[test]
fn recognises_a_repeated_command_and_keeps_its_first_outcome() {
    let rig = Rig::new();
    let store = &rig.store;
    assert_eq!(put(store, command("1", "f")), Ok(CommandPut::New));
    assert_eq!(put(store, command("2", "g")), Ok(CommandPut::Conflict));
    let Ok(CommandPut::Known(first)) = put(store, command("2", "f")) else {
        panic!("not recognised");
    };
    assert_eq!((first.command.id.as_str(), &first.outcome), ("1", &None));
    assert_eq!(store.pending_commands(&owner("gw1")).unwrap().len(), 1);
    for outcome in ["one", "two"] {
        store.command_done("1", outcome.into(), Box::new(|r| r.unwrap()));
    }
    store.flush();
    let stored = store.command("1").unwrap().unwrap();
    assert_eq!(stored.outcome.as_deref(), Some("one"));
    assert!(store.pending_commands(&owner("gw1")).unwrap().is_empty());
    let mut tomorrow = command("3", "g");
    tomorrow.now_ms += 25 * HOUR_MS;
    assert_eq!(put(store, tomorrow), Ok(CommandPut::New));
}
