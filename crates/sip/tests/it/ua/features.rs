//! What goes on within calls and beside them: transfer, replacement, digits, timers, subscriptions.
//!
//! Size: a table of scripts.

use std::time::Duration;

use bytes::Bytes;
use sip::header::{Contact, ContentType, NameAddr, Replaces, SessionExpires};
use sip::ua::{
    CommandError, Dtmf, EndedBy, OutgoingRequest, ReferProgress, ReferRequest, SubscribeRequest,
    UserAgentConfig, UserAgentEvent,
};
use sip::{Headers, Method, Request, StatusCode, Uri};

use super::harness::{A, B, Faults, Pair, address, ended, request, sdp};

fn refer_progress(event: &UserAgentEvent) -> Option<ReferProgress> {
    match event {
        UserAgentEvent::ReferProgress { progress, .. } => Some(*progress),
        _ => None,
    }
}

fn target() -> NameAddr {
    NameAddr::new(Uri::sip("third", address(B)))
}

#[test]
fn a_transfer_is_told_until_its_end() {
    let mut pair = Pair::new();
    let (a, b) = pair.answered();
    let order = ReferRequest {
        target: target(),
        replaces: None,
        without_subscription: false,
    };
    pair.at(A, |agent, now| agent.refer(a, order, now)).unwrap();
    pair.settle();
    let (refer, uri) = pair.expect(B, |event| match event {
        UserAgentEvent::Referred { refer, target, .. } => Some((*refer, target.uri.clone())),
        _ => None,
    });
    assert_eq!(uri.user_text().as_deref(), Some("third"));
    pair.at(B, |agent, now| agent.accept_refer(b, refer, now))
        .unwrap();
    pair.settle();
    for (status, expect) in [
        (
            StatusCode::RINGING,
            ReferProgress::Status(StatusCode::RINGING),
        ),
        (StatusCode::OK, ReferProgress::Status(StatusCode::OK)),
    ] {
        pair.at(B, |agent, now| agent.refer_progress(b, refer, status, now))
            .unwrap();
        pair.settle();
        while pair.expect(A, refer_progress) != expect {}
    }
    let expect = [
        "A REFER",
        "B 202 REFER",
        "B NOTIFY+",
        "A 200 NOTIFY",
        "B NOTIFY+",
        "A 200 NOTIFY",
        "B NOTIFY+",
        "A 200 NOTIFY",
    ];
    let mut lines = pair.lines()[3..].to_vec();
    assert_eq!(lines.remove(0), "A REFER");
    lines.sort_unstable();
    let mut expect = expect[1..].to_vec();
    expect.sort_unstable();
    assert_eq!(lines, expect);
    pair.finish(A, a);
}

/// What is told at once goes one after the other: over UDP the last could be there first.
#[test]
fn a_notification_waits_for_the_answer_to_the_one_before() {
    let mut pair = Pair::new();
    let (a, b) = pair.answered();
    let order = ReferRequest {
        target: target(),
        replaces: None,
        without_subscription: false,
    };
    pair.at(A, |agent, now| agent.refer(a, order, now)).unwrap();
    pair.settle();
    let refer = pair.expect(B, |event| match event {
        UserAgentEvent::Referred { refer, .. } => Some(*refer),
        _ => None,
    });
    let before = pair.lines().len();
    pair.at(B, |agent, now| {
        agent.accept_refer(b, refer, now)?;
        agent.refer_progress(b, refer, StatusCode::RINGING, now)?;
        agent.refer_progress(b, refer, StatusCode::OK, now)
    })
    .unwrap();
    pair.settle();
    let expect = [
        "B 202 REFER",
        "B NOTIFY+",
        "A 200 NOTIFY",
        "B NOTIFY+",
        "A 200 NOTIFY",
    ];
    assert_eq!(pair.lines()[before..], expect);
    let end = ReferProgress::Status(StatusCode::OK);
    while pair.expect(A, refer_progress) != end {}
    pair.finish(A, a);
}

