//! Who is in a conversation, as each change and each leg tells.

use cloud_uplink::event::{Direction, LegChange};
use csta::message::snapshot::{SnapshotDevices, Source};
use csta::message::{SnapshotCallResponse, SnapshotDeviceInfo};
use csta::{DeviceId, Event, LocalConnectionState as State};

use crate::harness::{Bench, connection};
use crate::script::{event_of, feed};

/// Feeds events; gives the extension and the other parties of each change.
fn peers(bench: &mut Bench, lines: &str) -> Vec<String> {
    feed(bench, lines);
    let line = |it: &LegChange| format!("{}: {}", it.leg.device, it.peers.join(" "));
    let told = bench.changes.iter().map(line).collect();
    bench.changes.clear();
    told
}

#[test]
fn parties_follow_holds_transfers_and_ends() {
    let mut bench = Bench::new(&["2001", "2002", "2003"]);
    let told = peers(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2001 < established C1/2002 connected
         2001 < held C1/2001 hold
         2001 < originated C2/2001 connected to=2003
         2003 < delivered C2/2003 alerting to=2003
         2003 < established C2/2003 connected to=2003",
    );
    let expected = [
        "2001: 2002", // dialled
        "2002: 2001",
        "2002: 2001",
        "2001: 2002",
        "2001: 2003",
        "2003: 2001",
        "2003: 2001",
    ];
    assert_eq!(told, expected);
    let transferred = "transferred C1/2001 C2/2001 to=2003 connected
        [C3/2002<C1/2002 C3/2003<C2/2003]";
    let line = format!("2002 < {}", transferred.replace('\n', " "));
    let told = peers(&mut bench, &line);
    assert_eq!(told[told.len() - 2..], ["2003: 2002", "2002: 2003"]);
    let last = bench.leg("C3", "2002").unwrap();
    assert_eq!(last.to.as_deref(), Some("2002"), "the first parties stay");
    assert_eq!(last.party, None);
    let told = peers(&mut bench, "2003 < cleared C3/2003 null");
    assert_eq!(told, ["2003: 2002"]);
    assert_eq!(peers(&mut bench, "2002 < cleared C3/2002 null"), ["2002: "]);
}

#[test]
fn a_caller_without_a_leg_is_a_party_until_it_leaves_or_the_call_is_moved() {
    let ring = "2002 < delivered C1/2002 alerting from=4711
                2002 < established C1/2002 connected from=4711";
    let mut bench = Bench::new(&["2002", "2003"]);
    assert_eq!(peers(&mut bench, ring), ["2002: 4711", "2002: 4711"]);
    let leg = bench.leg("C1", "2002").unwrap();
    assert_eq!(leg.party.as_deref(), Some("4711"));
    bench.restart();
    assert_eq!(
        peers(&mut bench, "2002 < held C1/2002 hold"),
        ["2002: 4711"]
    );
    peers(&mut bench, "2002 < cleared C1/4711 hold");
    let told = peers(&mut bench, "2002 < cleared C1/2002 null");
    assert_eq!(told, ["2002: "], "the caller had left");

    let mut bench = Bench::new(&["2002", "2003"]);
    feed(&mut bench, ring);
    feed(
        &mut bench,
        "2002 < held C1/2002 hold
         2002 < originated C2/2002 connected from=2002 to=2003
         2003 < delivered C2/2003 alerting from=2002 to=2003
         2003 < established C2/2003 connected from=2002 to=2003",
    );
    bench.changes.clear();
    let told = peers(
        &mut bench,
        "2003 < transferred C1/2002 C2/2002 to=2003 connected [C3/4711<C1/4711 C3/2003<C2/2003]",
    );
    assert_eq!(told[told.len() - 2..], ["2003: 4711", "4711: 2003"]);
}

#[test]
fn a_conference_and_a_fork_name_each_other_party_once() {
    let mut bench = Bench::new(&["2002", "2003"]);
    let told = peers(
        &mut bench,
        "2002 < delivered C1/2002!1 alerting from=4711
         2002 < delivered C1/2002!2 alerting from=4711
         2003 < delivered C1/2003 alerting from=4711",
    );
    assert_eq!(told, ["2002: 4711", "2003: 4711 2002"]);
}

#[test]
fn a_diversion_says_where_to() {
    let mut bench = Bench::new(&["2002"]);
    feed(
        &mut bench,
        "2002 < delivered C1/2002 alerting from=4711
         2002 < diverted C1/2002 null goes=2003 why=callForward
         2002 < diverted C2/2002 null goes=2004 why=callForwardImmediate",
    );
    let told = bench.changes.iter().map(|it| it.diverted_to.as_deref());
    let told: Vec<_> = told.collect();
    assert_eq!(told, [None, Some("2003"), Some("2004")]);
}

