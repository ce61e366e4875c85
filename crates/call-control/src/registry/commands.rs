//! Commands, seen from the calls that they act on.

use cloud_uplink::command::{
    Accepted, Action, Answer, EndpointSnapshot, LegPair, PbxConnection, PbxDevice,
};
use cloud_uplink::endpoint::{DoNotDisturb, MessageWaiting};
use cloud_uplink::event::PbxIds;
use cloud_uplink::{
    CallId, CommandError, EndpointView, ErrorCode, LegId, LegState, Outcome, Timestamp,
};
use csta::message::SnapshotCallResponse;
use csta::message::snapshot::Source;
use csta::xml::{Document, Element};
use csta::{ConnectionId, CstaError, DeviceId, Request, Response};

use super::{Registry, connection, features, legs_at, state};
use crate::command::{self, Target};

impl Registry {
    /// The request that carries out `action` now.
    ///
    /// # Errors
    /// `PbxUnavailable`, `UnknownEndpoint`, `UnknownCall`, `InvalidNumber` or `InvalidState`; nothing
    /// is to be asked of the switching function then.
    pub fn resolve(&self, action: &Action) -> Result<Request, CommandError> {
        if self.link != Some(true) {
            let message = "There is no link to the PBX.";
            return Err(CommandError::new(ErrorCode::PbxUnavailable, message));
        }
        match command::target(action) {
            Target::Leg(endpoint, call) => {
                self.calling_device(endpoint)?;
                let needed = command::needed(action);
                command::act(action, self.leg_connection(endpoint, call, needed)?)
            }
            Target::Pair(pair) => {
                self.calling_device(&pair.endpoint_id)?;
                let (held, active) = self.pair_connections(action, pair)?;
                command::act_on_pair(action, held, active)
            }
            Target::Device(endpoint) => {
                let device = self.calling_device(endpoint)?;
                command::act_on_device(action, device.clone())
            }
            Target::Site => command::act_on_site(action),
        }
    }

    fn calling_device(&self, endpoint: &str) -> Result<&DeviceId, CommandError> {
        self.devices.of_endpoint(endpoint).map_err(|exists| {
            let message = if exists {
                format!("The gateway cannot follow the calls of extension {endpoint:?}.")
            } else {
                format!("The gateway does not know the extension {endpoint:?}.")
            };
            CommandError::new(ErrorCode::UnknownEndpoint, message)
        })
    }

    fn pair_connections(
        &self,
        action: &Action,
        pair: &LegPair,
    ) -> Result<(ConnectionId, ConnectionId), CommandError> {
        let (held, active, verb) = command::needed_of_pair(action);
        if pair.held_call_id == pair.active_call_id {
            let message = format!("To {verb}, the held and the active call must be two calls.");
            return Err(CommandError::new(ErrorCode::InvalidState, message));
        }
        let at = |call, states| self.leg_connection(&pair.endpoint_id, call, Some((states, verb)));
        Ok((
            at(pair.held_call_id, held)?,
            at(pair.active_call_id, active)?,
        ))
    }

    /// The connection to act on. Of several terminals of the extension it is one in a needed state.
    fn leg_connection(
        &self,
        endpoint: &str,
        call_id: CallId,
        needed: Option<(&[LegState], &str)>,
    ) -> Result<ConnectionId, CommandError> {
        let unknown = || {
            let message = format!("Extension {endpoint} is not in call {call_id}.");
            CommandError::new(ErrorCode::UnknownCall, message)
        };
        let call = self.call(call_id).ok_or_else(unknown)?;
        let any = legs_at(call, endpoint).next().ok_or_else(unknown)?;
        let Some((needed, verb)) = needed else {
            return Ok(connection(any));
        };
        let mut fitting = legs_at(call, endpoint).filter(|leg| needed.contains(&leg.state));
        let fitting = fitting.next().ok_or_else(|| {
            let needed: Vec<_> = needed.iter().map(|state| word(*state)).collect();
            let (state, needed) = (word(any.state), needed.join(" or "));
            let message = format!(
                "The call is {state} at extension {endpoint}; to {verb} it must be {needed}."
            );
            CommandError::new(ErrorCode::InvalidState, message)
        })?;
        Ok(connection(fitting))
    }

