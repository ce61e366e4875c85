//! Every placement of offer and answer that RFC 6337 table 1 lists, collisions, and refusals.

use std::time::Duration;

use sip::StatusCode;
use sip::ua::{CommandError, EndedBy, Sdp, SessionKey, UserAgentConfig, UserAgentEvent};

use super::harness::{A, B, Faults, Pair, ended, incoming, sdp};

fn progress(event: &UserAgentEvent) -> Option<Sdp> {
    match event {
        UserAgentEvent::Progress { sdp, .. } => Some(sdp.clone()),
        _ => None,
    }
}

fn answered(event: &UserAgentEvent) -> Option<Sdp> {
    match event {
        UserAgentEvent::Answered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    }
}

fn offer(event: &UserAgentEvent) -> Option<Option<bytes::Bytes>> {
    match event {
        UserAgentEvent::Offer { sdp, .. } => Some(sdp.clone()),
        _ => None,
    }
}

fn offer_answered(event: &UserAgentEvent) -> Option<bytes::Bytes> {
    match event {
        UserAgentEvent::OfferAnswered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    }
}

fn offer_refused(event: &UserAgentEvent) -> Option<Option<StatusCode>> {
    match event {
        UserAgentEvent::OfferRefused { status, .. } => Some(*status),
        _ => None,
    }
}

/// A call without an offer that rings.
fn without_offer(pair: &mut Pair) -> (SessionKey, SessionKey) {
    let order = pair.order(A);
    let a = pair
        .at(A, |agent, now| agent.invite(order, now))
        .expect("a call");
    pair.settle();
    (a, pair.expect(B, incoming))
}

#[test]
fn the_2xx_offers_and_the_ack_answers() {
    let mut pair = Pair::new();
    let (a, b) = without_offer(&mut pair);
    let refused = pair.at(B, |agent, now| agent.answer(b, None, now));
    assert!(
        matches!(refused, Err(CommandError::OfferAnswer(_))),
        "a 2xx without the offer: {refused:?}"
    );
    pair.at(B, |agent, now| agent.answer(b, Some(sdp("offer")), now))
        .unwrap();
    pair.settle();
    assert_eq!(pair.expect(A, answered), Sdp::Offer(sdp("offer")));
    assert_eq!(pair.count(A, "ACK"), 0, "the ACK waits for the answer");
    pair.at(A, |agent, now| agent.answer_offer(a, sdp("answer"), now))
        .unwrap();
    pair.settle();
    assert_eq!(pair.expect(B, offer_answered), sdp("answer"));
    assert_eq!(pair.lines(), ["A INVITE", "B 200 INVITE+", "A ACK+"]);
    pair.finish(A, a);
}

#[test]
fn a_reliable_18x_answers_and_the_2xx_waits_for_its_prack() {
    let mut pair = Pair::new();
    let (_, b) = pair.ringing();
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
    pair.at(B, |agent, now| {
        agent.progress(b, StatusCode::RINGING, None, true, now)
    })
    .unwrap();
    pair.at(B, |agent, now| agent.answer(b, None, now)).unwrap();
    assert_eq!(
        pair.lines(),
        ["A INVITE+", "B 183 INVITE+"],
        "one reliable response at a time, then the 2xx"
    );
    pair.settle();
    pair.settle();
    let mut lines = pair.lines();
    lines.sort_unstable();
    let mut expect = [
        "A INVITE+",
        "B 183 INVITE+",
        "A PRACK",
        "B 200 PRACK",
        "B 180 INVITE",
        "B 200 INVITE",
        "A PRACK",
        "B 200 PRACK",
        "A ACK",
    ];
    expect.sort_unstable();
    assert_eq!(lines, expect);
    assert_eq!(pair.expect(A, progress), Sdp::Answer(sdp("answer")));
    assert_eq!(pair.expect(A, answered), Sdp::None);
    pair.finish(B, b);
}

#[test]
fn a_reliable_18x_offers_and_the_prack_answers() {
    let mut pair = Pair::new();
    let (a, b) = without_offer(&mut pair);
    pair.at(B, |agent, now| {
        agent.progress(
            b,
            StatusCode::SESSION_PROGRESS,
            Some(sdp("offer")),
            true,
            now,
        )
    })
    .unwrap();
    pair.settle();
    assert_eq!(pair.expect(A, progress), Sdp::Offer(sdp("offer")));
    pair.at(B, |agent, now| agent.answer(b, None, now)).unwrap();
    pair.settle();
    assert_eq!(
        pair.count(B, "200 INVITE"),
        0,
        "the 2xx waits for the PRACK"
    );
    pair.at(A, |agent, now| agent.answer_offer(a, sdp("answer"), now))
        .unwrap();
    pair.settle();
    assert_eq!(pair.expect(B, offer_answered), sdp("answer"));
    assert_eq!(pair.expect(A, answered), Sdp::None);
    let expect = [
        "A INVITE",
        "B 183 INVITE+",
        "A PRACK+",
        "B 200 PRACK",
        "B 200 INVITE",
        "A ACK",
    ];
    assert_eq!(pair.lines(), expect);
    pair.finish(A, a);
}

