//! The PBX's side of the gateway: what the CSTA client reports goes through the registry into the
//! outbox, what commands ask goes to the CSTA client. Runs inside the PBX link's task.

mod answers;
mod inventory;
mod questions;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use call_control::{Registry, ViewChange};
use cloud_uplink::command::{Accepted, Action};
use cloud_uplink::event::LegChange;
use cloud_uplink::{
    CommandError, EndpointView, ErrorCode, Event, EventData, IdSource, LegView, Outcome, Timestamp,
};
use csta::client::{Client, ClientEvent, CloseReason, InvocationError, UNKNOWN_NAMES_MAX};
use csta::{DeviceId, Edition, InvokeId, Request, Response, SystemStatusValue};
use net::clock;
use net::csta_link::{CstaHandler, CstaLinkState};
use net::tcp::BoxedStream;
use serde::Serialize;
use store::gateway::{Batch, Record, ViewChange as StoredChange};
use tokio::sync::{mpsc, oneshot};

use self::answers::Snapshot;
use self::questions::Questions;
use self::rows::history_row;
use crate::outbox::{Outbox, wall};
use crate::status::Shared;

pub use inventory::{Devices, Features, Inventory};
pub use rows::{ENDPOINT_KEY, HISTORY_KEY};

/// Time that the PBX gets to answer a command.
pub const PBX_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What other parts ask of the engine.
#[derive(Debug)]
pub enum EngineCommand {
    /// Which request would carry out this action now?
    Resolve(Action, oneshot::Sender<Result<Request, CommandError>>),
    /// Carry it out.
    Execute(Action, Request, oneshot::Sender<Outcome>),
    /// Publish an event of our own.
    Publish(EventData),
    /// The PBX tells by SIP whether messages wait for this extension.
    MessageWaiting(Box<str>, bool),
    /// Follow these devices from now on.
    SetDevices(Vec<DeviceId>),
    /// A fault switch for tests: the PBX link's part panics.
    #[doc(hidden)]
    Panic,
}

/// The engine of one run of the PBX link's part.
#[derive(Debug)]
pub struct Engine {
    registry: Registry,
    outbox: Arc<Outbox>,
    shared: Arc<Shared>,
    ids: IdSource,
    devices: Vec<DeviceId>,
    waiting: BTreeMap<InvokeId, (Action, oneshot::Sender<Outcome>)>,
    /// Commands that end with more than the answer to their request.
    snapshots: Vec<Snapshot>,
    questions: Questions,
    batch: Batch,
    /// Where legs are told that may be those of the SIP part's calls.
    told: Option<mpsc::Sender<Box<LegChange>>>,
    /// Extensions of which CSTA tells whether messages wait, in this association.
    messages: BTreeSet<String>,
    /// The association is over; its last figures are still to be taken, or were.
    over: Option<Over>,
    /// Number of the first frame of the PBX's link that came since the last input.
    heard: u64,
    /// Names of events that nobody knows, each logged once; at most [`UNKNOWN_NAMES_MAX`].
    unknown: BTreeSet<String>,
}

/// How far the end of an association is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Told,
    Counted,
}

impl Engine {
    fn pbx_event(&mut self, device: &DeviceId, event: &csta::Event, stamp: Timestamp) {
        self.shared.count_event(event.name());
        if matches!(event, csta::Event::MessageWaiting(_)) {
            self.messages.insert(device.number().to_owned());
        }
        self.registry.handle_event(device, event, stamp);
    }

