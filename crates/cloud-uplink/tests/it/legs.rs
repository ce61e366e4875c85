//! Cloud legs: both ends' books against each other over a seeded network that cuts and restarts, the
//! limits, and the order in which the gateway sends.
//!
//! Size: the rules of one module, and the model that judges them over a network.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use cloud_uplink::CloudLegId;
use cloud_uplink::frame::{CAP_LEGS, CloudFrame, FRAME_LEN_MAX, GatewayFrame, Welcome};
use cloud_uplink::leg::{
    Correlated, Description, EarlyMedia, LOST_AFTER, Leg, LegAck, LegDigits, LegEnd, LegEndCause,
    LegInvite, LegOwner, LegSignal, Refused, SDP_LEN_MAX, TEXT_LEN_MAX, TransferTarget,
};
use cloud_uplink::session::legs::{INVITE_WAIT, LEGS_MAX, SIGNALS_UNACKED_MAX};
use cloud_uplink::session::{Item, LegFrame, Legs, View};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::pair::start;
use crate::rules::{gateway_up, state, welcome};

fn id(number: u128) -> CloudLegId {
    CloudLegId::new(ulid::Ulid(number))
}

fn invite() -> LegSignal {
    LegSignal::Invite(LegInvite {
        from: Some("2001".to_owned()),
        from_name: None,
        to: "43801".to_owned(),
        owner: LegOwner::Application("desk".to_owned()),
        call_id: None,
        diverted_from: None,
        sdp: Some("v=0\r\n".to_owned()),
    })
}

fn digits(text: &str) -> LegSignal {
    LegSignal::Dtmf(LegDigits {
        digits: text.to_owned(),
        duration_ms: None,
    })
}

fn hang_up() -> LegSignal {
    LegSignal::End(LegEnd {
        cause: LegEndCause::Hangup,
        status: None,
        reason: None,
    })
}

fn cause(signal: &LegSignal) -> Option<LegEndCause> {
    match signal {
        LegSignal::End(end) => Some(end.cause),
        _ => None,
    }
}

/// Books of an end whose channel is up.
fn up() -> Legs {
    let mut legs = Legs::default();
    legs.handle_up(true, false, FRAME_LEN_MAX);
    legs
}

/// Carries everything in both directions.
fn exchange(a: &mut Legs, b: &mut Legs) {
    loop {
        if let Some(frame) = a.poll_transmit() {
            b.handle_frame(frame);
        } else if let Some(frame) = b.poll_transmit() {
            a.handle_frame(frame);
        } else {
            return;
        }
    }
}

fn taken(legs: &mut Legs) -> Vec<(CloudLegId, LegSignal)> {
    std::iter::from_fn(|| legs.poll_signal()).collect()
}

fn leg(leg: u128, n: u64, signal: LegSignal) -> LegFrame {
    LegFrame::Leg(Leg {
        cloud_leg_id: id(leg),
        n,
        signal,
    })
}

