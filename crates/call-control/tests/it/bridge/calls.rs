//! Calls: to the echo, through to the second PBX, and over to its spare address.

use std::time::Duration;

use call_control::bridge::{Destination, Notice, Peer, PeerState};
use media::sdp::SessionDescription;
use sip::StatusCode;
use sip::header::Reason;
use sip::ua::{Refusal, Sdp, UserAgentEvent};

use super::site::{GATEWAY, PBX, SECOND, SPARE, Site, config, sdp};

#[test]
fn the_echo_answers_and_gives_its_port_back() {
    let mut site = Site::new(config());
    let a = site.call("43800");
    let answer = SessionDescription::parse(&site.answer()).unwrap();
    assert_eq!(answer.media[0].port, 30_000);
    assert_eq!(answer.media[0].formats, ["8", "101"]);
    assert_eq!(site.ports.open.len(), 1);
    site.run(Duration::from_secs(3));
    site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
    site.settle();
    let Some(Notice::Ended(_, summary)) = site.notices.last() else {
        panic!("{:?}", site.notices);
    };
    assert_eq!(summary.begun.destination, Destination::Echo);
    assert_eq!(&*summary.begun.from, "2001");
    assert_eq!(summary.talked.map(|time| time.as_secs()), Some(3));
    site.nothing_is_left();
}

