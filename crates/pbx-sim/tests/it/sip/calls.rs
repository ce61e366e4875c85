//! Calls in both directions, forking, hold: what happens by SIP shows as CSTA events, and the other way
//! round.

use csta::message::{AnswerCall, ClearConnection, HoldCall, MakeCall, RetrieveCall};
use csta::{CallId, ConnectionId, DeviceId};

use super::net::Net;

/// The connection of a device in the call of that number.
fn c(call: u32, device: &str) -> ConnectionId {
    ConnectionId::new(
        CallId::new(format!("00000001{call:08X}")),
        DeviceId::new(device),
    )
}

#[test]
fn a_sip_terminal_rings_answers_and_hangs_up_and_its_caller_sees_it() {
    let mut net = Net::new(&["2001", "2002"]);
    let phone = net.registered("2002");
    assert!(net.tell("call 2001 2002").starts_with("ok call"));
    let (session, invite) = net.incoming(phone);
    assert_eq!(invite.uri.to_string(), "sip:2002@10.0.0.10:5060");
    let asserted = invite.headers.text(&sip::HeaderName::PAssertedIdentity);
    assert_eq!(asserted, Some("<sip:2001@pbx.example.com>"));
    // ECMA-269 §17.2.18, §17.2.14, §17.2.5
    let begun = [
        "2001: ServiceInitiatedEvent",
        "2001: OriginatedEvent",
        "2002: DeliveredEvent",
        "2001: DeliveredEvent",
    ];
    assert_eq!(net.csta(), begun);
    net.answers(phone, session);
    // ECMA-269 §17.2.8
    assert_eq!(
        net.csta(),
        ["2002: EstablishedEvent", "2001: EstablishedEvent"]
    );
    assert_eq!(net.calls(), ["2001 connected, 2002 connected"]);
    net.at(phone, |ua, now| ua.end(session, None, now)).unwrap();
    // ECMA-269 §17.2.4: B first, to both; then A, who is alone.
    let cleared = [
        "2002: ConnectionClearedEvent",
        "2001: ConnectionClearedEvent",
        "2001: ConnectionClearedEvent",
    ];
    assert_eq!(net.csta(), cleared);
    assert!(net.calls().is_empty() && net.legs().is_empty());
}

#[test]
fn a_sip_terminal_calls_a_desk_phone_which_answers_by_csta() {
    let mut net = Net::new(&["2001", "2002"]);
    let phone = net.registered("2002");
    net.dial(phone, "2002", "2001");
    let begun = [
        "2002: ServiceInitiatedEvent",
        "2002: OriginatedEvent",
        "2001: DeliveredEvent",
        "2002: DeliveredEvent",
    ];
    assert_eq!(net.csta(), begun);
    let got: Vec<_> = net.phones[phone]
        .got
        .iter()
        .map(|(line, _)| line.as_str())
        .collect();
    assert_eq!(got, ["401 INVITE", "180 INVITE"]);
    let answered = net.bench.ask(AnswerCall::new(c(1, "2001")));
    assert_eq!(
        answered[1..],
        ["2001: EstablishedEvent", "2002: EstablishedEvent"]
    );
    net.settle();
    assert!(net.answered(phone).contains("m=audio 4000 RTP/AVP 8"));
    let cleared = net.bench.ask(ClearConnection::new(c(1, "2001")));
    assert_eq!(cleared.len(), 4, "{cleared:?}");
    net.settle();
    assert_eq!(net.ended(phone).0, None);
    assert!(net.legs().is_empty());
}

#[test]
fn make_call_of_a_client_rings_at_the_sip_terminal() {
    let mut net = Net::new(&["2001"]);
    let phone = net.registered("2002");
    net.bench
        .ask(MakeCall::new(DeviceId::new("2001"), DeviceId::new("2002")));
    net.settle();
    let session = net.rings(phone);
    net.answers(phone, session);
    // Answering goes by `find`: a prompting Make Call waits for its user, this one had none.
    assert_eq!(net.calls(), ["2001 connected, 2002 connected"]);
}

