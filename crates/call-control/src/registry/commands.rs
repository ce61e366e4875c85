//! Commands, seen from the calls that they act on.

use cloud_uplink::command::{Accepted, Action, LegRef};
use cloud_uplink::{CommandError, ErrorCode, LegId, LegState, Outcome, Timestamp};
use csta::{ConnectionId, CstaError, DeviceId, Request, Response};

use super::{Registry, connection, legs_at};
use crate::command;

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
        match (action, command::leg_ref(action)) {
            (Action::MakeCall(make), _) => {
                command::make_call(self.calling_device(&make.endpoint_id)?, make)
            }
            (_, Some(leg)) => {
                self.calling_device(&leg.endpoint_id)?;
                let connection = self.target(action, leg)?;
                command::act(action, connection).ok_or_else(|| unsupported(action))
            }
            (_, None) => Err(unsupported(action)),
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

    /// The connection to act on. Of several terminals of the extension it is one in the needed state.
    fn target(&self, action: &Action, leg: &LegRef) -> Result<ConnectionId, CommandError> {
        let LegRef {
            endpoint_id,
            call_id,
        } = leg;
        let unknown = || {
            let message = format!("Extension {endpoint_id} is not in call {call_id}.");
            CommandError::new(ErrorCode::UnknownCall, message)
        };
        let (key, call) = self.call(*call_id).ok_or_else(unknown)?;
        let any = legs_at(call, endpoint_id).next().ok_or_else(unknown)?;
        let Some((needed, verb)) = command::needed_state(action) else {
            return Ok(connection(key, any));
        };
        let mut fitting = legs_at(call, endpoint_id).filter(|leg| leg.state == needed);
        let fitting = fitting.next().ok_or_else(|| {
            let (state, needed) = (word(any.state), word(needed));
            let message = format!(
                "The call is {state} at extension {endpoint_id}; to {verb} it must be {needed}."
            );
            CommandError::new(ErrorCode::InvalidState, message)
        })?;
        Ok(connection(key, fitting))
    }

    /// What the positive answer to `action` led to. A Make Call's answer names the call, which may be
    /// news: its ids are minted here then, and the events that follow carry them.
    pub fn accepted(&mut self, action: &Action, response: &Response, now: Timestamp) -> Accepted {
        if let Some(leg) = command::leg_ref(action) {
            let found = self.call(leg.call_id);
            let own = found.and_then(|(_, call)| legs_at(call, &leg.endpoint_id).next());
            return Accepted {
                call_id: Some(leg.call_id),
                leg_id: own.map(|own| own.id),
                answer: None,
            };
        }
        let Response::MakeCall(made) = response else {
            return Accepted::default();
        };
        self.promise(&made.calling_device, now)
    }

    /// The ids of a connection that the switching function has just named.
    fn promise(&mut self, connection: &ConnectionId, now: Timestamp) -> Accepted {
        let Some(call_id) = &connection.call_id else {
            return Accepted::default();
        };
        self.expire_ended(now);
        let (key, mut call) = self.take_call(call_id, now);
        let index = connection.device_id.as_ref().and_then(|id| call.find(id));
        let confirmed = index.is_some_and(|index| call.legs[index].epoch == self.epoch);
        if call.epoch < self.epoch && !call.legs.is_empty() && !confirmed {
            // What was just made is no call of an earlier association.
            self.reincarnate(&key, &mut call, now);
        }
        let leg_id = connection.device_id.as_ref().map(|device_id| {
            let live = call.find(device_id).map(|index| call.legs[index].id);
            let gone = || call.find_gone(device_id).and_then(|gone| gone.leg_id);
            live.or_else(gone).unwrap_or_else(|| {
                let id = LegId::new(self.publisher.ids.ulid(now));
                call.promised = Some((device_id.clone(), id));
                id
            })
        });
        let call_id = Some(call.id);
        self.put_call(key, call, now);
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

fn unsupported(action: &Action) -> CommandError {
    let message = format!("The method {:?} is not supported.", action.method());
    CommandError::new(ErrorCode::Unsupported, message)
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
