//! Snapshots, outages, identifiers given out again, and limits.

use call_control::registry::{ENDED_CALL_TTL_MS, LEGS_MAX, RETRY_LIMIT_MS};
use cloud_uplink::event::Direction;
use csta::message::{FailedEvent, SnapshotCallInfo};
use csta::{
    CallId, CallState, ConnectionId, DeviceId, Event, EventCause, ExtendedDeviceId,
    LocalConnectionState as State, SimpleCallState,
};

use crate::harness::{Bench, Short, connection};
use crate::script::{feed, trace};

fn event(call: &str, kind: &str, device: &str, local: State) -> Event {
    let short = Short {
        call,
        device,
        from: "2001",
        to: "2002",
        redirected: None,
        cause: EventCause::NEW_CALL,
    };
    short.event(kind, Some(local))
}

/// 2001 and 2002 are talking.
fn talking() -> Bench {
    let mut bench = Bench::new(&["2001", "2002"]);
    bench.event("2001", &event("C1", "originated", "2001", State::Connected));
    bench.event("2001", &event("C1", "delivered", "2002", State::Connected));
    bench.event(
        "2002",
        &event("C1", "established", "2002", State::Connected),
    );
    bench.published();
    bench
}

#[test]
fn a_call_that_ended_unseen_ends_as_inferred_and_one_that_began_begins_so() {
    let mut bench = talking();
    bench.relink();
    assert!(bench.published().is_empty(), "nothing is known yet");
    bench.snapshot("2001", &[("C2", &[State::Alerting, State::Connected])]);
    assert_eq!(
        bench.published(),
        ["~C1 2001 cleared", "~C2 2001 delivered"]
    );
    assert_eq!(
        bench.leg("C2", "2001").unwrap().direction,
        Direction::Inbound
    );
    bench.snapshot("2002", &[]);
    assert_eq!(bench.published(), ["~C1 2002 cleared"]);
}

#[test]
fn what_is_buffered_during_a_snapshot_changes_nothing_afterwards() {
    let mut bench = Bench::new(&["2001", "2002"]);
    bench.snapshot("2002", &[("C1", &[State::Connected, State::Connected])]);
    assert_eq!(bench.published(), ["~C1 2002 originated"], "a guess");
    bench.event("2002", &event("C1", "delivered", "2002", State::Alerting));
    bench.event(
        "2002",
        &event("C1", "established", "2002", State::Connected),
    );
    assert!(bench.published().is_empty());
    let leg = bench.registry.legs_of_endpoint("2002").remove(0);
    assert_eq!(
        leg.direction,
        Direction::Inbound,
        "the events told who calls"
    );
    assert_eq!(leg.from.as_deref(), Some("2001"));
}

#[test]
fn goes_on_with_the_same_ids_after_a_restart() {
    let mut bench = talking();
    let before = bench.view.clone();
    bench.restart();
    bench.snapshot("2001", &[("C1", &[State::Hold, State::Connected])]);
    bench.snapshot("2002", &[("C1", &[State::Connected, State::Hold])]);
    assert_eq!(bench.published(), ["~C1 2001 held", "~C1 2002 confirmed"]);
    let ids = |view: &std::collections::BTreeMap<_, cloud_uplink::LegView>| {
        view.values()
            .map(|leg| (leg.call_id, leg.leg_id))
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&bench.view), ids(&before));
}

#[test]
fn an_identifier_given_out_again_is_another_call() {
    let mut bench = talking();
    let old = bench.leg("C1", "2001").unwrap().call_id;
    bench.relink();
    bench.event("2001", &event("C1", "initiated", "2001", State::Initiated));
    let mut published = bench.published();
    published.sort();
    assert_eq!(
        published,
        ["C1 2001 initiated", "~C1 2001 cleared", "~C1 2002 cleared"]
    );
    assert_ne!(bench.leg("C1", "2001").unwrap().call_id, old);
}

