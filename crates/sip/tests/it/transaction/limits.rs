//! A full table refuses what is new and serves what is there.

use sip::transaction::{SendError, TransactionConfig};
use sip::{HeaderName, Method};

use super::element::{Element, message, outgoing, read, request_of, text, udp};

fn numbered(method: &str, number: usize, to: &str) -> sip::Message {
    message(&[
        &format!("{method} sip:b@192.0.2.1 SIP/2.0"),
        &format!("Via: SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bK{number}"),
        "From: <sip:a@192.0.2.2>;tag=a",
        to,
        &format!("Call-ID: {number}"),
        &format!("CSeq: 7 {method}"),
        "Content-Length: 0",
    ])
}

const NEW: &str = "To: <sip:b@192.0.2.1>";
const IN_DIALOG: &str = "To: <sip:b@192.0.2.1>;tag=b";

#[test]
fn a_full_table_answers_503_and_its_calls_go_on() {
    let config = TransactionConfig {
        server_max: 8,
        ..TransactionConfig::default()
    };
    let mut uas = Element::with(config);
    for number in 0..5000 {
        uas.receive(numbered("INVITE", number, NEW), udp());
    }
    let stats = uas.stats();
    assert_eq!((stats.servers, stats.overloaded), (8, 4992));
    let refusal = read(uas.sent.last().expect("a refusal"));
    assert_eq!(text(&refusal, &HeaderName::RetryAfter), "5");
    // The refused INVITE's ACK is absorbed.
    let to = text(&refusal, &HeaderName::To);
    uas.log();
    uas.receive(numbered("ACK", 4999, &format!("To: {to}")), udp());
    assert_eq!(uas.log(), [""; 0]);
    // A BYE of a call is taken, a CANCEL too, and what was taken is answered.
    uas.receive(numbered("BYE", 6000, IN_DIALOG), udp());
    assert_eq!(uas.log(), ["0 ! BYE"]);
    uas.receive(numbered("CANCEL", 7, NEW), udp());
    assert_eq!(uas.log(), ["0 > 200", "0 ! cancel"]);
    uas.receive(numbered("BYE", 6001, IN_DIALOG), udp());
    assert_eq!(uas.log(), ["0 > 503"], "the reserve has an end");
    assert!(uas.respond(uas.server(), 200));
}

#[test]
fn own_requests_stop_at_the_limit_and_keep_room_for_calls() {
    let config = TransactionConfig {
        client_max: 4,
        ..TransactionConfig::default()
    };
    let mut uac = Element::with(config);
    for _ in 0..4 {
        uac.send(Method::Options, udp());
    }
    let refused = uac
        .transactions
        .request(outgoing(Method::Invite), udp(), uac.now);
    assert_eq!(refused, Err(SendError::Full { limit: 4 }));
    let sip::Message::Request(mut bye) = request_of("BYE", "", IN_DIALOG) else {
        unreachable!()
    };
    bye.headers.remove(&HeaderName::Via);
    assert!(uac.transactions.request(bye, udp(), uac.now).is_ok());
    assert_eq!(uac.stats().refused_own, 1);
    uac.run_to(32_000);
    assert!(uac.is_empty());
}

#[test]
fn the_timer_store_stays_in_proportion() {
    let mut uac = Element::new();
    let tcp = super::element::tcp(Some(1));
    for _ in 0..4000 {
        uac.send(Method::Options, tcp);
        uac.answer(&Method::Options, 200);
        uac.sent.clear();
        assert!(uac.stats().timer_entries <= 1025, "{:?}", uac.stats());
    }
    assert!(uac.is_empty());
}

/// RFC 6026 timer L keeps what was answered for 32 s: it must not keep the messages too.
#[test]
fn what_an_answered_invite_leaves_behind_is_small() {
    let mut uas = Element::new();
    let answered = 20_000;
    let body = bytes::Bytes::from(vec![b'x'; 1000]);
    let before = crate::registration::resident();
    for number in 0..answered {
        uas.receive(numbered("INVITE", number, NEW), udp());
        assert!(uas.respond_with(uas.server(), 200, body.clone()));
        uas.sent.clear();
        uas.events.clear();
        uas.log();
    }
    assert_eq!(uas.stats().servers, answered);
    let each = (crate::registration::resident() - before) / answered as u64;
    println!("{each} bytes for each INVITE that was answered");
    assert!(each < 1000, "{each} bytes");
}
