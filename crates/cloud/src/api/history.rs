//! Call history: one record for each call and extension, newest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::cloud::{OwnedRecord, RecordFilter, RecordPlace};
use web::{ApiError, Query};

use super::auth::Caller;
use super::calls::endpoint_href;
use super::features::name;
use super::{numbers, refusal};
use crate::app::App;
use crate::gateways::identity;

/// Records in a page unless asked for otherwise.
const PAGE: usize = 100;
/// Most records in a page.
const PAGE_MAX: usize = 1000;
/// The words of `direction`.
const DIRECTIONS: [&str; 2] = ["inbound", "outbound"];
/// The words of `outcome`.
const OUTCOMES: [&str; 8] = [
    "answered",
    "missed",
    "noAnswer",
    "busy",
    "failed",
    "diverted",
    "answeredElsewhere",
    "abandoned",
];

/// Query of a history.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct HistoryParams {
    site_id: Option<String>,
    since: Option<String>,
    until: Option<String>,
    direction: Option<String>,
    outcome: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /2017-09-01/callHistory`.
pub(super) async fn all(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(params): Query<HistoryParams>,
) -> Result<Json<Value>, ApiError> {
    list(&app, caller, None, params).await
}

/// `GET /2017-09-01/endpoints/{endpointId}/callHistory`.
pub(super) async fn of_endpoint(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(endpoint): Path<String>,
    Query(params): Query<HistoryParams>,
) -> Result<Json<Value>, ApiError> {
    let endpoint = numbers::endpoint(endpoint)?;
    list(&app, caller, Some(endpoint), params).await
}

async fn list(
    app: &App,
    caller: Caller,
    endpoint: Option<String>,
    params: HistoryParams,
) -> Result<Json<Value>, ApiError> {
    let limit = numbers::limit(params.limit, PAGE, PAGE_MAX)?;
    let after = params.cursor.as_deref().map(place).transpose()?;
    let base = endpoint
        .as_deref()
        .map_or_else(|| "/2017-09-01".to_owned(), endpoint_href);
    let base = format!("{base}/callHistory");
    let query = query(&params);
    let filter = RecordFilter {
        account: caller.account,
        site: params.site_id,
        endpoint,
        direction: numbers::one_of("direction", params.direction, &DIRECTIONS)?,
        outcome: numbers::one_of("outcome", params.outcome, &OUTCOMES)?,
        since_ms: numbers::time("since", params.since.as_deref())?,
        until_ms: numbers::time("until", params.until.as_deref())?,
    };
    let page = app.read(move |store| store.records(&filter, after, limit));
    let page = page.await.map_err(|error| refusal::of_store(&error))?;
    let items: Vec<_> = page.records.iter().filter_map(item).collect();
    let mut links = json!({ "self": { "href": base } });
    if let Some(RecordPlace { started_ms, cursor }) = page.next {
        let href = format!("{base}?{query}limit={limit}&cursor={started_ms}-{cursor}");
        links["next"] = json!({ "href": href });
    }
    Ok(Json(json!({
        "count": items.len(), "_links": links, "_embedded": { "items": items },
    })))
}

fn item(owned: &OwnedRecord) -> Option<Value> {
    let mut record: Map<_, _> = serde_json::from_str(&owned.record.body)
        .inspect_err(|error| tracing::error!(%error, "a stored record cannot be read"))
        .ok()?;
    let href = format!("{}/callHistory", endpoint_href(&owned.record.endpoint));
    name(&mut record, None, &identity(&owned.owner), &href);
    record.remove("_links");
    let voices: Vec<Value> = serde_json::from_str(&owned.voices).unwrap_or_default();
    if !voices.is_empty() {
        record.insert("voice".to_owned(), voices.into());
    }
    Some(record.into())
}

/// The filters again, for the link to the next page.
fn query(params: &HistoryParams) -> String {
    let HistoryParams {
        site_id,
        since,
        until,
        direction,
        outcome,
        ..
    } = params;
    let all = [
        ("siteId", site_id),
        ("since", since),
        ("until", until),
        ("direction", direction),
        ("outcome", outcome),
    ];
    all.iter()
        .filter_map(|(key, value)| Some(format!("{key}={}&", value.as_ref()?.replace('+', "%2B"))))
        .collect()
}

/// A place in the history, as `_links.next` has it.
fn place(text: &str) -> Result<RecordPlace, ApiError> {
    let place = text.split_once('-').and_then(|(started, cursor)| {
        Some(RecordPlace {
            started_ms: started.parse().ok()?,
            cursor: cursor.parse().ok()?,
        })
    });
    let form = "taken from _links.next of the page before";
    place.ok_or_else(|| numbers::not_allowed("cursor", form))
}

#[cfg(test)]
mod tests {
    use cloud_uplink::event::Direction;
    use cloud_uplink::record::CallOutcome;

    use super::*;

    #[test]
    fn the_words_are_those_of_the_records() {
        for word in DIRECTIONS {
            assert!(
                serde_json::from_value::<Direction>(word.into()).is_ok(),
                "{word}"
            );
        }
        for word in OUTCOMES {
            assert!(
                serde_json::from_value::<CallOutcome>(word.into()).is_ok(),
                "{word}"
            );
        }
    }
}
