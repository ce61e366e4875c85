//! Extensions as applications read them: what they are doing, features and presence.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use cloud_uplink::endpoint::EndpointPart;
use cloud_uplink::{EndpointView, Identity};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::cloud::{
    EndpointFilter, EndpointPlace, LegFilter, OwnedEndpoint, OwnedLeg, Owner, Reading,
};
use web::{ApiError, Query};

use super::ask::Asker;
use super::auth::Caller;
use super::calls::{self, CallState, SiteParams, endpoint_href, states};
use super::currency::{Currency, Heard, heard};
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
    let calls = calls::filter(&caller, params.site_id.clone(), None);
    let seen = see(&app, filter, limit + 1, calls).await?;
    let Seen {
        mut rows,
        legs,
        heard,
        cursor,
    } = seen;
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
        let row = Known::read(&app, row, &heard);
        resource(
            &row.row.endpoint.endpoint,
            &caller.account,
            Some(&row),
            calls,
            row.connected,
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
    let filter = filter(&caller, site.clone(), endpoint.clone());
    let calls = calls::filter(&caller, site.clone(), Some(endpoint.clone()));
    let seen = see(&app, filter, PAGE_MAX, calls).await?;
    let known = seen
        .rows
        .iter()
        .map(|row| Known::read(&app, row, &seen.heard));
    let known: Vec<_> = known.collect();
    let row = known
        .iter()
        .find(|row| row.connected)
        .or_else(|| known.first());
    let connected = match &row {
        Some(row) => row.connected,
        None => serves(&app, &caller, site.as_deref()),
    };
    let calls: Vec<_> = states(&seen.legs).map(|(_, state)| state).collect();
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

/// What is known of an extension, by whom and since when they were last heard of; more than one only
/// where several sites have it.
pub(super) async fn known(
    app: &App,
    caller: &Caller,
    site: Option<String>,
    endpoint: String,
) -> Result<(Vec<(Owner, EndpointView)>, Heard), ApiError> {
    let filter = filter(caller, site, endpoint);
    let read = move |at: &Reading<'_>| {
        let rows = at.endpoints(&filter, PAGE_MAX)?;
        let heard = heard(at, rows.iter().map(|row| &row.owner))?;
        Ok((rows, heard))
    };
    let read = app.read(move |store| store.at_once(read)).await;
    let (rows, heard) = read.map_err(|error| refusal::of_store(&error))?;
    let parse = |row: OwnedEndpoint| Some((row.owner.clone(), parse(&row)?));
    Ok((rows.into_iter().filter_map(parse).collect(), heard))
}

fn parse(row: &OwnedEndpoint) -> Option<EndpointView> {
    serde_json::from_str(&row.endpoint.body)
        .inspect_err(|error| tracing::error!(%error, "a stored endpoint cannot be read"))
        .ok()
}

/// The gateway to ask about an extension: the one that knows it, if only one does.
pub(super) async fn gateway_of(
    asker: &Asker,
    site: Option<String>,
    endpoint: &str,
) -> Result<Identity, ApiError> {
    let filter = filter(&asker.caller, site.clone(), endpoint.to_owned());
    let rows = asker
        .app
        .read(move |store| store.at_once(|at| at.endpoints(&filter, PAGE_MAX)));
    let rows = rows.await.map_err(|error| refusal::of_store(&error))?;
    match rows.as_slice() {
        [only] => Ok(identity(&only.owner)),
        _ => asker.gateway(site.as_deref()),
    }
}

/// Extensions and their calls at one moment.
struct Seen {
    rows: Vec<OwnedEndpoint>,
    legs: Vec<OwnedLeg>,
    heard: Heard,
    cursor: u64,
}

async fn see(
    app: &App,
    filter: EndpointFilter,
    rows_max: usize,
    calls: LegFilter,
) -> Result<Seen, ApiError> {
    let read = move |at: &Reading<'_>| {
        let rows = at.endpoints(&filter, rows_max)?;
        Ok(Seen {
            legs: calls::legs(at, &calls)?,
            heard: heard(at, rows.iter().map(|row| &row.owner))?,
            cursor: at.last_cursor()?,
            rows,
        })
    };
    let seen = app.read(move |store| store.at_once(read)).await;
    seen.map_err(|error| refusal::of_store(&error))
}

/// The rows of one extension.
fn filter(caller: &Caller, site: Option<String>, endpoint: String) -> EndpointFilter {
    EndpointFilter {
        account: caller.account.clone(),
        site,
        endpoint: Some(endpoint),
        after: None,
    }
}

/// A row, and how far it can be relied on.
struct Known<'a> {
    row: &'a OwnedEndpoint,
    view: Option<EndpointView>,
    currency: Currency,
    connected: bool,
}

impl<'a> Known<'a> {
    fn read(app: &App, row: &'a OwnedEndpoint, heard: &Heard) -> Self {
        let view = parse(row);
        let known_until = view.as_ref().and_then(|view| view.known_until);
        Self {
            currency: Currency::of(app, &row.owner, known_until, heard),
            connected: app.gateways.is_connected(&identity(&row.owner)),
            row,
            view,
        }
    }

    /// Whether it may have got calls unheard.
    fn is_lost(&self) -> bool {
        let view = self.view.as_ref();
        view.is_some_and(|view| view.unconfirmed.contains(&EndpointPart::Presence))
    }
}

/// An extension with its calls and what else is known of it.
fn resource(
    endpoint: &str,
    account: &str,
    known: Option<&Known<'_>>,
    calls: &[CallState],
    connected: bool,
) -> Value {
    let view = known.and_then(|known| known.view.as_ref());
    let mut resource: Map<_, _> = view.and_then(object).unwrap_or_default();
    resource.remove("knownUntil");
    if let Some(known) = known {
        let owner = &known.row.owner;
        resource.insert("siteId".to_owned(), owner.site.as_ref().into());
        resource.insert("gatewayId".to_owned(), owner.gateway.as_ref().into());
        resource.extend(object(&known.currency).unwrap_or_default());
    }
    let without_calls = if connected && !known.is_some_and(Known::is_lost) {
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
