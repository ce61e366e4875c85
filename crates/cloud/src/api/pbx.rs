//! What the PBX is asked for: its devices and features, an extension's device, a snapshot.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use cloud_uplink::Identity;
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
    let to = To::site(&asker, &params, "/2017-09-01/pbx/devices")?;
    let tell = |answer| match answer {
        Some(Answer::Devices(devices)) => Some(list(&devices)),
        _ => None,
    };
    to.ask(asker, Action::GetDevices(Site {}), tell).await
}

/// `GET /2017-09-01/pbx/features`.
pub(super) async fn features(
    asker: Asker,
    Query(params): Query<SiteParams>,
) -> Result<Response, ApiError> {
    let to = To::site(&asker, &params, "/2017-09-01/pbx/features")?;
    let tell = |answer| match answer {
        Some(Answer::Features(features)) => object(&features),
        _ => None,
    };
    to.ask(asker, Action::GetFeatures(Site {}), tell).await
}

/// `GET /2017-09-01/endpoints/{endpointId}/device`.
pub(super) async fn device(
    asker: Asker,
    Path(endpoint): Path<String>,
    Query(params): Query<SiteParams>,
) -> Result<Response, ApiError> {
    let (to, endpoint_id) = To::endpoint(&asker, params, endpoint, "/device").await?;
    let tell = |answer| match answer {
        Some(Answer::Device(device)) => object(&device),
        _ => None,
    };
    let action = Action::GetDevice(EndpointId { endpoint_id });
    to.ask(asker, action, tell).await
}

/// `GET /2017-09-01/endpoints/{endpointId}/calls/{callId}/connections`.
pub(super) async fn connections(
    asker: Asker,
    Path((endpoint, call)): Path<(String, String)>,
    Query(params): Query<SiteParams>,
) -> Result<Response, ApiError> {
    let endpoint_id = numbers::endpoint(endpoint)?;
    let call_id = numbers::call(&call)?;
    let to = To {
        gateway: gateway_of(&asker, params.site_id, &endpoint_id, call_id).await?,
        href: format!("{}/connections", call_href(&endpoint_id, call_id)),
        endpoint: Some(endpoint_id.clone()),
    };
    let tell = |answer| match answer {
        Some(Answer::Call(connections)) => Some(list(&connections)),
        _ => None,
    };
    let action = Action::SnapshotCall(LegRef {
        endpoint_id,
        call_id,
    });
    to.ask(asker, action, tell).await
}

/// `POST /2017-09-01/endpoints/{endpointId}/snapshot`. A repetition tells no answer that was too long
/// to be kept.
pub(super) async fn snapshot(
    asker: Asker,
    Path(endpoint): Path<String>,
    Query(params): Query<SiteParams>,
) -> Result<Response, ApiError> {
    let (to, endpoint_id) = To::endpoint(&asker, params, endpoint, "").await?;
    let tell = |answer| match answer {
        Some(Answer::Snapshot(snapshot)) => object(&snapshot),
        Some(_) => None,
        None => Some(Map::new()),
    };
    let action = Action::Snapshot(EndpointId { endpoint_id });
    to.ask(asker, action, tell).await
}

/// Who is asked, and the name of what is asked for.
struct To {
    gateway: Identity,
    endpoint: Option<String>,
    href: String,
}

impl To {
    /// A question about the site.
    fn site(asker: &Asker, params: &SiteParams, href: &str) -> Result<Self, ApiError> {
        Ok(Self {
            gateway: asker.gateway(params.site_id.as_deref())?,
            endpoint: None,
            href: href.to_owned(),
        })
    }

    /// A question about an extension, and the extension.
    async fn endpoint(
        asker: &Asker,
        params: SiteParams,
        endpoint: String,
        below: &str,
    ) -> Result<(Self, String), ApiError> {
        let endpoint = numbers::endpoint(endpoint)?;
        let to = Self {
            gateway: endpoints::gateway_of(asker, params.site_id, &endpoint).await?,
            href: format!("{}{below}", endpoint_href(&endpoint)),
            endpoint: Some(endpoint.clone()),
        };
        Ok((to, endpoint))
    }

    /// Asks; `tell` makes a resource out of the answer that fits.
    async fn ask(
        self,
        asker: Asker,
        action: Action,
        tell: impl FnOnce(Option<Answer>) -> Option<Map<String, Value>>,
    ) -> Result<Response, ApiError> {
        let Self {
            gateway,
            endpoint,
            href,
        } = self;
        let present = |done: Done| {
            let mut resource = tell(done.accepted.answer).ok_or_else(no_answer)?;
            name(&mut resource, endpoint.as_deref(), &done.gateway, &href);
            Ok(axum::Json(resource).into_response())
        };
        asker.ask(gateway, action, present).await
    }
}

fn list(items: &[impl serde::Serialize]) -> Map<String, Value> {
    let list = json!({ "count": items.len(), "_embedded": { "items": items } });
    object(&list).unwrap_or_default()
}
