//! What applications ask for: making a call and acting on one.

use axum::extract::Path;
use axum::response::Response;
use cloud_uplink::CallId;
use cloud_uplink::command::{Action, Digits, LegPair, LegRef, MakeCall, Redirect};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use web::{ApiError, Json, Query};

use super::ask::{Asker, Done};
use super::calls::{SiteParams, call_href, gateway_of};
use super::numbers;

/// Body of `POST …/calls`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MakeCallBody {
    to: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    prompt: Option<bool>,
}

/// Body of `PUT …/calls/{callId}`: an action and what it needs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ControlBody {
    action: Control,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    held_call_id: Option<String>,
    #[serde(default)]
    digits: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Control {
    Answer,
    Hold,
    Retrieve,
    End,
    EndCall,
    Consult,
    Alternate,
    Reconnect,
    Transfer,
    SingleStepTransfer,
    Conference,
    SingleStepConference,
    Deflect,
    Dtmf,
}

/// What an action needs beside the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    Number,
    HeldCall,
    Digits,
}

/// `POST /2017-09-01/endpoints/{endpointId}/calls`.
pub(super) async fn make(
    asker: Asker,
    Path(endpoint): Path<String>,
    Query(params): Query<SiteParams>,
    Json(body): Json<MakeCallBody>,
) -> Result<Response, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let to = numbers::to(body.to)?;
    if body.from.is_some_and(|from| from != endpoint) {
        let message = "a call is made from its endpoint: leave `from` out or repeat the endpoint";
        return Err(ApiError::invalid("from", message));
    }
    let gateway = asker.gateway(params.site_id.as_deref())?;
    let action = Action::MakeCall(MakeCall {
        endpoint_id: endpoint.clone(),
        to: to.clone(),
        prompt: body.prompt.unwrap_or(true),
    });
    let present = |done: Done| {
        let call = done.accepted.call_id;
        let Some(href) = call.map(|call| call_href(&endpoint, call)) else {
            return Ok(done.respond(StatusCode::ACCEPTED, endpoint, Some(to), None, None));
        };
        let mut response = done.respond(StatusCode::CREATED, endpoint, Some(to), call, Some(&href));
        if let Ok(location) = HeaderValue::from_str(&href) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    };
    asker.ask(gateway, action, present).await
}

/// `PUT /2017-09-01/endpoints/{endpointId}/calls/{callId}`.
pub(super) async fn control(
    asker: Asker,
    Path((endpoint, call)): Path<(String, String)>,
    Query(params): Query<SiteParams>,
    Json(body): Json<ControlBody>,
) -> Result<Response, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let call = numbers::call(&call)?;
    let action = body.action(endpoint.clone(), call)?;
    let gateway = gateway_of(&asker, params.site_id, &endpoint, call).await?;
    let present = |done: Done| {
        let call = done.accepted.call_id.unwrap_or(call);
        let href = call_href(&endpoint, call);
        Ok(done.respond(StatusCode::OK, endpoint, None, Some(call), Some(&href)))
    };
    asker.ask(gateway, action, present).await
}

impl ControlBody {
    /// The action with exactly what it needs.
    fn action(self, endpoint_id: String, call_id: CallId) -> Result<Action, ApiError> {
        let Self {
            action,
            to,
            held_call_id,
            digits,
        } = self;
        let leg = LegRef {
            endpoint_id: endpoint_id.clone(),
            call_id,
        };
        let need = action.need();
        action.refuse_unless(need, Need::Number, "to", to.is_some())?;
        action.refuse_unless(need, Need::HeldCall, "heldCallId", held_call_id.is_some())?;
        action.refuse_unless(need, Need::Digits, "digits", digits.is_some())?;
        // Each is read where it is given, which it now is exactly where it is needed.
        let to = to.map(numbers::to).transpose()?.unwrap_or_default();
        let digits = digits.map(numbers::digits).transpose()?.unwrap_or_default();
        let held = held_call_id
            .as_deref()
            .map(numbers::held_call)
            .transpose()?;
        let held_call_id = held.unwrap_or(call_id);
        let redirect = |endpoint_id| Redirect {
            endpoint_id,
            call_id,
            to,
        };
        let pair = |endpoint_id| LegPair {
            endpoint_id,
            held_call_id,
            active_call_id: call_id,
        };
        Ok(match action {
            Control::Answer => Action::Answer(leg),
            Control::Hold => Action::Hold(leg),
            Control::Retrieve => Action::Retrieve(leg),
            Control::End => Action::End(leg),
            Control::EndCall => Action::EndCall(leg),
            Control::Consult => Action::Consult(redirect(endpoint_id)),
            Control::Alternate => Action::Alternate(pair(endpoint_id)),
            Control::Reconnect => Action::Reconnect(pair(endpoint_id)),
            Control::Transfer => Action::Transfer(pair(endpoint_id)),
            Control::SingleStepTransfer => Action::SingleStepTransfer(redirect(endpoint_id)),
            Control::Conference => Action::Conference(pair(endpoint_id)),
            Control::SingleStepConference => Action::SingleStepConference(redirect(endpoint_id)),
            Control::Deflect => Action::Deflect(redirect(endpoint_id)),
            Control::Dtmf => Action::Dtmf(Digits {
                endpoint_id,
                call_id,
                digits,
            }),
        })
    }
}

impl Control {
    const fn need(self) -> Need {
        match self {
            Self::Answer | Self::Hold | Self::Retrieve | Self::End | Self::EndCall => Need::Nothing,
            Self::Consult
            | Self::SingleStepTransfer
            | Self::SingleStepConference
            | Self::Deflect => Need::Number,
            Self::Alternate | Self::Reconnect | Self::Transfer | Self::Conference => Need::HeldCall,
            Self::Dtmf => Need::Digits,
        }
    }

    /// 422 for a field that is missing, or given and not for this action.
    fn refuse_unless(self, need: Need, of: Need, field: &str, given: bool) -> Result<(), ApiError> {
        let expected = match of {
            Need::Nothing => "nothing".to_owned(),
            Need::Number => numbers::to_form(),
            Need::HeldCall => "the id of the extension's held call".to_owned(),
            Need::Digits => numbers::digits_form(),
        };
        let action = serde_json::to_value(self).unwrap_or_default();
        let action = action.as_str().unwrap_or_default();
        match (need == of, given) {
            (true, false) => {
                let message = format!("the action {action} needs {field}: {expected}");
                Err(ApiError::invalid(field, message).with("allowed", expected))
            }
            (false, true) => {
                let message = format!("the action {action} takes no {field}");
                Err(ApiError::invalid(field, message))
            }
            (true, true) | (false, false) => Ok(()),
        }
    }
}
