//! Parties that the far end hands over.

use std::time::Duration;

use bytes::Bytes;
use cloud_uplink::CloudLegId;
use cloud_uplink::leg::{LegEndCause, LegSignal, TransferTarget};
use sip::StatusCode;
use sip::ua::{ReferKey, ReferTarget, Refusal, SessionKey, UserAgentEvent};

use super::far_end::connected;
use super::legs::{softclient, to_softphone};
use super::site::{GATEWAY, PBX, SECOND, Site, config, flow, sdp};

fn to_number(number: &str) -> LegSignal {
    LegSignal::Transfer(TransferTarget::Number(number.to_owned()))
}

fn to_leg(leg: CloudLegId) -> LegSignal {
    LegSignal::Transfer(TransferTarget::Leg(leg))
}

/// The REFER that an end got.
fn referred(site: &mut Site, end: usize) -> (SessionKey, ReferKey, Box<ReferTarget>) {
    site.expect(end, |event| match event {
        UserAgentEvent::Referred {
            session,
            refer,
            target,
        } => Some((*session, *refer, target.clone())),
        _ => None,
    })
}

fn told_refused(site: &mut Site, leg: CloudLegId) -> u16 {
    match site.told_on(leg) {
        LegSignal::TransferRefused(refused) => refused.status,
        other => panic!("{other:?}"),
    }
}

pub(super) fn told_offer(site: &mut Site, leg: CloudLegId) -> Bytes {
    match site.told_on(leg) {
        LegSignal::Offer(offer) => offer.sdp.into(),
        other => panic!("{other:?}"),
    }
}

pub(super) fn ended(site: &mut Site, end: usize, of: SessionKey) {
    site.expect(end, |event| match event {
        UserAgentEvent::Ended { session, .. } if *session == of => Some(()),
        _ => None,
    });
}

fn offered(site: &mut Site, end: usize, to: SessionKey) -> Option<Bytes> {
    site.expect(end, |event| match event {
        UserAgentEvent::Offer { session, sdp } if *session == to => Some(sdp.clone()),
        _ => None,
    })
}

#[test]
fn a_party_is_handed_over_to_a_number_by_the_pbx() {
    for hangs_up in [false, true] {
        let mut site = Site::new(config());
        let (id, b) = connected(&mut site, 1, "2002");
        site.say(id, to_number("2003"));
        let (session, refer, target) = referred(&mut site, PBX);
        assert_eq!(session, b);
        assert_eq!(target.uri.to_string(), "sip:2003@127.0.0.2:5060");
        site.at(PBX, |agent, now| agent.accept_refer(b, refer, now))
            .unwrap();
        site.settle();
        // One transfer at a time.
        site.say(id, to_number("2004"));
        assert_eq!(told_refused(&mut site, id), 491);
        if hangs_up {
            // Some tell no more, and end the call that they have taken over.
            site.at(PBX, |agent, now| agent.end(b, None, now)).unwrap();
        } else {
            site.at(PBX, |agent, now| {
                agent.refer_progress(b, refer, StatusCode::RINGING, now)
            })
            .unwrap();
            site.settle();
            assert!(site.signals.is_empty(), "{:?}", site.signals);
            site.at(PBX, |agent, now| {
                agent.refer_progress(b, refer, StatusCode::OK, now)
            })
            .unwrap();
        }
        site.settle();
        assert_eq!(site.leg_ended(id).cause, LegEndCause::Transferred);
        ended(&mut site, PBX, b);
        // The user agent waits for notifications as long as the REFER's subscription lasts.
        site.run(Duration::from_secs(180));
        site.nothing_is_left();
    }
}

#[test]
fn a_transfer_that_the_pbx_takes_and_cannot_do_leaves_the_call_as_it_was() {
    let mut site = Site::new(config());
    let (id, b) = connected(&mut site, 1, "2002");
    site.say(id, to_number("2003"));
    let (_, refer, _) = referred(&mut site, PBX);
    site.at(PBX, |agent, now| {
        agent.accept_refer(b, refer, now)?;
        agent.refer_progress(b, refer, StatusCode::BUSY_HERE, now)
    })
    .unwrap();
    site.settle();
    assert_eq!(told_refused(&mut site, id), 486);
    assert_eq!(site.switchboard.stats().transfers_refused, 1);
    site.at(PBX, |agent, now| agent.end(b, None, now)).unwrap();
    site.settle();
    assert_eq!(site.leg_ended(id).cause, LegEndCause::Hangup);
    site.nothing_is_left();
}

