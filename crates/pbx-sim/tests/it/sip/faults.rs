//! What goes wrong on the SIP side: by command, by restart, and at random.

use std::time::Duration;

use sip::ua::UserAgentEvent;

use super::net::Net;

#[test]
fn a_call_is_refused_as_it_was_told() {
    let mut net = Net::new(&[]);
    let phone = net.registered("2001");
    assert_eq!(net.tell("sip invite-refuse 503 retry-after 7"), "ok");
    net.dial(phone, "2001", "2002");
    let retry = net.expect(phone, |event| match event {
        UserAgentEvent::Ended { cause, .. } => {
            let response = cause.response?;
            let retry = response.headers.text(&sip::HeaderName::RetryAfter);
            Some((response.status.code(), retry.map(str::to_owned)))
        }
        _ => None,
    });
    assert_eq!(retry, (503, Some("7".to_owned())));
    assert!(net.calls().is_empty());
}

#[test]
fn a_restart_forgets_registrations_and_sessions_without_a_word() {
    let mut net = Net::new(&[]);
    let phone = net.registered("2002");
    net.tell("call 2001 2002");
    let session = net.rings(phone);
    net.answers(phone, session);
    net.phones[phone].got.clear();
    net.tell("restart");
    assert!(net.phones[phone].got.is_empty());
    assert_eq!(net.tell("sip state"), "{\"bindings\":[],\"legs\":[]}");
    // What the terminal believes in is not there any more.
    net.at(phone, |ua, now| ua.end(session, None, now)).unwrap();
    assert_eq!(net.phones[phone].got[0].0, "481 BYE");
}

#[test]
fn without_a_sip_side_its_commands_say_so() {
    let mut net = Net::with(&[], |config| config.sip = None);
    assert_eq!(
        net.tell("sip state"),
        "the SIP side is off: start with --sip"
    );
    assert_eq!(
        net.tell("sip stale"),
        "the SIP side is off: start with --sip"
    );
}

/// Phones and users do what comes to mind. Afterwards each session carries a connection that is there,
/// and when all calls have ended no session is left.
#[test]
fn sessions_and_connections_stay_in_line_whatever_happens() {
    for seed in 0..20 {
        let mut net = Net::with(&[], |config| {
            if seed % 3 > 0 {
                config.terminals.insert("2001".to_owned(), 2);
                let forking = if seed % 3 == 1 { "terminal" } else { "call" };
                config
                    .association
                    .dialect
                    .set("multiple-terminals", forking)
                    .unwrap();
            }
        });
        let phones = ["2000", "2001", "2002"].map(|number| (net.registered(number), number));
        let mut chance = sip::id::CountedIds::new("", seed);
        let mut draw = |most: usize| {
            usize::try_from(sip::id::IdSource::number(&mut chance) % most as u64).unwrap()
        };
        for _ in 0..150 {
            let (phone, number) = phones[draw(3)];
            let to = ["2000", "2001", "2002", "2003", "0123", "43800", "7777"][draw(7)];
            let act = draw(12);
            let tell = |verb: &str| format!("{verb} {number}");
            match act {
                0 => drop(net.tell(&format!("call {number} {to}"))),
                1 => drop(net.dial(phone, number, to)),
                2..=4 => answer_or_offer(&mut net, phone, draw(4)),
                5 => drop(net.tell(&tell("answer"))),
                6 => drop(net.tell(&tell("hold"))),
                7 => drop(net.tell(&tell("retrieve"))),
                8 => drop(net.tell(&format!("consult {number} {to}"))),
                9 => drop(net.tell(&tell(["transfer", "conference", "reconnect"][draw(3)]))),
                10 => drop(net.tell(&tell("clear"))),
                _ => net.wait(Duration::from_secs(draw(20) as u64)),
            }
            in_line(&net, seed);
        }
        net.tell("drain");
        assert!(net.legs().is_empty(), "seed {seed}: {:?}", net.legs());
        net.wait(Duration::from_secs(60));
        let legs: usize = net
            .phones
            .iter()
            .map(|phone| phone.ua.stats().sessions)
            .sum();
        assert_eq!(
            legs, 0,
            "seed {seed}: every phone knows that its calls are over"
        );
    }
}

/// Each session carries a connection of its number, and no number has more that talk than connections.
fn in_line(net: &Net, seed: u64) {
    let calls = net.calls().join(", ");
    let talks: Vec<_> = net
        .legs()
        .into_iter()
        .filter(|leg| leg.contains("talks"))
        .collect();
    for leg in net.legs() {
        let number = leg.split(' ').next().unwrap();
        assert!(
            calls.contains(number),
            "seed {seed}: {leg} without a call in {calls}"
        );
    }
    for number in ["2000", "2001", "2002", "43800"] {
        let sessions = talks.iter().filter(|leg| leg.starts_with(number)).count();
        let connections = calls.split(", ").filter(|it| it.contains(number)).count();
        assert!(
            sessions <= connections,
            "seed {seed}: {talks:?} for {calls}"
        );
    }
}

/// The phone does something with the first event that it was told.
fn answer_or_offer(net: &mut Net, phone: usize, act: usize) {
    let Some(event) = net.phones[phone].events.pop_front() else {
        return;
    };
    let body = || Some(super::net::sdp("sendrecv"));
    // The session may be over by now: each refusal is right.
    let _ = match event {
        UserAgentEvent::Incoming { session, .. } if act == 0 => {
            let busy = sip::ua::Refusal::status(sip::StatusCode::BUSY_HERE);
            net.at(phone, |ua, now| ua.reject(session, busy, now))
        }
        UserAgentEvent::Incoming { session, .. } => {
            net.at(phone, |ua, now| ua.answer(session, body(), now))
        }
        UserAgentEvent::Offer { session, .. } if act == 0 => {
            let no = sip::StatusCode::NOT_ACCEPTABLE_HERE;
            net.at(phone, |ua, now| ua.refuse_offer(session, no, now))
        }
        UserAgentEvent::Offer { session, .. } => net.at(phone, |ua, now| {
            ua.answer_offer(session, super::net::sdp("sendrecv"), now)
        }),
        UserAgentEvent::Answered { session, .. } if act < 2 => {
            let hold = Some(super::net::sdp("sendonly"));
            net.at(phone, |ua, now| ua.offer(session, hold, now))
        }
        UserAgentEvent::Answered { session, .. }
        | UserAgentEvent::OfferAnswered { session, .. } => {
            net.at(phone, |ua, now| ua.end(session, None, now))
        }
        _ => Ok(()),
    };
}
