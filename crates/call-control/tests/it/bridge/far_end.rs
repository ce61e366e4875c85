//! Calls that the far end begins: who may, by which way they go out, and with which number.

use std::time::Duration;

use call_control::bridge::number::Pattern;
use call_control::bridge::policy::DialRefusal;
use call_control::bridge::{BridgeConfig, CallDirection, Destination, Notice, RefusalReason};
use cloud_uplink::CloudLegId;
use cloud_uplink::leg::{LegEndCause, LegInvite, LegOwner, LegSignal};
use sip::header::{From, PAssertedIdentity};
use sip::ua::Refusal;
use sip::{Request, StatusCode};
use ulid::Ulid;

use super::legs::{end, far, softclient};
use super::site::{PBX, SECOND, SPARE, Site, config, logins, sdp};

/// An invite of extension 2100's softphone.
pub(super) fn invite(to: &str) -> LegInvite {
    LegInvite {
        from: None,
        from_name: None,
        to: to.to_owned(),
        owner: LegOwner::Endpoint("2100".to_owned()),
        call_id: None,
        diverted_from: None,
        sdp: Some(far(7000)),
    }
}

/// The leg of a number of the far end's legs.
pub(super) fn leg(number: u128) -> CloudLegId {
    CloudLegId::new(Ulid::from(1000 + number))
}

/// The far end calls.
pub(super) fn calls(site: &mut Site, to: &str) -> CloudLegId {
    let id = leg(1);
    site.say(id, LegSignal::Invite(invite(to)));
    id
}

/// The far end calls, and the PBX answers.
pub(super) fn connected(
    site: &mut Site,
    number: u128,
    to: &str,
) -> (CloudLegId, sip::ua::SessionKey) {
    let id = leg(number);
    site.say(id, LegSignal::Invite(invite(to)));
    let (b, _) = site.incoming(PBX);
    site.at(PBX, |agent, now| agent.answer(b, Some(sdp(4000)), now))
        .unwrap();
    site.settle();
    match site.told_on(id) {
        LegSignal::Answer(description) => assert_eq!(description.sdp, far(4000)),
        other => panic!("{other:?}"),
    }
    (id, b)
}

fn shows(request: &Request) -> (String, Option<String>) {
    let from = request.headers.need::<From>().unwrap();
    let asserted = request.headers.get::<PAssertedIdentity>().unwrap();
    (
        from.0.uri.to_string(),
        asserted.map(|asserted| asserted.0.uri.to_string()),
    )
}

#[test]
fn a_call_of_the_far_end_goes_out_over_the_trunk_with_the_extension() {
    let mut site = Site::new(config());
    let (id, b) = connected(&mut site, 1, "2002");
    assert_eq!(site.switchboard.stats().channels, 1);
    let begun = site.notices.iter().find_map(|notice| match notice {
        Notice::Begun(_, begun) => Some(begun.clone()),
        _ => None,
    });
    let begun = begun.unwrap();
    assert_eq!(begun.direction, CallDirection::ToPbx);
    assert_eq!(begun.extension.as_deref(), Some("2100"));
    assert_eq!((&*begun.from, begun.to.as_str()), ("2100", "2002"));
    assert_eq!(begun.destination, Destination::Pbx);
    site.run(Duration::from_secs(4));
    site.at(PBX, |agent, now| agent.end(b, None, now)).unwrap();
    site.settle();
    assert_eq!(site.leg_ended(id).cause, LegEndCause::Hangup);
    let Some(Notice::Ended(_, summary)) = site.notices.last() else {
        panic!("{:?}", site.notices);
    };
    assert_eq!(summary.talked.map(|time| time.as_secs()), Some(4));
    site.nothing_is_left();
}

#[test]
fn numbers_are_those_of_the_private_plan_or_telephone_numbers() {
    for (private, from, to) in [
        (
            true,
            "sip:2100@account.eu.example",
            "sip:2002@127.0.0.2:5060",
        ),
        (
            false,
            "sip:2100@account.eu.example;user=phone",
            "sip:2002@127.0.0.2:5060;user=phone",
        ),
    ] {
        let mut at = config();
        at.private_numbering = private;
        let mut site = Site::new(at);
        let id = calls(&mut site, "2002");
        let (_, request) = site.incoming(PBX);
        assert_eq!(shows(&request), (from.to_owned(), Some(from.to_owned())));
        assert_eq!(request.uri.to_string(), to);
        assert_eq!(request.body, sdp(7000));
        site.say(id, end(LegEndCause::Cancelled));
        site.nothing_is_left();
    }
}

