//! Commands: every one as a request, every refusal, and what an answer leads to.

use cloud_uplink::command::{
    Action, Answer, Digits, EndpointId, LegPair, LegRef, MakeCall, Redirect, SetForwarding,
    SetMessageWaiting, SetPresence, SetSwitch, Site,
};
use cloud_uplink::endpoint::{ForwardingKind, PresenceState};
use cloud_uplink::{CallId, ErrorCode, LegState, Outcome};
use csta::message::{
    AnswerCallResponse, ConsultationCallResponse, GetCSTAFeaturesResponse, MakeCallResponse,
    SnapshotDeviceResponse, TransferCallResponse,
};
use csta::value::{FeatureGroup, FeatureGroups};
use csta::{CstaError, ErrorCategory, Event, EventCause, LocalConnectionState as State};

use crate::harness::{Bench, Short, connection};
use crate::script::feed;

fn event(kind: &str, device: &str, local: State) -> Event {
    let short = Short {
        call: "C1",
        device,
        from: "2001",
        to: "2002",
        redirected: None,
        cause: EventCause::NEW_CALL,
    };
    short.event(kind, Some(local))
}

fn leg(endpoint: &str, call_id: CallId) -> LegRef {
    LegRef {
        endpoint_id: endpoint.into(),
        call_id,
    }
}

fn make(endpoint: &str, to: &str) -> Action {
    Action::MakeCall(MakeCall {
        endpoint_id: endpoint.into(),
        to: to.into(),
        prompt: true,
    })
}

fn refusal(bench: &Bench, action: &Action) -> Option<ErrorCode> {
    bench.registry.resolve(action).err().map(|error| error.code)
}

/// 2001 calls 2002, which alerts.
fn alerting() -> (Bench, CallId) {
    let mut bench = Bench::new(&["2001", "2002"]);
    bench.event("2001", &event("originated", "2001", State::Connected));
    bench.event("2001", &event("delivered", "2002", State::Connected));
    let call_id = bench.leg("C1", "2002").unwrap().call_id;
    (bench, call_id)
}

#[test]
fn names_the_request_for_each_action() {
    let (bench, call_id) = alerting();
    for (action, name) in [
        (make("2001", "+4930123,,12#"), "MakeCall"),
        (Action::Answer(leg("2002", call_id)), "AnswerCall"),
        (Action::Hold(leg("2001", call_id)), "HoldCall"),
        (Action::End(leg("2002", call_id)), "ClearConnection"),
        (Action::EndCall(leg("2001", call_id)), "ClearCall"),
    ] {
        let request = bench.registry.resolve(&action);
        assert_eq!(request.map(|request| request.name()), Ok(name));
    }
}

#[test]
fn refuses_what_cannot_be_done() {
    let (mut bench, call_id) = alerting();
    let other = CallId::new(ulid::Ulid::from_parts(1, 1));
    for (action, code) in [
        (make("2099", "1"), ErrorCode::UnknownEndpoint),
        (
            Action::Answer(leg("2099", call_id)),
            ErrorCode::UnknownEndpoint,
        ),
        (Action::Answer(leg("2002", other)), ErrorCode::UnknownCall),
        (
            Action::Answer(leg("2001", call_id)),
            ErrorCode::InvalidState,
        ),
        (Action::Hold(leg("2002", call_id)), ErrorCode::InvalidState),
        (
            Action::Retrieve(leg("2001", call_id)),
            ErrorCode::InvalidState,
        ),
    ] {
        assert_eq!(refusal(&bench, &action), Some(code), "{action:?}");
    }
    for number in [
        "",
        "1 2",
        "12a",
        "1+2",
        ",",
        "0123456789012345678901234567890123",
    ] {
        let code = refusal(&bench, &make("2001", number));
        assert_eq!(code, Some(ErrorCode::InvalidNumber), "{number}");
    }
    let now = bench.now();
    bench.registry.handle_link_down("cut", now);
    assert_eq!(
        refusal(&bench, &make("2001", "1")),
        Some(ErrorCode::PbxUnavailable)
    );
}

#[test]
fn the_ids_of_a_made_call_hold_whether_answer_or_event_comes_first() {
    for answer_first in [true, false] {
        let mut bench = Bench::new(&["2001"]);
        let begun = event("initiated", "2001", State::Initiated);
        if !answer_first {
            bench.event("2001", &begun);
        }
        let made = MakeCallResponse::new(connection("C1", "2001"));
        let now = bench.now();
        let accepted = bench
            .registry
            .accepted(&make("2001", "2002"), &made.into(), now);
        if answer_first {
            bench.event("2001", &begun);
        }
        let seen = bench.leg("C1", "2001").unwrap();
        assert_eq!(seen.state, LegState::Initiated);
        assert_eq!(accepted.call_id, Some(seen.call_id));
        assert_eq!(accepted.leg_id, Some(seen.leg_id));
    }
}

