//! Every dialect: what the first exchange says, word for word, and every way in which an association
//! is made, refused, and lost.

use crate::client::testing::{Link, SESSION, event, idle, monitor_started, secs, system_status};
use crate::client::{AssociationMode, ClientState, Config};
use crate::dialect::{Dialect, Registration};
use crate::frame::FrameDecoder;
use crate::message::{Message, Request};

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

fn config(dialect: Dialect) -> Config {
    Config {
        dialect,
        ..Config::default()
    }
}

fn namespace(edition: u8) -> String {
    format!("http://www.ecma-international.org/standards/ecma-323/csta/ed{edition}")
}

/// What goes out, id and body of each frame.
fn bodies(link: &mut Link) -> Vec<(u16, String)> {
    let mut decoder = FrameDecoder::default();
    while let Some(bytes) = link.client.poll_transmit() {
        decoder.push(&bytes);
    }
    std::iter::from_fn(|| decoder.next_frame().unwrap())
        .map(|frame| {
            let body = String::from_utf8(frame.body.to_vec()).unwrap();
            (frame.invoke_id.get(), body)
        })
        .collect()
}

fn start_session(editions: &[u8]) -> String {
    let versions: String = editions
        .iter()
        .map(|edition| format!("<protocolVersion>{}</protocolVersion>", namespace(*edition)))
        .collect();
    format!(
        "{XML}<StartApplicationSession \
         xmlns=\"http://www.ecma-international.org/standards/ecma-354/appl_session\">\
         <applicationInfo><applicationID>ringway</applicationID></applicationInfo>\
         <requestedProtocolVersions>{versions}</requestedProtocolVersions>\
         <requestedSessionDuration>120</requestedSessionDuration></StartApplicationSession>"
    )
}

fn monitor_start(edition: u8, device: &str) -> String {
    format!(
        "{XML}<MonitorStart xmlns=\"{}\"><monitorObject><deviceObject>{device}</deviceObject>\
         </monitorObject><monitorType>device</monitorType></MonitorStart>",
        namespace(edition)
    )
}

#[test]
fn a_session_comes_first_where_nobody_has_spoken() {
    for (dialect, editions, device) in [
        (Dialect::ECMA, &[6, 5, 4, 3][..], "2001"),
        (Dialect::MX_ONE, &[6, 5, 4, 3], "2001"),
        (Dialect::MIVOICE_400, &[5], "N&lt;2001&gt;"),
    ] {
        let mut link = Link::open(config(dialect), &["2001"]);
        assert_eq!(bodies(&mut link), [(0, start_session(editions))]);
        link.receive(0, SESSION);
        assert_eq!(bodies(&mut link), [(1, monitor_start(5, device))]);
        link.receive(1, &monitor_started("x1"));
        let snapshot = format!(
            "{XML}<SnapshotDevice xmlns=\"{}\"><snapshotObject>{device}</snapshotObject>\
             </SnapshotDevice>",
            namespace(5)
        );
        assert_eq!(bodies(&mut link), [(2, snapshot)]);
        link.receive(2, &idle());
        // However it is written, the owner hears of the device as it named it.
        link.receive(9999, &event("x1", "c1"));
        link.expect_told(&[
            "Started Ed5 session=s1 duration=120",
            "Monitored 2001",
            "Snapshot 2001 calls=0",
            "Synchronised 1/0",
            "ServiceInitiatedEvent 2001 c1/d",
        ]);
    }
}

/// As a system of that kind says it, in the namespace of another edition.
const OPENSCAPE_STATUS: &str = "<SystemStatus \
    xmlns=\"http://www.ecma.ch/standards/ecma-323/csta/ed2\">\
    <systemStatus>normal</systemStatus></SystemStatus>";

