//! Subscriptions where something goes wrong.

use std::time::Duration;

use sip::header::{NameAddr, SubscriptionState};
use sip::ua::{SubscribeRequest, SubscriptionKey, UserAgentEvent};
use sip::{Headers, Method, Request, StatusCode, Uri};

use super::harness::address;
use super::script::{CONTACT, Script, in_dialog, text};

fn subscribing(script: &mut Script) -> (SubscriptionKey, Request) {
    let order = SubscribeRequest {
        request_uri: Uri::sip("100", address(1)),
        from: NameAddr::new(Uri::sip("100", address(1))),
        contact: None,
        event: "message-summary".into(),
        accept: "application/simple-message-summary".into(),
        expires: Duration::from_secs(60),
        headers: Headers::default(),
        flow: Script::flow(),
        credentials: None,
    };
    let key = script
        .act(|agent, now| agent.subscribe(order, now))
        .expect("a subscription");
    (key, script.request())
}

fn notify(subscribe: &Request, seq: u32, tag: &str, state: &str) -> Request {
    let mut request = in_dialog(subscribe, Method::Notify, seq, tag);
    request
        .headers
        .copy(&subscribe.headers, &sip::HeaderName::Event);
    request.headers.set(SubscriptionState::new(state));
    request
}

fn ended(event: &UserAgentEvent) -> Option<(SubscriptionKey, Option<StatusCode>)> {
    match event {
        UserAgentEvent::SubscriptionEnded {
            subscription,
            status,
            ..
        } => Some((*subscription, *status)),
        _ => None,
    }
}

#[test]
fn an_interval_that_is_too_brief_is_asked_for_again_a_few_times() {
    let mut script = Script::new();
    let (key, mut subscribe) = subscribing(&mut script);
    for seq in 2..=4 {
        script.answer(&subscribe, 423, "b", &[("Min-Expires", "600")], "");
        subscribe = script.request();
        assert_eq!(text(&subscribe.headers, "Expires"), ["600"]);
        assert_eq!(
            text(&subscribe.headers, "CSeq"),
            [format!("{seq} SUBSCRIBE")]
        );
    }
    script.answer(&subscribe, 423, "b", &[("Min-Expires", "600")], "");
    let expect = Some(StatusCode::INTERVAL_TOO_BRIEF);
    assert_eq!(script.expect(ended), (key, expect));
    assert!(script.lines().is_empty());
    script.check_empty();
}

#[test]
fn a_notification_before_the_2xx_is_of_the_subscription_and_of_no_other() {
    let mut script = Script::new();
    let (key, subscribe) = subscribing(&mut script);
    let (other, _) = subscribing(&mut script);
    script.take(notify(&subscribe, 1, "b", "active").into());
    let told = script.expect(|event| match event {
        UserAgentEvent::Notified { subscription, .. } => Some(*subscription),
        _ => None,
    });
    assert_eq!(told, key);
    assert_eq!(script.lines(), ["200 NOTIFY"]);
    // A second branch of the SUBSCRIBE is not taken.
    script.take(notify(&subscribe, 1, "c", "active").into());
    assert_eq!(script.lines(), ["481 NOTIFY"]);
    script.answer(
        &subscribe,
        200,
        "b",
        &[("Contact", CONTACT), ("Expires", "60")],
        "",
    );
    script.take(notify(&subscribe, 2, "b", "terminated").into());
    assert_eq!(script.expect(ended), (key, None));
    // Nobody answers the other one.
    script.run(Duration::from_secs(40));
    let expect = Some(StatusCode::REQUEST_TIMEOUT);
    assert_eq!(script.expect(ended), (other, expect));
    script.check_empty();
}

#[test]
fn a_subscription_that_the_user_never_answers_is_given_up() {
    let mut script = Script::new();
    script.receive(
        "SUBSCRIBE sip:100@192.0.2.1 SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKsub
        Max-Forwards: 70
        From: <sip:200@192.0.2.2>;tag=b
        To: <sip:100@192.0.2.1>
        Call-ID: never-answered
        CSeq: 1 SUBSCRIBE
        Contact: <sip:200@192.0.2.2>
        Event: dialog
        ",
    );
    let key = script.expect(|event| match event {
        UserAgentEvent::Subscribed { subscription, .. } => Some(*subscription),
        _ => None,
    });
    script.run(Duration::from_secs(33));
    assert_eq!(script.expect(ended), (key, None));
    let late =
        script.act(|agent, now| agent.accept_subscription(key, Duration::from_secs(60), now));
    assert_eq!(late, Err(sip::ua::CommandError::Unknown));
    assert!(!script.lines().contains(&"NOTIFY".to_owned()));
    script.check_empty();
}
