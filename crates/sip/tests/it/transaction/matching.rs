//! Which transaction a request belongs to (RFC 3261 §17.2.3, §8.2.2.2), and what is refused.

use super::element::{Element, incoming, message, read, request_of, text, udp};
use sip::HeaderName;

#[test]
fn a_branch_is_the_same_in_any_case_and_only_with_its_sent_by() {
    let mut uas = Element::new();
    uas.receive(incoming("OPTIONS", ";branch=z9hG4bKabc"), udp());
    uas.receive(incoming("OPTIONS", ";branch=z9hG4bKABC"), udp());
    assert_eq!(uas.log(), ["0 ! OPTIONS"]);
    assert_eq!(uas.stats().copies, 1);
    uas.receive(incoming("MESSAGE", ";branch=z9hG4bKabc"), udp());
    assert_eq!(uas.log(), ["0 ! MESSAGE"]);
}

#[test]
fn a_request_that_came_on_two_ways_gets_482_on_the_second() {
    let mut uas = Element::new();
    uas.receive(incoming("INVITE", ";branch=z9hG4bKone"), udp());
    uas.receive(incoming("INVITE", ";branch=z9hG4bKtwo"), udp());
    assert_eq!(uas.log(), ["0 ! INVITE", "0 > 482"]);
    // Its copies are answered alike, and its ACK is nobody's concern.
    uas.receive(incoming("INVITE", ";branch=z9hG4bKtwo"), udp());
    assert_eq!(uas.log(), ["0 > 482"]);
    let to = text(&read(&uas.sent[0]), &HeaderName::To);
    assert_eq!(to, text(&read(&uas.sent[1]), &HeaderName::To));
    uas.receive(
        request_of("ACK", ";branch=z9hG4bKtwo", &format!("To: {to}")),
        udp(),
    );
    assert_eq!(uas.log(), [""; 0]);
    // Within a dialog there is no such thing.
    let in_dialog = "To: <sip:b@192.0.2.1>;tag=b";
    uas.receive(
        request_of("INVITE", ";branch=z9hG4bKthree", in_dialog),
        udp(),
    );
    assert_eq!(uas.log(), ["0 ! INVITE"]);
    assert_eq!(uas.stats().merged, 2);
}

#[test]
fn requests_of_rfc_2543_match_by_what_they_say() {
    for branch in ["", ";branch=1"] {
        let mut uas = Element::new();
        uas.receive(incoming("INVITE", branch), udp());
        uas.receive(incoming("INVITE", branch), udp());
        uas.respond(uas.server(), 486);
        assert_eq!(uas.log(), ["0 ! INVITE", "0 > 486"], "{branch}");
        // An ACK of another response is not that of this one.
        uas.receive(
            request_of("ACK", branch, "To: <sip:b@192.0.2.1>;tag=other"),
            udp(),
        );
        assert_eq!(uas.log(), ["0 ! ack"]);
        uas.receive(
            request_of("ACK", branch, "To: <sip:b@192.0.2.1>;tag=b"),
            udp(),
        );
        assert_eq!(uas.log(), [""; 0]);
        uas.run_to(5000);
        assert_eq!(uas.log(), ["5000 ! over"]);
        assert!(uas.is_empty());
    }
}

#[test]
fn a_cancel_of_rfc_2543_finds_its_invite() {
    let mut uas = Element::new();
    uas.receive(incoming("INVITE", ""), udp());
    uas.receive(incoming("CANCEL", ""), udp());
    assert_eq!(uas.log(), ["0 ! INVITE", "0 > 200", "0 ! cancel"]);
}

#[test]
fn an_ack_of_no_transaction_is_told() {
    let mut uas = Element::new();
    uas.receive(incoming("ACK", ";branch=z9hG4bKx"), udp());
    assert_eq!(uas.log(), ["0 ! ack"]);
    assert!(uas.is_empty());
}

#[test]
fn what_is_not_valid_is_refused_and_not_told() {
    let lines = |cseq: &str, via: &str| {
        message(&[
            "OPTIONS sip:b@192.0.2.1 SIP/2.0",
            via,
            "From: <sip:a@192.0.2.2>;tag=a",
            "To: <sip:b@192.0.2.1>",
            "Call-ID: x",
            cseq,
            "Content-Length: 0",
        ])
    };
    let via = "Via: SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bKx";
    let mut uas = Element::new();
    uas.receive(lines("CSeq: 7 INVITE", via), udp());
    uas.receive(
        lines("CSeq: 7 OPTIONS", "Via: SIP/2.0/UDP [::1;branch=z9hG4bKx"),
        udp(),
    );
    assert_eq!(uas.log(), ["0 > 400", "0 > 400"]);
    uas.receive(lines("CSeq: 7 OPTIONS", "Subject: no Via"), udp());
    assert_eq!(uas.log(), [""; 0]);
    let stats = uas.stats();
    assert_eq!((stats.invalid, stats.unanswerable), (2, 1));
    assert!(uas.is_empty());
}
