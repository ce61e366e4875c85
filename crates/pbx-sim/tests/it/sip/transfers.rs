//! REFER: transfer alone and after a question; a consultation by CSTA at a SIP terminal.

use csta::message::{ConsultationCall, TransferCall};
use csta::{CallId, ConnectionId, DeviceId};
use sip::StatusCode;
use sip::header::NameAddr;
use sip::ua::{ReferProgress, ReferRequest, SessionKey, UserAgentEvent};

use super::net::{Net, uri};

fn c(call: u32, device: &str) -> ConnectionId {
    ConnectionId::new(
        CallId::new(format!("00000001{call:08X}")),
        DeviceId::new(device),
    )
}

fn refer(net: &mut Net, phone: usize, session: SessionKey, order: ReferRequest) -> ReferProgress {
    net.at(phone, |ua, now| ua.refer(session, order, now))
        .unwrap();
    net.expect(phone, |event| match event {
        UserAgentEvent::ReferProgress { progress, .. } => match progress {
            ReferProgress::Accepted => None,
            ReferProgress::Status(status) if !status.is_final() => None,
            last => Some(last),
        },
        _ => None,
    })
}

fn to(number: &str) -> ReferRequest {
    ReferRequest {
        target: NameAddr::new(uri(number)),
        replaces: None,
        without_subscription: false,
    }
}

/// 2002 is a SIP terminal and talks with the desk phone of 2001.
fn talking() -> (Net, usize, SessionKey) {
    let mut net = Net::new(&["2001", "2002", "2003"]);
    let phone = net.registered("2002");
    net.tell("call 2001 2002");
    let session = net.rings(phone);
    net.answers(phone, session);
    net.csta();
    (net, phone, session)
}

#[test]
fn a_blind_transfer_is_a_single_step_transfer() {
    for holds_first in [false, true] {
        let (mut net, phone, session) = talking();
        if holds_first {
            net.offer(phone, session, "sendonly");
            net.csta();
        }
        let progress = refer(&mut net, phone, session, to("2003"));
        assert_eq!(progress, ReferProgress::Status(StatusCode::OK));
        let lines = net.csta();
        // ECMA-269 §17.1.26: Transfered to all, then the new destination rings.
        let transferred = lines
            .iter()
            .position(|line| line == "2001: TransferedEvent")
            .unwrap();
        let told = [
            "2002: TransferedEvent",
            "2003: DeliveredEvent",
            "2001: DeliveredEvent",
        ];
        assert_eq!(lines[transferred + 1..], told);
        assert_eq!(net.calls(), ["2001 connected, 2003 alerting"]);
        net.ended(phone);
        assert!(net.legs().is_empty());
    }
}

#[test]
fn a_transfer_to_nowhere_is_refused_and_the_call_goes_on() {
    let (mut net, phone, session) = talking();
    let progress = refer(&mut net, phone, session, to("7777"));
    assert_eq!(progress, ReferProgress::Refused(StatusCode::NOT_FOUND));
    assert_eq!(net.calls(), ["2001 connected, 2002 connected"]);
    assert_eq!(net.legs(), ["2002 terminal talks sendrecv"]);
}

#[test]
fn a_transfer_after_a_question_joins_both_calls() {
    for both_held in [false, true] {
        let (mut net, phone, first) = talking();
        net.offer(phone, first, "sendonly");
        let second = net.dial(phone, "2002", "2003");
        net.tell("answer 2003");
        net.answered(phone);
        if both_held {
            net.offer(phone, second, "sendonly");
        }
        net.csta();
        // As the terminal sees the dialog of the second call.
        let mut replaces = net.phones[phone].ua.replaces(second).unwrap();
        std::mem::swap(&mut replaces.to_tag, &mut replaces.from_tag);
        let order = ReferRequest {
            replaces: Some(replaces),
            ..to("2003")
        };
        assert_eq!(
            refer(&mut net, phone, first, order),
            ReferProgress::Status(StatusCode::OK)
        );
        let lines = net.csta();
        let lines = &lines[lines.len() - 3..];
        // ECMA-269 §17.2.19
        assert_eq!(
            lines,
            [
                "2001: TransferedEvent",
                "2002: TransferedEvent",
                "2003: TransferedEvent"
            ]
        );
        assert_eq!(net.calls(), ["2001 connected, 2003 connected"]);
        assert!(net.legs().is_empty());
    }
}

#[test]
fn a_session_goes_on_with_whom_the_call_was_transferred_to() {
    let mut net = Net::new(&[]);
    let (one, other) = (net.registered("2001"), net.registered("2003"));
    net.dial(one, "2001", "2002");
    net.tell("answer 2002");
    net.answered(one);
    net.tell("blind 2002 2003");
    let session = net.rings(other);
    net.answers(other, session);
    assert_eq!(net.calls(), ["2001 connected, 2003 connected"]);
    assert_eq!(
        net.legs(),
        ["2001 caller talks sendrecv", "2003 terminal talks sendrecv"]
    );
}

#[test]
fn a_consultation_of_a_client_goes_on_in_the_same_session() {
    let (mut net, phone, _) = talking();
    net.bench
        .ask(ConsultationCall::new(c(1, "2002"), DeviceId::new("2003")));
    net.settle();
    assert_eq!(
        net.calls(),
        ["2001 connected, 2002 hold", "2002 connected, 2003 alerting"]
    );
    assert_eq!(net.legs(), ["2002 terminal talks sendrecv"]);
    net.tell("answer 2003");
    net.bench.ask(TransferCall::new(c(1, "2002"), c(2, "2002")));
    net.settle();
    assert_eq!(net.calls(), ["2001 connected, 2003 connected"]);
    net.ended(phone);
    assert!(net.legs().is_empty());
}
