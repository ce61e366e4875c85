//! Each fault on demand: what a client sees of it, and that the ledger counts it when it bites.

use std::time::Duration;

use csta::message::application_session::{ApplicationInfo, ProtocolVersions};
use csta::message::{
    GetDoNotDisturb, MakeCall, RequestSystemStatus, ResetApplicationSessionTimer, SnapshotDevice,
    StartApplicationSession,
};
use csta::{AutoOriginate, DeviceId, Edition};

use crate::bench::{Bench, Heard};

fn call() -> MakeCall {
    MakeCall {
        auto_originate: Some(AutoOriginate::DoNotPrompt),
        ..MakeCall::new(DeviceId::new("2001"), DeviceId::new("2002"))
    }
}

fn session() -> StartApplicationSession {
    StartApplicationSession {
        requested_session_duration: Some(30),
        ..StartApplicationSession::new(
            ApplicationInfo {
                application_id: "test".to_owned(),
                specific_info: String::new(),
            },
            ProtocolVersions(vec![Edition::Ed5.namespace().to_owned()]),
        )
    }
}

const CALLED: [&str; 3] = [
    "MakeCallResponse",
    "2001: OriginatedEvent",
    "2001: DeliveredEvent",
];

#[test]
fn events_are_dropped_and_doubled_by_name_and_by_count() {
    for (line, fault, expected) in [
        (
            "drop OriginatedEvent",
            "eventDropped",
            vec![CALLED[0], CALLED[2]],
        ),
        ("drop every 2", "eventDropped", vec![CALLED[0], CALLED[1]]),
        (
            "duplicate DeliveredEvent",
            "eventDuplicated",
            vec![CALLED[0], CALLED[1], CALLED[2], CALLED[2]],
        ),
        (
            "duplicate every 1",
            "eventDuplicated",
            vec![CALLED[0], CALLED[1], CALLED[1], CALLED[2], CALLED[2]],
        ),
    ] {
        let mut bench = Bench::watching(&["2001"]);
        assert_eq!(bench.tell(line), "ok");
        assert_eq!(bench.fault(fault), 0, "not before it bites");
        assert_eq!(bench.ask(call()), expected, "{line}");
        assert!(bench.fault(fault) > 0, "{line}");
        bench.tell("drop off");
        bench.tell("duplicate off");
        bench.tell("clear 2001");
        assert_eq!(bench.lines(), ["2001: ConnectionClearedEvent"], "{line}");
    }
}

#[test]
fn lost_events_are_owned_up_to_once() {
    let mut bench = Bench::watching(&["2001"]);
    bench.tell("lose 500");
    assert_eq!(bench.ask(call()), [CALLED[0]]);
    bench.wait(Duration::from_millis(499));
    assert_eq!(bench.lines(), Vec::<String>::new());
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.lines(), ["SystemStatus"]);
    bench.tell("clear 2001");
    assert_eq!(bench.lines(), ["2001: ConnectionClearedEvent"]);
    bench.wait(Duration::from_secs(60));
    assert_eq!(bench.lines(), Vec::<String>::new());
    assert_eq!(bench.fault("eventLost"), 2);
}

#[test]
fn shuffled_answers_overtake_each_other_and_none_is_lost() {
    let mut bench = Bench::watching(&["2001"]);
    bench.tell("shuffle 100");
    for _ in 0..50 {
        bench.send(bench.first, GetDoNotDisturb::new(DeviceId::new("2001")));
    }
    assert_eq!(
        bench.ask(call()),
        CALLED[1..],
        "events do not wait for the answer"
    );
    let mut order = Vec::new();
    for _ in 0..100 {
        bench.wait(Duration::from_millis(1));
        for heard in bench.heard() {
            let Heard::Frame(_, invoke_id, _) = heard else {
                panic!()
            };
            order.push(invoke_id.get());
        }
    }
    assert_eq!(order.len(), 51);
    assert!(!order.is_sorted(), "{order:?}");
    order.sort_unstable();
    order.dedup();
    assert_eq!(order.len(), 51);
    assert_eq!(bench.fault("answerShuffled"), 51);
}