#[test]
fn a_softphone_calls_by_its_own_registration_while_it_is_registered() {
    for registered in [true, false] {
        let mut site = Site::new(config());
        site.switchboard.set_softclient(softclient(), registered);
        let id = calls(&mut site, "2002");
        let (_, request) = site.incoming(PBX);
        let expect = if registered {
            ("sip:2100@127.0.0.2:5060", None)
        } else {
            let ours = "sip:2100@account.eu.example";
            (ours, Some(ours.to_owned()))
        };
        assert_eq!(shows(&request), (expect.0.to_owned(), expect.1));
        let channels = usize::from(!registered);
        assert_eq!(site.switchboard.stats().channels, channels);
        site.say(id, end(LegEndCause::Cancelled));
        site.nothing_is_left();
    }
}

#[test]
fn a_softphone_proves_who_it_is_with_its_own_password() {
    for (password, expect) in [("2100", None), ("wrong", Some(LegEndCause::Forbidden))] {
        let mut site = Site::new(config());
        let mut registration = softclient();
        registration.logins = Some(logins(password));
        site.switchboard.set_softclient(registration, true);
        let id = calls(&mut site, "2002");
        let (b, _) = site.incoming(PBX);
        let mut challenge = sip::Headers::default();
        let text = "Digest realm=\"pbx\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256";
        challenge.push_text(sip::HeaderName::WwwAuthenticate, text);
        let refusal = Refusal {
            status: Some(StatusCode::UNAUTHORIZED),
            headers: challenge.clone(),
            reason: None,
        };
        site.at(PBX, |agent, now| agent.reject(b, refusal.clone(), now))
            .unwrap();
        site.settle();
        let (b, request) = site.incoming(PBX);
        let proof = request.headers.text(&sip::HeaderName::Authorization);
        assert!(proof.unwrap().contains("username=\"officelinkmxone\""));
        match expect {
            None => {
                site.at(PBX, |agent, now| agent.answer(b, Some(sdp(4000)), now))
                    .unwrap();
                site.settle();
                assert!(matches!(site.told_on(id), LegSignal::Answer(_)));
                site.say(id, end(LegEndCause::Hangup));
            }
            Some(cause) => {
                site.at(PBX, |agent, now| agent.reject(b, refusal, now))
                    .unwrap();
                site.settle();
                assert_eq!(site.leg_ended(id).cause, cause);
            }
        }
        site.nothing_is_left();
    }
}

#[test]
fn an_application_shows_a_number_that_leads_to_it() {
    for (given, code, expect) in [
        (None, "43900", Ok("43900")),
        (Some("43900"), "43900", Ok("43900")),
        (Some("43907"), "439xx", Ok("43907")),
        (None, "439xx", Err(RefusalReason::CallerId)),
        (Some("2001"), "43900", Err(RefusalReason::CallerId)),
        (Some("alice"), "43900", Err(RefusalReason::CallerId)),
    ] {
        let mut at = config();
        at.routes[2].code = Pattern::parse(code).unwrap();
        let mut site = Site::new(at);
        let order = LegInvite {
            from: given.map(str::to_owned),
            from_name: Some("Reception\r\nEvil: yes".to_owned()),
            owner: LegOwner::Application("ivr".to_owned()),
            ..invite("2002")
        };
        site.say(leg(1), LegSignal::Invite(order));
        match expect {
            Ok(number) => {
                let (_, request) = site.incoming(PBX);
                let from = request.headers.need::<From>().unwrap().0;
                assert_eq!(from.uri.user_text().unwrap(), number);
                assert_eq!(from.display.as_deref(), Some("ReceptionEvil: yes"));
                site.say(leg(1), end(LegEndCause::Cancelled));
            }
            Err(reason) => {
                assert_eq!(site.leg_ended(leg(1)).cause, LegEndCause::Forbidden);
                assert_eq!(site.switchboard.stats().refused[reason.as_str()], 1);
            }
        }
        site.nothing_is_left();
    }
}

/// How the site is set up otherwise.
type Change = fn(&mut BridgeConfig);
/// Who calls, at what site, and why not.
type Row = (LegInvite, Change, RefusalReason, LegEndCause, u16);

