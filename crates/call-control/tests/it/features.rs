//! What is known of extensions: events, answers, presence out of calls; what goes along with calls.

use cloud_uplink::command::{
    Action, Answer, EndpointId, SetForwarding, SetMessageWaiting, SetSwitch,
};
use cloud_uplink::endpoint::{
    AgentState, ForwardingKind, MessageWaiting, Origin, PresenceSource, PresenceState,
};
use cloud_uplink::{EndpointView, ErrorCode, EventData};
use csta::message::{
    AgentReadyEvent, BackInServiceEvent, CallInformationEvent, DigitsGeneratedEvent,
    DoNotDisturbEvent, ForwardingEvent, GetForwardingResponse, MessageWaitingEvent,
    OutOfServiceEvent, PresenceStateEvent, SetDoNotDisturbResponse, SetForwardingResponse,
    SetMessageWaitingIndicatorResponse,
};
use csta::value::{ForwardListItem, ForwardingType, Forwardings};
use csta::{DeviceId, Event, MonitorCrossRefId, Request};

use crate::harness::{Bench, connection};
use crate::script::feed;

fn xref() -> MonitorCrossRefId {
    MonitorCrossRefId::new("1")
}

fn device() -> csta::ExtendedDeviceId {
    DeviceId::new("2001").into()
}

fn view(bench: &Bench) -> &EndpointView {
    bench.registry.endpoint("2001").unwrap()
}

/// Names of the events of features since the last call; `~` marks those that nobody reported.
fn told(bench: &mut Bench) -> Vec<String> {
    let others = std::mem::take(&mut bench.others);
    let told = others.iter().filter_map(|body| {
        let mark = if body.endpoint_change()?.synthetic {
            "~"
        } else {
            ""
        };
        let json = format!("{body:?}");
        let name = json.split('(').next()?.trim_start_matches("Endpoint");
        Some(format!("{mark}{name}"))
    });
    told.collect()
}

#[test]
fn each_feature_is_told_once_and_kept_over_a_restart() {
    let forwarding = ForwardingEvent {
        forwarding_type: Some(ForwardingType::BUSY_EXTERNAL),
        forward_to: Some(DeviceId::new("2004")),
        ..ForwardingEvent::new(xref(), device(), true)
    };
    let waiting = MessageWaitingEvent {
        device_for_message: Some(DeviceId::new("2900")),
        ..MessageWaitingEvent::new(xref(), device(), true)
    };
    let read = MessageWaitingEvent::new(xref(), device(), false);
    let away = csta::message::presence::PresenceState::new("away");
    let events: Vec<(Event, &str)> = vec![
        (
            DoNotDisturbEvent::new(xref(), device(), true).into(),
            "DoNotDisturb",
        ),
        (forwarding.into(), "Forwarding"),
        (waiting.into(), "MessageWaiting"),
        (read.into(), "MessageWaiting"),
        (OutOfServiceEvent::new(xref(), device()).into(), "Service"),
        (BackInServiceEvent::new(xref(), device()).into(), "Service"),
        (AgentReadyEvent::new(xref(), device()).into(), "Agent"),
        (
            PresenceStateEvent::new(xref(), device(), away).into(),
            "Presence",
        ),
    ];
    let mut bench = Bench::new(&["2001"]);
    for (event, name) in events {
        bench.event("2001", &event);
        bench.event("2001", &event);
        let told = told(&mut bench);
        let reported: Vec<_> = told.iter().filter(|it| !it.starts_with('~')).collect();
        assert_eq!(reported, [name]);
    }
    let mut known = view(&bench).clone();
    assert_eq!(known.do_not_disturb, Some(true));
    assert_eq!(known.in_service, Some(true));
    assert_eq!(known.agent.as_ref().unwrap().agent_state, AgentState::Ready);
    assert_eq!(
        known.presence.as_ref().unwrap().presence,
        PresenceState::Away
    );
    let call = Some("2900".to_owned());
    assert_eq!(
        known.message_waiting,
        Some(MessageWaiting { on: false, call })
    );
    let list = known.forwarding.as_ref().unwrap();
    assert_eq!(
        (list[0].kind, list[0].origin),
        (ForwardingKind::Busy, Some(Origin::External))
    );
    assert_eq!(list[0].to.as_deref(), Some("2004"));
    bench.restart();
    assert!(known.lose(known.since), "and may have changed since");
    assert_eq!(*view(&bench), known);
    assert!(told(&mut bench).is_empty());
}

