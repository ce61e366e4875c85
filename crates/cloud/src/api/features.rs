//! Features and presence of an extension: read, asked for, set.

use std::sync::Arc;

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use cloud_uplink::command::{
    Action, Answer, EndpointId, SetForwarding, SetMessageWaiting, SetPresence, SetSwitch,
};
use cloud_uplink::endpoint::{
    DoNotDisturb, EndpointPart, ForwardingKind, Forwardings, MessageWaiting, Origin, Presence,
    PresenceState,
};
use cloud_uplink::{EndpointView, Identity};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use web::{ApiError, Json, Query};

use super::ask::{Asker, Done, no_answer};
use super::calls::{SiteParams, endpoint_href};
use super::currency::Currency;
use super::{endpoints, numbers};
use crate::app::App;
use crate::gateways::identity;

/// Query of a feature: `fresh` asks the PBX instead of telling what is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct FreshParams {
    #[serde(default)]
    fresh: bool,
    site_id: Option<String>,
}

/// Body of `PUT …/doNotDisturb`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SwitchBody {
    on: bool,
}

/// Body of `PUT …/forwarding`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForwardingBody {
    kind: ForwardingKind,
    on: bool,
    #[serde(default)]
    origin: Option<Origin>,
    #[serde(default)]
    to: Option<String>,
}

/// Body of `PUT …/messageWaiting`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitingBody {
    on: bool,
    #[serde(default)]
    call: Option<String>,
}

/// Body of `PUT …/presence`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresenceBody {
    presence: PresenceState,
}

/// A feature is its state, a resource under its name.
pub(super) trait Feature: Serialize + Sized {
    /// The last part of its path.
    const NAME: &'static str;
    /// What it is of an extension.
    const PART: EndpointPart;
    /// The method that asks the PBX for it.
    const QUESTION: fn(EndpointId) -> Action;
    /// What sets it.
    type Body: DeserializeOwned + Send + 'static;

    /// The action that sets it.
    fn set(endpoint_id: String, body: Self::Body) -> Result<Action, ApiError>;
    /// The state out of the answer to the question.
    fn answered(answer: Answer) -> Option<Self>;
    /// The state as it was last reported.
    fn known(view: EndpointView) -> Option<Self>;
}

impl Feature for DoNotDisturb {
    const NAME: &'static str = "doNotDisturb";
    const PART: EndpointPart = EndpointPart::DoNotDisturb;
    const QUESTION: fn(EndpointId) -> Action = Action::GetDoNotDisturb;
    type Body = SwitchBody;

    fn set(endpoint_id: String, SwitchBody { on }: SwitchBody) -> Result<Action, ApiError> {
        Ok(Action::SetDoNotDisturb(SetSwitch { endpoint_id, on }))
    }
    fn answered(answer: Answer) -> Option<Self> {
        match answer {
            Answer::DoNotDisturb(state) => Some(state),
            _ => None,
        }
    }
    fn known(view: EndpointView) -> Option<Self> {
        view.do_not_disturb.map(|on| Self { on })
    }
}

impl Feature for Forwardings {
    const NAME: &'static str = "forwarding";
    const PART: EndpointPart = EndpointPart::Forwarding;
    const QUESTION: fn(EndpointId) -> Action = Action::GetForwarding;
    type Body = ForwardingBody;

    fn set(endpoint_id: String, body: ForwardingBody) -> Result<Action, ApiError> {
        Ok(Action::SetForwarding(SetForwarding {
            endpoint_id,
            kind: body.kind,
            origin: body.origin,
            on: body.on,
            to: number("to", body.to)?,
        }))
    }
    fn answered(answer: Answer) -> Option<Self> {
        match answer {
            Answer::Forwarding(state) => Some(state),
            _ => None,
        }
    }
    fn known(view: EndpointView) -> Option<Self> {
        view.forwarding.map(|forwarding| Self { forwarding })
    }
}

impl Feature for MessageWaiting {
    const NAME: &'static str = "messageWaiting";
    const PART: EndpointPart = EndpointPart::MessageWaiting;
    const QUESTION: fn(EndpointId) -> Action = Action::GetMessageWaiting;
    type Body = WaitingBody;

    fn set(endpoint_id: String, WaitingBody { on, call }: WaitingBody) -> Result<Action, ApiError> {
        Ok(Action::SetMessageWaiting(SetMessageWaiting {
            endpoint_id,
            on,
            call: number("call", call)?,
        }))
    }
    fn answered(answer: Answer) -> Option<Self> {
        match answer {
            Answer::MessageWaiting(state) => Some(state),
            _ => None,
        }
    }
    fn known(view: EndpointView) -> Option<Self> {
        view.message_waiting
    }
}