/// Numbers and limits.
fn by_policy() -> Vec<Row> {
    use DialRefusal::{
        Concurrent, International, NotANumber, NotAllowed, PerMinute, SiteConcurrent,
    };
    use LegEndCause::{Busy, Congestion, Forbidden, NotFound};
    let by = RefusalReason::Policy;
    let only_3xxx: Change = |at| at.policy.allow = vec![Pattern::parse("3xxx").unwrap()];
    let to = invite;
    vec![
        (to("0049301"), |_| {}, by(International), Forbidden, 403),
        (to("alice"), |_| {}, by(NotANumber), NotFound, 404),
        (to("2002"), only_3xxx, by(NotAllowed), Forbidden, 403),
        (
            to("2002"),
            |at| at.policy.concurrent = 0,
            by(Concurrent),
            Busy,
            486,
        ),
        (
            to("2002"),
            |at| at.policy.per_minute = 0,
            by(PerMinute),
            Congestion,
            503,
        ),
        (
            to("2002"),
            |at| at.policy.site_concurrent = 0,
            by(SiteConcurrent),
            Congestion,
            503,
        ),
    ]
}

/// Who calls, what with, and what is left.
fn by_site() -> Vec<Row> {
    use LegEndCause::{Congestion, Failed, Forbidden};
    let owned = |owner| LegInvite {
        owner,
        ..invite("2002")
    };
    let described = |sdp: String| LegInvite {
        sdp: Some(sdp),
        ..invite("2002")
    };
    let other = LegInvite {
        from: Some("2101".to_owned()),
        ..invite("2002")
    };
    let application = owned(LegOwner::Application("unknown".to_owned()));
    let endpoint = owned(LegOwner::Endpoint("nobody".to_owned()));
    let long = far(7000) + &"a=x\r\n".repeat(8000);
    let nobody = RefusalReason::Policy(DialRefusal::NotAuthenticated);
    let no_trunk: Change = |at| at.trunk.clear();
    let no_channels: Change = |at| at.channels = 0;
    let description = RefusalReason::Description;
    vec![
        (
            invite("2002"),
            no_channels,
            RefusalReason::Channels,
            Congestion,
            503,
        ),
        (
            invite("2002"),
            no_trunk,
            RefusalReason::NoTarget,
            Congestion,
            503,
        ),
        (other, |_| {}, RefusalReason::CallerId, Forbidden, 403),
        (application, |_| {}, nobody, Forbidden, 403),
        (endpoint, |_| {}, nobody, Forbidden, 403),
        (described("hi".to_owned()), |_| {}, description, Failed, 488),
        (described(long), |_| {}, description, Failed, 488),
    ]
}

#[test]
fn what_the_far_end_may_not_call_is_refused_by_name_and_audited() {
    for (order, change, reason, cause, status) in by_policy().into_iter().chain(by_site()) {
        let mut at = config();
        change(&mut at);
        let mut site = Site::new(at);
        site.say(leg(1), LegSignal::Invite(order));
        let ended = site.leg_ended(leg(1));
        assert_eq!((ended.cause, ended.status), (cause, Some(status)));
        assert_eq!(ended.reason, Some(reason.to_string()));
        assert!(reason.to_string().contains(' '), "a sentence: {reason}");
        let Some(Notice::Refused {
            source: None,
            reason: audited,
            ..
        }) = site.notices.last()
        else {
            panic!("{:?}", site.notices);
        };
        assert_eq!(*audited, reason);
        assert_eq!(site.switchboard.stats().refused[reason.as_str()], 1);
        site.nothing_is_left();
    }
}

#[test]
fn an_extension_without_a_softphone_here_calls_nobody_but_an_emergency() {
    let mut site = Site::new(config());
    let owned = |to| LegInvite {
        owner: LegOwner::Endpoint("2101".to_owned()),
        ..invite(to)
    };
    site.say(leg(1), LegSignal::Invite(owned("2002")));
    let ended = site.leg_ended(leg(1));
    assert_eq!(ended.cause, LegEndCause::Forbidden);
    assert_eq!(
        ended.reason.as_deref(),
        Some("the caller is not authenticated")
    );
    site.say(leg(2), LegSignal::Invite(owned("112")));
    let (_, request) = site.incoming(PBX);
    assert_eq!(shows(&request).0, "sip:2101@account.eu.example");
    site.say(leg(2), end(LegEndCause::Cancelled));
    site.nothing_is_left();
}

