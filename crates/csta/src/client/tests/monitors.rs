//! Starting, losing and ending monitors.

use crate::DeviceId;
use crate::client::testing::{Link, error, event, idle, monitor_started, secs, system_status};
use crate::client::{Config, LATE_ANSWER_LIMIT};
use crate::message::Request;
use crate::message::monitoring::MonitorObject;

fn one_at_a_time() -> Config {
    Config {
        resync_in_flight_max: 1,
        ..Config::default()
    }
}

fn stop(cross_ref: &str) -> String {
    format!("<MonitorStop><monitorCrossRefID>{cross_ref}</monitorCrossRefID></MonitorStop>")
}

#[test]
fn monitors_each_device_and_snapshots_it_at_once() {
    let mut link = Link::started(one_at_a_time(), &["2001", "2002"]);
    link.expect_sent(&["0001 MonitorStart 2001"]);
    link.receive(1, &monitor_started("x1"));
    link.expect_sent(&["0002 SnapshotDevice 2001"]);
    link.receive(9999, &event("x1", "c1"));
    link.expect_told(&["Monitored 2001"]);
    link.receive(2, &idle());
    link.expect_told(&["Snapshot 2001 calls=0", "ServiceInitiatedEvent 2001 c1/d"]);
    link.receive(9999, &event("x1", "c2"));
    link.expect_told(&["ServiceInitiatedEvent 2001 c2/d"]);
    link.expect_sent(&["0003 MonitorStart 2002"]);
    link.receive(3, &monitor_started("x2"));
    link.receive(4, &idle());
    link.expect_told(&[
        "Monitored 2002",
        "Snapshot 2002 calls=0",
        "Synchronised 2/0",
    ]);
    let stats = link.client.stats();
    assert_eq!(
        (stats.devices, stats.monitored, stats.unmonitored),
        (2, 2, 0)
    );
    assert_eq!((stats.events, stats.resync_in_flight), (2, 0));
}

#[test]
fn keeps_events_that_overtake_the_answer_naming_their_monitor() {
    let mut link = Link::started(Config::default(), &["2001", "2002"]);
    link.receive(9999, &event("x2", "c1"));
    link.receive(9999, &event("x9", "c2"));
    link.receive(1, &monitor_started("x1"));
    link.receive(2, &monitor_started("x2"));
    link.receive(4, &idle());
    link.expect_told(&[
        "Monitored 2001",
        "Monitored 2002",
        "Snapshot 2002 calls=0",
        "ServiceInitiatedEvent 2002 c1/d",
    ]);
    // Nobody owns x9 now that no start is out.
    assert_eq!(link.client.stats().unknown_cross_refs, 1);
    link.receive(9999, &event("x9", "c3"));
    assert_eq!(link.client.stats().unknown_cross_refs, 2);
    assert_eq!(link.client.stats().events, 1);
}

#[test]
fn orphans_are_bounded() {
    let mut link = Link::started(Config::default(), &["2001"]);
    for i in 0..2000 {
        link.receive(9999, &event(&format!("x{i}"), "c"));
    }
    assert_eq!(link.client.stats().unknown_cross_refs, 2000 - 1024);
    link.receive(1, &monitor_started("x5"));
    assert_eq!(link.client.stats().unknown_cross_refs, 1999);
}