#[test]
fn notifications_of_a_transfer_outlive_the_call() {
    let mut pair = Pair::new();
    let (a, b) = pair.answered();
    let order = ReferRequest {
        target: target(),
        replaces: None,
        without_subscription: false,
    };
    pair.at(A, |agent, now| agent.refer(a, order, now)).unwrap();
    pair.settle();
    let refer = pair.expect(B, |event| match event {
        UserAgentEvent::Referred { refer, .. } => Some(*refer),
        _ => None,
    });
    pair.at(B, |agent, now| agent.accept_refer(b, refer, now))
        .unwrap();
    pair.settle();
    pair.at(A, |agent, now| agent.end(a, None, now)).unwrap();
    pair.settle();
    pair.expect(A, ended);
    pair.expect(B, ended);
    pair.at(B, |agent, now| {
        agent.refer_progress(b, refer, StatusCode::BUSY_HERE, now)
    })
    .unwrap();
    pair.settle();
    assert_eq!(
        pair.expect(A, refer_progress),
        ReferProgress::Status(StatusCode::BUSY_HERE)
    );
    pair.check_empty();
}

#[test]
fn a_transfer_without_subscription_is_not_told() {
    let mut pair = Pair::new();
    let (a, b) = pair.answered();
    let order = ReferRequest {
        target: target(),
        replaces: None,
        without_subscription: true,
    };
    pair.at(A, |agent, now| agent.refer(a, order, now)).unwrap();
    pair.settle();
    let refer = pair.expect(B, |event| match event {
        UserAgentEvent::Referred { refer, .. } => Some(*refer),
        _ => None,
    });
    pair.at(B, |agent, now| agent.accept_refer(b, refer, now))
        .unwrap();
    pair.at(B, |agent, now| {
        agent.refer_progress(b, refer, StatusCode::OK, now)
    })
    .unwrap();
    pair.settle();
    assert_eq!(pair.expect(A, refer_progress), ReferProgress::Accepted);
    assert_eq!(pair.count(B, "NOTIFY"), 0);
    pair.finish(B, b);
}

#[test]
fn a_refused_transfer_is_told() {
    let mut pair = Pair::new();
    let (a, b) = pair.answered();
    let order = ReferRequest {
        target: target(),
        replaces: None,
        without_subscription: false,
    };
    pair.at(A, |agent, now| agent.refer(a, order, now)).unwrap();
    pair.settle();
    let refer = pair.expect(B, |event| match event {
        UserAgentEvent::Referred { refer, .. } => Some(*refer),
        _ => None,
    });
    pair.at(B, |agent, now| {
        agent.refuse_refer(b, refer, StatusCode::DECLINE, now)
    })
    .unwrap();
    pair.settle();
    assert_eq!(
        pair.expect(A, refer_progress),
        ReferProgress::Refused(StatusCode::DECLINE)
    );
    pair.finish(A, a);
}

/// A call of A that is to replace another one.
fn replacing(pair: &Pair, replaces: Replaces) -> sip::ua::InviteRequest {
    let mut headers = Headers::default();
    headers.set(replaces);
    let mut order = pair.order(A).offering(sdp("new"));
    order.headers = headers;
    order
}

/// What B calls the dialog, as A has to name it to B.
fn named(pair: &Pair, session: sip::ua::SessionKey) -> Replaces {
    let id = pair.agents[B].dialog_id(session).expect("a dialog").clone();
    let (to_tag, from_tag) = (id.local_tag.to_string(), id.remote_tag.to_string());
    Replaces {
        call_id: id.call_id.to_string(),
        to_tag,
        from_tag,
        early_only: false,
    }
}

#[test]
fn an_invite_with_replaces_takes_the_place_of_a_call() {
    let mut pair = Pair::new();
    let (_, b) = pair.answered();
    let order = replacing(&pair, named(&pair, b));
    let second = pair.at(A, |agent, now| agent.invite(order, now)).unwrap();
    pair.settle();
    let (by, replaces) = pair.expect(B, |event| match event {
        UserAgentEvent::Incoming {
            session, replaces, ..
        } => Some((*session, *replaces)),
        _ => None,
    });
    assert_eq!(replaces, Some(b));
    pair.at(B, |agent, now| agent.answer(by, Some(sdp("answer")), now))
        .unwrap();
    pair.settle();
    pair.expect(B, |event| match event {
        UserAgentEvent::Replaced { session, by: new } => {
            ((*session, *new) == (b, by)).then_some(())
        }
        _ => None,
    });
    pair.expect(B, ended);
    pair.expect(A, ended);
    pair.finish(A, second);
}

