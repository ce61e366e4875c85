//! What is known while the switching function cannot be heard, and when it is known to be so again.

use cloud_uplink::endpoint::EndpointPart;
use cloud_uplink::{EventData, Timestamp};
use csta::message::{
    BackInServiceEvent, DoNotDisturbEvent, GetDoNotDisturbResponse, OutOfServiceEvent,
};
use csta::{DeviceId, EventCause, LocalConnectionState as State, MonitorCrossRefId, Response};

use crate::harness::{Bench, Short};
use crate::script::feed;

/// 2001 talks to 2002, whose user is not to be disturbed; 2003 is out of service.
fn busy() -> Bench {
    let mut bench = Bench::new(&["2001", "2002", "2003"]);
    for device in ["2001", "2002", "2003"] {
        bench.snapshot(device, &[]);
    }
    let short = Short {
        call: "C1",
        device: "2001",
        from: "2001",
        to: "2002",
        redirected: None,
        cause: EventCause::NEW_CALL,
    };
    bench.event("2001", &short.event("originated", Some(State::Connected)));
    let called = Short {
        device: "2002",
        ..short
    };
    bench.event("2002", &called.event("established", Some(State::Connected)));
    let xref = || MonitorCrossRefId::new("1");
    let dnd = DoNotDisturbEvent::new(xref(), DeviceId::new("2002").into(), true);
    bench.event("2002", &dnd.into());
    let out = OutOfServiceEvent::new(xref(), DeviceId::new("2003").into());
    bench.event("2003", &out.into());
    bench.traced();
    bench.others.clear();
    bench
}

/// Parts of an extension that are not known to be so, and until when they are.
fn lost(bench: &Bench, extension: &str) -> (Vec<EndpointPart>, Option<Timestamp>) {
    let view = bench.registry.endpoint(extension).unwrap();
    (view.unconfirmed.clone(), view.known_until)
}

fn leg_known_until(bench: &Bench, device: &str) -> Option<Timestamp> {
    bench.leg("C1", device).unwrap().known_until
}

#[test]
fn a_cut_loses_all_and_snapshots_and_answers_confirm_it_piece_by_piece() {
    use EndpointPart::{DoNotDisturb, InService, Presence};
    let mut bench = busy();
    let since = bench.registry.endpoint("2002").unwrap().since;
    let cut = bench.now();
    bench.relink();
    for device in ["2001", "2002"] {
        assert_eq!(leg_known_until(&bench, device), Some(cut));
    }
    assert_eq!(
        lost(&bench, "2002"),
        (vec![DoNotDisturb, Presence], Some(cut))
    );

    bench.snapshot("2002", &[("C1", &[State::Connected, State::Connected])]);
    assert_eq!(bench.traced(), ["~1 2002 confirmed connected"]);
    assert_eq!(leg_known_until(&bench, "2002"), None);
    assert_eq!(leg_known_until(&bench, "2001"), Some(cut));
    // Busy with a call, whatever the feature says.
    assert_eq!(lost(&bench, "2002"), (vec![DoNotDisturb], Some(cut)));

    let answer: Response = GetDoNotDisturbResponse::new(true).into();
    let now = bench.now();
    bench
        .registry
        .handle_features(&DeviceId::new("2002"), &answer, now);
    bench.drain();
    assert_eq!(lost(&bench, "2002"), (vec![], None));
    let view = bench.registry.endpoint("2002").unwrap();
    assert_eq!(view.since, since, "nothing has changed");

    // Nobody tells by an answer whether a device is in service, and its presence hangs on that.
    bench.snapshot("2003", &[]);
    assert_eq!(lost(&bench, "2003"), (vec![InService, Presence], Some(cut)));
    let xref = MonitorCrossRefId::new("1");
    let back = BackInServiceEvent::new(xref, DeviceId::new("2003").into());
    bench.event("2003", &back.into());
    assert_eq!(lost(&bench, "2003"), (vec![], None));

    // An idle extension is confirmed by its empty list, once.
    bench.snapshot("2001", &[("C1", &[State::Connected, State::Connected])]);
    assert_eq!(bench.traced(), ["~1 2001 confirmed connected"]);
    bench.others.clear();
    bench.snapshot("2001", &[("C1", &[State::Connected, State::Connected])]);
    assert!(bench.traced().is_empty() && bench.others.is_empty());
    assert_eq!(lost(&bench, "2001"), (vec![], None));
}