#[test]
fn the_prack_offers_and_its_2xx_answers() {
    let mut pair = Pair::new();
    let mut order = pair.order(A).offering(sdp("offer"));
    order.manual_prack = true;
    let a = pair.at(A, |agent, now| agent.invite(order, now)).unwrap();
    pair.settle();
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
    pair.settle();
    pair.at(A, |agent, now| {
        agent.prack(a, Some(sdp("second offer")), now)
    })
    .unwrap();
    pair.settle();
    assert_eq!(pair.expect(B, offer), Some(sdp("second offer")));
    pair.at(B, |agent, now| {
        agent.answer_offer(b, sdp("second answer"), now)
    })
    .unwrap();
    pair.settle();
    assert_eq!(pair.expect(A, offer_answered), sdp("second answer"));
    pair.at(B, |agent, now| agent.answer(b, None, now)).unwrap();
    pair.settle();
    pair.finish(A, a);
    let expect = [
        "A INVITE+",
        "B 183 INVITE+",
        "A PRACK+",
        "B 200 PRACK+",
        "B 200 INVITE",
        "A ACK",
        "A BYE",
        "B 200 BYE",
    ];
    assert_eq!(pair.lines(), expect);
}

#[test]
fn update_offers_in_an_early_dialog_from_both_sides() {
    for offerer in [A, B] {
        let mut pair = Pair::new();
        let (a, b) = pair.ringing();
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
        pair.settle();
        let keys = [a, b];
        pair.at(offerer, |agent, now| {
            agent.offer(keys[offerer], Some(sdp("hold")), now)
        })
        .unwrap();
        pair.settle();
        let other = 1 - offerer;
        assert_eq!(pair.expect(other, offer), Some(sdp("hold")));
        pair.at(other, |agent, now| {
            agent.answer_offer(keys[other], sdp("held"), now)
        })
        .unwrap();
        pair.settle();
        assert_eq!(pair.expect(offerer, offer_answered), sdp("held"));
        pair.at(B, |agent, now| agent.answer(b, None, now)).unwrap();
        pair.settle();
        assert_eq!(pair.count(offerer, "UPDATE+"), 1);
        pair.finish(offerer, keys[offerer]);
    }
}

#[test]
fn hold_and_resume_by_re_invite_and_by_update() {
    for by_update in [false, true] {
        let mut pair = Pair::new();
        let (a, b) = pair.answered();
        let keys = [a, b];
        for (round, offerer) in [A, B, A, B].into_iter().enumerate() {
            let (ask, reply) = (
                sdp(&format!("offer {round}")),
                sdp(&format!("answer {round}")),
            );
            let other = 1 - offerer;
            pair.at(offerer, |agent, now| match by_update {
                true => agent.update(keys[offerer], ask.clone(), now),
                false => agent.offer(keys[offerer], Some(ask.clone()), now),
            })
            .unwrap();
            pair.settle();
            assert_eq!(pair.expect(other, offer), Some(ask));
            pair.at(other, |agent, now| {
                agent.answer_offer(keys[other], reply.clone(), now)
            })
            .unwrap();
            pair.settle();
            assert_eq!(pair.expect(offerer, offer_answered), reply);
        }
        let (updates, invites) = (pair.count(A, "UPDATE+"), pair.count(A, "INVITE+"));
        assert_eq!((updates, invites), if by_update { (2, 1) } else { (0, 3) });
        pair.finish(B, b);
    }
}

#[test]
fn a_re_invite_without_offer_asks_for_one() {
    let mut pair = Pair::new();
    let (a, b) = pair.answered();
    pair.at(A, |agent, now| agent.offer(a, None, now)).unwrap();
    pair.settle();
    assert_eq!(pair.expect(B, offer), None);
    pair.at(B, |agent, now| {
        agent.answer_offer(b, sdp("offer of B"), now)
    })
    .unwrap();
    pair.settle();
    assert_eq!(pair.expect(A, offer), Some(sdp("offer of B")));
    pair.at(A, |agent, now| {
        agent.answer_offer(a, sdp("answer of A"), now)
    })
    .unwrap();
    pair.settle();
    assert_eq!(pair.expect(B, offer_answered), sdp("answer of A"));
    assert_eq!(pair.lines()[3..], ["A INVITE", "B 200 INVITE+", "A ACK+"]);
    pair.finish(B, b);
}

