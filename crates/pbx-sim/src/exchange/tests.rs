//! Associations in virtual time.

use csta::message::monitoring::MonitorObject;
use csta::message::{
    ApplicationSessionTerminated, MonitorStart, RequestSystemStatus, SnapshotDevice,
};
use csta::{DeviceId, FrameDecoder};

use super::*;
use crate::command::{Command, Reply};

struct Bench {
    exchange: Exchange,
    now: Instant,
    link: AssociationId,
}

impl Bench {
    fn new(adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        adjust(&mut config);
        let now = net::clock::now();
        let mut exchange = Exchange::new(&config, 1, now);
        let link = exchange.open_link();
        Self {
            exchange,
            now,
            link,
        }
    }

    fn send(&mut self, invoke: u16, request: impl Into<Request>) {
        let frame = Frame {
            invoke_id: InvokeId::new(invoke).unwrap(),
            body: request.into().to_xml(Edition::Ed5).into(),
        };
        self.exchange.handle_frame(self.link, &frame, self.now);
    }

    /// What went out since the last time: `0001 MonitorStartResponse`, `closed`, `cut`.
    fn out(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(output) = self.exchange.poll_output() {
            lines.push(match output {
                Output::Send(_, bytes) => {
                    let mut decoder = FrameDecoder::default();
                    decoder.push(&bytes);
                    let frame = decoder.next_frame().unwrap().unwrap();
                    match Message::parse(&frame.body).unwrap() {
                        Message::Response(Response::Error(error)) => {
                            format!("{} {error}", frame.invoke_id)
                        }
                        message => format!("{} {}", frame.invoke_id, message.name()),
                    }
                }
                Output::Close(_) => "closed".to_owned(),
                Output::Cut(_) => "cut".to_owned(),
            });
        }
        lines
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.exchange.handle_timeout(self.now);
    }

