//! Features of devices: what each service is answered with, and which monitors hear of it.

use csta::message::presence::PresenceState;
use csta::message::{
    GetDoNotDisturb, GetForwarding, GetMessageWaitingIndicator, GetPresenceState, MakeCall,
    SetDoNotDisturb, SetForwarding, SetMessageWaitingIndicator, SetPresenceState,
};
use csta::value::{CallOrigination, CallingDevices, ForwardingType};
use csta::{DeviceId, Request};

use crate::bench::Bench;

fn d(number: &str) -> DeviceId {
    DeviceId::new(number)
}

fn forward(kind: &str, on: bool, to: Option<&str>) -> SetForwarding {
    SetForwarding {
        forwarding_type: Some(ForwardingType::new(kind)),
        forward_dn: to.map(d),
        ..SetForwarding::new(d("2001"), on)
    }
}

/// Two clients watch 2001, the first one twice: three monitors hear of each change.
fn watched_thrice() -> Bench {
    let mut bench = Bench::watching(&["2001", "2001", "2002"]);
    let second = bench.exchange.open_link();
    bench.watch(second, "2001");
    bench
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_change_is_answered_then_told_to_every_monitor_of_the_device_and_again_to_nobody() {
    let waiting = |on, from: Option<&str>| SetMessageWaitingIndicator {
        device_for_message: from.map(d),
        ..SetMessageWaitingIndicator::new(d("2001"), on)
    };
    let internal = SetDoNotDisturb {
        call_origination: Some(CallOrigination {
            internal: true,
            external: false,
        }),
        ..SetDoNotDisturb::new(d("2001"), true)
    };
    let presence = |name| SetPresenceState::new(d("2001"), PresenceState::new(name));
    let changes: Vec<(Request, &str, &str)> = vec![
        (
            SetDoNotDisturb::new(d("2001"), true).into(),
            "SetDoNotDisturbResponse",
            "DoNotDisturbEvent",
        ),
        (
            internal.into(),
            "SetDoNotDisturbResponse",
            "DoNotDisturbEvent",
        ),
        (
            SetDoNotDisturb::new(d("N<2001>"), false).into(),
            "SetDoNotDisturbResponse",
            "DoNotDisturbEvent",
        ),
        (
            waiting(true, Some("4000")).into(),
            "SetMessageWaitingIndicatorResponse",
            "MessageWaitingEvent",
        ),
        (
            waiting(false, None).into(),
            "SetMessageWaitingIndicatorResponse",
            "MessageWaitingEvent",
        ),
        (
            presence("away").into(),
            "SetPresenceStateResponse",
            "PresenceStateEvent",
        ),
        (
            presence("applicationSpecified10").into(),
            "SetPresenceStateResponse",
            "PresenceStateEvent",
        ),
        (
            forward("forwardBusy", true, Some("2003")).into(),
            "SetForwardingResponse",
            "ForwardingEvent",
        ),
        (
            forward("forwardBusy", false, None).into(),
            "SetForwardingResponse",
            "ForwardingEvent",
        ),
        // The last destination counts where none is given.
        (
            forward("forwardBusy", true, None).into(),
            "SetForwardingResponse",
            "ForwardingEvent",
        ),
    ];
    let mut bench = watched_thrice();
    for (request, answer, event) in changes {
        let told = vec![
            answer.to_owned(),
            format!("2001: {event}"),
            format!("2001: {event}"),
            format!("client 2 2001: {event}"),
        ];
        assert_eq!(bench.ask(request.clone()), told, "{request:?}");
        // ECMA-269 §9.5.1: already so.
        assert_eq!(bench.ask(request.clone()), [answer], "{request:?}");
    }
}

#[test]
fn every_forwarding_type_can_be_set_and_is_listed() {
    let mut bench = Bench::watching(&["2001"]);
    let kinds = [
        "forwardImmediate",
        "forwardBusy",
        "forwardNoAns",
        "forwardDND",
        "forwardImmInt",
        "forwardImmExt",
        "forwardBusyInt",
        "forwardBusyExt",
        "forwardNoAnsInt",
        "forwardNoAnsExt",
        "forwardDNDInt",
        "forwardDNDExt",
    ];
    for kind in kinds {
        let told = bench.ask(forward(kind, true, Some("2005")));
        assert_eq!(
            told,
            ["SetForwardingResponse", "2001: ForwardingEvent"],
            "{kind}"
        );
    }
    bench.send(bench.first, GetForwarding::new(d("2001")));
    let list = bench.xml().remove(0);
    for kind in kinds {
        let item = format!(
            "<forwardListItem><forwardingType>{kind}</forwardingType>\
             <forwardStatus>true</forwardStatus><forwardDN>2005</forwardDN></forwardListItem>"
        );
        assert!(list.contains(&item), "{kind} in {list}");
    }
    assert_eq!(
        bench.exchange.truth().devices["2001"].forwardings.len(),
        kinds.len()
    );
}

#[test]
fn what_is_set_at_the_telephone_is_told_and_can_be_asked_for() {
    let mut bench = Bench::watching(&["2001"]);
    for (line, event) in [
        ("dnd 2001 external", "DoNotDisturbEvent"),
        ("mwi 2001 on 4000", "MessageWaitingEvent"),
        ("presence 2001 vacation", "PresenceStateEvent"),
        ("forward 2001 no-answer 2004", "ForwardingEvent"),
        ("agent 2001 logged-on 77 4100", "AgentLoggedOnEvent"),
        ("agent 2001 ready", "AgentReadyEvent"),
        ("agent 2001 busy", "AgentBusyEvent"),
        (
            "agent 2001 working-after-call",
            "AgentWorkingAfterCallEvent",
        ),
        ("agent 2001 not-ready", "AgentNotReadyEvent"),
        ("agent 2001 logged-off", "AgentLoggedOffEvent"),
        ("service 2001 out", "OutOfServiceEvent"),
        ("service 2001 in", "BackInServiceEvent"),
    ] {
        assert_eq!(bench.tell(line), "ok", "{line}");
        assert_eq!(bench.lines(), [format!("2001: {event}")], "{line}");
        assert_eq!(bench.tell(line), "ok already so", "{line}");
        assert_eq!(bench.lines(), Vec::<String>::new(), "{line}");
    }
    for (request, inside) in [
        (
            Request::from(GetDoNotDisturb::new(d("2001"))),
            "<doNotDisturbOn>true</doNotDisturbOn><callOrigination><internal>false</internal>\
             <external>true</external></callOrigination>",
        ),
        (
            GetMessageWaitingIndicator::new(d("2001")).into(),
            "<messageWaitingOn>true</messageWaitingOn><deviceForMessage>4000</deviceForMessage>",
        ),
        (
            GetPresenceState::new(d("2001")).into(),
            "<presenceState><vacation>true</vacation></presenceState>",
        ),
    ] {
        bench.send(bench.first, request);
        let xml = bench.xml().remove(0);
        assert!(xml.contains(inside), "{xml}");
    }
    let ledger = bench.exchange.ledger();
    assert_eq!(ledger.feature_changes["AgentReady"], 1);
    assert_eq!(ledger.feature_changes["Forwarding"], 1);
}

#[test]
fn wrong_requests_get_the_standards_error_and_change_nothing() {
    let mut bench = Bench::watching(&["2001"]);
    let listed = SetDoNotDisturb {
        calling_device_list: Some(CallingDevices(vec![d("2002")])),
        ..SetDoNotDisturb::new(d("2001"), true)
    };
    let for_no_calls = SetDoNotDisturb {
        call_origination: Some(CallOrigination::default()),
        ..SetDoNotDisturb::new(d("2001"), true)
    };
    let timed = SetPresenceState {
        until_time: Some("2026-12-24T00:00:00".to_owned()),
        ..SetPresenceState::new(d("2001"), PresenceState::new("vacation"))
    };
    let rows: Vec<(Request, &str)> = vec![
        (
            SetDoNotDisturb::new(d("777"), true).into(),
            "invalidDeviceID",
        ),
        (GetDoNotDisturb::new(d("777")).into(), "invalidDeviceID"),
        (listed.into(), "parameterNotSupported"),
        (for_no_calls.into(), "invalidDoNotDisturb"),
        (
            forward("forwardSometimes", true, Some("2002")).into(),
            "invalidForwardingType",
        ),
        (
            forward("forwardBusy", true, None).into(),
            "invalidForwardingDestination",
        ),
        (
            forward("forwardBusy", true, Some("2001")).into(),
            "notDifferentDevices",
        ),
        (
            SetPresenceState::new(d("2001"), PresenceState::new("asleep")).into(),
            "invalidParameterValue",
        ),
        (timed.into(), "parameterNotSupported"),
        (GetPresenceState::new(d("777")).into(), "invalidDeviceID"),
        (GetForwarding::new(d("")).into(), "invalidDeviceID"),
    ];
    for (request, value) in rows {
        assert_eq!(
            bench.ask(request.clone()),
            [format!("operation/{value}")],
            "{request:?}"
        );
    }
    assert!(bench.exchange.truth().devices.is_empty());
    for (line, refusal) in [
        ("agent 2001 ready", "operation/invalidAgentState"),
        ("dnd 777 on", "operation/invalidDeviceID"),
        ("presence 2001 asleep", "operation/invalidParameterValue"),
    ] {
        assert_eq!(
            bench.tell(line),
            format!("the PBX refuses: {refusal}"),
            "{line}"
        );
    }
}

#[test]
fn a_device_out_of_service_loses_its_calls_and_takes_no_others() {
    let mut bench = Bench::watching(&["2001"]);
    bench.tell("call 2001 2002");
    bench.tell("answer 2002");
    bench.lines();
    bench.tell("service 2002 out");
    assert_eq!(
        bench.lines(),
        [
            "2001: ConnectionClearedEvent",
            "2001: ConnectionClearedEvent"
        ]
    );
    assert_eq!(bench.exchange.truth().calls, []);
    let call = |from, to| MakeCall {
        auto_originate: Some(csta::AutoOriginate::DoNotPrompt),
        ..MakeCall::new(d(from), d(to))
    };
    let out = "systemResourceAvailibility/deviceOutOfService";
    assert_eq!(bench.ask(call("2002", "2001")), [out]);
    assert_eq!(
        bench.ask(call("2001", "2002")),
        [
            "MakeCallResponse",
            "2001: OriginatedEvent",
            "2001: FailedEvent"
        ]
    );
    bench.tell("clear 2001");
    bench.tell("service 2002 in");
    bench.lines();
    let told = bench.ask(call("2001", "2002"));
    assert_eq!(told.last().unwrap(), "2001: DeliveredEvent");
}

#[test]
fn do_not_disturb_and_forwardings_act_on_calls_of_their_origin_alone() {
    for (set, caller, rings) in [
        ("dnd 2002 external", "2001", Some("2002")),
        ("dnd 2002 external", "0123", None),
        ("dnd 2002 internal", "2001", None),
        ("forward 2002 immediate-internal 2005", "2001", Some("2005")),
        ("forward 2002 immediate-internal 2005", "0123", Some("2002")),
        ("forward 2002 immediate-external 2005", "0123", Some("2005")),
    ] {
        let mut bench = Bench::new(|_| {});
        assert_eq!(bench.tell(set), "ok", "{set}");
        bench.tell(&format!("call {caller} 2002"));
        let calls = bench.exchange.truth().calls;
        let legs = &calls[0].connections;
        let alerting = legs.iter().find(|leg| leg.state == "alerting");
        assert_eq!(alerting.map(|leg| &*leg.device), rings, "{set}, {caller}");
    }
}

#[test]
fn do_not_disturb_forwards_where_it_is_told_where_to() {
    let mut bench = Bench::watching(&["2002", "2003"]);
    bench.tell("dnd 2002 on");
    bench.tell("forward 2002 dnd 2003");
    bench.lines();
    bench.tell("call 2001 2002");
    assert_eq!(
        bench.lines(),
        ["2002: DivertedEvent", "2003: DeliveredEvent"]
    );
}
