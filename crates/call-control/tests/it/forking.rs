//! Terminals of one number: one ringing leg, one answer, no phantom clears.

use call_control::registry::FORK_WINDOW_MS;
use cloud_uplink::{LegState, LegView};
use csta::message::SnapshotCallInfo;
use csta::value::{HexBinary, OpaqueData, Raw};
use csta::{CallState, DeviceId, Event, ExtendedDeviceId};

use crate::harness::{Bench, connection};
use crate::script::{event_of, feed, trace};

#[test]
fn one_connection_for_the_number() {
    let lines = trace(
        &["2002"],
        "2002 < delivered C1/2002 alerting
         2002 < established C1/2002 connected
         2002 < cleared C1/2002 null",
    );
    assert_eq!(
        lines,
        [
            "1 2002 delivered alerting",
            "1 2002 established connected",
            "1 2002 cleared cleared"
        ]
    );
}

/// What eight terminals report, and the ends of those that lost.
fn race(key: impl Fn(usize) -> String, end: &str) -> (String, String) {
    let ring = |n| {
        format!(
            "2002 < delivered {}/2002!T{n} alerting why=multipleAlerting\n",
            key(n)
        )
    };
    let lose = |n| format!("2002 < {end} {}/2002!T{n} null\n", key(n));
    let others = (1..=8).filter(|n| *n != 3);
    ((1..=8).map(ring).collect(), others.map(lose).collect())
}

#[test]
fn a_connection_or_a_call_for_each_of_eight_terminals() {
    let one_call = |_| "C1".to_owned();
    let own_calls = |n| format!("C{n}");
    for end in ["cleared", "diverted"] {
        for (ring, lose) in [race(one_call, end), race(own_calls, end)] {
            let key = if ring.contains("C3") { "C3" } else { "C1" };
            for lost_first in [false, true] {
                let mut bench = Bench::new(&["2002"]);
                feed(&mut bench, &ring);
                assert_eq!(bench.traced(), ["1 2002 delivered alerting"]);
                assert_eq!(bench.registry.stats().legs, 8);
                let answer = format!("2002 < established {key}/2002!T3 connected");
                let (first, then) = if lost_first {
                    (&lose, &answer)
                } else {
                    (&answer, &lose)
                };
                feed(&mut bench, first);
                feed(&mut bench, then);
                assert_eq!(bench.traced(), ["1 2002 established connected"]);
                let leg = bench.view.values().next().unwrap();
                assert_eq!(
                    (leg.pbx.call_id.as_str(), leg.pbx.device_id.as_str()),
                    (key, "N<2002!T3>")
                );
                feed(&mut bench, &format!("2002 < cleared {key}/2002!T3 null"));
                assert_eq!(bench.traced(), ["1 2002 cleared cleared"]);
                assert_eq!(bench.records().len(), 1);
                assert_eq!(bench.registry.stats().legs, 0);
            }
        }
    }
}

