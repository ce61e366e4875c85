//! Services of calls, monitors, capabilities and the system: answers, order, refusals.

use csta::message::monitoring::MonitorObject;
use csta::message::{
    AlternateCall, ClearCall, ConferenceCall, ConsultationCall, DeflectCall, GenerateDigits,
    GetCSTAFeatures, GetLogicalDeviceInformation, GetSwitchingFunctionDevices, MakeCall,
    MonitorStart, MonitorStop, ReconnectCall, RequestSystemStatus, RetrieveCall,
    SingleStepConferenceCall, SingleStepTransferCall, SnapshotCall, SnapshotDevice, SystemRegister,
    SystemStatus, TransferCall,
};
use csta::value::{Destinations, DigitMode, RequestTypes, RequestedDeviceCategory, StatusFilter};
use csta::{
    CallId, ConnectionId, DeviceId, Message, MonitorCrossRefId, MonitorType, Request, Response,
    SystemStatusValue,
};

use crate::bench::Bench;

fn d(number: &str) -> DeviceId {
    DeviceId::new(number)
}

/// The connection of a device in the call of that number.
fn c(call: u32, device: &str) -> ConnectionId {
    ConnectionId::new(CallId::new(format!("00000001{call:08X}")), d(device))
}

/// 2001 holds 2002 in the first call and talks with 2003 in the second.
fn consulting() -> Bench {
    let mut bench = Bench::watching(&["2001", "2002", "2003"]);
    for line in [
        "call 2001 2002",
        "answer 2002",
        "consult 2001 2003",
        "answer 2003",
    ] {
        assert!(bench.tell(line).starts_with("ok"), "{line}");
    }
    bench.lines();
    bench
}

#[test]
fn services_of_two_calls_are_answered_before_the_events_of_every_party() {
    let rows: Vec<(Request, &[&str])> = vec![
        (
            AlternateCall::new(c(1, "2001"), c(2, "2001")).into(),
            &[
                "AlternateCallResponse",
                "2001: HeldEvent",
                "2003: HeldEvent",
                "2001: RetrievedEvent",
                "2002: RetrievedEvent",
            ],
        ),
        (
            ReconnectCall::new(c(2, "2001"), c(1, "2001")).into(),
            &[
                "ReconnectCallResponse",
                "2001: ConnectionClearedEvent",
                "2003: ConnectionClearedEvent",
                "2003: ConnectionClearedEvent",
                "2001: RetrievedEvent",
                "2002: RetrievedEvent",
            ],
        ),
        (
            TransferCall::new(c(1, "2001"), c(2, "2001")).into(),
            &[
                "TransferCallResponse",
                "2001: TransferedEvent",
                "2002: TransferedEvent",
                "2003: TransferedEvent",
            ],
        ),
        (
            ConferenceCall::new(c(1, "2001"), c(2, "2001")).into(),
            &[
                "ConferenceCallResponse",
                "2001: ConferencedEvent",
                "2002: ConferencedEvent",
                "2003: ConferencedEvent",
            ],
        ),
        (
            SingleStepTransferCall::new(c(2, "2001"), d("2004")).into(),
            &[
                "SingleStepTransferCallResponse",
                "2001: TransferedEvent",
                "2003: TransferedEvent",
                "2003: DeliveredEvent",
            ],
        ),
    ];
    for (request, expected) in rows {
        let mut bench = consulting();
        let mut told = bench.ask(request.clone());
        let answer = told.remove(0);
        assert_eq!(answer, expected[0]);
        // Between monitors the order is free; of one monitor it is not.
        for device in ["2001", "2002", "2003"] {
            let of = |lines: &[String]| {
                let lines = lines.iter().filter(|line| line.starts_with(device));
                lines.cloned().collect::<Vec<_>>()
            };
            let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(of(&told), of(&expected), "{answer} at {device}");
        }
        assert_eq!(told.len(), expected.len() - 1, "{told:?}");
    }
}

