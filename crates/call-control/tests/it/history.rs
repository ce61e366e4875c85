//! Call records: how a call ended for each user.

use cloud_uplink::CallRecord;
use cloud_uplink::record::CallOutcome;
use csta::LocalConnectionState as State;

use crate::harness::Bench;
use crate::script::feed;

fn outcomes(records: &[CallRecord]) -> Vec<(&str, CallOutcome)> {
    let told = records.iter();
    told.map(|it| (it.endpoint_id.as_str(), it.outcome))
        .collect()
}

#[test]
fn how_a_call_ended_for_each_user() {
    use CallOutcome::{
        Abandoned, Answered, AnsweredElsewhere, Busy, Diverted, Failed, Missed, NoAnswer,
    };
    let rings = "2001 < originated C1/2001 connected\n2002 < delivered C1/2002 alerting\n";
    let ends = "2002 < cleared C1/2002 null\n2001 < cleared C1/2001 null\n";
    let alone = "2001 < originated C1/2001 connected\n";
    type Expected<'a> = &'a [(&'a str, CallOutcome)];
    let cases: &[(String, Expected<'_>)] = &[
        (
            [rings, "2002 < established C1/2002 connected\n", ends].concat(),
            &[("2002", Answered), ("2001", Answered)],
        ),
        ([rings, ends].concat(), &[("2002", Missed), ("2001", NoAnswer)]),
        (
            [alone, "2001 < failed C1/2002 connected why=busy\n2001 < cleared C1/2001 null"].concat(),
            &[("2001", Busy), ("2002", Missed)],
        ),
        (
            [
                alone,
                "2001 < failed C1/4711 connected why=numberUnallocated\n2001 < cleared C1/2001 null",
            ]
            .concat(),
            &[("2001", Failed)],
        ),
        ([alone, "2001 < cleared C1/2001 null"].concat(), &[("2001", Abandoned)]),
        (
            [
                rings,
                "2002 < diverted C1/2002 null why=callForwardNoAnswer
                 2003 < delivered C1/2003 alerting by=2002
                 2003 < established C1/2003 connected by=2002
                 2003 < cleared C1/2003 null
                 2001 < cleared C1/2001 null",
            ]
            .concat(),
            &[("2002", Diverted), ("2003", Answered), ("2001", Answered)],
        ),
        (
            [
                rings,
                "2003 < delivered C1/2003 alerting
                 2003 < established C1/2003 connected
                 2002 < cleared C1/2002 null
                 2003 < cleared C1/2003 null
                 2001 < cleared C1/2001 null",
            ]
            .concat(),
            &[("2002", AnsweredElsewhere), ("2003", Answered), ("2001", Answered)],
        ),
        (
            [rings, "2002 < diverted C1/2002 null why=callPickup\n2001 < cleared C1/2001 null"]
                .concat(),
            &[("2002", AnsweredElsewhere), ("2001", NoAnswer)],
        ),
        (
            "2001 < originated C1/2001 connected to=0704555666
             2001 < reached C1/N1 connected to=0704555666
             2001 < cleared C1/2001 null"
                .to_owned(),
            &[("2001", NoAnswer)],
        ),
    ];
    for (lines, expected) in cases {
        let mut bench = Bench::new(&["2001", "2002", "2003"]);
        feed(&mut bench, lines);
        assert!(bench.view.is_empty(), "{lines}");
        assert_eq!(outcomes(&bench.records()), *expected, "{lines}");
    }
}

#[test]
fn a_hold_ends_nothing_and_times_are_those_of_the_user() {
    let mut bench = Bench::new(&["2001"]);
    let start = bench.now_ms;
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected to=4711
         2001 < delivered C1/4711 connected to=4711
         2001 < established C1/4711 connected to=4711
         2001 < held C1/2001 hold
         2001 < retrieved C1/2001 connected",
    );
    assert!(bench.records().is_empty());
    feed(&mut bench, "2001 < cleared C1/2001 null why=normalClearing");
    let records = bench.records();
    let [record] = records.as_slice() else {
        panic!("{records:?}");
    };
    let times = [Some(record.started), record.answered, Some(record.ended)];
    let after = times.map(|at| at.unwrap().as_unix_ms() - start);
    assert_eq!(after, [1, 3, 6]);
    assert_eq!(
        (record.from.as_deref(), record.to.as_deref()),
        (Some("2001"), Some("4711"))
    );
    assert_eq!(record.parties, ["4711"]);
    assert_eq!(record.cause.as_deref(), Some("normalClearing"));
    assert!(!record.synthetic);
}

#[test]
fn a_record_after_a_restart_is_marked_as_inferred() {
    let mut bench = Bench::new(&["2001"]);
    feed(
        &mut bench,
        "2001 < delivered C1/2001 alerting from=4711 to=2001
         2001 < established C1/2001 connected from=4711 to=2001",
    );
    bench.restart();
    feed(&mut bench, "2001 < cleared C1/2001 null");
    let records = bench.records();
    assert_eq!(outcomes(&records), [("2001", CallOutcome::Answered)]);
    assert!(records[0].synthetic);
    assert_eq!(records[0].parties, ["4711"]);
}

#[test]
fn the_times_of_a_record_are_right_though_the_gateway_restarted() {
    let mut bench = Bench::new(&["2001", "2002"]);
    let start = bench.now_ms;
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2002 < established C1/2002 connected
         2001 < held C1/2001 hold",
    );
    bench.restart();
    feed(
        &mut bench,
        "2001 < cleared C1/2001 null\n2002 < cleared C1/2002 null",
    );
    let records = bench.records();
    let times = records.iter().map(|record| {
        let times = [Some(record.started), record.answered, Some(record.ended)];
        let after = times.map(|at| at.unwrap().as_unix_ms() - start);
        (record.endpoint_id.as_str(), after)
    });
    let times: Vec<_> = times.collect();
    assert_eq!(times, [("2001", [1, 3, 5]), ("2002", [2, 3, 6])]);
}

#[test]
fn a_record_is_inferred_after_an_outage_alone() {
    let busy = "2001 < originated C1/2001 connected\n2001 < failed C1/2002 connected why=busy";
    for outage in [false, true] {
        let mut bench = Bench::new(&["2001", "2002"]);
        feed(&mut bench, busy);
        if outage {
            bench.relink();
            bench.snapshot("2001", &[]);
        } else {
            feed(&mut bench, "2001 < cleared C1/2001 null");
        }
        let records = bench.records();
        assert_eq!(outcomes(&records)[1], ("2002", CallOutcome::Missed));
        let synthetic: Vec<_> = records.iter().map(|it| it.synthetic).collect();
        assert_eq!(synthetic, [outage, outage]);
    }
}

/// What happens before and after the gateway restarts in the midst of a call.
#[test]
fn a_record_is_whole_though_the_gateway_restarted_in_mid_call() {
    let talk = "2001 < originated C1/2001 connected
                2002 < delivered C1/2002 alerting
                2002 < established C1/2002 connected\n";
    let consult = "2001 < held C1/2001 hold
                   2001 < originated C2/2001 connected to=2003
                   2003 < delivered C2/2003 alerting to=2003
                   2003 < established C2/2003 connected to=2003\n";
    let cases = [
        (
            "",
            "2001 < cleared C1/2001 null\n2002 < cleared C1/2002 null",
        ),
        (
            "2001 < held C1/2001 hold\n2002 < held C1/2002 hold",
            "2002 < cleared C1/2002 null\n2001 < cleared C1/2001 null",
        ),
        (
            "2001 < transferred C1/2001 C2/2001 to=2003 null [C3/2002<C1/2002 C3/2003<C2/2003]",
            "2003 < cleared C3/2003 null\n2002 < cleared C3/2002 null",
        ),
        (
            "2001 < conferenced C1/2001 C2/2001 to=2003 connected [C3/2001<C1/2001 \
             C3/2002<C1/2002 C3/2003<C2/2003]
             2002 < cleared C3/2002 null",
            "2003 < cleared C3/2003 null\n2001 < cleared C3/2001 null",
        ),
    ];
    for (before, after) in cases {
        let run = |restarts: bool| {
            let mut bench = Bench::new(&["2001", "2002", "2003"]);
            let joins = before.contains("C3");
            feed(
                &mut bench,
                &[talk, if joins { consult } else { "" }, before].concat(),
            );
            if restarts {
                bench.restart();
            }
            feed(&mut bench, after);
            assert!(bench.kept.is_empty() && bench.view.is_empty());
            let mut records = bench.records();
            for record in &mut records {
                // The ids are drawn anew.
                record.call_id = cloud_uplink::CallId::new(ulid::Ulid(0));
                record.synthetic = false;
            }
            records
        };
        let (straight, restarted) = (run(false), run(true));
        assert_eq!(
            restarted[restarted.len() - 2..],
            straight[straight.len() - 2..],
            "{before}"
        );
    }
}

#[test]
fn an_ordinary_call_is_not_kept_beside_its_legs() {
    let mut bench = Bench::new(&["2001", "2002"]);
    for line in [
        "2001 < originated C1/2001 connected",
        "2002 < delivered C1/2002 alerting",
        "2002 < established C1/2002 connected",
        "2001 < cleared C1/2001 null",
    ] {
        feed(&mut bench, line);
        assert!(bench.kept.is_empty(), "{line}");
    }
}

#[test]
fn why_a_call_failed_is_known_after_a_restart() {
    let mut bench = Bench::new(&["2001"]);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected\n2001 < failed C1/2002 connected why=busy",
    );
    bench.restart();
    feed(&mut bench, "2001 < cleared C1/2001 null");
    assert_eq!(outcomes(&bench.records()), [("2001", CallOutcome::Busy)]);
}