#[test]
fn a_followed_caller_goes_on_in_the_call_of_the_terminal_that_is_left() {
    let ring = "2001 < originated C1/2001 connected
        2002 < delivered C1/2002!1 alerting why=multipleAlerting
        2002 < offered C2/2002!2 alerting why=multipleAlerting
        2002 < delivered C2/2002!2 alerting why=multipleAlerting
        2001 < delivered C2/2002!2 connected why=multipleAlerting
        2001 < offered C3/2002!3 connected why=multipleAlerting\n";
    let lost = |call: u8| {
        format!("2002 < cleared C{call}/2002!{call} null\n2001 < cleared C{call}/2001 null\n")
    };
    let answer = "2002 < established C3/2002!3 connected
        2001 < established C3/2002!3 connected\n"
        .to_owned();
    for lines in [
        [lost(1), lost(2), answer.clone()],
        [lost(1), answer.clone(), lost(2)],
        [answer, lost(2), lost(1)],
    ] {
        let mut bench = Bench::new(&["2001", "2002"]);
        feed(&mut bench, &(ring.to_owned() + &lines.concat()));
        assert_eq!(
            bench.traced(),
            [
                "1 2001 originated connected",
                "1 2002 delivered alerting",
                "1 2002 established connected"
            ]
        );
        let stands = |leg: &LegView| leg.device == "2001" && leg.pbx.call_id == "C3";
        assert!(bench.registry.legs().any(|leg| stands(&leg)), "{lines:?}");
        feed(
            &mut bench,
            "2001 < cleared C3/2001 null\n2002 < cleared C3/2002!3 null",
        );
        assert_eq!(bench.records().len(), 2);
        assert_eq!(bench.registry.stats().legs, 0);
    }
    // Who hangs up leaves one call after the other.
    let mut bench = Bench::new(&["2001", "2002"]);
    feed(&mut bench, ring);
    feed(
        &mut bench,
        "2001 < cleared C1/2001 null\n2001 < cleared C2/2001 null\n2001 < cleared C3/2001 null",
    );
    assert!(bench.registry.legs().all(|leg| leg.device != "2001"));
}

#[test]
fn a_transferred_call_rings_at_all_terminals_in_one_conversation() {
    let mut bench = Bench::new(&["2001", "2002", "2003"]);
    feed(
        &mut bench,
        "2003 < originated C1/2003 connected from=2003 to=2001
         2001 < delivered C1/2001 alerting from=2003 to=2001
         2001 < established C1/2001 connected from=2003 to=2001
         2001 < transferred C1/2001 to=2002 null [C2/2003<C1/2003 C2/2002]
         2002 < delivered C2/2002!1 alerting from=2003 to=2002
         2002 < delivered C3/2002!2 alerting from=2003 to=2002",
    );
    let legs = bench.registry.legs();
    assert_eq!(legs.filter(|leg| leg.device == "2002").count(), 1);
}

#[test]
fn nobody_answers_at_any_terminal() {
    let (ring, lose) = race(|n| format!("C{n}"), "cleared");
    let mut bench = Bench::new(&["2002"]);
    feed(&mut bench, &(ring + &lose));
    assert_eq!(bench.traced(), ["1 2002 delivered alerting"]);
    feed(&mut bench, "2002 < cleared C3/2002!T3 null");
    assert_eq!(bench.traced(), ["1 2002 cleared cleared"]);
    let records = bench.records();
    assert_eq!(records.len(), 1);
    assert_eq!(
        records[0].outcome,
        cloud_uplink::record::CallOutcome::Missed
    );
}

#[test]
fn calls_of_different_callers_or_times_are_different_conversations() {
    let mut bench = Bench::new(&["2002"]);
    feed(
        &mut bench,
        "2002 < delivered C1/2002!T1 alerting from=2001
         2002 < delivered C2/2002!T2 alerting from=2003",
    );
    assert_eq!(
        bench.traced(),
        ["1 2002 delivered alerting", "2 2002 delivered alerting"]
    );
    bench.now_ms += FORK_WINDOW_MS + 1;
    feed(&mut bench, "2002 < delivered C3/2002!T2 alerting from=2001");
    assert_eq!(bench.traced(), ["3 2002 delivered alerting"]);
    // The same terminal twice is two calls.
    feed(&mut bench, "2002 < delivered C4/2002!T2 alerting from=2001");
    assert_eq!(bench.traced(), ["4 2002 delivered alerting"]);
}