#[test]
fn replaces_is_refused_where_rfc_3891_says_so() {
    let mut pair = Pair::new();
    let (a, b) = pair.answered();
    let good = named(&pair, b);
    let early = Replaces {
        early_only: true,
        ..good.clone()
    };
    let wrong = Replaces {
        to_tag: "other".into(),
        ..good
    };
    for (replaces, expect) in [
        (early, StatusCode::BUSY_HERE),
        (wrong, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
    ] {
        let order = replacing(&pair, replaces);
        pair.at(A, |agent, now| agent.invite(order, now)).unwrap();
        pair.settle();
        assert_eq!(pair.expect(A, ended).status, Some(expect));
    }
    // An early dialog that the peer began, as seen by B.
    let (first, ringing) = pair.ringing();
    let order = replacing(&pair, named(&pair, ringing));
    pair.at(A, |agent, now| agent.invite(order, now)).unwrap();
    pair.settle();
    let refused = pair.expect(A, ended);
    assert_eq!(
        refused.status,
        Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)
    );
    pair.at(A, |agent, now| agent.end(first, None, now))
        .unwrap();
    pair.settle();
    pair.expect(A, ended);
    pair.expect(B, ended);
    pair.finish(A, a);
}

#[test]
fn digits_go_in_info() {
    let mut pair = Pair::new();
    let (a, b) = pair.answered();
    pair.at(A, |agent, now| agent.send_digit(a, Dtmf::new('5'), now))
        .unwrap();
    pair.at(A, |agent, now| {
        agent.info(
            a,
            ContentType::new("text", "plain"),
            Bytes::from_static(b"5"),
            now,
        )
    })
    .unwrap();
    pair.settle();
    let dtmf = pair.expect(B, |event| match event {
        UserAgentEvent::Info { dtmf, .. } => Some(*dtmf),
        _ => None,
    });
    assert_eq!(dtmf, Some(Dtmf::new('5')));
    for expect in [StatusCode::OK, StatusCode::UNSUPPORTED_MEDIA_TYPE] {
        let status = pair.expect(A, |event| match event {
            UserAgentEvent::InfoAnswered { status, .. } => Some(*status),
            _ => None,
        });
        assert_eq!(status, expect);
    }
    pair.finish(B, b);
}

/// A config with a session interval.
fn timed(seconds: u64, min: u64) -> UserAgentConfig {
    UserAgentConfig {
        session_expires: Some(Duration::from_secs(seconds)),
        min_se: Duration::from_secs(min),
        ..UserAgentConfig::default()
    }
}

#[test]
fn a_session_is_refreshed_by_update_for_as_long_as_it_lasts() {
    let mut pair = Pair::with(timed(120, 90), timed(120, 90), Faults::default(), 1);
    let (a, _) = pair.answered();
    pair.run(Duration::from_secs(600));
    assert_eq!(
        (pair.count(A, "UPDATE"), pair.count(B, "200 UPDATE")),
        (9, 9),
        "each half of 120 s"
    );
    assert!(
        pair.events.iter().all(|events| events.is_empty()),
        "{:?}",
        pair.events
    );
    pair.finish(A, a);
}

#[test]
fn a_session_that_nobody_refreshes_is_ended() {
    let mut pair = Pair::with(timed(120, 90), timed(120, 90), Faults::default(), 1);
    pair.answered();
    pair.lose.push((A, "UPDATE", 1000));
    pair.run(Duration::from_secs(125));
    // RFC 4028 §10: min(32 s, a third) before the end of the interval, or the refresh timed out before.
    for end in [A, B] {
        let cause = pair.expect(end, ended);
        assert!(
            matches!(cause.by, EndedBy::Timeout | EndedBy::Remote),
            "{cause:?}"
        );
    }
    pair.check_empty();
}

