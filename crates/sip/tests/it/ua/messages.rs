//! Message by message, as the RFCs have it.
//!
//! Size: a table of scripts.

use std::time::Duration;

use bytes::Bytes;
use sip::digest::Login;
use sip::header::{CSeq, CallId, From, Reason, Supported, To};
use sip::ua::{EndedBy, Sdp, UserAgentConfig, UserAgentEvent};
use sip::{Message, Method, StatusCode, Uri};

use super::harness::{ended, incoming};
use super::script::{CONTACT, Script, in_dialog, text};

/// An INVITE of the peer, without its body.
const INVITE: &str = "INVITE sip:ours@192.0.2.1 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKi1
Max-Forwards: 70
From: <sip:peer@192.0.2.2>;tag=p
To: <sip:ours@192.0.2.1>
Call-ID: c1@192.0.2.2
CSeq: 10 INVITE
Contact: <sip:peer@192.0.2.2:5070>";

/// The INVITE comes in, with more lines of its head and a body.
pub(super) fn receive_invite(script: &mut Script, more: &[&str], body: &str) {
    let content = if body.is_empty() {
        None
    } else {
        Some("Content-Type: application/sdp")
    };
    let lines: Vec<&str> = [INVITE]
        .into_iter()
        .chain(more.iter().copied())
        .chain(content)
        .collect();
    script.receive(&format!("{}\n\n{body}", lines.join("\n")));
}

/// Field bugs 2 and 4: Record-Route missing in the 200, BYE without Route or with the wrong Request-URI.
#[test]
fn a_uas_copies_record_route_and_sends_its_requests_along_it() {
    let mut script = Script::new();
    let routes = [
        "Record-Route: <sip:p2.example.com;lr>",
        "Record-Route: <sip:p1.example.com;lr>",
    ];
    receive_invite(&mut script, &routes, "v=0\r\n");
    let session = script.expect(incoming);
    script
        .act(|agent, now| agent.progress(session, StatusCode::RINGING, None, false, now))
        .unwrap();
    // RFC 3261 §12.1.1: Record-Route, a tag and Contact in whatever makes the dialog.
    let ringing = script.response();
    let recorded = ["<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>"];
    assert_eq!(text(&ringing.headers, "Record-Route"), recorded);
    let tag = ringing
        .headers
        .need::<To>()
        .unwrap()
        .tag()
        .map(ToOwned::to_owned);
    assert!(tag.is_some() && !text(&ringing.headers, "Contact").is_empty());
    script
        .act(|agent, now| agent.answer(session, Some(Bytes::from_static(b"v=0\r\n")), now))
        .unwrap();
    let ok = script.response();
    assert_eq!(text(&ok.headers, "Record-Route"), recorded);
    assert_eq!(ok.headers.need::<To>().unwrap().tag(), tag.as_deref());
    let mut ack = in_dialog_of_uas(&ok, Method::Ack, 10);
    ack.body = Bytes::new();
    script.take(Message::Request(ack));
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    // RFC 3261 §12.2.1.1: the remote target in the Request-URI, the route set in order.
    let bye = script.request();
    assert_eq!(bye.uri.to_string(), "sip:peer@192.0.2.2:5070");
    assert_eq!(text(&bye.headers, "Route"), recorded);
    assert_eq!(bye.headers.need::<From>().unwrap().tag(), tag.as_deref());
    assert_eq!(bye.headers.need::<To>().unwrap().tag(), Some("p"));
    script.answer(&bye, 200, "", &[], "");
    script.check_empty();
}

/// A request of the caller in the dialog that a response of ours has made.
pub(super) fn in_dialog_of_uas(response: &sip::Response, method: Method, seq: u32) -> sip::Request {
    let mut request = sip::Request::new(
        method.clone(),
        Uri::parse("sip:ours@192.0.2.1").expect("a URI"),
    );
    let headers = &mut request.headers;
    headers.push_text(
        sip::HeaderName::new("Via"),
        format!("SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{method}{seq}"),
    );
    headers.set(sip::header::MaxForwards(70));
    headers.set(response.headers.need::<From>().expect("there"));
    headers.set(response.headers.need::<To>().expect("there"));
    headers.set(response.headers.need::<CallId>().expect("there"));
    headers.set(CSeq { seq, method });
    request
}