/// A call that rings at a terminal of 2002: its caller, if told, and what else tells whose it is.
fn ring(call: &str, terminal: &str, from: &str, told: &str) -> Event {
    let line = format!("delivered {call}/2002!{terminal} alerting from={from}");
    let Event::Delivered(mut event) = event_of(&line) else {
        panic!("no delivered event");
    };
    if from.is_empty() {
        event.calling_device = Some(ExtendedDeviceId::Restricted);
    }
    for (name, value) in told.split_whitespace().filter_map(|it| it.split_once('=')) {
        match name {
            "link" => event.call_linkage_data = Some(linkage(value)),
            "thread" => {
                let id = format!(
                    "<threadLinkageID><subDomainThreadID>{value}</subDomainThreadID></threadLinkageID>"
                );
                event.call_linkage_data = Some(Raw::new(format!("<threadData>{id}</threadData>")));
            }
            "line" => event.originating_nid_connection = Some(connection(call, value)),
            "trunk" => {
                let (call, line) = value.split_once('/').unwrap();
                event.originating_nid_connection = Some(connection(call, line));
            }
            _ => event.correlator_data = Some(OpaqueData::Octets(HexBinary(value.into()))),
        }
    }
    event.into()
}

fn linkage(id: &str) -> Raw {
    let id = format!("<globallyUniqueCallLinkageID>{id}</globallyUniqueCallLinkageID>");
    let id = format!("<globalCallLinkageID>{id}</globalCallLinkageID>");
    Raw::new(format!("<globalCallData>{id}</globalCallData>"))
}

/// Each case: what two calls at two terminals tell (caller, then the rest), how far apart they begin in
/// milliseconds, and whether they are one conversation.
#[test]
fn what_is_told_of_two_calls_says_whether_their_caller_is_one() {
    for (one, other, apart_ms, same) in [
        // Nothing but the caller: the window decides.
        ("0301", "0301", 0, true),
        ("0301", "0301", FORK_WINDOW_MS + 1, false),
        ("0301", "0302", 0, false),
        ("0301", "", 0, false),
        // Nor is there anything else of callers that withhold their number.
        ("", "", 0, true),
        ("", "", FORK_WINDOW_MS + 1, false),
        // What is the same lasts beyond the window, what is not parts within it.
        (" link=A", " link=A", 60_000, true),
        (" link=A", " link=B", 0, false),
        ("0301 link=A", "0301 link=A", 60_000, true),
        ("0301 link=A", "0301 link=B", 0, false),
        (" thread=A", " thread=A", 60_000, true),
        (" thread=A", " thread=B", 0, false),
        (" link=A trunk=N1/T1", " link=A trunk=N2/T2", 60_000, true),
        (" trunk=N1/T1", " trunk=N1/T1", 60_000, true),
        (" trunk=N1/T1", " trunk=N2/T2", 0, false),
        // A group of lines: the same device does not tell, another one does.
        (" line=T1", " line=T1", 0, true),
        (" line=T1", " line=T1", FORK_WINDOW_MS + 1, false),
        (" line=T1", " line=T2", 0, false),
        (" data=ab", " data=ab", 60_000, true),
        (" data=ab", " data=cd", 0, false),
        // What only one of them tells decides nothing.
        (" link=A", " line=T1", 0, true),
        ("0301 data=ab", "0301", FORK_WINDOW_MS + 1, false),
    ] {
        let mut bench = Bench::new(&["2002"]);
        let split = |told: &'static str| told.split_once(' ').unwrap_or((told, ""));
        let ((from, told), (other_from, other_told)) = (split(one), split(other));
        bench.event("2002", &ring("C1", "T1", from, told));
        bench.now_ms += apart_ms;
        bench.event("2002", &ring("C2", "T2", other_from, other_told));
        let expected = if same { 1 } else { 2 };
        assert_eq!(
            bench.traced().len(),
            expected,
            "{one:?} {other:?} {apart_ms}"
        );
        assert_eq!(bench.registry.stats().calls, expected);
    }
}