#[test]
fn an_answer_tells_what_no_event_will() {
    let mut bench = Bench::new(&["2001"]);
    let set = Action::SetDoNotDisturb(SetSwitch {
        endpoint_id: "2001".into(),
        on: true,
    });
    for expected in [&["~DoNotDisturb", "~Presence"][..], &[]] {
        let now = bench.now();
        let done = SetDoNotDisturbResponse::new().into();
        bench.registry.accepted(&set, &done, now);
        bench.drain();
        assert_eq!(told(&mut bench), expected);
    }
    let forward = |on| {
        Action::SetForwarding(SetForwarding {
            endpoint_id: "2001".into(),
            kind: ForwardingKind::NoAnswer,
            origin: None,
            on,
            to: Some("2002".into()),
        })
    };
    for (on, left) in [(true, 1), (false, 0)] {
        let now = bench.now();
        let done = SetForwardingResponse::new().into();
        bench.registry.accepted(&forward(on), &done, now);
        bench.drain();
        assert_eq!(view(&bench).forwarding.as_ref().map(Vec::len), Some(left));
    }
}

#[test]
fn messages_wait_at_the_number_that_was_asked_for() {
    let mut bench = Bench::new(&["2001"]);
    let wait = |call: Option<&str>| {
        Action::SetMessageWaiting(SetMessageWaiting {
            endpoint_id: "2001".into(),
            on: true,
            call: call.map(str::to_owned),
        })
    };
    for (asked, sent, known) in [
        (Some("2900"), Some("2900"), "2900"),
        (None, None, "2900"),
        (Some("+4420"), Some("+4420"), "+4420"),
    ] {
        let action = wait(asked);
        let Ok(Request::SetMessageWaitingIndicator(request)) = bench.registry.resolve(&action)
        else {
            panic!("another request");
        };
        assert_eq!(request.device_for_message, sent.map(DeviceId::new));
        let now = bench.now();
        let done = SetMessageWaitingIndicatorResponse::new().into();
        bench.registry.accepted(&action, &done, now);
        bench.drain();
        let waiting = view(&bench).message_waiting.as_ref();
        assert_eq!(waiting.and_then(|it| it.call.as_deref()), Some(known));
    }
    let refused = bench.registry.resolve(&wait(Some("voice mail")));
    assert_eq!(refused.unwrap_err().code, ErrorCode::InvalidNumber);
}

#[test]
fn forwardings_that_are_asked_for_are_those_that_are_on() {
    let mut bench = Bench::new(&["2001"]);
    let item = |of: ForwardingType, on| ForwardListItem {
        forwarding_type: Some(of),
        forward_status: Some(on),
        forward_dn: Some(DeviceId::new("2004")),
        ..ForwardListItem::new()
    };
    let items = vec![
        item(ForwardingType::NO_ANSWER, true),
        item(ForwardingType::IMMEDIATE, false),
        item(ForwardingType::BUSY, true),
        item(ForwardingType::new("forwardLunch"), true),
    ];
    let answer = GetForwardingResponse {
        forwarding_list: Some(Forwardings(items)),
        ..GetForwardingResponse::new()
    };
    let ask = Action::GetForwarding(EndpointId {
        endpoint_id: "2001".into(),
    });
    let now = bench.now();
    let accepted = bench.registry.accepted(&ask, &answer.into(), now);
    bench.drain();
    let Some(Answer::Forwarding(list)) = accepted.answer else {
        panic!("no answer");
    };
    let kinds: Vec<_> = list.forwarding.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [ForwardingKind::Busy, ForwardingKind::NoAnswer]);
    assert_eq!(view(&bench).forwarding, Some(list.forwarding));
    assert_eq!(told(&mut bench), ["~Forwarding", "~Presence"]);
}

