//! Calls of the PBX to the far end: to an application, and to a softphone's registration.

use std::time::Duration;

use call_control::bridge::{CallDirection, Destination, Notice, Softclient};
use cloud_uplink::leg::{
    Correlated, Description, EarlyMedia, LegEnd, LegEndCause, LegInvite, LegOwner, LegSignal,
};
use cloud_uplink::{CallId, CloudLegId};
use sip::header::{Diversion, NameAddr, PAssertedIdentity, Privacy, Reason};
use sip::ua::{InviteRequest, SessionKey, UserAgentEvent};
use sip::{HeaderName, StatusCode, Uri};
use ulid::Ulid;

use super::site::{GATEWAY, PBX, Site, address, config, flow, logins, sdp};

/// A description of the far end.
pub(super) fn far(port: u16) -> String {
    String::from_utf8(sdp(port).to_vec()).unwrap()
}

pub(super) fn answer(port: u16) -> LegSignal {
    LegSignal::Answer(Description { sdp: far(port) })
}

pub(super) fn ringing(port: Option<u16>) -> LegSignal {
    LegSignal::Ringing(EarlyMedia { sdp: port.map(far) })
}

pub(super) fn end(cause: LegEndCause) -> LegSignal {
    LegSignal::End(LegEnd {
        cause,
        status: None,
        reason: None,
    })
}

/// The registration of extension 2100, at the PBX.
pub(super) fn softclient() -> Softclient {
    Softclient {
        extension: "2100".into(),
        contact_user: "c2100".into(),
        aor: Uri::sip("2100", address(PBX)),
        registrar: call_control::bridge::Peer {
            name: "registrar".into(),
            host: address(PBX).into(),
            flow: flow(GATEWAY, PBX),
        },
        logins: Some(logins("2100")),
    }
}

/// A call of the PBX to the application, answered.
pub(super) fn answered(site: &mut Site) -> (SessionKey, CloudLegId) {
    let a = site.call("43900");
    let (leg, _) = site.begun();
    site.say(leg, answer(5000));
    assert_eq!(site.answer(), sdp(5000));
    (a, leg)
}

/// A call of the PBX to the softphone.
pub(super) fn to_softphone(site: &mut Site) -> SessionKey {
    site.switchboard.set_softclient(softclient(), true);
    let to = Uri::sip("c2100", address(GATEWAY));
    let from = Uri::sip("2001", address(PBX));
    let order = InviteRequest::new(to, from, flow(PBX, GATEWAY)).offering(sdp(4000));
    site.place(order)
}

pub(super) fn provisional(site: &mut Site) -> StatusCode {
    site.expect(PBX, |event| match event {
        UserAgentEvent::Progress { response, .. } => Some(response.status),
        _ => None,
    })
}

fn reason(site: &mut Site) -> Option<Reason> {
    site.expect(PBX, |event| match event {
        UserAgentEvent::Ended { cause, .. } => Some(cause.reason.clone()),
        _ => None,
    })
}

#[test]
fn a_call_to_an_application_rings_is_answered_and_ends_for_both() {
    for far_end_ends in [false, true] {
        let mut site = Site::new(config());
        let a = site.call("43900");
        let (leg, invite) = site.begun();
        let expected = LegInvite {
            from: Some("2001".to_owned()),
            from_name: None,
            to: "43900".to_owned(),
            owner: LegOwner::Application("ivr".to_owned()),
            call_id: None,
            diverted_from: None,
            sdp: Some(far(4000)),
        };
        assert_eq!(invite, expected);
        let Some(Notice::Begun(key, begun)) = site.notices.last().cloned() else {
            panic!("{:?}", site.notices);
        };
        assert_eq!(begun.direction, CallDirection::FromPbx);
        assert_eq!(begun.extension, None);
        let call_id = CallId::new(Ulid::from(77));
        site.switchboard.correlated(key, call_id);
        site.switchboard.correlated(key, call_id);
        site.drain(GATEWAY);
        assert_eq!(
            site.told_on(leg),
            LegSignal::Correlated(Correlated { call_id })
        );
        site.say(leg, ringing(None));
        assert_eq!(provisional(&mut site), StatusCode::RINGING);
        site.run(Duration::from_secs(2));
        site.say(leg, answer(5000));
        assert_eq!(site.answer(), sdp(5000));
        site.run(Duration::from_secs(3));
        if far_end_ends {
            site.say(leg, end(LegEndCause::Hangup));
            let said = reason(&mut site).expect("a reason");
            assert_eq!((&*said.protocol, said.cause), ("Q.850", Some(16)));
        } else {
            site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
            site.settle();
            assert_eq!(site.leg_ended(leg).cause, LegEndCause::Hangup);
        }
        site.settle();
        let Some(Notice::Ended(_, summary)) = site.notices.last() else {
            panic!("{:?}", site.notices);
        };
        assert_eq!(summary.begun, begun);
        assert_eq!(summary.call_id, Some(call_id));
        assert_eq!(summary.cause, LegEndCause::Hangup);
        assert_eq!(summary.status, None);
        assert_eq!(summary.rang.as_secs(), 2);
        assert_eq!(summary.talked.map(|time| time.as_secs()), Some(3));
        assert!(site.signals.is_empty(), "{:?}", site.signals);
        site.nothing_is_left();
    }
}