    /// An engine that goes on from the calls as last committed.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub fn new(
        outbox: Arc<Outbox>,
        shared: Arc<Shared>,
        devices: Vec<DeviceId>,
        told: Option<mpsc::Sender<Box<LegChange>>>,
        mut ids: impl FnMut() -> IdSource,
    ) -> anyhow::Result<Self> {
        // After a panic, the connection before did not end in good order.
        shared.pbx_finished(None);
        let mut registry = Registry::new(shared.identity.clone(), ids());
        let kept = outbox.kept()?;
        let view = kept.view;
        registry.restore_endpoints(view.endpoints);
        registry.restore(view.legs);
        registry.restore_history(kept.history);
        registry.set_endpoints(devices.iter().cloned(), now());
        let mut engine = Self {
            registry,
            outbox,
            shared,
            ids: ids(),
            devices,
            waiting: BTreeMap::new(),
            snapshots: Vec::new(),
            questions: Questions::default(),
            batch: Batch::default(),
            told,
            messages: BTreeSet::new(),
            over: None,
            heard: 0,
            unknown: BTreeSet::new(),
        };
        engine.registry.handle_restart(now());
        engine.collect(clock::now());
        engine.commit();
        Ok(engine)
    }

    fn answered(&mut self, id: InvokeId, result: Result<Response, InvocationError>) {
        if let Some(question) = self.questions.answered(id, &result) {
            self.learn(&question, &result);
            return;
        }
        // The list itself follows.
        if let (Some((Action::GetDevices(_), _)), Ok(_)) = (self.waiting.get(&id), &result) {
            return;
        }
        let Some((action, reply)) = self.waiting.remove(&id) else {
            return;
        };
        let outcome = match result {
            Ok(response) => Outcome::Ok(self.registry.accepted(&action, &response, now())),
            Err(InvocationError::Refused(error)) => self.registry.refused(&action, &error),
            Err(error) => Outcome::Error(CommandError::new(
                ErrorCode::OutcomeUnknown,
                format!("the PBX was asked, but {error}: whether it acted is not known"),
            )),
        };
        // The asker may have gone away; the outcome is then of no interest.
        let _ = reply.send(outcome);
    }

    fn execute(
        &mut self,
        action: Action,
        request: Request,
        reply: oneshot::Sender<Outcome>,
        client: Option<&mut Client>,
        at: Instant,
    ) {
        let Some(client) = client else {
            let _ = reply.send(Outcome::Error(pbx_unavailable()));
            return;
        };
        if let (Action::Snapshot(of), Request::SnapshotDevice(snapshot)) = (&action, &request) {
            let device = self.followed(&snapshot.snapshot_object);
            self.snapshot(&of.endpoint_id, device, reply, client, at);
            return;
        }
        match client.request(request, PBX_ANSWER_TIMEOUT, at) {
            Ok(id) => {
                self.waiting.insert(id, (action, reply));
            }
            Err(error) => {
                let code = match error {
                    csta::client::CommandError::TooManyInFlight(_) => ErrorCode::Overloaded,
                    csta::client::CommandError::NotStarted => ErrorCode::PbxUnavailable,
                    _ => ErrorCode::Unsupported,
                };
                let _ = reply.send(Outcome::Error(CommandError::new(code, error.to_string())));
            }
        }
    }

    fn associated(&mut self, session: Option<&str>, edition: Edition) {
        tracing::info!(?edition, session, "PBX association up");
        self.registry.handle_link_up(now());
        self.questions.begin();
    }

    fn status(&mut self, status: SystemStatusValue) {
        tracing::warn!(%status, "the PBX reports its status");
        if status == SystemStatusValue::MessagesLost {
            self.registry.handle_messages_lost(now());
            self.questions.resynchronising();
            self.questions.all_anew();
        }
    }

    fn publish(&mut self, body: EventData) {
        let time = now();
        let id = cloud_uplink::id::EventId::new(self.ids.ulid(time));
        let event = Event::new(id, &self.shared.identity, time, body);
        self.record(&event, None);
    }

    fn record(&mut self, event: &Event, received: Option<Instant>) {
        match serde_json::to_string(event) {
            Ok(body) => {
                self.shared.recent.told(event, &body, self.heard);
                let at_ms = wall(event.time.as_unix_ms());
                self.batch.records.push(Record {
                    body,
                    at_ms,
                    received,
                });
            }
            Err(error) => tracing::error!(%error, "an event cannot be written as JSON"),
        }
    }

    /// Moves what the registry has to say into the batch.
    fn collect(&mut self, received: Instant) {
        while let Some(change) = self.registry.poll_change() {
            if let (Some(told), Some(leg)) = (&self.told, change.event.body.leg_change())
                && leg.leg.endpoint_id.is_some()
                && told.try_send(Box::new(leg.clone())).is_err()
            {
                tracing::debug!("a leg is not compared with calls: too many wait");
            }
            self.record(&change.event, Some(received));
            match change.view {
                Some(ViewChange::Put(leg)) => self.put_leg(&leg),
                Some(ViewChange::Delete(leg)) => {
                    self.batch.view.push(StoredChange::Delete {
                        key: leg.to_string(),
                    });
                }
                Some(ViewChange::PutEndpoint(endpoint)) => self.put_endpoint(&endpoint),
                Some(ViewChange::PutAll(legs, endpoints)) => {
                    legs.iter().for_each(|leg| self.put_leg(leg));
                    endpoints.iter().for_each(|it| self.put_endpoint(it));
                }
                None => {}
            }
        }
        while let Some(change) = self.registry.poll_history() {
            self.batch.view.extend(history_row(change));
        }
    }

    fn put_leg(&mut self, leg: &LegView) {
        self.put(leg.leg_id.to_string(), leg);
    }

    fn put_endpoint(&mut self, endpoint: &EndpointView) {
        self.put(format!("{ENDPOINT_KEY}{}", endpoint.endpoint_id), endpoint);
    }

    fn put(&mut self, key: String, row: &impl Serialize) {
        match serde_json::to_string(row) {
            Ok(body) => self.batch.view.push(StoredChange::Put { key, body }),
            Err(error) => tracing::error!(%error, "a row of the view cannot be written as JSON"),
        }
    }

    /// Hands the batch to the outbox.
    fn commit(&mut self) {
        if self.batch.records.is_empty() && self.batch.view.is_empty() {
            return;
        }
        if let Err(overloaded) = self.outbox.append(std::mem::take(&mut self.batch)) {
            tracing::error!(
                lost = overloaded.lost,
                "the outbox does not keep up: events lost"
            );
        }
    }
}