#[test]
fn an_unknown_device_is_tried_again_when_either_list_changes_or_the_slow_check_comes_to_it() {
    let mut link = Link::started(Config::default(), &["2001"]);
    link.sent();
    link.receive(1, &error("operation", "invalidDeviceID"));
    link.expect_told(&[
        "Unmonitored 2001 for good: monitor not started: refused: operation/invalidDeviceID: The PBX does not know the extension.",
        "Synchronised 1/1",
    ]);
    link.pass(secs(50));
    link.expect_sent(&[]);
    let refuse = |link: &mut Link, id: u16| {
        link.expect_sent(&[&format!("{id:04} MonitorStart 2001")]);
        link.receive(id, &error("operation", "invalidDeviceID"));
        // It is known to be so.
        link.expect_told(&["Synchronised 1/1"]);
        link.expect_sent(&[]);
    };
    link.client.set_devices([DeviceId::new("2001")], link.now);
    refuse(&mut link, 2);
    let devices = ["2001", "2002"].map(DeviceId::new);
    link.client.set_devices(devices, link.now);
    link.expect_sent(&["0003 MonitorStart 2001", "0004 MonitorStart 2002"]);
    link.receive(3, &monitor_started("x1"));
    assert_eq!(link.client.stats().unmonitored, 0);

    let checked = Config {
        check_period: Some(secs(20)),
        ..Config::default()
    };
    let mut link = Link::started(checked, &["2001"]);
    link.sent();
    link.receive(1, &error("operation", "invalidDeviceID"));
    link.told();
    link.pass(secs(21));
    let sent = link.sent();
    let started = sent
        .iter()
        .filter(|(_, message)| message.name() == "MonitorStart");
    assert_eq!(started.count(), 1, "{sent:?}");
}

#[test]
fn a_limit_makes_all_wait_and_each_time_longer() {
    let mut link = Link::started(one_at_a_time(), &["2001", "2002", "2003"]);
    link.sent();
    let limit = error("systemResourceAvailibility", "overallMonitorLimitExceeded");
    link.receive(1, &limit);
    let told = link.told();
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told[3], "Synchronised 3/3");
    link.expect_sent(&[]);
    link.pass(secs(30));
    link.expect_sent(&["0002 MonitorStart 2001"]);
    link.receive(2, &limit);
    link.pass(secs(29));
    link.receive(99, "<RequestSystemStatus/>");
    link.expect_sent(&["0099 RequestSystemStatusResponse"]);
    link.pass(secs(31));
    let sent = link.sent();
    assert!(
        sent.iter()
            .any(|(id, m)| *id == 4 && m.name() == "MonitorStart"),
        "{sent:?}"
    );
    link.expect_told(&[]);
    link.receive(4, &monitor_started("x1"));
    assert_eq!(link.told(), ["Monitored 2001"]);
}

#[test]
fn a_late_answer_is_adopted() {
    let mut link = Link::started(Config::default(), &["2001"]);
    link.pass(secs(10));
    link.expect_told(&[
        "Unmonitored 2001 for now: monitor not started: no answer in time",
        "Synchronised 1/1",
    ]);
    link.sent();
    link.receive(1, &monitor_started("x1"));
    link.expect_told(&["Monitored 2001"]);
    link.expect_sent(&["0002 SnapshotDevice 2001"]);
    link.receive(2, &idle());
    link.expect_told(&["Snapshot 2001 calls=0"]);
    link.pass(secs(25));
    link.expect_sent(&[]);
}

#[test]
fn a_late_answer_beside_a_second_start_is_stopped() {
    let mut link = Link::started(Config::default(), &["2001"]);
    link.pass(secs(20));
    link.expect_sent(&["0001 MonitorStart 2001", "0002 MonitorStart 2001"]);
    link.receive(1, &monitor_started("x1"));
    link.expect_sent(&["0003 MonitorStop x1"]);
    link.receive(2, &monitor_started("x2"));
    link.expect_sent(&["0004 SnapshotDevice 2001"]);
    assert!(LATE_ANSWER_LIMIT > secs(20));
}

#[test]
fn a_monitor_stopped_by_the_switching_function_is_answered_and_started_again() {
    let mut link = Link::watching(Config::default(), &["2001"]);
    link.receive(40, &stop("x1"));
    link.expect_sent(&["0040 MonitorStopResponse"]);
    link.expect_told(&["Unmonitored 2001 for now: monitor stopped by the switching function"]);
    link.pass(secs(9));
    link.expect_sent(&[]);
    link.pass(secs(1));
    link.expect_sent(&["0003 MonitorStart 2001"]);
    link.receive(3, &monitor_started("x2"));
    link.receive(4, &idle());
    link.expect_told(&["Monitored 2001", "Snapshot 2001 calls=0"]);
}

