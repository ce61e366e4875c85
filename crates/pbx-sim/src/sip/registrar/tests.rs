use std::sync::OnceLock;

use super::*;

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time counts from some instant, and there is no other way to get one"
)]
fn zero() -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    *ZERO.get_or_init(Instant::now)
}

fn after(seconds: u64) -> Instant {
    zero() + Duration::from_secs(seconds)
}

fn registrar() -> Registrar {
    Registrar::new(&SipConfig {
        domain: "example.com".to_owned(),
        ..SipConfig::default()
    })
}

fn flow() -> Flow {
    Flow::udp(
        "10.0.0.1:5060".parse().unwrap(),
        "10.0.0.2:5060".parse().unwrap(),
    )
}

/// A REGISTER of 2001 with this CSeq and these further lines.
fn register(cseq: u32, lines: &str) -> Request {
    let lines = lines.replace('\n', "\r\n");
    let text = format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKa\r\n\
         From: <sip:2001@example.com>;tag=a\r\nTo: <sip:2001@example.com>\r\nCall-ID: a@b\r\n\
         CSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\n{lines}\r\n\r\n"
    );
    match sip::Message::parse(&text.into()).unwrap() {
        sip::Message::Request(request) => request,
        sip::Message::Response(_) => unreachable!("it was written as a request"),
    }
}

/// Status and contacts of the answer.
fn answer(registrar: &mut Registrar, request: &Request, at: Instant) -> (u16, Vec<String>) {
    let response = registrar.register("2001", request, flow(), at);
    let contacts = response.headers.texts(&HeaderName::Contact);
    (
        response.status.code(),
        contacts.map(str::to_owned).collect(),
    )
}

#[test]
fn bindings_come_stay_and_go_as_they_are_asked_for() {
    let mut registrar = registrar();
    let rows: [(u64, u32, &str, u16, &[&str]); 9] = [
        (
            0,
            1,
            "Contact: <sip:a@10.0.0.2>\nExpires: 100",
            200,
            &["<sip:a@10.0.0.2>;expires=100"],
        ),
        // Another one, with a time of its own.
        (
            10,
            2,
            "Contact: <sip:b@10.0.0.3>;expires=200\nExpires: 100",
            200,
            &[
                "<sip:a@10.0.0.2>;expires=90",
                "<sip:b@10.0.0.3>;expires=200",
            ],
        ),
        // A question.
        (
            20,
            3,
            "Expires: 0",
            200,
            &[
                "<sip:a@10.0.0.2>;expires=80",
                "<sip:b@10.0.0.3>;expires=190",
            ],
        ),
        // Out of order.
        (20, 1, "Contact: <sip:a@10.0.0.2>", 500, &[]),
        // Too brief, and nothing of it is done.
        (
            20,
            4,
            "Contact: <sip:c@10.0.0.2>, <sip:a@10.0.0.2>;expires=5",
            423,
            &[],
        ),
        // Longer than is granted.
        (
            20,
            5,
            "Contact: <sip:a@10.0.0.2>;expires=99999",
            200,
            &[
                "<sip:b@10.0.0.3>;expires=190",
                "<sip:a@10.0.0.2>;expires=3600",
            ],
        ),
        (
            30,
            6,
            "Contact: <sip:a@10.0.0.2>;expires=0",
            200,
            &["<sip:b@10.0.0.3>;expires=180"],
        ),
        (30, 7, "Contact: *\nExpires: 10", 400, &[]),
        (30, 8, "Contact: *\nExpires: 0", 200, &[]),
    ];
    for (at, cseq, lines, status, contacts) in rows {
        let got = answer(&mut registrar, &register(cseq, lines), after(at));
        assert_eq!(
            got,
            (status, contacts.iter().map(ToString::to_string).collect()),
            "{lines}"
        );
    }
    assert_eq!(registrar.poll_timeout(), None);
}

#[test]
fn what_is_over_is_gone_at_its_time() {
    let mut registrar = registrar();
    let lines = "Contact: <sip:a@10.0.0.2>;expires=60, <sip:b@10.0.0.2>;expires=90";
    answer(&mut registrar, &register(1, lines), after(0));
    for (at, left) in [(59, 2), (60, 1), (89, 1), (90, 0)] {
        registrar.expire(after(at));
        assert_eq!(registrar.bindings("2001").len(), left, "at {at} s");
    }
    assert_eq!(registrar.poll_timeout(), None);
}

