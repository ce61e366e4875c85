//! Messages and frames as other vendors' systems sent them.

use std::time::Duration;

use csta::client::{Client, ClientEvent, ClientState, CloseReason, Config, INCOMPLETE_FRAME_LIMIT};
use csta::message::DecodeError;
use csta::xml::XmlError;
use csta::{Message, Request};

use crate::{file_name, files, testdata};

/// Messages of the samples that the crate has no type for.
const UNTYPED: [&str; 2] = ["DeflectCall", "SetDoNotDisturb"];
/// The frames of right length; the others claim more than they have.
const WHOLE: [&str; 2] = ["OriginatedEvent", "ServiceInitiatedEvent"];

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn every_sample_is_read_as_what_it_is() {
    for path in files(&testdata("samples"), "xml") {
        let file = file_name(&path);
        let name = file.split("__").next().unwrap_or(file);
        let name = name.strip_prefix("ns3-").unwrap_or(name);
        let name = name.split('_').next().unwrap_or(name);
        let body = std::fs::read(&path).unwrap();
        let message = Message::parse(&body).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(message.name(), name, "{file}");
        let unknown = matches!(message, Message::Unknown { .. });
        assert_eq!(unknown, UNTYPED.contains(&name), "{file}");
    }
}

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn samples_hold_what_they_show() {
    let read = |file: &str| {
        let body = std::fs::read(testdata("samples").join(file)).unwrap();
        Message::parse(&body).unwrap()
    };
    let Message::Response(csta::Response::Error(error)) =
        read("CSTAErrorCode_overallMonitorLimitExceeded__mitel-mivo400-estos.xml")
    else {
        panic!("an error is expected");
    };
    let text = "systemResourceAvailibility/overallMonitorLimitExceeded";
    assert_eq!(error.to_string(), text);
    let Message::Event(delivered) = read("DeliveredEvent__osv-pyssimist.xml") else {
        panic!("an event is expected");
    };
    assert!(delivered.connection().call_id.is_some() && delivered.connection().device_id.is_some());
    let cause = delivered.cause().map(csta::EventCause::as_str);
    assert_eq!(cause, Some("enteringDistribution"));
    let heart_beat = read("ns3-SystemStatus__osv-pyssimist.xml");
    assert!(matches!(
        heart_beat,
        Message::Request(Request::SystemStatus(status)) if status.system_status.is_none()
    ));
}

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn what_is_not_well_formed_is_refused_with_its_position() {
    for path in files(&testdata("samples/malformed-as-found"), "xml") {
        let body = std::fs::read(&path).unwrap();
        let Err(DecodeError::Xml(XmlError::Malformed { position, .. })) = Message::parse(&body)
        else {
            panic!("{} must be malformed", path.display());
        };
        assert!((1..body.len()).contains(&position), "at {position}");
    }
}

/// A client on a link that brings the bytes, and what it says until the time limit has passed.
fn receive(bytes: &[u8]) -> (Client, Vec<ClientEvent>) {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time counts from some instant, and there is no other way to get one"
    )]
    let now = std::time::Instant::now();
    let mut client = Client::new(Config::default(), [], now);
    client.handle_bytes(bytes, now);
    client.handle_timeout(now + INCOMPLETE_FRAME_LIMIT - Duration::from_millis(1));
    assert!(client.poll_timeout().is_some() || client.state() == ClientState::Closed);
    client.handle_timeout(now + INCOMPLETE_FRAME_LIMIT);
    let events = std::iter::from_fn(|| client.poll_event()).collect();
    (client, events)
}

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn whole_frames_are_events_and_frames_of_wrong_length_end_the_link_with_one_error() {
    let good = std::fs::read(testdata(
        "samples/frames/ServiceInitiatedEvent__osv-pyssimist.bin",
    ));
    let good = good.unwrap();
    for path in files(&testdata("samples/frames"), "bin") {
        let name = file_name(&path);
        let bytes = std::fs::read(&path).unwrap();
        let (client, events) = receive(&bytes);
        if WHOLE.contains(&name.split("__").next().unwrap_or(name)) {
            assert_eq!(events, [], "{name}");
            assert_eq!(client.stats().frames_in, 1);
            assert_eq!(client.stats().unknown_cross_refs, 1, "read as a report");
            continue;
        }
        let [
            ClientEvent::Closed {
                reason: CloseReason::Incomplete { bytes: held },
                ..
            },
        ] = events[..]
        else {
            panic!("{name}: {events:?}");
        };
        assert_eq!(held, bytes.len());
        let (client, events) = receive(&[&bytes[..], &good].concat());
        assert_eq!(events.len(), 1, "{name}: {events:?}");
        assert!(
            matches!(events[0], ClientEvent::Closed { .. }),
            "{events:?}"
        );
        let stats = client.stats();
        assert_eq!((stats.events, stats.unknown_cross_refs), (0, 0), "{name}");
    }
}