    /// What the positive answer to `action` led to. An answer that names a new call may be news: its
    /// ids are minted here then, and the events that follow carry them. A feature that was set is as
    /// asked for, as no event tells where it was so already (ECMA-269 §9.5.1).
    pub fn accepted(&mut self, action: &Action, response: &Response, now: Timestamp) -> Accepted {
        match response {
            Response::MakeCall(made) => return self.promise(&made.calling_device, now),
            Response::ConsultationCall(made) => return self.promise(&made.initiated_call, now),
            _ => {}
        }
        self.learn_set(action, now);
        let answer = self.answer(action, response, now);
        let endpoint = action.endpoint_id().unwrap_or_default();
        // Of a transfer or conference, the held call is the one that goes on.
        let call_id = match action {
            Action::Transfer(pair) | Action::Conference(pair) | Action::Reconnect(pair) => {
                Some(pair.held_call_id)
            }
            _ => action.call_id(),
        };
        let call = call_id.and_then(|id| self.call(id));
        let own = call.and_then(|call| legs_at(call, endpoint).next());
        Accepted {
            leg_id: own.map(|own| own.id),
            call_id: call.map(|call| call.id).or(call_id),
            answer,
        }
    }

    /// What the switching function answered to a question, and what is known of it from now on.
    fn answer(&mut self, action: &Action, response: &Response, now: Timestamp) -> Option<Answer> {
        if let Some(device) = action.endpoint_id() {
            self.handle_features(&DeviceId::new(device), response, now);
        }
        Some(match response {
            Response::GetDoNotDisturb(it) => Answer::DoNotDisturb(DoNotDisturb {
                on: it.do_not_disturb_on,
            }),
            Response::GetForwarding(it) => Answer::Forwarding(features::forwardings(it)),
            Response::GetMessageWaitingIndicator(it) => {
                let call = it.device_for_message.as_ref();
                Answer::MessageWaiting(MessageWaiting {
                    on: it.message_waiting_on,
                    call: call.map(|device| device.number().to_owned()),
                })
            }
            Response::GetPresenceState(it) => {
                Answer::Presence(features::pbx_presence(it.presence_state.as_str()))
            }
            Response::SnapshotDevice(it) => self.answer_snapshot(action.endpoint_id()?, it, now),
            Response::SnapshotCall(it) => Answer::Call(connections(it)),
            Response::GetLogicalDeviceInformation(it) => {
                let device = self.devices.of_endpoint(action.endpoint_id()?).ok()?;
                let services = [&it.log_dev_serv_list, &it.routeing_serv_list];
                Answer::Device(PbxDevice {
                    device_id: device.as_str().to_owned(),
                    number: device.number().to_owned(),
                    category: it.device_category.as_ref().map(|it| it.as_str().to_owned()),
                    model: None,
                    services: services.into_iter().flatten().flat_map(names).collect(),
                })
            }
            Response::GetCSTAFeatures(it) => Answer::Features(command::pbx_features(it)),
            _ => return None,
        })
    }

    /// An extension as it is known after a snapshot. One in segments comes as a snapshot of its own.
    fn answer_snapshot(
        &mut self,
        endpoint: &str,
        answer: &csta::message::SnapshotDeviceResponse,
        now: Timestamp,
    ) -> Answer {
        let device = self.devices.of_endpoint(endpoint).ok().cloned();
        match (device, &answer.data) {
            (Some(device), Some(Source::Inline(calls))) => {
                self.handle_snapshot(&device, &calls.0, now);
            }
            (Some(device), None) => self.handle_snapshot(&device, &[], now),
            _ => {}
        }
        let known = self.endpoint(endpoint).cloned();
        let new = || EndpointView::new(endpoint, now);
        Answer::Snapshot(EndpointSnapshot {
            legs: self.legs_of_endpoint(endpoint),
            endpoint: Box::new(known.unwrap_or_else(new)),
        })
    }

