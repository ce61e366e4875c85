//! Calls as applications read them: one call resource per extension in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use cloud_uplink::event::{Direction, PbxIds};
use cloud_uplink::{CallId, Identity, LegId, LegState, LegView, Timestamp};
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::cloud::{LegFilter, OwnedLeg, Reading};
use web::{ApiError, Query};

use super::ask::Asker;
use super::auth::Caller;
use super::currency::{Currency, Heard, heard};
use super::{numbers, refusal};
use crate::app::App;
use crate::gateways::identity;

/// Query parameters of every call resource.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SiteParams {
    pub(super) site_id: Option<String>,
}

/// One extension's call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallView {
    call_id: CallId,
    leg_id: LegId,
    endpoint_id: String,
    account_id: String,
    site_id: String,
    gateway_id: String,
    state: CallState,
    leg_state: LegState,
    direction: Direction,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirected_from: Option<String>,
    /// Numbers of the other parties of the conversation as it is now.
    peers: Vec<String>,
    since: Timestamp,
    #[serde(flatten)]
    currency: Currency,
    pbx: PbxIds,
    #[serde(rename = "_links")]
    links: CallLinks,
}

#[derive(Debug, Serialize)]
struct CallLinks {
    #[serde(rename = "self")]
    this: Link,
    endpoint: Link,
}

#[derive(Debug, Serialize)]
pub(super) struct Link {
    href: String,
}

/// The coarse state of a call or an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum CallState {
    Unknown,
    Idle,
    Held,
    Connected,
    Ringing,
    Completed,
}

impl From<LegState> for CallState {
    fn from(state: LegState) -> Self {
        match state {
            LegState::Alerting => Self::Ringing,
            LegState::Connected => Self::Connected,
            LegState::Held => Self::Held,
            LegState::Cleared => Self::Completed,
            LegState::Initiated | LegState::Queued | LegState::Failed => Self::Unknown,
        }
    }
}

/// A list of calls.
#[derive(Debug, Serialize)]
pub(super) struct CallList {
    count: usize,
    /// Events after this cursor may or may not be in the list; all before it are.
    cursor: u64,
    #[serde(rename = "_links")]
    links: ListLinks,
    #[serde(rename = "_embedded")]
    embedded: Items,
}

#[derive(Debug, Serialize)]
struct ListLinks {
    #[serde(rename = "self")]
    this: Link,
    events: Link,
}

#[derive(Debug, Serialize)]
struct Items {
    items: Vec<CallView>,
}

/// `GET /2017-09-01/calls`.
pub(super) async fn all(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(params): Query<SiteParams>,
) -> Result<Json<CallList>, ApiError> {
    list(&app, caller, params, None, "/2017-09-01/calls".to_owned()).await
}

/// `GET /2017-09-01/endpoints/{endpointId}/calls`.
pub(super) async fn of_endpoint(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(endpoint): Path<String>,
    Query(params): Query<SiteParams>,
) -> Result<Json<CallList>, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let href = format!("{}/calls", endpoint_href(&endpoint));
    list(&app, caller, params, Some(endpoint), href).await
}

/// `GET /2017-09-01/endpoints/{endpointId}/calls/{callId}`.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((endpoint, call)): Path<(String, String)>,
    Query(params): Query<SiteParams>,
) -> Result<Json<CallView>, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    let call = numbers::call(&call)?;
    let seen = see(&app, &caller, params.site_id, Some(endpoint)).await?;
    let leg = seen.leg(call).ok_or_else(numbers::unknown_call)?;
    let view = view(&app, leg, &seen);
    view.map(Json).ok_or_else(numbers::unknown_call)
}

/// The gateway to ask about a call of an extension: the one that has the leg.
pub(super) async fn gateway_of(
    asker: &Asker,
    site: Option<String>,
    endpoint: &str,
    call: CallId,
) -> Result<Identity, ApiError> {
    let Asker { app, caller, .. } = asker;
    let seen = see(app, caller, site.clone(), Some(endpoint.to_owned())).await?;
    match seen.leg(call) {
        Some(leg) => Ok(identity(&leg.owner)),
        // A call just made may not be in the view yet: then the gateway knows.
        None => asker.gateway(site.as_deref()),
    }
}

/// Where a call of an extension is found.
pub(super) fn call_href(endpoint: &str, call: CallId) -> String {
    format!("{}/calls/{call}", endpoint_href(endpoint))
}

pub(super) fn endpoint_href(endpoint: &str) -> String {
    format!("/2017-09-01/endpoints/{}", endpoint.replace('#', "%23"))
}

