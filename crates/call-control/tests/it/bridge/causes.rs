//! Causes, statuses and reasons, row by row.

use cloud_uplink::leg::{LegEnd, LegEndCause, LegSignal};
use sip::StatusCode;
use sip::header::Reason;
use sip::ua::{Refusal, UserAgentEvent};

use super::far_end::calls;
use super::legs::{answer, answered};
use super::site::{PBX, Site, config, sdp};

use LegEndCause::{
    AnsweredElsewhere, Busy, Cancelled, Congestion, Declined, Failed, Forbidden, Hangup, Lost,
    NoAnswer, NotFound, Transferred,
};

fn q850(cause: u32) -> Reason {
    Reason {
        protocol: "Q.850".into(),
        cause: Some(cause),
        text: None,
    }
}

#[test]
fn how_a_leg_ends_before_an_answer_is_what_the_caller_hears() {
    for (cause, given, status, said) in [
        (Hangup, None, 480, 16),
        (Cancelled, None, 487, 16),
        (AnsweredElsewhere, None, 480, 26),
        (NoAnswer, None, 480, 19),
        (Busy, None, 486, 17),
        (Declined, None, 603, 21),
        (NotFound, None, 404, 1),
        (Forbidden, None, 403, 21),
        (Congestion, None, 503, 34),
        (Transferred, None, 480, 16),
        (Lost, None, 480, 41),
        (Failed, None, 500, 41),
        (Failed, Some(488), 488, 41),
        (Busy, Some(600), 600, 17),
        // What is no refusal of a call is not passed on.
        (Busy, Some(200), 486, 17),
        (Declined, Some(302), 603, 21),
        (Declined, Some(99), 603, 21),
    ] {
        let mut site = Site::new(config());
        site.call("43900");
        let (leg, _) = site.begun();
        site.say(
            leg,
            LegSignal::End(LegEnd {
                cause,
                status: given,
                reason: None,
            }),
        );
        let (heard, reason) = site.expect(PBX, |event| match event {
            UserAgentEvent::Ended { cause, .. } => Some((cause.status, cause.reason.clone())),
            _ => None,
        });
        let heard = heard.map(StatusCode::code);
        assert_eq!(heard, Some(status), "{cause:?} {given:?}");
        let reason = reason.unwrap();
        assert_eq!((&*reason.protocol, reason.cause), ("Q.850", Some(said)));
        site.nothing_is_left();
    }
}

#[test]
fn how_the_pbx_refuses_is_what_the_leg_is_told() {
    for (status, reason, cause) in [
        (400, None, Failed),
        (401, None, Forbidden),
        (403, None, Forbidden),
        (404, None, NotFound),
        (408, None, NoAnswer),
        (410, None, NotFound),
        (480, None, NoAnswer),
        (480, Some(17), Busy),
        (480, Some(26), AnsweredElsewhere),
        (480, Some(16), NoAnswer),
        (484, None, NotFound),
        (486, None, Busy),
        // The status is clear: the cause beside it is not asked.
        (486, Some(19), Busy),
        (488, None, Failed),
        (500, Some(34), Congestion),
        (500, Some(127), Failed),
        (502, Some(1), NotFound),
        (503, None, Congestion),
        (503, Some(21), Declined),
        (503, Some(57), Forbidden),
        (600, None, Busy),
        (603, None, Declined),
        (604, None, NotFound),
        (607, None, Declined),
        (302, None, Failed),
    ] {
        let mut site = Site::new(config());
        let leg = calls(&mut site, "2002");
        let (b, _) = site.incoming(PBX);
        let refusal = Refusal {
            status: StatusCode::new(status),
            reason: reason.map(q850),
            ..Refusal::default()
        };
        site.at(PBX, |agent, now| agent.reject(b, refusal, now))
            .unwrap();
        site.settle();
        let ended = site.leg_ended(leg);
        assert_eq!(ended.cause, cause, "{status} {reason:?}");
        assert_eq!(ended.status, Some(status));
        site.nothing_is_left();
    }
}

#[test]
fn how_the_pbx_hangs_up_is_what_the_leg_is_told() {
    for (reason, cause) in [
        (None, Hangup),
        (Some(16), Hangup),
        (Some(17), Hangup),
        (Some(31), Hangup),
        (Some(41), Failed),
        (Some(127), Failed),
        (Some(34), Failed),
    ] {
        let mut site = Site::new(config());
        let (a, leg) = answered(&mut site);
        let reason_header = reason.map(q850);
        site.at(PBX, |agent, now| agent.end(a, reason_header, now))
            .unwrap();
        site.settle();
        let ended = site.leg_ended(leg);
        assert_eq!((ended.cause, ended.status), (cause, None), "{reason:?}");
        site.nothing_is_left();
    }
}

#[test]
fn a_party_that_is_silent_fails_the_call() {
    let mut site = Site::new(config());
    site.dead = vec![PBX];
    let leg = calls(&mut site, "2002");
    site.run(std::time::Duration::from_secs(40));
    let ended = site.leg_ended(leg);
    assert_eq!((ended.cause, ended.status), (Failed, Some(408)));
    site.nothing_is_left();

    // The ACK never comes.
    let mut site = Site::new(config());
    site.call("43900");
    let (leg, _) = site.begun();
    site.dead = vec![PBX];
    site.say(leg, answer(5000));
    site.run(std::time::Duration::from_secs(80));
    assert_eq!(site.leg_ended(leg).cause, Failed);
    site.dead.clear();
    site.run(std::time::Duration::from_secs(200));
    assert_eq!(site.switchboard.calls(), 0);
}

#[test]
fn the_far_end_may_cancel_and_say_that_somebody_else_answered() {
    for (cause, said) in [(Cancelled, None), (AnsweredElsewhere, Some(200))] {
        let mut site = Site::new(config());
        let leg = calls(&mut site, "2002");
        let (b, request) = site.incoming(PBX);
        assert_eq!(request.body, sdp(7000));
        site.at(PBX, |agent, now| {
            agent.progress(b, StatusCode::RINGING, None, false, now)
        })
        .unwrap();
        site.settle();
        assert!(matches!(site.told_on(leg), LegSignal::Ringing(_)));
        site.say(leg, super::legs::end(cause));
        let reason = site.expect(PBX, |event| match event {
            UserAgentEvent::Ended { cause, .. } => Some(cause.reason.clone()),
            _ => None,
        });
        assert_eq!(reason.and_then(|reason| reason.cause), said);
        assert!(site.signals.is_empty(), "{:?}", site.signals);
        site.nothing_is_left();
    }
}
