//! The harness of this module's tests: a client on a link in virtual time, whose other end is the test.
//! What goes out and what the owner is told appear as one short line each.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::{Client, ClientEvent, Config, DeviceList};
use crate::frame::{FrameDecoder, encode};
use crate::id::{CallId, ConnectionId, DeviceId, InvokeId, MonitorCrossRefId};
use crate::message::monitoring::MonitorObject;
use crate::message::{
    Event, Message, MonitorStartResponse, Request, Response, ServiceInitiatedEvent,
    SnapshotCallInfo, SnapshotDeviceResponse,
};

/// The instant from which tests count; the same for a whole run.
#[expect(
    clippy::disallowed_methods,
    reason = "virtual time counts from some instant, and there is no other way to get one"
)]
pub(crate) fn instant() -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    *ZERO.get_or_init(Instant::now)
}

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) now: Instant,
    decoder: FrameDecoder,
}

impl Link {
    pub(super) fn open(config: Config, devices: &[&str]) -> Self {
        Self {
            client: Client::new(
                config,
                devices.iter().copied().map(DeviceId::new),
                instant(),
            ),
            now: instant(),
            decoder: FrameDecoder::default(),
        }
    }

    /// A link whose application session `s1` of 120 s is up; nothing is left to drain but what the
    /// monitors did.
    pub(super) fn started(config: Config, devices: &[&str]) -> Self {
        let mut link = Self::open(config, devices);
        link.expect_sent(&["0000 StartApplicationSession"]);
        link.receive(0, SESSION);
        let started = "Started Ed5 session=s1 duration=120".to_owned();
        assert!(link.told().starts_with(&[started]));
        link
    }

    /// A link with devices monitored (`x1` for the first, `x2` …), idle, and nothing left to drain.
    pub(super) fn watching(config: Config, devices: &[&str]) -> Self {
        let mut link = Self::started(config, devices);
        let mut monitors = 0;
        loop {
            let requests = link.requests();
            if requests.is_empty() {
                break;
            }
            for (id, request) in requests {
                match request {
                    Request::MonitorStart(_) => {
                        monitors += 1;
                        link.receive(id, &monitor_started(&format!("x{monitors}")));
                    }
                    Request::SnapshotDevice(_) => link.receive(id, &idle()),
                    other => panic!("unexpected {}", other.name()),
                }
            }
        }
        let told = link.told();
        let synchronised = format!("Synchronised {}/0", devices.len());
        assert_eq!(told.last(), Some(&synchronised));
        link
    }

    /// Whole frames that went out.
    pub(super) fn sent(&mut self) -> Vec<(u16, Message)> {
        while let Some(bytes) = self.client.poll_transmit() {
            self.decoder.push(&bytes);
        }
        let decoder = &mut self.decoder;
        std::iter::from_fn(|| decoder.next_frame().expect("our own frame"))
            .map(|f| {
                (
                    f.invoke_id.get(),
                    Message::parse(&f.body).expect("our own message"),
                )
            })
            .collect()
    }

    pub(super) fn requests(&mut self) -> Vec<(u16, Request)> {
        let request = |(id, message)| match message {
            Message::Request(request) => (id, request),
            other => panic!("unexpected {}", other.name()),
        };
        self.sent().into_iter().map(request).collect()
    }

    pub(super) fn expect_sent(&mut self, want: &[&str]) {
        let sent = self.sent();
        let lines: Vec<_> = sent
            .iter()
            .map(|(id, m)| format!("{id:04} {}", line(m)))
            .collect();
        assert_eq!(lines, want);
    }

    pub(super) fn receive(&mut self, id: u16, body: &str) {
        let mut bytes = BytesMut::new();
        let id = InvokeId::new(id).expect("a test's own id");
        encode(id, body, &mut bytes).expect("a test's own body");
        self.client.handle_bytes(&bytes, self.now);
    }

    pub(super) fn told(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.client.poll_event())
            .map(told_line)
            .collect()
    }

    pub(super) fn expect_told(&mut self, want: &[&str]) {
        assert_eq!(self.told(), want);
    }

    /// Lets time pass; every timer fires at its instant.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.client.poll_timeout()
            && at <= end
        {
            self.now = self.now.max(at);
            self.client.handle_timeout(self.now);
        }
        self.now = end;
    }
}

fn line(message: &Message) -> String {
    let detail = match message {
        Message::Request(Request::MonitorStart(r)) => match &r.monitor_object {
            MonitorObject::Device(device) => device.to_string(),
            MonitorObject::Call(connection) => connection.to_string(),
        },
        Message::Request(Request::MonitorStop(r)) => r.monitor_cross_ref_id.to_string(),
        Message::Request(Request::SnapshotDevice(r)) => r.snapshot_object.to_string(),
        Message::Response(Response::Error(error)) => error.to_string(),
        _ => return message.name().to_owned(),
    };
    format!("{} {detail}", message.name())
}

