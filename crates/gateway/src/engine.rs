//! The PBX's side of the gateway: what the CSTA client reports goes through the registry into the
//! outbox, what commands ask goes to the CSTA client. Runs inside the PBX link's task.

mod answers;
mod inventory;
mod questions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use call_control::{HistoryChange, Registry, ViewChange};
use cloud_uplink::command::{Accepted, Action};
use cloud_uplink::{CommandError, ErrorCode, Event, EventData, IdSource, Outcome, Timestamp};
use csta::client::{Client, ClientEvent, CloseReason, InvocationError, UNKNOWN_NAMES_MAX};
use csta::{DeviceId, Edition, InvokeId, Request, Response, SystemStatusValue};
use net::clock;
use net::csta_link::{CstaHandler, CstaLinkState};
use store::gateway::{Batch, Record, ViewChange as StoredChange};
use tokio::sync::oneshot;

use self::answers::Snapshot;
use self::questions::Questions;
use crate::outbox::{Outbox, wall};
use crate::status::Shared;

pub use inventory::{Devices, Features, Inventory};

/// What the keys of extensions in the view begin with; those of legs are their ids.
pub const ENDPOINT_KEY: &str = "endpoint/";
/// What the keys of users' parts in calls begin with: they are for the next start, not for the far end.
pub const HISTORY_KEY: &str = "history/";

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
    /// The association is over; its last figures are still to be taken, or were.
    over: Option<Over>,
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
    /// An engine that goes on from the calls as last committed.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub fn new(
        outbox: Arc<Outbox>,
        shared: Arc<Shared>,
        devices: Vec<DeviceId>,
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
        let engine = Self {
            registry,
            outbox,
            shared,
            ids: ids(),
            devices,
            waiting: BTreeMap::new(),
            snapshots: Vec::new(),
            questions: Questions::default(),
            batch: Batch::default(),
            over: None,
            unknown: BTreeSet::new(),
        };
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
            self.record(&change.event, Some(received));
            match change.view {
                Some(ViewChange::Put(leg)) => match serde_json::to_string(&leg) {
                    Ok(body) => {
                        let key = leg.leg_id.to_string();
                        self.batch.view.push(StoredChange::Put { key, body });
                    }
                    Err(error) => tracing::error!(%error, "a leg cannot be written as JSON"),
                },
                Some(ViewChange::Delete(leg)) => {
                    self.batch.view.push(StoredChange::Delete {
                        key: leg.to_string(),
                    });
                }
                Some(ViewChange::PutEndpoint(endpoint)) => match serde_json::to_string(&endpoint) {
                    Ok(body) => {
                        let key = format!("{ENDPOINT_KEY}{}", endpoint.endpoint_id);
                        self.batch.view.push(StoredChange::Put { key, body });
                    }
                    Err(error) => tracing::error!(%error, "an extension cannot be written as JSON"),
                },
                None => {}
            }
        }
        while let Some(change) = self.registry.poll_history() {
            self.batch.view.extend(history_row(change));
        }
    }
}

impl CstaHandler for Engine {
    type Command = EngineCommand;

    fn devices(&self) -> Vec<DeviceId> {
        self.devices.clone()
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
                self.shared.count_event(event.name());
                self.registry.handle_event(&device, &event, stamp);
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

/// What is kept of a user's part in a call, as a row.
fn history_row(change: HistoryChange) -> Option<StoredChange> {
    let key =
        |call: cloud_uplink::CallId, endpoint: &str| format!("{HISTORY_KEY}{call}/{endpoint}");
    match change {
        HistoryChange::Put(record) => {
            let body = serde_json::to_string(&record)
                .inspect_err(|error| tracing::error!(%error, "a record cannot be written as JSON"))
                .ok()?;
            let key = key(record.call_id, &record.endpoint_id);
            Some(StoredChange::Put { key, body })
        }
        HistoryChange::Delete {
            call_id,
            endpoint_id,
        } => Some(StoredChange::Delete {
            key: key(call_id, &endpoint_id),
        }),
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
