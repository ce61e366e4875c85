//! Registration: digest, times, limits of what a user may do.

use std::time::Duration;

use sip::HeaderName;

use super::net::Net;

#[test]
fn a_terminal_proves_who_it_is_and_is_reached_until_its_time_is_over() {
    for (digest, algorithm) in [("md5", "MD5"), ("sha-256", "SHA-256"), ("both", "SHA-256")] {
        let mut net = Net::new(&[]);
        net.tell(&format!("sip digest {digest}"));
        let phone = net.phone();
        let response = net.register(phone, "2001", "pw", 120, &[]);
        assert_eq!(response.status.code(), 200);
        let contact = response.headers.text(&HeaderName::Contact);
        assert_eq!(contact, Some("<sip:2001@10.0.0.10:5060>;expires=120"));
        let challenge = &net.phones[phone].got[0].1;
        let challenge = challenge
            .headers()
            .text(&HeaderName::WwwAuthenticate)
            .unwrap();
        assert!(
            challenge.contains(&format!("algorithm={algorithm}")),
            "{challenge}"
        );
        assert_eq!(
            (net.count("REGISTER 401"), net.count("REGISTER 200")),
            (1, 1)
        );
        let state = net.tell("sip state");
        assert!(
            state.contains("\"contact\":\"sip:2001@10.0.0.10:5060\",\"seconds\":120"),
            "{state}"
        );
        net.wait(Duration::from_secs(121));
        assert!(net.tell("sip state").contains("\"bindings\":[]"));
    }
}

#[test]
fn who_may_not_register_is_told_why() {
    let mut net = Net::new(&[]);
    let phone = net.phone();
    assert_eq!(
        net.register(phone, "2001", "wrong", 120, &[]).status.code(),
        401
    );
    assert_eq!(
        net.register(phone, "9999", "pw", 120, &[]).status.code(),
        401,
        "nobody of that name"
    );
    let brief = net.register(phone, "2001", "pw", 30, &[]);
    assert_eq!(brief.status.code(), 423);
    assert_eq!(brief.headers.text(&HeaderName::MinExpires), Some("60"));
    let gone = net.register(phone, "2001", "pw", 0, &[]);
    assert_eq!(
        (gone.status.code(), gone.headers.text(&HeaderName::Contact)),
        (200, None)
    );
    assert!(net.tell("sip state").contains("\"bindings\":[]"));
}

#[test]
fn nobody_registers_the_number_of_somebody_else() {
    let mut net = Net::new(&[]);
    let phone = net.phone();
    let request = sip::Request::new(sip::Method::Register, super::net::uri("2001"))
        .with(sip::header::From::new(super::net::uri("2001")))
        .with(sip::header::To::new(super::net::uri("2001")));
    let thief = pbx_sim::sip::config::login("2002", "pw");
    assert_eq!(
        net.ask(phone, request, Some(thief.into())).status.code(),
        403
    );
}

#[test]
fn a_proxy_in_front_of_a_terminal_is_passed_on_the_way_back() {
    let mut net = Net::new(&[]);
    let phone = net.phone();
    let path = [
        (HeaderName::Path, "<sip:10.0.0.10;lr>"),
        (HeaderName::Supported, "path"),
    ];
    let response = net.register(phone, "2001", "pw", 120, &path);
    assert_eq!(
        response.headers.text(&HeaderName::Path),
        Some("<sip:10.0.0.10;lr>")
    );
    net.tell("call 2002 2001");
    let (_, invite) = net.incoming(phone);
    assert_eq!(
        invite.headers.text(&HeaderName::Route),
        Some("<sip:10.0.0.10;lr>")
    );
}

#[test]
fn the_registrar_fails_as_it_is_told_to() {
    let mut net = Net::new(&[]);
    let phone = net.phone();
    assert_eq!(net.tell("sip register-refuse 503 retry-after 5"), "ok");
    let refused = net.register(phone, "2001", "pw", 120, &[]);
    let retry = refused.headers.text(&HeaderName::RetryAfter);
    assert_eq!((refused.status.code(), retry), (503, Some("5")));
    net.tell("sip register-refuse off");
    assert_eq!(
        net.register(phone, "2001", "pw", 120, &[]).status.code(),
        200
    );
    assert_eq!(
        net.tell("sip drop-registration 2001"),
        "ok 1 bindings dropped"
    );
    assert_eq!(
        net.tell("sip drop-registration all"),
        "ok 0 bindings dropped"
    );
    assert_eq!(net.tell("sip stale"), "ok");
    assert_eq!(
        net.register(phone, "2001", "pw", 120, &[]).status.code(),
        200
    );
}

#[test]
fn a_registrar_that_is_silent_answers_again_when_it_is_told_to() {
    let mut net = Net::new(&[]);
    let phone = net.phone();
    net.tell("sip registrar silent");
    let request = sip::Request::new(sip::Method::Register, super::net::uri("2001"))
        .with(sip::header::From::new(super::net::uri("2001")))
        .with(sip::header::To::new(super::net::uri("2001")));
    let order = sip::ua::OutgoingRequest {
        request,
        flow: sip::transport::Flow::udp(
            net.phones[phone].address,
            super::net::PBX.parse().unwrap(),
        ),
        credentials: None,
    };
    net.at(phone, |ua, now| ua.request(order, now)).unwrap();
    net.wait(Duration::from_secs(3));
    assert!(net.phones[phone].got.is_empty());
    assert!(net.count("REGISTER swallowed") >= 2, "it was sent again");
    net.tell("sip registrar on");
    net.wait(Duration::from_secs(5));
    assert_eq!(net.phones[phone].got[0].0, "401 REGISTER");
}
