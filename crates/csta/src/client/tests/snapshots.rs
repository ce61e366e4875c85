//! Snapshots: inline, in segments, failed, repeated; and how fast all devices are done.

use std::collections::VecDeque;
use std::time::Duration;

use crate::DeviceId;
use crate::Edition;
use crate::client::testing::{
    Link, SESSION, call_info, error, event, idle, monitor_started, secs, system_status, xml,
};
use crate::client::{ClientEvent, Config};
use crate::message::snapshot::{SnapshotCalls, SnapshotSource};
use crate::message::{Request, SnapshotDeviceData, SnapshotDeviceResponse};

/// A link whose only device is monitored as `x1`, its snapshot out as 0002.
fn snapshotting() -> Link {
    let mut link = Link::started(Config::default(), &["2001"]);
    link.receive(1, &monitor_started("x1"));
    link.sent();
    link.told();
    link
}

fn segmented(service: &str) -> String {
    let data = Some(SnapshotSource::Segmented(service.to_owned()));
    xml(SnapshotDeviceResponse {
        data,
        ..SnapshotDeviceResponse::new()
    })
}

fn segment(service: &str, calls: &[&str], last: Option<bool>) -> String {
    numbered_segment(service, None, calls, last)
}

fn numbered_segment(
    service: &str,
    segment_id: Option<u32>,
    calls: &[&str],
    last: Option<bool>,
) -> String {
    let calls = calls.iter().map(|call| call_info(call)).collect();
    Request::from(SnapshotDeviceData {
        segment_id,
        last_segment: last,
        snapshot_data: Some(SnapshotCalls(calls)),
        ..SnapshotDeviceData::new(service.to_owned())
    })
    .to_xml(Edition::Ed5)
}

#[test]
fn brings_inline_calls() {
    let mut link = snapshotting();
    let calls = SnapshotCalls(vec![call_info("c1"), call_info("c2")]);
    let data = Some(SnapshotSource::Inline(calls));
    link.receive(
        2,
        &xml(SnapshotDeviceResponse {
            data,
            ..SnapshotDeviceResponse::new()
        }),
    );
    link.expect_told(&["Snapshot 2001 calls=2", "Synchronised 1/0"]);
}

#[test]
fn brings_calls_in_segments_and_holds_events_until_the_last() {
    let mut link = snapshotting();
    link.receive(2, &segmented("k"));
    link.receive(50, &segment("k", &["c1", "c2"], Some(false)));
    link.receive(51, &segment("other", &["c9"], Some(true)));
    link.receive(9999, &event("x1", "c4"));
    link.expect_told(&[]);
    assert_eq!(link.client.stats().resync_in_flight, 1);
    link.receive(52, &segment("k", &["c3"], Some(true)));
    link.expect_told(&[
        "Snapshot 2001 calls=3",
        "ServiceInitiatedEvent 2001 c4/d",
        "Synchronised 1/0",
    ]);
    link.expect_sent(&[]);
    assert_eq!(link.client.stats().resync_in_flight, 0);
}

#[test]
fn asks_again_when_a_segment_is_missing_or_comes_twice() {
    for numbers in [[1, 3], [1, 1], [2, 3]] {
        let mut link = snapshotting();
        link.receive(2, &segmented("k"));
        link.receive(
            50,
            &numbered_segment("k", Some(numbers[0]), &["c1"], Some(false)),
        );
        link.receive(
            51,
            &numbered_segment("k", Some(numbers[1]), &["c2"], Some(true)),
        );
        link.expect_told(&["SnapshotFailed 2001: unexpected answer <SnapshotDeviceData>"]);
        let stats = link.client.stats();
        let failures = (stats.segment_failures, stats.snapshot_failures);
        assert_eq!(failures, (1, 1), "{numbers:?}");
        assert_eq!(stats.resync_in_flight, 0);
        link.pass(secs(1));
        link.expect_sent(&["0003 SnapshotDevice 2001"]);
        link.receive(3, &segmented("k"));
        link.receive(50, &numbered_segment("k", Some(1), &["c1"], Some(false)));
        link.receive(51, &numbered_segment("k", Some(2), &["c2"], Some(true)));
        link.expect_told(&["Snapshot 2001 calls=2", "Synchronised 1/0"]);
    }
}

