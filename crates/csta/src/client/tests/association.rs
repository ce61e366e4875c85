//! Making, keeping and ending the association.

use crate::client::testing::{Link, SESSION, error, secs, system_status};
use crate::client::{AssociationMode, ClientState, Config, LATE_ANSWER_LIMIT, Login, STOP_TIMEOUT};
use crate::message::{Message, Request};
use crate::{DeviceId, Dialect, Edition};

fn mode(association: AssociationMode) -> Config {
    Config {
        dialect: Dialect::MX_ONE.with_association(association),
        ..Config::default()
    }
}

fn implicit() -> Config {
    mode(AssociationMode::Implicit)
}

const STATUS_NORMAL: &str = "<RequestSystemStatusResponse \
    xmlns=\"http://www.ecma-international.org/standards/ecma-323/csta/ed4\">\
    <systemStatus>normal</systemStatus></RequestSystemStatusResponse>";

fn negative(error: &str) -> String {
    format!(
        "<StartApplicationSessionNegResponse><errorCode><definedError>{error}</definedError>\
         </errorCode></StartApplicationSessionNegResponse>"
    )
}

#[test]
fn offers_editions_and_credentials_and_takes_what_is_chosen() {
    let fragment = "<v:Login xmlns:v=\"urn:v\" user=\"{user}\">{password}</v:Login>";
    let login = Login::new(fragment, "anna", "p&w").ok();
    let mut dialect = Dialect::MX_ONE;
    dialect.set("editions", "ed5-ed4").unwrap();
    let config = Config {
        login,
        dialect,
        ..Config::default()
    };
    let mut link = Link::open(config, &[]);
    assert_eq!(link.client.state(), ClientState::Starting);
    let sent = link.sent();
    let [(0, Message::Request(Request::StartApplicationSession(start)))] = &sent[..] else {
        panic!("unexpected {sent:?}");
    };
    assert_eq!(start.application_info.application_id, "ringway");
    assert_eq!(
        start.application_info.specific_info,
        "<v:Login xmlns:v=\"urn:v\" user=\"anna\">p&amp;w</v:Login>"
    );
    let versions = &start.requested_protocol_versions.0;
    assert!(versions[0].ends_with("/ed5") && versions[1].ends_with("/ed4"));
    assert_eq!(start.requested_session_duration, Some(120));
    link.receive(0, SESSION);
    link.expect_told(&["Started Ed5 session=s1 duration=120", "Synchronised 0/0"]);
    assert_eq!(link.client.edition(), Edition::Ed5);
    assert_eq!(link.client.state(), ClientState::Started);
}

#[test]
fn falls_back_where_the_service_is_not_known() {
    let too_new = negative("requestedProtocolVersionNotSupported");
    for answer in [
        error("operation", "serviceNotSupported"),
        error("unspecified", ""),
        "<WhatIsThisResponse/>".to_owned(),
        "<MakeCallResponse><callingDevice><callID>1</callID></callingDevice></MakeCallResponse>"
            .to_owned(),
        too_new,
    ] {
        let mut link = Link::open(Config::default(), &[]);
        link.sent();
        link.receive(0, &answer);
        link.expect_sent(&["0001 RequestSystemStatus"]);
        link.told();
        link.receive(1, STATUS_NORMAL);
        let started = "Started Ed4 session= duration=0";
        link.expect_told(&[started, "Synchronised 0/0", "SystemStatus normal"]);
    }
}

#[test]
fn falls_back_on_silence_and_gives_up_on_more_of_it() {
    let mut link = Link::open(Config::default(), &[]);
    link.sent();
    link.pass(secs(9));
    link.expect_sent(&[]);
    link.pass(secs(1));
    link.expect_sent(&["0001 RequestSystemStatus"]);
    // The first answer after all: it changes nothing.
    link.receive(0, SESSION);
    assert_eq!(link.client.state(), ClientState::Starting);
    assert_eq!(link.client.stats().late_answers, 1);
    link.pass(secs(10));
    link.expect_told(&["Closed: no answer to the request for an association"]);
    assert_eq!(link.client.poll_timeout(), None);
}

