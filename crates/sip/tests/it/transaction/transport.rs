//! Ways there and back: Via, rport, maddr, links that end, large requests.

use std::time::Duration;

use sip::transaction::TransactionConfig;
use sip::transport::{Flow, LinkId, Transport};
use sip::{HeaderName, Message, Method};

use super::element::{Element, LOCAL, REMOTE, address, incoming, outgoing, read, tcp, text, udp};

#[test]
fn responses_go_where_via_says() {
    let source = "198.51.100.9:40000";
    for (via, expect) in [
        // The address is always the source's, the port that of sent-by.
        ("192.0.2.2:5070;branch=z9hG4bKx", "198.51.100.9:5070"),
        ("192.0.2.2;branch=z9hG4bKx", "198.51.100.9:5060"),
        ("pbx.example;branch=z9hG4bKx", "198.51.100.9:5060"),
        // RFC 3581: the source's port too.
        ("192.0.2.2:5070;branch=z9hG4bKx;rport", source),
        (
            "192.0.2.2:5070;branch=z9hG4bKx;maddr=192.0.2.77",
            "192.0.2.77:5070",
        ),
        (
            "192.0.2.2:5070;branch=z9hG4bKx;maddr=pbx.example",
            "198.51.100.9:5070",
        ),
    ] {
        let mut uas = Element::new();
        let request = super::element::message(&[
            "OPTIONS sip:b@192.0.2.1 SIP/2.0",
            &format!("Via: SIP/2.0/UDP {via}"),
            "From: <sip:a@192.0.2.2>;tag=a",
            "To: <sip:b@192.0.2.1>",
            "Call-ID: x",
            "CSeq: 7 OPTIONS",
            "Content-Length: 0",
        ]);
        uas.receive(request, Flow::udp(address(LOCAL), address(source)));
        uas.respond(uas.server(), 200);
        assert_eq!(uas.sent[0].flow.remote, address(expect), "{via}");
        assert_eq!(uas.sent[0].flow.local, address(LOCAL), "{via}");
        let via = text(&read(&uas.sent[0]), &HeaderName::Via);
        assert!(via.contains("received=198.51.100.9"), "{via}");
        assert_eq!(via.contains("rport=40000"), via.contains("rport"), "{via}");
    }
}

#[test]
fn a_request_from_where_its_via_says_is_left_as_it_is() {
    let mut uas = Element::new();
    uas.receive(incoming("OPTIONS", ";branch=z9hG4bKx"), udp());
    uas.respond(uas.server(), 200);
    let via = text(&read(&uas.sent[0]), &HeaderName::Via);
    assert_eq!(via, format!("SIP/2.0/UDP {REMOTE};branch=z9hG4bKx"));
}

#[test]
fn a_response_goes_over_the_link_of_its_request_or_a_new_one() {
    let from = Flow {
        remote: address("192.0.2.2:40000"),
        ..tcp(Some(3))
    };
    let mut uas = Element::new();
    uas.receive(incoming("INVITE", ";branch=z9hG4bKx"), from);
    uas.respond(uas.server(), 180);
    uas.fail(from);
    uas.respond(uas.server(), 486);
    assert_eq!(uas.sent[0].flow, from);
    let listens = Flow {
        remote: address("192.0.2.2:5070"),
        ..tcp(None)
    };
    assert_eq!(uas.sent[1].flow, listens);
    // No link is to be had: there is nobody to answer to.
    uas.fail(listens);
    assert_eq!(uas.times("! over"), [0]);
    assert!(uas.is_empty());
}

#[test]
fn a_request_fails_with_its_link() {
    for method in [Method::Invite, Method::Options] {
        let mut uac = Element::new();
        uac.send(method.clone(), tcp(Some(3)));
        uac.send(method.clone(), tcp(Some(4)));
        uac.fail(tcp(Some(3)));
        assert_eq!(uac.times("! transport failed"), [0]);
        assert_eq!(uac.stats().clients, 1);
        uac.fail(tcp(None));
        assert_eq!(
            uac.log(),
            [""; 0],
            "no link could be opened: another matter than link 4"
        );
    }
}

#[test]
fn a_call_that_rings_waits_on_when_its_link_ends() {
    let mut uac = Element::new();
    let key = uac.send(Method::Invite, tcp(Some(3)));
    uac.answer(&Method::Invite, 180);
    uac.fail(tcp(Some(3)));
    assert_eq!(uac.log(), ["0 > INVITE", "0 ! 180"]);
    uac.cancel(key);
    assert_eq!(uac.sent[1].flow, tcp(None), "over a new link");
    // The CANCEL cannot be sent either.
    uac.fail(tcp(None));
    assert_eq!(uac.times("! transport failed"), [0]);
    assert!(uac.is_empty());
}

#[test]
fn via_names_where_we_listen() {
    let config = TransactionConfig {
        sent_by: vec![(Transport::Tcp, address("192.0.2.1:5060").into())],
        ..TransactionConfig::default()
    };
    let mut uac = Element::with(config);
    let flow = Flow {
        local: address("192.0.2.1:33333"),
        ..tcp(Some(1))
    };
    uac.send(Method::Options, flow);
    let via = text(&read(&uac.sent[0]), &HeaderName::Via);
    assert_eq!(via, "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKt1;rport");
}

fn large() -> sip::Request {
    let mut request = outgoing(Method::Message);
    request.body = vec![b'x'; 1300].into();
    request
}

#[test]
fn a_large_request_goes_over_tcp_and_back_to_udp_where_there_is_none() {
    let mut uac = Element::new();
    uac.send_request(large(), udp());
    uac.run_to(1000);
    assert_eq!(uac.log(), ["0 > MESSAGE"], "over TCP nothing is sent twice");
    assert_eq!(uac.sent[0].flow, tcp(None));
    let over_tcp = text(&read(&uac.sent[0]), &HeaderName::Via);
    uac.fail(tcp(None));
    uac.run_to(2000);
    assert_eq!(uac.log(), ["1000 > MESSAGE", "1500 > MESSAGE"]);
    assert_eq!(uac.sent[1].flow, udp());
    let over_udp = text(&read(&uac.sent[1]), &HeaderName::Via);
    assert_eq!(over_udp, over_tcp.replace("TCP", "UDP"));
    uac.answer(&Method::Message, 200);
    assert_eq!(uac.times("! 200"), [2000]);
    uac.run_to(60_000);
    assert!(uac.is_empty());
    let stats = uac.stats();
    assert_eq!((stats.moved_to_tcp, stats.moved_back), (1, 1));
}

#[test]
fn a_large_request_that_was_answered_over_tcp_stays_there() {
    let mut uac = Element::new();
    uac.send_request(large(), udp());
    uac.answer(&Method::Message, 100);
    uac.fail(Flow {
        link: Some(LinkId(9)),
        ..tcp(None)
    });
    assert_eq!(uac.times("! transport failed"), [0]);
    assert_eq!(uac.stats().moved_back, 0);
}

#[test]
fn an_ack_can_be_sent_again_as_it_was() {
    let mut uac = Element::new();
    let first = uac.transactions.send_ack(outgoing(Method::Ack), udp());
    uac.transactions.resend(first.clone());
    uac.run_to(Duration::from_secs(1).as_secs());
    let sent: Vec<_> = std::iter::from_fn(|| uac.transactions.poll_transmit()).collect();
    assert_eq!(sent, [first.clone(), first]);
    let Message::Request(ack) = read(&sent[0]) else {
        unreachable!()
    };
    assert_eq!(ack.method, Method::Ack);
}
