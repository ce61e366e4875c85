//! Server transactions: timers G to J and L, 100 Trying, copies.

use sip::Method;

use super::element::{Element, incoming, request_of, tcp, udp};

const BRANCH: &str = ";branch=z9hG4bKx";
const TAGGED: &str = "To: <sip:b@192.0.2.1>;tag=b";

fn invited(flow: sip::transport::Flow) -> Element {
    let mut uas = Element::new();
    uas.receive(incoming("INVITE", BRANCH), flow);
    assert_eq!(uas.log(), ["0 ! INVITE"]);
    uas
}

#[test]
fn an_invite_that_its_user_leaves_alone_gets_100_after_200_ms() {
    let mut uas = invited(udp());
    uas.run_to(150);
    uas.receive(incoming("INVITE", BRANCH), udp());
    uas.run_to(200);
    assert_eq!(uas.log(), ["200 > 100"]);
    uas.receive(incoming("INVITE", BRANCH), udp());
    assert_eq!(uas.log(), ["200 > 100"]);
}

#[test]
fn an_invite_that_its_user_answers_gets_no_100() {
    let mut uas = invited(udp());
    uas.respond(uas.server(), 180);
    uas.run_to(1000);
    uas.receive(incoming("INVITE", BRANCH), udp());
    assert_eq!(uas.log(), ["0 > 180", "1000 > 180"]);
}

#[test]
fn timer_g_doubles_up_to_t2_and_timer_h_gives_up() {
    let mut uas = invited(udp());
    uas.respond(uas.server(), 486);
    uas.run_to(40_000);
    let sent = [
        0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ];
    let mut expect = sent.map(|ms| format!("{ms} > 486")).to_vec();
    expect.extend(["32000 ! ack missing".into(), "32000 ! over".into()]);
    assert_eq!(uas.log(), expect);
    assert!(uas.is_empty());
}

#[test]
fn over_a_reliable_transport_timer_h_alone_runs() {
    let mut uas = invited(tcp(Some(1)));
    uas.respond(uas.server(), 486);
    uas.run_to(40_000);
    assert_eq!(
        uas.log(),
        ["0 > 486", "32000 ! ack missing", "32000 ! over"]
    );
    assert!(uas.is_empty());
}

#[test]
fn timer_i_absorbs_copies_of_the_ack_for_t4() {
    let mut uas = invited(udp());
    uas.respond(uas.server(), 486);
    uas.run_to(100);
    uas.receive(request_of("ACK", BRANCH, TAGGED), udp());
    uas.run_to(5099);
    uas.receive(request_of("ACK", BRANCH, TAGGED), udp());
    assert_eq!(uas.log(), ["0 > 486"]);
    uas.run_to(5100);
    assert_eq!(uas.log(), ["5100 ! over"]);
    assert!(uas.is_empty());
}

#[test]
fn timer_i_is_zero_over_a_reliable_transport() {
    let mut uas = invited(tcp(Some(1)));
    uas.respond(uas.server(), 486);
    uas.receive(request_of("ACK", BRANCH, TAGGED), tcp(Some(1)));
    assert_eq!(uas.log(), ["0 > 486", "0 ! over"]);
    assert!(uas.is_empty());
}

#[test]
fn timer_j_answers_copies_for_64_t1() {
    let mut uas = Element::new();
    uas.receive(incoming("OPTIONS", BRANCH), udp());
    uas.receive(incoming("OPTIONS", BRANCH), udp());
    assert_eq!(uas.log(), ["0 ! OPTIONS"]);
    uas.respond(uas.server(), 200);
    uas.run_to(31_999);
    uas.receive(incoming("OPTIONS", BRANCH), udp());
    uas.run_to(32_000);
    assert_eq!(uas.log(), ["0 > 200", "31999 > 200", "32000 ! over"]);
    assert!(uas.is_empty());
}

#[test]
fn timer_j_is_zero_over_a_reliable_transport() {
    let mut uas = Element::new();
    uas.receive(incoming("OPTIONS", BRANCH), tcp(Some(1)));
    uas.respond(uas.server(), 200);
    assert_eq!(uas.log(), ["0 ! OPTIONS", "0 > 200", "0 ! over"]);
    assert!(uas.is_empty());
}

#[test]
fn timer_l_absorbs_copies_of_the_invite_and_tells_acks() {
    for flow in [udp(), tcp(Some(1))] {
        let mut uas = invited(flow);
        uas.respond(uas.server(), 200);
        uas.run_to(1000);
        uas.receive(incoming("INVITE", BRANCH), flow);
        // The 2xx is the user's to send again.
        uas.respond(uas.server(), 200);
        uas.receive(request_of("ACK", BRANCH, TAGGED), flow);
        uas.receive(request_of("ACK", ";branch=z9hG4bKy", TAGGED), flow);
        assert_eq!(
            uas.log(),
            ["0 > 200", "1000 > 200", "1000 ! ack", "1000 ! ack"]
        );
        uas.run_to(32_000);
        assert_eq!(uas.log(), ["32000 ! over"]);
        assert!(uas.is_empty());
    }
}

