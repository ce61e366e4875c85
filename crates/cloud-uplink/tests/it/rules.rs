//! What each end does when the other breaks a rule.

use std::time::{Duration, Instant};

use cloud_uplink::StreamId;
use cloud_uplink::frame::{
    Ack, CloudFrame, Events, Gap, GatewayFrame, Goaway, Hello, Welcome, Window, close,
};
use cloud_uplink::session::cloud::{self, Accept, CloudEvent, CloudSession, Fence};
use cloud_uplink::session::gateway::{self, GatewayEvent, GatewaySession};
use cloud_uplink::session::{Item, StreamState, View};
use serde_json::value::RawValue;

use crate::model::{NOW, identity};
use crate::pair::{command_number, start};

#[test]
fn the_gateway_closes_on_an_acknowledgement_of_what_it_never_sent() {
    let (mut session, now) = gateway_up(welcome(0));
    session.handle_frame(CloudFrame::Ack(Ack { s: 1 }), now);
    assert_eq!(gateway_closes(&mut session), Some(close::MALFORMED));
}

#[test]
fn the_gateway_reports_a_stream_that_the_far_end_knows_better() {
    let (mut session, _) = gateway_up(welcome(11));
    let event = session.poll_event();
    assert!(matches!(
        event,
        Some(GatewayEvent::StreamAhead {
            acked: 11,
            high_water: 10,
            ..
        })
    ));
    assert_eq!(gateway_closes(&mut session), Some(close::MALFORMED));
}

#[test]
fn the_gateway_refuses_a_welcome_that_leaves_no_room() {
    let narrow = Window {
        events: 0,
        bytes: 1 << 20,
    };
    let (mut session, _) = gateway_up(Welcome {
        window: narrow,
        ..welcome(0)
    });
    assert_eq!(gateway_closes(&mut session), Some(close::MALFORMED));
    let (mut session, _) = gateway_up(Welcome { v: 2, ..welcome(0) });
    assert_eq!(gateway_closes(&mut session), Some(close::VERSION));
}

#[test]
fn the_gateway_gives_up_a_far_end_that_is_silent() {
    let (mut session, start) = gateway_up(welcome(10));
    let mut pings = 0;
    while let Some((at, _)) = session.poll_timeout() {
        session.handle_timeout(at);
        pings += std::iter::from_fn(|| session.poll_transmit())
            .filter(is_ping)
            .count();
        if gateway_closes(&mut session) == Some(close::TIMEOUT) {
            assert_eq!((pings, at - start), (2, Duration::from_secs(20)));
            return;
        }
    }
    panic!("never given up");
}

#[test]
fn the_gateway_needs_a_person_for_some_refusals() {
    for (code, person) in [
        (4401, true),
        (4403, true),
        (4409, true),
        (4426, true),
        (4400, false),
    ] {
        let (mut session, now) = gateway_up(welcome(10));
        while session.poll_event().is_some() {}
        session.handle_disconnected(Some(code), now);
        let event = session.poll_event();
        let expected = matches!(event, Some(GatewayEvent::Refused { needs_person, .. })
            if needs_person == person);
        assert!(expected, "{code}: {event:?}");
    }
}

#[test]
fn a_fresh_event_goes_out_at_once_and_a_full_window_holds_the_next() {
    let window = Window {
        events: 1,
        bytes: 1 << 20,
    };
    let (mut session, now) = gateway_up(Welcome {
        window,
        ..welcome(10)
    });
    while session.poll_event().is_some() {}
    session.supply_snapshot(state().stream, 10, View::default());
    while session.poll_transmit().is_some() {}
    let fresh = |seq| Item::event(seq, "{}".to_owned()).unwrap();
    session.handle_committed(state().stream, [fresh(11), fresh(12)]);
    assert!(matches!(
        session.poll_transmit(),
        Some(GatewayFrame::Events(Events { s: 11, .. }))
    ));
    assert!(session.poll_transmit().is_none());
    session.handle_frame(CloudFrame::Ack(Ack { s: 11 }), now);
    assert!(matches!(
        session.poll_event(),
        Some(GatewayEvent::Acked { seq: 11, .. })
    ));
    assert!(
        matches!(session.poll_event(), Some(GatewayEvent::ReadEvents(read)) if read.from == 12)
    );
}

