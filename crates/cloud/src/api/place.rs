//! What applications ask for: making a call and acting on one.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use cloud_uplink::command::{Accepted, Action, LegRef, MakeCall};
use cloud_uplink::{CallId, Identity, LegId, Outcome};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use web::{ApiError, CorrelationId, Json, Query};

use super::auth::Caller;
use super::calls::{SiteParams, call_href, leg};
use super::{numbers, refusal};
use crate::app::App;
use crate::commands::{Answer, Request};
use crate::gateways::identity;

/// Header that names one intent: repeated, it answers with the first outcome.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest key of an application, in characters; its name and a slash go before it on the channel.
const KEY_LEN_MAX: usize = 100;

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

/// Body of `PUT …/calls/{callId}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ControlBody {
    action: Control,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Control {
    Answer,
    Hold,
    Retrieve,
    End,
}

/// A command that was accepted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AcceptedBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<CallId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leg_id: Option<LegId>,
    endpoint_id: String,
    account_id: String,
    site_id: String,
    gateway_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    command_id: Option<String>,
    idempotency_key: String,
    #[serde(rename = "_links")]
    links: Value,
}

/// `POST /2017-09-01/endpoints/{endpointId}/calls`.
pub(super) async fn make(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(endpoint): Path<String>,
    Query(params): Query<SiteParams>,
    correlation: axum::Extension<CorrelationId>,
    headers: HeaderMap,
    Json(body): Json<MakeCallBody>,
) -> Result<Response, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let to = numbers::to(body.to)?;
    if body.from.is_some_and(|from| from != endpoint) {
        let message = "a call is made from its endpoint: leave `from` out or repeat the endpoint";
        return Err(ApiError::invalid("from", message));
    }
    let key = Key::of(&headers)?;
    let gateway = gateway(&app, &caller, params.site_id.as_deref())?;
    let action = Action::MakeCall(MakeCall {
        endpoint_id: endpoint.clone(),
        to: to.clone(),
        prompt: body.prompt.unwrap_or(true),
    });
    let asked = Asked {
        gateway,
        endpoint,
        to: Some(to),
        call: None,
        key,
    };
    asked.place(&app, &caller, &correlation, action).await
}

/// `PUT /2017-09-01/endpoints/{endpointId}/calls/{callId}`.
pub(super) async fn control(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((endpoint, call)): Path<(String, String)>,
    Query(params): Query<SiteParams>,
    correlation: axum::Extension<CorrelationId>,
    headers: HeaderMap,
    Json(body): Json<ControlBody>,
) -> Result<Response, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let call = numbers::call(&call)?;
    let key = Key::of(&headers)?;
    let site = params.site_id;
    // A call just made may not be in the view yet: then the gateway knows.
    let gateway = match leg(&app, &caller, site.clone(), endpoint.clone(), call).await? {
        Some(leg) => identity(&leg.owner),
        None => gateway(&app, &caller, site.as_deref())?,
    };
    let part = LegRef {
        endpoint_id: endpoint.clone(),
        call_id: call,
    };
    let action = match body.action {
        Control::Answer => Action::Answer(part),
        Control::Hold => Action::Hold(part),
        Control::Retrieve => Action::Retrieve(part),
        Control::End => Action::End(part),
    };
    let asked = Asked {
        gateway,
        endpoint,
        to: None,
        call: Some(call),
        key,
    };
    asked.place(&app, &caller, &correlation, action).await
}

/// What is asked of whom.
struct Asked {
    gateway: Identity,
    endpoint: String,
    to: Option<String>,
    call: Option<CallId>,
    key: Key,
}

impl Asked {
    async fn place(
        self,
        app: &App,
        caller: &Caller,
        correlation: &CorrelationId,
        action: Action,
    ) -> Result<Response, ApiError> {
        let method = action.method();
        let request = Request {
            gateway: self.gateway.clone(),
            key: format!("{}/{}", caller.application, self.key.0),
            action,
        };
        let answer = app.commands.place(app, request).await;
        let Answer { id, outcome } = answer.map_err(|error| refusal::of_store(&error))?;
        let (ok, error) = match &outcome {
            Outcome::Ok(_) => (true, None),
            Outcome::Error(error) => (false, Some(refusal::name(error.code))),
        };
        tracing::info!(
            correlation_id = correlation.as_str(), application = caller.application,
            gateway = %self.gateway, endpoint = self.endpoint, ?method, command = id, ok, error,
            "command"
        );
        let key = self.key.0.clone();
        let mut response = match outcome {
            Outcome::Ok(accepted) => self.accepted(id, accepted),
            Outcome::Error(error) => {
                let error = refusal::of_command(error).with("idempotencyKey", key.clone());
                match id {
                    Some(id) => error.with("commandId", id).into_response(),
                    None => error.into_response(),
                }
            }
        };
        if let Ok(value) = HeaderValue::from_str(&key) {
            response.headers_mut().insert(IDEMPOTENCY_KEY, value);
        }
        Ok(response)
    }

    fn accepted(self, command_id: Option<String>, accepted: Accepted) -> Response {
        let status = match (self.call, accepted.call_id) {
            (Some(_), _) => StatusCode::OK,
            (None, Some(_)) => StatusCode::CREATED,
            (None, None) => StatusCode::ACCEPTED,
        };
        let call_id = accepted.call_id.or(self.call);
        let href = call_id.map(|call| call_href(&self.endpoint, call));
        let links = match &href {
            Some(href) => json!({ "self": { "href": href } }),
            None => json!({}),
        };
        let Identity {
            account_id,
            site_id,
            gateway_id,
        } = self.gateway;
        let body = AcceptedBody {
            call_id,
            leg_id: accepted.leg_id,
            endpoint_id: self.endpoint,
            account_id,
            site_id,
            gateway_id,
            to: self.to,
            command_id,
            idempotency_key: self.key.0,
            links,
        };
        let mut response = (status, axum::Json(body)).into_response();
        if let (StatusCode::CREATED, Some(href)) = (status, href)
            && let Ok(location) = HeaderValue::from_str(&href)
        {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

/// An idempotency key, the application's or made up.
struct Key(String);

impl Key {
    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
            return Ok(Self(uuid::Uuid::new_v4().to_string()));
        };
        let fits = |text: &&str| {
            (1..=KEY_LEN_MAX).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match value.to_str().ok().filter(fits) {
            Some(text) => Ok(Self(text.to_owned())),
            None => {
                let message =
                    format!("1 to {KEY_LEN_MAX} printable ASCII characters without blanks");
                Err(ApiError::invalid("Idempotency-Key", message))
            }
        }
    }
}

/// The gateway that serves an account's site: the connected one, else the first.
fn gateway(app: &App, caller: &Caller, site: Option<&str>) -> Result<Identity, ApiError> {
    let all: Vec<_> = app
        .config
        .gateways
        .iter()
        .filter(|gateway| gateway.account_id == caller.account)
        .filter(|gateway| site.is_none_or(|site| site == gateway.site_id))
        .map(crate::config::Gateway::identity)
        .collect();
    let sites: BTreeSet<_> = all.iter().map(|gateway| gateway.site_id.as_str()).collect();
    if sites.len() > 1 {
        let message = "the account has several sites: say which one by the query parameter siteId";
        return Err(ApiError::invalid("siteId", message).with("sites", Vec::from_iter(sites)));
    }
    let connected = all
        .iter()
        .find(|gateway| app.gateways.is_connected(gateway));
    connected.or_else(|| all.first()).cloned().ok_or_else(|| {
        let message = "the account has no gateway at this site";
        ApiError::new(StatusCode::NOT_FOUND, "unknownSite", message)
    })
}