/// Field bug 4 on the calling side.
#[test]
fn a_uac_reverses_the_route_and_a_strict_router_gets_the_request_uri() {
    // RFC 3261 §12.1.2 and §12.2.1.1.
    let loose = [(
        "Record-Route",
        "<sip:p2.example.com;lr>, <sip:p1.example.com;lr>",
    )];
    let strict = [(
        "Record-Route",
        "<sip:p2.example.com;lr>, <sip:p1.example.com;method=INVITE>",
    )];
    for (recorded, uri, route) in [
        (
            &loose,
            "sip:callee@192.0.2.2:5062",
            vec!["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"],
        ),
        (
            &strict,
            "sip:p1.example.com",
            vec!["<sip:p2.example.com;lr>", "<sip:callee@192.0.2.2:5062>"],
        ),
    ] {
        let mut script = Script::new();
        let (session, _) = script.established(recorded);
        let ack = script.request();
        assert_eq!(
            (ack.method.clone(), ack.uri.to_string()),
            (Method::Ack, uri.to_owned())
        );
        assert_eq!(text(&ack.headers, "Route"), route);
        script
            .act(|agent, now| agent.end(session, None, now))
            .unwrap();
        let bye = script.request();
        assert_eq!(
            (bye.uri.to_string(), text(&bye.headers, "Route")),
            (uri.to_owned(), route)
        );
        script.answer(&bye, 200, "", &[], "");
        script.check_empty();
    }
}

#[test]
fn a_forked_call_is_answered_by_one_branch_and_the_other_is_ended() {
    let mut script = Script::new();
    let (session, invite) = script.calling();
    for tag in ["x", "y"] {
        script.answer(&invite, 180, tag, &[("Contact", CONTACT)], "");
    }
    let forks = script.agent.stats().dialogs;
    assert_eq!(forks, 2);
    script.answer(&invite, 200, "y", &[("Contact", CONTACT)], "v=0\r\n");
    assert_eq!(script.lines(), ["ACK"]);
    assert_eq!(
        script.agent.stats().dialogs,
        1,
        "the branch that lost is forgotten"
    );
    // RFC 3261 §13.2.2.4: each 2xx is acknowledged; the branch that is not wanted is ended.
    script.answer(&invite, 200, "x", &[("Contact", CONTACT)], "v=0\r\n");
    let sent = script.requests();
    assert_eq!(
        sent.iter()
            .map(|request| request.method.clone())
            .collect::<Vec<_>>(),
        [Method::Ack, Method::Bye]
    );
    assert!(
        sent.iter()
            .all(|request| request.headers.need::<To>().unwrap().tag() == Some("x"))
    );
    script.answer(&sent[1], 200, "", &[], "");
    // A copy of either is acknowledged again and nothing more.
    for tag in ["x", "y"] {
        script.answer(&invite, 200, tag, &[("Contact", CONTACT)], "v=0\r\n");
        assert_eq!(script.lines(), ["ACK"]);
    }
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    let bye = script.request();
    assert_eq!(bye.headers.need::<To>().unwrap().tag(), Some("y"));
    script.answer(&bye, 200, "", &[], "");
    script.check_empty();
}

#[test]
fn a_response_that_requires_100rel_without_rseq_is_taken_as_unreliable() {
    let mut script = Script::new();
    let (_, invite) = script.calling();
    script.answer(
        &invite,
        183,
        "b",
        &[("Contact", CONTACT), ("Require", "100rel")],
        "v=0\r\n",
    );
    let (sdp, reliable) = script.expect(|event| match event {
        UserAgentEvent::Progress { sdp, reliable, .. } => Some((sdp.clone(), *reliable)),
        _ => None,
    });
    assert_eq!(
        (sdp, reliable),
        (Sdp::Preview(Bytes::from_static(b"v=0\r\n")), false)
    );
    assert!(script.lines().is_empty(), "no PRACK");
    assert_eq!(script.agent.stats().reliable_without_rseq, 1);
    script.answer(&invite, 486, "b", &[], "");
    script.check_empty();
}

