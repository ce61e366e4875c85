//! Every placement of offer and answer between a session and a cloud leg, and where they collide.

use cloud_uplink::CloudLegId;
use cloud_uplink::leg::{Description, LegDigits, LegEndCause, LegSignal};
use sip::header::{Contact, ContentType, To};
use sip::ua::{Dtmf, Sdp, SessionKey, UserAgentEvent};
use sip::{Message, Request, StatusCode, Uri};

use super::far_end::{connected, invite, leg};
use super::legs::{answer, answered, end, far, refused, ringing};
use super::site::{GATEWAY, PBX, Site, address, config, flow, sdp};

fn offer(port: u16) -> LegSignal {
    LegSignal::Offer(Description { sdp: far(port) })
}

fn offer_answer(port: u16) -> LegSignal {
    LegSignal::OfferAnswer(Description { sdp: far(port) })
}

/// What the PBX was offered.
fn offered(site: &mut Site) -> Option<bytes::Bytes> {
    site.expect(PBX, |event| match event {
        UserAgentEvent::Offer { sdp, .. } => Some(sdp.clone()),
        _ => None,
    })
}

fn hang_up(site: &mut Site, session: SessionKey, leg: CloudLegId) {
    site.at(PBX, |agent, now| agent.end(session, None, now))
        .unwrap();
    site.settle();
    assert_eq!(site.leg_ended(leg).cause, LegEndCause::Hangup);
    site.nothing_is_left();
}

#[test]
fn a_call_of_the_pbx_with_an_offer_gets_its_answer_early_or_late() {
    for (early, reliable) in [(false, false), (true, false), (true, true)] {
        let mut site = Site::new(config());
        let mut order = site.order("43900");
        if reliable {
            let required = sip::header::Require("100rel".into());
            order.headers.push(required);
        }
        let a = site.place(order);
        let (id, invite) = site.begun();
        assert_eq!(invite.sdp, Some(far(4000)));
        site.say(id, ringing(early.then_some(5000)));
        let (status, heard, was_reliable) = site.expect(PBX, |event| match event {
            UserAgentEvent::Progress {
                response,
                sdp,
                reliable,
                ..
            } => Some((response.status, sdp.clone(), *reliable)),
            _ => None,
        });
        if early {
            // Our own agent supports it: what is told early is acknowledged.
            assert_eq!(status, StatusCode::SESSION_PROGRESS);
            assert_eq!(heard, Sdp::Answer(sdp(5000)));
            assert!(was_reliable);
        } else {
            assert_eq!((status, heard), (StatusCode::RINGING, Sdp::None));
        }
        site.say(id, answer(5000));
        let heard = site.expect(PBX, |event| match event {
            UserAgentEvent::Answered { sdp, .. } => Some(sdp.clone()),
            _ => None,
        });
        let expect = if early {
            Sdp::None
        } else {
            Sdp::Answer(sdp(5000))
        };
        assert_eq!(heard, expect);
        hang_up(&mut site, a, id);
    }
}

#[test]
fn a_call_of_the_pbx_without_an_offer_is_offered_early_or_late_and_answers() {
    for early in [false, true] {
        let mut site = Site::new(config());
        let mut order = site.order("43900");
        order.offer = None;
        let a = site.place(order);
        let (id, invite) = site.begun();
        assert_eq!(invite.sdp, None);
        if early {
            site.say(id, ringing(Some(5000)));
            let heard = site.expect(PBX, |event| match event {
                UserAgentEvent::Progress { sdp, .. } => Some(sdp.clone()),
                _ => None,
            });
            assert_eq!(heard, Sdp::Offer(sdp(5000)));
            site.at(PBX, |agent, now| agent.answer_offer(a, sdp(4000), now))
                .unwrap();
            site.settle();
            assert_eq!(site.told_on(id), offer_answer(4000));
            site.say(id, answer(5000));
            site.expect(PBX, |event| match event {
                UserAgentEvent::Answered { sdp: Sdp::None, .. } => Some(()),
                _ => None,
            });
        } else {
            site.say(id, answer(5000));
            site.expect(PBX, |event| match event {
                UserAgentEvent::Answered {
                    sdp: Sdp::Offer(offer),
                    ..
                } if *offer == sdp(5000) => Some(()),
                _ => None,
            });
            site.at(PBX, |agent, now| agent.answer_offer(a, sdp(4000), now))
                .unwrap();
            site.settle();
            assert_eq!(site.told_on(id), offer_answer(4000));
        }
        hang_up(&mut site, a, id);
    }
}

