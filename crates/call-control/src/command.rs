//! The rules of commands: the request for each action, numbers, needed states, and refusals in plain
//! words.

use cloud_uplink::command::{Accepted, Action, LegPair, MakeCall, PbxDevice, PbxFeatures};
use cloud_uplink::command::{SetForwarding, SetPresence};
use cloud_uplink::{CallId, CommandError, ErrorCode, LegState, Outcome};
use csta::value::{Destinations, FeatureGroups, ParticipationType};
use csta::{AutoOriginate, ConnectionId, CstaError, DeviceId, ErrorCategory, Request, message};

use crate::registry::{forwarding_type, presence_name};

/// Longest number that can be dialled.
pub const NUMBER_LENGTH_MAX: usize = 32;

/// Most devices in the answer to a question for all of them.
pub const DEVICES_MAX: usize = 20_000;

/// The request that makes a call.
pub(crate) fn make_call(calling: &DeviceId, action: &MakeCall) -> Result<Request, CommandError> {
    let to = number(&action.to)?;
    let prompt = if action.prompt {
        AutoOriginate::Prompt
    } else {
        AutoOriginate::DoNotPrompt
    };
    let request = message::MakeCall {
        auto_originate: Some(prompt),
        ..message::MakeCall::new(calling.clone(), to)
    };
    Ok(request.into())
}

