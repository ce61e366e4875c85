//! What has gone wrong in the field with other stacks, as far as it lies in dialogs and sessions. The
//! numbers are those of the project's list of field bugs.

use std::time::Duration;

use bytes::Bytes;
use sip::header::{CSeq, From, To};
use sip::ua::{EndedBy, UserAgentEvent};
use sip::{Message, Method, StatusCode};

use super::harness::{A, B, Pair, ended};
use super::script::{CONTACT, Script, in_dialog, text};

#[test]
fn bug_1_completed_calls_leave_all_tables() {
    let mut pair = Pair::new();
    for round in 0..50 {
        let (a, b) = pair.answered();
        let (end, session) = if round % 2 == 0 { (A, a) } else { (B, b) };
        pair.at(end, |agent, now| agent.end(session, None, now))
            .unwrap();
        pair.settle();
        pair.events
            .iter_mut()
            .for_each(std::collections::VecDeque::clear);
    }
    pair.check_empty();
}

#[test]
fn bug_3_a_2xx_inside_the_dialog_changes_no_route() {
    let mut script = Script::new();
    let (session, _) = script.established(&[("Record-Route", "<sip:p1.example.com;lr>")]);
    script.lines();
    script
        .act(|agent, now| agent.offer(session, Some(Bytes::from_static(b"v=0\r\n")), now))
        .unwrap();
    let reinvite = script.request();
    let moved = [
        ("Contact", "<sip:callee@192.0.2.2:5099>"),
        ("Record-Route", "<sip:other.example.com;lr>"),
    ];
    script.answer(&reinvite, 200, "", &moved, "v=0\r\n");
    script.lines();
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    let bye = script.request();
    assert_eq!(text(&bye.headers, "Route"), ["<sip:p1.example.com;lr>"]);
    assert_eq!(
        bye.uri.to_string(),
        "sip:callee@192.0.2.2:5099",
        "the target is refreshed all the same"
    );
    script.answer(&bye, 200, "", &[], "");
    script.check_empty();
}

#[test]
fn bug_5_hold_resume_and_bye_have_rising_numbers() {
    let mut script = Script::new();
    let (session, _) = script.established(&[]);
    script.lines();
    let mut numbers = Vec::new();
    for _ in ["hold", "resume"] {
        script
            .act(|agent, now| agent.offer(session, Some(Bytes::from_static(b"v=0\r\n")), now))
            .unwrap();
        let offer = script.request();
        numbers.push(offer.headers.need::<CSeq>().unwrap().seq);
        script.answer(&offer, 200, "", &[("Contact", CONTACT)], "v=0\r\n");
        assert_eq!(
            script.request().headers.need::<CSeq>().unwrap().seq,
            *numbers.last().unwrap(),
            "the ACK's"
        );
    }
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    let bye = script.request();
    numbers.push(bye.headers.need::<CSeq>().unwrap().seq);
    assert_eq!(numbers, [2, 3, 4]);
    script.answer(&bye, 200, "", &[], "");
    script.check_empty();
}

#[test]
fn bug_6_from_stays_as_it_was_in_the_dialog() {
    let mut script = Script::new();
    let (session, invite) = script.established(&[]);
    let ack = script.request();
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    let bye = script.request();
    for request in [&ack, &bye] {
        assert_eq!(
            request.headers.need::<From>(),
            invite.headers.need::<From>()
        );
    }
    script.answer(&bye, 200, "", &[], "");
    script.check_empty();
}

#[test]
fn bug_7_the_far_end_ends_a_call_of_ours() {
    let mut script = Script::new();
    let (_, invite) = script.established(&[]);
    script.lines();
    script.take(Message::Request(in_dialog(&invite, Method::Bye, 1, "b")));
    assert_eq!(script.lines(), ["200 BYE"]);
    assert_eq!(script.expect(ended).by, EndedBy::Remote);
    script.check_empty();
}