#[test]
fn segments_stay_behind_the_answer_that_announces_them_when_it_is_held() {
    let mut bench = Bench::new(|_| {});
    bench.tell("set snapshot segmented");
    bench.tell("shuffle 50");
    for _ in 0..10 {
        bench.send(bench.first, SnapshotDevice::new(DeviceId::new("2001")));
    }
    bench.wait(Duration::from_millis(50));
    let pairs = bench.lines();
    assert_eq!(
        pairs,
        ["SnapshotDeviceResponse", "SnapshotDeviceData"].repeat(10)
    );
    assert_eq!(bench.fault("snapshotSegmented"), 10);
}

#[test]
fn the_link_is_cut_in_the_midst_of_the_byte_that_is_asked_for() {
    let mut bench = Bench::watching(&["2001"]);
    bench.tell("cut-after 1000");
    bench.send(bench.first, call());
    let sent: usize = bench
        .heard()
        .iter()
        .map(|heard| match heard {
            Heard::Frame(_, _, xml) => xml.len() + 8,
            Heard::Part(len) => *len,
            Heard::Closed | Heard::Cut => 0,
        })
        .sum();
    assert_eq!(sent, 1000);
    assert_eq!(bench.fault("linkCutAfterBytes"), 1);
    assert_eq!(bench.exchange.ledger().links_open, 0);
    // The next one, too.
    let next = bench.exchange.open_link();
    for _ in 0..10 {
        bench.send(next, RequestSystemStatus::new());
    }
    assert_eq!(bench.lines().last().unwrap(), "closed");
    assert_eq!(bench.fault("linkCutAfterBytes"), 2);
}

#[test]
fn a_device_is_denied_and_known_again() {
    let mut bench = Bench::watching(&["2001"]);
    bench.tell("unknown 2001 on");
    let snapshot = || SnapshotDevice::new(DeviceId::new("N<2001>"));
    assert_eq!(bench.ask(snapshot()), ["operation/invalidDeviceID"]);
    assert_eq!(bench.ask(call()), ["operation/invalidDeviceID"]);
    bench.tell("unknown 2001 off");
    assert_eq!(bench.ask(snapshot()), ["SnapshotDeviceResponse"]);
    assert_eq!(bench.fault("deviceUnknown"), 2);
}

#[test]
fn monitors_are_ended_by_the_pbx_and_hear_no_more() {
    let mut bench = Bench::watching(&["2001", "2001", "2002"]);
    assert_eq!(bench.tell("monitor-stop 2001"), "ok 2 monitors stopped");
    assert_eq!(bench.lines(), ["MonitorStop", "MonitorStop"]);
    assert_eq!(bench.ask(call()), [CALLED[0], "2002: DeliveredEvent"]);
    assert_eq!(bench.tell("monitor-stop all"), "ok 1 monitors stopped");
    assert_eq!(bench.fault("monitorStopped"), 3);
    assert_eq!(bench.exchange.ledger().monitors, 0);
}

#[test]
fn sessions_are_refused_unanswered_or_not_known() {
    for (word, fault, answer) in [
        (
            "maxNumberSessions",
            "sessionRefused",
            vec!["StartApplicationSessionNegResponse"],
        ),
        ("silent", "sessionUnanswered", vec![]),
        (
            "unsupported",
            "sessionUnsupported",
            vec!["operation/serviceNotSupported"],
        ),
    ] {
        let mut bench = Bench::new(|_| {});
        bench.tell(&format!("refuse-session {word}"));
        assert_eq!(bench.ask(session()), answer, "{word}");
        assert_eq!(bench.fault(fault), 1, "{word}");
        // All else goes on.
        assert_eq!(
            bench.ask(RequestSystemStatus::new()),
            ["RequestSystemStatusResponse"]
        );
        bench.tell("refuse-session off");
        assert_eq!(bench.ask(session()), ["StartApplicationSessionPosResponse"]);
    }
}