#[test]
fn reliable_responses_are_acknowledged_in_order_and_once() {
    let mut script = Script::new();
    let (_, invite) = script.calling();
    let head = |rseq| [("Contact", CONTACT), ("Require", "100rel"), ("RSeq", rseq)];
    // RFC 3262 §4: the first may have any number, the next one must be one above.
    for (rseq, expect) in [
        ("700", true),
        ("700", false),
        ("702", false),
        ("701", true),
        ("702", true),
        ("700", false),
    ] {
        script.answer(&invite, 180, "b", &head(rseq), "");
        let sent = script.requests();
        assert_eq!(sent.len(), usize::from(expect), "{rseq}");
        if let [prack] = sent.as_slice() {
            assert_eq!(text(&prack.headers, "RAck"), [format!("{rseq} 1 INVITE")]);
            script.answer(prack, 200, "", &[], "");
        }
    }
    script.answer(&invite, 486, "b", &[], "");
    script.check_empty();
}

#[test]
fn a_challenge_is_met_with_a_new_number_in_the_same_call() {
    let mut script = Script::new();
    let login = Login {
        username: "u".into(),
        password: "p".into(),
    };
    let order = Script::order()
        .offering(Bytes::from_static(b"v=0\r\n"))
        .with_credentials(login);
    let session = script.act(|agent, now| agent.invite(order, now)).unwrap();
    let first = script.request();
    let challenge = |nonce, stale| {
        format!("Digest realm=\"pbx\", nonce=\"{nonce}\", qop=\"auth\", algorithm=SHA-256{stale}")
    };
    script.answer(
        &first,
        407,
        "x",
        &[("Proxy-Authenticate", &challenge("n1", ""))],
        "",
    );
    let second = script.requests().pop().unwrap();
    // RFC 3261 §22.2: CSeq is one higher, Call-ID, From and its tag are the same, To has no tag.
    assert_eq!(second.headers.need::<CSeq>().unwrap().seq, 2);
    assert_eq!(
        second.headers.need::<CallId>(),
        first.headers.need::<CallId>()
    );
    assert_eq!(second.headers.need::<From>(), first.headers.need::<From>());
    assert_eq!(second.headers.need::<To>().unwrap().tag(), None);
    assert!(text(&second.headers, "Proxy-Authorization")[0].contains("nonce=\"n1\""));
    script.answer(
        &second,
        407,
        "x",
        &[("Proxy-Authenticate", &challenge("n2", ", stale=true"))],
        "",
    );
    let third = script.requests().pop().unwrap();
    assert!(text(&third.headers, "Proxy-Authorization")[0].contains("nonce=\"n2\""));
    script.answer(&third, 200, "b", &[("Contact", CONTACT)], "v=0\r\n");
    // RFC 3261 §13.2.2.4: the ACK has the credentials of its INVITE.
    let ack = script.request();
    assert_eq!(
        text(&ack.headers, "Proxy-Authorization"),
        text(&third.headers, "Proxy-Authorization")
    );
    assert_eq!(ack.headers.need::<CSeq>().unwrap().seq, 3);
    // Later requests of the dialog know the nonce, and go on counting.
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    let bye = script.request();
    assert!(text(&bye.headers, "Proxy-Authorization")[0].contains("nc=00000002"));
    assert_eq!(bye.headers.need::<CSeq>().unwrap().seq, 4);
    script.answer(
        &bye,
        407,
        "",
        &[("Proxy-Authenticate", &challenge("n3", ", stale=true"))],
        "",
    );
    let again = script.request();
    assert_eq!(
        (
            again.method.clone(),
            again.headers.need::<CSeq>().unwrap().seq
        ),
        (Method::Bye, 5)
    );
    script.answer(&again, 200, "", &[], "");
    script.check_empty();
}

#[test]
fn a_wrong_password_ends_the_call() {
    let mut script = Script::new();
    let login = Login {
        username: "u".into(),
        password: "p".into(),
    };
    let order = Script::order().with_credentials(login);
    script.act(|agent, now| agent.invite(order, now)).unwrap();
    let challenge = "Digest realm=\"pbx\", nonce=\"n1\", qop=\"auth\"";
    let first = script.request();
    script.answer(&first, 401, "x", &[("WWW-Authenticate", challenge)], "");
    let second = script.requests().pop().unwrap();
    script.answer(&second, 401, "x", &[("WWW-Authenticate", challenge)], "");
    assert_eq!(script.lines(), ["ACK"]);
    assert_eq!(script.expect(ended).status, Some(StatusCode::UNAUTHORIZED));
    script.check_empty();
}

