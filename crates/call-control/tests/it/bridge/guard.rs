//! Who is let in, and what is refused.

use std::time::Duration;

use call_control::bridge::number::Pattern;
use call_control::bridge::policy::DialRefusal;
use call_control::bridge::{Notice, RefusalReason};
use sip::StatusCode;

use super::site::{PBX, SECOND, Site, config, logins, sdp, secret};

fn refused(site: &Site) -> Vec<RefusalReason> {
    let notices = site.notices.iter();
    notices
        .filter_map(|notice| match notice {
            Notice::Refused { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect()
}

#[test]
fn the_pbx_proves_who_it_is() {
    let mut right = config();
    right.secret = Some(secret());
    let mut site = Site::new(right);
    let order = site.order("43800").with_credentials(logins("secret"));
    site.place(order);
    site.answer();
    assert_eq!(refused(&site), []);

    let order = site.order("43800");
    site.place(order);
    assert_eq!(site.ended(PBX), Some(StatusCode::UNAUTHORIZED));
    let order = site.order("43800").with_credentials(logins("wrong"));
    site.place(order);
    assert_eq!(site.ended(PBX), Some(StatusCode::UNAUTHORIZED));
    assert_eq!(refused(&site), [RefusalReason::Credentials]);
    assert_eq!(site.switchboard.calls(), 1);
}

#[test]
fn nobody_who_needs_help_waits_for_the_right_password() {
    let mut guarded = config();
    guarded.secret = Some(secret());
    let mut site = Site::new(guarded);
    // Until the PBX's user is locked out.
    for _ in 0..11 {
        let order = site.order("43800").with_credentials(logins("wrong"));
        site.place(order);
        site.ended(PBX);
    }
    assert_eq!(refused(&site).last(), Some(&RefusalReason::LockedOut));
    let order = site.order("112").with_credentials(logins("wrong"));
    site.place(order);
    let (b, request) = site.incoming(SECOND);
    assert_eq!(request.uri.user_text().unwrap(), "112");
    site.at(SECOND, |agent, now| agent.end(b, None, now))
        .unwrap();
    site.settle();
    // Who proves nothing at all is still asked to.
    let order = site.order("112");
    site.place(order);
    assert!(site.ended(PBX).is_some());
    assert_eq!(site.switchboard.stats().emergency, 1);
}

#[test]
fn what_may_not_be_called_is_refused_by_name() {
    let not_a_number = RefusalReason::Policy(DialRefusal::NotANumber);
    for (number, status, reason) in [
        ("9", StatusCode::NOT_FOUND, RefusalReason::NoRoute),
        ("alice", StatusCode::NOT_FOUND, not_a_number),
        (
            "0049301234",
            StatusCode::FORBIDDEN,
            RefusalReason::Policy(DialRefusal::International),
        ),
    ] {
        let mut open = config();
        open.routes[1].code = Pattern::parse("0x+").unwrap();
        let mut site = Site::new(open);
        site.call(number);
        assert_eq!(site.ended(PBX), Some(status), "{number}");
        assert_eq!(refused(&site), [reason], "{number}");
        assert_eq!(site.switchboard.stats().refused[reason.as_str()], 1);
        site.nothing_is_left();
    }
}

#[test]
fn channels_and_ports_run_out_and_come_back() {
    let mut few = config();
    few.channels = 2;
    let mut site = Site::new(few);
    let first = site.call("43800");
    site.answer();
    site.call("5001");
    assert_eq!(site.ended(PBX), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(refused(&site), [RefusalReason::Channels]);
    site.at(PBX, |agent, now| agent.end(first, None, now))
        .unwrap();
    site.settle();
    site.through();

    let mut site = Site::new(config());
    site.ports.left = 0;
    site.call("43800");
    assert_eq!(site.ended(PBX), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(refused(&site), [RefusalReason::Media]);
}

#[test]
fn emergency_calls_pass_limits_drain_and_policy() {
    let mut closed = config();
    closed.channels = 0;
    closed.policy.concurrent = 0;
    closed.policy.allow = vec![Pattern::parse("43800").unwrap()];
    let mut site = Site::new(closed);
    site.switchboard.drain();
    site.call("43800");
    assert_eq!(site.ended(PBX), Some(StatusCode::SERVICE_UNAVAILABLE));
    site.call("112");
    let (b, request) = site.incoming(SECOND);
    assert_eq!(request.uri.user_text().unwrap(), "112");
    site.at(SECOND, |agent, now| agent.answer(b, Some(sdp(5000)), now))
        .unwrap();
    site.settle();
    site.answer();
    assert_eq!(site.switchboard.stats().emergency, 1);
    site.at(SECOND, |agent, now| agent.end(b, None, now))
        .unwrap();
    site.nothing_is_left();
}

#[test]
fn a_call_without_hops_left_and_digits_before_the_start() {
    let mut cut = config();
    cut.digits_start = 6;
    let mut site = Site::new(cut);
    site.call("438005001");
    let (b, request) = site.incoming(SECOND);
    assert_eq!(request.uri.user_text().unwrap(), "5001");
    site.at(SECOND, |agent, now| agent.end(b, None, now))
        .unwrap();
    site.settle();
    assert_eq!(site.ended(PBX), Some(StatusCode::TEMPORARILY_UNAVAILABLE));
    let mut order = site.order("438005001");
    order.headers.set(sip::header::MaxForwards(0));
    site.place(order);
    assert_eq!(site.ended(PBX), Some(StatusCode::TOO_MANY_HOPS));
    site.run(Duration::from_secs(1));
    site.nothing_is_left();
}