#[test]
fn a_number_has_no_more_bindings_than_the_limit() {
    let mut registrar = registrar();
    let contacts = |count: usize| {
        let contacts: Vec<_> = (0..count).map(|n| format!("<sip:{n}@10.0.0.2>")).collect();
        format!("Contact: {}", contacts.join(", "))
    };
    let full = answer(
        &mut registrar,
        &register(1, &contacts(BINDINGS_MAX)),
        after(0),
    );
    assert_eq!((full.0, full.1.len()), (200, BINDINGS_MAX));
    let more = answer(
        &mut registrar,
        &register(2, "Contact: <sip:more@10.0.0.2>"),
        after(0),
    );
    assert_eq!(more.0, 403);
    assert_eq!(registrar.bindings("2001").len(), BINDINGS_MAX);
}

#[test]
fn two_flows_of_one_instance_are_two_bindings_and_ring_once() {
    let mut registrar = registrar();
    let flow = |reg_id: u32| {
        format!(
            "Contact: <sip:a@10.0.0.2>;+sip.instance=\"<urn:uuid:1>\";reg-id={reg_id}\n\
             Supported: outbound"
        )
    };
    for reg_id in [1, 2] {
        let request = register(reg_id, &flow(reg_id));
        let response = registrar.register("2001", &request, self::flow(), after(0));
        let require = response.headers.text(&HeaderName::Require);
        assert_eq!((response.status.code(), require), (200, Some("outbound")));
    }
    assert_eq!(registrar.bindings("2001").len(), 2);
    assert_eq!(registrar.terminals("2001").len(), 1);
    // The same flow again takes the place of the old one, whatever its address.
    let moved = flow(2).replace("10.0.0.2", "10.0.0.9");
    assert_eq!(
        answer(&mut registrar, &register(9, &moved), after(1))
            .1
            .len(),
        2
    );
}

#[test]
fn a_flow_through_a_proxy_that_knows_nothing_of_it_is_refused() {
    let mut registrar = registrar();
    let lines = "Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKb\nSupported: outbound\n\
                 Contact: <sip:a@10.0.0.2>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    assert_eq!(answer(&mut registrar, &register(1, lines), after(0)).0, 439);
    let edge = format!("{lines}\nPath: <sip:10.0.0.7;lr;ob>");
    let request = register(2, &edge);
    let response = registrar.register("2001", &request, flow(), after(0));
    let path = response.headers.text(&HeaderName::Path);
    assert_eq!(
        (response.status.code(), path),
        (200, Some("<sip:10.0.0.7;lr;ob>"))
    );
    let target = registrar.terminals("2001")[0].target(&SipConfig::default());
    assert_eq!(target.routes.len(), 1);
    assert_eq!(target.flow, flow());
}

#[test]
fn a_link_that_is_gone_ends_what_was_bound_to_it_and_nothing_else() {
    let mut registrar = registrar();
    let link = Flow {
        transport: Transport::Tcp,
        link: Some(sip::transport::LinkId(7)),
        ..flow()
    };
    let bound = "Supported: outbound\n\
                 Contact: <sip:a@10.0.0.2>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    registrar.register("2001", &register(1, bound), link, after(0));
    registrar.register(
        "2001",
        &register(2, "Contact: <sip:b@10.0.0.3:5070>"),
        link,
        after(0),
    );
    let config = SipConfig {
        listen: vec!["tcp:10.0.0.1:5060".parse().unwrap()],
        ..SipConfig::default()
    };
    registrar.flow_failed(&link);
    let left = registrar.bindings("2001");
    assert_eq!(left.len(), 1);
    let flow = left[0].target(&config).flow;
    assert_eq!(
        (flow.link, flow.remote),
        (None, "10.0.0.3:5070".parse().unwrap())
    );
}

#[test]
fn a_registration_is_for_a_number_of_ours() {
    let registrar = registrar();
    let rows = [
        ("sip:example.com", "sip:2001@example.com", Ok("2001")),
        ("sip:EXAMPLE.com", "sips:2001@example.com", Ok("2001")),
        ("sip:[2001:db8::10]", "sip:2001@10.0.0.1", Ok("2001")),
        (
            "sip:example.com",
            "sip:null-%00-null@example.com",
            Ok("null-\0-null"),
        ),
        ("sip:example.net", "sip:2001@example.com", Err(404)),
        ("sip:example.com", "sip:2001@example.net", Err(404)),
        ("sip:example.com", "sip:example.com", Err(404)),
        ("sip:example.com", "isbn:2983792873", Err(400)),
        ("sip:example.com", "tel:2001", Err(400)),
    ];
    for (uri, to, expected) in rows {
        let text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKa\r\n\
             From: <{to}>;tag=a\r\nTo: <{to}>\r\nCall-ID: a\r\nCSeq: 1 REGISTER\r\n\r\n"
        );
        let sip::Message::Request(request) = sip::Message::parse(&text.into()).unwrap() else {
            panic!("no request")
        };
        let got = registrar.number(&request).map_err(StatusCode::code);
        assert_eq!(got, expected.map(str::to_owned), "{uri} {to}");
    }
}