#[test]
fn a_408_or_481_within_the_dialog_ends_it() {
    for status in [408, 481] {
        for method in [Method::Invite, Method::Update] {
            let mut script = Script::new();
            let (session, _) = script.established(&[("Allow", "INVITE, ACK, BYE, UPDATE")]);
            script.lines();
            let sdp = Bytes::from_static(b"v=0\r\n");
            script
                .act(|agent, now| match method {
                    Method::Update => agent.update(session, sdp, now),
                    _ => agent.offer(session, Some(sdp), now),
                })
                .unwrap();
            let offer = script.request();
            assert_eq!(offer.method, method);
            script.answer(&offer, status, "", &[], "");
            // RFC 3261 §12.2.1.2.
            let bye = script.requests().pop().unwrap();
            assert_eq!(bye.method, Method::Bye);
            script.answer(&bye, 481, "", &[], "");
            assert_eq!(
                script.expect(ended).status.map(StatusCode::code),
                Some(status)
            );
            script.check_empty();
        }
    }
}

#[test]
fn a_2xx_without_the_answer_is_acknowledged_and_ended() {
    let mut script = Script::new();
    let (_, invite) = script.calling();
    script.answer(&invite, 200, "b", &[("Contact", CONTACT)], "");
    let sent = script.requests();
    assert_eq!(
        sent.iter()
            .map(|request| request.method.clone())
            .collect::<Vec<_>>(),
        [Method::Ack, Method::Bye]
    );
    script.answer(&sent[1], 200, "", &[], "");
    assert_eq!(script.expect(ended).by, EndedBy::Protocol);
    script.check_empty();
}

/// What changes the INVITE, the status of the refusal, and a header field that has to be in it.
type Refused = (&'static [(&'static str, &'static str)], u16, &'static str);

const REFUSED: [Refused; 11] = [
    (
        &[("INVITE sip:ours", "FLY sip:ours"), ("10 INVITE", "10 FLY")],
        501,
        "Allow",
    ),
    (
        &[
            ("INVITE sip:ours", "PUBLISH sip:ours"),
            ("10 INVITE", "10 PUBLISH"),
        ],
        405,
        "Allow",
    ),
    (
        &[("Max-Forwards: 70", "Max-Forwards: 70\nRequire: teleport")],
        420,
        "Unsupported",
    ),
    (
        &[(
            "Max-Forwards: 70",
            "Max-Forwards: 70\nContent-Type: text/plain",
        )],
        415,
        "Accept",
    ),
    (
        &[("Max-Forwards: 70", "Max-Forwards: 70\nAccept: text/plain")],
        406,
        "Warning",
    ),
    (
        &[("INVITE sip:ours@192.0.2.1", "INVITE nobody:ours")],
        416,
        "CSeq",
    ),
    (
        &[(
            "To: <sip:ours@192.0.2.1>",
            "To: <sip:ours@192.0.2.1>;tag=none",
        )],
        481,
        "CSeq",
    ),
    (
        &[("Contact: <sip:peer@192.0.2.2:5070>", "Subject: x")],
        400,
        "CSeq",
    ),
    (
        &[(
            "Max-Forwards: 70",
            "Max-Forwards: 70\nReplaces: a;to-tag=1;from-tag=2\nReplaces: b;to-tag=1;from-tag=2",
        )],
        400,
        "CSeq",
    ),
    (
        &[(
            "Max-Forwards: 70",
            "Max-Forwards: 70\nSupported: timer\nSession-Expires: 60",
        )],
        422,
        "Min-SE",
    ),
    (
        &[
            ("INVITE sip:ours", "SUBSCRIBE sip:ours"),
            ("10 INVITE", "10 SUBSCRIBE"),
        ],
        489,
        "CSeq",
    ),
];

#[test]
fn what_is_not_understood_is_refused_with_what_is() {
    // RFC 3261 §8.2.1 to §8.2.3, §12.2.2 and §20.35; RFC 3891 §3; RFC 4028 §9; RFC 6665 §7.2.1.
    for (changes, status, header) in REFUSED {
        let mut script = Script::new();
        let mut lines = INVITE.to_owned();
        for (from, to) in changes {
            lines = lines.replace(from, to);
        }
        let body = if status == 415 { "hello" } else { "" };
        script.receive(&format!("{}\n\n{body}", lines.trim_end()));
        let response = script.response();
        assert_eq!(response.status.code(), status, "{lines}");
        assert!(
            !text(&response.headers, header).is_empty(),
            "{status} without {header}"
        );
        assert!(
            response.headers.need::<To>().unwrap().tag().is_some(),
            "RFC 3261 §8.2.6.2 wants a tag"
        );
        let ack_of_invite = script.agent.stats();
        assert_eq!(ack_of_invite.sessions, 0);
        script.check_empty();
    }
}