#[test]
fn a_late_copy_does_not_bring_a_call_back() {
    let mut bench = talking();
    bench.event("2001", &event("C1", "cleared", "2001", State::Null));
    bench.event("2002", &event("C1", "cleared", "2002", State::Null));
    bench.published();
    for (kind, device) in [
        ("delivered", "2002"),
        ("held", "2001"),
        ("initiated", "2001"),
    ] {
        bench.event("2001", &event("C1", kind, device, State::Connected));
    }
    assert!(bench.published().is_empty());
    assert_eq!(bench.registry.stats().stale, 3);
    bench.now_ms += ENDED_CALL_TTL_MS;
    bench.event("2001", &event("C1", "initiated", "2001", State::Initiated));
    assert_eq!(bench.published(), ["C1 2001 initiated"]);
}

#[test]
fn an_outside_caller_stays_in_one_call_when_the_call_is_forwarded() {
    let mut bench = Bench::new(&["2002", "2003"]);
    bench.event("2002", &event("C1", "delivered", "2002", State::Alerting));
    let first = bench.leg("C1", "2002").unwrap().call_id;
    bench.event("2002", &event("C1", "diverted", "2002", State::Null));
    bench.event("2003", &event("C1", "delivered", "2003", State::Alerting));
    assert_eq!(bench.leg("C1", "2003").unwrap().call_id, first);
}

#[test]
fn a_failure_may_name_the_call_alone() {
    let mut bench = Bench::new(&["2001"]);
    bench.event("2001", &event("C1", "originated", "2001", State::Connected));
    let failed = FailedEvent {
        failing_device: Some(ExtendedDeviceId::NotKnown),
        calling_device: Some(DeviceId::new("2001").into()),
        called_device: Some(DeviceId::new("4711").into()),
        last_redirection_device: None,
        local_connection_info: Some(State::Connected),
        cause: Some(EventCause::DEST_NOT_OBTAINABLE),
        ..FailedEvent::new(
            csta::MonitorCrossRefId::new("1"),
            ConnectionId {
                call_id: Some(CallId::new("C1")),
                device_id: None,
            },
        )
    };
    bench.event("2001", &failed.into());
    assert_eq!(bench.leg("C1", "").unwrap().device, "4711");
    bench.event("2001", &event("C1", "cleared", "2001", State::Null));
    assert!(bench.view.is_empty());
}

#[test]
fn withheld_numbers_stay_withheld() {
    let mut bench = Bench::new(&["2002"]);
    let mut delivered = event("C1", "delivered", "2002", State::Alerting);
    if let Event::Delivered(e) = &mut delivered {
        e.calling_device = Some(ExtendedDeviceId::Restricted);
    }
    bench.event("2002", &delivered);
    let leg = bench.leg("C1", "2002").unwrap();
    assert_eq!(
        (leg.from.as_deref(), leg.to.as_deref()),
        (None, Some("2002"))
    );
    assert_eq!(leg.direction, Direction::Inbound);
}

#[test]
fn terminals_of_one_number_have_legs_of_their_own() {
    let mut bench = Bench::new(&["2002"]);
    for terminal in ["N<2002!1>", "N<2002!2>"] {
        bench.event("2002", &event("C1", "delivered", terminal, State::Alerting));
    }
    bench.event(
        "2002",
        &event("C1", "established", "N<2002!1>", State::Connected),
    );
    bench.event(
        "2002",
        &event("C1", "cleared", "N<2002!2>", State::Connected),
    );
    assert_eq!(bench.registry.legs_of_endpoint("2002").len(), 1);
    assert_eq!(
        bench.leg("C1", "N<2002!1>").unwrap().endpoint_id.as_deref(),
        Some("2002")
    );
}

#[test]
fn a_device_that_is_given_up_takes_its_call_along_unless_somebody_else_is_followed() {
    let mut bench = talking();
    let now = bench.now();
    let (one, two) = (DeviceId::new("2001"), DeviceId::new("2002"));
    bench
        .registry
        .handle_unmonitored(&one, "refused", false, now);
    bench.drain();
    assert_eq!(bench.view.len(), 2);
    bench.registry.handle_unmonitored(&two, "limit", true, now);
    bench.drain();
    assert_eq!(bench.view.len(), 2, "its monitor is tried again");
    bench.now_ms += RETRY_LIMIT_MS;
    let now = bench.now();
    bench.registry.handle_timeout(now);
    bench.drain();
    assert!(bench.view.is_empty());
}