#[test]
fn the_echo_takes_an_offerless_call_a_hold_and_says_no_to_what_it_cannot() {
    let mut site = Site::new(config());
    let mut order = site.order("43800");
    order.offer = None;
    let a = site.place(order);
    let offer = site.expect(PBX, |event| match event {
        UserAgentEvent::Answered {
            sdp: Sdp::Offer(sdp),
            ..
        } => Some(sdp.clone()),
        _ => None,
    });
    assert!(SessionDescription::parse(&offer).is_ok());
    site.at(PBX, |agent, now| agent.answer_offer(a, sdp(4000), now))
        .unwrap();
    site.settle();
    let hold = String::from_utf8(sdp(4000).to_vec()).unwrap() + "a=sendonly\r\n";
    site.at(PBX, |agent, now| agent.offer(a, Some(hold.into()), now))
        .unwrap();
    site.settle();
    let answer = site.expect(PBX, |event| match event {
        UserAgentEvent::OfferAnswered { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert!(String::from_utf8_lossy(&answer).contains("a=recvonly"));
    site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
    site.settle();

    let mut order = site.order("43800");
    order.offer =
        Some("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\n".into());
    site.place(order);
    assert_eq!(site.ended(PBX), None);
    assert_eq!(site.ended(PBX), Some(StatusCode::NOT_ACCEPTABLE_HERE));
    site.nothing_is_left();
}

#[test]
fn a_call_goes_through_with_its_descriptions_and_ends_for_both() {
    for ender in [PBX, SECOND] {
        let mut site = Site::new(config());
        let a = site.call("5001");
        let (b, request) = site.incoming(SECOND);
        assert_eq!(request.body, sdp(4000));
        assert_eq!(request.uri.user_text().unwrap(), "5001");
        let from = request.headers.need::<sip::header::From>().unwrap();
        assert_eq!(from.0.uri.to_string(), "sip:2001@account.eu.example");
        let hops = request.headers.need::<sip::header::MaxForwards>().unwrap();
        assert_eq!(hops.0, 69);
        site.at(SECOND, |agent, now| {
            agent.progress(b, StatusCode::RINGING, None, false, now)
        })
        .unwrap();
        site.settle();
        let status = site.expect(PBX, |event| match event {
            UserAgentEvent::Progress { response, .. } => Some(response.status),
            _ => None,
        });
        assert_eq!(status, StatusCode::RINGING);
        site.at(SECOND, |agent, now| agent.answer(b, Some(sdp(5000)), now))
            .unwrap();
        site.settle();
        assert_eq!(site.answer(), sdp(5000));
        assert_eq!(site.switchboard.stats().channels, 2);
        let session = if ender == PBX { a } else { b };
        let reason = Reason {
            protocol: "Q.850".into(),
            cause: Some(16),
            text: None,
        };
        site.at(ender, |agent, now| agent.end(session, Some(reason), now))
            .unwrap();
        site.settle();
        let other = if ender == PBX { SECOND } else { PBX };
        let told = site.expect(other, |event| match event {
            UserAgentEvent::Ended { cause, .. } => Some(cause.reason.clone()),
            _ => None,
        });
        assert_eq!(told.and_then(|reason| reason.cause), Some(16));
        site.nothing_is_left();
    }
}

#[test]
fn early_media_reaches_the_caller_before_the_answer() {
    let mut site = Site::new(config());
    site.call("5001");
    let (b, _) = site.incoming(SECOND);
    site.at(SECOND, |agent, now| {
        agent.progress(b, StatusCode::SESSION_PROGRESS, Some(sdp(5000)), true, now)
    })
    .unwrap();
    site.settle();
    let early = site.expect(PBX, |event| match event {
        UserAgentEvent::Progress { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    assert!(matches!(early, Sdp::Answer(given) | Sdp::Preview(given) if given == sdp(5000)));
    site.at(SECOND, |agent, now| agent.answer(b, None, now))
        .unwrap();
    site.settle();
    site.expect(PBX, |event| match event {
        UserAgentEvent::Answered { .. } => Some(()),
        _ => None,
    });
    site.at(SECOND, |agent, now| agent.end(b, None, now))
        .unwrap();
    site.nothing_is_left();
}

#[test]
fn a_refusal_reaches_the_caller_as_it_is() {
    for (said, heard) in [
        (StatusCode::BUSY_HERE, StatusCode::BUSY_HERE),
        (StatusCode::DECLINE, StatusCode::DECLINE),
        (StatusCode::MOVED_TEMPORARILY, StatusCode::BAD_GATEWAY),
        (StatusCode::UNAUTHORIZED, StatusCode::BAD_GATEWAY),
    ] {
        let mut site = Site::new(config());
        site.call("5001");
        let (b, _) = site.incoming(SECOND);
        site.at(SECOND, |agent, now| {
            agent.reject(b, Refusal::status(said), now)
        })
        .unwrap();
        site.settle();
        assert_eq!(site.ended(PBX), Some(heard), "{said}");
        site.nothing_is_left();
    }
}

#[test]
fn a_caller_that_gives_up_stops_the_ringing() {
    let mut site = Site::new(config());
    let a = site.call("5001");
    let (b, _) = site.incoming(SECOND);
    site.at(SECOND, |agent, now| {
        agent.progress(b, StatusCode::RINGING, None, false, now)
    })
    .unwrap();
    site.settle();
    site.at(PBX, |agent, now| agent.end(a, None, now)).unwrap();
    site.settle();
    site.expect(SECOND, |event| match event {
        UserAgentEvent::Ended { .. } => Some(()),
        _ => None,
    });
    let Some(Notice::Ended(_, summary)) = site.notices.last() else {
        panic!("{:?}", site.notices);
    };
    assert_eq!((summary.talked, summary.status), (None, Some(487)));
    site.nothing_is_left();
}

#[test]
fn a_dead_address_and_one_that_takes_no_calls_are_passed_over() {
    for dies in [true, false] {
        let mut site = Site::new(config());
        if dies {
            site.dead = vec![SECOND];
        }
        site.call("5001");
        if !dies {
            let (b, _) = site.incoming(SECOND);
            let refusal = Refusal::status(StatusCode::SERVICE_UNAVAILABLE);
            site.at(SECOND, |agent, now| agent.reject(b, refusal, now))
                .unwrap();
        }
        // A dead address is not waited for as long as one that is alone.
        site.run(Duration::from_secs(5));
        let (c, request) = site.incoming(SPARE);
        assert_eq!(request.body, sdp(4000));
        let second = site.switchboard.peers().nth(1).unwrap().1.state;
        assert_eq!(second, if dies { PeerState::Down } else { PeerState::Up });
        site.at(SPARE, |agent, now| agent.answer(c, Some(sdp(6000)), now))
            .unwrap();
        site.settle();
        assert_eq!(site.answer(), sdp(6000));
        assert_eq!(site.switchboard.stats().failed_over, 1);
        site.at(SPARE, |agent, now| agent.end(c, None, now))
            .unwrap();
        site.nothing_is_left();
    }
}

#[test]
fn a_peer_that_was_found_down_is_tried_last() {
    let mut site = Site::new(config());
    let up = |site: &Site| -> Vec<PeerState> {
        let peers = site.switchboard.peers();
        peers.map(|(_, standing)| standing.state).collect()
    };
    assert_eq!(up(&site), [PeerState::Up; 3]);
    site.dead = vec![SECOND];
    site.run(Duration::from_secs(70));
    assert_eq!(up(&site), [PeerState::Up, PeerState::Down, PeerState::Up]);
    site.call("5001");
    let (c, _) = site.incoming(SPARE);
    site.dead.clear();
    site.at(SPARE, |agent, now| {
        agent.reject(c, Refusal::status(StatusCode::BUSY_HERE), now)
    })
    .unwrap();
    site.run(Duration::from_secs(40));
    assert_eq!(up(&site), [PeerState::Up; 3]);
    let of_second = site
        .notices
        .iter()
        .filter(|notice| matches!(notice, Notice::Peer { name, .. } if &**name == "second"));
    assert_eq!(of_second.count(), 3, "up, down, up");
    assert!(site.agents[GATEWAY].stats().sessions == 0);
}

#[test]
fn an_address_known_to_be_down_is_not_waited_for_though_it_is_the_only_one() {
    let mut site = Site::new(config());
    site.dead = vec![SECOND, SPARE];
    site.run(Duration::from_secs(70));
    site.call("5001");
    // Each gets the time of four sendings over UDP.
    site.run(Duration::from_secs(9));
    let status = site.expect(PBX, |event| match event {
        UserAgentEvent::Ended { cause, .. } => Some(cause.status),
        _ => None,
    });
    assert_eq!(status, Some(StatusCode::REQUEST_TIMEOUT));
    site.nothing_is_left();
}

#[test]
fn addresses_that_the_name_leads_to_now_are_called_and_what_is_known_of_the_others_stays() {
    let mut site = Site::new(config());
    site.dead = vec![SECOND];
    site.run(Duration::from_secs(70));
    let peers: Vec<_> = site.switchboard.peers().map(|(it, _)| it.clone()).collect();
    let [trunk, second, spare] = [0, 1, 2].map(|number: usize| peers[number].clone());
    let now = site.now;
    let moved = vec![spare.clone()];
    site.switchboard.set_peers(vec![trunk.clone()], moved, now);
    let standing = |site: &Site| -> Vec<_> {
        let peers = site.switchboard.peers();
        peers
            .map(|(peer, it)| (peer.name.clone(), it.state))
            .collect()
    };
    let up = |peer: &Peer| (peer.name.clone(), PeerState::Up);
    assert_eq!(standing(&site), [up(&trunk), up(&spare)]);
    site.call("5001");
    let (b, _) = site.incoming(SPARE);
    site.at(SPARE, |agent, now| agent.answer(b, Some(sdp(5000)), now))
        .unwrap();
    site.settle();
    // It comes back while the call is up: nobody knows how it is, until it is asked.
    site.dead.clear();
    let now = site.now;
    let back = vec![second.clone(), spare.clone()];
    site.switchboard.set_peers(vec![trunk.clone()], back, now);
    let unknown = (second.name.clone(), PeerState::Unknown);
    assert_eq!(standing(&site), [up(&trunk), unknown, up(&spare)]);
    site.run(Duration::from_secs(1));
    assert_eq!(standing(&site), [up(&trunk), up(&second), up(&spare)]);
    assert_eq!(site.switchboard.stats().calls, 1);
}

#[test]
fn a_peer_that_takes_none_of_our_credentials_is_known_for_it() {
    let mut site = Site::new(config());
    let refuses = |site: &Site| site.switchboard.peers().nth(1).unwrap().1.refuses_us;
    for (status, expected) in [
        (StatusCode::UNAUTHORIZED, true),
        (StatusCode::BUSY_HERE, false),
        (StatusCode::PROXY_AUTHENTICATION_REQUIRED, true),
    ] {
        site.call("5001");
        let (b, _) = site.incoming(SECOND);
        let refusal = Refusal::status(status);
        site.at(SECOND, |agent, now| agent.reject(b, refusal, now))
            .unwrap();
        site.settle();
        assert_eq!(refuses(&site), expected, "{status}");
    }
}

#[test]
fn a_call_shows_whether_a_peer_is_there() {
    let mut site = Site::new(config());
    let second = |site: &Site| site.switchboard.peers().nth(1).unwrap().1.state;
    // Both are away; the one that comes back in time takes the call, and is there.
    site.dead = vec![SECOND, SPARE];
    site.call("5001");
    site.run(Duration::from_secs(10));
    assert_eq!(second(&site), PeerState::Down);
    site.dead = vec![SPARE];
    site.run(Duration::from_secs(30));
    site.call("5001");
    site.run(Duration::from_secs(5));
    let (b, _) = site.incoming(SECOND);
    site.at(SECOND, |agent, now| agent.answer(b, Some(sdp(5000)), now))
        .unwrap();
    site.settle();
    assert_eq!(second(&site), PeerState::Up);
}

/// What phones say of themselves, with those formats.
fn phone(port: u16, formats: &str, lines: &[&str]) -> bytes::Bytes {
    let mut text = format!(
        "v=0\r\no=- {port} 1 IN IP4 127.0.0.8\r\ns=-\r\nc=IN IP4 127.0.0.8\r\nt=0 0\r\nm=audio {port} \
         RTP/AVP {formats}\r\n"
    );
    for line in lines {
        text += &format!("a={line}\r\n");
    }
    text.into()
}

#[test]
fn a_conference_speaks_one_codec_with_each_phone_and_says_when_it_is_full() {
    let mut site = Site::new(config());
    site.ports.left = 4;
    let rows = [
        // The first that is ours, with the events and the noise of its clock.
        (
            phone(
                4000,
                "18 111 8 101 102",
                &[
                    "rtpmap:18 G729/8000",
                    "rtpmap:111 opus/48000/2",
                    "fmtp:111 useinbandfec=1",
                    "rtpmap:101 telephone-event/8000",
                    "rtpmap:102 telephone-event/48000",
                ],
            ),
            "RTP/AVP 111 102",
            48_000,
        ),
        (phone(4002, "8 13", &[]), "RTP/AVP 8 13", 8_000),
    ];
    let mut calls = Vec::new();
    for (offer, answered, clock) in rows {
        let mut order = site.order("43951");
        order.offer = Some(offer);
        let call = site.place(order);
        let answer = site.expect(PBX, |event| match event {
            UserAgentEvent::Answered {
                session,
                sdp: Sdp::Answer(sdp),
                ..
            } if *session == call => Some(sdp.clone()),
            _ => None,
        });
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains(answered), "{answer}");
        let (_, agreed) = site.ports.agreed.last().unwrap();
        assert_eq!(agreed.remote.clock_rate, clock);
        assert!(agreed.coded.is_some());
        calls.push(call);
    }
    // The third finds it full; another number is another conference.
    for (number, formats, refused) in [
        ("43951", "8", Some(486)),
        ("43952", "18", Some(488)),
        ("43952", "8", None),
    ] {
        let mut order = site.order(number);
        order.offer = Some(phone(4004, formats, &[]));
        let call = site.place(order);
        let status = site.expect(PBX, |event| match event {
            UserAgentEvent::Answered { session, .. } if *session == call => Some(None),
            UserAgentEvent::Ended { session, cause } if *session == call => {
                Some(Some(format!("{cause:?}")))
            }
            _ => None,
        });
        match (refused, status) {
            (None, None) => calls.push(call),
            (Some(code), Some(cause)) => assert!(cause.contains(&code.to_string()), "{cause}"),
            other => panic!("{number} {formats}: {other:?}"),
        }
    }
    for call in calls {
        site.at(PBX, |agent, now| agent.end(call, None, now))
            .unwrap();
    }
    site.settle();
    assert!(site.ports.open.is_empty());
}

#[test]
fn a_conference_that_is_called_without_an_offer_takes_the_answer() {
    let mut site = Site::new(config());
    let mut order = site.order("43950");
    order.offer = None;
    let call = site.place(order);
    let offer = site.expect(PBX, |event| match event {
        UserAgentEvent::Answered {
            sdp: Sdp::Offer(sdp),
            ..
        } => Some(sdp.clone()),
        _ => None,
    });
    assert!(String::from_utf8_lossy(&offer).contains("RTP/AVP 9 8 0 101"));
    let answer = phone(4000, "0 101", &["rtpmap:101 telephone-event/8000"]);
    site.at(PBX, |agent, now| agent.answer_offer(call, answer, now))
        .unwrap();
    site.settle();
    let (_, agreed) = site.ports.agreed.last().unwrap();
    assert_eq!(agreed.remote.rtp, Some(([127, 0, 0, 8], 4000).into()));
    assert_eq!(agreed.coded.unwrap().format.payload_type, 0);
}

#[test]
fn who_holds_a_conference_is_told_to_its_media() {
    let mut site = Site::new(config());
    let mut order = site.order("43951");
    order.offer = Some(phone(4002, "8 13", &[]));
    let call = site.place(order);
    site.settle();
    let directions = [(Some("sendonly"), false), (None, true)];
    for (direction, is_heard) in directions {
        let lines: Vec<_> = direction.into_iter().collect();
        let offer = phone(4002, "8 13", &lines);
        site.at(PBX, |agent, now| agent.offer(call, Some(offer), now))
            .unwrap();
        site.settle();
        let (_, agreed) = site.ports.agreed.last().unwrap();
        assert_eq!(agreed.remote.direction.sends(), is_heard);
    }
}