#[test]
fn bug_8_a_cancel_that_comes_again_changes_nothing() {
    let mut pair = Pair::new();
    let (a, b) = pair.ringing();
    pair.at(B, |agent, now| {
        agent.progress(b, StatusCode::RINGING, None, false, now)
    })
    .unwrap();
    pair.settle();
    // The answers to the first CANCEL are lost: CANCEL and INVITE come again.
    pair.lose.push((B, "200 CANCEL", 1));
    pair.at(A, |agent, now| agent.end(a, None, now)).unwrap();
    pair.run(Duration::from_secs(2));
    assert_eq!((pair.count(B, "481"), pair.count(B, "487 INVITE")), (0, 1));
    assert_eq!(pair.count(B, "200 CANCEL"), 2);
    let lines = pair.lines();
    let at = |line: &str| lines.iter().position(|sent| sent == line);
    assert!(
        at("B 200 CANCEL") < at("B 487 INVITE"),
        "200 to CANCEL, then 487: {lines:?}"
    );
    pair.expect(A, ended);
    pair.expect(B, ended);
    pair.check_empty();
}

#[test]
fn bug_9_a_200_after_the_cancel_is_acknowledged_then_ended() {
    let mut script = Script::new();
    let (session, invite) = script.calling();
    script.answer(&invite, 180, "b", &[("Contact", CONTACT)], "");
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    let cancel = script.request();
    script.answer(&cancel, 200, "", &[], "");
    script.answer(&invite, 200, "b", &[("Contact", CONTACT)], "v=0\r\n");
    let sent = script.requests();
    assert_eq!(
        sent.iter()
            .map(|request| request.method.clone())
            .collect::<Vec<_>>(),
        [Method::Ack, Method::Bye]
    );
    script.answer(&sent[1], 200, "", &[], "");
    assert_eq!(script.expect(ended).by, EndedBy::Local);
    script.check_empty();
}

#[test]
fn bug_9_a_cancelled_invite_without_487_is_given_up_after_64_t1() {
    let mut script = Script::new();
    let (session, invite) = script.calling();
    script.answer(&invite, 180, "b", &[("Contact", CONTACT)], "");
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    let cancel = script.request();
    script.answer(&cancel, 200, "", &[], "");
    script.run(Duration::from_secs(33));
    assert_eq!(script.expect(ended).by, EndedBy::Local);
    // A 200 that comes after that is still acknowledged and ended.
    script.answer(&invite, 200, "b", &[("Contact", CONTACT)], "v=0\r\n");
    let sent = script.requests();
    assert_eq!(
        sent.iter()
            .map(|request| request.method.clone())
            .collect::<Vec<_>>(),
        [Method::Ack, Method::Bye]
    );
    script.answer(&sent[1], 200, "", &[], "");
    script.check_empty();
}

#[test]
fn bug_10_an_ack_that_comes_at_once_stops_the_2xx() {
    let mut pair = Pair::new();
    let (a, _) = pair.answered();
    pair.run(Duration::from_secs(40));
    assert_eq!(pair.count(B, "200 INVITE+"), 1);
    pair.finish(A, a);
}

#[test]
fn bug_11_a_bye_during_a_re_invite_leaves_nothing() {
    for ender in [A, B] {
        let mut pair = Pair::new();
        let (a, b) = pair.answered();
        pair.at(A, |agent, now| {
            agent.offer(a, Some(super::harness::sdp("hold")), now)
        })
        .unwrap();
        pair.settle();
        pair.expect(B, |event| {
            matches!(event, UserAgentEvent::Offer { .. }).then_some(())
        });
        // The offer is never answered.
        pair.at(ender, |agent, now| agent.end([a, b][ender], None, now))
            .unwrap();
        pair.settle();
        assert_eq!(pair.count(B, "487 INVITE"), 1);
        pair.expect(A, ended);
        pair.expect(B, ended);
        pair.check_empty();
    }
}

#[test]
fn bug_11_a_2xx_to_a_re_invite_after_the_bye_is_acknowledged() {
    let mut script = Script::new();
    let (session, _) = script.established(&[]);
    script.lines();
    script
        .act(|agent, now| agent.offer(session, Some(Bytes::from_static(b"v=0\r\n")), now))
        .unwrap();
    let reinvite = script.request();
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    let bye = script.request();
    script.answer(&reinvite, 200, "", &[("Contact", CONTACT)], "v=0\r\n");
    let ack = script.request();
    assert_eq!(
        (ack.method.clone(), ack.headers.need::<To>().unwrap().tag()),
        (Method::Ack, Some("b"))
    );
    script.answer(&bye, 200, "", &[], "");
    script.check_empty();
}
