//! The owner's requests.

use crate::DeviceId;
use crate::client::testing::{Link, connection, error, secs};
use crate::client::{CommandError, Config};
use crate::message::{ClearCall, MakeCall, Request, SnapshotDeviceData, StopApplicationSession};

fn make_call() -> Request {
    MakeCall {
        auto_originate: None,
        ..MakeCall::new(DeviceId::new("2001"), DeviceId::new("2002"))
    }
    .into()
}

const MADE: &str =
    "<MakeCallResponse><callingDevice><callID>1</callID></callingDevice></MakeCallResponse>";

fn send(link: &mut Link) -> Result<u16, CommandError> {
    let id = link.client.request(make_call(), secs(5), link.now)?;
    Ok(id.get())
}

#[test]
fn ends_each_request_with_its_answer() {
    let mut link = Link::started(Config::default(), &[]);
    for id in 1..=4 {
        assert_eq!(send(&mut link), Ok(id));
    }
    link.receive(2, &error("operation", "invalidCalledDeviceID"));
    link.receive(1, MADE);
    link.receive(3, "<HoldCallResponse/>");
    link.receive(4, "<StrangeResponse/>");
    link.expect_told(&[
        "Failed 0002 refused: operation/invalidCalledDeviceID: The PBX cannot reach the called number.",
        "Answered 0001 MakeCallResponse",
        "Failed 0003 unexpected answer <HoldCallResponse>",
        "UnknownMessage StrangeResponse",
        "Failed 0004 unexpected answer <StrangeResponse>",
    ]);
    assert_eq!(link.client.stats().commands_in_flight, 0);
}

#[test]
fn a_timed_out_request_has_one_end_and_its_id_is_not_given_again() {
    let mut link = Link::started(Config::default(), &[]);
    assert_eq!(send(&mut link), Ok(1));
    link.pass(secs(5));
    link.expect_told(&["Failed 0001 no answer in time"]);
    link.receive(1, MADE);
    link.expect_told(&[]);
    let stats = link.client.stats();
    assert_eq!((stats.timeouts, stats.late_answers), (1, 1));
}

#[test]
fn everything_in_flight_fails_at_once_when_the_link_closes() {
    let mut link = Link::started(Config::default(), &["2001"]);
    send(&mut link).unwrap();
    send(&mut link).unwrap();
    link.client.handle_link_closed(link.now);
    link.expect_told(&[
        "Failed 0002 link closed before the answer",
        "Failed 0003 link closed before the answer",
        "Closed: link closed",
    ]);
}

#[test]
fn refuses_what_cannot_be_sent() {
    let mut link = Link::open(Config::default(), &[]);
    assert_eq!(send(&mut link), Err(CommandError::NotStarted));
    let config = Config {
        commands_in_flight_max: 2,
        ..Config::default()
    };
    let mut link = Link::started(config, &[]);
    for request in [
        Request::from(StopApplicationSession {
            session_id: "s1".to_owned(),
            session_end_reason: None,
        }),
        Request::from(SnapshotDeviceData {
            segment_id: None,
            last_segment: None,
            snapshot_data: None,
            ..SnapshotDeviceData::new("1".to_owned())
        }),
    ] {
        let name = request.name();
        let result = link.client.request(request, secs(1), link.now);
        assert_eq!(result, Err(CommandError::NotARequest(name)));
    }
    let huge = ClearCall::new(connection(&"x".repeat(70_000)));
    let result = link.client.request(huge.into(), secs(1), link.now);
    assert!(matches!(result, Err(CommandError::TooLong(_))));
    assert_eq!((send(&mut link), send(&mut link)), (Ok(1), Ok(2)));
    assert_eq!(send(&mut link), Err(CommandError::TooManyInFlight(2)));
    link.receive(1, MADE);
    assert_eq!(send(&mut link), Ok(3));
    link.client.stop(link.now);
    assert_eq!(send(&mut link), Err(CommandError::NotStarted));
}

#[test]
fn never_wait_behind_monitors() {
    let devices: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
    let mut link = Link::started(Config::default(), &devices);
    assert_eq!(link.requests().len(), 20);
    send(&mut link).unwrap();
    link.expect_sent(&["0021 MakeCall"]);
}