#[test]
fn openscape_speaks_first_and_is_registered_with() {
    let mut link = Link::open(config(Dialect::OPENSCAPE), &["2001"]);
    assert_eq!(bodies(&mut link), []);
    link.receive(7, OPENSCAPE_STATUS);
    let ed4 = namespace(4);
    let response = format!("{XML}<SystemStatusResponse xmlns=\"{ed4}\"/>");
    let register = format!(
        "{XML}<SystemRegister xmlns=\"{ed4}\"><requestTypes><systemStatus>true</systemStatus>\
         <requestSystemStatus>true</requestSystemStatus>\
         <switchingFunctionDevicesChanged>true</switchingFunctionDevicesChanged></requestTypes>\
         </SystemRegister>"
    );
    assert_eq!(bodies(&mut link), [(7, response), (0, register)]);
    let registered = format!(
        "<SystemRegisterResponse xmlns=\"{ed4}\"><sysStatRegisterID>1</sysStatRegisterID>\
         </SystemRegisterResponse>"
    );
    link.receive(0, &registered);
    assert_eq!(bodies(&mut link), [(1, monitor_start(4, "2001"))]);
    link.expect_told(&["SystemStatus normal", "Started Ed4 session= duration=0"]);
    link.receive(1, &monitor_started("x1"));
    link.receive(2, &idle());
    link.sent();
    link.pass(secs(30));
    let beat = format!(
        "{XML}<SystemStatus xmlns=\"{ed4}\"><systemStatus>normal</systemStatus></SystemStatus>"
    );
    assert_eq!(bodies(&mut link), [(3, beat)]);
    link.receive(3, "<SystemStatusResponse/>");
    link.pass(secs(40));
    link.expect_told(&[
        "Monitored 2001",
        "Snapshot 2001 calls=0",
        "Synchronised 1/0",
        "Closed: heart-beat not answered; next Implicit",
    ]);
}

#[test]
fn openscape_may_have_a_session_and_answers_it_in_no_namespace() {
    let dialect = Dialect::OPENSCAPE.with_association(AssociationMode::ApplicationSession);
    let mut link = Link::open(config(dialect), &[]);
    assert_eq!(bodies(&mut link), [(0, start_session(&[4]))]);
    link.receive(7, OPENSCAPE_STATUS);
    let answer = "<StartApplicationSessionPosResponse \
        xmlns:aps=\"http://www.ecma-international.org/standards/ecma-354/appl_session\">\
        <sessionID>9</sessionID><actualProtocolVersion>http://www.ecma-international.org/standards/\
        ecma-323/csta/ed4</actualProtocolVersion><actualSessionDuration>600</actualSessionDuration>\
        <extensions><actualHBT>0</actualHBT></extensions></StartApplicationSessionPosResponse>";
    link.receive(0, answer);
    link.expect_sent(&["0007 SystemStatusResponse", "0001 SystemRegister"]);
    link.expect_told(&[
        "SystemStatus normal",
        "Started Ed4 session=9 duration=600",
        "Synchronised 0/0",
    ]);
}

#[test]
fn who_should_speak_first_and_does_not_is_spoken_to() {
    let mut link = Link::open(config(Dialect::OPENSCAPE), &[]);
    link.pass(secs(9));
    link.expect_sent(&[]);
    link.pass(secs(1));
    link.expect_sent(&["0000 SystemRegister"]);
    // Too late to be the first word.
    link.receive(7, OPENSCAPE_STATUS);
    link.expect_sent(&["0007 SystemStatusResponse"]);
    link.pass(secs(10));
    link.expect_told(&[
        "SystemStatus normal",
        "Closed: no answer to the request for an association",
    ]);
}

