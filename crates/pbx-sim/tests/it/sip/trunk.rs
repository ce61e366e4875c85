//! The trunk to the gateway: digest both ways, and how a call there ends.

use pbx_sim::sip::config::login;
use sip::digest::{DigestServer, DigestServerConfig, Protected, StoredSecret};
use sip::header::{ProxyAuthenticate, ProxyAuthorization};
use sip::ua::{Refusal, SessionKey};
use sip::{Headers, Request, StatusCode};

use super::net::{GATEWAY, Net};

fn with_gateway() -> (Net, usize) {
    let mut net = Net::new(&["2001"]);
    let gateway = net.phone_at(GATEWAY);
    (net, gateway)
}

/// The gateway asks who calls, and gives the INVITE that says it.
fn challenged(net: &mut Net, gateway: usize) -> (SessionKey, Request) {
    let (session, first) = net.incoming(gateway);
    assert!(
        first
            .headers
            .text(&sip::HeaderName::ProxyAuthorization)
            .is_none()
    );
    let now = net.bench.now;
    let mut server = DigestServer::new(DigestServerConfig::new("gateway"), [7; 32], now);
    let source = "10.0.0.1".parse().unwrap();
    let mut headers = Headers::default();
    for challenge in server.challenge(source, false, now) {
        headers.push(ProxyAuthenticate(challenge));
    }
    let refusal = Refusal {
        status: Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED),
        headers,
        reason: None,
    };
    net.at(gateway, |ua, now| ua.reject(session, refusal, now))
        .unwrap();
    let (session, second) = net.incoming(gateway);
    let credentials: ProxyAuthorization = second.headers.need().unwrap();
    let protected = Protected {
        method: "INVITE",
        uri: &second.uri.to_string(),
        body: &second.body,
    };
    let secret =
        |name: &str| (name == "officelinkmxone").then(|| StoredSecret::Password("two".to_owned()));
    let judged = server.check([&credentials.0], protected, source, secret, now);
    assert_eq!(judged, Ok("officelinkmxone".to_owned()));
    (session, second)
}

#[test]
fn a_number_behind_a_trunk_code_rings_at_the_gateway() {
    let (mut net, gateway) = with_gateway();
    net.tell("call 2001 43800");
    let (session, invite) = challenged(&mut net, gateway);
    assert_eq!(invite.uri.to_string(), "sip:43800@10.0.0.99:5060");
    let from: sip::header::From = invite.headers.need().unwrap();
    assert_eq!(from.uri.to_string(), "sip:2001@pbx.example.com");
    net.answers(gateway, session);
    let lines = net.csta();
    assert_eq!(
        lines[lines.len() - 2..],
        ["2001: DeliveredEvent", "2001: EstablishedEvent"]
    );
    assert_eq!(net.calls(), ["2001 connected, 43800 connected"]);
    net.tell("clear 2001");
    net.ended(gateway);
    assert!(net.legs().is_empty());
}

#[test]
fn a_call_that_the_gateway_refuses_fails_with_its_cause() {
    for (status, cause) in [
        (486, "busy"),
        (404, "numberUnallocated"),
        (503, "networkCongestion"),
    ] {
        let (mut net, gateway) = with_gateway();
        net.tell("call 2001 43800");
        let (session, _) = net.incoming(gateway);
        net.bench.xml();
        let refusal = Refusal::status(StatusCode::new(status).unwrap());
        net.at(gateway, |ua, now| ua.reject(session, refusal, now))
            .unwrap();
        let xml = net.bench.xml().concat();
        // ECMA-269 §17.2.9
        assert!(
            xml.contains("FailedEvent") && xml.contains(cause),
            "{status}: {xml}"
        );
        assert_eq!(net.calls(), ["2001 connected, 43800 fail"]);
        assert!(net.legs().is_empty());
    }
}

#[test]
fn a_sip_terminal_calls_the_gateway_and_is_told_how_it_goes() {
    let (mut net, gateway) = with_gateway();
    let phone = net.registered("2002");
    net.dial(phone, "2002", "43801");
    let (session, _) = challenged(&mut net, gateway);
    net.answers(gateway, session);
    net.answered(phone);
    assert_eq!(net.legs().len(), 2);
    net.at(gateway, |ua, now| ua.end(session, None, now))
        .unwrap();
    assert_eq!(net.ended(phone).0, None);
    net.dial(phone, "2002", "43801");
    let (session, _) = net.incoming(gateway);
    net.at(gateway, |ua, now| {
        ua.reject(session, Refusal::status(StatusCode::BUSY_HERE), now)
    })
    .unwrap();
    assert_eq!(net.ended(phone).0, Some(486));
    assert!(net.calls().is_empty() && net.legs().is_empty());
}

#[test]
fn the_gateway_proves_who_it_is_and_calls_an_extension() {
    let (mut net, gateway) = with_gateway();
    net.dial_as(gateway, "4915112345", "2001", login("pbx", "one"));
    assert_eq!(net.csta(), ["2001: DeliveredEvent"]);
    assert_eq!(net.calls(), ["04915112345 connected, 2001 alerting"]);
    net.tell("answer 2001");
    net.answered(gateway);
    assert_eq!(net.csta(), ["2001: EstablishedEvent"]);
    net.tell("clear 2001");
    net.ended(gateway);
    assert!(net.calls().is_empty());
}

#[test]
fn who_cannot_prove_to_be_the_gateway_calls_nobody() {
    for (user, password) in [("pbx", "two"), ("officelinkmxone", "two"), ("", "")] {
        let (mut net, gateway) = with_gateway();
        net.dial_as(gateway, "4915112345", "2001", login(user, password));
        assert_eq!(net.ended(gateway).0, Some(401), "{user}");
        assert!(net.calls().is_empty());
    }
}

#[test]
fn a_gateway_that_is_gone_is_a_call_that_fails() {
    let mut net = Net::new(&[]);
    net.tell("call 2001 43800");
    net.wait(std::time::Duration::from_secs(33));
    assert_eq!(net.calls(), ["2001 connected, 43800 fail"]);
    net.wait(std::time::Duration::from_secs(31));
    assert!(net.calls().is_empty() && net.legs().is_empty());
}