impl Feature for Presence {
    const NAME: &'static str = "presence";
    const PART: EndpointPart = EndpointPart::Presence;
    const QUESTION: fn(EndpointId) -> Action = Action::GetPresence;
    type Body = PresenceBody;

    fn set(endpoint_id: String, body: PresenceBody) -> Result<Action, ApiError> {
        Ok(Action::SetPresence(SetPresence {
            endpoint_id,
            presence: body.presence,
        }))
    }
    fn answered(answer: Answer) -> Option<Self> {
        match answer {
            Answer::Presence(state) => Some(state),
            _ => None,
        }
    }
    fn known(view: EndpointView) -> Option<Self> {
        view.presence
    }
}

/// `GET` and `PUT` of a feature.
pub(super) fn resource<F: Feature + 'static>() -> MethodRouter<Arc<App>> {
    get(read::<F>).put(change::<F>)
}

async fn change<F: Feature>(
    asker: Asker,
    Path(endpoint): Path<String>,
    Query(params): Query<SiteParams>,
    Json(body): Json<F::Body>,
) -> Result<Response, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let action = F::set(endpoint.clone(), body)?;
    let gateway = endpoints::gateway_of(&asker, params.site_id, &endpoint).await?;
    let href = href::<F>(&endpoint);
    let present = |done: Done| Ok(done.respond(StatusCode::OK, endpoint, None, None, Some(&href)));
    asker.ask(gateway, action, present).await
}

async fn read<F: Feature>(
    asker: Asker,
    Path(endpoint): Path<String>,
    Query(params): Query<FreshParams>,
) -> Result<Response, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let href = href::<F>(&endpoint);
    if params.fresh {
        let gateway = endpoints::gateway_of(&asker, params.site_id, &endpoint).await?;
        let endpoint_id = endpoint.clone();
        let present = |done: Done| {
            let state = done.accepted.answer.and_then(F::answered);
            let mut state = state.as_ref().and_then(object).ok_or_else(no_answer)?;
            name(&mut state, Some(&endpoint), &done.gateway, &href);
            Ok(axum::Json(state).into_response())
        };
        let question = F::QUESTION(EndpointId { endpoint_id });
        return asker.ask(gateway, question, present).await;
    }
    let known = endpoints::known(&asker.app, &asker.caller, params.site_id, endpoint.clone());
    let (views, heard) = known.await?;
    for (owner, view) in views {
        let since = view.since.to_string();
        let lost = view.unconfirmed.contains(&F::PART);
        let known_until = view.known_until.filter(|_| lost);
        let Some(mut state) = F::known(view).as_ref().and_then(object) else {
            continue;
        };
        let gateway = identity(&owner);
        let currency = Currency::of(&asker.app, &owner, known_until, &heard);
        state.insert("since".to_owned(), since.into());
        state.extend(object(&currency).unwrap_or_default());
        name(&mut state, Some(&endpoint), &gateway, &href);
        return Ok(axum::Json(state).into_response());
    }
    let name = F::NAME;
    let message = format!("{name} of this extension is not known: fresh=true asks the PBX");
    Err(ApiError::new(StatusCode::NOT_FOUND, "notKnown", message))
}

fn href<F: Feature>(endpoint: &str) -> String {
    format!("{}/{}", endpoint_href(endpoint), F::NAME)
}

/// A number to call, where a body has one.
fn number(field: &str, text: Option<String>) -> Result<Option<String>, ApiError> {
    text.map(|text| numbers::number(field, text)).transpose()
}

/// Adds whose a resource is, and where it is found.
pub(super) fn name(
    resource: &mut Map<String, Value>,
    endpoint: Option<&str>,
    gateway: &Identity,
    href: &str,
) {
    if let Some(endpoint) = endpoint {
        resource.insert("endpointId".to_owned(), endpoint.into());
    }
    for (key, value) in [
        ("accountId", &gateway.account_id),
        ("siteId", &gateway.site_id),
        ("gatewayId", &gateway.gateway_id),
    ] {
        resource.insert(key.to_owned(), value.as_str().into());
    }
    let links = serde_json::json!({ "self": { "href": href } });
    resource.insert("_links".to_owned(), links);
}

/// A struct as a JSON object.
pub(super) fn object(value: &impl Serialize) -> Option<Map<String, Value>> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}