    /// The ids of a connection that the switching function has just named.
    fn promise(&mut self, connection: &ConnectionId, now: Timestamp) -> Accepted {
        let Some(call_id) = &connection.call_id else {
            return Accepted::default();
        };
        self.expire_ended(now);
        let key = call_id;
        let mut call = self.take_call(key, now);
        let index = connection
            .device_id
            .as_ref()
            .and_then(|id| call.find(key, id));
        let confirmed = index.is_some_and(|index| call.legs[index].epoch == self.epoch);
        if call.epoch < self.epoch && !call.legs.is_empty() && !confirmed {
            // What was just made is no call of an earlier association.
            self.reincarnate(key, &mut call, now);
        }
        let leg_id = connection.device_id.as_ref().map(|device_id| {
            let live = call.find(key, device_id).map(|index| call.legs[index].id);
            let gone = || call.find_gone(key, device_id).and_then(|gone| gone.leg_id);
            live.or_else(gone).unwrap_or_else(|| {
                let id = LegId::new(self.publisher.ids.ulid(now));
                call.promised = Some(((key.clone(), device_id.clone()), id));
                id
            })
        });
        let call_id = Some(call.id);
        self.put_call(call, now);
        Accepted {
            call_id,
            leg_id,
            answer: None,
        }
    }

    /// What a negative answer to `action` means. Ending what is already over has succeeded.
    #[must_use]
    pub fn refused(&self, action: &Action, error: &CstaError) -> Outcome {
        command::refused(action, error)
    }
}

/// The devices of a call as the switching function lists them.
fn connections(answer: &SnapshotCallResponse) -> Vec<PbxConnection> {
    let Some(Source::Inline(devices)) = &answer.data else {
        return Vec::new();
    };
    let devices = devices.0.iter().map(|info| {
        let id = info.call_identifier.as_ref();
        let call_id = id.and_then(|id| id.call_id.as_ref());
        let device_id = id.and_then(|id| id.device_id.as_ref());
        let device = info.device_on_call.device().or(device_id);
        PbxConnection {
            device: device.map(|device| device.number().to_owned()),
            state: info.local_connection_info.and_then(state::leg_state),
            pbx: PbxIds {
                call_id: call_id.map_or_else(String::new, |id| id.as_str().to_owned()),
                device_id: device_id.map_or_else(String::new, |id| id.as_str().to_owned()),
            },
        }
    });
    devices.collect()
}

/// Names of the services in a list that say yes; the list has them in groups.
fn names(list: &csta::value::Raw) -> Vec<String> {
    let xml = format!("<list>{}</list>", list.as_xml());
    let mut names = Vec::new();
    if let Ok(document) = Document::parse(&xml) {
        append_names(&mut names, document.root());
    }
    names
}

fn append_names(names: &mut Vec<String>, group: Element<'_, '_>) {
    for item in group.children() {
        let said = item.text().trim();
        if item.children().next().is_some() {
            append_names(names, item);
        } else if !item.name().ends_with("List") && !matches!(said, "false" | "0") {
            names.push(item.name().to_owned());
        }
    }
}

const fn word(state: LegState) -> &'static str {
    match state {
        LegState::Initiated => "initiated",
        LegState::Alerting => "alerting",
        LegState::Connected => "connected",
        LegState::Held => "held",
        LegState::Queued => "queued",
        LegState::Failed => "failed",
        LegState::Cleared => "cleared",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_named_out_of_their_groups_where_they_say_yes() {
        let list = "<callControlServList><answerCall/><holdCall>false</holdCall>\
                    <!-- <makeCall/> --><clearCall a='&lt;b>'>true</clearCall></callControlServList>\
                    <voiceUnitServList/><routeRequest>1</routeRequest>";
        let list = csta::value::Raw::new(list);
        assert_eq!(names(&list), ["answerCall", "clearCall", "routeRequest"]);
    }
}