#[test]
fn an_emergency_call_is_not_refused_for_the_number_that_it_wants_to_show() {
    let ivr = || LegOwner::Application("ivr".to_owned());
    let endpoint = |name: &str| LegOwner::Endpoint(name.to_owned());
    let unknown = LegOwner::Application("unknown".to_owned());
    for (owner, from, expect) in [
        (ivr(), Some("99999"), "43900"),
        (ivr(), Some("alice"), "43900"),
        (unknown, None, "43800"),
        (endpoint("2100"), Some("99999"), "2100"),
        (endpoint("2100"), Some("alice"), "2100"),
        (endpoint("nobody"), None, "43800"),
    ] {
        let mut site = Site::new(config());
        let order = LegInvite {
            from: from.map(str::to_owned),
            owner,
            ..invite("112")
        };
        site.say(leg(1), LegSignal::Invite(order));
        let (_, request) = site.incoming(PBX);
        assert_eq!(
            shows(&request).0,
            format!("sip:{expect}@account.eu.example")
        );
        site.say(leg(1), end(LegEndCause::Cancelled));
        site.nothing_is_left();
    }
}

#[test]
fn an_emergency_call_of_the_far_end_passes_all_limits_and_takes_any_way() {
    let mut closed = config();
    closed.channels = 0;
    closed.policy.concurrent = 0;
    closed.policy.site_concurrent = 0;
    closed.policy.allow = vec![Pattern::parse("43800").unwrap()];
    let mut site = Site::new(closed);
    let mut registration = softclient();
    registration.registrar.flow = super::site::flow(super::site::GATEWAY, SPARE);
    site.switchboard.set_softclient(registration, true);
    site.dead = vec![SPARE];
    site.switchboard.drain();
    let id = calls(&mut site, "112");
    site.run(Duration::from_secs(33));
    let (b, request) = site.incoming(PBX);
    assert_eq!(request.uri.user_text().unwrap(), "112");
    assert_eq!(shows(&request).0, "sip:2100@account.eu.example");
    site.at(PBX, |agent, now| agent.answer(b, Some(sdp(4000)), now))
        .unwrap();
    site.settle();
    assert!(matches!(site.told_on(id), LegSignal::Answer(_)));
    assert_eq!(site.switchboard.stats().emergency, 1);
    site.say(leg(2), LegSignal::Invite(invite("2002")));
    assert_eq!(site.leg_ended(leg(2)).cause, LegEndCause::Congestion);
    site.at(PBX, |agent, now| agent.end(b, None, now)).unwrap();
    site.settle();
    assert_eq!(site.leg_ended(id).cause, LegEndCause::Hangup);
    site.nothing_is_left();
}

#[test]
fn addresses_of_the_trunk_are_tried_one_after_the_other() {
    let mut two = config();
    two.trunk = two.call_through.split_off(0);
    let mut site = Site::new(two);
    let id = calls(&mut site, "2002");
    let (b, _) = site.incoming(SECOND);
    let refusal = Refusal::status(StatusCode::SERVICE_UNAVAILABLE);
    site.at(SECOND, |agent, now| agent.reject(b, refusal, now))
        .unwrap();
    site.settle();
    let (c, _) = site.incoming(SPARE);
    let refusal = Refusal::status(StatusCode::SERVICE_UNAVAILABLE);
    site.at(SPARE, |agent, now| agent.reject(c, refusal, now))
        .unwrap();
    site.settle();
    assert_eq!(site.leg_ended(id).cause, LegEndCause::Congestion);
    assert_eq!(site.switchboard.stats().failed_over, 1);
    site.nothing_is_left();
}

#[test]
fn a_far_end_that_cancels_as_the_pbx_answers_leaves_no_call() {
    let mut site = Site::new(config());
    let id = calls(&mut site, "2002");
    let (b, _) = site.incoming(PBX);
    // Both at once: neither has heard the other.
    site.at(PBX, |agent, now| agent.answer(b, Some(sdp(4000)), now))
        .unwrap();
    site.say(id, end(LegEndCause::Cancelled));
    site.expect(PBX, |event| match event {
        sip::ua::UserAgentEvent::Ended { .. } => Some(()),
        _ => None,
    });
    assert!(site.signals.is_empty(), "{:?}", site.signals);
    site.nothing_is_left();
}
