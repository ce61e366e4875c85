//! Transfers and conferences: which events, in which order, in which conversation.
//!
//! Size: one trace after the other, each read by itself.

use cloud_uplink::record::{CallOutcome, CallStepKind};

use crate::harness::Bench;
use crate::script::{feed, trace};

const ALL: &[&str] = &["2001", "2002", "2003"];

/// 2001 talks to 2002, then consults 2003, who answers.
const CONSULTED: &str = "
    2001 < originated C1/2001 connected
    2002 < delivered C1/2002 alerting
    2001 < established C1/2002 connected
    2001 < held C1/2001 hold why=consultation
    2001 < originated C2/2001 connected to=2003 why=consultation
    2003 < delivered C2/2003 alerting to=2003 why=consultation
    2003 < established C2/2003 connected to=2003 why=consultation
";

fn consulted(monitored: &[&str]) -> Bench {
    let mut bench = Bench::new(monitored);
    feed(&mut bench, CONSULTED);
    bench.traced();
    bench
}

#[test]
fn a_consultation_and_its_end() {
    let mut lines = trace(ALL, CONSULTED);
    assert_eq!(
        lines.split_off(3),
        [
            "1 2001 held held",
            "2 2001 originated connected",
            "2 2003 delivered alerting",
            "2 2003 established connected"
        ]
    );
    let mut bench = consulted(ALL);
    feed(
        &mut bench,
        "2001 < held C2/2001 hold why=alternate
         2001 < retrieved C1/2001 connected why=alternate
         2003 < held C2/2001 connected why=alternate
         2001 < held C1/2001 hold why=alternate
         2001 < retrieved C2/2001 connected why=alternate
         2001 < cleared C2/2001 null
         2003 < cleared C2/2003 null
         2001 < retrieved C1/2001 connected",
    );
    assert_eq!(
        bench.traced(),
        [
            "2 2001 held held",
            "1 2001 retrieved connected",
            "1 2001 held held",
            "2 2001 retrieved connected",
            "2 2001 cleared cleared",
            "2 2003 cleared cleared",
            "1 2001 retrieved connected"
        ]
    );
}

/// The copies of a transfer to a call that is named `key`.
fn transfer(key: &str) -> [String; 3] {
    let list = format!("[{key}/2002<C1/2002 {key}/2003<C2/2003]");
    [
        ("2001", "null"),
        ("2002", "connected"),
        ("2003", "connected"),
    ]
    .map(|(monitor, local)| {
        format!("{monitor} < transferred C1/2001 C2/2001 to=2003 {local} why=transfer {list}")
    })
}

#[test]
fn a_transfer_whatever_the_resulting_identifier_and_the_order_of_the_copies() {
    for key in ["C1", "C2", "C3"] {
        for turn in 0..3 {
            let mut copies = transfer(key);
            copies.rotate_left(turn);
            let mut bench = consulted(ALL);
            feed(&mut bench, &copies.join("\n"));
            assert_eq!(
                bench.traced(),
                [
                    "1 2001 cleared cleared",
                    "2 2001 cleared cleared",
                    "1 2003 transferred connected <2 by 2001",
                    "1 2002 transferred connected by 2001"
                ],
                "{key} {turn}"
            );
            // Late reports under the old identifiers are nothing new.
            feed(
                &mut bench,
                "2001 < cleared C1/2001 null
                 2001 < cleared C2/2001 null
                 2003 < established C2/2003 connected to=2003",
            );
            assert!(bench.traced().is_empty(), "{key} {turn}");
            let own = [key, "/2002"].concat();
            feed(&mut bench, &format!("2003 < held {own} connected"));
            feed(&mut bench, &format!("2003 < cleared {key}/2003 null"));
            feed(&mut bench, &format!("2002 < cleared {own} null"));
            assert_eq!(
                bench.traced(),
                [
                    "1 2002 held held",
                    "1 2003 cleared cleared",
                    "1 2002 cleared cleared"
                ]
            );
        }
    }
}

#[test]
fn a_transfer_after_the_transferring_device_was_cleared() {
    let mut bench = consulted(ALL);
    let cleared = "2001 < cleared C1/2001 null\n2001 < cleared C2/2001 null\n";
    feed(
        &mut bench,
        &(cleared.to_owned() + &transfer("C3").join("\n")),
    );
    assert_eq!(
        bench.traced(),
        [
            "1 2001 cleared cleared",
            "2 2001 cleared cleared",
            "1 2003 transferred connected <2 by 2001",
            "1 2002 transferred connected by 2001"
        ]
    );
}