#[test]
fn signals_arrive_once_and_in_order_and_are_acknowledged_when_taken() {
    let (mut a, mut b) = (up(), up());
    let said = [invite(), digits("1"), digits("2"), hang_up()];
    for signal in said.clone() {
        a.send(id(1), signal, start());
        exchange(&mut a, &mut b);
    }
    assert_eq!(b.poll_transmit(), None, "nothing was taken");
    let heard: Vec<_> = taken(&mut b)
        .into_iter()
        .map(|(_, signal)| signal)
        .collect();
    assert_eq!(heard, said);
    exchange(&mut a, &mut b);
    for legs in [&a, &b] {
        assert_eq!((legs.stats().open, legs.stats().begun), (0, 1));
    }
    // What comes for a leg that is over.
    b.handle_frame(leg(1, 4, hang_up()));
    assert_eq!(
        b.poll_transmit(),
        Some(LegFrame::Ack(LegAck {
            cloud_leg_id: id(1),
            n: 4
        }))
    );
    b.handle_frame(leg(1, 5, digits("3")));
    match b.poll_transmit() {
        Some(LegFrame::Leg(Leg { n: 0, signal, .. })) => {
            assert_eq!(cause(&signal), Some(LegEndCause::Lost));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hole_and_a_signal_beyond_its_limits_end_the_leg_on_both_sides_and_say_why() {
    let wrong = [
        (3, digits("1"), "signal 3 after 1"),
        (2, invite(), "an invite to a leg that goes on"),
        (2, digits("x"), "digits are 1 to 64 of 0-9 * # A-D"),
        (0, digits("1"), "a signal without a number"),
    ];
    for (n, signal, why) in wrong {
        let mut b = up();
        b.handle_frame(leg(1, 1, invite()));
        assert_eq!(taken(&mut b).len(), 1);
        b.handle_frame(leg(1, n, signal));
        let told = taken(&mut b);
        let [(_, LegSignal::End(end))] = told.as_slice() else {
            panic!("{told:?}");
        };
        assert_eq!(end.reason.as_deref(), Some(why));
        let sent: Vec<_> = std::iter::from_fn(|| b.poll_transmit()).collect();
        let ended = leg(1, 1, LegSignal::End(end.clone()));
        assert!(sent.contains(&ended), "{sent:?}");
        assert_eq!(b.stats().refused, 1);
    }
}

#[test]
fn every_limit_of_a_signal_is_named_in_a_sentence() {
    let sdp = |sdp: String| LegSignal::Offer(Description { sdp });
    let refused = |status| {
        LegSignal::OfferRefused(Refused {
            status,
            reason: None,
        })
    };
    let invite = |change: fn(&mut LegInvite)| {
        let LegSignal::Invite(mut it) = invite() else {
            unreachable!()
        };
        change(&mut it);
        LegSignal::Invite(it)
    };
    let end = |status, reason: &str| {
        LegSignal::End(LegEnd {
            cause: LegEndCause::Failed,
            status,
            reason: Some(reason.to_owned()),
        })
    };
    let heard_for = |ms| {
        LegSignal::Dtmf(LegDigits {
            digits: "1".to_owned(),
            duration_ms: Some(ms),
        })
    };
    let bad = [
        (
            sdp("x".repeat(SDP_LEN_MAX + 1)),
            "at most 32768 bytes, this one has 32769",
        ),
        (sdp(String::new()), "lines of text"),
        (sdp("v=0\0".to_owned()), "lines of text"),
        (sdp("hello".to_owned()), "the first of which is v=0"),
        (digits(""), "1 to 64"),
        (digits(&"1".repeat(65)), "1 to 64"),
        (digits("1,2"), "1 to 64"),
        (heard_for(19), "not for 19 ms"),
        (refused(299), "not 299"),
        (refused(700), "not 700"),
        (end(Some(200), "x"), "not 200"),
        (end(None, "two\nlines"), "reason is"),
        (end(None, &"x".repeat(TEXT_LEN_MAX + 1)), "reason is"),
        (invite(|it| it.to = String::new()), "to is"),
        (invite(|it| it.from = Some("a\rb".to_owned())), "from is"),
        (
            invite(|it| it.owner = LegOwner::Endpoint(String::new())),
            "owner is",
        ),
        (
            LegSignal::Transfer(TransferTarget::Number(String::new())),
            "to is",
        ),
    ];
    for (signal, why) in bad {
        let error = signal.check().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn signals_at_their_limits_are_taken() {
    let call_id = cloud_uplink::CallId::new(ulid::Ulid(1));
    let sdp = format!("v=0\n{}", "x".repeat(SDP_LEN_MAX - 4));
    let reason = Some("x".repeat(TEXT_LEN_MAX));
    for good in [
        LegSignal::Offer(Description { sdp }),
        digits(&"9".repeat(64)),
        LegSignal::Dtmf(LegDigits {
            digits: "A".to_owned(),
            duration_ms: Some(20),
        }),
        LegSignal::OfferRefused(Refused {
            status: 300,
            reason: None,
        }),
        LegSignal::End(LegEnd {
            cause: LegEndCause::Failed,
            status: Some(699),
            reason,
        }),
        LegSignal::Ringing(EarlyMedia::default()),
        LegSignal::OfferWanted,
        LegSignal::Correlated(Correlated { call_id }),
        LegSignal::Transfer(TransferTarget::Leg(id(2))),
    ] {
        good.check().unwrap();
    }
}

#[test]
fn the_largest_signal_fits_into_a_frame_and_one_that_does_not_ends_its_leg() {
    let sdp = format!("v=0\n{}", "\"\\".repeat(SDP_LEN_MAX / 2 - 2));
    let offer = LegSignal::Offer(Description { sdp });
    let mut legs = up();
    legs.send(id(1), invite(), start());
    legs.send(id(1), offer, start());
    let frames: Vec<_> = std::iter::from_fn(|| legs.poll_transmit()).collect();
    let text = GatewayFrame::from(frames[1].clone()).to_json();
    assert!(text.len() > 2 * SDP_LEN_MAX && text.len() <= FRAME_LEN_MAX);
    // After a resume the far end may take less.
    legs.handle_down(start());
    legs.handle_up(true, true, 16 * 1024);
    let frames: Vec<_> = std::iter::from_fn(|| legs.poll_transmit()).collect();
    let end = frames.last().unwrap();
    assert!(
        matches!(
            end,
            LegFrame::Leg(Leg {
                signal: LegSignal::End(_),
                ..
            })
        ),
        "{end:?}"
    );
    let told = taken(&mut legs);
    let LegSignal::End(end) = &told[0].1 else {
        panic!("{told:?}");
    };
    assert!(end.reason.as_deref().unwrap().contains("16384 bytes"));
}

#[test]
fn too_much_unacknowledged_ends_the_leg_at_either_end_and_is_counted() {
    let mut a = up();
    a.send(id(1), invite(), start());
    for _ in 0..SIGNALS_UNACKED_MAX {
        a.send(id(1), digits("1"), start());
    }
    assert_eq!(a.stats().overflowed, 1);
    assert_eq!(cause(&taken(&mut a)[0].1), Some(LegEndCause::Failed));

    let mut b = up();
    b.handle_frame(leg(1, 1, invite()));
    for n in 2..=SIGNALS_UNACKED_MAX as u64 + 1 {
        b.handle_frame(leg(1, n, digits("1")));
    }
    assert_eq!(b.stats().overflowed, 1);

    let mut full = up();
    for leg in 0..LEGS_MAX as u128 {
        full.send(id(leg), invite(), start());
        while full.poll_transmit().is_some() {}
    }
    full.send(id(LEGS_MAX as u128), invite(), start());
    assert_eq!(cause(&taken(&mut full)[0].1), Some(LegEndCause::Congestion));
    full.handle_frame(leg(u128::MAX, 1, invite()));
    match full.poll_transmit() {
        Some(LegFrame::Leg(Leg { n: 0, signal, .. })) => {
            assert_eq!(cause(&signal), Some(LegEndCause::Congestion));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_leg_outlives_a_short_outage_and_no_longer_one() {
    let now = start();
    let (mut a, mut b) = (up(), up());
    a.send(id(1), invite(), start());
    exchange(&mut a, &mut b);
    assert_eq!(taken(&mut b).len(), 1);
    exchange(&mut a, &mut b);
    for legs in [&mut a, &mut b] {
        legs.handle_down(now);
    }
    a.send(id(1), digits("5"), start());
    b.send(id(1), LegSignal::Ringing(EarlyMedia::default()), start());
    // A call that begins during the outage waits for as long as one that began before it.
    let later = Duration::from_secs(3);
    a.send(id(2), invite(), now);
    a.send(id(3), invite(), now + later);
    for (leg, waits) in [(2, INVITE_WAIT), (3, later + INVITE_WAIT)] {
        assert_eq!(a.poll_timeout(), Some(now + waits));
        a.handle_timeout(now + waits);
        let told = taken(&mut a);
        assert_eq!(told.len(), 1, "{told:?}");
        let told = (told[0].0, cause(&told[0].1));
        assert_eq!(told, (id(leg), Some(LegEndCause::Lost)));
    }
    for legs in [&mut a, &mut b] {
        legs.handle_timeout(now + LOST_AFTER - Duration::from_millis(1));
        legs.handle_up(true, true, FRAME_LEN_MAX);
    }
    exchange(&mut a, &mut b);
    assert_eq!(taken(&mut a).len(), 1);
    assert_eq!(taken(&mut b), [(id(1), digits("5"))]);

    for (legs, lost) in [(&mut a, 3), (&mut b, 1)] {
        legs.handle_down(now);
        while let Some(at) = legs.poll_timeout() {
            legs.handle_timeout(at);
        }
        let told = taken(legs);
        assert_eq!(
            (told.len(), cause(&told[0].1)),
            (1, Some(LegEndCause::Lost))
        );
        assert_eq!((legs.stats().open, legs.stats().lost), (0, lost));
    }
}

#[test]
fn a_leg_that_one_side_lost_ends_on_the_other_when_the_channel_is_back() {
    let now = start();
    let (mut a, mut b) = (up(), up());
    a.send(id(1), invite(), start());
    exchange(&mut a, &mut b);
    assert_eq!(taken(&mut b).len(), 1);
    exchange(&mut a, &mut b);
    a.handle_down(now);
    b.handle_down(now);
    // The clocks differ by a little; only one side has given the leg up.
    a.handle_timeout(now + LOST_AFTER);
    assert_eq!(taken(&mut a).len(), 1);
    for legs in [&mut a, &mut b] {
        legs.handle_up(true, true, FRAME_LEN_MAX);
    }
    exchange(&mut a, &mut b);
    assert_eq!(cause(&taken(&mut b)[0].1), Some(LegEndCause::Lost));
    assert_eq!((a.stats().open, b.stats().open), (0, 0));
}

#[test]
fn a_peer_without_legs_or_that_started_anew_has_no_calls() {
    let mut legs = up();
    legs.send(id(1), invite(), start());
    while legs.poll_transmit().is_some() {}
    legs.handle_up(true, false, FRAME_LEN_MAX);
    assert_eq!(cause(&taken(&mut legs)[0].1), Some(LegEndCause::Lost));
    legs.handle_up(false, false, FRAME_LEN_MAX);
    legs.send(id(2), invite(), start());
    assert_eq!(legs.poll_transmit(), None);
    assert_eq!(cause(&taken(&mut legs)[0].1), Some(LegEndCause::Failed));
}

#[test]
fn an_invite_that_was_ended_is_not_repeated_on_a_new_connection() {
    let (mut a, mut b) = (up(), up());
    for signal in [invite(), hang_up()] {
        a.send(id(1), signal, start());
        exchange(&mut a, &mut b);
    }
    assert_eq!(taken(&mut b).len(), 2, "and the acknowledgements are lost");
    for legs in [&mut a, &mut b] {
        legs.handle_down(start());
        legs.handle_up(true, true, FRAME_LEN_MAX);
    }
    exchange(&mut a, &mut b);
    assert_eq!(taken(&mut b), []);
    assert_eq!(a.stats().open, 0);
}

/// What an end's owner said and heard of one leg.
#[derive(Debug, Default)]
struct Told {
    said: Vec<LegSignal>,
    heard: Vec<LegSignal>,
    over: bool,
}

/// One end with its owner.
#[derive(Debug)]
struct Side {
    legs: Legs,
    told: BTreeMap<CloudLegId, Told>,
    out: VecDeque<LegFrame>,
}

impl Side {
    fn new() -> Self {
        Self {
            legs: up(),
            told: BTreeMap::new(),
            out: VecDeque::new(),
        }
    }

    fn say(&mut self, leg: CloudLegId, signal: LegSignal) {
        let told = self.told.entry(leg).or_default();
        if !told.over {
            told.over = cause(&signal).is_some();
            told.said.push(signal.clone());
            self.legs.send(leg, signal, start());
        }
    }

    fn take(&mut self, rng: &mut StdRng) {
        while rng.random_bool(0.8)
            && let Some((leg, signal)) = self.legs.poll_signal()
        {
            let told = self.told.entry(leg).or_default();
            if !told.over {
                told.over = cause(&signal).is_some();
                told.heard.push(signal);
            }
        }
    }
}

#[test]
fn a_thousand_seeds_take_every_signal_once_in_order_and_leave_no_leg_behind() {
    let mut bites = [0_u64; 3];
    for seed in 0..1_000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut now = start();
        let (mut a, mut b) = (Side::new(), Side::new());
        let mut begun = 0;
        for _ in 0..200 {
            let side = if rng.random_bool(0.5) { &mut a } else { &mut b };
            match rng.random_range(0..100) {
                0..15 => {
                    begun += 1;
                    side.say(id(begun), invite());
                }
                15..55 => {
                    let open: Vec<_> = side.told.iter().filter(|(_, told)| !told.over).collect();
                    if let Some((leg, told)) = open.get(rng.random_range(0..=open.len())) {
                        let (leg, number) = (**leg, told.said.len());
                        let over = rng.random_ratio(1, 5);
                        side.say(
                            leg,
                            if over {
                                hang_up()
                            } else {
                                digits(&number.to_string())
                            },
                        );
                    }
                }
                55..60 => cut(&mut a, &mut b, &mut now, &mut rng, &mut bites),
                60..75 => side.take(&mut rng),
                _ => {}
            }
            carry(&mut a, &mut b, &mut rng);
        }
        for _ in 0..200 {
            carry(&mut a, &mut b, &mut rng);
            a.take(&mut rng);
            b.take(&mut rng);
        }
        // Both agree on which legs there are, and each heard what the other said, in order.
        for (side, other) in [(&a, &b), (&b, &a)] {
            for (leg, told) in &side.told {
                let theirs = other.told.get(leg);
                let over = theirs.is_none_or(|theirs| theirs.over);
                assert_eq!(told.over, over, "seed {seed}: {leg}");
                let said = theirs.map_or(&[][..], |theirs| &theirs.said);
                let heard: Vec<_> = told.heard.iter().filter(|s| cause(s).is_none()).collect();
                let began: Vec<_> = said.iter().take(heard.len()).collect();
                assert_eq!(heard, began, "seed {seed}: {leg}");
            }
            let open = side.told.values().filter(|told| !told.over).count();
            assert_eq!(side.legs.stats().open, open, "seed {seed}");
        }
    }
    assert!(bites.iter().all(|bites| *bites > 500), "{bites:?}");
}

/// Both directions, as far as it comes.
fn carry(a: &mut Side, b: &mut Side, rng: &mut StdRng) {
    carry_one_way(a, b, rng);
    carry_one_way(b, a, rng);
}

fn carry_one_way(from: &mut Side, to: &mut Side, rng: &mut StdRng) {
    while let Some(frame) = from.legs.poll_transmit() {
        from.out.push_back(frame);
    }
    while rng.random_bool(0.7)
        && let Some(frame) = from.out.pop_front()
    {
        to.legs.handle_frame(frame);
    }
}

/// The connection breaks; what was on it is lost. Then it is back: soon, late, or with a peer that began
/// anew.
fn cut(a: &mut Side, b: &mut Side, now: &mut Instant, rng: &mut StdRng, bites: &mut [u64; 3]) {
    let kind = [0, 0, 0, 1, 2][rng.random_range(0..5)];
    bites[kind] += 1;
    for side in [&mut *a, &mut *b] {
        side.out.clear();
        side.legs.handle_down(*now);
    }
    *now += if kind == 1 {
        LOST_AFTER
    } else {
        Duration::from_secs(1)
    };
    for side in [a, b] {
        side.legs.handle_timeout(*now);
        side.legs.handle_up(true, kind != 2, FRAME_LEN_MAX);
    }
}

#[test]
fn a_telephone_rings_while_a_hundred_thousand_events_wait() {
    let (mut session, now) = gateway_up(Welcome {
        caps: vec![CAP_LEGS.to_owned()],
        ..welcome(10)
    });
    session.supply_snapshot(state().stream, 10, View::default());
    let event = |seq| Item::event(seq, format!("{{\"pad\":\"{}\"}}", "x".repeat(400))).unwrap();
    let mut stood = state();
    stood.high_water = 100_010;
    session.handle_stream(stood);
    let (mut stored, mut between, mut rung) = (10, 0_u64, 0);
    let mut worst = 0;
    while stored < 100_010 {
        while let Some(happened) = session.poll_event() {
            match happened {
                cloud_uplink::session::gateway::GatewayEvent::ReadSnapshot => {
                    session.supply_snapshot(state().stream, 10, View::default());
                }
                cloud_uplink::session::gateway::GatewayEvent::ReadEvents(request) => {
                    let upto = (request.from + request.max_events).min(100_011);
                    session.supply(request, (request.from..upto).map(event).collect(), now);
                }
                _ => {}
            }
        }
        if rung == stored / 1_000 {
            rung += 1;
            between = 0;
            session.send_leg(id(u128::from(rung)), invite(), start());
            session.handle_frame(CloudFrame::Ping(cloud_uplink::frame::Ping { n: 1 }), now);
        }
        let Some(frame) = session.poll_transmit() else {
            session.handle_frame(CloudFrame::Ack(cloud_uplink::frame::Ack { s: stored }), now);
            continue;
        };
        match frame {
            GatewayFrame::Leg(_) => worst = worst.max(between),
            GatewayFrame::Pong(_) => assert_eq!(between, 0, "a pong goes before a leg"),
            GatewayFrame::Events(events) => {
                stored = events.s + events.e.len() as u64 - 1;
                between += 1;
            }
            _ => {}
        }
    }
    assert!(rung >= 50, "{rung}");
    assert_eq!(worst, 0, "frames of events before an invite");
}

#[test]
fn a_signal_of_an_unknown_kind_ends_its_leg_and_not_the_channel() {
    let (mut session, now) = gateway_up(Welcome {
        caps: vec![CAP_LEGS.to_owned()],
        ..welcome(10)
    });
    session.handle_frame(CloudFrame::from(leg(1, 1, invite())), now);
    assert!(session.poll_leg().is_some());
    let strange = format!(
        r#"{{"t":"leg","cloudLegId":"{}","n":2,"signal":"sing"}}"#,
        id(1)
    );
    session.handle_text(&strange, now);
    assert!(session.is_up());
    let told = session.poll_leg().unwrap();
    assert_eq!(cause(&told.1), Some(LegEndCause::Failed));
    assert!(
        format!("{told:?}").contains("unknown variant `sing`"),
        "{told:?}"
    );
}
