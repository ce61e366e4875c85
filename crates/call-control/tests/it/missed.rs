//! Transfers and conferences while there was no link to the switching function.

use csta::DeviceId;
use csta::LocalConnectionState::{Alerting, Connected, Fail, Hold};

use crate::harness::Bench;
use crate::script::feed;

const ALL: &[&str] = &["2001", "2002", "2003"];

/// 2001 talks to 2002, then consults 2003, who answers; then the link goes and comes back.
fn consulted(restarts: bool) -> Bench {
    let mut bench = Bench::new(ALL);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2001 < established C1/2002 connected
         2001 < held C1/2001 hold why=consultation
         2001 < originated C2/2001 connected to=2003 why=consultation
         2003 < delivered C2/2003 alerting to=2003 why=consultation
         2003 < established C2/2003 connected to=2003 why=consultation",
    );
    if restarts {
        bench.restart();
    } else {
        bench.relink();
    }
    bench.traced();
    bench
}

/// Snapshots that list one call at most, in the order that `turn` gives.
fn snapshots(bench: &mut Bench, lists: [(&str, Option<&str>); 3], turn: usize) {
    let mut lists = lists;
    lists.rotate_left(turn);
    for (device, call) in lists {
        let list = call.map(|call| (call, &[Connected, Connected][..]));
        bench.snapshot(device, list.as_slice());
    }
}

#[test]
fn a_transfer_that_was_missed_leaves_the_conversation_what_it_was() {
    for key in ["C1", "C2", "C3"] {
        for (turn, restarts) in [(0, false), (1, false), (2, false), (0, true)] {
            let mut bench = consulted(restarts);
            let lists = [("2001", None), ("2002", Some(key)), ("2003", Some(key))];
            snapshots(&mut bench, lists, turn);
            assert_eq!(
                bench.traced(),
                [
                    "~1 2001 cleared cleared",
                    "~2 2001 cleared cleared",
                    "~1 2003 transferred connected <2 by 2001",
                    "~1 2002 transferred connected by 2001",
                ],
                "{key} {turn} {restarts}"
            );
            assert!(bench.leg(key, "2002").is_some() && bench.leg(key, "2003").is_some());
            // The news of the link go on from there.
            feed(&mut bench, &format!("2003 < cleared {key}/2003 null"));
            assert_eq!(bench.traced(), ["1 2003 cleared cleared"]);
            let records = bench.records();
            let last = records.last().unwrap();
            assert!(last.synthetic && last.endpoint_id == "2003");
            assert_eq!(last.transfers[0].by.as_deref(), Some("2001"));
        }
    }
}

#[test]
fn a_conference_that_was_missed_leaves_the_conversation_what_it_was() {
    for key in ["C1", "C2", "C3"] {
        let mut bench = consulted(false);
        let lists = ALL.iter().map(|device| (*device, Some(key)));
        let lists: Vec<_> = lists.collect();
        snapshots(&mut bench, lists.try_into().unwrap(), 0);
        let mut told = bench.traced();
        told.sort();
        assert_eq!(
            told,
            [
                "~1 2001 conferenced connected by 2001",
                "~1 2002 conferenced connected by 2001",
                "~1 2003 conferenced connected <2 by 2001",
                "~2 2001 cleared cleared",
            ],
            "{key}"
        );
    }
}

#[test]
fn a_consultation_that_goes_on_or_ended_is_no_transfer() {
    let mut bench = consulted(false);
    bench.snapshot("2002", &[("C1", &[Connected, Hold])]);
    bench.snapshot("2003", &[("C2", &[Connected, Connected])]);
    let both: [(&str, &[_]); 2] = [("C1", &[Hold, Connected]), ("C2", &[Connected, Connected])];
    bench.snapshot("2001", &both);
    let told = bench.traced();
    assert!(
        told.iter().all(|line| line.contains(" confirmed ")),
        "{told:?}"
    );
    assert_eq!((told.len(), bench.view.len()), (4, 4));

    let mut bench = consulted(false);
    let lists = [("2001", Some("C1")), ("2002", Some("C1")), ("2003", None)];
    snapshots(&mut bench, lists, 0);
    let mut told = bench.traced();
    told.sort();
    let expected = [
        "~1 2001 retrieved connected",
        "~1 2002 confirmed connected",
        "~2 2001 cleared cleared",
        "~2 2003 cleared cleared",
    ];
    assert_eq!(told, expected);
}