#[test]
fn field_bug_10_no_timer_sends_a_2xx_again() {
    let mut uas = invited(udp());
    uas.respond(uas.server(), 200);
    uas.receive(request_of("ACK", ";branch=z9hG4bKy", TAGGED), udp());
    uas.run_to(100_000);
    assert_eq!(uas.log(), ["0 > 200", "0 ! ack", "32000 ! over"]);
}

#[test]
fn another_request_gets_100_when_its_client_has_come_to_t2() {
    for flow in [udp(), tcp(Some(1))] {
        let mut uas = Element::new();
        uas.receive(incoming("OPTIONS", BRANCH), flow);
        uas.run_to(5000);
        assert_eq!(uas.log(), ["0 ! OPTIONS", "3500 > 100"]);
        assert!(!uas.respond(uas.server(), 180), "RFC 4320 §4.1");
        assert!(uas.respond(uas.server(), 200));
    }
}

#[test]
fn a_request_that_nobody_answers_is_over_when_its_client_has_given_up() {
    let mut uas = Element::new();
    uas.receive(incoming("OPTIONS", BRANCH), udp());
    uas.run_to(40_000);
    assert_eq!(uas.log(), ["0 ! OPTIONS", "3500 > 100", "32000 ! over"]);
    assert_eq!(uas.stats().unanswered, 1);
    assert!(uas.is_empty());
    assert!(!uas.respond(uas.server(), 200), "it is over");
}

#[test]
fn a_transaction_takes_one_final_response() {
    let mut uas = invited(udp());
    let key = uas.server();
    assert!(uas.respond(key, 180));
    assert!(uas.respond(key, 486));
    assert!(!uas.respond(key, 200));
    assert!(!uas.respond(key, 180));
    uas.receive(incoming("OPTIONS", BRANCH), udp());
    let key = uas.server();
    assert!(uas.respond(key, 200));
    assert!(!uas.respond(key, 200));
}

#[test]
fn cancel_is_answered_before_the_user_is_told() {
    let mut uas = invited(udp());
    uas.respond(uas.server(), 180);
    uas.receive(incoming("CANCEL", BRANCH), udp());
    assert_eq!(uas.log(), ["0 > 180", "0 > 200", "0 ! cancel"]);
    let tag = |index: usize| {
        super::element::text(
            &super::element::read(&uas.sent[index]),
            &sip::HeaderName::To,
        )
    };
    assert_eq!(tag(0), tag(1));
    assert!(uas.respond(uas.server(), 487));
}

#[test]
fn field_bug_8_a_copy_of_a_cancel_gets_its_200_again_and_no_second_487() {
    let mut uas = invited(udp());
    uas.receive(incoming("CANCEL", BRANCH), udp());
    uas.respond(uas.server(), 487);
    assert_eq!(uas.log(), ["0 > 200", "0 ! cancel", "0 > 487"]);
    uas.receive(request_of("ACK", BRANCH, TAGGED), udp());
    uas.run_to(10_000);
    // The INVITE's transaction is over, that of the CANCEL is not.
    assert_eq!(uas.log(), ["5000 ! over"]);
    uas.receive(incoming("CANCEL", BRANCH), udp());
    assert_eq!(uas.log(), ["10000 > 200"]);
    uas.run_to(32_000);
    assert!(uas.is_empty());
}

#[test]
fn a_cancel_of_nothing_gets_481() {
    let mut uas = Element::new();
    uas.receive(incoming("CANCEL", BRANCH), udp());
    assert_eq!(uas.log(), ["0 > 481"]);
    assert_eq!(uas.stats().stray_cancels, 1);
    assert!(uas.is_empty());
}

#[test]
fn a_cancel_after_the_final_response_changes_nothing() {
    let mut uas = invited(udp());
    uas.respond(uas.server(), 200);
    uas.receive(incoming("CANCEL", BRANCH), udp());
    assert_eq!(uas.log(), ["0 > 200", "0 > 200"]);
}

#[test]
fn ack_is_no_request_of_ours() {
    let mut uac = Element::new();
    let sent = uac
        .transactions
        .request(super::element::outgoing(Method::Ack), udp(), uac.now);
    assert_eq!(sent, Err(sip::transaction::SendError::Ack));
}