#[test]
fn two_callers_at_once_ring_in_two_conversations_whatever_the_order() {
    // Caller A is calls 1 and 3, caller B 2 and 4; each rings at both terminals.
    for told in [["", ""], [" link=A", " link=B"], [" line=T1", " line=T2"]] {
        let [a, b] = told.map(str::trim);
        let calls = [
            ("C1", "T1", a),
            ("C2", "T1", b),
            ("C3", "T2", a),
            ("C4", "T2", b),
        ];
        let orders: &[[usize; 4]] = match a {
            // Without a difference the calls of each caller must begin in the same order.
            "" => &[[0, 1, 2, 3], [0, 2, 1, 3]],
            _ => &[[0, 1, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2], [0, 3, 2, 1]],
        };
        for order in orders {
            let mut bench = Bench::new(&["2002"]);
            for index in order {
                let (call, terminal, told) = calls[*index];
                bench.event("2002", &ring(call, terminal, "", told));
            }
            let mut rung = bench.traced();
            rung.sort();
            assert_eq!(
                rung,
                ["1 2002 delivered alerting", "2 2002 delivered alerting"]
            );
            // A is answered at T2 and its other call ends; B goes on ringing at both.
            feed(
                &mut bench,
                "2002 < established C3/2002!T2 connected from=
                 2002 < cleared C1/2002!T1 null",
            );
            assert_eq!(
                bench.traced(),
                ["1 2002 established connected"],
                "{a:?} {order:?}"
            );
            feed(&mut bench, "2002 < cleared C2/2002!T1 null");
            assert_eq!(bench.traced(), [""; 0]);
            feed(&mut bench, "2002 < cleared C4/2002!T2 null");
            assert_eq!(bench.traced(), ["2 2002 cleared cleared"]);
        }
    }
}

#[test]
fn a_followed_caller_rings_at_a_late_terminal_in_the_same_conversation() {
    let mut bench = Bench::new(&["2001", "2002"]);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002!T1 alerting",
    );
    bench.now_ms += 5 * FORK_WINDOW_MS;
    feed(&mut bench, "2002 < delivered C2/2002!T2 alerting");
    assert_eq!(
        bench.traced(),
        ["1 2001 originated connected", "1 2002 delivered alerting"]
    );
}

#[test]
fn a_first_snapshot_tells_callers_apart_by_linkage_or_as_soon_as_they_are_known() {
    use csta::LocalConnectionState::{Alerting, Connected};
    let rings = |link: Option<&str>, call: &str, terminal: &str| SnapshotCallInfo {
        local_call_state: Some(CallState::Compound(vec![Alerting, Connected])),
        call_linkage_data: link.map(linkage),
        ..SnapshotCallInfo::new(connection(call, &format!("N<2002!{terminal}>")))
    };
    let begin = |first: Option<&str>, second: Option<&str>| {
        let mut bench = Bench::new(&["2001", "2002", "2003"]);
        let listed = [rings(first, "C1", "T1"), rings(second, "C2", "T2")];
        let now = bench.now();
        bench
            .registry
            .handle_snapshot(&DeviceId::new("2002"), &listed, now);
        bench.drain();
        bench
    };
    let one = "~1 2002 delivered alerting";
    let two = "~2 2002 delivered alerting";
    assert_eq!(begin(Some("A"), Some("A")).traced(), [one]);
    assert_eq!(begin(Some("A"), Some("B")).traced(), [one, two]);
    // Nothing is told at first; then the callers' snapshots come, in either order.
    for callers in [
        [("C1", "2001"), ("C2", "2003")],
        [("C2", "2003"), ("C1", "2001")],
    ] {
        let mut bench = begin(None, None);
        assert_eq!(bench.traced(), [one]);
        for (call, caller) in callers {
            bench.snapshot(caller, &[(call, &[Connected, Alerting])]);
        }
        let known = bench.traced();
        assert_eq!(known.len(), 3, "{known:?}");
        assert!(known.contains(&two.to_owned()), "{known:?}");
        let calls = |number: &str| bench.registry.legs_of_endpoint(number)[0].call_id;
        assert_ne!(calls("2001"), calls("2003"));
        feed(
            &mut bench,
            "2002 < established C1/2002!T1 connected from=2001",
        );
        assert_eq!(bench.registry.legs_of_endpoint("2002").len(), 2);
    }
    // Or an event tells the second caller.
    let mut bench = begin(None, None);
    bench.snapshot("2001", &[("C1", &[Connected, Alerting])]);
    feed(
        &mut bench,
        "2002 < established C2/2002!T2 connected from=0301",
    );
    let legs = bench.registry.legs_of_endpoint("2002");
    let mut states: Vec<_> = legs
        .iter()
        .map(|leg| (leg.from.as_deref(), leg.state))
        .collect();
    states.sort_by_key(|(from, _)| *from);
    assert_eq!(
        states,
        [
            (Some("0301"), LegState::Connected),
            (Some("2001"), LegState::Alerting)
        ]
    );
}