#[test]
fn a_refusal_is_no_reason_to_fall_back() {
    for (refusal, said) in [
        (
            "invalidApplicationInfo",
            "The PBX does not take the login: user, password, or the form that they are sent in.",
        ),
        (
            "maxNumberSessions",
            "The PBX has as many sessions as it allows.",
        ),
        ("serverResourcesBusy", "The PBX is busy; try again."),
    ] {
        let mut link = Link::open(Config::default(), &[]);
        link.sent();
        link.receive(0, &negative(refusal));
        link.expect_sent(&[]);
        link.expect_told(&[&format!(
            "Closed: application session refused: {refusal}: {said}"
        )]);
    }
    for (category, value, said) in [
        (
            "security",
            "securityInfoViolated",
            "The PBX does not accept the gateway's signature.",
        ),
        (
            "operation",
            "securityViolation",
            "The PBX does not allow it.",
        ),
        (
            "systemResourceAvailibility",
            "resourceBusy",
            "The PBX is busy; try again.",
        ),
    ] {
        let mut link = Link::open(Config::default(), &[]);
        link.receive(0, &error(category, value));
        link.expect_told(&[&format!(
            "Closed: association refused: {category}/{value}: {said}"
        )]);
    }
}

#[test]
fn only_auto_falls_back() {
    let mut link = Link::open(mode(AssociationMode::ApplicationSession), &[]);
    link.receive(0, &error("operation", "serviceNotSupported"));
    link.expect_told(&["Closed: association refused: operation/serviceNotSupported: The PBX does not support this."]);
    let mut link = Link::open(implicit(), &[]);
    link.expect_sent(&["0000 RequestSystemStatus"]);
    link.receive(0, &error("operation", "serviceNotSupported"));
    link.expect_told(&["Closed: association refused: operation/serviceNotSupported: The PBX does not support this."]);
}

#[test]
fn a_link_closed_at_the_start_suggests_the_other_association() {
    let mut link = Link::open(Config::default(), &[]);
    link.client.handle_link_closed(link.now);
    link.expect_told(&["Closed: link closed; next Implicit"]);

    let mut link = Link::started(Config::default(), &[]);
    link.client.handle_link_closed(link.now);
    link.expect_told(&["Closed: link closed"]);

    let mut link = Link::open(implicit(), &[]);
    link.client.handle_link_closed(link.now);
    link.expect_told(&["Closed: link closed"]);

    let mut link = Link::open(implicit(), &[]);
    link.receive(0, STATUS_NORMAL);
    link.told();
    link.client.handle_link_closed(link.now);
    link.expect_told(&["Closed: link closed; next Implicit"]);
}

#[test]
fn resets_the_session_timer_at_half_its_duration() {
    let mut link = Link::started(Config::default(), &[]);
    link.pass(secs(59));
    link.expect_sent(&[]);
    link.pass(secs(1));
    link.expect_sent(&["0001 ResetApplicationSessionTimer"]);
    link.receive(
        1,
        "<ResetApplicationSessionTimerPosResponse><actualSessionDuration>40\
         </actualSessionDuration></ResetApplicationSessionTimerPosResponse>",
    );
    link.pass(secs(20));
    link.expect_sent(&["0002 ResetApplicationSessionTimer"]);
    // Not answered: 10 s for the answer, then again at half of the 10 s that remain.
    link.pass(secs(15));
    link.expect_sent(&["0003 ResetApplicationSessionTimer"]);
    link.pass(secs(5));
    link.expect_told(&["Closed: application session expired"]);
}

#[test]
fn a_session_that_is_not_known_any_more_is_over() {
    let mut link = Link::started(Config::default(), &[]);
    link.pass(secs(60));
    link.receive(
        1,
        "<ResetApplicationSessionTimerNegResponse><errorCode><definedError>invalidSessionID\
         </definedError></errorCode></ResetApplicationSessionTimerNegResponse>",
    );
    link.expect_told(&["Closed: application session expired"]);
}

#[test]
fn an_implicit_association_beats_and_ends_when_nobody_answers() {
    let mut link = Link::open(implicit(), &[]);
    link.sent();
    link.receive(0, STATUS_NORMAL);
    link.told();
    link.pass(secs(30));
    link.expect_sent(&["0001 RequestSystemStatus"]);
    link.receive(1, STATUS_NORMAL);
    link.expect_told(&[]);
    link.pass(secs(30));
    link.expect_sent(&["0002 RequestSystemStatus"]);
    // Even an error says that somebody is there.
    link.receive(2, &error("operation", "generic"));
    link.pass(secs(30));
    link.expect_sent(&["0003 RequestSystemStatus"]);
    link.pass(secs(10));
    link.expect_told(&["Closed: heart-beat not answered; next Implicit"]);
}

#[test]
fn a_session_without_end_gets_heart_beats() {
    let mut link = Link::open(Config::default(), &[]);
    link.sent();
    link.receive(0, &SESSION.replace("120", "0"));
    link.told();
    link.pass(secs(30));
    link.expect_sent(&["0001 RequestSystemStatus"]);
}