#[test]
fn asks_again_when_segments_stay_away_or_do_not_end() {
    let mut link = snapshotting();
    link.receive(2, &segmented("k"));
    link.pass(secs(11));
    link.expect_sent(&["0003 SnapshotDevice 2001"]);
    link.receive(3, &segmented("k"));
    let many = vec!["c"; 300];
    for _ in 0..20 {
        link.receive(50, &segment("k", &many, Some(false)));
    }
    assert_eq!(link.client.stats().snapshot_failures, 2);
    assert_eq!(link.client.stats().resync_in_flight, 0);
}

#[test]
fn a_failed_snapshot_is_repeated_and_events_pass_after_three() {
    let mut link = snapshotting();
    link.receive(9999, &event("x1", "c1"));
    let busy = error("systemResourceAvailibility", "resourceBusy");
    link.receive(2, &busy);
    link.pass(secs(1));
    link.receive(3, &busy);
    let failed = "SnapshotFailed 2001: refused: systemResourceAvailibility/resourceBusy: The PBX is busy; try again.";
    link.expect_told(&[failed, failed]);
    link.pass(secs(2));
    link.receive(4, &busy);
    link.expect_told(&[
        failed,
        "ServiceInitiatedEvent 2001 c1/d",
        "Synchronised 1/0",
    ]);
    link.pass(secs(4));
    link.receive(9999, &event("x1", "c2"));
    link.expect_told(&["ServiceInitiatedEvent 2001 c2/d"]);
    link.receive(5, &idle());
    link.expect_told(&["Snapshot 2001 calls=0"]);
    let snapshots = link.requests().len();
    assert_eq!(snapshots, 3, "the monitor was not started again");
}

#[test]
fn a_service_that_does_not_exist_is_not_asked_for_again() {
    let mut link = snapshotting();
    link.receive(9999, &event("x1", "c1"));
    link.receive(2, &error("operation", "serviceNotSupported"));
    link.expect_told(&[
        "SnapshotFailed 2001: refused: operation/serviceNotSupported: The PBX does not support this.",
        "ServiceInitiatedEvent 2001 c1/d",
        "Synchronised 1/0",
    ]);
    link.pass(secs(50));
    link.expect_sent(&[]);
}

#[test]
fn too_many_events_void_the_snapshot_on_its_way() {
    let mut link = snapshotting();
    for _ in 0..300 {
        link.receive(9999, &event("x1", "c1"));
    }
    assert_eq!(link.client.stats().buffer_overflows, 1);
    link.receive(2, &idle());
    link.expect_told(&[]);
    link.expect_sent(&["0003 SnapshotDevice 2001"]);
    link.receive(3, &idle());
    let told = link.told();
    // The 256 held ones went; what came after them is still there.
    assert_eq!(
        (told.len(), told[0].as_str()),
        (1 + 43 + 1, "Snapshot 2001 calls=0")
    );
}

#[test]
fn lost_messages_snapshot_every_device_anew() {
    let mut link = Link::watching(Config::default(), &["2001", "2002"]);
    link.receive(3, &system_status("messagesLost"));
    link.expect_sent(&[
        "0003 SystemStatusResponse",
        "0005 SnapshotDevice 2001",
        "0006 SnapshotDevice 2002",
    ]);
    link.receive(9999, &event("x1", "c1"));
    link.receive(5, &idle());
    link.receive(6, &idle());
    link.expect_told(&[
        "SystemStatus messagesLost",
        "Snapshot 2001 calls=0",
        "ServiceInitiatedEvent 2001 c1/d",
        "Snapshot 2002 calls=0",
        "Synchronised 2/0",
    ]);
}

#[test]
fn messages_lost_while_a_snapshot_is_out_void_it() {
    let mut link = snapshotting();
    link.receive(3, &system_status("messagesLost"));
    link.sent();
    link.receive(2, &idle());
    link.expect_told(&["SystemStatus messagesLost"]);
    link.expect_sent(&["0003 SnapshotDevice 2001"]);
}

