//! Commands: every one as a request, every refusal, and what an answer leads to.

use cloud_uplink::command::{Action, LegRef, MakeCall};
use cloud_uplink::{CallId, ErrorCode, LegState, Outcome};
use csta::message::{AnswerCallResponse, MakeCallResponse};
use csta::{CstaError, ErrorCategory, Event, EventCause, LocalConnectionState as State};

use crate::harness::{Bench, Short, connection};

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