#[test]
fn a_call_of_the_far_end_gets_the_pbx_s_early_media_and_its_answer() {
    for (early, reliable) in [(false, false), (true, false), (true, true)] {
        let mut site = Site::new(config());
        site.say(leg(1), LegSignal::Invite(invite("2002")));
        let (b, _) = site.incoming(PBX);
        let status = if early {
            StatusCode::SESSION_PROGRESS
        } else {
            StatusCode::RINGING
        };
        let media = early.then(|| sdp(4000));
        site.at(PBX, |agent, now| {
            agent.progress(b, status, media, reliable, now)
        })
        .unwrap();
        site.settle();
        assert_eq!(site.told_on(leg(1)), ringing(early.then_some(4000)));
        // A reliable answer is not said again in the 2xx; the leg is told it again.
        let last = (!reliable).then(|| sdp(4000));
        site.at(PBX, |agent, now| agent.answer(b, last, now))
            .unwrap();
        site.settle();
        assert_eq!(site.told_on(leg(1)), answer(4000));
        hang_up(&mut site, b, leg(1));
    }
}

#[test]
fn a_call_of_the_far_end_without_an_offer_is_offered_by_the_pbx_and_answers() {
    for early in [false, true] {
        let mut site = Site::new(config());
        let mut order = invite("2002");
        order.sdp = None;
        site.say(leg(1), LegSignal::Invite(order));
        let (b, request) = site.incoming(PBX);
        assert!(request.body.is_empty());
        if early {
            site.at(PBX, |agent, now| {
                agent.progress(b, StatusCode::SESSION_PROGRESS, Some(sdp(4000)), true, now)
            })
            .unwrap();
            site.settle();
            assert_eq!(site.told_on(leg(1)), ringing(Some(4000)));
            site.say(leg(1), offer_answer(7000));
        }
        let last = (!early).then(|| sdp(4000));
        site.at(PBX, |agent, now| agent.answer(b, last, now))
            .unwrap();
        site.settle();
        assert_eq!(site.told_on(leg(1)), answer(4000));
        if !early {
            site.say(leg(1), offer_answer(7000));
        }
        let heard = site.expect(PBX, |event| match event {
            UserAgentEvent::OfferAnswered { sdp, .. } => Some(sdp.clone()),
            _ => None,
        });
        assert_eq!(heard, sdp(7000));
        hang_up(&mut site, b, leg(1));
    }
}

/// A response of one telephone of several that ring.
fn branch(request: &Request, status: StatusCode, tag: &str, port: Option<u16>) -> Message {
    let mut response = request.response(status);
    let to: To = response.headers.need().unwrap();
    response.headers.set(to.with_tag(tag));
    let contact = Contact::new(Uri::sip(tag, address(PBX)));
    response.headers.set(contact);
    if let Some(port) = port {
        response.headers.set(ContentType::new("application", "sdp"));
        response.body = sdp(port);
    }
    Message::Response(response)
}

#[test]
fn of_several_telephones_that_ring_the_leg_hears_each_and_the_answer_of_the_one_that_answers() {
    let mut site = Site::new(config());
    let (agent, now) = (&mut site.agents[GATEWAY], site.now);
    let order = LegSignal::Invite(invite("2002"));
    site.switchboard.handle_leg(leg(1), order, agent, now);
    site.drain(GATEWAY);
    let (_, to, bytes) = site.wire.pop_back().expect("an INVITE");
    assert_eq!(to, PBX);
    let Ok(Message::Request(request)) = Message::parse(&bytes) else {
        panic!("{bytes:?}");
    };
    let progress = StatusCode::SESSION_PROGRESS;
    for (status, tag, port, expect) in [
        (progress, "one", Some(4000), ringing(Some(4000))),
        (progress, "two", Some(4100), ringing(Some(4100))),
        (StatusCode::RINGING, "three", None, ringing(None)),
        // Its answer was said before, and is not said again.
        (StatusCode::OK, "one", None, answer(4000)),
    ] {
        let message = branch(&request, status, tag, port);
        site.at(GATEWAY, |agent, now| {
            agent.handle_message(message, flow(GATEWAY, PBX), now);
        });
        assert_eq!(site.told_on(leg(1)), expect);
    }
    // The PBX of this test knows nothing of the call, and says so to the BYE.
    site.say(leg(1), end(LegEndCause::Hangup));
    site.nothing_is_left();
}