#[test]
fn transfers_that_fail_take_nothing_of_what_the_user_may_call() {
    let mut at = config();
    at.policy.concurrent = 2;
    let mut site = Site::new(at);
    let (id, b) = connected(&mut site, 1, "2002");
    for number in ["2003", "2004", "112", "2005"] {
        site.say(id, to_number(number));
        let (_, refer, _) = referred(&mut site, PBX);
        site.at(PBX, |agent, now| {
            agent.accept_refer(b, refer, now)?;
            agent.refer_progress(b, refer, StatusCode::BUSY_HERE, now)
        })
        .unwrap();
        site.settle();
        assert_eq!(told_refused(&mut site, id), 486, "{number}");
    }
    let (other, c) = connected(&mut site, 2, "2003");
    site.say(id, to_number("2004"));
    assert_eq!(told_refused(&mut site, id), 486);
    assert_eq!(site.switchboard.stats().refused["concurrent"], 1);
    for (leg, session) in [(id, b), (other, c)] {
        site.at(PBX, |agent, now| agent.end(session, None, now))
            .unwrap();
        site.settle();
        assert_eq!(site.leg_ended(leg).cause, LegEndCause::Hangup);
    }
    site.nothing_is_left();
}

#[test]
fn a_party_is_handed_over_to_an_emergency_number_whatever_the_limits() {
    let mut at = config();
    at.channels = 1;
    at.policy.concurrent = 1;
    let mut site = Site::new(at);
    let (id, b) = connected(&mut site, 1, "2002");
    site.say(id, to_number("112"));
    let (_, refer, _) = referred(&mut site, PBX);
    let no = StatusCode::METHOD_NOT_ALLOWED;
    site.at(PBX, |agent, now| agent.refuse_refer(b, refer, no, now))
        .unwrap();
    site.settle();
    let (_, request) = site.incoming(PBX);
    assert_eq!(request.uri.user_text().unwrap(), "112");
    site.at(PBX, |agent, now| agent.end(b, None, now)).unwrap();
    site.settle();
    site.nothing_is_left();
}

#[test]
fn where_the_pbx_does_not_refer_the_number_is_called_here_and_joined() {
    let mut site = Site::new(config());
    let (id, b) = connected(&mut site, 1, "2002");
    site.say(id, to_number("2003"));
    let (_, refer, _) = referred(&mut site, PBX);
    let no = StatusCode::METHOD_NOT_ALLOWED;
    site.at(PBX, |agent, now| agent.refuse_refer(b, refer, no, now))
        .unwrap();
    site.settle();
    let (c, request) = site.incoming(PBX);
    assert_eq!(request.uri.user_text().unwrap(), "2003");
    assert!(request.body.is_empty());
    assert_eq!(site.switchboard.stats().channels, 2);
    site.at(PBX, |agent, now| {
        agent.progress(c, StatusCode::RINGING, None, false, now)
    })
    .unwrap();
    site.settle();
    site.at(PBX, |agent, now| agent.answer(c, Some(sdp(4200)), now))
        .unwrap();
    site.settle();
    assert_eq!(offered(&mut site, PBX, b), Some(sdp(4200)));
    site.at(PBX, |agent, now| agent.answer_offer(b, sdp(4002), now))
        .unwrap();
    site.settle();
    assert_eq!(site.leg_ended(id).cause, LegEndCause::Transferred);
    let heard = site.expect(PBX, |event| match event {
        UserAgentEvent::OfferAnswered { session, sdp } if *session == c => Some(sdp.clone()),
        _ => None,
    });
    assert_eq!(heard, sdp(4002));
    // They talk with each other now.
    site.at(PBX, |agent, now| agent.offer(c, Some(sdp(4204)), now))
        .unwrap();
    site.settle();
    assert_eq!(offered(&mut site, PBX, b), Some(sdp(4204)));
    site.at(PBX, |agent, now| agent.answer_offer(b, sdp(4004), now))
        .unwrap();
    site.settle();
    site.at(PBX, |agent, now| agent.end(b, None, now)).unwrap();
    site.settle();
    ended(&mut site, PBX, c);
    site.nothing_is_left();
}