#[test]
fn presence_follows_calls_where_the_pbx_reports_none() {
    let mut bench = Bench::new(&["2001"]);
    let presence = |bench: &mut Bench| {
        let known = view(bench).presence.clone().unwrap();
        assert_eq!(known.source, PresenceSource::Calls);
        known.presence
    };
    bench.snapshot("2001", &[]);
    assert_eq!(presence(&mut bench), PresenceState::Available);
    for (line, expected) in [
        ("2001 < initiated C1/2001 initiated", PresenceState::Calling),
        ("2001 < originated C1/2001 connected", PresenceState::Busy),
        ("2001 < delivered C1/2002 connected", PresenceState::Busy),
        ("2001 < held C1/2001 hold", PresenceState::Busy),
        ("2001 < cleared C1/2001 null", PresenceState::Available),
        (
            "2001 < delivered C2/2001 alerting from=2003 to=2001",
            PresenceState::Calling,
        ),
        ("2001 < call-cleared C2/2001", PresenceState::Available),
    ] {
        feed(&mut bench, line);
        assert_eq!(presence(&mut bench), expected, "{line}");
    }
    bench.event(
        "2001",
        &DoNotDisturbEvent::new(xref(), device(), true).into(),
    );
    assert_eq!(presence(&mut bench), PresenceState::DoNotDisturb);
    bench.event("2001", &OutOfServiceEvent::new(xref(), device()).into());
    assert_eq!(presence(&mut bench), PresenceState::Offline);
    told(&mut bench);
    bench.event("2001", &OutOfServiceEvent::new(xref(), device()).into());
    assert!(told(&mut bench).is_empty(), "told on change alone");
}

#[test]
fn digits_and_information_of_a_call_are_told_once() {
    let mut bench = Bench::new(&["2001", "2002"]);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2002 < established C1/2002 connected",
    );
    bench.others.clear();
    let digits = DigitsGeneratedEvent {
        digit_generated_list: Some("12#".into()),
        ..DigitsGeneratedEvent::new(xref(), connection("C1", "2001"))
    };
    let information = CallInformationEvent {
        subject_of_call: Some("order 4711".into()),
        ..CallInformationEvent::new(xref(), connection("C1", "2001"))
    };
    for monitor in ["2001", "2002"] {
        bench.event(monitor, &digits.clone().into());
        bench.event(monitor, &information.clone().into());
    }
    let [
        EventData::CallDigits(digits),
        EventData::CallInformation(information),
    ] = bench.others.as_slice()
    else {
        panic!("{:?}", bench.others);
    };
    assert_eq!(
        (digits.endpoint_id.as_str(), digits.digits.as_str()),
        ("2001", "12#")
    );
    assert_eq!(information.subject.as_deref(), Some("order 4711"));
    assert_eq!(information.call_id, digits.call_id);
}

#[test]
fn an_unknown_event_is_passed_on_shortened_at_a_whole_character() {
    let mut bench = Bench::new(&["2001"]);
    let xml = format!("<x>{}</x>", "ä".repeat(4_096));
    let now = bench.now();
    let device = DeviceId::new("2001");
    bench
        .registry
        .handle_unknown(Some(&device), "XEvent", &xml, now);
    bench.drain();
    let [.., EventData::PbxUnknown(unknown)] = bench.others.as_slice() else {
        panic!("{:?}", bench.others);
    };
    assert_eq!(
        (unknown.endpoint_id.as_deref(), unknown.name.as_str()),
        (Some("2001"), "XEvent")
    );
    assert_eq!(unknown.xml.len(), 4_095);
    assert!(xml.starts_with(&unknown.xml));
}
