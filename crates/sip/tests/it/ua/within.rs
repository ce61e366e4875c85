//! What may go wrong within a call: a lost connection, a session that nobody refreshes, a re-INVITE that is
//! answered in a reliable provisional response.

use std::time::Duration;

use bytes::Bytes;
use sip::header::ContentType;
use sip::transport::{Flow, LinkId, Transport};
use sip::ua::{EndedBy, UserAgentConfig, UserAgentEvent};
use sip::{Message, Method, Request, StatusCode};

use super::harness::{address, ended, incoming};
use super::messages::{in_dialog_of_uas, receive_invite};
use super::script::{CONTACT, Script, in_dialog, text};

/// A connection between the two.
fn link(number: u64) -> Flow {
    Flow {
        transport: Transport::Tcp,
        link: Some(LinkId(number)),
        ..Script::flow()
    }
}

/// What the agent sends next, and where.
fn next(script: &mut Script) -> (Request, Flow) {
    let transmit = script.agent.poll_transmit().expect("a message");
    match Message::parse(&transmit.bytes).expect("what we write can be read") {
        Message::Request(request) => (request, transmit.flow),
        Message::Response(response) => panic!("a request was expected, not {response:?}"),
    }
}

#[test]
fn a_call_outlives_its_connection() {
    let mut script = Script::new();
    let order = sip::ua::InviteRequest {
        flow: link(1),
        ..Script::order().offering(Bytes::from_static(b"v=0\r\n"))
    };
    let now = script.now;
    let session = script.agent.invite(order, now).expect("a call");
    let (invite, _) = next(&mut script);
    let mut answer = invite.response(StatusCode::OK);
    let to: sip::header::To = answer.headers.need().expect("To");
    answer.headers.set(to.with_tag("b"));
    answer
        .headers
        .push_text(sip::HeaderName::new("Contact"), CONTACT);
    answer.headers.set(ContentType::sdp());
    answer.body = Bytes::from_static(b"v=0\r\n");
    script.agent.handle_message(answer.into(), link(1), now);
    let (ack, flow) = next(&mut script);
    assert_eq!((ack.method, flow), (Method::Ack, link(1)));
    // What waits on the connection fails; the call does not.
    let info = |script: &mut Script| {
        let digit = Bytes::from_static(b"Signal=1\r\n");
        let content = ContentType::new("application", "dtmf-relay");
        let now = script.now;
        script
            .agent
            .info(session, content, digit, now)
            .expect("the call is there");
        next(script)
    };
    let (_, flow) = info(&mut script);
    assert_eq!(flow, link(1));
    script.act(|agent, now| agent.handle_transport_failure(&link(1), now));
    let failed = script.expect(|event| match event {
        UserAgentEvent::InfoAnswered { status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(failed, StatusCode::REQUEST_TIMEOUT);
    // The next request opens a connection to where the peer wants its requests.
    let (request, flow) = info(&mut script);
    let mut contact = address(1);
    contact.set_port(5062);
    assert_eq!(
        (flow.transport, flow.remote, flow.link),
        (Transport::Tcp, contact, None)
    );
    let done = request.response(StatusCode::OK);
    script.act(|agent, now| agent.handle_message(done.into(), link(2), now));
    // A request of the peer tells the connection that is there now.
    let options = in_dialog(&invite, Method::Options, 1, "b");
    script.act(|agent, now| agent.handle_message(options.into(), link(3), now));
    let now = script.now;
    script
        .agent
        .end(session, None, now)
        .expect("the call is there");
    let (bye, flow) = next(&mut script);
    assert_eq!((&bye.method, flow), (&Method::Bye, link(3)));
    let done = bye.response(StatusCode::OK);
    script.act(|agent, now| agent.handle_message(done.into(), link(3), now));
    assert_eq!(script.expect(ended).by, EndedBy::Local);
    script.check_empty();
}

#[test]
fn a_session_that_the_peer_does_not_refresh_is_ended_before_it_expires() {
    let mut script = Script::with(UserAgentConfig {
        session_expires: Some(Duration::from_secs(90)),
        ..UserAgentConfig::default()
    });
    script.established(&[
        ("Require", "timer"),
        ("Session-Expires", "90;refresher=uas"),
    ]);
    script.lines();
    // RFC 4028 §10: by a third of the interval, if that is below 32 s.
    script.run(Duration::from_secs(59));
    assert!(script.lines().is_empty());
    script.run(Duration::from_millis(1100));
    let bye = script.request();
    assert_eq!(bye.method, Method::Bye);
    script.answer(&bye, 200, "", &[], "");
    assert_eq!(script.expect(ended).by, EndedBy::Timeout);
    script.check_empty();
}

#[test]
fn a_re_invite_is_answered_in_a_reliable_provisional_response() {
    let mut script = Script::new();
    let (session, _) = script.established(&[]);
    script.lines();
    script
        .act(|agent, now| agent.offer(session, Some(Bytes::from_static(b"v=0\r\ns=2\r\n")), now))
        .expect("an offer");
    let invite = script.request();
    assert_eq!(text(&invite.headers, "CSeq"), ["2 INVITE"]);
    let head = [("Contact", CONTACT), ("Require", "100rel"), ("RSeq", "9")];
    script.answer(&invite, 183, "b", &head, "v=0\r\ns=3\r\n");
    let answer = script.expect(|event| match event {
        UserAgentEvent::OfferAnswered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert_eq!(&answer[..], b"v=0\r\ns=3\r\n");
    let prack = script.request();
    assert_eq!(text(&prack.headers, "RAck"), ["9 2 INVITE"]);
    assert_eq!(text(&prack.headers, "CSeq"), ["3 PRACK"]);
    script.answer(&prack, 200, "", &[], "");
    // The 2xx needs no description any more.
    script.answer(&invite, 200, "b", &[("Contact", CONTACT)], "");
    let ack = script.request();
    assert_eq!(text(&ack.headers, "CSeq"), ["2 ACK"]);
    script
        .act(|agent, now| agent.end(session, None, now))
        .expect("the call is there");
    let bye = script.request();
    assert_eq!(text(&bye.headers, "CSeq"), ["4 BYE"]);
    script.answer(&bye, 200, "", &[], "");
    script.check_empty();
}

#[test]
fn an_ack_without_a_dialog_is_counted_and_passed_over() {
    let mut script = Script::new();
    script.receive(
        "ACK sip:caller@192.0.2.1 SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKstray
        Max-Forwards: 70
        From: <sip:callee@192.0.2.2>;tag=b
        To: <sip:caller@192.0.2.1>;tag=none
        Call-ID: stray
        CSeq: 1 ACK
        ",
    );
    assert!(script.lines().is_empty());
    assert_eq!(script.agent.stats().stray_acks, 1);
    script.check_empty();
}

/// A call of the peer that is answered and not acknowledged: its key and the 2xx.
fn answered(script: &mut Script) -> (sip::ua::SessionKey, sip::Response) {
    receive_invite(script, &[], "v=0\r\n");
    let session = script.expect(incoming);
    script
        .act(|agent, now| agent.answer(session, Some(Bytes::from_static(b"v=0\r\n")), now))
        .expect("the call rings");
    (session, script.response())
}

#[test]
fn a_callee_hangs_up_after_the_ack_and_not_before() {
    let mut script = Script::new();
    let (session, success) = answered(&mut script);
    script
        .act(|agent, now| agent.end(session, None, now))
        .expect("the call is there");
    script.run(Duration::from_millis(400));
    assert!(script.lines().is_empty());
    script.take(in_dialog_of_uas(&success, Method::Ack, 10).into());
    let bye = script.request();
    assert_eq!(bye.method, Method::Bye);
    script.answer(&bye, 200, "", &[], "");
    script.check_empty();
}

#[test]
fn after_a_collision_the_caller_waits_longer_than_the_callee() {
    // RFC 3261 §14.1: 2.1 s to 4 s for the owner of the Call-ID, at most 2 s for the other.
    for (calls, earliest_ms, latest_ms) in [(true, 2_100, 4_000), (false, 0, 2_000)] {
        let mut script = Script::new();
        let session = if calls {
            script.established(&[]).0
        } else {
            let (session, success) = answered(&mut script);
            script.take(in_dialog_of_uas(&success, Method::Ack, 10).into());
            session
        };
        script.lines();
        let offer = Bytes::from_static(b"v=0\r\ns=2\r\n");
        script
            .act(|agent, now| agent.offer(session, Some(offer), now))
            .expect("an offer");
        let invite = script.request();
        script.answer(&invite, 491, "", &[], "");
        assert_eq!(script.lines(), ["ACK"]);
        if earliest_ms > 0 {
            script.run(Duration::from_millis(earliest_ms - 1));
            assert!(script.lines().is_empty());
        }
        script.run(Duration::from_millis(latest_ms - earliest_ms + 1));
        assert!(script.lines().contains(&"INVITE".to_owned()), "{calls}");
        script
            .act(|agent, now| agent.end(session, None, now))
            .expect("the call is there");
        script.check_empty();
    }
}

#[test]
fn a_re_invite_of_the_peer_says_where_it_is_now() {
    let mut script = Script::new();
    let (session, invite) = script.established(&[]);
    script.lines();
    let mut moved = in_dialog(&invite, Method::Invite, 1, "b");
    let contact = sip::HeaderName::new("Contact");
    moved.headers.remove(&contact);
    moved
        .headers
        .push_text(contact, "<sip:moved@192.0.2.2:5063>");
    moved.headers.set(ContentType::sdp());
    moved.body = Bytes::from_static(b"v=0\r\ns=2\r\n");
    script.take(moved.into());
    script
        .act(|agent, now| agent.answer_offer(session, Bytes::from_static(b"v=0\r\n"), now))
        .expect("there is an offer");
    assert_eq!(script.lines(), ["200 INVITE"]);
    script.take(in_dialog(&invite, Method::Ack, 1, "b").into());
    script
        .act(|agent, now| agent.end(session, None, now))
        .expect("the call is there");
    let bye = script.request();
    assert_eq!(bye.uri.to_string(), "sip:moved@192.0.2.2:5063");
    script.answer(&bye, 200, "", &[], "");
    script.check_empty();
}