#[test]
fn where_that_number_does_not_answer_the_call_goes_on_as_it_was() {
    for early in [false, true] {
        let mut site = Site::new(config());
        let (id, b) = connected(&mut site, 1, "2002");
        site.say(id, to_number("2003"));
        let (_, refer, _) = referred(&mut site, PBX);
        let no = StatusCode::NOT_IMPLEMENTED;
        site.at(PBX, |agent, now| agent.refuse_refer(b, refer, no, now))
            .unwrap();
        site.settle();
        let (c, _) = site.incoming(PBX);
        if early {
            // Early media, acknowledged: the party hears it.
            site.at(PBX, |agent, now| {
                agent.progress(c, StatusCode::SESSION_PROGRESS, Some(sdp(4200)), true, now)
            })
            .unwrap();
            site.settle();
            assert_eq!(offered(&mut site, PBX, b), Some(sdp(4200)));
            site.at(PBX, |agent, now| agent.answer_offer(b, sdp(4002), now))
                .unwrap();
            site.settle();
        }
        site.at(PBX, |agent, now| {
            agent.reject(c, Refusal::status(StatusCode::BUSY_HERE), now)
        })
        .unwrap();
        site.settle();
        assert_eq!(told_refused(&mut site, id), 486);
        if early {
            // The party gets back whom it talked with.
            assert_eq!(offered(&mut site, PBX, b), Some(sdp(7000)));
            site.at(PBX, |agent, now| agent.answer_offer(b, sdp(4000), now))
                .unwrap();
            site.settle();
        }
        assert_eq!(site.switchboard.stats().channels, 1);
        assert!(site.signals.is_empty(), "{:?}", site.signals);
        site.at(PBX, |agent, now| agent.end(b, None, now)).unwrap();
        site.settle();
        assert_eq!(site.leg_ended(id).cause, LegEndCause::Hangup);
        site.nothing_is_left();
    }
}

#[test]
fn what_may_not_be_called_may_not_be_handed_over_to() {
    let mut site = Site::new(config());
    let (id, b) = connected(&mut site, 1, "2002");
    site.say(id, to_number("0049301234"));
    assert_eq!(told_refused(&mut site, id), 403);
    assert_eq!(site.switchboard.stats().refused["international"], 1);
    site.say(id, to_leg(id));
    assert_eq!(told_refused(&mut site, id), 481);
    site.say(id, to_leg(super::far_end::leg(9)));
    assert_eq!(told_refused(&mut site, id), 481);
    let a = to_softphone(&mut site);
    let (ringing, _) = site.begun();
    site.say(ringing, to_number("2003"));
    assert_eq!(told_refused(&mut site, ringing), 491);
    site.say(id, to_leg(ringing));
    assert_eq!(told_refused(&mut site, id), 491);
    for session in [a, b] {
        site.at(PBX, |agent, now| agent.end(session, None, now))
            .unwrap();
        site.settle();
    }
    site.nothing_is_left();
}

#[test]
fn two_parties_of_one_pbx_are_joined_by_it() {
    let mut site = Site::new(config());
    let (first, b) = connected(&mut site, 1, "2002");
    let (second, c) = connected(&mut site, 2, "2003");
    site.say(first, to_leg(second));
    let (session, refer, target) = referred(&mut site, PBX);
    assert_eq!(session, b);
    let dialog = site.agents[PBX].dialog_id(c).unwrap().clone();
    let replaces = target.replaces.clone().unwrap();
    assert_eq!(*replaces.call_id, *dialog.call_id);
    assert_eq!(*replaces.to_tag, *dialog.local_tag);
    assert_eq!(*replaces.from_tag, *dialog.remote_tag);
    site.at(PBX, |agent, now| {
        agent.accept_refer(b, refer, now)?;
        agent.refer_progress(b, refer, StatusCode::OK, now)
    })
    .unwrap();
    site.settle();
    assert_eq!(site.leg_ended(first).cause, LegEndCause::Transferred);
    assert_eq!(site.leg_ended(second).cause, LegEndCause::Transferred);
    site.nothing_is_left();
}

#[test]
fn parties_that_the_pbx_does_not_join_are_joined_here_and_keep_their_channels() {
    // The same PBX, which refuses; and two PBXs, of which neither is asked.
    for same in [true, false] {
        let mut site = Site::new(config());
        let (first, b) = connected(&mut site, 1, "2002");
        let (second, c, end) = if same {
            let (second, c) = connected(&mut site, 2, "2003");
            (second, c, PBX)
        } else {
            let mut other = softclient();
            other.registrar.flow = flow(GATEWAY, SECOND);
            site.switchboard.set_softclient(other, true);
            let second = super::far_end::leg(2);
            site.say(second, LegSignal::Invite(super::far_end::invite("2003")));
            let (c, _) = site.incoming(SECOND);
            site.at(SECOND, |agent, now| agent.answer(c, Some(sdp(4000)), now))
                .unwrap();
            site.settle();
            assert!(matches!(site.told_on(second), LegSignal::Answer(_)));
            (second, c, SECOND)
        };
        site.say(first, to_leg(second));
        if same {
            let (_, refer, _) = referred(&mut site, PBX);
            let no = StatusCode::METHOD_NOT_ALLOWED;
            site.at(PBX, |agent, now| agent.refuse_refer(b, refer, no, now))
                .unwrap();
            site.settle();
        }
        assert_eq!(offered(&mut site, end, c), None);
        site.at(end, |agent, now| agent.answer_offer(c, sdp(4100), now))
            .unwrap();
        site.settle();
        assert_eq!(offered(&mut site, PBX, b), Some(sdp(4100)));
        site.at(PBX, |agent, now| agent.answer_offer(b, sdp(4002), now))
            .unwrap();
        site.settle();
        let mut over = [site.told(), site.told()];
        over.sort_by_key(|(leg, _)| *leg);
        for ((leg, signal), expect) in over.into_iter().zip([first, second]) {
            assert_eq!(leg, expect);
            let LegSignal::End(end) = signal else {
                panic!("{signal:?}");
            };
            assert_eq!(end.cause, LegEndCause::Transferred);
        }
        assert_eq!(site.switchboard.calls(), 1);
        assert_eq!(site.switchboard.stats().channels, 1 + usize::from(same));
        site.at(end, |agent, now| agent.end(c, None, now)).unwrap();
        site.settle();
        ended(&mut site, PBX, b);
        site.nothing_is_left();
    }
}

