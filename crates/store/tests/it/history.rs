//! The call history of the far end's store.

use std::time::Duration;

use store::cloud::{IngestItem, Record, RecordFilter, RecordPage, Retention, StreamInfo};
use uuid::Uuid;

use crate::cloud::{HOUR_MS, Rig, event};
use crate::support::NOW_MS;

const MINUTE_MS: i64 = 60_000;

pub(crate) fn everything() -> RecordFilter {
    RecordFilter {
        account: "acme".into(),
        ..RecordFilter::default()
    }
}

/// A call that began that many minutes after [`NOW_MS`] and took one.
pub(crate) fn record(endpoint: &str, minute: i64) -> Record {
    Record {
        endpoint: endpoint.into(),
        call_id: format!("call{minute}"),
        direction: "inbound".into(),
        outcome: "answered".into(),
        started_ms: NOW_MS + minute * MINUTE_MS,
        ended_ms: NOW_MS + (minute + 1) * MINUTE_MS,
        body: minute.to_string(),
    }
}

fn ended(seq: u64, minute: i64) -> IngestItem {
    IngestItem {
        record: Some(record("2000", minute)),
        ..event(seq)
    }
}

fn minutes(page: &RecordPage) -> Vec<i64> {
    let minute = |owned: &store::cloud::OwnedRecord| owned.record.body.parse().unwrap();
    page.records.iter().map(minute).collect()
}

fn kept(rig: &Rig, account: &str) -> Vec<i64> {
    let filter = RecordFilter {
        account: account.into(),
        ..everything()
    };
    minutes(&rig.store.records(&filter, None, 100).unwrap())
}

/// Another account's gateway.
fn other() -> StreamInfo {
    let mut info = Rig::new().info;
    info.stream = Uuid::from_u128(9);
    info.owner.account = "other".into();
    info
}

#[test]
fn records_go_when_their_call_ended_too_long_ago() {
    let rig = Rig::new();
    rig.ingest(vec![ended(1, 0), ended(2, 30), ended(3, 60)])
        .unwrap();
    let retention = Retention {
        records: Duration::from_hours(1),
        ..Retention::default()
    };
    for (now_ms, left) in [
        (NOW_MS + HOUR_MS + MINUTE_MS, vec![60, 30, 0]),
        (NOW_MS + HOUR_MS + MINUTE_MS + 1, vec![60, 30]),
        (NOW_MS + 2 * HOUR_MS, vec![60]),
        (NOW_MS + 9 * HOUR_MS, vec![]),
    ] {
        rig.store.prune(now_ms, retention);
        rig.store.flush();
        assert_eq!(kept(&rig, "acme"), left, "at {now_ms}");
    }
    assert_eq!(
        rig.store.last_cursor().unwrap(),
        3,
        "the events stay for their own time"
    );
}

#[test]
fn the_oldest_records_of_an_account_go_when_there_are_too_many() {
    let rig = Rig::new();
    // The longest call began first and was told last.
    let items = [3, 1, 4, 2, 0].into_iter().zip(1..);
    let items = items.map(|(minute, seq)| ended(seq, minute)).collect();
    rig.ingest(items).unwrap();
    rig.ingest_as(other(), vec![ended(1, 0), ended(2, 1)], NOW_MS)
        .unwrap();
    let retention = Retention {
        records_max: 3,
        ..Retention::default()
    };
    rig.store.prune(NOW_MS, retention);
    rig.store.flush();
    assert_eq!(kept(&rig, "acme"), [4, 3, 2]);
    assert_eq!(kept(&rig, "other"), [1, 0]);
}

#[test]
fn pages_go_from_the_newest_to_the_oldest_while_new_ones_come() {
    let rig = Rig::new();
    // Two calls of each minute: the cursor tells them apart.
    let items = (1..=20).map(|seq| ended(seq, seq.cast_signed() / 2));
    rig.ingest(items.collect()).unwrap();
    let mut seen = Vec::new();
    let (mut place, mut seq) = (None, 20);
    loop {
        let page = rig.store.records(&everything(), place, 3).unwrap();
        assert!(page.records.len() <= 3);
        seen.extend(minutes(&page));
        // One newer than all, and one that began among those already read.
        seq += 2;
        rig.ingest(vec![ended(seq - 1, 100), ended(seq, 10)])
            .unwrap();
        let Some(next) = page.next else { break };
        place = Some(next);
    }
    let expected: Vec<_> = (1..=20).rev().map(|seq| seq / 2).collect();
    assert_eq!(seen, expected);
    assert_eq!(kept(&rig, "acme").len(), 34);
}
