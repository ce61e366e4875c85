//! What the PBX asks beside calls.

use std::time::Duration;

use bytes::Bytes;
use call_control::bridge::{MessageSummary, Notice};
use cloud_uplink::leg::LegEndCause;
use sip::header::{ContentType, Event, From, NameAddr, SubscriptionState, To};
use sip::ua::{OutgoingRequest, RequestKey, SubscribeRequest, UserAgentEvent};
use sip::{HeaderName, Headers, Method, Request, Response, StatusCode, Uri};

use super::legs::{answer, ringing, softclient, to_softphone};
use super::site::{GATEWAY, PBX, Site, address, config, flow};

fn ask(site: &mut Site, method: Method, user: &str, change: impl FnOnce(&mut Request)) -> Response {
    let uri = Uri::sip(user, address(GATEWAY));
    let from = NameAddr::new(Uri::sip("2001", address(PBX)));
    let mut request = Request::new(method, uri.clone())
        .with(From(from))
        .with(To(NameAddr::new(uri)));
    change(&mut request);
    let order = OutgoingRequest {
        request,
        flow: flow(PBX, GATEWAY),
        credentials: None,
    };
    let asked: RequestKey = site
        .at(PBX, |agent, now| agent.request(order, now))
        .unwrap();
    site.settle();
    site.expect(PBX, |event| match event {
        UserAgentEvent::Response { key, response } if *key == asked => Some((**response).clone()),
        _ => None,
    })
}

fn summary(package: &str, body: &'static str) -> impl FnOnce(&mut Request) {
    move |request: &mut Request| {
        request.headers.set(Event::new(package));
        request.headers.set(SubscriptionState::new("active"));
        let content = ContentType::new("application", "simple-message-summary");
        request.headers.set(content);
        request.body = Bytes::from_static(body.as_bytes());
    }
}

#[test]
fn messages_that_wait_are_told_for_softphones_alone() {
    let body = "Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n";
    for (user, package, body, status) in [
        ("c2100", "message-summary", body, 200),
        ("2100", "message-summary", body, 481),
        ("c2100", "message-summary", "hello", 400),
        ("c2100", "presence", body, 489),
        ("2999", "message-summary", body, 481),
    ] {
        let mut site = Site::new(config());
        site.switchboard.set_softclient(softclient(), true);
        let response = ask(&mut site, Method::Notify, user, summary(package, body));
        assert_eq!(response.status.code(), status, "{user} {package}");
        let told = site.notices.iter().find_map(|notice| match notice {
            Notice::MessageWaiting {
                extension,
                messages,
            } => Some((extension.clone(), *messages)),
            _ => None,
        });
        let expect = (status == 200).then(|| {
            let messages = MessageSummary {
                waiting: true,
                new: Some(2),
                old: Some(8),
            };
            ("2100".into(), messages)
        });
        assert_eq!(told, expect);
    }
}

#[test]
fn page_messages_have_no_place_and_strangers_none_at_all() {
    let mut site = Site::new(config());
    site.switchboard.set_softclient(softclient(), true);
    let response = ask(&mut site, Method::Message, "c2100", |_| {});
    assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED);
    let allowed: Vec<&str> = response.headers.texts(&HeaderName::Allow).collect();
    let allowed = allowed.join(", ");
    assert!(allowed.contains("INVITE") && !allowed.contains("MESSAGE"));
    let response = ask(&mut site, Method::Message, "43900", |_| {});
    assert_eq!(response.status, StatusCode::NOT_FOUND);
}

fn watch(site: &mut Site, user: &str, package: &str) {
    let order = SubscribeRequest {
        request_uri: Uri::sip(user, address(GATEWAY)),
        from: NameAddr::new(Uri::sip("2001", address(PBX))),
        contact: None,
        event: package.into(),
        accept: "application/dialog-info+xml".into(),
        expires: Duration::from_secs(600),
        headers: Headers::default(),
        flow: flow(PBX, GATEWAY),
        credentials: None,
    };
    site.at(PBX, |agent, now| agent.subscribe(order, now))
        .unwrap();
    site.settle();
}

