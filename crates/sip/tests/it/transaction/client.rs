//! Client transactions: timers A to F, K and M, CANCEL.

use sip::header::To;
use sip::{HeaderName, Message, Method};

use super::element::{Element, read, tcp, text, udp};

#[test]
fn timer_a_doubles_and_timer_b_gives_up() {
    let mut uac = Element::new();
    uac.send(Method::Invite, udp());
    uac.run_to(100_000);
    let expect = [0, 500, 1500, 3500, 7500, 15_500, 31_500].map(|ms| format!("{ms} > INVITE"));
    let mut expect = expect.to_vec();
    expect.push("32000 ! timed out".into());
    assert_eq!(uac.log(), expect);
    assert!(uac.is_empty());
}

#[test]
fn over_a_reliable_transport_timer_b_alone_runs() {
    let mut uac = Element::new();
    uac.send(Method::Invite, tcp(Some(1)));
    uac.run_to(100_000);
    assert_eq!(uac.log(), ["0 > INVITE", "32000 ! timed out"]);
    assert!(uac.is_empty());
}

#[test]
fn who_knows_another_way_waits_for_less_than_timer_b() {
    for (flow, sent) in [(udp(), 4), (tcp(Some(1)), 1)] {
        let mut uac = Element::new();
        let silent = uac.send(Method::Invite, flow);
        uac.hasten(silent, 4_000);
        uac.run_to(100_000);
        let log = uac.log();
        assert_eq!(log.len(), sent + 1, "{log:?}");
        assert_eq!(log.last().unwrap(), "4000 ! timed out");
        assert!(uac.is_empty());
    }
    // Whoever says anything in time has the time of every callee.
    let mut uac = Element::new();
    let slow = uac.send(Method::Invite, tcp(Some(1)));
    uac.hasten(slow, 4_000);
    uac.run_to(3_900);
    uac.answer(&Method::Invite, 100);
    uac.hasten(slow, 4_000);
    uac.run_to(200_000);
    assert_eq!(uac.log(), ["0 > INVITE", "3900 ! 100"]);
}

#[test]
fn a_provisional_response_ends_timers_a_and_b() {
    let mut uac = Element::new();
    uac.send(Method::Invite, udp());
    uac.run_to(600);
    uac.answer(&Method::Invite, 100);
    uac.run_to(200_000);
    assert_eq!(uac.log(), ["0 > INVITE", "500 > INVITE", "600 ! 100"]);
}

#[test]
fn timer_c_cancels_a_call_that_rings_for_too_long() {
    let mut uac = Element::new();
    uac.send(Method::Invite, tcp(Some(1)));
    uac.answer(&Method::Invite, 180);
    uac.run_to(200_000);
    // A second 180 starts timer C anew, a second 100 does not.
    uac.answer(&Method::Invite, 180);
    uac.run_to(250_000);
    uac.answer(&Method::Invite, 100);
    uac.log();
    uac.run_to(499_999);
    assert_eq!(uac.log(), [""; 0]);
    uac.run_to(600_000);
    assert_eq!(uac.log(), ["500000 > CANCEL", "532000 ! timed out"]);
    assert!(uac.is_empty());
}

#[test]
fn timer_d_acknowledges_copies_of_a_failure_response() {
    let mut uac = Element::new();
    uac.send(Method::Invite, udp());
    uac.answer(&Method::Invite, 486);
    assert_eq!(uac.log(), ["0 > INVITE", "0 > ACK", "0 ! 486"]);
    uac.run_to(31_999);
    uac.answer(&Method::Invite, 486);
    assert_eq!(uac.log(), ["31999 > ACK"]);
    uac.run_to(32_001);
    uac.answer(&Method::Invite, 486);
    assert_eq!(uac.log(), [""; 0]);
    assert_eq!(uac.stats().stray_responses, 1);
    assert!(uac.is_empty());
}