#[test]
fn a_monitor_stopped_before_its_snapshot_makes_the_answer_void() {
    let mut link = Link::started(Config::default(), &["2001"]);
    link.receive(1, &monitor_started("x1"));
    link.receive(40, &stop("x1"));
    link.receive(2, &idle());
    let told = link.told();
    assert!(
        !told.iter().any(|line| line.starts_with("Snapshot")),
        "{told:?}"
    );
    assert_eq!(link.client.stats().resync_in_flight, 0);
}

#[test]
fn a_reused_cross_reference_belongs_to_the_newer_monitor() {
    let mut link = Link::started(Config::default(), &["2001", "2002"]);
    link.receive(1, &monitor_started("x1"));
    link.receive(2, &monitor_started("x1"));
    link.expect_told(&[
        "Monitored 2001",
        "Unmonitored 2001 for now: monitor cross reference given to another monitor",
        "Monitored 2002",
    ]);
    assert_eq!(link.client.stats().monitored, 1);
}

#[test]
fn a_changed_list_stops_and_starts_only_the_difference() {
    let mut link = Link::watching(Config::default(), &["2001", "2002"]);
    let devices = ["2002", "2003"].map(DeviceId::new);
    link.client.set_devices(devices, link.now);
    link.expect_sent(&["0005 MonitorStop x1", "0006 MonitorStart 2003"]);
    link.expect_told(&["Unmonitored 2001 for good: no longer in the device list"]);
    link.receive(5, "<MonitorStopResponse/>");
    // One that leaves before its answer is stopped by the answer.
    link.client.set_devices([DeviceId::new("2002")], link.now);
    link.expect_told(&[
        "Unmonitored 2003 for good: no longer in the device list",
        "Synchronised 1/0",
    ]);
    link.receive(6, &monitor_started("x3"));
    link.expect_sent(&["0007 MonitorStop x3"]);
    link.receive(7, &error("operation", "invalidCrossRefID"));
    let stats = link.client.stats();
    assert_eq!(
        (stats.devices, stats.monitored, stats.resync_in_flight),
        (1, 1, 0)
    );
    link.expect_told(&[]);
}

#[test]
fn devices_are_taken_up_in_the_owners_order_each_once() {
    let config = one_at_a_time();
    let mut link = Link::started(config, &["2009", "2001", "2009", "2005"]);
    let mut order = Vec::new();
    loop {
        let requests = link.requests();
        let Some((id, request)) = requests.into_iter().next() else {
            break;
        };
        match request {
            Request::MonitorStart(start) => {
                if let MonitorObject::Device(device) = start.monitor_object {
                    order.push(device.to_string());
                }
                link.receive(id, &monitor_started(&format!("x{id}")));
            }
            _ => link.receive(id, &idle()),
        }
    }
    assert_eq!(order, ["2009", "2001", "2005"]);
    let longer = ["2009", "2008", "2001", "2000"].map(DeviceId::new);
    link.client.set_devices(longer, link.now);
    let sent = link.requests();
    assert!(matches!(sent[0].1, Request::MonitorStop(_)), "{sent:?}");
    link.receive(sent[0].0, "<MonitorStopResponse/>");
    link.expect_sent(&["0008 MonitorStart 2008"]);
}

#[test]
fn a_switching_function_back_in_service_has_every_monitor_started_anew() {
    let mut link = Link::watching(Config::default(), &["2001", "2002"]);
    link.receive(3, &system_status("enabled"));
    link.expect_sent(&[
        "0003 SystemStatusResponse",
        "0005 MonitorStop x1",
        "0006 MonitorStop x2",
        "0007 MonitorStart 2001",
        "0008 MonitorStart 2002",
    ]);
    link.expect_told(&["SystemStatus enabled"]);
    // The one is gone, the other was still there: both are over.
    link.receive(5, &error("operation", "invalidCrossRefID"));
    link.receive(6, "<MonitorStopResponse/>");
    // A switching function that counts anew gives old cross references again.
    link.receive(7, &monitor_started("x1"));
    link.receive(8, &monitor_started("x3"));
    link.expect_sent(&["0009 SnapshotDevice 2001", "0010 SnapshotDevice 2002"]);
    link.receive(9999, &event("x1", "c1"));
    link.receive(9, &idle());
    link.receive(10, &idle());
    link.expect_told(&[
        "Monitored 2001",
        "Monitored 2002",
        "Snapshot 2001 calls=0",
        "ServiceInitiatedEvent 2001 c1/d",
        "Snapshot 2002 calls=0",
        "Synchronised 2/0",
    ]);
    let stats = link.client.stats();
    assert_eq!((stats.monitored, stats.resync_in_flight), (2, 0));
}