#[test]
fn a_refused_offer_leaves_the_call_as_it_was() {
    for by_update in [false, true] {
        let mut pair = Pair::new();
        let (a, b) = pair.answered();
        pair.at(A, |agent, now| match by_update {
            true => agent.update(a, sdp("video"), now),
            false => agent.offer(a, Some(sdp("video")), now),
        })
        .unwrap();
        pair.settle();
        pair.expect(B, offer);
        pair.at(B, |agent, now| {
            agent.refuse_offer(b, StatusCode::NOT_ACCEPTABLE_HERE, now)
        })
        .unwrap();
        pair.settle();
        assert_eq!(
            pair.expect(A, offer_refused),
            Some(StatusCode::NOT_ACCEPTABLE_HERE)
        );
        // And the next one is taken.
        pair.at(B, |agent, now| agent.offer(b, Some(sdp("again")), now))
            .unwrap();
        pair.settle();
        pair.expect(A, offer);
        pair.at(A, |agent, now| agent.answer_offer(a, sdp("well"), now))
            .unwrap();
        pair.settle();
        pair.expect(B, offer_answered);
        pair.finish(A, a);
    }
}

#[test]
fn offers_that_collide_are_both_answered_in_the_end() {
    for seed in 1..30 {
        let config = UserAgentConfig::default;
        let mut pair = Pair::with(config(), config(), Faults::default(), seed);
        let (a, b) = pair.answered();
        let keys = [a, b];
        for end in [A, B] {
            let offer = sdp(["of A", "of B"][end]);
            pair.at(end, |agent, now| agent.offer(keys[end], Some(offer), now))
                .unwrap();
        }
        pair.settle();
        assert_eq!(
            (pair.count(A, "491 INVITE"), pair.count(B, "491 INVITE")),
            (1, 1)
        );
        // RFC 3261 §14.1: the owner of the Call-ID waits 2.1 s to 4 s, the other one up to 2 s.
        let mut answers = 0;
        for _ in 0..60 {
            pair.run(Duration::from_millis(100));
            for end in [A, B] {
                while let Some(event) = pair.events[end].pop_front() {
                    match event {
                        UserAgentEvent::Offer { sdp: Some(_), .. } => {
                            pair.at(end, |agent, now| {
                                agent.answer_offer(keys[end], sdp("yes"), now)
                            })
                            .unwrap();
                        }
                        UserAgentEvent::OfferAnswered { .. } => answers += 1,
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        assert_eq!(answers, 2, "seed {seed}");
        pair.finish(A, a);
    }
}

#[test]
fn an_answer_that_came_only_as_a_preview_is_taken() {
    let mut pair = Pair::new();
    let (a, b) = pair.ringing();
    pair.at(B, |agent, now| {
        agent.progress(
            b,
            StatusCode::SESSION_PROGRESS,
            Some(sdp("early media")),
            false,
            now,
        )
    })
    .unwrap();
    pair.settle();
    assert_eq!(pair.expect(A, progress), Sdp::Preview(sdp("early media")));
    pair.at(B, |agent, now| {
        agent.answer(b, Some(sdp("early media")), now)
    })
    .unwrap();
    pair.settle();
    assert_eq!(pair.expect(A, answered), Sdp::Answer(sdp("early media")));
    pair.finish(A, a);
}

#[test]
fn a_reliable_18x_without_prack_ends_the_call() {
    let mut pair = Pair::new();
    let (_, b) = pair.ringing();
    pair.lose.push((A, "PRACK", 100));
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
    // RFC 3262 §3: T1, doubled each time, for 64*T1; then 5xx.
    pair.run(Duration::from_secs(33));
    assert_eq!(pair.count(B, "183 INVITE+"), 7);
    assert_eq!(pair.expect(B, ended).by, EndedBy::Timeout);
    assert_eq!(
        pair.expect(A, ended).status,
        Some(StatusCode::SERVER_TIMEOUT)
    );
    pair.check_empty();
}

#[test]
fn a_2xx_without_ack_is_resent_and_then_ended_with_bye() {
    let mut pair = Pair::new();
    let (_, b) = pair.ringing();
    pair.lose.push((A, "ACK", 100));
    pair.at(B, |agent, now| agent.answer(b, Some(sdp("answer")), now))
        .unwrap();
    // RFC 3261 §13.3.1.4: T1, doubled up to T2, for 64*T1: 0, 0.5, 1.5, 3.5, 7.5 s and so on.
    pair.run(Duration::from_millis(31_900));
    assert_eq!(
        (pair.count(B, "200 INVITE+"), pair.count(A, "ACK")),
        (11, 11)
    );
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.expect(B, ended).by, EndedBy::Timeout);
    assert_eq!(pair.expect(A, ended).by, EndedBy::Remote);
    assert_eq!(pair.count(B, "BYE"), 1);
    pair.check_empty();
}
