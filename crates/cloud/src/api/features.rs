//! Features and presence of an extension: read, asked for, set.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use cloud_uplink::command::{Action, Answer, EndpointId, SetForwarding, SetPresence, SetSwitch};
use cloud_uplink::endpoint::{DoNotDisturb, ForwardingKind, Forwardings, Origin, PresenceState};
use cloud_uplink::{EndpointView, Identity};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use web::{ApiError, Json, Query};

use super::ask::{Asker, Done, no_answer};
use super::calls::{SiteParams, endpoint_href};
use super::{endpoints, numbers};
use crate::gateways::identity;

/// Query of a feature: `fresh` asks the PBX instead of telling what is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct FreshParams {
    #[serde(default)]
    fresh: bool,
    site_id: Option<String>,
}

/// Body of `PUT …/doNotDisturb` and `PUT …/messageWaiting`.
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

/// Body of `PUT …/presence`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresenceBody {
    presence: PresenceState,
}

/// The features, each a resource under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feature {
    DoNotDisturb,
    Forwarding,
    MessageWaiting,
    Presence,
}

type Read = (Asker, Path<String>, Query<FreshParams>);
type Set<T> = (Asker, Path<String>, Query<SiteParams>, Json<T>);

/// `GET …/doNotDisturb`.
pub(super) async fn do_not_disturb(
    asker: Asker,
    endpoint: Path<String>,
    params: Query<FreshParams>,
) -> Result<Response, ApiError> {
    read(Feature::DoNotDisturb, (asker, endpoint, params)).await
}

/// `GET …/forwarding`.
pub(super) async fn forwarding(
    asker: Asker,
    endpoint: Path<String>,
    params: Query<FreshParams>,
) -> Result<Response, ApiError> {
    read(Feature::Forwarding, (asker, endpoint, params)).await
}

/// `GET …/messageWaiting`.
pub(super) async fn message_waiting(
    asker: Asker,
    endpoint: Path<String>,
    params: Query<FreshParams>,
) -> Result<Response, ApiError> {
    read(Feature::MessageWaiting, (asker, endpoint, params)).await
}

/// `GET …/presence`.
pub(super) async fn presence(
    asker: Asker,
    endpoint: Path<String>,
    params: Query<FreshParams>,
) -> Result<Response, ApiError> {
    read(Feature::Presence, (asker, endpoint, params)).await
}

/// `PUT …/doNotDisturb`.
pub(super) async fn set_do_not_disturb(
    asker: Asker,
    endpoint: Path<String>,
    params: Query<SiteParams>,
    body: Json<SwitchBody>,
) -> Result<Response, ApiError> {
    let set = (asker, endpoint, params, body);
    change(
        Feature::DoNotDisturb,
        set,
        |endpoint_id, SwitchBody { on }| Ok(Action::SetDoNotDisturb(SetSwitch { endpoint_id, on })),
    )
    .await
}

/// `PUT …/forwarding`.
pub(super) async fn set_forwarding(
    asker: Asker,
    endpoint: Path<String>,
    params: Query<SiteParams>,
    body: Json<ForwardingBody>,
) -> Result<Response, ApiError> {
    let set = (asker, endpoint, params, body);
    change(Feature::Forwarding, set, |endpoint_id, body| {
        Ok(Action::SetForwarding(SetForwarding {
            endpoint_id,
            kind: body.kind,
            origin: body.origin,
            on: body.on,
            to: body.to.map(numbers::to).transpose()?,
        }))
    })
    .await
}

/// `PUT …/messageWaiting`.
pub(super) async fn set_message_waiting(
    asker: Asker,
    endpoint: Path<String>,
    params: Query<SiteParams>,
    body: Json<SwitchBody>,
) -> Result<Response, ApiError> {
    let set = (asker, endpoint, params, body);
    change(
        Feature::MessageWaiting,
        set,
        |endpoint_id, SwitchBody { on }| {
            Ok(Action::SetMessageWaiting(SetSwitch { endpoint_id, on }))
        },
    )
    .await
}