#[test]
fn a_call_that_ends_while_somebody_is_called_for_it_ends_that_too() {
    for far_end_ends in [true, false] {
        let mut site = Site::new(config());
        let (id, b) = connected(&mut site, 1, "2002");
        site.say(id, to_number("2003"));
        let (_, refer, _) = referred(&mut site, PBX);
        let no = StatusCode::FORBIDDEN;
        site.at(PBX, |agent, now| agent.refuse_refer(b, refer, no, now))
            .unwrap();
        site.settle();
        let (c, _) = site.incoming(PBX);
        site.at(PBX, |agent, now| {
            agent.progress(c, StatusCode::RINGING, None, false, now)
        })
        .unwrap();
        site.settle();
        if far_end_ends {
            site.say(id, super::legs::end(LegEndCause::Hangup));
        } else {
            site.at(PBX, |agent, now| agent.end(b, None, now)).unwrap();
            site.settle();
            assert_eq!(told_refused(&mut site, id), 481);
            assert_eq!(site.leg_ended(id).cause, LegEndCause::Hangup);
        }
        assert!(site.signals.is_empty(), "{:?}", site.signals);
        site.nothing_is_left();
    }
}

#[test]
fn a_transfer_without_an_end_is_given_up() {
    let mut site = Site::new(config());
    let (id, b) = connected(&mut site, 1, "2002");
    site.say(id, to_number("2003"));
    let (_, refer, _) = referred(&mut site, PBX);
    let no = StatusCode::NOT_IMPLEMENTED;
    site.at(PBX, |agent, now| agent.refuse_refer(b, refer, no, now))
        .unwrap();
    site.settle();
    let (c, _) = site.incoming(PBX);
    site.at(PBX, |agent, now| {
        agent.progress(c, StatusCode::RINGING, None, false, now)
    })
    .unwrap();
    site.run(Duration::from_secs(121));
    assert_eq!(told_refused(&mut site, id), 408);
    ended(&mut site, PBX, c);

    site.say(id, to_number("2003"));
    let (_, refer, _) = referred(&mut site, PBX);
    site.at(PBX, |agent, now| agent.accept_refer(b, refer, now))
        .unwrap();
    site.run(Duration::from_secs(200));
    assert_eq!(told_refused(&mut site, id), 408);
    site.say(id, super::legs::end(LegEndCause::Hangup));
    site.nothing_is_left();
}

#[test]
fn a_referee_that_is_gone_holds_neither_legs_nor_what_the_user_may_call() {
    for (to_a_leg, accepts) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut at = config();
        at.channels = 3;
        at.policy.concurrent = 3;
        let mut site = Site::new(at);
        let (id, b) = connected(&mut site, 1, "2002");
        let (other, _) = connected(&mut site, 2, "2003");
        let order = if to_a_leg {
            to_leg(other)
        } else {
            to_number("2004")
        };
        if !accepts {
            site.dead = vec![PBX];
        }
        site.say(id, order);
        if accepts {
            let (_, refer, _) = referred(&mut site, PBX);
            site.at(PBX, |agent, now| agent.accept_refer(b, refer, now))
                .unwrap();
            site.settle();
            site.dead = vec![PBX];
        }
        site.run(Duration::from_secs(400));
        for leg in [id, other] {
            site.say(leg, super::legs::end(LegEndCause::Hangup));
        }
        site.run(Duration::from_secs(400));
        let stats = site.switchboard.stats();
        let left = (stats.calls, stats.channels, stats.cloud_legs);
        assert_eq!(left, (0, 0, 0), "{to_a_leg} {accepts}");
        let stats = site.agents[GATEWAY].stats();
        assert_eq!((stats.sessions, stats.dialogs), (0, 0), "{stats:?}");
        // As many calls at once as before.
        site.dead.clear();
        site.signals.clear();
        for (leg, number) in [(3, "2002"), (4, "2003"), (5, "2004")] {
            connected(&mut site, leg, number);
        }
    }
}