#[test]
fn what_was_kept_of_a_call_that_is_gone_is_deleted() {
    let mut bench = Bench::new(&["2001", "2002"]);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2002 < diverted C1/2002 null why=callForward",
    );
    assert_eq!(bench.kept.len(), 1);
    bench.view.clear();
    bench.restart();
    assert!(bench.kept.is_empty());
}

#[test]
fn a_call_that_comes_back_at_once_is_not_ended_by_a_late_copy() {
    let mut bench = Bench::new(&["2001", "2002"]);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected to=2900
         2002 < delivered C1/2002 alerting to=2900 by=2900
         2002 < diverted C1/2002 null to=2900 why=redirected
         2002 < delivered C1/2002 alerting to=2900 by=2900
         2001 < delivered C1/2002 connected to=2900 by=2900
         2001 < diverted C1/2002 connected to=2900 why=redirected
         2001 < delivered C1/2002 connected to=2900 by=2900
         2002 < established C1/2002 connected to=2900
         2002 < cleared C1/2002 null
         2001 < cleared C1/2002 connected
         2001 < cleared C1/2001 null",
    );
    let records = bench.records();
    let expected = [
        ("2002", CallOutcome::Diverted),
        ("2002", CallOutcome::Answered),
        ("2001", CallOutcome::Answered),
    ];
    assert_eq!(outcomes(&records), expected);
}

