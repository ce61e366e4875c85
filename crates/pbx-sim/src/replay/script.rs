//! What a replay says to whom, without I/O: [`Script`] from the captures, [`Player`] for one link.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use csta::frame::HEADER_LEN;
use csta::message::monitoring::MonitorObject;
use csta::message::snapshot::{SnapshotCalls, SnapshotSource};
use csta::message::{
    MonitorStart, MonitorStartResponse, MonitorStopResponse, RequestSystemStatusResponse,
    SnapshotDeviceResponse, SystemRegisterResponse, SystemStatusResponse,
};
use csta::{
    DeviceId, Event, Frame, Message, MonitorCrossRefId, Request, Response, SystemStatusValue,
};

use crate::config::AssociationConfig;
use crate::session::Session;
use crate::switching::{invalid_monitor_object, service_not_supported, unreadable};

/// Captures, and what they say about the monitors that they came from.
#[derive(Debug, Clone)]
pub struct Script {
    captures: Vec<Bytes>,
    /// By number of the device: the subject of the first event under each cross-reference.
    monitors: BTreeMap<String, MonitorCrossRefId>,
    /// Cross-references that no event ties to a device.
    loose: Vec<MonitorCrossRefId>,
    /// Devices that must be monitored and snapshotted first; any one if empty.
    triggers: BTreeSet<String>,
}

impl Script {
    /// Reads the captures; `after_monitor` takes the place of the devices found in them.
    #[must_use]
    pub fn new(captures: Vec<Bytes>, after_monitor: &[String]) -> Self {
        let mut monitors: BTreeMap<String, MonitorCrossRefId> = BTreeMap::new();
        let mut loose = Vec::new();
        for body in captures.iter().flat_map(|capture| bodies(capture)) {
            match Message::parse(body) {
                Ok(Message::Event(event)) => {
                    let id = event.monitor_cross_ref_id().clone();
                    if monitors.values().all(|known| *known != id)
                        && let Some(number) = subject(&event)
                    {
                        monitors.entry(number).or_insert(id);
                    }
                }
                Ok(Message::Response(Response::MonitorStart(start))) => {
                    loose.push(start.monitor_cross_ref_id);
                }
                _ => {}
            }
        }
        loose.retain(|id| monitors.values().all(|known| known != id));
        let triggers = match after_monitor {
            [] => monitors.keys().cloned().collect(),
            devices => devices.iter().cloned().collect(),
        };
        Self {
            captures,
            monitors,
            loose,
            triggers,
        }
    }

    /// The bytes to play.
    #[must_use]
    pub fn captures(&self) -> &[Bytes] {
        &self.captures
    }

    /// The devices after whose monitor and snapshot the captures are played; empty means any one.
    pub fn triggers(&self) -> impl Iterator<Item = &str> {
        self.triggers.iter().map(String::as_str)
    }
}

fn subject(event: &Event) -> Option<String> {
    let device = event.connection()?.device_id.as_ref()?;
    Some(device.number().to_owned())
}

/// The bodies of the frames in a capture; the last one is what remains if its length is wrong.
fn bodies(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut bodies = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() {
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        match bytes.get(HEADER_LEN..length) {
            Some(body) => {
                bodies.push(body);
                bytes = &bytes[length..];
            }
            None => {
                bodies.push(rest);
                break;
            }
        }
    }
    bodies
}

/// One link of a replay.
#[derive(Debug)]
pub(super) struct Player<'s> {
    script: &'s Script,
    association: AssociationConfig,
    session: Session,
    /// Numbers of the monitored devices.
    monitored: BTreeSet<String>,
    /// Numbers of those that were snapshotted after that.
    seen: BTreeSet<String>,
    loose: std::slice::Iter<'s, MonitorCrossRefId>,
    own_monitors: u64,
}

impl<'s> Player<'s> {
    pub(super) fn new(script: &'s Script) -> Self {
        let association = AssociationConfig {
            dialect: csta::Dialect::ECMA,
            ..AssociationConfig::default()
        };
        Self {
            script,
            session: Session::new(association.edition()),
            association,
            monitored: BTreeSet::new(),
            seen: BTreeSet::new(),
            loose: script.loose.iter(),
            own_monitors: 0,
        }
    }

    /// Whether everything that the captures are about is monitored and snapshotted.
    pub(super) fn is_ready(&self) -> bool {
        let triggers = &self.script.triggers;
        match triggers.is_empty() {
            true => !self.seen.is_empty(),
            false => triggers.is_subset(&self.seen),
        }
    }

    /// Answers a frame of the client; answers of the client need none.
    pub(super) fn handle_frame(&mut self, frame: &Frame, now: Instant) -> Option<Bytes> {
        let response = match Message::parse(&frame.body) {
            Ok(Message::Request(request)) => self.respond(&request, now)?,
            Ok(Message::Unknown { .. }) => service_not_supported().into(),
            Ok(Message::Response(_) | Message::Event(_)) => return None,
            Err(_) => unreadable().into(),
        };
        let mut bytes = BytesMut::new();
        let xml = response.to_xml(self.session.edition());
        // Every answer here is short.
        csta::frame::encode(frame.invoke_id, &xml, &mut bytes).ok()?;
        Some(bytes.freeze())
    }

    fn respond(&mut self, request: &Request, now: Instant) -> Option<Response> {
        Some(match request {
            Request::StartApplicationSession(start) => {
                self.session
                    .start(start, "replay".to_owned(), &self.association, now)
            }
            Request::ResetApplicationSessionTimer(reset) => {
                self.session.reset(reset, &self.association, now)
            }
            Request::StopApplicationSession(stop) => self.session.stop(stop),
            Request::MonitorStart(start) => self.start_monitor(start),
            Request::MonitorStop(_) => MonitorStopResponse::new().into(),
            Request::SnapshotDevice(snapshot) => {
                let number = snapshot.snapshot_object.number().to_owned();
                if self.monitored.contains(&number) {
                    self.seen.insert(number);
                }
                SnapshotDeviceResponse {
                    data: Some(SnapshotSource::Inline(SnapshotCalls::default())),
                    ..SnapshotDeviceResponse::new()
                }
                .into()
            }
            Request::RequestSystemStatus(_) => {
                RequestSystemStatusResponse::new(SystemStatusValue::Normal).into()
            }
            Request::SystemStatus(_) => SystemStatusResponse::new().into(),
            Request::SystemRegister(_) => SystemRegisterResponse::new("replay".to_owned()).into(),
            request if !request.expects_answer() => return None,
            // There is no call model behind a replay.
            _ => service_not_supported().into(),
        })
    }

    fn start_monitor(&mut self, start: &MonitorStart) -> Response {
        let MonitorObject::Device(device) = &start.monitor_object else {
            return invalid_monitor_object().into();
        };
        MonitorStartResponse {
            monitor_existing_calls: Some(true),
            ..MonitorStartResponse::new(self.cross_reference(device))
        }
        .into()
    }

    /// The capture's for its device, a loose one for the device awaited (or any), or one of our own.
    fn cross_reference(&mut self, device: &DeviceId) -> MonitorCrossRefId {
        let number = device.number();
        let script = self.script;
        self.monitored.insert(number.to_owned());
        if let Some(id) = script.monitors.get(number) {
            return id.clone();
        }
        let awaited = script.triggers.is_empty() || script.triggers.contains(number);
        if let Some(id) = self.loose.as_slice().first().filter(|_| awaited) {
            self.loose.next();
            return id.clone();
        }
        self.own_monitors += 1;
        MonitorCrossRefId::new(format!("replay-{}", self.own_monitors))
    }
}