#[test]
fn an_interval_that_is_too_small_is_asked_for_again() {
    let mut pair = Pair::with(timed(100, 90), timed(1800, 600), Faults::default(), 1);
    let (a, _) = pair.answered();
    assert_eq!(pair.lines()[..3], ["A INVITE+", "B 422 INVITE", "A ACK"]);
    let second = request(pair.last(A, "INVITE+"));
    assert_eq!(
        second
            .headers
            .need::<SessionExpires>()
            .expect("an interval")
            .delta,
        600
    );
    pair.finish(A, a);
}

#[test]
fn a_peer_that_takes_no_update_is_refreshed_by_re_invite() {
    let without = UserAgentConfig {
        methods: UserAgentConfig::default()
            .methods
            .into_iter()
            .filter(|method| *method != Method::Update)
            .collect(),
        ..timed(120, 90)
    };
    let mut pair = Pair::with(timed(120, 90), without, Faults::default(), 1);
    let (a, b) = pair.answered();
    pair.run(Duration::from_secs(61));
    pair.expect(B, |event| {
        matches!(event, UserAgentEvent::Offer { .. }).then_some(())
    });
    assert_eq!(
        request(pair.last(A, "INVITE+")).body,
        sdp("offer"),
        "the description as it was"
    );
    pair.at(B, |agent, now| agent.answer_offer(b, sdp("answer"), now))
        .unwrap();
    pair.settle();
    pair.finish(A, a);
}

fn subscribe(pair: &Pair) -> SubscribeRequest {
    SubscribeRequest {
        request_uri: Uri::sip("100", address(B)),
        from: NameAddr::new(Uri::sip("100", address(B))),
        contact: None,
        event: "message-summary".into(),
        accept: "application/simple-message-summary".into(),
        expires: Duration::from_secs(300),
        headers: Headers::default(),
        flow: pair.flow(A),
        credentials: None,
    }
}

#[test]
fn messages_waiting_are_told_to_who_subscribes() {
    let mut pair = Pair::new();
    let order = subscribe(&pair);
    let ours = pair
        .at(A, |agent, now| agent.subscribe(order, now))
        .unwrap();
    pair.settle();
    let theirs = pair.expect(B, |event| match event {
        UserAgentEvent::Subscribed { subscription, .. } => Some(*subscription),
        _ => None,
    });
    let body = || Bytes::from_static(b"Messages-Waiting: yes\r\n");
    let content = || {
        Some((
            ContentType::new("application", "simple-message-summary"),
            body(),
        ))
    };
    pair.at(B, |agent, now| {
        agent.accept_subscription(theirs, Duration::from_secs(200), now)
    })
    .unwrap();
    pair.at(B, |agent, now| agent.notify(theirs, content(), None, now))
        .unwrap();
    pair.settle();
    let told = pair.expect(A, |event| match event {
        UserAgentEvent::Notified {
            body, active: true, ..
        } => Some(body.clone()),
        _ => None,
    });
    assert_eq!(told, body());
    // Refreshed before the 200 s are over, and told anew.
    pair.run(Duration::from_secs(190));
    pair.expect(B, |event| {
        matches!(event, UserAgentEvent::SubscriptionRefreshed { .. }).then_some(())
    });
    pair.at(B, |agent, now| agent.notify(theirs, content(), None, now))
        .unwrap();
    pair.settle();
    pair.at(A, |agent, now| agent.unsubscribe(ours, now))
        .unwrap();
    pair.settle();
    for end in [A, B] {
        pair.expect(end, |event| {
            matches!(
                event,
                UserAgentEvent::SubscriptionEnded { status: None, .. }
            )
            .then_some(())
        });
    }
    let gone = pair.at(A, |agent, now| agent.unsubscribe(ours, now));
    assert_eq!(gone, Err(CommandError::Unknown));
    pair.check_empty();
}