#[test]
fn a_transfer_while_the_consulted_party_still_alerts() {
    let alerting = CONSULTED.rsplit_once("2003 < established").unwrap().0;
    let copies = transfer("C3")
        .join("\n")
        .replace("to=2003 connected why", "to=2003 why");
    let answer = "2003 < established C3/2003 connected to=2003";
    let mut bench = Bench::new(ALL);
    feed(&mut bench, alerting);
    bench.traced();
    feed(&mut bench, &format!("{copies}\n{answer}"));
    assert_eq!(
        bench.traced(),
        [
            "1 2001 cleared cleared",
            "2 2001 cleared cleared",
            "1 2003 transferred alerting <2 by 2001",
            "1 2002 transferred connected by 2001",
            "1 2003 established connected"
        ]
    );
}

#[test]
fn events_under_the_resulting_identifier_may_come_first() {
    let mut bench = consulted(ALL);
    feed(&mut bench, "2003 < held C3/2002 connected");
    bench.traced();
    feed(&mut bench, &transfer("C3").join("\n"));
    let calls: std::collections::BTreeSet<_> = bench.view.values().map(|leg| leg.call_id).collect();
    assert_eq!((calls.len(), bench.view.len()), (1, 2));
    assert!(bench.view.values().all(|leg| leg.pbx.call_id == "C3"));
}

#[test]
fn a_single_step_transfer_that_names_no_old_connection() {
    let mut bench = Bench::new(ALL);
    feed(
        &mut bench,
        "2002 < originated C1/2002 connected from=2002 to=2001
         2001 < delivered C1/2001 alerting from=2002 to=2001
         2001 < established C1/2001 connected from=2002 to=2001",
    );
    bench.traced();
    let list = "to=2003 why=singleStepTransfer [C2/2002 C2/2003]";
    feed(
        &mut bench,
        &format!(
            "2001 < transferred C1/2001 null {list}
             2002 < transferred C1/2001 connected {list}
             2002 < delivered C2/2003 connected from=2002 to=2003
             2003 < delivered C2/2003 alerting from=2002 to=2003
             2003 < established C2/2003 connected from=2002 to=2003"
        ),
    );
    assert_eq!(
        bench.traced(),
        [
            "1 2001 cleared cleared",
            "1 2002 transferred connected by 2001",
            "1 2003 delivered alerting",
            "1 2003 established connected"
        ]
    );
}

#[test]
fn a_conference_from_which_one_leaves() {
    for key in ["C1", "C2", "C3"] {
        let list = format!("[{key}/2001 {key}/2002<C1/2002 {key}/2003<C2/2003]");
        let copies = ALL.iter().map(|monitor| {
            format!(
                "{monitor} < conferenced C1/2001 C2/2001 to=2003 connected why=conference {list}\n"
            )
        });
        let mut bench = consulted(ALL);
        feed(&mut bench, &copies.collect::<String>());
        assert_eq!(
            bench.traced(),
            [
                "2 2001 cleared cleared",
                "1 2003 conferenced connected <2 by 2001",
                "1 2001 conferenced connected by 2001",
                "1 2002 conferenced connected by 2001"
            ],
            "{key}"
        );
        feed(
            &mut bench,
            &format!(
                "2001 < cleared {key}/2001 null
                 2002 < cleared {key}/2001 connected
                 2002 < cleared {key}/2002 null
                 2003 < cleared {key}/2003 null"
            ),
        );
        assert_eq!(
            bench.traced(),
            [
                "1 2001 cleared cleared",
                "1 2002 cleared cleared",
                "1 2003 cleared cleared"
            ]
        );
    }
}

#[test]
fn a_single_step_conference_adds_a_party_that_alerts_first() {
    let list = "to=2003 why=singleStepConference [C1/2001 C1/2002 C1/2003]";
    let mut lines = trace(
        ALL,
        &format!(
            "2001 < originated C1/2001 connected
             2002 < delivered C1/2002 alerting
             2002 < established C1/2002 connected
             2001 < conferenced C1/2001 connected {list}
             2002 < conferenced C1/2001 connected {list}
             2003 < delivered C1/2003 alerting to=2003
             2003 < established C1/2003 connected to=2003"
        ),
    );
    assert_eq!(
        lines.split_off(3),
        [
            "1 2001 conferenced connected by 2001",
            "1 2002 conferenced connected by 2001",
            "1 2003 delivered alerting",
            "1 2003 established connected"
        ]
    );
}