impl CstaHandler for Engine {
    type Command = EngineCommand;

    fn devices(&self) -> Vec<DeviceId> {
        self.devices.clone()
    }

    fn connected(&mut self, stream: BoxedStream) -> BoxedStream {
        self.shared.recent.listen_to(stream)
    }

    fn link_state(&mut self, state: CstaLinkState) {
        match &state {
            CstaLinkState::Up => tracing::info!("PBX link up"),
            CstaLinkState::Connecting | CstaLinkState::Associating => self.over = None,
            CstaLinkState::Down { reason, .. } => self.registry.handle_link_down(reason, now()),
            CstaLinkState::Stopped => self.registry.handle_link_down("gateway stopped", now()),
        }
        self.shared.set_pbx_link(state);
    }

    fn client_event(&mut self, event: ClientEvent, received: Instant) {
        let stamp = now();
        match event {
            ClientEvent::Started {
                edition,
                session_id,
                ..
            } => self.associated(session_id.as_deref(), edition),
            ClientEvent::Monitored { device } => {
                self.registry.handle_monitored(&device, stamp);
                self.questions.monitored(&device);
            }
            ClientEvent::Unmonitored {
                device,
                reason,
                retry,
            } => {
                let reason = reason.to_string();
                tracing::info!(device = %device, reason, retry, "device not monitored");
                self.registry
                    .handle_unmonitored(&device, &reason, retry, stamp);
            }
            ClientEvent::Snapshot { device, calls } => {
                self.registry.handle_snapshot(&device, &calls, stamp);
                self.questions.snapshotted(&device);
                for snapshot in &mut self.snapshots {
                    snapshot.calls |= snapshot.device == device;
                }
            }
            ClientEvent::SnapshotFailed { device, error } => {
                self.snapshot_failed(&device, &error);
            }
            ClientEvent::Event { device, event } => {
                self.pbx_event(&device, &event, stamp);
            }
            ClientEvent::Synchronised {
                devices,
                unmonitored,
            } => {
                tracing::info!(devices, unmonitored, "all devices synchronised");
                self.shared.synchronised(clock::now());
                self.registry.handle_synchronised(stamp);
                self.questions.synchronised();
            }
            ClientEvent::Answered { invoke_id, result } => self.answered(invoke_id, result),
            ClientEvent::DevicesChanged => self.questions.devices_changed(received),
            ClientEvent::Devices(list) => self.listed(list),
            ClientEvent::SystemStatus(status) => self.status(status),
            ClientEvent::BadMessage { kind, error } => {
                // Numbers and names are masked in the one, not in the other.
                tracing::warn!(kind, %error, "unreadable CSTA message; more of its kind are counted");
                tracing::debug!(kind, ?error, "the same as it came");
            }
            ClientEvent::UnknownMessage { name } => {
                tracing::warn!(name, "unknown CSTA message; more of its name are counted");
            }
            ClientEvent::UnknownEvent { device, name, xml } => {
                if self.unknown.len() < UNKNOWN_NAMES_MAX && self.unknown.insert(name.clone()) {
                    tracing::warn!(name, "unknown CSTA event; more of its name are counted");
                }
                self.registry
                    .handle_unknown(device.as_ref(), &name, &xml, stamp);
            }
            ClientEvent::Closed { reason, .. } => {
                tracing::debug!(%reason, "PBX association over");
                self.shared.count_close(close_kind(&reason));
                self.messages.clear();
                self.over = Some(Over::Told);
            }
        }
        self.collect(received);
    }