#[test]
fn timer_d_is_zero_over_a_reliable_transport() {
    let mut uac = Element::new();
    uac.send(Method::Invite, tcp(Some(1)));
    uac.answer(&Method::Invite, 486);
    assert_eq!(uac.log(), ["0 > INVITE", "0 > ACK", "0 ! 486"]);
    assert!(uac.is_empty());
}

#[test]
fn the_ack_of_a_failure_response_is_made_of_the_invite() {
    let mut uac = Element::new();
    uac.send(Method::Invite, udp());
    uac.answer(&Method::Invite, 404);
    let invite = Message::Request(uac.last_request(&Method::Invite).0);
    let ack = Message::Request(uac.last_request(&Method::Ack).0);
    let same = [
        HeaderName::Via,
        HeaderName::From,
        HeaderName::CallId,
        HeaderName::Route,
    ];
    for name in same {
        assert_eq!(text(&ack, &name), text(&invite, &name), "{name:?}");
    }
    assert_eq!(text(&ack, &HeaderName::CSeq), "7 ACK");
    let to: To = ack.headers().need().expect("To");
    assert_eq!(to.tag(), Some("b"));
    let Message::Request(ack) = ack else {
        unreachable!()
    };
    assert_eq!(ack.uri.to_string(), "sip:b@192.0.2.2");
}

#[test]
fn timer_e_doubles_up_to_t2_and_timer_f_gives_up() {
    let mut uac = Element::new();
    uac.send(Method::Options, udp());
    uac.run_to(32_000);
    let sent = [
        0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ];
    let mut expect = sent.map(|ms| format!("{ms} > OPTIONS")).to_vec();
    expect.push("32000 ! timed out".into());
    assert_eq!(uac.log(), expect);
    assert!(uac.is_empty());
}

#[test]
fn timer_e_is_t2_after_a_provisional_response() {
    let mut uac = Element::new();
    uac.send(Method::Options, udp());
    uac.answer(&Method::Options, 100);
    uac.run_to(9000);
    assert_eq!(
        uac.log(),
        [
            "0 > OPTIONS",
            "0 ! 100",
            "500 > OPTIONS",
            "4500 > OPTIONS",
            "8500 > OPTIONS"
        ]
    );
    uac.run_to(32_000);
    assert_eq!(uac.times("! timed out"), [32_000]);
    assert!(uac.is_empty());
}

#[test]
fn over_a_reliable_transport_timer_f_alone_runs() {
    let mut uac = Element::new();
    uac.send(Method::Options, tcp(None));
    uac.run_to(40_000);
    assert_eq!(uac.log(), ["0 > OPTIONS", "32000 ! timed out"]);
    assert!(uac.is_empty());
}

#[test]
fn timer_k_absorbs_copies_for_t4() {
    let mut uac = Element::new();
    uac.send(Method::Options, udp());
    uac.answer(&Method::Options, 200);
    uac.run_to(4999);
    uac.answer(&Method::Options, 200);
    assert_eq!(uac.log(), ["0 > OPTIONS", "0 ! 200"]);
    assert_eq!((uac.stats().clients, uac.stats().stray_responses), (1, 0));
    uac.run_to(5000);
    assert!(uac.is_empty());
    uac.answer(&Method::Options, 200);
    assert_eq!(uac.stats().stray_responses, 1);
}

#[test]
fn timer_k_is_zero_over_a_reliable_transport() {
    let mut uac = Element::new();
    uac.send(Method::Options, tcp(Some(1)));
    uac.answer(&Method::Options, 200);
    assert!(uac.is_empty());
}