#[test]
fn goaway_leaves_the_connection_working() {
    let (mut session, now) = gateway_up(welcome(10));
    while session.poll_event().is_some() {}
    let goaway = Goaway {
        reason: "upgrade".to_owned(),
        after_ms: 5,
        spread_ms: 7,
    };
    session.handle_frame(CloudFrame::Goaway(goaway), now);
    let (after, spread) = (Duration::from_millis(5), Duration::from_millis(7));
    let event = session.poll_event();
    assert!(
        matches!(event, Some(GatewayEvent::Reconnect { after: a, spread: s }) if (a, s) == (after, spread))
    );
    assert!(session.is_up());
}

#[test]
fn the_far_end_closes_on_a_hole_and_drops_what_came_before() {
    let (mut session, now) = cloud_up();
    session.handle_frame(events(1, 3), now);
    assert!(matches!(
        session.poll_event(),
        Some(CloudEvent::Store { first: 1, .. })
    ));
    session.handle_frame(events(2, 3), now);
    let event = session.poll_event();
    assert!(matches!(event, Some(CloudEvent::Store { first: 4, events, .. }) if events.len() == 1));
    assert_eq!(session.stats().duplicates, 2);
    session.stored(4);
    assert!(matches!(
        session.poll_transmit(),
        Some(CloudFrame::Ack(Ack { s: 4 }))
    ));
    session.handle_frame(events(6, 1), now);
    assert_eq!(cloud_closes(&mut session), Some(close::MALFORMED));
}

#[test]
fn the_far_end_closes_on_numbers_that_lead_nowhere() {
    for (from, to) in [(0, 1), (2, 1), (1, u64::MAX)] {
        let (mut session, now) = cloud_up();
        let gap = Gap {
            from,
            to,
            reason: "disk".to_owned(),
        };
        session.handle_frame(GatewayFrame::Gap(gap), now);
        assert_eq!(
            cloud_closes(&mut session),
            Some(close::MALFORMED),
            "{from} {to}"
        );
    }
}

#[test]
fn the_far_end_closes_without_hello_and_without_a_common_version() {
    let now = start();
    let mut session = CloudSession::new(cloud::Config::default());
    session.handle_connected(now);
    let (at, timer) = session.poll_timeout().unwrap();
    assert_eq!(
        (at - now, timer),
        (Duration::from_secs(5), cloud::Timer::Hello)
    );
    session.handle_timeout(at);
    assert_eq!(cloud_closes(&mut session), Some(close::TIMEOUT));

    let mut session = CloudSession::new(cloud::Config::default());
    session.handle_connected(now);
    session.handle_frame(
        GatewayFrame::Hello(Hello {
            v: 3,
            v_min: 2,
            ..hello(now)
        }),
        now,
    );
    assert_eq!(cloud_closes(&mut session), Some(close::VERSION));
}

#[test]
fn the_far_end_closes_when_the_window_is_exceeded_or_text_is_no_frame() {
    let (mut session, now) = cloud_up();
    session.handle_frame(events(1, 2_049), now);
    assert_eq!(cloud_closes(&mut session), Some(close::MALFORMED));
    let (mut session, now) = cloud_up();
    session.handle_text("{\"t\":\"later\"}", now);
    assert!(session.is_up());
    session.handle_text("<xml/>", now);
    assert_eq!(cloud_closes(&mut session), Some(close::MALFORMED));
    let (mut session, now) = cloud_up();
    session.handle_text(&"x".repeat(200_000), now);
    assert_eq!(cloud_closes(&mut session), Some(close::TOO_BIG));
}

#[test]
fn a_newer_start_takes_over_and_an_older_one_does_not() {
    let fence = |lease_epoch, boot| Fence { lease_epoch, boot };
    assert!(fence(0, 2).supersedes(fence(0, 1)));
    assert!(
        fence(0, 2).supersedes(fence(0, 2)),
        "the same gateway connects again"
    );
    assert!(!fence(0, 1).supersedes(fence(0, 2)));
    assert!(
        fence(1, 1).supersedes(fence(0, 9)),
        "the lease counts first"
    );
}

