//! Calls: how they are made, answered, refused, cancelled and ended.

use std::time::Duration;

use sip::StatusCode;
use sip::header::Reason;
use sip::transport::Transport;
use sip::ua::{EndedBy, Refusal, Sdp, UserAgentConfig, UserAgentEvent};

use super::harness::{A, B, Faults, Pair, ended, incoming, sdp};

#[test]
fn a_call_is_made_answered_and_ended_by_the_caller() {
    let mut pair = Pair::new();
    let (a, b) = pair.ringing();
    pair.at(B, |agent, now| {
        agent.progress(b, StatusCode::RINGING, None, false, now)
    })
    .unwrap();
    pair.settle();
    let status = pair.expect(A, |event| match event {
        UserAgentEvent::Progress {
            response,
            sdp: Sdp::None,
            reliable: false,
            fork: Some(_),
            ..
        } => Some(response.status),
        _ => None,
    });
    assert_eq!(status, StatusCode::RINGING);
    pair.at(B, |agent, now| agent.answer(b, Some(sdp("answer")), now))
        .unwrap();
    pair.settle();
    let answer = pair.expect(A, |event| match event {
        UserAgentEvent::Answered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert_eq!(answer, Sdp::Answer(sdp("answer")));
    pair.finish(A, a);
    let expect = [
        "A INVITE+",
        "B 180 INVITE",
        "B 200 INVITE+",
        "A ACK",
        "A BYE",
        "B 200 BYE",
    ];
    assert_eq!(pair.lines(), expect);
}

#[test]
fn the_callee_ends_a_call_as_well() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let mut pair = Pair::new();
        pair.transport = transport;
        let (_, b) = pair.answered();
        pair.finish(B, b);
        assert_eq!(pair.lines()[3..], ["B BYE", "A 200 BYE"], "{transport}");
    }
}

#[test]
fn a_call_is_refused_with_a_reason() {
    let mut pair = Pair::new();
    let (_, b) = pair.ringing();
    let reason = Reason {
        protocol: "Q.850".into(),
        cause: Some(17),
        text: Some("busy".into()),
    };
    let refusal = Refusal {
        reason: Some(reason.clone()),
        ..Refusal::status(StatusCode::BUSY_HERE)
    };
    pair.at(B, |agent, now| agent.reject(b, refusal, now))
        .unwrap();
    pair.settle();
    let cause = pair.expect(A, ended);
    assert_eq!(
        (cause.by, cause.status, cause.reason),
        (EndedBy::Remote, Some(StatusCode::BUSY_HERE), Some(reason))
    );
    assert_eq!(pair.expect(B, ended).by, EndedBy::Local);
    pair.check_empty();
    assert_eq!(pair.lines(), ["A INVITE+", "B 486 INVITE", "A ACK"]);
}

#[test]
fn a_ringing_call_is_cancelled_and_the_reason_is_kept() {
    let mut pair = Pair::new();
    let (a, b) = pair.ringing();
    pair.at(B, |agent, now| {
        agent.progress(b, StatusCode::RINGING, None, false, now)
    })
    .unwrap();
    pair.settle();
    let reason = Reason {
        protocol: "SIP".into(),
        cause: Some(200),
        text: Some("Call completed elsewhere".into()),
    };
    pair.at(A, |agent, now| agent.end(a, Some(reason.clone()), now))
        .unwrap();
    pair.settle();
    let (there, here) = (pair.expect(B, ended), pair.expect(A, ended));
    assert_eq!(
        (there.by, there.reason),
        (EndedBy::Remote, Some(reason.clone()))
    );
    assert_eq!(
        (here.by, here.reason, here.status),
        (
            EndedBy::Local,
            Some(reason),
            Some(StatusCode::REQUEST_TERMINATED)
        )
    );
    pair.check_empty();
    let expect = [
        "A INVITE+",
        "B 180 INVITE",
        "A CANCEL",
        "B 200 CANCEL",
        "B 487 INVITE",
        "A ACK",
    ];
    assert_eq!(pair.lines(), expect);
}

#[test]
fn calls_survive_a_bad_network() {
    let faults = Faults {
        loss: 20,
        doubled: 20,
        late: Duration::from_millis(300),
    };
    for seed in 1..60 {
        let mut pair = Pair::with(
            UserAgentConfig::default(),
            UserAgentConfig::default(),
            faults,
            seed,
        );
        let order = pair.order(A).offering(sdp("offer"));
        let a = pair.at(A, |agent, now| agent.invite(order, now)).unwrap();
        pair.run(Duration::from_secs(10));
        let b = pair.expect(B, incoming);
        pair.at(B, |agent, now| {
            agent.progress(
                b,
                StatusCode::SESSION_PROGRESS,
                Some(sdp("answer")),
                true,
                now,
            )
        })
        .unwrap();
        pair.run(Duration::from_secs(10));
        pair.at(B, |agent, now| agent.answer(b, None, now)).unwrap();
        pair.run(Duration::from_secs(20));
        pair.expect(A, |event| {
            matches!(event, UserAgentEvent::Answered { .. }).then_some(())
        });
        pair.expect(B, |event| {
            matches!(event, UserAgentEvent::Confirmed { .. }).then_some(())
        });
        let end = if seed % 2 == 0 { A } else { B };
        let session = if end == A { a } else { b };
        pair.at(end, |agent, now| agent.end(session, None, now))
            .unwrap();
        pair.run(Duration::from_secs(40));
        for end in [A, B] {
            pair.expect(end, ended);
        }
        assert!(
            pair.events.iter().all(|left| left.is_empty()),
            "seed {seed}: {:?}",
            pair.events
        );
        pair.check_empty();
    }
}