#[test]
fn hold_and_resume_cross_both_ways_and_so_do_refusals() {
    let mut site = Site::new(config());
    let (a, id) = answered(&mut site);
    let held = |port: u16| far(port) + "a=sendonly\r\n";
    site.at(PBX, |agent, now| {
        agent.offer(a, Some(held(4000).into()), now)
    })
    .unwrap();
    site.settle();
    let hold = LegSignal::Offer(Description { sdp: held(4000) });
    assert_eq!(site.told_on(id), hold);
    let silent = far(5000) + "a=recvonly\r\n";
    site.say(
        id,
        LegSignal::OfferAnswer(Description {
            sdp: silent.clone(),
        }),
    );
    let heard = site.expect(PBX, |event| match event {
        UserAgentEvent::OfferAnswered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert_eq!(heard, silent);
    // UPDATE does the same as re-INVITE.
    site.at(PBX, |agent, now| agent.update(a, sdp(4000), now))
        .unwrap();
    site.settle();
    assert_eq!(site.told_on(id), offer(4000));
    site.say(id, LegSignal::OfferRefused(refused(488)));
    let heard = site.expect(PBX, |event| match event {
        UserAgentEvent::OfferRefused { status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(heard, Some(StatusCode::NOT_ACCEPTABLE_HERE));

    site.say(id, offer(5002));
    assert_eq!(offered(&mut site), Some(sdp(5002)));
    site.at(PBX, |agent, now| agent.answer_offer(a, sdp(4002), now))
        .unwrap();
    site.settle();
    assert_eq!(site.told_on(id), offer_answer(4002));
    site.say(id, offer(5004));
    offered(&mut site);
    let no = StatusCode::NOT_ACCEPTABLE_HERE;
    site.at(PBX, |agent, now| agent.refuse_offer(a, no, now))
        .unwrap();
    site.settle();
    let LegSignal::OfferRefused(said) = site.told_on(id) else {
        panic!("it was refused");
    };
    assert_eq!(said.status, 488);
    site.say(id, LegSignal::Offer(Description { sdp: "x".into() }));
    let LegSignal::OfferRefused(said) = site.told_on(id) else {
        panic!("it was refused");
    };
    assert_eq!(said.status, 488);
    hang_up(&mut site, a, id);
}

#[test]
fn who_wants_an_offer_gets_that_of_the_other_side_and_answers() {
    let mut site = Site::new(config());
    let (a, id) = answered(&mut site);
    site.at(PBX, |agent, now| agent.offer(a, None, now))
        .unwrap();
    site.settle();
    assert_eq!(site.told_on(id), LegSignal::OfferWanted);
    site.say(id, offer(5002));
    assert_eq!(offered(&mut site), Some(sdp(5002)));
    site.at(PBX, |agent, now| agent.answer_offer(a, sdp(4002), now))
        .unwrap();
    site.settle();
    assert_eq!(site.told_on(id), offer_answer(4002));

    site.say(id, LegSignal::OfferWanted);
    assert_eq!(offered(&mut site), None);
    site.at(PBX, |agent, now| agent.answer_offer(a, sdp(4004), now))
        .unwrap();
    site.settle();
    assert_eq!(site.told_on(id), offer(4004));
    site.say(id, offer_answer(5004));
    let heard = site.expect(PBX, |event| match event {
        UserAgentEvent::OfferAnswered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert_eq!(heard, sdp(5004));

    site.at(PBX, |agent, now| agent.offer(a, None, now))
        .unwrap();
    site.settle();
    assert_eq!(site.told_on(id), LegSignal::OfferWanted);
    // 481 would end the dialog.
    site.say(id, LegSignal::OfferRefused(refused(481)));
    let heard = site.expect(PBX, |event| match event {
        UserAgentEvent::OfferRefused { status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(heard, Some(StatusCode::NOT_ACCEPTABLE_HERE));
    hang_up(&mut site, a, id);
}

#[test]
fn where_two_offers_cross_the_far_end_s_is_refused_and_the_gateway_s_goes_on() {
    let mut site = Site::new(config());
    let (a, id) = answered(&mut site);
    site.at(PBX, |agent, now| agent.offer(a, Some(sdp(4002)), now))
        .unwrap();
    site.settle();
    assert_eq!(site.told_on(id), offer(4002));
    for crossing in [offer(5002), LegSignal::OfferWanted] {
        site.say(id, crossing);
        let LegSignal::OfferRefused(said) = site.told_on(id) else {
            panic!("it was refused");
        };
        assert_eq!(said.status, 491);
    }
    site.say(id, offer_answer(5000));
    let heard = site.expect(PBX, |event| match event {
        UserAgentEvent::OfferAnswered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert_eq!(heard, sdp(5000));
    site.say(id, offer(5002));
    assert_eq!(offered(&mut site), Some(sdp(5002)));
    site.at(PBX, |agent, now| agent.answer_offer(a, sdp(4002), now))
        .unwrap();
    site.settle();
    assert_eq!(site.told_on(id), offer_answer(4002));
    hang_up(&mut site, a, id);
}

#[test]
fn a_collision_with_the_pbx_is_tried_once_more_and_ends_well() {
    let mut site = Site::new(config());
    let (a, id) = answered(&mut site);
    // Neither has heard the other's offer as it makes its own.
    site.at(PBX, |agent, now| agent.offer(a, Some(sdp(4002)), now))
        .unwrap();
    site.say(id, offer(5002));
    for _ in 0..40 {
        site.run(std::time::Duration::from_millis(500));
        while let Some(event) = site.events[PBX].pop_front() {
            if let UserAgentEvent::Offer { sdp: Some(_), .. } = event {
                site.at(PBX, |agent, now| agent.answer_offer(a, sdp(4002), now))
                    .unwrap();
            }
        }
        while let Some((_, signal)) = site.signals.pop_front() {
            if matches!(signal, LegSignal::Offer(_)) {
                site.say(id, offer_answer(5002));
            }
        }
    }
    // Whoever came through, nothing is open any more.
    site.say(id, offer(5006));
    assert_eq!(offered(&mut site), Some(sdp(5006)));
    site.at(PBX, |agent, now| agent.answer_offer(a, sdp(4006), now))
        .unwrap();
    site.settle();
    assert_eq!(site.told_on(id), offer_answer(4006));
    hang_up(&mut site, a, id);
}

#[test]
fn an_offer_that_the_far_end_never_answers_is_refused_in_time() {
    let mut site = Site::new(config());
    let (a, id) = answered(&mut site);
    site.at(PBX, |agent, now| agent.offer(a, Some(sdp(4002)), now))
        .unwrap();
    site.settle();
    assert_eq!(site.told_on(id), offer(4002));
    site.run(std::time::Duration::from_secs(33));
    let heard = site.expect(PBX, |event| match event {
        UserAgentEvent::OfferRefused { status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(heard, Some(StatusCode::SERVER_TIMEOUT));
    hang_up(&mut site, a, id);
}

#[test]
fn digits_cross_both_ways_in_their_order() {
    let mut site = Site::new(config());
    let (id, b) = connected(&mut site, 1, "2002");
    for digit in ['4', '#', '!', 'D'] {
        let dtmf = Dtmf {
            digit,
            duration_ms: Some(120),
        };
        site.at(PBX, |agent, now| agent.send_digit(b, dtmf, now))
            .unwrap();
        site.settle();
    }
    for digit in ["4", "#", "D"] {
        let digits = LegDigits {
            digits: digit.to_owned(),
            duration_ms: Some(120),
        };
        assert_eq!(site.told_on(id), LegSignal::Dtmf(digits));
    }
    let digits = |digits: &str| {
        LegSignal::Dtmf(LegDigits {
            digits: digits.to_owned(),
            duration_ms: None,
        })
    };
    site.say(id, digits("12x3"));
    site.say(id, digits("*"));
    site.run(std::time::Duration::from_secs(1));
    let mut heard = String::new();
    while let Some(event) = site.events[PBX].pop_front() {
        if let UserAgentEvent::Info {
            dtmf: Some(dtmf), ..
        } = event
        {
            heard.push(dtmf.digit);
        }
    }
    assert_eq!(heard, "123*");
    assert_eq!(site.switchboard.stats().stray_signals, 1);
    site.say(id, end(LegEndCause::Hangup));
    site.nothing_is_left();
}