async fn list(
    app: &App,
    caller: Caller,
    params: SiteParams,
    endpoint: Option<String>,
    href: String,
) -> Result<Json<CallList>, ApiError> {
    let seen = see(app, &caller, params.site_id, endpoint).await?;
    let items = seen.legs.iter().filter_map(|leg| view(app, leg, &seen));
    let items: Vec<_> = items.collect();
    let cursor = seen.cursor;
    Ok(Json(CallList {
        count: items.len(),
        cursor,
        links: ListLinks {
            this: Link { href },
            events: Link {
                href: format!("/events/v1?cursor={cursor}"),
            },
        },
        embedded: Items { items },
    }))
}

/// Calls as they were at one moment.
struct Seen {
    /// Legs with an extension.
    legs: Vec<OwnedLeg>,
    parties: Parties,
    heard: Heard,
    cursor: u64,
}

impl Seen {
    /// The leg in a call.
    fn leg(&self, call: CallId) -> Option<&OwnedLeg> {
        let call = call.to_string();
        self.legs.iter().find(|owned| owned.leg.call_id == call)
    }
}

async fn see(
    app: &App,
    caller: &Caller,
    site: Option<String>,
    endpoint: Option<String>,
) -> Result<Seen, ApiError> {
    let filter = filter(caller, site, endpoint);
    let read = move |at: &Reading<'_>| {
        let legs = legs(at, &filter)?;
        Ok(Seen {
            parties: parties(at, &filter.account, &legs)?,
            heard: heard(at, legs.iter().map(|leg| &leg.owner))?,
            cursor: at.last_cursor()?,
            legs,
        })
    };
    let seen = app.read(move |store| store.at_once(read)).await;
    seen.map_err(|error| refusal::of_store(&error))
}

/// Which legs a caller asks for.
pub(super) fn filter(caller: &Caller, site: Option<String>, endpoint: Option<String>) -> LegFilter {
    LegFilter {
        account: caller.account.clone(),
        site,
        gateway: None,
        endpoint,
    }
}

/// Legs with an extension.
pub(super) fn legs(at: &Reading<'_>, filter: &LegFilter) -> Result<Vec<OwnedLeg>, StoreError> {
    let mut legs = at.legs(filter)?;
    legs.retain(|owned| !owned.leg.endpoint.is_empty());
    Ok(legs)
}

/// Each leg that can be read, and its coarse state.
pub(super) fn states(legs: &[OwnedLeg]) -> impl Iterator<Item = (&OwnedLeg, CallState)> {
    let state = |owned: &OwnedLeg| {
        let leg: LegView = serde_json::from_str(&owned.leg.body).ok()?;
        leg.endpoint_id.map(|_| CallState::from(leg.state))
    };
    legs.iter()
        .filter_map(move |owned| Some((owned, state(owned)?)))
}

/// Leg and number of everybody in a call, by call.
type Parties = BTreeMap<String, Vec<(LegId, String)>>;

/// Everybody in the calls of those legs, outside parties included.
fn parties(at: &Reading<'_>, account: &str, legs: &[OwnedLeg]) -> Result<Parties, StoreError> {
    let calls: BTreeSet<_> = legs.iter().map(|it| &it.leg.call_id).collect();
    let party = |owned: &OwnedLeg| {
        let leg = read_leg(owned)?;
        Some((leg.leg_id, leg.device))
    };
    let of = |call: &String| {
        let legs = at.call_legs(account, call)?;
        Ok((call.clone(), legs.iter().filter_map(party).collect()))
    };
    calls.into_iter().map(of).collect()
}

fn read_leg(owned: &OwnedLeg) -> Option<LegView> {
    serde_json::from_str(&owned.leg.body)
        .inspect_err(|error| tracing::error!(%error, "a stored leg cannot be read"))
        .ok()
}

fn view(app: &App, owned: &OwnedLeg, seen: &Seen) -> Option<CallView> {
    let leg = read_leg(owned)?;
    let all = seen.parties.get(&owned.leg.call_id);
    let all = all.into_iter().flatten();
    let peers = leg.peers(all.map(|(id, number)| (*id, number.as_str())));
    let currency = Currency::of(app, &owned.owner, leg.known_until, &seen.heard);
    let Identity {
        account_id,
        site_id,
        gateway_id,
    } = identity(&owned.owner);
    let endpoint_id = leg.endpoint_id?;
    let links = CallLinks {
        this: Link {
            href: call_href(&endpoint_id, leg.call_id),
        },
        endpoint: Link {
            href: endpoint_href(&endpoint_id),
        },
    };
    Some(CallView {
        call_id: leg.call_id,
        leg_id: leg.leg_id,
        endpoint_id,
        account_id,
        site_id,
        gateway_id,
        state: leg.state.into(),
        leg_state: leg.state,
        direction: leg.direction,
        from: leg.from,
        to: leg.to,
        redirected_from: leg.redirected_from,
        peers,
        since: leg.since,
        currency,
        pbx: leg.pbx,
        links,
    })
}