#[test]
fn a_caller_that_gives_up_and_one_that_is_refused() {
    let mut net = Net::new(&[]);
    let phone = net.registered("2002");
    let session = net.dial(phone, "2002", "2001");
    net.at(phone, |ua, now| ua.end(session, None, now)).unwrap();
    assert_eq!(net.ended(phone).0, Some(487));
    assert!(net.calls().is_empty());
    for (prepare, number, status) in [
        ("call 2003 2004", "2003", 486),
        ("dnd 2005 on", "2005", 480),
        ("ledger", "7777", 404),
        ("service 2006 out", "2006", 480),
        ("ledger", "2002", 482),
    ] {
        net.tell(prepare);
        net.dial(phone, "2002", number);
        assert_eq!(net.ended(phone).0, Some(status), "{number}");
        assert_eq!(
            net.calls()
                .iter()
                .filter(|call| call.contains("2002"))
                .count(),
            0
        );
    }
    assert!(net.legs().is_empty());
}

#[test]
fn a_caller_that_gives_up_stops_the_ringing_of_sip_terminals() {
    let mut net = Net::new(&[]);
    let (one, other) = (net.registered("2002"), net.registered("2003"));
    let session = net.dial(one, "2002", "2003");
    net.rings(other);
    net.at(one, |ua, now| ua.end(session, None, now)).unwrap();
    let (_, reason) = net.ended(other);
    assert_eq!(reason, None, "nobody has answered elsewhere");
    assert!(net.legs().is_empty() && net.calls().is_empty());
}

#[test]
fn all_terminals_of_a_number_ring_and_one_answers() {
    let mut net = Net::new(&["2002"]);
    let (one, other) = (net.registered("2002"), net.registered("2002"));
    net.tell("call 2001 2002");
    let session = net.rings(one);
    net.rings(other);
    assert_eq!(net.csta(), ["2002: DeliveredEvent"]);
    net.answers(one, session);
    assert_eq!(net.csta(), ["2002: EstablishedEvent"]);
    let (_, reason) = net.ended(other);
    let reason = reason.unwrap();
    assert_eq!(
        (reason.cause, reason.text.as_deref()),
        (Some(200), Some("Call completed elsewhere"))
    );
    assert_eq!(net.legs(), ["2002 terminal talks sendrecv"]);
}

#[test]
fn the_desk_phone_answers_and_the_sip_terminals_stop() {
    let mut net = Net::new(&[]);
    let phone = net.registered("2002");
    net.tell("call 2001 2002");
    net.rings(phone);
    assert_eq!(net.tell("answer 2002"), "ok");
    assert_eq!(
        net.ended(phone).1.and_then(|reason| reason.cause),
        Some(200)
    );
    assert_eq!(net.calls(), ["2001 connected, 2002 connected"]);
}

#[test]
fn a_terminal_that_refuses_leaves_the_others_ringing_unless_it_speaks_for_all() {
    for (status, calls) in [(486, 1), (603, 0)] {
        let mut net = Net::new(&[]);
        let (one, other) = (net.registered("2002"), net.registered("2002"));
        net.tell("call 2001 2002");
        let session = net.rings(one);
        net.rings(other);
        let refusal = sip::ua::Refusal::status(sip::StatusCode::new(status).unwrap());
        net.at(one, |ua, now| ua.reject(session, refusal, now))
            .unwrap();
        assert_eq!(
            (net.calls().len(), net.legs().len()),
            (calls, calls),
            "{status}"
        );
    }
}

#[test]
fn terminals_that_a_client_sees_are_the_desk_phone_and_the_registered_ones() {
    let mut net = Net::with(&["2002"], |config| {
        config.terminals.insert("2002".to_owned(), 2);
        config
            .association
            .dialect
            .set("multiple-terminals", "terminal")
            .unwrap();
    });
    let phone = net.registered("2002");
    net.tell("call 2001 2002");
    let session = net.rings(phone);
    assert_eq!(net.csta(), ["2002: DeliveredEvent", "2002: DeliveredEvent"]);
    net.answers(phone, session);
    assert_eq!(net.calls(), ["2001 connected, N<2002!2> connected"]);
    assert_eq!(
        net.csta(),
        ["2002: EstablishedEvent", "2002: ConnectionClearedEvent"]
    );
    net.tell("clear 2001");
    net.ended(phone);
    // And it calls as the terminal that it is.
    net.dial(phone, "2002", "2001");
    assert_eq!(net.calls(), ["N<2002!2> connected, 2001 alerting"]);
}