    fn input_done(&mut self, client: Option<&mut Client>, received: Instant) {
        self.collect(received);
        if let (Some(client), Some(Over::Told)) = (&client, self.over) {
            self.shared.pbx_finished(Some(client.stats()));
            self.over = Some(Over::Counted);
        }
        if let Some(client) = client {
            while let Some(device) = self.registry.poll_wanted_snapshot() {
                client.resnapshot(&device, received);
            }
            while let Some(connection) = self.registry.poll_wanted_call() {
                self.questions.call(connection);
            }
            self.end_snapshots(received);
            self.ask(client, received);
        }
        self.heard = self.shared.recent.next_frame();
        self.commit();
    }

    fn command(&mut self, command: EngineCommand, client: Option<&mut Client>, at: Instant) {
        match command {
            EngineCommand::Resolve(action, reply) => {
                let resolved = match client {
                    Some(_) => self.registry.resolve(&action),
                    None => Err(pbx_unavailable()),
                };
                let _ = reply.send(resolved);
            }
            EngineCommand::Execute(action, request, reply) => {
                self.execute(action, request, reply, client, at);
            }
            EngineCommand::Publish(body) => self.publish(body),
            // What CSTA says of an extension counts, where it says anything.
            EngineCommand::MessageWaiting(extension, on) => {
                if !self.messages.contains(&*extension) {
                    self.registry.handle_message_summary(&extension, on, now());
                }
            }
            EngineCommand::SetDevices(devices) => {
                self.registry.set_endpoints(devices.iter().cloned(), now());
                if let Some(client) = client {
                    self.questions.resynchronising();
                    client.set_devices(devices.iter().cloned(), at);
                }
                self.shared.set_devices(devices.clone());
                self.devices = devices;
            }
            EngineCommand::Panic => panic!("as a test wished"),
        }
    }

    fn tick(&mut self, client: Option<&Client>, at: Instant) {
        self.registry.handle_timeout(now());
        self.questions.handle_timeout(at);
        self.end_snapshots(at);
        // What was counted once is not counted again.
        let client = client.filter(|_| self.over.is_none());
        self.shared
            .pbx_tick(at, client.map(Client::stats), self.registry.stats());
    }
}

/// The call that a command led to, where there is one.
#[must_use]
pub fn call_of(outcome: &Outcome) -> Option<cloud_uplink::CallId> {
    match outcome {
        Outcome::Ok(Accepted { call_id, .. }) => *call_id,
        Outcome::Error(_) => None,
    }
}

/// The word for the end of an association in metrics.
const fn close_kind(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::Framing(_) => "framing",
        CloseReason::FrameLength(_) => "frame-length",
        CloseReason::Incomplete { .. } => "incomplete-frame",
        CloseReason::LinkClosed => "link-closed",
        CloseReason::Silent => "silent",
        CloseReason::HeartBeatLost => "heart-beat-lost",
        CloseReason::Refused(_) => "refused",
        CloseReason::Stopped => "stopped",
        _ => "other",
    }
}

fn pbx_unavailable() -> CommandError {
    CommandError::new(
        ErrorCode::PbxUnavailable,
        "there is no link to the PBX; nothing was done",
    )
}

fn now() -> Timestamp {
    Timestamp::from_unix_ms(clock::unix_ms())
}