#[test]
fn options_is_answered_with_the_capabilities() {
    let mut script = Script::new();
    let options = INVITE.replace("INVITE", "OPTIONS");
    script.receive(options.trim_end());
    let response = script.response();
    assert_eq!(response.status, StatusCode::OK);
    // RFC 3261 §11.2.
    for name in ["Allow", "Accept", "Supported"] {
        assert!(!text(&response.headers, name).is_empty(), "{name}");
    }
    let supported = response.headers.all::<Supported>().unwrap();
    assert!(supported.iter().any(|option| option.0 == "100rel"));
    script.check_empty();
}

#[test]
fn a_request_out_of_order_gets_500_and_one_outside_of_the_dialog_481() {
    let mut script = Script::new();
    let (session, invite) = script.established(&[]);
    script.lines();
    for (seq, tag, expect) in [
        (5, "b", "200 OPTIONS"),
        (4, "b", "500 OPTIONS"),
        (6, "other", "481 OPTIONS"),
    ] {
        script.take(Message::Request(in_dialog(
            &invite,
            Method::Options,
            seq,
            tag,
        )));
        assert_eq!(script.lines(), [expect]);
    }
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    let bye = script.request();
    script.answer(&bye, 200, "", &[], "");
    script.check_empty();
}

#[test]
fn offers_at_a_bad_moment_get_491_or_500() {
    let mut script = Script::new();
    let (session, invite) = script.established(&[("Allow", "INVITE, ACK, BYE, UPDATE")]);
    script.lines();
    let offer = |method: Method, seq| {
        let mut request = in_dialog(&invite, method, seq, "b");
        request
            .headers
            .push_text(sip::HeaderName::new("Content-Type"), "application/sdp");
        request.body = Bytes::from_static(b"v=0\r\n");
        Message::Request(request)
    };
    // RFC 3311 §5.2: the offer of the peer is not answered yet.
    script.take(offer(Method::Update, 1));
    script.take(offer(Method::Update, 2));
    let response = script.response();
    assert_eq!(response.status, StatusCode::SERVER_INTERNAL_ERROR);
    assert!(!text(&response.headers, "Retry-After").is_empty());
    script
        .act(|agent, now| agent.answer_offer(session, Bytes::from_static(b"v=0\r\n"), now))
        .unwrap();
    assert_eq!(script.lines(), ["200 UPDATE"]);
    // RFC 3261 §14.2: a second INVITE before the first is answered.
    script.take(offer(Method::Invite, 3));
    script.take(offer(Method::Invite, 4));
    let response = script.response();
    assert_eq!(response.status, StatusCode::SERVER_INTERNAL_ERROR);
    assert!(!text(&response.headers, "Retry-After").is_empty());
    script
        .act(|agent, now| agent.refuse_offer(session, StatusCode::NOT_ACCEPTABLE_HERE, now))
        .unwrap();
    script.take(Message::Request(in_dialog(&invite, Method::Ack, 3, "b")));
    script.lines();
    // RFC 3311 §5.2 and RFC 3261 §14.2: our offer is not answered yet.
    script
        .act(|agent, now| agent.offer(session, Some(Bytes::from_static(b"v=0\r\n")), now))
        .unwrap();
    script.lines();
    script.take(offer(Method::Update, 5));
    script.take(offer(Method::Invite, 6));
    assert_eq!(script.lines(), ["491 UPDATE", "491 INVITE"]);
    script.take(Message::Request(in_dialog(&invite, Method::Bye, 7, "b")));
    script.lines();
    script.check_empty();
}