#[test]
fn records_say_who_transferred() {
    let mut bench = consulted(ALL);
    feed(&mut bench, &transfer("C3").join("\n"));
    feed(
        &mut bench,
        "2003 < cleared C3/2003 null\n2002 < cleared C3/2002 null",
    );
    let records = bench.records();
    let told: Vec<_> = records
        .iter()
        .map(|it| (it.endpoint_id.as_str(), it.outcome, it.parties.join(" ")))
        .collect();
    let answered = |user, parties: &str| (user, CallOutcome::Answered, parties.to_owned());
    assert_eq!(
        told,
        [
            answered("2001", "2002"),
            answered("2001", "2003"),
            answered("2003", "2001 2002"),
            answered("2002", "2001 2003")
        ]
    );
    for record in &records {
        let [step] = record.transfers.as_slice() else {
            panic!("{record:?}");
        };
        assert_eq!(step.kind, CallStepKind::Transferred);
        assert_eq!(
            (step.by.as_deref(), step.to.as_deref()),
            (Some("2001"), Some("2003"))
        );
    }
}

#[test]
fn a_late_copy_of_a_transfer_before_the_last_one_is_dropped() {
    for (first, second) in [("C3", "C5"), ("C3", "C1"), ("C2", "C1"), ("C1", "C2")] {
        let mut bench = Bench::new(&["2001", "2002", "2003", "2004"]);
        feed(&mut bench, CONSULTED);
        let copies = transfer(first);
        feed(&mut bench, &copies[..2].join("\n"));
        let list = format!("[{second}/2002<{first}/2002 {second}/2004<C4/2004]");
        feed(
            &mut bench,
            &format!(
                "2003 < held {first}/2003 hold why=consultation
                 2003 < originated C4/2003 connected from=2003 to=2004 why=consultation
                 2004 < delivered C4/2004 alerting from=2003 to=2004
                 2004 < established C4/2004 connected from=2003 to=2004
                 2004 < transferred {first}/2003 C4/2003 to=2004 connected why=transfer {list}"
            ),
        );
        let mut legs: Vec<_> = bench.view.values().cloned().collect();
        bench.traced();
        feed(&mut bench, &copies[2]);
        assert_eq!(bench.traced(), [""; 0], "{first} {second}");
        let mut after: Vec<_> = bench.view.values().cloned().collect();
        legs.sort_by_key(|leg| leg.leg_id);
        after.sort_by_key(|leg| leg.leg_id);
        assert_eq!(after, legs);
        assert_eq!(after.len(), 2);
        assert!(after.iter().all(|leg| leg.pbx.call_id == second));
    }
}

#[test]
fn a_transfer_to_whom_a_conference_had_added_is_no_copy_of_that_conference() {
    let mut bench = Bench::new(ALL);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2002 < established C1/2002 connected
         2001 < conferenced C1/2002 to=2003 connected [C1/2001<C1/2001 C1/2002<C1/2002 C1/2003]
         2003 < delivered C1/2003 alerting
         2003 < diverted C1/2003 null",
    );
    bench.traced();
    let list = "[C2/2001<C1/2001 C2/2003]";
    feed(
        &mut bench,
        &format!(
            "2001 < transferred C1/2002 to=2003 connected {list}
             2002 < transferred C1/2002 to=2003 null {list}
             2003 < delivered C2/2003 alerting to=2003"
        ),
    );
    assert_eq!(
        bench.traced(),
        [
            "1 2002 cleared cleared",
            "1 2001 transferred connected by 2002",
            "1 2003 delivered alerting"
        ]
    );
}

#[test]
fn who_stands_in_both_calls_of_a_transfer_ends_in_the_one_that_it_came_from() {
    let mut bench = Bench::new(ALL);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected to=2900
         2001 < queued C1/2900 connected to=2900
         2002 < delivered C1/2002 alerting to=2900
         2002 < established C1/2002 connected to=2900
         2001 < held C1/2001 hold
         2003 < originated C2/2003 connected from=2003 to=2900
         2003 < queued C2/2900 connected from=2003 to=2900
         2001 < delivered C2/2001 alerting from=2003 to=2900
         2001 < established C2/2001 connected from=2003 to=2900",
    );
    bench.traced();
    feed(
        &mut bench,
        "2001 < transferred C1/2001 C2/2001 to=2003 null [C1/2002<C1/2002 C1/2003<C2/2003]",
    );
    assert_eq!(
        bench.traced(),
        [
            "1 2001 cleared cleared",
            "2 2001 cleared cleared",
            "~2 2900 cleared cleared",
            "1 2003 transferred connected <2 by 2001",
            "1 2900 transferred queued by 2001",
            "1 2002 transferred connected by 2001"
        ]
    );
}

