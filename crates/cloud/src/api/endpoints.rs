//! Extensions as applications read them: what they are doing, features and presence.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use cloud_uplink::{EndpointView, Identity};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::cloud::{EndpointFilter, EndpointPlace, OwnedEndpoint, Owner};
use web::{ApiError, Query};

use super::ask::Asker;
use super::auth::Caller;
use super::calls::{CallState, SiteParams, endpoint_href, legs, states};
use super::features::object;
use super::{numbers, refusal};
use crate::app::App;
use crate::gateways::identity;

/// Extensions in a page unless asked for otherwise.
const PAGE: usize = 200;
/// Most extensions in a page.
const PAGE_MAX: usize = 1000;

/// Query of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ListParams {
    site_id: Option<String>,
    /// Where the page before ended.
    after: Option<String>,
    limit: Option<u32>,
}

/// `GET /2017-09-01/endpoints`.
pub(super) async fn all(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(params): Query<ListParams>,
) -> Result<Json<Value>, ApiError> {
    let limit = numbers::limit(params.limit, PAGE, PAGE_MAX)?;
    let filter = EndpointFilter {
        account: caller.account.clone(),
        site: params.site_id.clone(),
        endpoint: None,
        after: params.after.as_deref().map(place).transpose()?,
    };
    let (legs, cursor) = legs(&app, &caller, params.site_id.clone(), None).await?;
    let rows = app.read(move |store| store.endpoints(&filter, limit + 1));
    let mut rows = rows.await.map_err(|error| refusal::of_store(&error))?;
    let is_more = rows.len() > limit;
    rows.truncate(limit);
    let mut calls: BTreeMap<(Owner, String), Vec<CallState>> = BTreeMap::new();
    for (leg, state) in states(&legs) {
        let whose = (leg.owner.clone(), leg.leg.endpoint.clone());
        calls.entry(whose).or_default().push(state);
    }
    let item = |row: &OwnedEndpoint| {
        let whose = (row.owner.clone(), row.endpoint.endpoint.clone());
        let calls = calls.get(&whose).map_or(&[][..], Vec::as_slice);
        let connected = app.gateways.is_connected(&identity(&row.owner));
        resource(
            &row.endpoint.endpoint,
            &caller.account,
            Some(row),
            calls,
            connected,
        )
    };
    let items: Vec<_> = rows.iter().map(item).collect();
    let site = params.site_id.map(|site| format!("siteId={site}&"));
    let site = site.unwrap_or_default();
    let base = "/2017-09-01/endpoints";
    let mut links = json!({
        "self": { "href": base },
        "events": { "href": format!("/events/v1?cursor={cursor}") },
    });
    if let (true, Some(last)) = (is_more, rows.last()) {
        let place = format!(
            "{}/{}/{}",
            last.endpoint.endpoint, last.owner.site, last.owner.gateway
        );
        let place = place.replace('#', "%23").replace('+', "%2B");
        let href = format!("{base}?{site}limit={limit}&after={place}");
        links["next"] = json!({ "href": href });
    }
    Ok(Json(json!({
        "count": items.len(), "cursor": cursor, "_links": links, "_embedded": { "items": items },
    })))
}

/// `GET /2017-09-01/endpoints/{endpointId}`.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(endpoint): Path<String>,
    Query(params): Query<SiteParams>,
) -> Result<Json<Value>, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let site = params.site_id;
    let (legs, _) = legs(&app, &caller, site.clone(), Some(endpoint.clone())).await?;
    let rows = rows(&app, &caller, site.clone(), endpoint.clone()).await?;
    let is_connected = |row: &&OwnedEndpoint| app.gateways.is_connected(&identity(&row.owner));
    let row = rows.iter().find(is_connected).or_else(|| rows.first());
    let connected = match &row {
        Some(row) => is_connected(row),
        None => serves(&app, &caller, site.as_deref()),
    };
    let calls: Vec<_> = states(&legs).map(|(_, state)| state).collect();
    let body = resource(&endpoint, &caller.account, row, &calls, connected);
    Ok(Json(body))
}

