//! Parties that the PBX hands over, and legs of it that take another's place.

use std::time::Duration;

use bytes::Bytes;
use cloud_uplink::CloudLegId;
use cloud_uplink::leg::{Description, LegEndCause, LegSignal};
use sip::header::{NameAddr, Replaces};
use sip::ua::{ReferProgress, ReferRequest, Refusal, Sdp, SessionKey, UserAgentEvent};
use sip::{StatusCode, Uri};

use super::legs::{answer, answered, far, to_softphone};
use super::site::{PBX, Site, address, config, sdp};
use super::transfers::{ended, told_offer};

/// A call of the PBX to the softphone, answered.
fn softphone(site: &mut Site) -> (SessionKey, CloudLegId) {
    let a = to_softphone(site);
    let (id, _) = site.begun();
    site.say(id, answer(5000));
    site.answer();
    (a, id)
}

fn refer(number: &str, replaces: Option<Replaces>) -> ReferRequest {
    ReferRequest {
        target: NameAddr::new(Uri::sip(number, address(PBX))),
        replaces,
        without_subscription: false,
    }
}

/// How a REFER of the PBX ended.
fn outcome(site: &mut Site) -> StatusCode {
    site.expect(PBX, |event| match event {
        UserAgentEvent::ReferProgress {
            progress: ReferProgress::Status(status),
            ..
        } if status.is_final() => Some(*status),
        _ => None,
    })
}

#[test]
fn the_call_that_the_pbx_wants_names_the_dialog_that_it_is_to_replace() {
    let mut site = Site::new(config());
    let (a, id) = softphone(&mut site);
    let replaces = Replaces {
        call_id: "other".to_owned(),
        to_tag: "t".to_owned(),
        from_tag: "f".to_owned(),
        early_only: false,
    };
    let order = refer("2003", Some(replaces));
    site.at(PBX, |agent, now| agent.refer(a, order, now))
        .unwrap();
    site.settle();
    // The PBX of this test has no such dialog.
    let status = outcome(&mut site);
    assert_eq!(status, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
    site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
    site.settle();
    assert_eq!(site.leg_ended(id).cause, LegEndCause::Hangup);
    site.nothing_is_left();
}

#[test]
fn the_pbx_hands_a_softphone_over_and_is_told_how_it_goes() {
    for answers in [true, false] {
        let mut site = Site::new(config());
        let (a, id) = softphone(&mut site);
        let order = refer("2003", None);
        site.at(PBX, |agent, now| agent.refer(a, order, now))
            .unwrap();
        site.settle();
        let (c, request) = site.incoming(PBX);
        assert_eq!(request.uri.user_text().unwrap(), "2003");
        let from = request.headers.need::<sip::header::From>().unwrap();
        assert_eq!(from.0.uri.to_string(), "sip:2100@127.0.0.2:5060");
        if answers {
            site.at(PBX, |agent, now| agent.answer(c, Some(sdp(4200)), now))
                .unwrap();
            site.settle();
            assert_eq!(told_offer(&mut site, id), sdp(4200));
            site.say(id, LegSignal::OfferAnswer(Description { sdp: far(5002) }));
        } else {
            site.at(PBX, |agent, now| {
                agent.reject(c, Refusal::status(StatusCode::BUSY_HERE), now)
            })
            .unwrap();
            site.settle();
        }
        let status = outcome(&mut site);
        let last = if answers {
            assert_eq!(status, StatusCode::OK);
            ended(&mut site, PBX, a);
            c
        } else {
            assert_eq!(status, StatusCode::BUSY_HERE);
            a
        };
        site.at(PBX, |agent, now| agent.end(last, None, now))
            .unwrap();
        site.settle();
        assert_eq!(site.leg_ended(id).cause, LegEndCause::Hangup);
        site.nothing_is_left();
    }
}

#[test]
fn the_pbx_may_hand_a_softphone_over_to_what_the_user_may_call_alone() {
    let mut site = Site::new(config());
    let (a, id) = softphone(&mut site);
    let order = refer("0049301234", None);
    site.at(PBX, |agent, now| agent.refer(a, order, now))
        .unwrap();
    site.settle();
    let progress = site.expect(PBX, |event| match event {
        UserAgentEvent::ReferProgress { progress, .. } => Some(*progress),
        _ => None,
    });
    assert_eq!(progress, ReferProgress::Refused(StatusCode::FORBIDDEN));
    site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
    site.settle();
    assert_eq!(site.leg_ended(id).cause, LegEndCause::Hangup);
    site.nothing_is_left();
}

#[test]
fn another_leg_of_the_pbx_takes_the_place_of_one_that_talks_with_the_far_end() {
    let mut site = Site::new(config());
    let (a, id) = answered(&mut site);
    let dialog = site.agents[PBX].dialog_id(a).unwrap().clone();
    let order = |site: &Site, offer: Option<Bytes>| {
        let mut order = site.order("43900");
        order.offer = offer;
        order.headers.set(Replaces {
            call_id: dialog.call_id.to_string(),
            to_tag: dialog.remote_tag.to_string(),
            from_tag: dialog.local_tag.to_string(),
            early_only: false,
        });
        order
    };
    let wanted = order(&site, None);
    site.place(wanted);
    assert_eq!(site.ended(PBX), Some(StatusCode::NOT_ACCEPTABLE_HERE));
    // One that gives up before the far end has agreed.
    let wanted = order(&site, Some(sdp(4100)));
    let hasty = site.place(wanted);
    assert_eq!(told_offer(&mut site, id), sdp(4100));
    site.run(Duration::from_secs(1));
    site.at(PBX, |agent, now| agent.end(hasty, None, now))
        .unwrap();
    site.settle();
    site.say(id, LegSignal::OfferAnswer(Description { sdp: far(5100) }));
    assert_eq!(told_offer(&mut site, id), sdp(4000));
    site.say(id, LegSignal::OfferAnswer(Description { sdp: far(5000) }));

    let wanted = order(&site, Some(sdp(4100)));
    let new = site.place(wanted);
    assert_eq!(told_offer(&mut site, id), sdp(4100));
    site.say(id, LegSignal::OfferAnswer(Description { sdp: far(5100) }));
    let heard = site.expect(PBX, |event| match event {
        UserAgentEvent::Answered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert_eq!(heard, Sdp::Answer(sdp(5100)));
    ended(&mut site, PBX, a);
    site.at(PBX, |agent, now| agent.end(new, None, now))
        .unwrap();
    site.settle();
    assert_eq!(site.leg_ended(id).cause, LegEndCause::Hangup);
    site.nothing_is_left();
}