#[test]
fn an_answer_to_a_leg_command_names_the_leg() {
    let (mut bench, call_id) = alerting();
    let action = Action::Answer(leg("2002", call_id));
    let now = bench.now();
    let accepted = bench
        .registry
        .accepted(&action, &AnswerCallResponse::new().into(), now);
    assert_eq!(accepted.call_id, Some(call_id));
    assert_eq!(
        accepted.leg_id,
        bench.leg("C1", "2002").map(|leg| leg.leg_id)
    );
}

#[test]
fn ending_what_is_over_has_succeeded() {
    let (bench, call_id) = alerting();
    let gone = CstaError::new(ErrorCategory::Operation, "invalidConnectionID");
    let busy = CstaError::new(ErrorCategory::SystemResourceAvailability, "resourceBusy");
    let outcome = |action: &Action, error| match bench.registry.refused(action, error) {
        Outcome::Ok(_) => None,
        Outcome::Error(error) => Some((error.code, error.pbx_error)),
    };
    let end = Action::End(leg("2001", call_id));
    assert_eq!(outcome(&end, &gone), None);
    let refused = |text: &str| Some((ErrorCode::PbxRefused, Some(text.to_owned())));
    assert_eq!(
        outcome(&end, &busy),
        refused("systemResourceAvailibility/resourceBusy")
    );
    let answer = Action::Answer(leg("2002", call_id));
    assert_eq!(
        outcome(&answer, &gone),
        refused("operation/invalidConnectionID")
    );
}

/// 2001 holds 2002 and talks to 2003.
fn consulting() -> (Bench, LegPair) {
    let mut bench = Bench::new(&["2001", "2002", "2003"]);
    feed(
        &mut bench,
        "2001 < originated C1/2001 connected
         2002 < delivered C1/2002 alerting
         2002 < established C1/2002 connected
         2001 < held C1/2001 hold
         2001 < originated C2/2001 connected to=2003
         2003 < delivered C2/2003 alerting to=2003",
    );
    let pair = LegPair {
        endpoint_id: "2001".into(),
        held_call_id: bench.leg("C1", "2001").unwrap().call_id,
        active_call_id: bench.leg("C2", "2001").unwrap().call_id,
    };
    (bench, pair)
}