#[test]
fn a_party_that_left_a_conference_is_added_again() {
    let list = "to=2003 why=singleStepConference [C1/2001 C1/2002 C1/2003]";
    let both = |line: &str| format!("2001 < {line}\n2002 < {line}\n");
    let added = both(&format!("conferenced C1/2001 connected {list}"));
    let alerts = "delivered C1/2003 alerting to=2003";
    let answers = "established C1/2003 connected to=2003";
    let left = "cleared C1/2003";
    let talk = "2001 < originated C1/2001 connected
        2002 < delivered C1/2002 alerting
        2002 < established C1/2002 connected";
    for followed in [true, false] {
        let monitored = if followed { ALL } else { &ALL[..2] };
        let told = |line: &str, local: &str| {
            if followed {
                format!("2003 < {line} {local}")
            } else {
                both(&line.replace("alerting", "connected"))
            }
        };
        let mut bench = Bench::new(monitored);
        feed(&mut bench, talk);
        feed(&mut bench, &added);
        bench.traced();
        for _ in 0..3 {
            feed(&mut bench, &told(alerts, ""));
            feed(&mut bench, &told(answers, ""));
            assert_eq!(
                bench.traced(),
                ["1 2003 delivered alerting", "1 2003 established connected"]
            );
            feed(&mut bench, &told(left, "null"));
            assert_eq!(bench.traced(), ["1 2003 cleared cleared"]);
            // Monitors that lag behind do not bring it back.
            if followed {
                feed(&mut bench, &both(alerts));
                feed(&mut bench, &both(answers));
                assert_eq!(bench.traced(), [""; 0]);
                feed(&mut bench, &both(left));
            }
            feed(&mut bench, &added);
            bench.traced();
        }
    }
}

#[test]
fn a_party_consulted_again_joins_the_conference_that_it_left() {
    let mut bench = consulted(ALL);
    let all = |line: &str| {
        let at = |device: &&str| format!("{device} < {line}\n");
        ALL.iter().map(at).collect::<String>()
    };
    let merge = |second: &str| {
        all(&format!(
            "conferenced C1/2001 {second}/2001 connected to=2003 why=conference \
             [C1/2001<C1/2001 C1/2002<C1/2002 C1/2003<{second}/2003]"
        ))
    };
    feed(&mut bench, &merge("C2"));
    for second in ["C3", "C4"] {
        bench.traced();
        feed(
            &mut bench,
            "2003 < cleared C1/2003 null
             2001 < cleared C1/2003 connected
             2002 < cleared C1/2003 connected",
        );
        assert_eq!(bench.traced(), ["1 2003 cleared cleared"]);
        let (_, consult) = CONSULTED.split_once("2001 < held").unwrap();
        let consult = consult.replace("C2", second);
        feed(&mut bench, &format!("2001 < held{consult}"));
        feed(&mut bench, &merge(second));
        let legs = bench.registry.legs_of_endpoint("2003");
        let own = bench.registry.legs_of_endpoint("2001");
        assert_eq!((legs.len(), own.len()), (1, 1));
        assert_eq!(legs[0].pbx.call_id, "C1");
        assert_eq!(legs[0].call_id, own[0].call_id);
    }
}

#[test]
fn what_the_transferring_device_tells_late_of_its_second_call_begins_nothing() {
    let mut bench = Bench::new(ALL);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2001 < established C1/2002 connected
         2003 < delivered C2/2003 alerting from=2002 to=2003 why=consultation",
    );
    let list = "[C3/2001<C1/2001 C3/2003<C2/2003]";
    let old = "transferred C1/2002 C2/2002 to=2003";
    feed(
        &mut bench,
        &format!("2001 < {old} connected {list}\n2003 < {old} alerting {list}"),
    );
    bench.traced();
    feed(
        &mut bench,
        &format!(
            "2002 < held C1/2002 hold why=consultation
             2002 < originated C2/2002 connected from=2002 to=2003 why=consultation
             2002 < delivered C2/2003 connected from=2002 to=2003 why=consultation
             2002 < {old} null {list}"
        ),
    );
    assert_eq!(bench.traced(), [""; 0]);
}