#[test]
fn where_the_pbx_has_lost_messages_all_is_known_as_of_then() {
    let mut bench = busy();
    let then = bench.now();
    bench.registry.handle_messages_lost(then);
    bench.drain();
    assert!(matches!(
        &bench.others[..],
        [EventData::LinkDown(down), EventData::LinkUp(_)]
            if down.reason.as_deref() == Some("the PBX has lost messages")
    ));
    for device in ["2001", "2002"] {
        assert_eq!(leg_known_until(&bench, device), Some(then));
    }
    assert_eq!(
        lost(&bench, "2002"),
        (
            vec![EndpointPart::DoNotDisturb, EndpointPart::Presence],
            Some(then)
        )
    );
    bench.snapshot("2002", &[("C1", &[State::Connected, State::Connected])]);
    assert_eq!(bench.traced(), ["~1 2002 confirmed connected"]);
    assert_eq!(leg_known_until(&bench, "2001"), Some(then));
}

#[test]
fn what_was_lost_before_keeps_its_time() {
    let mut bench = busy();
    let first = bench.now();
    bench.relink();
    bench.snapshot("2001", &[("C1", &[State::Connected, State::Connected])]);
    bench.relink();
    assert_eq!(leg_known_until(&bench, "2002"), Some(first));
    assert!(leg_known_until(&bench, "2001") > Some(first));
}

#[test]
fn after_a_crash_all_is_known_as_of_the_last_change_and_after_a_stop_as_of_then() {
    let mut bench = busy();
    let last = bench.registry.endpoint("2003").unwrap().since;
    bench.now_ms += 60_000;
    bench.restart();
    let down = bench.others.iter().find_map(|body| match body {
        EventData::LinkDown(link) => Some(link.clone()),
        _ => None,
    });
    assert_eq!(down.unwrap().known_until, Some(last));
    assert_eq!(leg_known_until(&bench, "2002"), Some(last));

    let mut bench = busy();
    let stop = bench.now();
    bench.registry.handle_link_down("gateway stopped", stop);
    bench.drain();
    bench.others.clear();
    bench.now_ms += 60_000;
    bench.restart();
    let told = bench.others.iter();
    assert!(
        told.clone()
            .all(|body| !matches!(body, EventData::LinkDown(_)))
    );
    assert_eq!(leg_known_until(&bench, "2002"), Some(stop));
    bench.snapshot("2002", &[("C1", &[State::Connected, State::Connected])]);
    assert_eq!(bench.traced(), ["~1 2002 confirmed connected"]);
}

#[test]
fn a_monitor_that_stops_loses_its_extension_alone() {
    let mut bench = busy();
    let now = bench.now();
    let device = DeviceId::new("2002");
    bench
        .registry
        .handle_unmonitored(&device, "MonitorStop", true, now);
    bench.drain();
    assert_eq!(leg_known_until(&bench, "2002"), Some(now));
    assert_eq!(leg_known_until(&bench, "2001"), None);
    assert_eq!(lost(&bench, "2001"), (vec![], None));
    bench.registry.handle_monitored(&device, now);
    bench.snapshot("2002", &[("C1", &[State::Connected, State::Connected])]);
    assert_eq!(leg_known_until(&bench, "2002"), None);
}

#[test]
fn a_snapshot_confirms_its_own_device_though_the_other_connection_was_only_assumed() {
    let mut bench = Bench::new(&["2001", "2002"]);
    feed(&mut bench, "2001 < delivered C1/2002 connected");
    bench.relink();
    bench.traced();
    bench.snapshot("2002", &[("C1", &[State::Alerting, State::Connected])]);
    assert_eq!(bench.traced(), ["~1 2002 confirmed alerting"]);
    bench.snapshot("2001", &[("C1", &[State::Connected, State::Alerting])]);
    assert_eq!(bench.traced(), ["~1 2001 confirmed connected"]);
}