/// Whether any gateway of the account, or of its site, is connected.
fn serves(app: &App, caller: &Caller, site: Option<&str>) -> bool {
    app.config.gateways.iter().any(|gateway| {
        gateway.account_id == caller.account
            && site.is_none_or(|site| site == gateway.site_id)
            && app.gateways.is_connected(&gateway.identity())
    })
}

/// What is known of an extension, by whom; more than one only where several sites have it.
pub(super) async fn known(
    app: &App,
    caller: &Caller,
    site: Option<String>,
    endpoint: String,
) -> Result<Vec<(Owner, EndpointView)>, ApiError> {
    let rows = rows(app, caller, site, endpoint).await?;
    let parse = |row: OwnedEndpoint| {
        let view = serde_json::from_str(&row.endpoint.body)
            .inspect_err(|error| tracing::error!(%error, "a stored endpoint cannot be read"));
        Some((row.owner, view.ok()?))
    };
    Ok(rows.into_iter().filter_map(parse).collect())
}

/// The gateway to ask about an extension: the one that knows it, if only one does.
pub(super) async fn gateway_of(
    asker: &Asker,
    site: Option<String>,
    endpoint: &str,
) -> Result<Identity, ApiError> {
    let rows = rows(&asker.app, &asker.caller, site.clone(), endpoint.to_owned()).await?;
    match rows.as_slice() {
        [only] => Ok(identity(&only.owner)),
        _ => asker.gateway(site.as_deref()),
    }
}

async fn rows(
    app: &App,
    caller: &Caller,
    site: Option<String>,
    endpoint: String,
) -> Result<Vec<OwnedEndpoint>, ApiError> {
    let filter = EndpointFilter {
        account: caller.account.clone(),
        site,
        endpoint: Some(endpoint),
        after: None,
    };
    let read = app.read(move |store| store.endpoints(&filter, PAGE_MAX));
    read.await.map_err(|error| refusal::of_store(&error))
}

/// An extension with its calls and what else is known of it.
fn resource(
    endpoint: &str,
    account: &str,
    row: Option<&OwnedEndpoint>,
    calls: &[CallState],
    connected: bool,
) -> Value {
    let view = row.and_then(|row| serde_json::from_str::<EndpointView>(&row.endpoint.body).ok());
    let mut resource: Map<_, _> = view.as_ref().and_then(object).unwrap_or_default();
    if let Some(row) = row {
        resource.insert("siteId".to_owned(), row.owner.site.as_ref().into());
        resource.insert("gatewayId".to_owned(), row.owner.gateway.as_ref().into());
        resource.insert("current".to_owned(), connected.into());
    }
    let without_calls = if connected {
        CallState::Idle
    } else {
        CallState::Unknown
    };
    let href = endpoint_href(endpoint);
    let links = json!({
        "self": { "href": href },
        "calls": { "href": format!("{href}/calls") },
        "callHistory": { "href": format!("{href}/callHistory") },
    });
    for (key, value) in [
        ("endpointId", endpoint.into()),
        ("accountId", account.into()),
        (
            "state",
            json!(calls.iter().max().copied().unwrap_or(without_calls)),
        ),
        ("calls", calls.len().into()),
        ("_links", links),
    ] {
        resource.insert(key.to_owned(), value);
    }
    resource.into()
}

/// A place in the list, as `_links.next` has it.
fn place(text: &str) -> Result<EndpointPlace, ApiError> {
    let mut parts = text.splitn(3, '/').map(ToOwned::to_owned);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(endpoint), Some(site), Some(gateway)) => Ok((endpoint, site, gateway)),
        _ => {
            let form = "taken from _links.next of the page before";
            Err(numbers::not_allowed("after", form))
        }
    }
}
