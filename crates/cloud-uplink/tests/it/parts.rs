//! What is too long for one frame: responses and snapshots in parts.

use cloud_uplink::command::Accepted;
use cloud_uplink::frame::{
    CloudFrame, FRAME_LEN_MAX, GatewayFrame, RESPONSE_LEN_MAX, Response, ResponsePart, Snapshot,
    close,
};
use cloud_uplink::session::cloud::CloudEvent;
use cloud_uplink::session::{Item, View};
use cloud_uplink::{EndpointView, ErrorCode, Outcome};

use crate::model::{NOW, long_outcome};
use crate::rules::{cloud_closes, cloud_up, gateway_up, state, welcome};

#[test]
fn a_long_response_goes_in_parts_between_events_and_begins_anew_on_a_new_connection() {
    let (mut session, now) = gateway_up(welcome(10));
    while session.poll_event().is_some() {}
    session.supply_snapshot(state().stream, 10, View::default());
    while session.poll_transmit().is_some() {}
    let long = devices(20_000);
    session.respond(long.clone());
    assert!(matches!(
        session.poll_transmit(),
        Some(GatewayFrame::ResponsePart(ResponsePart { part: 0, .. }))
    ));
    let fresh = Item::event(11, "{}".to_owned()).unwrap();
    session.handle_committed(state().stream, [fresh]);
    let short = Response {
        id: long.id,
        outcome: Outcome::Ok(Accepted::default()),
    };
    session.respond(short);
    let next: Vec<_> = std::iter::from_fn(|| session.poll_transmit())
        .take(3)
        .collect();
    let kinds: Vec<_> = next.iter().map(GatewayFrame::kind).collect();
    assert_eq!(kinds, ["response", "events", "responsePart"]);
    session.handle_disconnected(None, now);
    session.handle_connected(now);
    assert!(matches!(
        session.poll_transmit(),
        Some(GatewayFrame::Hello(_))
    ));
    session.handle_frame(CloudFrame::Welcome(welcome(10)), now);
    let (mut far, _) = cloud_up();
    while let Some(frame) = session.poll_transmit() {
        let text = frame.to_json();
        assert!(text.len() <= FRAME_LEN_MAX, "{} bytes", text.len());
        far.handle_text(&text, now);
    }
    let event = far.poll_event();
    assert!(matches!(&event, Some(CloudEvent::Response(response)) if *response == long));
}

#[test]
fn an_answer_larger_than_a_response_may_be_is_an_error_that_says_so() {
    let (mut session, _) = gateway_up(welcome(10));
    session.respond(devices(RESPONSE_LEN_MAX / 20));
    let Some(GatewayFrame::Response(response)) = session.poll_transmit() else {
        panic!("no response");
    };
    let Outcome::Error(error) = response.outcome else {
        panic!("no error");
    };
    assert_eq!(error.code, ErrorCode::Internal);
    assert!(error.message.contains("at most 8388608"), "{error}");
}

#[test]
fn the_far_end_closes_on_parts_out_of_order_and_on_too_many_rows() {
    let part = |part, text: &str| {
        GatewayFrame::ResponsePart(ResponsePart {
            id: devices(0).id,
            part,
            last: false,
            text: text.to_owned(),
        })
    };
    let whole = "x".repeat(RESPONSE_LEN_MAX + 1);
    for wrong in [
        vec![part(1, "")],
        vec![part(0, ""), part(0, ""), part(2, "")],
        vec![part(0, &whole)],
    ] {
        let (mut session, now) = cloud_up();
        for frame in wrong {
            session.handle_frame(frame, now);
        }
        assert_eq!(cloud_closes(&mut session), Some(close::MALFORMED));
    }
    let (mut session, now) = cloud_up();
    session.handle_frame(
        GatewayFrame::Snapshot(Snapshot {
            id: 1,
            part: 0,
            last: true,
            as_of: 0,
            items: Vec::new(),
            endpoints: vec![EndpointView::new("2001", NOW); 100_001],
        }),
        now,
    );
    assert_eq!(cloud_closes(&mut session), Some(close::MALFORMED));
}

#[test]
fn endpoints_of_a_snapshot_come_out_as_they_went_in() {
    let (mut session, now) = gateway_up(welcome(10));
    while session.poll_event().is_some() {}
    let endpoints: Vec<_> = (0..3_000)
        .map(|number| EndpointView {
            do_not_disturb: Some(number % 2 == 0),
            ..EndpointView::new(number.to_string(), NOW)
        })
        .collect();
    let view = View {
        legs: Vec::new(),
        endpoints,
    };
    session.supply_snapshot(state().stream, 10, view.clone());
    let (mut far, _) = cloud_up();
    let mut frames = 0;
    while let Some(frame) = session.poll_transmit() {
        let text = frame.to_json();
        assert!(text.len() <= FRAME_LEN_MAX);
        far.handle_text(&text, now);
        frames += 1;
    }
    assert!(frames > 1, "in parts");
    let event = far.poll_event();
    assert!(matches!(event, Some(CloudEvent::Snapshot { as_of: 10, view: got }) if got == view));
}

fn devices(count: usize) -> Response {
    Response {
        id: "01J9ZQ3W6M8T4V5X7Y9A0B1C2F".parse().unwrap(),
        outcome: long_outcome(count),
    }
}