fn to(endpoint: &str, call_id: CallId, to: &str) -> Redirect {
    Redirect {
        endpoint_id: endpoint.into(),
        call_id,
        to: to.into(),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of commands and requests")]
fn names_the_request_for_what_acts_on_two_calls_on_a_device_or_on_the_site() {
    let (bench, pair) = consulting();
    let active = pair.active_call_id;
    let one = || EndpointId {
        endpoint_id: "2001".into(),
    };
    let on = || SetSwitch {
        endpoint_id: "2001".into(),
        on: true,
    };
    let digits = Digits {
        endpoint_id: "2001".into(),
        call_id: active,
        digits: "12#,A".into(),
    };
    let forwarding = SetForwarding {
        endpoint_id: "2001".into(),
        kind: ForwardingKind::Busy,
        origin: None,
        on: true,
        to: Some("2004".into()),
    };
    let waiting = SetMessageWaiting {
        endpoint_id: "2001".into(),
        on: true,
        call: None,
    };
    let presence = SetPresence {
        endpoint_id: "2001".into(),
        presence: PresenceState::Away,
    };
    for (action, name) in [
        (
            Action::Consult(to("2001", active, "2004")),
            "ConsultationCall",
        ),
        (Action::Alternate(pair.clone()), "AlternateCall"),
        (Action::Reconnect(pair.clone()), "ReconnectCall"),
        (Action::Transfer(pair.clone()), "TransferCall"),
        (Action::Conference(pair), "ConferenceCall"),
        (
            Action::SingleStepTransfer(to("2001", active, "2004")),
            "SingleStepTransferCall",
        ),
        (
            Action::SingleStepConference(to("2001", active, "2004")),
            "SingleStepConferenceCall",
        ),
        (Action::Deflect(to("2003", active, "2004")), "DeflectCall"),
        (Action::Dtmf(digits), "GenerateDigits"),
        (Action::SetDoNotDisturb(on()), "SetDoNotDisturb"),
        (Action::GetDoNotDisturb(one()), "GetDoNotDisturb"),
        (Action::SetForwarding(forwarding), "SetForwarding"),
        (Action::GetForwarding(one()), "GetForwarding"),
        (
            Action::SetMessageWaiting(waiting),
            "SetMessageWaitingIndicator",
        ),
        (
            Action::GetMessageWaiting(one()),
            "GetMessageWaitingIndicator",
        ),
        (Action::SetPresence(presence), "SetPresenceState"),
        (Action::GetPresence(one()), "GetPresenceState"),
        (Action::Snapshot(one()), "SnapshotDevice"),
        (Action::SnapshotCall(leg("2001", active)), "SnapshotCall"),
        (Action::GetDevice(one()), "GetLogicalDeviceInformation"),
        (Action::GetDevices(Site {}), "GetSwitchingFunctionDevices"),
        (Action::GetFeatures(Site {}), "GetCSTAFeatures"),
    ] {
        let request = bench.registry.resolve(&action);
        assert_eq!(request.map(|request| request.name()), Ok(name));
    }
}

#[test]
fn refuses_what_two_calls_do_not_allow() {
    let (bench, pair) = consulting();
    let swapped = LegPair {
        held_call_id: pair.active_call_id,
        active_call_id: pair.held_call_id,
        ..pair.clone()
    };
    let same = LegPair {
        active_call_id: pair.held_call_id,
        ..pair.clone()
    };
    let foreign = LegPair {
        endpoint_id: "2002".into(),
        ..pair
    };
    let held = pair.held_call_id;
    for (action, code) in [
        (Action::Transfer(swapped.clone()), ErrorCode::InvalidState),
        (Action::Alternate(swapped), ErrorCode::InvalidState),
        (Action::Conference(same), ErrorCode::InvalidState),
        (Action::Transfer(foreign), ErrorCode::InvalidState),
        (
            Action::Consult(to("2001", held, "2004")),
            ErrorCode::InvalidState,
        ),
        (
            Action::Deflect(to("2001", held, "2004")),
            ErrorCode::InvalidState,
        ),
        (
            Action::Deflect(to("2003", pair.active_call_id, "x")),
            ErrorCode::InvalidNumber,
        ),
    ] {
        assert_eq!(refusal(&bench, &action), Some(code), "{action:?}");
    }
}

#[test]
fn a_consultation_and_a_transfer_name_the_call_that_goes_on() {
    let (mut bench, pair) = consulting();
    let now = bench.now();
    let consult = Action::Consult(to("2003", pair.active_call_id, "2002"));
    let made = ConsultationCallResponse::new(connection("C9", "2003"));
    let promised = bench.registry.accepted(&consult, &made.into(), now);
    feed(&mut bench, "2003 < originated C9/2003 connected from=2003");
    let seen = bench.leg("C9", "2003").unwrap();
    assert_eq!(promised.call_id, Some(seen.call_id));
    assert_eq!(promised.leg_id, Some(seen.leg_id));

    let transfer = Action::Transfer(pair.clone());
    let done = TransferCallResponse::new(connection("C3", "2002"));
    let accepted = bench.registry.accepted(&transfer, &done.into(), now);
    assert_eq!(accepted.call_id, Some(pair.held_call_id));
}

#[test]
fn a_command_on_a_call_that_was_joined_to_another_one_finds_it() {
    let (mut bench, pair) = consulting();
    feed(
        &mut bench,
        "2001 < transferred C1/2001 C2/2001 to=2003 null [C3/2002<C1/2002 C3/2003<C2/2003]",
    );
    let end = Action::End(leg("2003", pair.active_call_id));
    let request = bench.registry.resolve(&end);
    let expected = csta::message::ClearConnection::new(connection("C3", "2003"));
    assert_eq!(request, Ok(expected.into()));
}

#[test]
fn a_command_acts_on_the_terminal_that_is_in_the_needed_state() {
    let mut bench = Bench::new(&["2002"]);
    feed(
        &mut bench,
        "2002 < delivered C1/2002!T1 alerting
         2002 < delivered C2/2002!T2 alerting
         2002 < established C2/2002!T2 connected",
    );
    let call_id = bench.view.values().next().unwrap().call_id;
    let request = bench.registry.resolve(&Action::Hold(leg("2002", call_id)));
    let expected = csta::message::HoldCall::new(connection("C2", "N<2002!T2>"));
    assert_eq!(request, Ok(expected.into()));
}

#[test]
fn an_answer_to_a_question_is_passed_on() {
    let (mut bench, _) = consulting();
    let now = bench.now();
    let group = |features: &[&str]| {
        let features = features.iter().map(|it| (*it).to_owned()).collect();
        FeatureGroups(vec![FeatureGroup {
            name: "list".into(),
            features,
        }])
    };
    let features = GetCSTAFeaturesResponse {
        supported_services: Some(group(&["makeCall", "holdCall"])),
        supported_events: Some(group(&["held"])),
        ..GetCSTAFeaturesResponse::new()
    };
    let ask = Action::GetFeatures(Site {});
    let Some(Answer::Features(told)) = bench.registry.accepted(&ask, &features.into(), now).answer
    else {
        panic!("no features");
    };
    assert_eq!(told.services, ["makeCall", "holdCall"]);
    assert_eq!(told.events, ["held"]);

    let ask = Action::Snapshot(EndpointId {
        endpoint_id: "2003".into(),
    });
    let empty = SnapshotDeviceResponse::new();
    bench.now_ms += 2_000;
    let now = bench.now();
    let Some(Answer::Snapshot(told)) = bench.registry.accepted(&ask, &empty.into(), now).answer
    else {
        panic!("no snapshot");
    };
    bench.drain();
    assert!(told.legs.is_empty() && bench.leg("C2", "2003").is_none());
    assert_eq!(
        told.endpoint.presence.unwrap().presence,
        PresenceState::Available
    );
}
