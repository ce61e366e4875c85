//! Asking a gateway for something: who asks under which key, and how the outcome is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use cloud_uplink::command::{Accepted, Action};
use cloud_uplink::{CallId, Identity, LegId, Outcome};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use web::{ApiError, CorrelationId};

use super::auth::Caller;
use super::refusal;
use crate::app::App;
use crate::commands::{Answer, Request};
use crate::legs::Intent;

/// Header that names one intent: repeated, it answers with the first outcome.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest key of an application, in characters; its name and a slash go before it on the channel.
const KEY_LEN_MAX: usize = 100;

/// Who asks, and the key of what is asked; a question by GET is always a new one.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    correlation: String,
    key: String,
}

impl FromRequestParts<Arc<App>> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let key = if parts.method == Method::GET {
            new_key()
        } else {
            key(&parts.headers)?
        };
        let correlation = parts.extensions.get::<CorrelationId>();
        Ok(Self {
            app: Arc::clone(app),
            caller,
            correlation: correlation.map_or("", CorrelationId::as_str).to_owned(),
            key,
        })
    }
}

/// What was accepted, by whom.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) gateway: Identity,
    pub(super) accepted: Accepted,
    command_id: Option<String>,
    key: String,
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

impl Asker {
    /// Sees `action` through at `gateway`; `present` tells what was accepted.
    pub(super) async fn ask(
        self,
        gateway: Identity,
        action: Action,
        present: impl FnOnce(Done) -> Result<Response, ApiError>,
    ) -> Result<Response, ApiError> {
        let method = action.method();
        let endpoint = action.endpoint_id().map(ToOwned::to_owned);
        let request = Request {
            gateway: gateway.clone(),
            key: format!("{}/{}", self.caller.application, self.key),
            action,
        };
        let answer = self.app.commands.place(&self.app, request).await;
        let Answer { id, outcome } = answer.map_err(|error| refusal::of_store(&error))?;
        let (ok, error) = match &outcome {
            Outcome::Ok(_) => (true, None),
            Outcome::Error(error) => (false, Some(refusal::name(error.code))),
        };
        tracing::info!(
            correlation_id = self.correlation, application = self.caller.application,
            %gateway, endpoint, ?method, command = id, ok, error,
            "command"
        );
        let header = HeaderValue::from_str(&self.key);
        let mut response = match outcome {
            Outcome::Ok(accepted) => present(Done {
                gateway,
                accepted,
                command_id: id,
                key: self.key,
            })?,
            Outcome::Error(error) => {
                let error = refusal::of_command(error).with("idempotencyKey", self.key);
                match id {
                    Some(id) => error.with("commandId", id).into_response(),
                    None => error.into_response(),
                }
            }
        };
        if let Ok(value) = header {
            response.headers_mut().insert(IDEMPOTENCY_KEY, value);
        }
        Ok(response)
    }

    /// What is asked of a leg, under the asker's key.
    pub(super) fn intent(&self, request: &impl Serialize) -> Intent {
        let application = format!("{}/{}", self.caller.account, self.caller.application);
        Intent::new(application, self.key.clone(), request)
    }

    /// The gateway that serves the account's site: the connected one, else the first.
    pub(super) fn gateway(&self, site: Option<&str>) -> Result<Identity, ApiError> {
        let all: Vec<_> = self
            .app
            .config
            .gateways
            .iter()
            .filter(|gateway| gateway.account_id == self.caller.account)
            .filter(|gateway| site.is_none_or(|site| site == gateway.site_id))
            .map(crate::config::Gateway::identity)
            .collect();
        let sites: BTreeSet<_> = all.iter().map(|gateway| gateway.site_id.as_str()).collect();
        if sites.len() > 1 {
            let message =
                "the account has several sites: say which one by the query parameter siteId";
            return Err(ApiError::invalid("siteId", message).with("sites", Vec::from_iter(sites)));
        }
        let connected = all
            .iter()
            .find(|gateway| self.app.gateways.is_connected(gateway));
        connected.or_else(|| all.first()).cloned().ok_or_else(|| {
            let message = "the account has no gateway at this site";
            ApiError::new(StatusCode::NOT_FOUND, "unknownSite", message)
        })
    }
}

impl Done {
    /// The answer for a command: `href` is what it changed or made, where that has a name.
    pub(super) fn respond(
        self,
        status: StatusCode,
        endpoint: String,
        to: Option<String>,
        call_id: Option<CallId>,
        href: Option<&str>,
    ) -> Response {
        let links = match href {
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
            leg_id: self.accepted.leg_id,
            endpoint_id: endpoint,
            account_id,
            site_id,
            gateway_id,
            to,
            command_id: self.command_id,
            idempotency_key: self.key,
            links,
        };
        (status, axum::Json(body)).into_response()
    }
}

/// 502 for a gateway that answers nothing, or something else, to a question.
pub(super) fn no_answer() -> ApiError {
    let message = "the gateway did not answer what was asked";
    ApiError::new(StatusCode::BAD_GATEWAY, "noAnswer", message)
}

fn new_key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// An idempotency key, the application's or made up.
fn key(headers: &HeaderMap) -> Result<String, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(new_key());
    };
    let fits = |text: &&str| {
        (1..=KEY_LEN_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    value
        .to_str()
        .ok()
        .filter(fits)
        .map(ToOwned::to_owned)
        .ok_or_else(|| {
            let message = format!("1 to {KEY_LEN_MAX} printable ASCII characters without blanks");
            ApiError::invalid("Idempotency-Key", message)
        })
}
