//! Messages and frames as other vendors' systems sent them.

use std::time::Duration;

use csta::client::{Client, ClientEvent, ClientState, CloseReason, Config, INCOMPLETE_FRAME_LIMIT};
use csta::message::DecodeError;
use csta::xml::{Document, Element, XmlError};
use csta::{CallId, ConnectionId, DeviceId, Edition, Message, Request};

use crate::{file_name, files, testdata};

/// The frames of right length; the others claim more than they have.
const WHOLE: [&str; 2] = ["OriginatedEvent", "ServiceInitiatedEvent"];

/// What stands for a value in the templates, and a value; any other placeholder is an id.
const PLACEHOLDERS: [(&str, &str); 4] = [
    ("{localConnectionInfo}", "connected"),
    ("{cause}", "newCall"),
    ("{reason}", "normalClearing"),
    ("{systemStatus}", "normal"),
];
/// The one message of the templates that the crate has no type for.
const UNTYPED: &str = "GetAgentStateResponse";
/// What a sample says in an element that its message does not have.
const NOT_OF_THE_STANDARD: [(&str, &str); 1] =
    [("StartApplicationSessionPosResponse", "actualHBT")];

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn every_sample_is_read_as_what_it_is_with_all_that_it_says() {
    for path in files(&testdata("samples"), "xml") {
        read_whole(file_name(&path), &std::fs::read_to_string(&path).unwrap());
    }
}

#[test]
#[cfg_attr(not(has_testdata), ignore = "needs RINGWAY_TESTDATA")]
fn every_template_is_read_with_its_placeholders_filled_in() {
    for path in files(&testdata("samples/templates"), "xml") {
        let template = std::fs::read_to_string(&path).unwrap();
        let body = PLACEHOLDERS
            .iter()
            .fold(template, |body, (placeholder, value)| {
                body.replace(placeholder, value)
            });
        // An id each of its own: `%s` is 1, `{x}` is x.
        let body = body.replace("%s", "1").replace(['{', '}'], "");
        read_whole(file_name(&path), &body);
    }
}

/// Reads a sample and asserts its name, and that every value in it is held in a typed field: what is
/// written of the message has each of them again.
fn read_whole(file: &str, body: &str) {
    let name = file.strip_prefix("ns3-").unwrap_or(file);
    let name = name.split('_').next().unwrap_or(name);
    let message = Message::parse(body.as_bytes()).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_eq!(message.name(), name, "{file}");
    let unknown = matches!(message, Message::Unknown { .. });
    assert_eq!(unknown, name == UNTYPED, "{file}");
    let written = message.to_xml(Edition::Ed6);
    let written = leaves(&Document::parse(&written).expect("a document of our own"));
    for (element, text) in leaves(&Document::parse(body).expect("read before")) {
        // A flag that is off is left out.
        let known = text == "false" || NOT_OF_THE_STANDARD.contains(&(name, element.as_str()));
        let held = written.iter().any(|(_, held)| *held == text);
        assert!(
            known || held,
            "{file}: {element} {text:?} is lost: {message:?}"
        );
    }
}

/// Name and text, without its white space, of every element that has a text.
fn leaves(document: &Document<'_>) -> Vec<(String, String)> {
    fn collect(element: Element<'_, '_>, leaves: &mut Vec<(String, String)>) {
        let text: String = element.text().split_whitespace().collect();
        if !text.is_empty() {
            leaves.push((element.name().to_owned(), text));
        }
        element.children().for_each(|child| collect(child, leaves));
    }
    let mut all = Vec::new();
    collect(document.root(), &mut all);
    all
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
    let connection = ConnectionId::new(
        CallId::new("FF00010000000000EC6114647E570000"),
        DeviceId::new("3021061290002"),
    );
    assert_eq!(delivered.connection(), Some(&connection));
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
