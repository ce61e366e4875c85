//! What a broken or hostile peer sends.

use crate::client::testing::{
    Link, SESSION, error, event, idle, monitor_started, secs, system_status,
};
use crate::client::{ClientState, Config, INCOMPLETE_FRAME_LIMIT, TRANSMIT_BUFFER_MAX};
use crate::{DeviceId, InvokeId, frame};
use bytes::BytesMut;

fn link() -> Link {
    Link::watching(Config::default(), &["2001"])
}

/// A frame whose header claims `length` bytes.
fn frame_of_length(length: u16, body: &str) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend(length.to_be_bytes());
    bytes.extend(b"9999");
    bytes.extend(body.as_bytes());
    bytes
}

#[test]
fn headers_that_cannot_be_one_close_the_link() {
    for (bytes, why) in [
        (&b"\x01\x00\x00\x10"[..], "frame format is 01 00"),
        (b"GET / HTTP/1.1", "frame format is 47 45"),
        (b"\x00\x00\x00\x070000", "frame length is 7"),
        (b"\x00\x00\x00\x00\x00\x00\x00\x00", "frame length is 0"),
        (b"\x00\x00\x00\x1000x0", "invoke id is"),
    ] {
        let mut link = link();
        link.client.handle_bytes(bytes, link.now);
        let told = link.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("framing lost") && told[0].contains(why),
            "{told:?}"
        );
        assert_eq!(link.client.state(), ClientState::Closed);
    }
}

#[test]
fn bad_bodies_are_counted_and_told_once_per_kind_and_the_link_is_kept() {
    let mut link = link();
    let deep = "<a>".repeat(21_842);
    for _ in 0..2 {
        link.receive(9999, "<a");
        link.receive(9999, "");
        link.receive(9999, "<!DOCTYPE a><a/>");
        link.receive(9999, &deep);
        link.receive(9999, "<DeliveredEvent/>");
        link.receive(
            3,
            "<SystemStatus><systemStatus>odd</systemStatus></SystemStatus>",
        );
        link.client
            .handle_bytes(b"\x00\x00\x00\x0c9999<a\xff>", link.now);
    }
    link.expect_told(&[
        "BadMessage malformed",
        "BadMessage empty",
        "BadMessage dtd",
        "BadMessage too-deep",
        "BadMessage missing-element",
        "BadMessage bad-value",
        "BadMessage utf8",
    ]);
    assert!(
        link.client
            .stats()
            .bad_messages
            .values()
            .all(|&count| count == 2)
    );
    link.receive(9999, &event("x1", "c1"));
    link.expect_told(&["ServiceInitiatedEvent 2001 c1/d"]);
    link.expect_sent(&[]);
}

#[test]
fn a_frame_that_swallows_the_next_is_one_error_and_no_event() {
    // The second frame's length has a byte that is no UTF-8: the document's end counts, not that.
    let good = frame_of_length(0x00eb, &event("x1", "c1"));
    for tail in [&good[..], b"\x00\x00\x00\x0b0001<a/>"] {
        let mut link = link();
        let body = event("x1", "c0");
        let length = u16::try_from(frame::HEADER_LEN + body.len() + tail.len()).unwrap();
        let mut bytes = frame_of_length(length, &body);
        bytes.extend(tail);
        bytes.extend(tail);
        link.client.handle_bytes(&bytes, link.now);
        let told = link.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("data after the end of the document"),
            "{told:?}"
        );
    }
}

#[test]
fn a_frame_that_stays_incomplete_closes_the_link() {
    let mut link = link();
    link.client
        .handle_bytes(&frame_of_length(1089, "<a>"), link.now);
    link.pass(INCOMPLETE_FRAME_LIMIT - secs(1));
    link.client.handle_bytes(b"more", link.now);
    link.expect_told(&[]);
    link.pass(secs(1));
    link.expect_told(&["Closed: frame incomplete for too long, 15 bytes of it came"]);
}

#[test]
fn each_incomplete_frame_has_its_own_time() {
    let mut link = link();
    let mut whole = frame_of_length(0, &event("x1", "c1"));
    let length = u16::try_from(whole.len()).unwrap();
    whole[2..4].copy_from_slice(&length.to_be_bytes());
    let (begin, end) = whole.split_at(20);
    let step = INCOMPLETE_FRAME_LIMIT - secs(1);
    link.client.handle_bytes(begin, link.now);
    for _ in 0..3 {
        link.pass(step);
        link.client.handle_bytes(&[end, begin].concat(), link.now);
    }
    link.pass(step);
    link.client.handle_bytes(end, link.now);
    link.pass(secs(20));
    link.expect_told(&["ServiceInitiatedEvent 2001 c1/d"; 4]);
}