/// `PUT …/presence`.
pub(super) async fn set_presence(
    asker: Asker,
    endpoint: Path<String>,
    params: Query<SiteParams>,
    body: Json<PresenceBody>,
) -> Result<Response, ApiError> {
    let set = (asker, endpoint, params, body);
    change(
        Feature::Presence,
        set,
        |endpoint_id, PresenceBody { presence }| {
            Ok(Action::SetPresence(SetPresence {
                endpoint_id,
                presence,
            }))
        },
    )
    .await
}

async fn change<T>(
    feature: Feature,
    (asker, Path(endpoint), Query(params), Json(body)): Set<T>,
    action: impl FnOnce(String, T) -> Result<Action, ApiError>,
) -> Result<Response, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let action = action(endpoint.clone(), body)?;
    let gateway = endpoints::gateway_of(&asker, params.site_id, &endpoint).await?;
    let href = format!("{}/{}", endpoint_href(&endpoint), feature.name());
    let present = |done: Done| Ok(done.respond(StatusCode::OK, endpoint, None, None, Some(&href)));
    asker.ask(gateway, action, present).await
}

async fn read(
    feature: Feature,
    (asker, Path(endpoint), Query(params)): Read,
) -> Result<Response, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    if params.fresh {
        let gateway = endpoints::gateway_of(&asker, params.site_id, &endpoint).await?;
        let action = feature.question(endpoint.clone());
        let present = |done: Done| {
            let answer = done
                .accepted
                .answer
                .and_then(|answer| feature.answered(answer));
            let state = answer.ok_or_else(no_answer)?;
            Ok(feature.resource(&endpoint, &done.gateway, state))
        };
        return asker.ask(gateway, action, present).await;
    }
    let known = endpoints::known(&asker.app, &asker.caller, params.site_id, endpoint.clone());
    for (owner, view) in known.await? {
        if let Some(mut state) = feature.known(&view) {
            let gateway = identity(&owner);
            let current = asker.app.gateways.is_connected(&gateway);
            state.insert("since".to_owned(), view.since.to_string().into());
            state.insert("current".to_owned(), current.into());
            return Ok(feature.resource(&endpoint, &gateway, state));
        }
    }
    let message = format!(
        "{} of this extension is not known: fresh=true asks the PBX",
        feature.name()
    );
    Err(ApiError::new(StatusCode::NOT_FOUND, "notKnown", message))
}

impl Feature {
    const fn name(self) -> &'static str {
        match self {
            Self::DoNotDisturb => "doNotDisturb",
            Self::Forwarding => "forwarding",
            Self::MessageWaiting => "messageWaiting",
            Self::Presence => "presence",
        }
    }

    const fn question(self, endpoint_id: String) -> Action {
        let endpoint = EndpointId { endpoint_id };
        match self {
            Self::DoNotDisturb => Action::GetDoNotDisturb(endpoint),
            Self::Forwarding => Action::GetForwarding(endpoint),
            Self::MessageWaiting => Action::GetMessageWaiting(endpoint),
            Self::Presence => Action::GetPresence(endpoint),
        }
    }

    /// The state out of the answer to the question.
    fn answered(self, answer: Answer) -> Option<Map<String, Value>> {
        match (self, answer) {
            (Self::DoNotDisturb, Answer::DoNotDisturb(state)) => object(&state),
            (Self::Forwarding, Answer::Forwarding(state)) => object(&state),
            (Self::MessageWaiting, Answer::MessageWaiting(state)) => object(&state),
            (Self::Presence, Answer::Presence(state)) => object(&state),
            _ => None,
        }
    }

    /// The state as it was last reported.
    fn known(self, view: &EndpointView) -> Option<Map<String, Value>> {
        match self {
            Self::DoNotDisturb => object(&DoNotDisturb {
                on: view.do_not_disturb?,
            }),
            Self::Forwarding => object(&Forwardings {
                forwarding: view.forwarding.clone()?,
            }),
            Self::MessageWaiting => object(view.message_waiting.as_ref()?),
            Self::Presence => object(view.presence.as_ref()?),
        }
    }

    fn resource(
        self,
        endpoint: &str,
        gateway: &Identity,
        mut state: Map<String, Value>,
    ) -> Response {
        let href = format!("{}/{}", endpoint_href(endpoint), self.name());
        name(&mut state, Some(endpoint), gateway, &href);
        axum::Json(state).into_response()
    }
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
