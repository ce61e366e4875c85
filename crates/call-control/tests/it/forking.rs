//! Terminals of one number: one ringing leg, one answer, no phantom clears.

use crate::harness::Bench;
use crate::script::{feed, trace};

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
    bench.now_ms += call_control::registry::FORK_WINDOW_MS + 1;
    feed(&mut bench, "2002 < delivered C3/2002!T2 alerting from=2001");
    assert_eq!(bench.traced(), ["3 2002 delivered alerting"]);
    // The same terminal twice is two calls.
    feed(&mut bench, "2002 < delivered C4/2002!T2 alerting from=2001");
    assert_eq!(bench.traced(), ["4 2002 delivered alerting"]);
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
    assert!(bench.traced().is_empty());
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