#[test]
fn a_restart_in_the_midst_of_everything_ends_with_one_monitor_each() {
    let devices = ["2001", "2002", "2003", "2004"];
    let mut link = Link::started(Config::default(), &devices);
    // 2001 collects segments, 2002 has its snapshot out, 2003 was refused, 2004 is being started.
    link.receive(1, &monitor_started("x1"));
    link.receive(2, &monitor_started("x2"));
    link.receive(3, &error("operation", "invalidDeviceID"));
    link.receive(
        5,
        "<SnapshotDeviceResponse><crossRefIDorSnapshotData><serviceCrossRefID>k</serviceCrossRefID>\
         </crossRefIDorSnapshotData></SnapshotDeviceResponse>",
    );
    link.sent();
    link.receive(9, &system_status("enabled"));
    link.expect_sent(&[
        "0009 SystemStatusResponse",
        "0007 MonitorStop x1",
        "0008 MonitorStop x2",
        "0009 MonitorStart 2001",
        "0010 MonitorStart 2002",
    ]);
    // The snapshot that was out is void now.
    link.receive(6, &idle());
    link.receive(4, &monitor_started("x4"));
    for id in [7, 8] {
        link.receive(id, "<MonitorStopResponse/>");
    }
    link.receive(9, &monitor_started("x5"));
    link.receive(10, &monitor_started("x6"));
    for (id, request) in link.requests() {
        assert!(matches!(request, Request::SnapshotDevice(_)));
        link.receive(id, &idle());
    }
    let told = link.told();
    assert_eq!(told.last().map(String::as_str), Some("Synchronised 4/1"));
    let snapshots = told.iter().filter(|line| line.starts_with("Snapshot"));
    assert_eq!(snapshots.count(), 3);
    let stats = link.client.stats();
    assert_eq!((stats.monitored, stats.resync_in_flight), (3, 0));
}

#[test]
fn a_monitor_stop_that_nobody_answers_is_repeated() {
    let mut link = Link::watching(Config::default(), &["2001"]);
    let none: [DeviceId; 0] = [];
    link.client.set_devices(none, link.now);
    link.expect_sent(&["0003 MonitorStop x1"]);
    link.pass(secs(10));
    link.expect_sent(&["0004 MonitorStop x1"]);
    link.pass(secs(10));
    link.expect_sent(&["0005 MonitorStop x1"]);
    link.receive(5, &error("operation", "invalidCrossRefID"));
    link.pass(secs(25));
    link.expect_sent(&[]);

    let mut link = Link::watching(Config::default(), &["2001"]);
    let none: [DeviceId; 0] = [];
    link.client.set_devices(none, link.now);
    link.pass(secs(50));
    assert_eq!(link.sent().len(), 3, "given up after three");
    assert_eq!(link.client.stats().resync_in_flight, 0);
}

#[test]
fn a_stop_is_not_repeated_when_its_cross_reference_is_another_monitors() {
    let mut link = Link::watching(Config::default(), &["2001"]);
    link.client.set_devices([DeviceId::new("2002")], link.now);
    link.expect_sent(&["0003 MonitorStop x1", "0004 MonitorStart 2002"]);
    link.receive(4, &monitor_started("x1"));
    link.receive(5, &idle());
    link.pass(secs(10));
    link.expect_sent(&["0005 SnapshotDevice 2002"]);
    assert_eq!(link.client.stats().monitored, 1);
}