#[test]
fn a_session_that_cannot_be_prolonged_expires_and_one_can_be_ended() {
    let mut bench = Bench::new(|_| {});
    bench.tell("session resets off");
    bench.ask(session());
    let reset = ResetApplicationSessionTimer::new("00000001-1".to_owned());
    bench.wait(Duration::from_secs(15));
    assert_eq!(bench.ask(reset), Vec::<String>::new());
    bench.wait(Duration::from_secs(15));
    assert_eq!(bench.lines(), ["ApplicationSessionTerminated", "closed"]);
    assert_eq!(bench.fault("resetSwallowed"), 1);
    assert_eq!(bench.exchange.ledger().sessions_expired, 1);

    bench.first = bench.exchange.open_link();
    bench.ask(session());
    assert_eq!(bench.tell("session end"), "ok 1 sessions ended");
    let xml = bench.xml();
    assert!(xml[0].contains("sessionTimerExpired"), "{xml:?}");
    assert_eq!(bench.fault("sessionTerminated"), 1);
}

#[test]
fn a_licence_expires_by_ending_sessions_or_by_refusing_services() {
    let mut bench = Bench::new(|_| {});
    bench.ask(session());
    bench.tell("licence refuse");
    let refused = "subscribedResourceAvailability/generic";
    assert_eq!(bench.ask(call()), [refused]);
    assert_eq!(bench.fault("licenceRefused"), 1);
    bench.tell("licence ok");
    assert_eq!(bench.ask(call()), ["MakeCallResponse"]);
    bench.tell("licence terminate");
    let xml = bench.xml();
    assert!(xml[0].contains("resourceLimitation"), "{xml:?}");
    bench.first = bench.exchange.open_link();
    assert_eq!(bench.ask(session()), ["StartApplicationSessionNegResponse"]);
    bench.tell("licence ok");
    assert_eq!(bench.ask(session()), ["StartApplicationSessionPosResponse"]);
}

#[test]
fn choices_of_the_dialect_change_while_the_pbx_runs() {
    let mut bench = Bench::watching(&["2001", "2002", "2003"]);
    bench.tell("forward 2002 immediate 2003");
    bench.lines();
    for (value, others) in [("all", true), ("diverting-device", false)] {
        assert_eq!(bench.tell(&format!("set diverted-to {value}")), "ok");
        bench.tell("call 2001 2002");
        let told = bench.lines();
        assert_eq!(
            told.contains(&"2001: DivertedEvent".to_owned()),
            others,
            "{value}"
        );
        bench.tell("clear 2001");
        bench.lines();
    }
    for (value, kept) in [("primary", 0), ("secondary", 1), ("new", 2)] {
        bench.tell(&format!("set resulting-call {value}"));
        let mut ids = Vec::new();
        for line in [
            "call 2001 2004",
            "answer 2004",
            "consult 2001 2005",
            "answer 2005",
        ] {
            let told = bench.tell(line);
            ids.extend(told.strip_prefix("ok call ").map(ToOwned::to_owned));
        }
        assert_eq!(bench.tell("transfer 2001"), "ok");
        let calls = bench.exchange.truth().calls;
        let place = ids.iter().position(|id| *id == calls[0].call_id);
        assert_eq!(place.unwrap_or(2), kept, "{value}");
        bench.tell("drain");
    }
    assert_eq!(
        bench.tell("set resulting-call fourth"),
        "resulting-call is \"fourth\"; allowed: \"new\" or \"primary\" or \"secondary\""
    );
}

#[test]
fn faults_leave_the_pbx_alive_whatever_comes() {
    let mut bench = Bench::watching(&["2001"]);
    let long = format!("<{}/>", "a".repeat(60_000));
    for body in [
        "".as_bytes(),
        b"\xff\xfe\x00",
        b"<a><b></a>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b"<MonitorStart><monitorObject/></MonitorStart>",
        b"<MakeCall><callingDevice/><calledDirectoryNumber/></MakeCall>",
        b"<SystemRegister/>",
        b"<CSTAErrorCode/>",
        b"<GenerateDigits><connectionToSendDigits><callID>\xc3\xa4</callID></connectionToSendDigits></GenerateDigits>",
        b"<ClearCall><callToBeCleared><callID>\xf0\x9f\x93\x9e\xf0\x9f\x93\x9e00</callID></callToBeCleared></ClearCall>",
        long.as_bytes(),
    ] {
        bench.send_body(bench.first, bytes::Bytes::copy_from_slice(body));
    }
    assert!(bench.lines().iter().all(|line| line.contains("operation/")));
    assert_eq!(bench.ask(call()), CALLED);
}