#[test]
fn stops_in_good_order() {
    let mut link = Link::started(Config::default(), &[]);
    link.client.stop(link.now);
    link.expect_sent(&["0001 StopApplicationSession"]);
    assert_eq!(link.client.state(), ClientState::Stopping);
    link.receive(1, "<StopApplicationSessionPosResponse/>");
    link.expect_told(&["Closed: stopped"]);

    let mut link = Link::started(Config::default(), &[]);
    link.client.stop(link.now);
    link.pass(STOP_TIMEOUT);
    link.expect_told(&["Closed: stopped"]);

    let mut link = Link::started(Config::default(), &[]);
    link.client.stop(link.now);
    link.client.handle_link_closed(link.now);
    link.expect_told(&["Closed: stopped"]);

    let mut link = Link::open(Config::default(), &[]);
    link.client.stop(link.now);
    link.expect_told(&["Closed: stopped"]);
}

#[test]
fn a_terminated_session_is_closed_but_not_somebody_elses() {
    let terminated = |id: &str| {
        format!(
            "<ApplicationSessionTerminated><sessionID>{id}</sessionID><sessionTermReason>\
             <definedTermReason>resourceLimitation</definedTermReason></sessionTermReason>\
             </ApplicationSessionTerminated>"
        )
    };
    let mut link = Link::started(Config::default(), &[]);
    link.receive(3, &terminated("s0"));
    assert_eq!(link.client.state(), ClientState::Started);
    link.receive(3, &terminated("s1"));
    link.expect_told(&["Closed: application session terminated: resourceLimitation"]);
    link.expect_sent(&[]);
}

#[test]
fn answers_the_switching_functions_own_requests_in_their_own_id_space() {
    let mut link = Link::started(Config::default(), &["2001"]);
    link.sent();
    // 0001 is out as our MonitorStart; theirs is another exchange.
    link.receive(1, &system_status("normal"));
    link.receive(1, "<RequestSystemStatus/>");
    link.receive(7, "<SystemStatus/>");
    link.receive(
        8,
        "<MonitorStop><monitorCrossRefID>x</monitorCrossRefID></MonitorStop>",
    );
    link.receive(9, "<SwFunctionDevicesChanged/>");
    link.receive(
        10,
        "<SnapshotDevice><snapshotObject>1</snapshotObject></SnapshotDevice>",
    );
    link.receive(11, "<EscapeService/>");
    link.expect_sent(&[
        "0001 SystemStatusResponse",
        "0001 RequestSystemStatusResponse",
        "0007 SystemStatusResponse",
        "0008 MonitorStopResponse",
        "0009 SwFunctionDevicesChangedResponse",
        "0010 CSTAErrorCode operation/serviceNotSupported",
        "0011 CSTAErrorCode operation/serviceNotSupported",
    ]);
    link.expect_told(&[
        "SystemStatus normal",
        "DevicesChanged",
        "UnknownMessage EscapeService",
    ]);
    link.receive(11, "<EscapeService/>");
    link.expect_told(&[]);
    let stats = link.client.stats();
    assert_eq!((stats.unknown_messages, stats.refused_requests), (2, 3));
    assert_eq!(stats.resync_in_flight, 1, "our 0001 is still out");
}

#[test]
fn registers_where_the_switching_function_speaks_first() {
    let mut link = Link::open(Config::default(), &[]);
    link.receive(4, &system_status("normal"));
    link.expect_sent(&["0000 StartApplicationSession", "0004 SystemStatusResponse"]);
    link.receive(0, SESSION);
    link.expect_sent(&["0001 SystemRegister"]);
    link.receive(1, &error("operation", "generic"));
    assert_eq!(link.client.state(), ClientState::Started);
}

#[test]
fn nothing_happens_after_the_end() {
    let mut link = Link::watching(Config::default(), &["2001"]);
    link.client.handle_link_closed(link.now);
    link.expect_told(&["Closed: link closed"]);
    link.receive(9999, &crate::client::testing::event("x1", "c1"));
    link.client.set_devices([DeviceId::new("2002")], link.now);
    link.client.resnapshot_all(link.now);
    link.client.stop(link.now);
    link.client.handle_link_closed(link.now);
    link.pass(LATE_ANSWER_LIMIT);
    link.expect_told(&[]);
    link.expect_sent(&[]);
    assert_eq!(link.client.state(), ClientState::Closed);
}