#[test]
fn a_softphone_is_called_by_its_registration_alone_and_takes_no_channel() {
    let mut site = Site::new(config());
    let a = to_softphone(&mut site);
    let (leg, invite) = site.begun();
    assert_eq!(invite.owner, LegOwner::Endpoint("2100".to_owned()));
    assert_eq!(invite.to, "2100");
    assert_eq!(site.switchboard.stats().channels, 0);
    let Some(Notice::Begun(_, begun)) = site.notices.last() else {
        panic!("{:?}", site.notices);
    };
    assert_eq!(begun.extension.as_deref(), Some("2100"));
    assert_eq!(begun.destination, Destination::Softphone("2100".into()));
    site.say(leg, answer(5000));
    site.answer();
    site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
    site.settle();
    assert_eq!(site.leg_ended(leg).cause, LegEndCause::Hangup);

    // Somebody who is not the registrar has no business with the contact.
    let to = Uri::sip("c2100", address(GATEWAY));
    let from = Uri::sip("2001", address(super::site::SECOND));
    let order = InviteRequest::new(to, from, flow(super::site::SECOND, GATEWAY));
    site.at(super::site::SECOND, |agent, now| agent.invite(order, now))
        .unwrap();
    site.settle();
    let refused = site.ended(super::site::SECOND);
    assert_eq!(refused, Some(StatusCode::NOT_FOUND));
    site.switchboard.remove_softclient("2100");
    site.events[PBX].clear();
    let order = InviteRequest::new(
        Uri::sip("c2100", address(GATEWAY)),
        Uri::sip("2001", address(PBX)),
        flow(PBX, GATEWAY),
    );
    site.place(order);
    assert_eq!(site.ended(PBX), Some(StatusCode::NOT_FOUND));
    site.nothing_is_left();
}

#[test]
fn the_far_end_is_told_whom_the_pbx_asserts_and_nobody_where_that_is_private() {
    let uri = |user: &str| Uri::sip(user, address(PBX));
    for (private, expect) in [(false, Some("2042")), (true, None)] {
        let mut site = Site::new(config());
        let mut order = site.order("43900");
        let asserted = NameAddr::new(uri("2042")).with_display("Bettina Maschke");
        order.headers.set(PAssertedIdentity(asserted));
        order.headers.push(Diversion(NameAddr::new(uri("2055"))));
        order.headers.push(Diversion(NameAddr::new(uri("2050"))));
        if private {
            order.headers.set(Privacy::new(["id"]));
        }
        let a = site.place(order);
        let (leg, invite) = site.begun();
        assert_eq!(invite.from.as_deref(), expect);
        let name = expect.map(|_| "Bettina Maschke");
        assert_eq!(invite.from_name.as_deref(), name);
        assert_eq!(invite.diverted_from.as_deref(), Some("2050"));
        site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
        // CANCEL waits for a provisional response (RFC 3261 §9.1).
        site.run(Duration::from_secs(1));
        assert_eq!(site.leg_ended(leg).cause, LegEndCause::Cancelled);
        site.nothing_is_left();
    }
}

#[test]
fn who_sent_the_call_on_is_the_first_of_its_history_where_there_is_no_diversion() {
    for (history, expect) in [
        (
            &["2050;index=1", "2055;index=1.1", "43900;index=1.1.1"][..],
            Some("2050"),
        ),
        (&["43900;index=1"], None),
        // It was sent to where it was before, as by a proxy on its way.
        (&["43900;index=1", "43900;index=1.1"], None),
    ] {
        let mut site = Site::new(config());
        let mut order = site.order("43900");
        for entry in history {
            let (user, index) = entry.split_once(';').unwrap();
            let value = format!("<sip:{user}@192.0.2.9?Reason=SIP%3Bcause%3D302>;{index}");
            order.headers.push_text(HeaderName::HistoryInfo, value);
        }
        let a = site.place(order);
        let (_, invite) = site.begun();
        assert_eq!(invite.diverted_from.as_deref(), expect, "{history:?}");
        site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
        site.run(Duration::from_secs(1));
    }
}

#[test]
fn a_call_that_another_terminal_answers_ends_on_the_leg_as_answered_elsewhere() {
    let elsewhere = [("SIP", 200), ("Q.850", 26)];
    for (protocol, cause) in elsewhere {
        let mut site = Site::new(config());
        let a = to_softphone(&mut site);
        let (leg, _) = site.begun();
        site.say(leg, ringing(None));
        let reason = Reason {
            protocol: protocol.into(),
            cause: Some(cause),
            text: Some("Call completed elsewhere".into()),
        };
        site.at(PBX, |agent, now| agent.end(a, Some(reason), now))
            .unwrap();
        site.settle();
        let ended = site.leg_ended(leg);
        assert_eq!(ended.cause, LegEndCause::AnsweredElsewhere, "{protocol}");
        site.nothing_is_left();
    }
}