#[test]
fn legs_beyond_the_limit_are_counted_and_told() {
    let devices: Vec<_> = (0..10).map(|n| format!("{}", 2000 + n)).collect();
    let names: Vec<_> = devices.iter().map(String::as_str).collect();
    let mut bench = Bench::new(&names);
    let now = bench.now();
    for n in 0..=LEGS_MAX {
        let begun = event(&format!("C{n}"), "initiated", "2001", State::Initiated);
        bench
            .registry
            .handle_event(&DeviceId::new("2001"), &begun, now);
    }
    assert_eq!(bench.registry.stats().legs, LEGS_MAX);
    assert_eq!(bench.registry.stats().overflowed, 1);
    let mut alarms = 0;
    while let Some(change) = bench.registry.poll_change() {
        alarms += usize::from(matches!(
            change.event.body,
            cloud_uplink::EventData::AlarmRaised(_)
        ));
    }
    assert_eq!(alarms, 1);
}

#[test]
fn who_calls_is_told_apart_at_a_first_snapshot_whichever_comes_first() {
    for busy_first in [false, true] {
        let mut bench = Bench::new(&["2001", "2006"]);
        let snapshots: [(&str, &[State]); 2] = [
            ("2001", &[State::Connected, State::Fail]),
            ("2006", &[State::Fail, State::Connected]),
        ];
        let order = if busy_first { [1, 0] } else { [0, 1] };
        for index in order {
            let (device, states) = snapshots[index];
            bench.snapshot(device, &[("C1", states)]);
        }
        let caller = bench.leg("C1", "2001").unwrap().clone();
        let callee = bench.leg("C1", "2006").unwrap().clone();
        assert_eq!(caller.direction, Direction::Outbound, "{busy_first}");
        assert_eq!(callee.direction, Direction::Inbound, "{busy_first}");
        let last = bench.registry.legs_of_endpoint("2001").remove(0);
        assert_eq!(last.from.as_deref(), Some("2001"));
        assert_eq!(last.to.as_deref(), Some("2006"));
        bench.snapshot("2001", &[]);
        bench.snapshot("2006", &[]);
        let answered = |it: &cloud_uplink::CallRecord| it.answered.is_some();
        assert!(!bench.records().iter().any(answered), "nobody did");
    }
}

#[test]
fn parties_taken_from_a_snapshot_are_put_right_by_the_event_that_names_them() {
    // 2001 has called 2000, whose calls ring at 2002: a snapshot of 2002 shows no more than that it rings.
    let mut bench = Bench::new(&["2001", "2002"]);
    bench.snapshot("2002", &[("C1", &[State::Alerting, State::Connected])]);
    let to = |bench: &Bench| bench.registry.legs_of_endpoint("2002").remove(0).to;
    assert_eq!(to(&bench).as_deref(), Some("2002"));
    for (told, stays) in [("2000", "2000"), ("2009", "2000")] {
        let short = Short {
            call: "C1",
            device: "2002",
            from: "2001",
            to: told,
            redirected: None,
            cause: EventCause::NEW_CALL,
        };
        let established = short.event("established", Some(State::Connected));
        bench.event("2002", &established);
        assert_eq!(to(&bench).as_deref(), Some(stays));
    }
}

#[test]
fn a_queue_that_nobody_monitors_is_left_when_the_call_rings_elsewhere() {
    let lines = trace(
        &["2001", "2002"],
        "2001 < originated C1/2001 connected to=2900
         2001 < queued C1/2900 connected to=2900
         2002 < delivered C1/2002 alerting to=2900 by=2900 why=distributed
         2001 < delivered C1/2002 connected to=2900 by=2900 why=distributed",
    );
    assert_eq!(
        lines,
        [
            "1 2001 originated connected",
            "1 2900 queued queued",
            "1 2002 delivered alerting",
            "~1 2900 cleared cleared"
        ]
    );
}