#[test]
fn overload_slows_and_relief_restores() {
    let names: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let devices: Vec<&str> = names.iter().map(String::as_str).collect();
    for (status, in_flight) in [
        ("overloadImminent", 10),
        ("overloadReached", 5),
        ("overloadRelieved", 20),
        ("normal", 20),
    ] {
        let mut link = Link::open(Config::default(), &devices);
        link.receive(1, &system_status("overloadReached"));
        link.receive(1, &system_status(status));
        link.receive(0, SESSION);
        assert_eq!(link.client.stats().resync_in_flight, in_flight, "{status}");
    }
}

#[test]
fn the_slow_check_takes_each_device_in_its_turn() {
    let config = Config {
        check_period: Some(secs(20)),
        ..Config::default()
    };
    let mut link = Link::watching(config, &["2001", "2002"]);
    link.pass(secs(9));
    link.expect_sent(&[]);
    let mut order = Vec::new();
    for _ in 0..4 {
        link.pass(secs(10));
        for (id, request) in link.requests() {
            if let Request::SnapshotDevice(snapshot) = request {
                order.push(snapshot.snapshot_object.to_string());
                link.receive(id, &idle());
            }
        }
    }
    assert_eq!(order, ["2002", "2001", "2002", "2001"]);
}

#[test]
fn five_thousand_devices_are_done_in_ten_seconds_at_twenty_in_flight() {
    const ANSWER_TIME: Duration = Duration::from_millis(20);
    let names: Vec<String> = (0..5000).map(|n| format!("{n:04}")).collect();
    let devices: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut link = Link::started(Config::default(), &devices);
    let begin = link.now;
    let mut answers = VecDeque::new();
    let synchronised = loop {
        for (id, request) in link.requests() {
            let answer = match request {
                Request::MonitorStart(_) => monitor_started(&format!("x{}-{}", id, answers.len())),
                _ => idle(),
            };
            answers.push_back((link.now + ANSWER_TIME, id, answer));
        }
        assert!(answers.len() <= 20);
        let (at, id, answer) = answers.pop_front().expect("something is always out");
        link.now = at;
        link.receive(id, &answer);
        let done = std::iter::from_fn(|| link.client.poll_event())
            .any(|event| matches!(event, ClientEvent::Synchronised { devices: 5000, .. }));
        if done {
            break link.now - begin;
        }
    };
    assert_eq!(synchronised, Duration::from_secs(10));
    assert_eq!(link.client.stats().monitored, 5000);
    let none: [DeviceId; 0] = [];
    link.client.set_devices(none, link.now);
    assert_eq!(link.client.stats().monitored, 0);
}

#[test]
fn one_device_is_snapshotted_anew_when_asked_for_and_the_rest_left_alone() {
    let mut link = Link::started(Config::default(), &["2001"]);
    link.receive(1, &monitor_started("x1"));
    link.receive(2, &idle());
    link.sent();
    link.told();
    link.client.resnapshot(&DeviceId::new("2001"), link.now);
    link.client
        .resnapshot(&DeviceId::new("unheard-of"), link.now);
    link.expect_sent(&["0003 SnapshotDevice 2001"]);
    link.receive(3, &idle());
    link.expect_told(&["Snapshot 2001 calls=0"]);
}

#[test]
fn what_is_reported_during_a_later_snapshot_comes_before_it() {
    let mut link = Link::started(Config::default(), &["2001"]);
    link.receive(1, &monitor_started("x1"));
    link.receive(2, &idle());
    link.sent();
    link.told();
    link.client.resnapshot(&DeviceId::new("2001"), link.now);
    link.expect_sent(&["0003 SnapshotDevice 2001"]);
    link.receive(9999, &event("x1", "c4"));
    link.receive(3, &idle());
    link.expect_told(&["ServiceInitiatedEvent 2001 c4/d", "Snapshot 2001 calls=0"]);
}
