//! Answers of the PBX that mean more than that a command was carried out: questions of our own, lists in
//! segments, and snapshots with an extension's features.

use std::time::Instant;

use call_control::command::pbx_error;
use cloud_uplink::command::{Accepted, Answer, EndpointSnapshot, PbxDevice};
use cloud_uplink::endpoint::EndpointView;
use cloud_uplink::{CommandError, ErrorCode, Outcome};
use csta::client::{Client, DeviceList, InvocationError};
use csta::message::{DeviceListDevice, SwitchingFunctionDevices};
use csta::{DeviceId, Response};
use tokio::sync::oneshot;

use super::inventory::{Devices, Features};
use super::questions::{self, Question};
use super::{Engine, PBX_ANSWER_TIMEOUT, now};

/// A snapshot of one extension that the far end wants.
#[derive(Debug)]
pub(super) struct Snapshot {
    endpoint: String,
    pub(super) device: DeviceId,
    deadline: Instant,
    /// Its calls have come; its features are being asked for.
    pub(super) calls: bool,
    reply: oneshot::Sender<Outcome>,
}

impl Engine {
    /// Has an extension snapshotted and its features asked for; the outcome follows when both are known.
    pub(super) fn snapshot(
        &mut self,
        endpoint: &str,
        device: DeviceId,
        reply: oneshot::Sender<Outcome>,
        client: &mut Client,
        at: Instant,
    ) {
        client.resnapshot(&device, at);
        self.questions.first(&device);
        self.snapshots.push(Snapshot {
            endpoint: endpoint.to_owned(),
            device,
            deadline: at + PBX_ANSWER_TIMEOUT,
            calls: false,
            reply,
        });
    }

    /// The device as it is named in the list of those that are followed.
    pub(super) fn followed(&self, device: &DeviceId) -> DeviceId {
        let same = self
            .devices
            .iter()
            .find(|it| it.number() == device.number());
        same.unwrap_or(device).clone()
    }

    /// Takes the answer to a question of our own.
    pub(super) fn learn(
        &mut self,
        question: &Question,
        result: &Result<Response, InvocationError>,
    ) {
        match (&question.device, result) {
            (Some(device), Ok(answer)) => {
                if matches!(answer, Response::GetMessageWaitingIndicator(_)) {
                    self.messages.insert(device.number().to_owned());
                }
                self.registry.handle_features(device, answer, now());
            }
            (None, Ok(Response::GetCSTAFeatures(answer))) => {
                self.shared.set_features(Features::count(answer));
            }
            (None, Ok(Response::SnapshotCall(answer))) => {
                if let Some(call) = &question.call {
                    self.registry.handle_call_snapshot(call, answer, now());
                }
            }
            (_, Ok(_)) => {}
            (_, Err(error)) => {
                let service = question.kind.service();
                tracing::debug!(service, %error, "the PBX does not tell");
                self.shared.count_unanswered(service);
                if let Some(call) = &question.call {
                    self.registry.handle_call_unanswered(call);
                }
            }
        }
    }

    /// A list of devices has come, or will not come.
    pub(super) fn listed(&mut self, list: DeviceList) {
        if let Ok(devices) = &list.devices {
            self.shared
                .set_device_list(Devices::count(devices, &self.devices));
        }
        let Some((_, reply)) = self.waiting.remove(&list.invoke_id) else {
            return;
        };
        let _ = reply.send(match list.devices {
            Ok(devices) => answer(Answer::Devices(pbx_devices(devices))),
            Err(error) => Outcome::Error(CommandError::new(
                ErrorCode::OutcomeUnknown,
                format!("the PBX was asked, but {error}"),
            )),
        });
    }

    /// A snapshot that the PBX refuses has its outcome; any other failure may yet be made good.
    pub(super) fn snapshot_failed(&mut self, device: &DeviceId, error: &InvocationError) {
        let InvocationError::Refused(error) = error else {
            return;
        };
        let waits = |it: &mut Snapshot| it.device == *device && !it.calls;
        for snapshot in self.snapshots.extract_if(.., waits) {
            // The asker may have gone away; the outcome is then of no interest.
            let _ = snapshot.reply.send(Outcome::Error(pbx_error(error)));
        }
    }

    /// Ends the snapshots that are whole, or whose time is over.
    pub(super) fn end_snapshots(&mut self, at: Instant) {
        let (registry, questions) = (&self.registry, &self.questions);
        let is_over =
            |it: &mut Snapshot| it.deadline <= at || (it.calls && !questions.is_asking(&it.device));
        for snapshot in self.snapshots.extract_if(.., is_over) {
            let outcome = if snapshot.calls {
                let known = registry.endpoint(&snapshot.endpoint).cloned();
                let new = || EndpointView::new(&snapshot.endpoint, now());
                answer(Answer::Snapshot(EndpointSnapshot {
                    legs: registry.legs_of_endpoint(&snapshot.endpoint),
                    endpoint: Box::new(known.unwrap_or_else(new)),
                }))
            } else {
                let message = "the PBX was asked for a snapshot, but none came in time";
                Outcome::Error(CommandError::new(ErrorCode::OutcomeUnknown, message))
            };
            // The asker may have gone away; the outcome is then of no interest.
            let _ = snapshot.reply.send(outcome);
        }
    }

    /// Sends questions of our own, as many as may be in flight.
    pub(super) fn ask(&mut self, client: &mut Client, at: Instant) {
        let urgent = !self.snapshots.is_empty();
        while let Some(question) = self.questions.next(urgent) {
            match client.request(question.request(), questions::ANSWER_TIMEOUT, at) {
                Ok(id) => self.questions.sent(id, question),
                Err(_) => {
                    self.questions.not_sent(question);
                    return;
                }
            }
        }
    }
}

/// An outcome that is what the PBX answered.
fn answer(answer: Answer) -> Outcome {
    Outcome::Ok(Accepted {
        answer: Some(answer),
        ..Accepted::default()
    })
}

/// Devices of the PBX for the far end.
fn pbx_devices(devices: Vec<DeviceListDevice>) -> Vec<PbxDevice> {
    call_control::command::pbx_devices(&SwitchingFunctionDevices {
        device_list: Some(csta::value::Devices(devices)),
        ..SwitchingFunctionDevices::new(String::new())
    })
}