#[test]
fn who_comes_in_after_the_answer_is_not_answered_before_that_after_a_restart() {
    let mut bench = Bench::new(&["2001", "2002", "2003"]);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2002 < established C1/2002 connected
         2003 < originated C1/2003 connected from=2003",
    );
    bench.restart();
    feed(&mut bench, "2003 < cleared C1/2003 null");
    let records = bench.records();
    let last = records.last().unwrap();
    assert_eq!(last.endpoint_id, "2003");
    assert!(
        last.answered.is_none_or(|at| last.started <= at),
        "{last:?}"
    );
}

#[test]
fn who_is_heard_of_after_the_call_failed_learns_why() {
    let mut bench = Bench::new(&["2001", "2002"]);
    feed(&mut bench, "2002 < failed C1/2002 fail why=busy");
    bench.snapshot("2001", &[("C1", &[State::Connected, State::Fail])]);
    feed(&mut bench, "2001 < cleared C1/2001 null");
    let records = bench.records();
    assert!(outcomes(&records).contains(&("2001", CallOutcome::Busy)));
}

#[test]
fn why_a_call_failed_is_told_by_the_callers_own_monitor_though_it_comes_late() {
    let mut bench = Bench::new(&["2001", "2002"]);
    feed(
        &mut bench,
        "2002 < failed C1/2002 fail why=busy
         2002 < cleared C1/2002 null
         2001 < originated C1/2001 connected
         2001 < failed C1/2002 connected why=busy
         2001 < cleared C1/2001 null",
    );
    let records = bench.records();
    assert!(outcomes(&records).contains(&("2001", CallOutcome::Busy)));
}

#[test]
fn an_answer_before_somebody_was_called_is_none_elsewhere() {
    let mut bench = Bench::new(&["2001", "2002", "2003"]);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2002 < established C1/2002 connected
         2003 < delivered C1/2003 alerting
         2002 < held C1/2002 hold
         2002 < retrieved C1/2002 connected
         2003 < diverted C1/2003 null goes=2004",
    );
    let records = bench.records();
    assert_eq!(outcomes(&records), [("2003", CallOutcome::Diverted)]);
}

#[test]
fn whom_a_failed_call_was_for_is_not_told_by_a_snapshot() {
    let mut bench = Bench::new(&["2001"]);
    bench.snapshot("2001", &[("C1", &[State::Fail])]);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected to=9999
         2001 < failed C1/2001 fail to=9999
         2001 < cleared C1/2001 null to=9999",
    );
    let records = bench.records();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].to.as_deref(), Some("9999"));
}

#[test]
fn a_call_may_fail_once_more_at_the_same_device() {
    let mut bench = Bench::new(&["2001", "2002"]);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < failed C1/2002 fail why=busy
         2002 < cleared C1/2002 null
         2002 < failed C1/2002 fail by=2003 why=busy",
    );
    let failed = bench.traced();
    let failed = failed.iter().filter(|line| line.contains("2002 failed"));
    assert_eq!(failed.count(), 2);
}
