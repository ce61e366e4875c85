//! What the PBX is asked for: its devices and features, an extension's device, a snapshot.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use cloud_uplink::command::{Action, Answer, EndpointId, LegRef, Site};
use serde_json::{Map, Value, json};
use web::{ApiError, Query};

use super::ask::{Asker, Done, no_answer};
use super::calls::{SiteParams, call_href, endpoint_href, gateway_of};
use super::features::{name, object};
use super::{endpoints, numbers};

/// `GET /2017-09-01/pbx/devices`.
pub(super) async fn devices(
    asker: Asker,
    Query(params): Query<SiteParams>,
) -> Result<Response, ApiError> {
    let gateway = asker.gateway(params.site_id.as_deref())?;
    let present = |done: Done| {
        let Some(Answer::Devices(devices)) = &done.accepted.answer else {
            return Err(no_answer());
        };
        Ok(resource(
            &done,
            None,
            "/2017-09-01/pbx/devices",
            list(devices),
        ))
    };
    asker
        .ask(gateway, Action::GetDevices(Site {}), present)
        .await
}

/// `GET /2017-09-01/pbx/features`.
pub(super) async fn features(
    asker: Asker,
    Query(params): Query<SiteParams>,
) -> Result<Response, ApiError> {
    let gateway = asker.gateway(params.site_id.as_deref())?;
    let present = |done: Done| {
        let Some(Answer::Features(features)) = &done.accepted.answer else {
            return Err(no_answer());
        };
        let features = object(features).unwrap_or_default();
        Ok(resource(&done, None, "/2017-09-01/pbx/features", features))
    };
    asker
        .ask(gateway, Action::GetFeatures(Site {}), present)
        .await
}

/// `GET /2017-09-01/endpoints/{endpointId}/device`.
pub(super) async fn device(
    asker: Asker,
    Path(endpoint): Path<String>,
    Query(params): Query<SiteParams>,
) -> Result<Response, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let gateway = endpoints::gateway_of(&asker, params.site_id, &endpoint).await?;
    let endpoint_id = endpoint.clone();
    let present = |done: Done| {
        let Some(Answer::Device(device)) = &done.accepted.answer else {
            return Err(no_answer());
        };
        let href = format!("{}/device", endpoint_href(&endpoint));
        let device = object(device).unwrap_or_default();
        Ok(resource(&done, Some(&endpoint), &href, device))
    };
    let action = Action::GetDevice(EndpointId { endpoint_id });
    asker.ask(gateway, action, present).await
}

/// `GET /2017-09-01/endpoints/{endpointId}/calls/{callId}/connections`.
pub(super) async fn connections(
    asker: Asker,
    Path((endpoint, call)): Path<(String, String)>,
    Query(params): Query<SiteParams>,
) -> Result<Response, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let call_id = numbers::call(&call)?;
    let gateway = gateway_of(&asker, params.site_id, &endpoint, call_id).await?;
    let endpoint_id = endpoint.clone();
    let present = |done: Done| {
        let Some(Answer::Call(connections)) = &done.accepted.answer else {
            return Err(no_answer());
        };
        let href = format!("{}/connections", call_href(&endpoint, call_id));
        Ok(resource(&done, Some(&endpoint), &href, list(connections)))
    };
    let action = Action::SnapshotCall(LegRef {
        endpoint_id,
        call_id,
    });
    asker.ask(gateway, action, present).await
}

/// `POST /2017-09-01/endpoints/{endpointId}/snapshot`. A repetition tells no answer that was too long
/// to be kept.
pub(super) async fn snapshot(
    asker: Asker,
    Path(endpoint): Path<String>,
    Query(params): Query<SiteParams>,
) -> Result<Response, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let gateway = endpoints::gateway_of(&asker, params.site_id, &endpoint).await?;
    let endpoint_id = endpoint.clone();
    let present = |done: Done| {
        let snapshot = match &done.accepted.answer {
            Some(Answer::Snapshot(snapshot)) => object(snapshot).unwrap_or_default(),
            Some(_) => return Err(no_answer()),
            None => Map::new(),
        };
        Ok(resource(
            &done,
            Some(&endpoint),
            &endpoint_href(&endpoint),
            snapshot,
        ))
    };
    let action = Action::Snapshot(EndpointId { endpoint_id });
    asker.ask(gateway, action, present).await
}

fn list(items: &[impl serde::Serialize]) -> Map<String, Value> {
    let list = json!({ "count": items.len(), "_embedded": { "items": items } });
    object(&list).unwrap_or_default()
}

fn resource(
    done: &Done,
    endpoint: Option<&str>,
    href: &str,
    mut resource: Map<String, Value>,
) -> Response {
    name(&mut resource, endpoint, &done.gateway, href);
    axum::Json(resource).into_response()
}
