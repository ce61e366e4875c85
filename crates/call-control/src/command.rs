//! The rules of commands: the request for each action, numbers, needed states, and refusals in plain
//! words.

use cloud_uplink::command::{Accepted, Action, LegRef, MakeCall};
use cloud_uplink::{CommandError, ErrorCode, LegState, Outcome};
use csta::{AutoOriginate, ConnectionId, CstaError, DeviceId, ErrorCategory, Request, message};

/// Longest number that can be dialled.
pub const NUMBER_LENGTH_MAX: usize = 32;

/// The request that makes a call.
pub(crate) fn make_call(calling: &DeviceId, action: &MakeCall) -> Result<Request, CommandError> {
    check_number(&action.to)?;
    let prompt = if action.prompt {
        AutoOriginate::Prompt
    } else {
        AutoOriginate::DoNotPrompt
    };
    let request = message::MakeCall {
        auto_originate: Some(prompt),
        ..message::MakeCall::new(calling.clone(), DeviceId::new(action.to.as_str()))
    };
    Ok(request.into())
}

/// The request that acts on a connection; `None` if the action acts on none.
pub(crate) fn act(action: &Action, connection: ConnectionId) -> Option<Request> {
    let request = match action {
        Action::Answer(_) => message::AnswerCall::new(connection).into(),
        Action::Hold(_) => message::HoldCall {
            connection_reservation: None,
            ..message::HoldCall::new(connection)
        }
        .into(),
        Action::Retrieve(_) => message::RetrieveCall::new(connection).into(),
        Action::End(_) => message::ClearConnection::new(connection).into(),
        Action::EndCall(_) => message::ClearCall::new(connection).into(),
        _ => return None,
    };
    Some(request)
}

/// The leg that an action acts on.
pub(crate) const fn leg_ref(action: &Action) -> Option<&LegRef> {
    match action {
        Action::Answer(leg)
        | Action::Hold(leg)
        | Action::Retrieve(leg)
        | Action::End(leg)
        | Action::EndCall(leg) => Some(leg),
        _ => None,
    }
}

/// The state that a leg must be in for an action, and the action's name; `None` if any will do.
pub(crate) const fn needed_state(action: &Action) -> Option<(LegState, &'static str)> {
    match action {
        Action::Answer(_) => Some((LegState::Alerting, "answer")),
        Action::Hold(_) => Some((LegState::Connected, "hold")),
        Action::Retrieve(_) => Some((LegState::Held, "retrieve")),
        _ => None,
    }
}

/// What a negative answer to an action means. Ending what is already over has succeeded: the far end of
/// the call was faster.
pub(crate) fn refused(action: &Action, error: &CstaError) -> Outcome {
    match action {
        Action::End(leg) | Action::EndCall(leg) if is_already_over(error) => {
            Outcome::Ok(Accepted {
                call_id: Some(leg.call_id),
                ..Accepted::default()
            })
        }
        _ => Outcome::Error(pbx_error(error)),
    }
}

/// Whether the switching function says that the connection or call is not there (any longer).
fn is_already_over(error: &CstaError) -> bool {
    match error.category {
        ErrorCategory::StateIncompatibility => matches!(
            error.value.as_str(),
            "invalidConnectionState" | "noConnectionToClear" | "noCallToClear"
        ),
        ErrorCategory::Operation => matches!(
            error.value.as_str(),
            "invalidConnectionID" | "invalidConnectionIdentifier" | "invalidCallID"
        ),
        _ => false,
    }
}

/// A number is 1 to [`NUMBER_LENGTH_MAX`] of `0-9 * # + , A-D`; `+` stands in front alone, and pauses
/// alone dial nothing.
fn check_number(number: &str) -> Result<(), CommandError> {
    let invalid = |message: String| Err(CommandError::new(ErrorCode::InvalidNumber, message));
    if number.is_empty() || number.len() > NUMBER_LENGTH_MAX {
        return invalid(format!("A number has 1 to {NUMBER_LENGTH_MAX} characters."));
    }
    let allowed = |c: char| matches!(c, '0'..='9' | '*' | '#' | '+' | ',' | 'A'..='D');
    if !number.chars().all(allowed) {
        return invalid("A number consists of 0-9 * # + , A-D.".to_owned());
    }
    if number.rfind('+').is_some_and(|at| at > 0) {
        return invalid("A number has + in front only.".to_owned());
    }
    if number.chars().all(|c| matches!(c, '+' | ',')) {
        return invalid("A number has at least one digit.".to_owned());
    }
    Ok(())
}

/// A negative answer of the switching function in plain words.
#[must_use]
pub fn pbx_error(error: &CstaError) -> CommandError {
    CommandError {
        code: ErrorCode::PbxRefused,
        message: sentence(error).to_owned(),
        pbx_error: Some(error.to_string()),
    }
}

fn sentence(error: &CstaError) -> &'static str {
    match (error.category, error.value.as_str()) {
        (_, "invalidDeviceID" | "invalidCallingDeviceID" | "objectNotKnown") => {
            "The PBX does not know the extension."
        }
        (_, "invalidCallingDevice") => "The PBX does not let this extension make calls.",
        (_, "invalidCalledDeviceID" | "invalidCalledDevice" | "invalidDestination") => {
            "The PBX cannot reach the called number."
        }
        (_, "invalidCallID" | "invalidConnectionID" | "invalidConnectionIdentifier") => {
            "The PBX does not know the call (any longer)."
        }
        (_, "invalidConnectionState" | "invalidObjectState" | "invalidDeviceState") => {
            "The state of the call does not allow it."
        }
        (_, "noActiveCall" | "invalidActiveCallState") => "There is no active call.",
        (_, "noHeldCall" | "invalidHeldCallState" | "invalidHeldConnectionState") => {
            "There is no held call."
        }
        (_, "noCallToClear" | "noConnectionToClear") => "There is no call to end.",
        (_, "noCallToAnswer") => "There is no call to answer.",
        (_, "requestIncompatibleWithCallingDevice" | "requestIncompatibleWithCalledDevice") => {
            "The device cannot do that."
        }
        (_, "requestIncompatibleWithConnection") => "That cannot be done with this call.",
        (_, "deviceOutOfService") => "The device is out of service.",
        (_, "networkBusy" | "networkOutOfService") => "The network cannot take the call.",
        (_, "resourceBusy") => "The PBX is busy; try again.",
        (_, "resourceOutOfService") => "A resource of the PBX is out of service.",
        (_, "notSupported" | "serviceNotSupported" | "invalidFeature") => {
            "The PBX does not support this."
        }
        (ErrorCategory::Security, _) => "The PBX does not allow it.",
        (ErrorCategory::PerformanceManagement, _) => "The PBX gets too many requests; try again.",
        (ErrorCategory::StateIncompatibility, _) => "The state of the call does not allow it.",
        (
            ErrorCategory::SystemResourceAvailability
            | ErrorCategory::SubscribedResourceAvailability,
            _,
        ) => "The PBX has no resources left for it.",
        (
            ErrorCategory::Operation
            | ErrorCategory::PrivateData
            | ErrorCategory::PrivateErrorCode
            | ErrorCategory::Unspecified,
            _,
        ) => "The PBX refused.",
    }
}