#[test]
fn works_with_bytes_in_pieces_of_any_size() {
    let mut bytes = BytesMut::new();
    frame::encode(InvokeId::FIRST, SESSION, &mut bytes).unwrap();
    frame::encode(InvokeId::FIRST, &system_status("normal"), &mut bytes).unwrap();
    for piece in [1, 2, 7, 100, bytes.len()] {
        let mut link = Link::open(Config::default(), &[]);
        for chunk in bytes.chunks(piece) {
            link.client.handle_bytes(chunk, link.now);
        }
        let told = link.told();
        assert!(told.contains(&"Started Ed5 session=s1 duration=120".to_owned()));
        assert!(told.contains(&"SystemStatus normal".to_owned()));
    }
}

#[test]
fn a_peer_that_asks_and_does_not_read_is_left() {
    let mut link = link();
    let answers = TRANSMIT_BUFFER_MAX / 100;
    for _ in 0..answers {
        link.receive(1, "<RequestSystemStatus/>");
        if link.client.state() == ClientState::Closed {
            break;
        }
    }
    link.expect_told(&["Closed: the switching function does not read"]);
}

#[test]
fn answers_to_nothing_are_counted() {
    let mut link = link();
    link.receive(
        77,
        "<MakeCallResponse><callingDevice><callID>1</callID></callingDevice></MakeCallResponse>",
    );
    link.receive(77, "<NobodyKnowsResponse/>");
    assert_eq!(link.client.stats().unmatched_answers, 2);
    link.expect_told(&["UnknownMessage NobodyKnowsResponse"]);
}

#[test]
fn unknown_names_are_remembered_up_to_a_limit() {
    let mut link = link();
    for i in 0..1000 {
        link.receive(3, &format!("<N{i}/>"));
    }
    assert_eq!(link.told().len(), crate::client::UNKNOWN_NAMES_MAX);
    assert_eq!(link.client.stats().unknown_messages, 1000);
}

#[test]
fn survives_damaged_frames_of_every_kind_in_any_order() {
    let bodies = [
        SESSION.to_owned(),
        event("x1", "c1"),
        event("x2", "c1"),
        monitor_started("x1"),
        monitor_started("x2"),
        idle(),
        error("operation", "invalidDeviceID"),
        error("systemResourceAvailibility", "overallMonitorLimitExceeded"),
        system_status("messagesLost"),
        system_status("overloadReached"),
        "<MonitorStop><monitorCrossRefID>x1</monitorCrossRefID></MonitorStop>".to_owned(),
        "<SnapshotDeviceResponse><crossRefIDorSnapshotData><serviceCrossRefID>k</serviceCrossRefID>\
         </crossRefIDorSnapshotData></SnapshotDeviceResponse>"
            .to_owned(),
        "<SnapshotDeviceData><serviceCrossRefID>k</serviceCrossRefID></SnapshotDeviceData>".to_owned(),
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut closed = 0;
    let mut link = Link::open(Config::default(), &["2001", "2002"]);
    for _ in 0..20_000 {
        let mut bytes = BytesMut::new();
        let id = InvokeId::new(u16::try_from(random(8)).unwrap()).unwrap();
        frame::encode(id, &bodies[random(bodies.len())], &mut bytes).unwrap();
        if random(20) == 0 {
            let at = random(bytes.len());
            bytes[at] ^= 1 << random(8);
        }
        link.client.handle_bytes(&bytes, link.now);
        link.pass(secs(random(3) as u64));
        if random(50) == 0 {
            let devices = (0..random(4)).map(|n| DeviceId::new(format!("200{n}")));
            link.client.set_devices(devices, link.now);
        }
        link.sent();
        link.told();
        let stats = link.client.stats();
        assert!(stats.resync_in_flight <= 20 && stats.monitored <= stats.devices);
        if link.client.state() == ClientState::Closed {
            closed += 1;
            link = Link::open(Config::default(), &["2001", "2002"]);
        }
    }
    assert!(closed > 100, "closed {closed} times");
}