#[test]
fn a_session_that_goes_on_under_its_name_goes_on_numbering_commands() {
    let (mut gateway, now) = gateway_up(welcome(0));
    while gateway.poll_event().is_some() {}
    let mut numbers = Vec::new();
    for (session, resumed) in [("s", true), ("s", true), ("other", false), ("other", true)] {
        gateway.handle_disconnected(None, now);
        gateway.handle_connected(now);
        let mut cloud = CloudSession::new(cloud::Config::default());
        cloud.handle_connected(now);
        cloud.handle_frame(gateway.poll_transmit().unwrap(), now);
        let accept = Accept {
            session: session.to_owned(),
            resumed,
            acked: 0,
            time: NOW,
        };
        cloud.accept(accept, now);
        let command = command_number(numbers.len() as u64);
        numbers.push(cloud.send_command(command).unwrap());
        let mut taken = 0;
        while let Some(frame) = cloud.poll_transmit() {
            gateway.handle_frame(frame, now);
        }
        while let Some(event) = gateway.poll_event() {
            match event {
                GatewayEvent::Welcome { resumed: said, .. } => assert_eq!(said, resumed),
                GatewayEvent::Command { reference, .. } => {
                    gateway.command_stored(reference);
                    taken += 1;
                }
                GatewayEvent::Disconnect { reason, .. } => panic!("{session}: {reason}"),
                _ => {}
            }
        }
        assert_eq!(taken, 1, "the command after the welcome is taken");
    }
    // As the first welcome carried no command, the session that goes on begins with 1.
    assert_eq!(numbers, [1, 2, 1, 2]);
}

fn is_ping(frame: &GatewayFrame) -> bool {
    matches!(frame, GatewayFrame::Ping(_))
}

pub(crate) fn state() -> StreamState {
    let stream = StreamId(uuid::Uuid::from_u128(7));
    StreamState {
        stream,
        durable: true,
        high_water: 10,
        lowest_unacked: 1,
    }
}

pub(crate) fn welcome(acked: u64) -> Welcome {
    Welcome {
        v: 1,
        session: "s".to_owned(),
        resumed: false,
        acked,
        heartbeat_ms: 10_000,
        window: Window {
            events: 2_048,
            bytes: 1 << 20,
        },
        max_frame: 128 * 1024,
        time: NOW,
        caps: Vec::new(),
    }
}

/// A gateway's end that got that welcome.
pub(crate) fn gateway_up(welcome: Welcome) -> (GatewaySession, Instant) {
    let now = start();
    let config = gateway::Config {
        identity: identity(),
        software: "ringway/test".to_owned(),
        boot: 1,
        lease_epoch: 0,
        welcome_timeout: Duration::from_secs(10),
        pong_timeout: Duration::from_secs(5),
    };
    let mut session = GatewaySession::new(config, state());
    session.handle_connected(now);
    assert!(matches!(
        session.poll_transmit(),
        Some(GatewayFrame::Hello(_))
    ));
    session.handle_frame(CloudFrame::Welcome(welcome), now);
    (session, now)
}

fn hello(now: Instant) -> Hello {
    let (mut session, _) = gateway_up(welcome(0));
    session.handle_disconnected(None, now);
    session.handle_connected(now);
    while session.poll_event().is_some() {}
    match session.poll_transmit() {
        Some(GatewayFrame::Hello(hello)) => hello,
        other => panic!("{other:?}"),
    }
}

/// A far end's end that accepted a gateway whose stream it does not know.
pub(crate) fn cloud_up() -> (CloudSession, Instant) {
    let now = start();
    let mut session = CloudSession::new(cloud::Config::default());
    session.handle_connected(now);
    session.handle_frame(GatewayFrame::Hello(hello(now)), now);
    assert!(matches!(session.poll_event(), Some(CloudEvent::Hello(_))));
    let accept = Accept {
        session: "s".to_owned(),
        resumed: false,
        acked: 0,
        time: NOW,
    };
    session.accept(accept, now);
    assert!(matches!(
        session.poll_transmit(),
        Some(CloudFrame::Welcome(_))
    ));
    (session, now)
}

fn events(s: u64, count: usize) -> GatewayFrame {
    let event = RawValue::from_string("{}".to_owned()).unwrap();
    GatewayFrame::Events(Events {
        s,
        replayed: false,
        e: vec![event; count],
    })
}

fn gateway_closes(session: &mut GatewaySession) -> Option<u16> {
    std::iter::from_fn(|| session.poll_event()).find_map(|event| match event {
        GatewayEvent::Disconnect { code, .. } => Some(code),
        _ => None,
    })
}

pub(crate) fn cloud_closes(session: &mut CloudSession) -> Option<u16> {
    std::iter::from_fn(|| session.poll_event()).find_map(|event| match event {
        CloudEvent::Disconnect { code, .. } => Some(code),
        _ => None,
    })
}