/// How the switching function takes the first request of an association.
#[derive(Debug, Clone, Copy)]
enum Take {
    Accepted,
    /// By the application session's own error.
    Refused(&'static str),
    /// By a CSTA error.
    Error(&'static str, &'static str),
    Silent,
    HungUp,
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Up,
    /// Closed, and the next link as configured.
    Over,
    /// Closed, and the next link without a session.
    OverThenImplicit,
    /// Tried without a session on the same link.
    FallsBack,
}

fn negative(error: &str) -> String {
    format!(
        "<StartApplicationSessionNegResponse><errorCode><definedError>{error}</definedError>\
         </errorCode></StartApplicationSessionNegResponse>"
    )
}

/// Every way in which an association's first request ends, and what comes of it with a session and
/// nothing else, with a session or else without, and without one.
const MATRIX: &[(Take, [Outcome; 3])] = {
    use Outcome::{FallsBack, Over, OverThenImplicit, Up};
    &[
        (Take::Accepted, [Up, Up, Up]),
        (Take::Refused("invalidApplicationInfo"), [Over, Over, Over]),
        (Take::Refused("serverResourcesBusy"), [Over, Over, Over]),
        (Take::Refused("maxNumberSessions"), [Over, Over, Over]),
        (
            Take::Refused("requestedProtocolVersionNotSupported"),
            [Over, FallsBack, Over],
        ),
        (
            Take::Error("operation", "serviceNotSupported"),
            [Over, FallsBack, Over],
        ),
        (
            Take::Error("operation", "securityViolation"),
            [Over, Over, Over],
        ),
        (
            Take::Error("security", "securityInfoViolated"),
            [Over, Over, Over],
        ),
        (Take::Silent, [Over, FallsBack, Over]),
        (Take::HungUp, [Over, OverThenImplicit, Over]),
    ]
};

/// Lets the switching function speak first if it does; gives the association's first request.
fn first_request(link: &mut Link, dialect: Dialect) -> (u16, Request) {
    if dialect.speaks_first() && dialect.association() == AssociationMode::Implicit {
        link.expect_sent(&[]);
        link.receive(7, &system_status("normal"));
    }
    let mut requests = link
        .sent()
        .into_iter()
        .filter_map(|(id, message)| match message {
            Message::Request(request) => Some((id, request)),
            _ => None,
        });
    requests.next().expect("a request for an association")
}

/// Takes the request as told, and sees what comes of it.
fn outcome(link: &mut Link, id: u16, request: &Request, take: Take) -> Outcome {
    let accepted = match request {
        Request::StartApplicationSession(_) => SESSION,
        Request::SystemRegister(_) => {
            "<SystemRegisterResponse><sysStatRegisterID>1</sysStatRegisterID></SystemRegisterResponse>"
        }
        _ => {
            "<RequestSystemStatusResponse><systemStatus>normal</systemStatus>\
             </RequestSystemStatusResponse>"
        }
    };
    match take {
        Take::Accepted => link.receive(id, accepted),
        Take::Refused(error) => link.receive(id, &negative(error)),
        Take::Error(category, value) => {
            link.receive(id, &crate::client::testing::error(category, value));
        }
        Take::Silent => link.pass(secs(10)),
        Take::HungUp => link.client.handle_link_closed(link.now),
    }
    match link.client.state() {
        ClientState::Started => Outcome::Up,
        ClientState::Starting => Outcome::FallsBack,
        ClientState::Stopping => panic!("nobody has stopped it"),
        ClientState::Closed => {
            let told = link.told().pop().unwrap_or_default();
            if told.ends_with("next Implicit") {
                Outcome::OverThenImplicit
            } else {
                Outcome::Over
            }
        }
    }
}

#[test]
fn associations_are_made_and_refused_alike_in_every_dialect() {
    let modes = [
        AssociationMode::ApplicationSession,
        AssociationMode::Auto,
        AssociationMode::Implicit,
    ];
    for dialect in Dialect::ALL {
        for &(take, wanted) in MATRIX {
            for (mode, wanted) in modes.into_iter().zip(wanted) {
                let case = format!("{} {mode:?} {take:?}", dialect.name());
                let dialect = dialect.with_association(mode);
                let mut link = Link::open(config(dialect), &[]);
                let (id, request) = first_request(&mut link, dialect);
                assert_eq!(outcome(&mut link, id, &request, take), wanted, "{case}");
                if wanted == Outcome::FallsBack {
                    let implicit = dialect.with_association(AssociationMode::Implicit);
                    let (id, request) = first_request(&mut link, implicit);
                    let registers = dialect.system_register() == Registration::Always;
                    assert_eq!(
                        matches!(request, Request::SystemRegister(_)),
                        registers,
                        "{case}"
                    );
                    let up = outcome(&mut link, id, &request, Take::Accepted);
                    assert_eq!(up, Outcome::Up, "{case}");
                }
            }
        }
    }
}

#[test]
fn an_association_that_runs_out_in_the_midst_of_a_call_closes_in_every_dialect() {
    for dialect in Dialect::ALL {
        for (mode, why) in [
            (
                AssociationMode::ApplicationSession,
                "Closed: application session expired",
            ),
            (
                AssociationMode::Implicit,
                "Closed: heart-beat not answered; next Implicit",
            ),
        ] {
            let dialect = dialect.with_association(mode);
            let mut link = Link::open(config(dialect), &["2001"]);
            let (id, request) = first_request(&mut link, dialect);
            assert_eq!(
                outcome(&mut link, id, &request, Take::Accepted),
                Outcome::Up
            );
            for (id, request) in link.requests() {
                if matches!(request, Request::MonitorStart(_)) {
                    link.receive(id, &monitor_started("x1"));
                }
            }
            for (id, _) in link.requests() {
                link.receive(id, &idle());
            }
            link.receive(9999, &event("x1", "c1"));
            assert!(
                link.told()
                    .contains(&"ServiceInitiatedEvent 2001 c1/d".to_owned())
            );
            link.pass(secs(120));
            assert_eq!(link.told(), [why], "{} {mode:?}", dialect.name());
            assert_eq!(link.client.poll_timeout(), None);
        }
    }
}

#[test]
fn switches_of_the_association_do_what_they_say() {
    let with = |switch: &str, value: &str| {
        let mut dialect = Dialect::MX_ONE;
        dialect.set(switch, value).unwrap();
        config(dialect)
    };
    let started = |config: Config| {
        let mut link = Link::open(config, &[]);
        link.receive(0, &SESSION.replace("120", "40"));
        link.sent();
        link
    };

    let mut link = started(with("obey-session-duration", "false"));
    link.pass(secs(59));
    link.expect_sent(&[]);
    link.pass(secs(1));
    link.expect_sent(&["0001 ResetApplicationSessionTimer"]);

    let mut link = started(with("reset-at-percent", "75"));
    link.pass(secs(29));
    link.expect_sent(&[]);
    link.pass(secs(1));
    link.expect_sent(&["0001 ResetApplicationSessionTimer"]);

    let mut link = started(with("stop-session", "false"));
    link.client.stop(link.now);
    link.expect_sent(&[]);
    assert_eq!(link.client.state(), ClientState::Closed);

    let mut link = started(with("answer-system-services", "false"));
    link.receive(1, &system_status("normal"));
    link.receive(2, "<RequestSystemStatus/>");
    link.expect_sent(&[]);

    let mut link = Link::open(with("system-register", "always"), &[]);
    link.receive(0, SESSION);
    link.expect_sent(&["0000 StartApplicationSession", "0001 SystemRegister"]);

    let mut link = Link::open(with("system-register", "never"), &[]);
    link.receive(4, &system_status("normal"));
    link.receive(0, SESSION);
    link.expect_sent(&["0000 StartApplicationSession", "0004 SystemStatusResponse"]);

    let mut implicit = Dialect::MX_ONE.with_association(AssociationMode::Implicit);
    implicit.set("heart-beat-s", "5").unwrap();
    implicit.set("heart-beat-message", "system-status").unwrap();
    let mut link = Link::open(config(implicit), &[]);
    link.sent();
    link.receive(
        0,
        "<RequestSystemStatusResponse><systemStatus>normal</systemStatus></RequestSystemStatusResponse>",
    );
    link.pass(secs(5));
    link.expect_sent(&["0001 SystemStatus"]);
}

#[test]
fn switches_of_the_reactions_do_what_they_say() {
    for (switch, status) in [
        ("resnapshot-on-messages-lost", "messagesLost"),
        ("remonitor-on-enabled", "enabled"),
    ] {
        let mut dialect = Dialect::MX_ONE;
        dialect.set(switch, "false").unwrap();
        let mut link = Link::watching(config(dialect), &["2001"]);
        link.receive(3, &system_status(status));
        link.expect_sent(&["0003 SystemStatusResponse"]);
    }
    let mut dialect = Dialect::MX_ONE;
    dialect.set("slow-on-overload", "false").unwrap();
    let names: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let devices: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut link = Link::open(config(dialect), &devices);
    link.receive(1, &system_status("overloadReached"));
    link.receive(0, SESSION);
    assert_eq!(link.client.stats().resync_in_flight, 20);
}