/// The answer that lists those connections (`C1/2001`).
fn call_snapshot(listed: &[(&str, State)]) -> SnapshotCallResponse {
    let item = |(id, state): &(&str, State)| {
        let (call, device) = id.split_once('/').unwrap();
        SnapshotDeviceInfo {
            call_identifier: Some(connection(call, device)),
            local_connection_info: Some(*state),
            ..SnapshotDeviceInfo::new(DeviceId::new(device).into())
        }
    };
    let listed = SnapshotDevices(listed.iter().map(item).collect());
    SnapshotCallResponse {
        data: Some(Source::Inline(listed)),
        ..SnapshotCallResponse::new()
    }
}

#[test]
fn the_parties_of_a_call_that_was_there_before_are_asked_for_once() {
    let mut bench = Bench::new(&["2001", "2002"]);
    bench.snapshot("2001", &[("C1", &[State::Connected, State::Connected])]);
    bench.snapshot("2002", &[]);
    assert_eq!(
        bench.registry.poll_wanted_call(),
        None,
        "not in the midst of it"
    );
    let now = bench.now();
    bench.registry.handle_synchronised(now);
    let wanted = bench.registry.poll_wanted_call().unwrap();
    assert_eq!(wanted, connection("C1", "2001"));
    let answer = call_snapshot(&[("C1/2001", State::Connected), ("C1/4711", State::Connected)]);
    bench.registry.handle_call_snapshot(&wanted, &answer, now);
    bench.drain();
    let told: Vec<_> = bench
        .changes
        .iter()
        .map(|it| (it.leg.device.as_str(), &it.peers))
        .collect();
    assert_eq!(told[1], ("4711", &vec!["2001".to_owned()]));
    assert_eq!(
        bench.leg("C1", "2001").unwrap().from,
        None,
        "nobody told who calls"
    );
    let published = bench.changes.len();
    bench.registry.handle_call_snapshot(&wanted, &answer, now);
    bench.registry.handle_synchronised(now);
    bench.drain();
    assert_eq!(bench.changes.len(), published);
    assert_eq!(bench.registry.poll_wanted_call(), None);
    feed(&mut bench, "2001 < cleared C1/2001 null");
    assert_eq!(bench.records()[0].parties, ["4711"]);
}

#[test]
fn a_question_that_the_link_took_along_is_asked_again() {
    let mut bench = Bench::new(&["2001"]);
    for _ in 0..2 {
        bench.snapshot("2001", &[("C1", &[State::Connected, State::Connected])]);
        let now = bench.now();
        bench.registry.handle_synchronised(now);
        let wanted = bench.registry.poll_wanted_call();
        assert_eq!(wanted, Some(connection("C1", "2001")));
        bench.registry.handle_link_down("cut", now);
        bench.registry.handle_link_up(now);
    }
}

#[test]
fn a_question_without_an_answer_is_asked_again_after_the_next_synchronisation() {
    let mut bench = Bench::new(&["2001"]);
    bench.snapshot("2001", &[("C1", &[State::Connected, State::Connected])]);
    let now = bench.now();
    bench.registry.handle_synchronised(now);
    let wanted = bench.registry.poll_wanted_call().unwrap();
    bench.registry.handle_call_unanswered(&wanted);
    assert_eq!(bench.registry.poll_wanted_call(), None, "not at once");
    bench.registry.handle_synchronised(now);
    assert_eq!(bench.registry.poll_wanted_call(), Some(wanted));
}

#[test]
fn who_calls_is_told_by_a_snapshot_of_the_call_where_the_others_wait() {
    let mut bench = Bench::new(&["2001"]);
    // Three states leave open whose they are.
    bench.snapshot(
        "2001",
        &[("C1", &[State::Alerting, State::Connected, State::Alerting])],
    );
    let now = bench.now();
    bench.registry.handle_synchronised(now);
    let wanted = bench.registry.poll_wanted_call().unwrap();
    let answer = call_snapshot(&[
        ("C1/2001", State::Alerting),
        ("C1/4711", State::Connected),
        ("C1/4712", State::Alerting),
    ]);
    bench.registry.handle_call_snapshot(&wanted, &answer, now);
    bench.drain();
    let last = bench.registry.legs_of_endpoint("2001").remove(0);
    assert_eq!(last.from.as_deref(), Some("4711"));
    let caller = bench.leg("C1", "4711").unwrap();
    assert_eq!(caller.direction, Direction::Outbound);
    feed(&mut bench, "2001 < cleared C1/2001 null");
    assert!(bench.view.is_empty(), "nobody is followed in it any longer");
}

#[test]
fn who_is_behind_a_network_interface_may_be_told_after_it_was_reached() {
    let mut bench = Bench::new(&["2001"]);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2001 < reached C1/T5 connected by=2002",
    );
    let mut rings = event_of("delivered C1/T5 connected by=2002");
    if let Event::Delivered(delivered) = &mut rings {
        delivered.alerting_device = Some(DeviceId::new("0474").into());
    }
    bench.event("2001", &rings);
    let others = bench.view.values().filter(|leg| leg.device != "2001");
    let others: Vec<_> = others.map(|leg| leg.device.as_str()).collect();
    assert_eq!(others, ["0474"]);
}