#[test]
fn a_refused_subscription_is_told() {
    let mut pair = Pair::new();
    let order = subscribe(&pair);
    pair.at(A, |agent, now| agent.subscribe(order, now))
        .unwrap();
    pair.settle();
    let theirs = pair.expect(B, |event| match event {
        UserAgentEvent::Subscribed { subscription, .. } => Some(*subscription),
        _ => None,
    });
    pair.at(B, |agent, now| {
        agent.refuse_subscription(theirs, StatusCode::BAD_EVENT, now)
    })
    .unwrap();
    pair.settle();
    let status = pair.expect(A, |event| match event {
        UserAgentEvent::SubscriptionEnded { status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(status, Some(StatusCode::BAD_EVENT));
    pair.check_empty();
}

#[test]
fn requests_beside_calls_are_answered_by_the_user() {
    let mut pair = Pair::new();
    let mut message = Request::new(Method::Message, Uri::sip("100", address(B)))
        .with(sip::header::From::new(Uri::sip("200", address(A))))
        .with(sip::header::To::new(Uri::sip("100", address(B))))
        .with(ContentType::new("text", "plain"));
    message.body = Bytes::from_static(b"hello");
    let order = OutgoingRequest {
        request: message,
        flow: pair.flow(A),
        credentials: None,
    };
    let sent = pair.at(A, |agent, now| agent.request(order, now)).unwrap();
    pair.settle();
    let (key, body) = pair.expect(B, |event| match event {
        UserAgentEvent::Request {
            key,
            request,
            session: None,
            ..
        } => Some((*key, request.body.clone())),
        _ => None,
    });
    assert_eq!(&body[..], b"hello");
    pair.at(B, |agent, now| {
        agent.respond(key, sip::Response::new(StatusCode::ACCEPTED), now)
    })
    .unwrap();
    pair.settle();
    let (of, status) = pair.expect(A, |event| match event {
        UserAgentEvent::Response { key, response } => Some((*key, response.status)),
        _ => None,
    });
    assert_eq!((of, status), (sent, StatusCode::ACCEPTED));
    pair.check_empty();
}

#[test]
fn what_nobody_answers_is_a_408() {
    let mut pair = Pair::new();
    pair.lose.push((A, "OPTIONS", 100));
    let options = Request::new(Method::Options, Uri::sip("100", address(B)))
        .with(sip::header::From::new(Uri::sip("200", address(A))))
        .with(sip::header::To::new(Uri::sip("100", address(B))));
    let order = OutgoingRequest {
        request: options,
        flow: pair.flow(A),
        credentials: None,
    };
    pair.at(A, |agent, now| agent.request(order, now)).unwrap();
    pair.run(Duration::from_secs(33));
    let status = pair.expect(A, |event| match event {
        UserAgentEvent::Response { response, .. } => Some(response.status),
        _ => None,
    });
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    pair.check_empty();
}

#[test]
fn a_redirection_is_given_up_to_the_user() {
    let mut pair = Pair::new();
    let (_, b) = pair.ringing();
    let mut refusal = sip::ua::Refusal::status(StatusCode::MOVED_TEMPORARILY);
    refusal
        .headers
        .set(Contact::new(Uri::sip("elsewhere", address(B))));
    pair.at(B, |agent, now| agent.reject(b, refusal, now))
        .unwrap();
    pair.settle();
    let cause = pair.expect(A, ended);
    let contact: Contact = cause
        .response
        .expect("the response")
        .headers
        .need()
        .expect("Contact");
    assert_eq!(
        contact.uri().and_then(Uri::user_text).as_deref(),
        Some("elsewhere")
    );
    pair.check_empty();
}

#[test]
fn full_tables_refuse_with_503_and_retry_after() {
    let small = UserAgentConfig {
        sessions_max: 1,
        ..UserAgentConfig::default()
    };
    let mut pair = Pair::with(UserAgentConfig::default(), small, Faults::default(), 1);
    let (_, b) = pair.answered();
    let order = pair.order(A).offering(sdp("offer"));
    pair.at(A, |agent, now| agent.invite(order, now)).unwrap();
    pair.settle();
    let cause = pair.expect(A, ended);
    assert_eq!(cause.status, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert!(
        cause
            .response
            .expect("the response")
            .headers
            .get::<sip::header::RetryAfter>()
            .expect("readable")
            .is_some()
    );
    assert_eq!(pair.agents[B].stats().refused_full, 1);
    let order = pair.order(B);
    let refused = pair.at(B, |agent, now| agent.invite(order, now));
    assert_eq!(refused, Err(CommandError::Full("sessions")));
    pair.finish(B, b);
}