#[test]
fn timer_m_takes_every_2xx_for_64_t1() {
    for flow in [udp(), tcp(Some(1))] {
        let mut uac = Element::new();
        uac.send(Method::Invite, flow);
        uac.answer(&Method::Invite, 200);
        uac.run_to(31_999);
        uac.answer(&Method::Invite, 200);
        // A failure response after the 2xx is nobody's.
        uac.answer(&Method::Invite, 486);
        assert_eq!(uac.log(), ["0 > INVITE", "0 ! 200", "31999 ! 200"]);
        uac.run_to(32_000);
        assert!(uac.is_empty());
        uac.answer(&Method::Invite, 200);
        assert_eq!(uac.log(), ["32000 ! stray 2xx"]);
    }
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut uac = Element::new();
    let key = uac.send(Method::Invite, udp());
    uac.cancel(key);
    assert_eq!(uac.log(), ["0 > INVITE"]);
    uac.answer(&Method::Invite, 100);
    assert_eq!(
        uac.log(),
        ["0 ! 100", "0 > CANCEL"]
            .map(String::from)
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    let cancel = Message::Request(uac.last_request(&Method::Cancel).0);
    let invite = Message::Request(uac.last_request(&Method::Invite).0);
    assert_eq!(
        text(&cancel, &HeaderName::Via),
        text(&invite, &HeaderName::Via)
    );
    assert_eq!(text(&cancel, &HeaderName::CSeq), "7 CANCEL");
    uac.answer(&Method::Cancel, 200);
    uac.answer(&Method::Invite, 487);
    assert_eq!(uac.log(), ["0 > ACK", "0 ! 487"]);
    uac.run_to(32_000);
    assert!(uac.is_empty());
}

#[test]
fn field_bug_9_a_cancelled_invite_without_487_ends_after_64_t1() {
    for flow in [udp(), tcp(Some(1))] {
        let mut uac = Element::new();
        let key = uac.send(Method::Invite, flow);
        uac.answer(&Method::Invite, 180);
        uac.run_to(10_000);
        uac.cancel(key);
        uac.answer(&Method::Cancel, 200);
        uac.run_to(20_000);
        // Neither does a late 180 prolong the time.
        uac.answer(&Method::Invite, 180);
        uac.run_to(100_000);
        assert_eq!(uac.times("! timed out"), [42_000]);
        assert!(uac.is_empty());
    }
}

#[test]
fn field_bug_9_a_200_after_cancel_is_told() {
    let mut uac = Element::new();
    let key = uac.send(Method::Invite, udp());
    uac.answer(&Method::Invite, 180);
    uac.cancel(key);
    uac.answer(&Method::Invite, 200);
    assert_eq!(uac.times("! 200"), [0]);
    uac.run_to(32_000);
    assert!(uac.is_empty());
}

#[test]
fn field_bug_1_completed_client_transactions_leave_the_table() {
    let mut uac = Element::new();
    for _ in 0..1000 {
        uac.send(Method::Invite, udp());
        uac.answer(&Method::Invite, 603);
        uac.send(Method::Options, udp());
        uac.answer(&Method::Options, 200);
    }
    assert_eq!(uac.stats().clients, 2000);
    uac.run_to(32_000);
    assert!(uac.is_empty());
    assert_eq!(uac.stats().clients_begun, 2000);
}

#[test]
fn a_response_with_a_via_that_is_not_ours_is_dropped() {
    let mut uac = Element::new();
    uac.send(Method::Options, udp());
    let sent = read(&uac.sent[0]);
    let via = text(&sent, &HeaderName::Via);
    for via in [
        via.replace("192.0.2.1", "192.0.2.9"),
        format!("{via}, {via}"),
        via.replace("t1", "t2"),
    ] {
        let response = super::element::message(&[
            "SIP/2.0 200 OK",
            &format!("Via: {via}"),
            "From: <sip:a@192.0.2.1>;tag=a",
            "To: <sip:b@192.0.2.2>;tag=b",
            "Call-ID: call",
            "CSeq: 7 OPTIONS",
            "Content-Length: 0",
        ]);
        uac.receive(response, udp());
    }
    assert_eq!(uac.log(), ["0 > OPTIONS"]);
    let stats = uac.stats();
    assert_eq!((stats.stray_responses, stats.unanswerable), (2, 1));
}