fn told_line(event: ClientEvent) -> String {
    match event {
        ClientEvent::Started {
            edition,
            session_id,
            duration,
        } => {
            let id = session_id.unwrap_or_default();
            let seconds = duration.unwrap_or_default().as_secs();
            format!("Started {edition:?} session={id} duration={seconds}")
        }
        ClientEvent::Monitored { device } => format!("Monitored {device}"),
        ClientEvent::Unmonitored {
            device,
            reason,
            retry,
        } => {
            let retry = if retry { "for now" } else { "for good" };
            format!("Unmonitored {device} {retry}: {reason}")
        }
        ClientEvent::Snapshot { device, calls } => {
            format!("Snapshot {device} calls={}", calls.len())
        }
        ClientEvent::SnapshotFailed { device, error } => {
            format!("SnapshotFailed {device}: {error}")
        }
        ClientEvent::Event { device, event } => {
            let connection = event.connection().map(ToString::to_string);
            format!(
                "{} {device} {}",
                event.name(),
                connection.unwrap_or_default()
            )
        }
        ClientEvent::Synchronised {
            devices,
            unmonitored,
        } => format!("Synchronised {devices}/{unmonitored}"),
        ClientEvent::Answered { invoke_id, result } => match result {
            Ok(response) => format!("Answered {invoke_id} {}", response.name()),
            Err(error) => format!("Failed {invoke_id} {error}"),
        },
        ClientEvent::DevicesChanged => "DevicesChanged".to_owned(),
        ClientEvent::Devices(DeviceList { invoke_id, devices }) => match devices {
            Ok(devices) => format!("Devices {invoke_id} {}", devices.len()),
            Err(error) => format!("Devices {invoke_id} failed: {error}"),
        },
        ClientEvent::UnknownEvent { device, name, xml } => {
            let device = device.map(|device| device.to_string()).unwrap_or_default();
            format!("UnknownEvent {device} {name} {} bytes", xml.len())
        }
        ClientEvent::SystemStatus(status) => format!("SystemStatus {status}"),
        ClientEvent::BadMessage { kind, .. } => format!("BadMessage {kind}"),
        ClientEvent::UnknownMessage { name } => format!("UnknownMessage {name}"),
        ClientEvent::Closed { reason, try_next } => match try_next {
            Some(mode) => format!("Closed: {reason}; next {mode:?}"),
            None => format!("Closed: {reason}"),
        },
    }
}

/// Positive answer to Start Application Session: edition 5, 120 s.
pub(super) const SESSION: &str = "<StartApplicationSessionPosResponse><sessionID>s1</sessionID>\
    <actualProtocolVersion>http://www.ecma-international.org/standards/ecma-323/csta/ed5\
    </actualProtocolVersion><actualSessionDuration>120</actualSessionDuration>\
    </StartApplicationSessionPosResponse>";

pub(super) fn error(category: &str, value: &str) -> String {
    format!("<CSTAErrorCode><{category}>{value}</{category}></CSTAErrorCode>")
}

pub(super) fn system_status(status: &str) -> String {
    format!("<SystemStatus><systemStatus>{status}</systemStatus></SystemStatus>")
}

pub(super) fn xml(message: impl Into<Response>) -> String {
    let message: Response = message.into();
    message.to_xml(crate::Edition::Ed5)
}

pub(super) fn monitor_started(cross_ref: &str) -> String {
    xml(MonitorStartResponse {
        monitor_existing_calls: None,
        ..MonitorStartResponse::new(MonitorCrossRefId::new(cross_ref))
    })
}

/// An empty snapshot.
pub(super) fn idle() -> String {
    xml(SnapshotDeviceResponse {
        data: None,
        ..SnapshotDeviceResponse::new()
    })
}

pub(super) fn call_info(call: &str) -> SnapshotCallInfo {
    SnapshotCallInfo {
        endpoint_device: None,
        local_call_state: None,
        ..SnapshotCallInfo::new(connection(call))
    }
}

pub(super) fn connection(call: &str) -> ConnectionId {
    ConnectionId::new(CallId::new(call), DeviceId::new("d"))
}

/// An event about a call, as the monitor `cross_ref` reports it.
pub(super) fn event(cross_ref: &str, call: &str) -> String {
    let event = ServiceInitiatedEvent {
        initiating_device: None,
        local_connection_info: None,
        cause: None,
        ..ServiceInitiatedEvent::new(MonitorCrossRefId::new(cross_ref), connection(call))
    };
    Event::from(event).to_xml(crate::Edition::Ed5)
}