#[test]
fn a_call_that_comes_back_to_who_transferred_it_outlives_the_copies_of_its_leaving() {
    let mut bench = Bench::new(ALL);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2001 < delivered C1/2002 connected
         2001 < established C1/2002 connected",
    );
    bench.traced();
    let transferred = "transferred C1/2002 to=2003 why=singleStepTransfer";
    let list = "[C1/2001<C1/2001 C1/2003]";
    feed(
        &mut bench,
        &format!(
            "2001 < {transferred} connected {list}
             2001 < diverted C1/2003 connected to=2003 why=callForwardImmediate
             2001 < delivered C1/2002 connected to=2003 by=2003
             2002 < {transferred} null {list}
             2002 < cleared C1/2002 null why=singleStepTransfer
             2002 < delivered C1/2002 alerting to=2003 by=2003"
        ),
    );
    assert_eq!(
        bench.traced(),
        [
            "1 2002 cleared cleared",
            "1 2001 transferred connected by 2002",
            "1 2003 diverted cleared",
            "1 2002 delivered alerting"
        ]
    );
    feed(&mut bench, "2002 < cleared C1/2002 null");
    assert_eq!(bench.traced(), ["1 2002 cleared cleared"]);
}

#[test]
fn a_copy_of_a_transfer_does_not_end_what_failed_since() {
    let mut bench = Bench::new(ALL);
    let transferred = "2001 < transferred C1/2001 to=2002 null [C1/0815 C1/2002]";
    feed(
        &mut bench,
        &format!(
            "2001 < originated C1/2001 connected to=0815
             2001 < delivered C1/0815 connected to=0815
             {transferred}
             2002 < failed C1/2002 fail from=0815 why=destOutOfOrder
             {transferred}"
        ),
    );
    let last = bench.traced().pop();
    assert_eq!(last.as_deref(), Some("1 2002 failed failed"));
}

#[test]
fn who_makes_a_conference_may_hold_it_at_once() {
    let mut bench = consulted(ALL);
    feed(
        &mut bench,
        "2001 < conferenced C1/2001 C2/2001 to=2003 connected [C3/2001<C1/2001 C3/2002<C1/2002 C3/2003<C2/2003]
         2001 < held C3/2001 hold",
    );
    let last = bench.traced().pop();
    assert_eq!(last.as_deref(), Some("1 2001 held held"));
}

#[test]
fn an_outside_party_stays_while_its_call_goes_to_somebody_who_is_followed() {
    let lines = trace(
        &["2001", "2002", "2003"],
        "2001 < originated C1/2001 connected to=0815
         2001 < reached C1/0815 connected to=0815
         2001 < transferred C1/2001 null to=2002 [C2/0815<C1/0815 C2/2002]
         2002 < diverted C2/2002 null from=0815 goes=2003
         2003 < delivered C2/2003 alerting from=0815 to=2003 by=2002
         2003 < established C2/0815 alerting from=0815 to=2003",
    );
    let outside = lines.iter().filter(|line| line.contains(" 0815 "));
    let outside: Vec<_> = outside.collect();
    assert!(outside.iter().all(|line| !line.contains("cleared")));
    assert_eq!(
        outside.last().unwrap().as_str(),
        "1 0815 established connected"
    );
}

#[test]
fn who_was_added_and_left_may_be_added_once_more() {
    let mut bench = Bench::new(&["2001", "2002", "2003"]);
    let add = "conferenced C1/2001 to=2003 connected [C1/2001<C1/2001 C1/2002<C1/2002 C1/2003]";
    let adds = |by: &str| format!("{by} < {add}");
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2002 < established C1/2002 connected",
    );
    let (first, copy) = (adds("2001"), adds("2002"));
    let round = format!(
        "{first}
         {copy}
         2003 < delivered C1/2003 alerting
         2003 < diverted C1/2003 null goes=2004"
    );
    feed(&mut bench, &round);
    feed(&mut bench, &round);
    let records = bench.records();
    let steps = |number: usize| {
        let steps = records[number].transfers.iter();
        steps
            .filter(|step| step.kind == CallStepKind::Conferenced)
            .count()
    };
    assert_eq!(records.len(), 2);
    assert_eq!((steps(0), steps(1)), (0, 0));
    feed(
        &mut bench,
        "2001 < cleared C1/2001 null
         2002 < cleared C1/2002 null",
    );
    let records = bench.records();
    let last = records.last().unwrap();
    let joins = last
        .transfers
        .iter()
        .filter(|step| step.kind == CallStepKind::Conferenced);
    assert_eq!(joins.count(), 2);
}