/// What an action acts on.
pub(crate) enum Target<'a> {
    /// One call of an extension.
    Leg(&'a str, CallId),
    /// An extension's held and active calls.
    Pair(&'a LegPair),
    /// A device.
    Device(&'a str),
    /// The site.
    Site,
}

/// What an action acts on.
pub(crate) fn target(action: &Action) -> Target<'_> {
    match (action, action.endpoint_id(), action.call_id()) {
        (
            Action::Alternate(pair)
            | Action::Reconnect(pair)
            | Action::Transfer(pair)
            | Action::Conference(pair),
            ..,
        ) => Target::Pair(pair),
        (_, Some(endpoint), Some(call)) => Target::Leg(endpoint, call),
        (_, Some(endpoint), None) => Target::Device(endpoint),
        (_, None, _) => Target::Site,
    }
}

/// The request that acts on a connection.
pub(crate) fn act(action: &Action, connection: ConnectionId) -> Result<Request, CommandError> {
    Ok(match action {
        Action::Answer(_) => message::AnswerCall::new(connection).into(),
        Action::Hold(_) => message::HoldCall::new(connection).into(),
        Action::Retrieve(_) => message::RetrieveCall::new(connection).into(),
        Action::End(_) => message::ClearConnection::new(connection).into(),
        Action::EndCall(_) => message::ClearCall::new(connection).into(),
        Action::SnapshotCall(_) => message::SnapshotCall::new(connection).into(),
        Action::Consult(it) => message::ConsultationCall::new(connection, number(&it.to)?).into(),
        Action::SingleStepTransfer(it) => {
            message::SingleStepTransferCall::new(connection, number(&it.to)?).into()
        }
        Action::SingleStepConference(it) => message::SingleStepConferenceCall {
            participation_type: Some(ParticipationType::ACTIVE),
            ..message::SingleStepConferenceCall::new(connection, number(&it.to)?)
        }
        .into(),
        Action::Deflect(it) => {
            let to = Destinations(vec![number(&it.to)?]);
            message::DeflectCall::new(connection, to).into()
        }
        Action::Dtmf(it) => message::GenerateDigits {
            characters_to_send: Some(check_digits(&it.digits)?),
            ..message::GenerateDigits::new(connection)
        }
        .into(),
        _ => return Err(unsupported(action)),
    })
}

/// The request that acts on a held and an active call.
pub(crate) fn act_on_pair(
    action: &Action,
    held: ConnectionId,
    active: ConnectionId,
) -> Result<Request, CommandError> {
    Ok(match action {
        Action::Alternate(_) => message::AlternateCall::new(held, active).into(),
        Action::Reconnect(_) => message::ReconnectCall::new(active, held).into(),
        Action::Transfer(_) => message::TransferCall::new(held, active).into(),
        Action::Conference(_) => message::ConferenceCall::new(held, active).into(),
        _ => return Err(unsupported(action)),
    })
}

/// The request that acts on a device.
pub(crate) fn act_on_device(action: &Action, device: DeviceId) -> Result<Request, CommandError> {
    Ok(match action {
        Action::MakeCall(make) => make_call(&device, make)?,
        Action::SetDoNotDisturb(set) => message::SetDoNotDisturb::new(device, set.on).into(),
        Action::GetDoNotDisturb(_) => message::GetDoNotDisturb::new(device).into(),
        Action::SetForwarding(set) => set_forwarding(device, set)?,
        Action::GetForwarding(_) => message::GetForwarding::new(device).into(),
        Action::SetMessageWaiting(set) => message::SetMessageWaitingIndicator {
            device_for_message: set.call.as_deref().map(number).transpose()?,
            ..message::SetMessageWaitingIndicator::new(device, set.on)
        }
        .into(),
        Action::GetMessageWaiting(_) => message::GetMessageWaitingIndicator::new(device).into(),
        Action::SetPresence(SetPresence { presence, .. }) => {
            let state = message::presence::PresenceState::new(presence_name(*presence));
            message::SetPresenceState::new(device, state).into()
        }
        Action::GetPresence(_) => message::GetPresenceState::new(device).into(),
        Action::Snapshot(_) => message::SnapshotDevice::new(device).into(),
        Action::GetDevice(_) => message::GetLogicalDeviceInformation::new(device).into(),
        _ => return Err(unsupported(action)),
    })
}

/// The request about the site as a whole.
pub(crate) fn act_on_site(action: &Action) -> Result<Request, CommandError> {
    Ok(match action {
        Action::GetDevices(_) => message::GetSwitchingFunctionDevices::new().into(),
        Action::GetFeatures(_) => message::GetCSTAFeatures::new().into(),
        _ => return Err(unsupported(action)),
    })
}

/// A destination that is absent is the switching function's own.
fn set_forwarding(device: DeviceId, set: &SetForwarding) -> Result<Request, CommandError> {
    let to = set.to.as_deref().map(number).transpose()?;
    let request = message::SetForwarding {
        forwarding_type: Some(forwarding_type(set.kind, set.origin)),
        forward_dn: to.filter(|_| set.on),
        ..message::SetForwarding::new(device, set.on)
    };
    Ok(request.into())
}

/// The states of which a leg must be in one for an action, and the action in words; `None` if any
/// will do.
pub(crate) const fn needed(action: &Action) -> Option<(&'static [LegState], &'static str)> {
    use LegState::{Alerting, Connected, Held, Queued};
    Some(match action {
        Action::Answer(_) => (&[Alerting], "answer"),
        Action::Hold(_) => (&[Connected], "hold"),
        Action::Retrieve(_) => (&[Held], "retrieve"),
        Action::Consult(_) => (&[Connected], "consult"),
        Action::SingleStepTransfer(_) => (&[Connected], "transfer"),
        Action::SingleStepConference(_) => (&[Connected], "add a party"),
        Action::Deflect(_) => (&[Alerting, Queued], "deflect"),
        Action::Dtmf(_) => (&[Connected], "send digits"),
        _ => return None,
    })
}

/// The states that the held and the active leg must be in for an action (ECMA-269 §17.1.2, §17.1.9,
/// §17.1.22, §17.1.27).
pub(crate) const fn needed_of_pair(
    action: &Action,
) -> (&'static [LegState], &'static [LegState], &'static str) {
    use LegState::{Alerting, Connected, Failed, Held, Initiated, Queued};
    match action {
        Action::Alternate(_) => (&[Held, Alerting, Queued], &[Connected], "alternate"),
        Action::Reconnect(_) => (
            &[Held],
            &[Connected, Alerting, Initiated, Failed, Queued],
            "reconnect",
        ),
        Action::Conference(_) => (&[Held], &[Connected, Alerting], "make a conference"),
        _ => (&[Held], &[Connected, Alerting], "transfer"),
    }
}

pub(crate) fn unsupported(action: &Action) -> CommandError {
    let message = format!("The method {:?} is not supported.", action.method());
    CommandError::new(ErrorCode::Unsupported, message)
}

/// Names of services or events, out of their groups.
pub(crate) fn features(groups: Option<&FeatureGroups>) -> Vec<String> {
    let groups = groups.into_iter().flat_map(|groups| &groups.0);
    groups.flat_map(|group| group.features.clone()).collect()
}

/// What a switching function can do.
pub(crate) fn pbx_features(answer: &message::GetCSTAFeaturesResponse) -> PbxFeatures {
    PbxFeatures {
        services: features(answer.supported_services.as_ref()),
        events: features(answer.supported_events.as_ref()),
    }
}

/// The devices of a switching function, out of one segment of the list.
#[must_use]
pub fn pbx_devices(segment: &message::SwitchingFunctionDevices) -> Vec<PbxDevice> {
    let devices = segment.device_list.iter().flat_map(|list| &list.0);
    let devices = devices.take(DEVICES_MAX).map(|device| PbxDevice {
        device_id: device.device_id.as_str().to_owned(),
        number: device.device_id.number().to_owned(),
        category: device
            .device_category
            .as_ref()
            .map(|it| it.as_str().to_owned()),
        model: device.device_model_name.clone(),
        services: Vec::new(),
    });
    devices.collect()
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
        // It is as asked for.
        Action::SetDoNotDisturb(_) | Action::SetForwarding(_) | Action::SetMessageWaiting(_)
            if error.value == "featureAlreadySet" =>
        {
            Outcome::Ok(Accepted::default())
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

/// The device behind a number.
fn number(text: &str) -> Result<DeviceId, CommandError> {
    check_number(text).map(|()| DeviceId::new(text))
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

/// Digits to send are 1 to [`NUMBER_LENGTH_MAX`] of `0-9 * # A-D` and `,` for a pause.
fn check_digits(digits: &str) -> Result<String, CommandError> {
    let allowed = |c: char| matches!(c, '0'..='9' | '*' | '#' | ',' | 'A'..='D');
    let fits = (1..=NUMBER_LENGTH_MAX).contains(&digits.len());
    if fits && digits.chars().all(allowed) {
        return Ok(digits.to_owned());
    }
    let message = format!("Digits are 1 to {NUMBER_LENGTH_MAX} of 0-9 * # A-D and , for a pause.");
    Err(CommandError::new(ErrorCode::InvalidNumber, message))
}

/// A negative answer of the switching function in plain words.
#[must_use]
pub fn pbx_error(error: &CstaError) -> CommandError {
    CommandError {
        code: ErrorCode::PbxRefused,
        message: error.sentence().to_owned(),
        pbx_error: Some(error.to_string()),
    }
}
