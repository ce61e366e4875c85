//! Message waiting: what was set at the model reaches the terminal's lamp.

use std::time::Duration;

use sip::transport::Flow;
use sip::ua::{SubscribeRequest, UserAgentEvent};
use sip::{Headers, Message};

use super::net::{Net, PBX, uri};

/// The bodies of the NOTIFY requests that a phone got.
fn told(net: &mut Net, phone: usize) -> Vec<String> {
    let got = std::mem::take(&mut net.phones[phone].got);
    let notify = got.into_iter().filter(|(line, _)| line == "NOTIFY");
    let bodies = notify.map(|(_, message): (String, Message)| {
        let event = message
            .headers()
            .text(&sip::HeaderName::Event)
            .map(str::to_owned);
        assert_eq!(event.as_deref(), Some("message-summary"));
        String::from_utf8(message.body().to_vec()).unwrap()
    });
    bodies.collect()
}

#[test]
fn a_registered_terminal_is_told_without_asking() {
    let mut net = Net::new(&[]);
    let phone = net.registered("2001");
    net.tell("mwi 2001 on 2019");
    let bodies = told(&mut net, phone);
    assert_eq!(
        bodies,
        [
            "Messages-Waiting: yes\r\nMessage-Account: sip:2019@pbx.example.com\r\nVoice-Message: 1/0 (0/0)\r\n"
        ]
    );
    net.tell("mwi 2001 on 2019");
    assert!(told(&mut net, phone).is_empty(), "nothing has changed");
    net.tell("mwi 2001 off");
    assert!(told(&mut net, phone)[0].starts_with("Messages-Waiting: no"));
}

#[test]
fn a_terminal_that_registers_while_messages_wait_is_told_at_once() {
    let mut net = Net::new(&[]);
    net.tell("mwi 2001 on 2019");
    let phone = net.phone();
    net.register(phone, "2001", "pw", 600, &[]);
    assert_eq!(told(&mut net, phone).len(), 1);
}

#[test]
fn a_subscriber_is_told_the_state_and_each_change() {
    let mut net = Net::new(&[]);
    let phone = net.registered("2001");
    let order = SubscribeRequest {
        request_uri: uri("2001"),
        from: sip::header::NameAddr::new(uri("2001")),
        contact: None,
        event: "message-summary".into(),
        accept: "application/simple-message-summary".into(),
        expires: Duration::from_secs(600),
        headers: Headers::default(),
        flow: Flow::udp(net.phones[phone].address, PBX.parse().unwrap()),
        credentials: None,
    };
    net.at(phone, |ua, now| ua.subscribe(order, now)).unwrap();
    net.tell("mwi 2001 on");
    let bodies = told(&mut net, phone);
    let states: Vec<_> = bodies
        .iter()
        .filter_map(|body| body.lines().next())
        .collect();
    assert_eq!(states, ["Messages-Waiting: no", "Messages-Waiting: yes"]);
    let active = net.expect(phone, |event| match event {
        UserAgentEvent::Notified { active, .. } => Some(active),
        _ => None,
    });
    assert!(active);
}

#[test]
fn a_stranger_and_another_package_are_refused() {
    let mut net = Net::new(&[]);
    let (known, stranger) = (net.registered("2001"), net.phone());
    for (phone, event, status) in [(stranger, "message-summary", 403), (known, "presence", 489)] {
        let order = SubscribeRequest {
            request_uri: uri("2001"),
            from: sip::header::NameAddr::new(uri("2001")),
            contact: None,
            event: event.into(),
            accept: "text/plain".into(),
            expires: Duration::from_secs(600),
            headers: Headers::default(),
            flow: Flow::udp(net.phones[phone].address, PBX.parse().unwrap()),
            credentials: None,
        };
        net.at(phone, |ua, now| ua.subscribe(order, now)).unwrap();
        let got = net.expect(phone, |event| match event {
            UserAgentEvent::SubscriptionEnded { status, .. } => status,
            _ => None,
        });
        assert_eq!(got.code(), status);
    }
}