#[test]
fn services_of_one_call_are_answered_before_their_events() {
    let mut bench = Bench::watching(&["2001", "2002"]);
    bench.tell("call 2003 2002");
    bench.lines();
    let deflect = DeflectCall::new(c(1, "2002"), Destinations(vec![d("2001")]));
    assert_eq!(
        bench.ask(deflect),
        [
            "DeflectCallResponse",
            "2002: DivertedEvent",
            "2001: DeliveredEvent"
        ]
    );
    bench.tell("answer 2001");
    bench.lines();
    let digits = GenerateDigits {
        characters_to_send: Some("12#".to_owned()),
        ..GenerateDigits::new(c(1, "2001"))
    };
    let told = bench.ask(digits);
    assert_eq!(
        told[..2],
        ["GenerateDigitsResponse", "2001: DigitsGeneratedEvent"]
    );
    let told = bench.ask(ConsultationCall::new(c(1, "2001"), d("2002")));
    assert_eq!(told[0], "ConsultationCallResponse");
    assert!(told.contains(&"2001: HeldEvent".to_owned()), "{told:?}");
    assert!(
        told.contains(&"2002: DeliveredEvent".to_owned()),
        "{told:?}"
    );
    assert_eq!(
        bench.ask(ClearCall::new(c(1, "2001")))[0],
        "ClearCallResponse"
    );
    assert_eq!(bench.exchange.truth().calls.len(), 1);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn wrong_requests_get_the_standards_error() {
    let op = |value: &str| format!("operation/{value}");
    let state = |value: &str| format!("stateIncompatibility/{value}");
    let digits = |mode| GenerateDigits {
        digit_mode: mode,
        characters_to_send: Some("x".to_owned()),
        ..GenerateDigits::new(c(2, "2001"))
    };
    let two = Destinations(vec![d("2004"), d("2005")]);
    let of_call_type = MonitorStart {
        monitor_type: Some(MonitorType::Call),
        ..MonitorStart::new(MonitorObject::Device(d("2001")))
    };
    let registered = RequestSystemStatus {
        sys_stat_register_id: Some("none".to_owned()),
        ..RequestSystemStatus::new()
    };
    let rows: Vec<(Request, String)> = vec![
        (
            MakeCall::new(d("777"), d("2001")).into(),
            op("invalidCallingDeviceID"),
        ),
        (
            MakeCall::new(d("2001"), d("2004")).into(),
            state("invalidCallingDeviceState"),
        ),
        (
            MakeCall::new(d("2004"), d("2004")).into(),
            op("notDifferentDevices"),
        ),
        (ClearCall::new(c(9, "2001")).into(), op("invalidCallID")),
        (
            RetrieveCall::new(c(9, "2001")).into(),
            op("invalidConnectionID"),
        ),
        (RetrieveCall::new(c(2, "2001")).into(), state("noHeldCall")),
        (
            RetrieveCall::new(c(1, "2001")).into(),
            state("connectedCallExists"),
        ),
        (
            AlternateCall::new(c(2, "2001"), c(1, "2001")).into(),
            state("invalidActiveConnectionState"),
        ),
        (
            TransferCall::new(c(1, "2001"), c(2, "2003")).into(),
            op("notSameDevice"),
        ),
        (
            SingleStepTransferCall::new(c(2, "2001"), d("777")).into(),
            op("invalidDestination"),
        ),
        (
            SingleStepConferenceCall::new(c(2, "2001"), d("2003")).into(),
            op("notDifferentDevices"),
        ),
        (
            DeflectCall::new(c(2, "2003"), two).into(),
            op("invalidDestination"),
        ),
        (
            DeflectCall::new(c(2, "2003"), Destinations(vec![d("2004")])).into(),
            state("invalidConnectionState"),
        ),
        (digits(None).into(), op("invalidParameterValue")),
        (
            digits(Some(DigitMode::ROTARY_PULSE)).into(),
            op("digitModeNotSupported"),
        ),
        (SnapshotDevice::new(d("777")).into(), op("invalidDeviceID")),
        (SnapshotCall::new(c(9, "2001")).into(), op("invalidCallID")),
        (
            GetLogicalDeviceInformation::new(d("777")).into(),
            op("invalidDeviceID"),
        ),
        (
            GetSwitchingFunctionDevices {
                requested_device_id: Some(d("777")),
                ..GetSwitchingFunctionDevices::new()
            }
            .into(),
            op("invalidDeviceID"),
        ),
        (
            MonitorStart::new(MonitorObject::Device(d("777"))).into(),
            op("invalidDeviceID"),
        ),
        (
            MonitorStart::new(MonitorObject::Call(c(9, "2001"))).into(),
            op("invalidCallID"),
        ),
        (of_call_type.into(), op("monitorTypeNotSupported")),
        (
            MonitorStop::new(MonitorCrossRefId::new("99")).into(),
            op("invalidMonitorCrossRefID"),
        ),
        (registered.into(), op("invalidCrossRefID")),
        (
            SystemRegister::new(RequestTypes::default()).into(),
            op("invalidParameterValue"),
        ),
    ];
    let mut bench = consulting();
    let before = bench.exchange.truth();
    for (request, error) in rows {
        assert_eq!(bench.ask(request.clone()), [error], "{request:?}");
    }
    assert_eq!(bench.exchange.truth(), before);
}

#[test]
fn a_monitor_of_a_call_hears_of_all_its_devices_and_a_snapshot_names_them() {
    let mut bench = consulting();
    let monitor = MonitorStart::new(MonitorObject::Call(c(2, "2001")));
    assert_eq!(bench.ask(monitor), ["MonitorStartResponse"]);
    bench.send(bench.first, SnapshotCall::new(c(2, "2001")));
    let xml = bench.xml().remove(0);
    for device in ["2001", "2003"] {
        let on_call = format!("<deviceOnCall><deviceIdentifier>{device}</deviceIdentifier>");
        assert!(xml.contains(&on_call), "{xml}");
    }
    let told = bench.ask(ClearCall::new(c(2, "2001")));
    let mut of_call = told.iter().filter(|line| line.starts_with("?: "));
    assert_eq!(of_call.next_back().unwrap(), "?: CallClearedEvent");
}

#[test]
fn a_snapshot_of_a_call_comes_in_the_segments_of_its_edition() {
    for (editions, devices) in [("ed5", &[1, 1][..]), ("ed6", &[2])] {
        let mut bench = Bench::new(|config| {
            config
                .association
                .dialect
                .set("snapshot", "segmented")
                .unwrap();
            config
                .association
                .dialect
                .set("editions", editions)
                .unwrap();
        });
        assert_eq!(bench.tell("call 2001 2002"), "ok call 0000000100000001");
        bench.send(bench.first, SnapshotCall::new(c(1, "2001")));
        let xml = bench.xml();
        assert!(xml[0].contains("<serviceCrossRefID>"), "{}", xml[0]);
        assert!(!xml[0].contains("<deviceOnCall>"), "{}", xml[0]);
        let segments = xml[1..].iter().map(|xml| {
            let numbered = xml.contains("<lastSegment>") && xml.contains("<serviceCrossRefID>");
            assert_eq!(numbered, editions == "ed5", "{xml}");
            assert!(xml.contains("<SnapshotCallData "), "{xml}");
            xml.matches("<deviceOnCall>").count()
        });
        assert_eq!(segments.collect::<Vec<_>>(), devices);
    }
}

#[test]
fn the_device_list_comes_in_segments_of_the_size_that_is_set() {
    for (size, segments) in [(100, 1), (8, 3), (1, 20), (0, 20)] {
        let mut bench = Bench::new(|config| config.association.devices_per_segment = size);
        bench.send(bench.first, GetSwitchingFunctionDevices::new());
        let xml = bench.xml();
        assert_eq!(xml.len(), 1 + segments, "{size}");
        let last = |xml: &String| xml.contains("<lastSegment>true</lastSegment>");
        assert_eq!(xml.iter().filter(|xml| last(xml)).count(), 1);
        assert!(last(&xml[segments]));
        let devices: usize = xml
            .iter()
            .map(|xml| xml.matches("<deviceID>").count())
            .sum();
        assert_eq!(devices, 20);
    }
    let mut bench = Bench::new(|_| {});
    let trunks = GetSwitchingFunctionDevices {
        requested_device_category: Some(RequestedDeviceCategory::NETWORK_INTERFACE),
        ..GetSwitchingFunctionDevices::new()
    };
    bench.send(bench.first, trunks);
    let xml = bench.xml();
    assert!(
        !xml[1].contains("<deviceID>") && xml[1].contains("lastSegment>true"),
        "{xml:?}"
    );
}

#[test]
fn a_device_that_comes_or_goes_is_told_to_those_who_registered_for_it() {
    let mut bench = Bench::watching(&["2001", "2002"]);
    let devices = RequestTypes {
        switching_function_devices_changed: true,
        ..RequestTypes::default()
    };
    assert_eq!(
        bench.ask(SystemRegister::new(devices)),
        ["SystemRegisterResponse"]
    );
    let second = bench.exchange.open_link();
    let status = RequestTypes {
        system_status: true,
        ..RequestTypes::default()
    };
    bench.send(second, SystemRegister::new(status));
    bench.lines();
    assert_eq!(bench.tell("device add 2900 phantom"), "ok");
    assert_eq!(bench.lines(), ["SwFunctionDevicesChanged"]);
    assert_eq!(bench.tell("device add 2900"), "ok already so");
    assert_eq!(bench.lines(), Vec::<String>::new());
    bench.tell("call 2001 2002");
    bench.lines();
    assert_eq!(bench.tell("device remove 2002"), "ok");
    let told = bench.lines();
    assert_eq!(
        told[told.len() - 2..],
        ["MonitorStop", "SwFunctionDevicesChanged"]
    );
    assert!(
        told.contains(&"2001: ConnectionClearedEvent".to_owned()),
        "{told:?}"
    );
    assert_eq!(
        bench.ask(SnapshotDevice::new(d("2002"))),
        ["operation/invalidDeviceID"]
    );
    let refusal = "the PBX refuses: operation/invalidDeviceID";
    assert_eq!(bench.tell("device remove 2002"), refusal);
}

#[test]
fn a_status_goes_to_those_who_registered_unless_they_filter_it() {
    let mut bench = Bench::new(|_| {});
    let register = SystemRegister {
        requested_status_filter: Some(StatusFilter {
            overload_imminent: true,
            ..StatusFilter::default()
        }),
        ..SystemRegister::new(RequestTypes {
            system_status: true,
            ..RequestTypes::default()
        })
    };
    bench.ask(register);
    // Never registered: hears everything.
    bench.exchange.open_link();
    for status in SystemStatusValue::ALL {
        bench.tell(&format!("status {status}"));
        let told = bench.lines();
        let filtered = *status == SystemStatusValue::OverloadImminent;
        assert_eq!(
            told.contains(&"SystemStatus".to_owned()),
            !filtered,
            "{status}"
        );
        assert!(
            told.contains(&"client 2 SystemStatus".to_owned()),
            "{status}"
        );
    }
    bench.tell("status overloadReached");
    bench.lines();
    bench.send(bench.first, RequestSystemStatus::new());
    assert!(bench.xml()[0].contains("overloadReached"));
    // A heart-beat without its status.
    assert_eq!(bench.ask(SystemStatus::new()), ["SystemStatusResponse"]);
}

#[test]
fn the_features_named_are_those_that_are_answered() {
    let mut bench = consulting();
    bench.send(bench.first, GetCSTAFeatures::new());
    let xml = bench.xml().remove(0);
    let Message::Response(Response::GetCSTAFeatures(answer)) =
        Message::parse(xml.as_bytes()).unwrap()
    else {
        panic!()
    };
    let services = answer.supported_services.unwrap();
    for service in [
        "transferCall",
        "setForwarding",
        "getSwitchingFunctionDevices",
    ] {
        assert!(services.contains(service), "{service}");
    }
    assert!(!services.contains("parkCall"));
    assert!(answer.supported_events.unwrap().contains("agentReady"));
    bench.send(bench.first, GetLogicalDeviceInformation::new(d("2001")));
    let xml = bench.xml().remove(0);
    assert!(
        xml.contains("<deviceCategory>station</deviceCategory>"),
        "{xml}"
    );
    assert!(xml.contains("<logicalServList><getDoNotDisturb/>"), "{xml}");
}