fn dialogs(site: &mut Site) -> String {
    site.expect(PBX, |event| match event {
        UserAgentEvent::Notified { body, .. } if !body.is_empty() => {
            Some(String::from_utf8(body.to_vec()).unwrap())
        }
        _ => None,
    })
}

#[test]
fn who_watches_a_softphone_is_told_its_calls_at_each_change() {
    let mut site = Site::new(config());
    site.switchboard.set_softclient(softclient(), true);
    watch(&mut site, "c2100", "dialog");
    let first = dialogs(&mut site);
    assert!(
        first.contains("entity=\"sip:2100@127.0.0.2:5060\""),
        "{first}"
    );
    assert!(first.contains("version=\"0\"") && !first.contains("<dialog "));
    let a = to_softphone(&mut site);
    let (leg, _) = site.begun();
    assert!(dialogs(&mut site).contains("direction=\"recipient\"><state>trying</state>"));
    site.say(leg, ringing(None));
    site.say(leg, ringing(None));
    assert!(dialogs(&mut site).contains("<state>early</state>"));
    site.say(leg, answer(5000));
    let third = dialogs(&mut site);
    assert!(third.contains("<state>confirmed</state>"), "{third}");
    assert!(third.contains("version=\"3\""), "{third}");
    site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
    site.settle();
    assert_eq!(site.leg_ended(leg).cause, LegEndCause::Hangup);
    assert!(!dialogs(&mut site).contains("<dialog "));
    assert_eq!(site.switchboard.stats().watchers, 1);
}

#[test]
fn other_subscriptions_are_refused_by_what_is_wrong_with_them() {
    for (user, package, status) in [
        ("c2100", "message-summary", StatusCode::BAD_EVENT),
        ("2100", "dialog", StatusCode::NOT_FOUND),
        ("43900", "dialog", StatusCode::NOT_FOUND),
    ] {
        let mut site = Site::new(config());
        site.switchboard.set_softclient(softclient(), true);
        watch(&mut site, user, package);
        let refused = site.expect(PBX, |event| match event {
            UserAgentEvent::SubscriptionEnded { status, .. } => Some(*status),
            _ => None,
        });
        assert_eq!(refused, Some(status));
        assert_eq!(site.switchboard.stats().watchers, 0);
    }
}

#[test]
fn messages_are_told_that_were_asked_for() {
    let mut site = Site::new(config());
    let (agent, now) = (&mut site.agents[GATEWAY], site.now);
    site.switchboard.subscribe_messages("2100", agent, now);
    site.switchboard.set_softclient(softclient(), true);
    site.switchboard.subscribe_messages("2100", agent, now);
    site.switchboard.subscribe_messages("2100", agent, now);
    site.drain(GATEWAY);
    site.settle();
    let mut asked = Vec::new();
    while let Some(event) = site.events[PBX].pop_front() {
        if let UserAgentEvent::Subscribed {
            subscription,
            request,
            ..
        } = event
        {
            assert_eq!(request.uri.to_string(), "sip:2100@127.0.0.2:5060");
            asked.push(subscription);
        }
    }
    assert_eq!(asked.len(), 1, "once");
    let content = ContentType::new("application", "simple-message-summary");
    let body = Bytes::from_static(b"Messages-Waiting: no\r\n");
    site.at(PBX, |agent, now| {
        agent.accept_subscription(asked[0], Duration::from_secs(600), now)?;
        agent.notify(asked[0], Some((content, body)), None, now)
    })
    .unwrap();
    site.settle();
    let Some(Notice::MessageWaiting {
        extension,
        messages,
    }) = site.notices.last()
    else {
        panic!("{:?}", site.notices);
    };
    assert_eq!((&**extension, messages.waiting), ("2100", false));
}
