//! What happens within a call: new offers, digits, transfer, another leg's place.

use bytes::Bytes;
use sip::header::{NameAddr, Replaces};
use sip::ua::{Dtmf, ReferProgress, ReferRequest, UserAgentEvent};
use sip::{StatusCode, Uri};

use super::site::{PBX, SECOND, Site, config, sdp};

fn offered(site: &mut Site, end: usize) -> Option<Bytes> {
    site.expect(end, |event| match event {
        UserAgentEvent::Offer { sdp, .. } => Some(sdp.clone()),
        _ => None,
    })
}

fn answered(site: &mut Site, end: usize) -> Bytes {
    site.expect(end, |event| match event {
        UserAgentEvent::OfferAnswered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    })
}

#[test]
fn offers_pass_both_ways_and_refusals_too() {
    let mut site = Site::new(config());
    let (a, b) = site.through();
    for (offerer, session, other, there) in [(PBX, a, SECOND, b), (SECOND, b, PBX, a)] {
        site.at(offerer, |agent, now| {
            agent.offer(session, Some(sdp(4002)), now)
        })
        .unwrap();
        site.settle();
        assert_eq!(offered(&mut site, other), Some(sdp(4002)));
        site.at(other, |agent, now| {
            agent.answer_offer(there, sdp(5002), now)
        })
        .unwrap();
        site.settle();
        assert_eq!(answered(&mut site, offerer), sdp(5002));

        site.at(offerer, |agent, now| {
            agent.offer(session, Some(sdp(4004)), now)
        })
        .unwrap();
        site.settle();
        offered(&mut site, other);
        let no = StatusCode::NOT_ACCEPTABLE_HERE;
        site.at(other, |agent, now| agent.refuse_offer(there, no, now))
            .unwrap();
        site.settle();
        let refused = site.expect(offerer, |event| match event {
            UserAgentEvent::OfferRefused { status, .. } => Some(*status),
            _ => None,
        });
        assert_eq!(refused, Some(no));
    }
    site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
    site.nothing_is_left();
}

#[test]
fn a_leg_that_asks_for_an_offer_gets_the_other_ones() {
    let mut site = Site::new(config());
    let (a, b) = site.through();
    site.at(PBX, |agent, now| agent.offer(a, None, now))
        .unwrap();
    site.settle();
    assert_eq!(offered(&mut site, SECOND), None);
    site.at(SECOND, |agent, now| agent.answer_offer(b, sdp(5004), now))
        .unwrap();
    site.settle();
    assert_eq!(offered(&mut site, PBX), Some(sdp(5004)));
    site.at(PBX, |agent, now| agent.answer_offer(a, sdp(4004), now))
        .unwrap();
    site.settle();
    assert_eq!(answered(&mut site, SECOND), sdp(4004));
    site.at(SECOND, |agent, now| agent.end(b, None, now))
        .unwrap();
    site.nothing_is_left();
}

#[test]
fn a_call_without_an_offer_gets_that_of_the_called_side() {
    let mut site = Site::new(config());
    let mut order = site.order("5001");
    order.offer = None;
    let a = site.place(order);
    let (b, request) = site.incoming(SECOND);
    assert!(request.body.is_empty());
    site.at(SECOND, |agent, now| agent.answer(b, Some(sdp(5000)), now))
        .unwrap();
    site.settle();
    let offer = site.expect(PBX, |event| match event {
        UserAgentEvent::Answered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert_eq!(offer, sip::ua::Sdp::Offer(sdp(5000)));
    site.at(PBX, |agent, now| agent.answer_offer(a, sdp(4000), now))
        .unwrap();
    site.settle();
    assert_eq!(answered(&mut site, SECOND), sdp(4000));
    site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
    site.nothing_is_left();
}

#[test]
fn digits_pass_through() {
    let mut site = Site::new(config());
    let (a, _) = site.through();
    site.at(PBX, |agent, now| agent.send_digit(a, Dtmf::new('5'), now))
        .unwrap();
    site.settle();
    let digit = site.expect(SECOND, |event| match event {
        UserAgentEvent::Info { dtmf, .. } => dtmf.map(|dtmf| dtmf.digit),
        _ => None,
    });
    assert_eq!(digit, '5');
    site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
    site.nothing_is_left();
}

#[test]
fn a_transfer_is_asked_of_the_other_side_within_the_policy() {
    let mut site = Site::new(config());
    let (a, b) = site.through();
    let refer = |number: &str| ReferRequest {
        target: NameAddr::new(Uri::parse(&format!("sip:{number}@127.0.0.2")).unwrap()),
        replaces: None,
        without_subscription: false,
    };
    site.at(PBX, |agent, now| agent.refer(a, refer("0049301234"), now))
        .unwrap();
    site.settle();
    let progress = |event: &UserAgentEvent| match event {
        UserAgentEvent::ReferProgress { progress, .. } => Some(*progress),
        _ => None,
    };
    let refused = site.expect(PBX, progress);
    assert_eq!(refused, ReferProgress::Refused(StatusCode::FORBIDDEN));

    site.at(PBX, |agent, now| agent.refer(a, refer("5002"), now))
        .unwrap();
    site.settle();
    assert_eq!(site.expect(PBX, progress), ReferProgress::Accepted);
    let (asked, target) = site.expect(SECOND, |event| match event {
        UserAgentEvent::Referred { refer, target, .. } => Some((*refer, target.uri.to_string())),
        _ => None,
    });
    assert_eq!(target, "sip:5002@127.0.0.2");
    site.at(SECOND, |agent, now| {
        agent.accept_refer(b, asked, now)?;
        agent.refer_progress(b, asked, StatusCode::OK, now)
    })
    .unwrap();
    site.settle();
    let status = site.expect(PBX, |event| match event {
        UserAgentEvent::ReferProgress {
            progress: ReferProgress::Status(status),
            ..
        } if status.is_final() => Some(*status),
        _ => None,
    });
    assert_eq!(status, StatusCode::OK);
    site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
    site.nothing_is_left();
}

#[test]
fn a_new_leg_takes_the_place_of_another() {
    let mut site = Site::new(config());
    let (a, b) = site.through();
    // What the PBX's other telephone knows of the dialog.
    let id = site.agents[PBX].dialog_id(a).unwrap().clone();
    let mut order = site.order("5001");
    order.offer = Some(sdp(4100));
    order.headers.set(Replaces {
        call_id: id.call_id.to_string(),
        to_tag: id.remote_tag.to_string(),
        from_tag: id.local_tag.to_string(),
        early_only: false,
    });
    let new = site.place(order);
    assert_eq!(offered(&mut site, SECOND), Some(sdp(4100)));
    site.at(SECOND, |agent, now| agent.answer_offer(b, sdp(5100), now))
        .unwrap();
    site.settle();
    assert_eq!(site.answer(), sdp(5100));
    site.expect(PBX, |event| match event {
        UserAgentEvent::Ended { session, .. } if *session == a => Some(()),
        _ => None,
    });
    assert_eq!(site.switchboard.calls(), 1);
    site.at(PBX, |agent, now| agent.end(new, None, now))
        .unwrap();
    site.settle();
    assert_eq!(site.ended(SECOND), None);
    site.nothing_is_left();
}