#[test]
fn goes_on_at_another_terminal_after_a_restart() {
    use csta::LocalConnectionState::{Alerting, Connected};
    let mut bench = Bench::new(&["2002"]);
    feed(
        &mut bench,
        "2002 < delivered C1/2002!T1 alerting
         2002 < delivered C1/2002!T2 alerting",
    );
    bench.traced();
    bench.restart();
    bench.snapshot_terminals("2002", &[("C1/N<2002!T2>", &[Alerting, Connected])]);
    assert_eq!(bench.traced(), ["~1 2002 confirmed alerting"]);
    bench.snapshot_terminals("2002", &[("C1/N<2002!T2>", &[Connected, Connected])]);
    assert_eq!(bench.traced(), ["~1 2002 established connected"]);
}

#[test]
fn a_snapshot_of_several_terminals_is_one_leg() {
    use csta::LocalConnectionState::{Alerting, Connected};
    for keys in [["C1", "C1"], ["C1", "C2"]] {
        let mut bench = Bench::new(&["2002"]);
        let items = [
            format!("{}/N<2002!T1>", keys[0]),
            format!("{}/N<2002!T2>", keys[1]),
        ];
        let listed: Vec<_> = items
            .iter()
            .map(|it| (it.as_str(), &[Alerting, Connected][..]))
            .collect();
        bench.snapshot_terminals("2002", &listed);
        bench.snapshot_terminals("2002", &listed);
        assert_eq!(bench.traced(), ["~1 2002 delivered alerting"], "{keys:?}");
    }
}

#[test]
fn who_is_connected_in_two_calls_that_ring_is_the_caller_of_one() {
    use csta::LocalConnectionState::{Alerting, Connected};
    let mut bench = Bench::new(&["2001", "2002"]);
    let rings = &[Connected, Alerting][..];
    bench.snapshot("2001", &[("C1", rings), ("C2", rings)]);
    assert_eq!(bench.traced(), ["~1 2001 originated connected"]);
    feed(
        &mut bench,
        "2002 < delivered C1/2002!T1 alerting
         2002 < delivered C2/2002!T2 alerting
         2002 < cleared C1/2002!T1 null
         2001 < cleared C1/2002!T1 connected
         2001 < cleared C1/2001 null
         2002 < established C2/2002!T2 connected",
    );
    assert_eq!(
        bench.traced(),
        ["1 2002 delivered alerting", "1 2002 established connected"]
    );
}

#[test]
fn a_call_that_comes_back_to_who_made_it_rings_at_all_terminals_in_one_conversation() {
    let mut bench = Bench::new(&["2001", "2002"]);
    feed(
        &mut bench,
        "2001 < originated C1/2001!T1 connected
         2002 < delivered C1/2002 alerting
         2001 < cleared C1/2001!T1 null
         2002 < diverted C1/2002 null goes=2001",
    );
    bench.traced();
    feed(
        &mut bench,
        "2001 < delivered C1/2001!T1 alerting by=2002
         2001 < delivered C2/2001!T2 alerting by=2002",
    );
    assert_eq!(bench.traced(), ["1 2001 delivered alerting"]);
}