#[test]
fn a_call_for_each_terminal_is_one_call_to_the_sip_caller() {
    let mut net = Net::with(&[], |config| {
        config.terminals.insert("2002".to_owned(), 2);
        config
            .association
            .dialect
            .set("multiple-terminals", "call")
            .unwrap();
    });
    let (caller, callee) = (net.registered("2001"), net.registered("2002"));
    net.dial(caller, "2001", "2002");
    assert_eq!(net.calls().len(), 2);
    let session = net.rings(callee);
    net.answers(callee, session);
    net.answered(caller);
    assert_eq!(net.calls(), ["2001 connected, N<2002!2> connected"]);
    assert_eq!(
        net.legs(),
        ["2001 caller talks sendrecv", "2002 terminal talks sendrecv"]
    );
}

#[test]
fn a_hold_at_the_terminal_is_a_held_event_and_music_for_the_other() {
    let mut net = Net::new(&["2001", "2002"]);
    let (one, other) = (net.registered("2001"), net.registered("2002"));
    let caller = net.dial(one, "2001", "2002");
    let callee = net.rings(other);
    net.answers(other, callee);
    net.answered(one);
    net.csta();
    // ECMA-269 §17.2.10
    assert!(net.offer(one, caller, "sendonly").contains("a=recvonly"));
    assert_eq!(net.csta(), ["2001: HeldEvent", "2002: HeldEvent"]);
    assert!(net.offered(other, "recvonly").contains("a=sendonly"));
    assert_eq!(net.calls(), ["2001 hold, 2002 connected"]);
    // ECMA-269 §17.2.17
    assert!(!net.offer(one, caller, "sendrecv").contains("a=recvonly"));
    assert_eq!(net.csta(), ["2001: RetrievedEvent", "2002: RetrievedEvent"]);
    assert!(!net.offered(other, "sendrecv").contains("a=sendonly"));
    assert_eq!(
        net.legs(),
        ["2001 caller talks sendrecv", "2002 terminal talks sendrecv"]
    );
}

#[test]
fn hold_and_retrieve_by_csta_are_offered_to_the_terminal() {
    let mut net = Net::new(&["2002"]);
    let phone = net.registered("2002");
    net.tell("call 2001 2002");
    let session = net.rings(phone);
    net.answers(phone, session);
    net.csta();
    assert_eq!(
        net.bench.ask(HoldCall::new(c(1, "2002")))[1..],
        ["2002: HeldEvent"]
    );
    net.settle();
    assert!(net.offered(phone, "inactive").contains("a=inactive"));
    assert_eq!(
        net.bench.ask(RetrieveCall::new(c(1, "2002")))[1..],
        ["2002: RetrievedEvent"]
    );
    net.settle();
    assert!(!net.offered(phone, "sendrecv").contains("a=inactive"));
    assert_eq!(net.legs(), ["2002 terminal talks sendrecv"]);
}

#[test]
fn an_offer_that_nobody_can_answer_changes_nothing() {
    let mut net = Net::new(&[]);
    let phone = net.registered("2002");
    net.tell("call 2001 2002");
    let session = net.rings(phone);
    net.answers(phone, session);
    let other = String::from_utf8(super::net::sdp("sendrecv").to_vec()).unwrap();
    let other = other.replace("RTP/AVP 8 0", "RTP/AVP 18");
    net.at(phone, |ua, now| ua.offer(session, Some(other.into()), now))
        .unwrap();
    let status = net.expect(phone, |event| match event {
        sip::ua::UserAgentEvent::OfferRefused { status, .. } => status,
        _ => None,
    });
    assert_eq!(status.code(), 488);
    assert_eq!(net.calls(), ["2001 connected, 2002 connected"]);
}

#[test]
fn digits_in_info_are_digits_generated() {
    let mut net = Net::new(&["2001"]);
    let phone = net.registered("2002");
    net.tell("call 2001 2002");
    let session = net.rings(phone);
    net.answers(phone, session);
    net.csta();
    let digit = sip::ua::Dtmf {
        digit: '5',
        duration_ms: Some(100),
    };
    net.at(phone, |ua, now| ua.send_digit(session, digit, now))
        .unwrap();
    // ECMA-269 §18.2
    assert_eq!(net.csta(), ["2001: DigitsGeneratedEvent"]);
}

#[test]
fn nobody_answers_and_the_ringing_ends() {
    let mut net = Net::new(&[]);
    let (one, other) = (net.registered("2001"), net.registered("2002"));
    net.dial(one, "2001", "2002");
    net.rings(other);
    net.wait(std::time::Duration::from_secs(181));
    assert_eq!(net.ended(one).0, Some(480));
    net.ended(other);
    assert!(net.legs().is_empty() && net.calls().is_empty());
}