#[test]
fn a_snapshot_that_is_older_than_what_others_reported_leads_nothing_back() {
    let states = [
        &[State::Alerting, State::Connected][..],
        &[State::Connected, State::Connected],
    ];
    for listed in states {
        let mut bench = talking();
        bench.event("2001", &event("C1", "held", "2002", State::Connected));
        bench.published();
        bench.snapshot("2002", &[("C1", listed)]);
        bench.event(
            "2002",
            &event("C1", "established", "2002", State::Connected),
        );
        bench.event("2002", &event("C1", "held", "2002", State::Hold));
        assert!(bench.published().is_empty());
        assert_eq!(bench.registry.poll_wanted_snapshot(), None);

        // Later it is asked again, and believed.
        bench.now_ms += 2_000;
        let now = bench.now();
        bench.registry.handle_timeout(now);
        assert_eq!(
            bench.registry.poll_wanted_snapshot(),
            Some(DeviceId::new("2002"))
        );
        bench.snapshot("2002", &[("C1", &[State::Connected, State::Connected])]);
        assert_eq!(bench.published(), ["~C1 2002 retrieved"]);
    }
}

#[test]
fn a_snapshot_that_is_older_than_an_event_ends_nothing_and_begins_nothing_again() {
    let mut bench = talking();
    bench.snapshot("2002", &[]);
    assert!(bench.published().is_empty());
    bench.now_ms += 2_000;
    bench.registry.handle_timeout(bench.now());
    let wanted = bench.registry.poll_wanted_snapshot();
    assert_eq!(wanted, Some(DeviceId::new("2002")));
    bench.snapshot("2002", &[]);
    assert_eq!(bench.published(), ["~C1 2002 cleared"]);

    // What failed ends with its call, before its own device says so.
    let mut bench = Bench::new(&["2001", "2002"]);
    bench.event("2001", &event("C1", "originated", "2001", State::Connected));
    bench.event("2001", &event("C1", "failed", "2002", State::Connected));
    bench.event("2001", &event("C1", "cleared", "2001", State::Null));
    bench.published();
    bench.snapshot("2002", &[("C1", &[State::Fail, State::Connected])]);
    bench.event("2002", &event("C1", "cleared", "2002", State::Null));
    assert!(bench.published().is_empty());
}

#[test]
fn a_party_beyond_a_network_has_not_answered_because_a_snapshot_calls_it_connected() {
    let mut bench = Bench::new(&["2001"]);
    bench.event("2001", &event("C1", "originated", "2001", State::Connected));
    bench.event("2001", &event("C1", "reached", "0815", State::Connected));
    bench.published();
    bench.snapshot("2001", &[("C1", &[State::Connected, State::Connected])]);
    assert!(bench.published().is_empty());
    bench.event(
        "2001",
        &event("C1", "established", "0815", State::Connected),
    );
    assert_eq!(bench.published(), ["C1 0815 established"]);
}

#[test]
fn who_hears_alone_that_a_call_failed_called_and_whom_it_rings_at_is_called() {
    let mut bench = Bench::new(&["2001", "2002"]);
    bench.snapshot("2001", &[("C1", &[State::Fail])]);
    bench.snapshot("2002", &[("C2", &[State::Fail, State::Connected])]);
    let direction = |bench: &Bench, call, device| bench.leg(call, device).unwrap().direction;
    assert_eq!(direction(&bench, "C1", "2001"), Direction::Outbound);
    assert_eq!(direction(&bench, "C2", "2002"), Direction::Inbound);
    assert_eq!(bench.leg("C1", "2001").unwrap().to, None);

    // Who made the call left it, and it came back.
    let mut bench = talking();
    bench.event("2001", &event("C1", "cleared", "2001", State::Null));
    bench.now_ms += 2_000;
    bench.snapshot("2001", &[("C1", &[State::Alerting, State::Connected])]);
    assert_eq!(direction(&bench, "C1", "2001"), Direction::Inbound);
}

#[test]
fn who_hears_that_the_call_failed_has_called_if_an_event_said_so() {
    let mut bench = Bench::new(&["2001", "2002"]);
    feed(&mut bench, "2002 < diverted C1/2002 null goes=9999");
    let blocked = SnapshotCallInfo {
        local_call_state: Some(CallState::Simple(SimpleCallState::CallBlocked)),
        ..SnapshotCallInfo::new(connection("C1", "2001"))
    };
    let now = bench.now();
    bench
        .registry
        .handle_snapshot(&DeviceId::new("2001"), &[blocked], now);
    bench.drain();
    let leg = bench.leg("C1", "2001").unwrap();
    assert_eq!(leg.direction, Direction::Outbound);
    assert_eq!(leg.to.as_deref(), Some("2002"));
}