#[test]
fn a_prack_that_fits_nothing_gets_481() {
    let mut script = Script::new();
    receive_invite(&mut script, &["Supported: 100rel"], "v=0\r\n");
    let session = script.expect(incoming);
    script
        .act(|agent, now| agent.progress(session, StatusCode::RINGING, None, true, now))
        .unwrap();
    let ringing = script.response();
    let rseq: u32 = text(&ringing.headers, "RSeq")[0].parse().unwrap();
    assert_eq!(text(&ringing.headers, "Require"), ["100rel"]);
    // RFC 3262 §3: by number of the response, number and method of the request.
    for (seq, rack, expect) in [
        (11, format!("{} 10 INVITE", rseq + 1), "481 PRACK"),
        (12, format!("{rseq} 11 INVITE"), "481 PRACK"),
        (13, format!("{rseq} 10 INVITE"), "200 PRACK"),
        (14, format!("{rseq} 10 INVITE"), "481 PRACK"),
    ] {
        let mut prack = in_dialog_of_uas(&ringing, Method::Prack, seq);
        prack
            .headers
            .push_text(sip::HeaderName::new("RAck"), rack.clone());
        script.take(Message::Request(prack));
        assert_eq!(script.lines(), [expect], "{rack}");
    }
    // It is no longer sent again.
    script.run(Duration::from_secs(20));
    assert!(script.lines().is_empty());
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    script.check_empty();
}

#[test]
fn an_invite_that_expires_is_ended_with_487() {
    let mut script = Script::new();
    receive_invite(&mut script, &["Expires: 20"], "");
    let session = script.expect(incoming);
    script
        .act(|agent, now| agent.progress(session, StatusCode::RINGING, None, false, now))
        .unwrap();
    script.lines();
    script.run(Duration::from_millis(20_100));
    // RFC 3261 §13.3.1.
    assert_eq!(script.lines(), ["487 INVITE"]);
    assert_eq!(script.expect(ended).by, EndedBy::Timeout);
    script.check_empty();
}

#[test]
fn ringing_is_told_every_minute() {
    let mut script = Script::new();
    receive_invite(&mut script, &[], "");
    let session = script.expect(incoming);
    script
        .act(|agent, now| agent.progress(session, StatusCode::RINGING, None, false, now))
        .unwrap();
    script.lines();
    script.run(Duration::from_secs(185));
    // RFC 3261 §13.3.1.1.
    assert_eq!(script.lines(), ["180 INVITE"; 3]);
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    script.check_empty();
}

#[test]
fn a_refer_without_or_with_two_targets_gets_400() {
    for targets in [&[][..], &["<sip:a@192.0.2.9>", "<sip:b@192.0.2.9>"]] {
        let mut script = Script::new();
        let (session, invite) = script.established(&[]);
        script.lines();
        let mut refer = in_dialog(&invite, Method::Refer, 1, "b");
        for target in targets {
            refer
                .headers
                .push_text(sip::HeaderName::new("Refer-To"), *target);
        }
        script.take(Message::Request(refer));
        // RFC 3515 §2.4.2.
        assert_eq!(script.lines(), ["400 REFER"]);
        script
            .act(|agent, now| agent.end(session, None, now))
            .unwrap();
        let bye = script.request();
        script.answer(&bye, 200, "", &[], "");
        script.check_empty();
    }
}

#[test]
fn a_bye_with_a_reason_tells_it() {
    let mut script = Script::new();
    let (_, invite) = script.established(&[]);
    script.lines();
    let mut bye = in_dialog(&invite, Method::Bye, 1, "b");
    bye.headers.push_text(
        sip::HeaderName::new("Reason"),
        "Q.850;cause=16;text=\"Normal call clearing\"",
    );
    script.take(Message::Request(bye));
    assert_eq!(script.lines(), ["200 BYE"]);
    let reason: Option<Reason> = script.expect(ended).reason;
    assert_eq!(reason.and_then(|reason| reason.cause), Some(16));
    script.check_empty();
}

#[test]
fn a_session_without_update_and_100rel_still_makes_a_call() {
    let mut script = Script::with(UserAgentConfig::default());
    let (session, _) = script.established(&[]);
    script.lines();
    let refused =
        script.act(|agent, now| agent.update(session, Bytes::from_static(b"v=0\r\n"), now));
    assert!(refused.is_err(), "the peer never said that it takes UPDATE");
    script
        .act(|agent, now| agent.end(session, None, now))
        .unwrap();
    let bye = script.request();
    script.answer(&bye, 200, "", &[], "");
    script.check_empty();
}