    fn command(&mut self, line: &str) -> String {
        let command: Command = line.parse().unwrap();
        match self.exchange.command(command, self.now, 1) {
            Ok(reply) => reply.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

fn monitor(device: &str) -> MonitorStart {
    MonitorStart {
        monitor_type: None,
        ..MonitorStart::new(MonitorObject::Device(DeviceId::new(device)))
    }
}

fn snapshot(device: &str) -> SnapshotDevice {
    SnapshotDevice::new(DeviceId::new(device))
}

fn make_call(from: &str, to: &str) -> csta::message::MakeCall {
    csta::message::MakeCall {
        auto_originate: Some(csta::AutoOriginate::DoNotPrompt),
        ..csta::message::MakeCall::new(DeviceId::new(from), DeviceId::new(to))
    }
}

// Events of a request may come before or after its response.
#[test]
fn the_response_comes_before_or_after_the_events_as_configured() {
    for events_first in [false, true] {
        let order = if events_first {
            "after-events"
        } else {
            "before-events"
        };
        let mut bench = Bench::new(|config| {
            config.association.dialect.set("answers", order).unwrap();
        });
        bench.send(1, monitor("2001"));
        bench.send(2, make_call("2001", "777"));
        let mut expected = vec![
            "0002 MakeCallResponse",
            "9999 OriginatedEvent",
            "9999 FailedEvent",
        ];
        if events_first {
            expected.rotate_left(1);
        }
        expected.insert(0, "0001 MonitorStartResponse");
        assert_eq!(bench.out(), expected);
    }
}

#[test]
fn delayed_requests_are_pipelined_and_answered_in_order() {
    let delay = Duration::from_millis(20);
    let mut bench = Bench::new(|config| config.association.response_delay = delay);
    for invoke in 0..20 {
        bench.send(invoke, snapshot("2001"));
    }
    assert_eq!(bench.out(), Vec::<String>::new());
    assert_eq!(bench.exchange.poll_timeout(), Some(bench.now + delay));
    bench.wait(delay);
    let out = bench.out();
    assert_eq!(out.len(), 20);
    assert_eq!(out[19], "0019 SnapshotDeviceResponse");
}

#[test]
fn refusals_of_monitors_name_the_limit_and_the_object() {
    let mut bench = Bench::new(|config| config.association.monitor_limit = Some(1));
    bench.send(1, monitor("777"));
    bench.send(2, monitor("2001"));
    bench.send(3, monitor("2002"));
    let call = csta::ConnectionId::new(csta::CallId::new("1"), DeviceId::new("2001"));
    bench.send(
        4,
        MonitorStart {
            monitor_type: None,
            ..MonitorStart::new(MonitorObject::Call(call))
        },
    );
    assert_eq!(
        bench.out(),
        [
            "0001 operation/invalidDeviceID",
            "0002 MonitorStartResponse",
            "0003 systemResourceAvailibility/overallMonitorLimitExceeded",
            "0004 systemResourceAvailibility/overallMonitorLimitExceeded",
        ]
    );
}

#[test]
fn unknown_requests_and_unreadable_bodies_cost_an_error_and_not_the_link() {
    let mut bench = Bench::new(|_| {});
    for (invoke, body) in [(1, "<TeleportCall/>"), (2, "<MakeCall"), (3, "<MakeCall/>")] {
        let frame = Frame {
            invoke_id: InvokeId::new(invoke).unwrap(),
            body: Bytes::from_static(body.as_bytes()),
        };
        bench.exchange.handle_frame(bench.link, &frame, bench.now);
    }
    bench.send(
        4,
        RequestSystemStatus {
            sys_stat_register_id: None,
            ..RequestSystemStatus::new()
        },
    );
    // Unanswered by its nature.
    bench.send(
        5,
        ApplicationSessionTerminated {
            session_id: None,
            session_term_reason: None,
        },
    );
    assert_eq!(
        bench.out(),
        [
            "0001 operation/serviceNotSupported",
            "0002 operation/generic",
            "0003 operation/generic",
            "0004 RequestSystemStatusResponse",
        ]
    );
    let ledger = bench.exchange.ledger();
    assert_eq!(ledger.bad_frames["malformed"], 1);
    assert_eq!(ledger.bad_frames["missing-element"], 1);
    assert_eq!(ledger.refusals["operation/generic"], 2);
}

#[test]
fn what_is_no_frame_closes_the_link() {
    let mut bench = Bench::new(|_| {});
    bench
        .exchange
        .handle_frame_error(bench.link, &FrameError::Length(7));
    assert_eq!(bench.out(), ["closed"]);
    assert_eq!(bench.exchange.ledger().links_open, 0);
}

#[test]
fn a_needed_session_that_expires_ends_the_link() {
    let mut bench = Bench::new(|config| config.association.session_required = true);
    bench.send(1, monitor("2001"));
    bench.send(
        2,
        csta::message::StartApplicationSession {
            application_info: csta::message::application_session::ApplicationInfo {
                application_id: "test".to_owned(),
                specific_info: String::new(),
            },
            requested_protocol_versions: csta::message::application_session::ProtocolVersions(
                vec![Edition::Ed3.namespace().to_owned()],
            ),
            requested_session_duration: None,
        },
    );
    bench.send(3, monitor("2001"));
    assert_eq!(
        bench.out(),
        [
            "0001 operation/securityViolation",
            "0002 StartApplicationSessionPosResponse",
            "0003 MonitorStartResponse",
        ]
    );
    bench.wait(Duration::from_secs(60));
    assert_eq!(bench.out(), ["0000 ApplicationSessionTerminated", "closed"]);
    let ledger = bench.exchange.ledger();
    assert_eq!((ledger.sessions_expired, ledger.monitors), (1, 0));
}

#[test]
fn segmented_snapshots_end_with_the_last_segment() {
    let mut bench = Bench::new(|config| {
        let dialect = &mut config.association.dialect;
        dialect.set("snapshot", "segmented").unwrap();
        dialect.set("speaks-first", "true").unwrap();
    });
    bench.command("call 2001 2002");
    bench.command("answer 2002");
    bench.command("hold 2001");
    bench.command("call 2003 2001");
    bench.send(1, snapshot("2001"));
    assert_eq!(
        bench.out(),
        [
            "0000 SystemStatus",
            "0001 SnapshotDeviceResponse",
            "0001 SnapshotDeviceData",
            "0002 SnapshotDeviceData",
        ]
    );
}

#[test]
fn quiet_freezes_the_model_and_resume_goes_on_where_it_was() {
    let mut bench = Bench::new(|config| config.traffic.calls_per_hour = 3600.0);
    bench.wait(Duration::from_secs(60));
    bench.command("quiet");
    let frozen = bench.exchange.truth();
    assert!(!frozen.calls.is_empty());
    assert_eq!(bench.exchange.poll_timeout(), None);
    bench.wait(Duration::from_secs(3600));
    assert_eq!(bench.exchange.truth(), frozen);
    bench.command("traffic resume");
    assert_eq!(bench.exchange.truth(), frozen);
    bench.wait(Duration::from_secs(30));
    assert_ne!(bench.exchange.truth(), frozen);
    bench.command("drain");
    assert_eq!(bench.exchange.truth().calls, []);
    bench.wait(Duration::from_secs(60));
    assert_eq!(bench.exchange.truth().calls, []);
}

#[test]
fn commands_do_what_a_user_does_and_say_why_not() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.command("call 2001 2002"), "ok call 0000000100000001");
    assert_eq!(bench.command("answer 2001"), "2001 has no call to answer");
    assert_eq!(bench.command("answer 2002"), "ok");
    assert_eq!(bench.command("hold 2001"), "ok");
    assert_eq!(bench.command("hold 2001"), "2001 has no call to hold");
    assert_eq!(bench.command("retrieve 2001"), "ok");
    assert_eq!(bench.command("clear 2002"), "ok");
    assert_eq!(bench.command("clear 2002"), "2002 has no call to clear");
    assert_eq!(bench.command("answer 777"), "there is no extension 777");
    let refusal = "the PBX refuses: operation/invalidCallingDeviceID";
    assert_eq!(bench.command("call 777 2001"), refusal);
    let refusal = "the PBX refuses: operation/invalidDeviceID";
    assert_eq!(bench.command("forward 777 busy 2001"), refusal);
}

#[test]
fn a_silent_pbx_swallows_requests_and_a_restarted_one_cuts_its_links() {
    let mut bench = Bench::new(|_| {});
    bench.send(1, monitor("2001"));
    bench.command("silent on");
    bench.send(2, snapshot("2001"));
    bench.command("call 2001 2002");
    let restarted = bench.exchange.command(Command::Restart, bench.now, 0);
    assert_eq!(restarted, Ok(Reply::Count(1, "links cut")));
    assert_eq!(
        bench.out(),
        [
            "0001 MonitorStartResponse",
            "9999 ServiceInitiatedEvent",
            "9999 OriginatedEvent",
            "9999 DeliveredEvent",
            "cut",
        ]
    );
    let ledger = bench.exchange.ledger();
    assert_eq!((ledger.requests_swallowed, ledger.boots), (1, 2));
    assert_eq!(
        (
            ledger.calls_lost_in_restarts,
            ledger.links_cut,
            ledger.monitors
        ),
        (1, 1, 0)
    );
    assert_eq!(bench.exchange.truth().boot, 2);
}