#[test]
fn two_calls_of_the_same_two_of_which_one_ended_are_no_conference() {
    for stays in ["C1", "C2"] {
        let mut bench = Bench::new(&["2001", "2002"]);
        feed(
            &mut bench,
            "2001 < originated C1/2001 connected
             2002 < delivered C1/2002 alerting
             2001 < established C1/2002 connected
             2001 < held C1/2001 hold why=consultation
             2001 < originated C2/2001 connected why=consultation
             2002 < delivered C2/2002 alerting why=consultation",
        );
        bench.relink();
        bench.traced();
        bench.snapshot("2001", &[(stays, &[Connected, Connected])]);
        bench.snapshot("2002", &[(stays, &[Connected, Connected])]);
        let told = bench.traced();
        let joined = |line: &String| line.contains("conferenced") || line.contains("transferred");
        assert!(!told.iter().any(joined), "{stays}: {told:?}");
        assert_eq!(bench.view.len(), 2);
    }
}

#[test]
fn where_there_is_doubt_the_conversation_is_a_new_one() {
    // 2003 was connected: a connection that alerts is another one.
    let mut bench = consulted(false);
    bench.snapshot("2001", &[]);
    bench.snapshot("2002", &[("C3", &[Connected, Alerting])]);
    bench.snapshot("2003", &[("C3", &[Alerting, Connected])]);
    assert!(
        bench
            .traced()
            .iter()
            .all(|line| !line.contains("transferred"))
    );
    assert_eq!(
        bench.conversation(bench.leg("C3", "2002").unwrap().call_id),
        3
    );
    // Nobody tells where 2002 is.
    let mut bench = consulted(false);
    bench.snapshot("2003", &[("C3", &[Connected, Connected])]);
    bench.snapshot("2001", &[]);
    assert!(bench.traced().is_empty(), "they wait for 2002");
    let now = bench.now();
    bench.registry.handle_synchronised(now);
    bench.drain();
    assert!(
        bench
            .traced()
            .iter()
            .all(|line| !line.contains("transferred"))
    );
    assert_eq!(
        bench.conversation(bench.leg("C3", "2003").unwrap().call_id),
        3
    );
}

#[test]
fn who_waited_on_hold_does_not_alert_because_of_a_transfer() {
    let mut bench = Bench::new(ALL);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2001 < established C1/2002 connected
         2002 < held C1/2002 hold
         2001 < held C1/2001 hold why=consultation
         2001 < originated C2/2001 connected to=2003 why=consultation
         2003 < delivered C2/2003 alerting to=2003 why=consultation",
    );
    bench.relink();
    bench.traced();
    bench.snapshot("2001", &[]);
    bench.snapshot("2002", &[("C3", &[Alerting, Connected])]);
    bench.snapshot("2003", &[("C3", &[Connected, Alerting])]);
    let told = bench.traced();
    assert!(
        told.iter().all(|line| !line.contains("transferred")),
        "{told:?}"
    );
    let call = bench.leg("C3", "2002").unwrap().call_id;
    assert_eq!(bench.conversation(call), 3);
}

#[test]
fn what_waits_is_taken_before_what_the_device_reports_next_and_when_a_monitor_fails() {
    let mut bench = consulted(false);
    bench.snapshot("2002", &[("C3", &[Connected, Connected])]);
    bench.snapshot("2001", &[]);
    feed(&mut bench, "2002 < cleared C3/2002 null");
    assert!(bench.leg("C3", "2002").is_none());
    bench.snapshot("2003", &[]);
    assert!(bench.view.is_empty(), "{:?}", bench.view);

    let mut bench = consulted(false);
    bench.snapshot("2001", &[]);
    bench.snapshot("2002", &[("C3", &[Connected, Connected])]);
    let (device, now) = (DeviceId::new("2003"), bench.now());
    bench
        .registry
        .handle_unmonitored(&device, "limit", false, now);
    bench.drain();
    assert!(bench.leg("C3", "2002").is_some());
}

#[test]
fn who_talked_does_not_fail_because_of_a_join() {
    let mut bench = consulted(false);
    bench.snapshot("2001", &[]);
    bench.snapshot("2002", &[("C3", &[Connected, Fail])]);
    bench.snapshot("2003", &[("C3", &[Fail, Connected])]);
    let told = bench.traced();
    assert!(
        !told.iter().any(|line| line.contains("transferred")),
        "{told:?}"
    );
}