#[test]
fn nobody_rings_for_ever() {
    let mut site = Site::new(config());
    site.call("43900");
    let (leg, _) = site.begun();
    site.say(leg, ringing(None));
    site.run(Duration::from_secs(119));
    assert!(site.signals.is_empty());
    site.run(Duration::from_secs(2));
    assert_eq!(site.leg_ended(leg).cause, LegEndCause::NoAnswer);
    let (status, said) = site.expect(PBX, |event| match event {
        UserAgentEvent::Ended { cause, .. } => Some((cause.status, cause.reason.clone())),
        _ => None,
    });
    assert_eq!(status, Some(StatusCode::TEMPORARILY_UNAVAILABLE));
    assert_eq!(said.and_then(|reason| reason.cause), Some(19));
    site.nothing_is_left();
}

#[test]
fn a_leg_that_is_lost_ends_its_call_and_an_emergency_call_goes_on() {
    for emergency in [false, true] {
        let mut at = config();
        at.routes[2].code =
            call_control::bridge::number::Pattern::parse(if emergency { "112" } else { "43900" })
                .unwrap();
        let mut site = Site::new(at);
        let a = site.call(if emergency { "112" } else { "43900" });
        let (leg, _) = site.begun();
        site.say(leg, answer(5000));
        site.answer();
        site.lose(leg);
        assert!(site.signals.is_empty(), "{:?}", site.signals);
        if emergency {
            site.run(Duration::from_secs(600));
            assert_eq!(site.switchboard.calls(), 1);
            site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
            site.settle();
        } else {
            assert_eq!(site.ended(PBX), None);
        }
        site.lose(leg);
        site.nothing_is_left();
    }
}

#[test]
fn an_emergency_call_without_its_leg_ends_by_itself_at_last() {
    let mut at = config();
    at.routes[2].code = call_control::bridge::number::Pattern::parse("112").unwrap();
    let mut site = Site::new(at);
    site.call("112");
    let (leg, _) = site.begun();
    site.say(leg, answer(5000));
    site.lose(leg);
    site.run(Duration::from_mins(31));
    site.nothing_is_left();
}

#[test]
fn before_an_answer_a_lost_leg_is_a_passing_failure_to_the_caller() {
    let mut site = Site::new(config());
    site.call("43900");
    let (leg, _) = site.begun();
    site.lose(leg);
    assert_eq!(site.ended(PBX), Some(StatusCode::TEMPORARILY_UNAVAILABLE));
    site.nothing_is_left();
}

#[test]
fn when_the_gateway_drains_softphones_are_not_called_and_all_calls_are_ended_but_emergencies() {
    let mut at = config();
    at.routes[2].code = call_control::bridge::number::Pattern::parse("112").unwrap();
    let mut site = Site::new(at);
    let emergency = site.call("112");
    let (first, _) = site.begun();
    site.say(first, answer(5000));
    site.answer();
    to_softphone(&mut site);
    let (second, _) = site.begun();
    site.switchboard.drain();
    to_softphone(&mut site);
    assert_eq!(site.ended(PBX), Some(StatusCode::SERVICE_UNAVAILABLE));
    let (agent, now) = (&mut site.agents[GATEWAY], site.now);
    site.switchboard.end_all(agent, now);
    site.drain(GATEWAY);
    site.settle();
    assert_eq!(site.leg_ended(second).cause, LegEndCause::Congestion);
    assert_eq!(site.switchboard.calls(), 1);
    site.at(PBX, |agent, now| agent.end(emergency, None, now))
        .unwrap();
    site.settle();
    assert_eq!(site.leg_ended(first).cause, LegEndCause::Hangup);
    site.nothing_is_left();
}

#[test]
fn signals_that_have_no_place_are_counted_and_change_nothing() {
    let mut site = Site::new(config());
    let a = site.call("43900");
    let (leg, _) = site.begun();
    let stranger = CloudLegId::new(Ulid::from(999));
    let description = Description { sdp: far(6000) };
    site.say(stranger, answer(6000));
    site.say(leg, LegSignal::OfferAnswer(description));
    site.say(leg, LegSignal::TransferRefused(refused(488)));
    site.say(leg, answer(5000));
    site.answer();
    site.say(leg, answer(6000));
    site.say(leg, ringing(Some(6000)));
    site.say(leg, LegSignal::OfferRefused(refused(488)));
    site.say(
        leg,
        LegSignal::Correlated(Correlated {
            call_id: CallId::new(Ulid::from(1)),
        }),
    );
    assert_eq!(site.switchboard.stats().stray_signals, 6);
    assert!(site.signals.is_empty(), "{:?}", site.signals);
    site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
    site.settle();
    assert_eq!(site.leg_ended(leg).cause, LegEndCause::Hangup);
    site.nothing_is_left();
}

pub(super) fn refused(status: u16) -> cloud_uplink::leg::Refused {
    cloud_uplink::leg::Refused {
        status,
        reason: None,
    }
}
