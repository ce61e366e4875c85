//! Cloud legs as applications begin, answer and end them. What gateways say comes on the event stream.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use cloud_uplink::leg::{
    Description, EarlyMedia, LegDigits, LegEnd, LegEndCause, LegInvite, LegOwner, LegSignal,
    Refused, TransferTarget,
};
use cloud_uplink::{CloudLegId, ErrorCode};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use web::{ApiError, Json, Query};

use super::ask::Asker;
use super::auth::Caller;
use super::calls::SiteParams;
use super::{numbers, refusal};
use crate::app::{App, timestamp};
use crate::legs::{KeyReused, NoLeg, Part, Unsaid};

/// Status of a refusal without one (RFC 3261 §21.4.26).
const NOT_ACCEPTABLE: u16 = 488;

/// Body of `POST /legs`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct BeginBody {
    to: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    from_name: Option<String>,
    #[serde(default)]
    owner: Option<LegOwner>,
    #[serde(default)]
    sdp: Option<String>,
}

/// Body of `PUT /legs/{cloudLegId}`: an action and what it needs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(
    tag = "action",
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum ActBody {
    Ring {
        #[serde(default)]
        sdp: Option<String>,
    },
    Answer {
        sdp: String,
    },
    Offer {
        sdp: String,
    },
    OfferAnswer {
        sdp: String,
    },
    RefuseOffer {
        #[serde(default)]
        status: Option<u16>,
        #[serde(default)]
        reason: Option<String>,
    },
    Dtmf {
        digits: String,
        #[serde(default)]
        duration_ms: Option<u32>,
    },
    Transfer {
        #[serde(default)]
        to: Option<String>,
        #[serde(default)]
        leg: Option<CloudLegId>,
    },
    End {
        #[serde(default)]
        cause: Option<LegEndCause>,
        #[serde(default)]
        status: Option<u16>,
        #[serde(default)]
        reason: Option<String>,
    },
}

/// `GET /2017-09-01/legs`.
pub(super) async fn all(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(params): Query<SiteParams>,
) -> axum::Json<Value> {
    let parts = app.legs.all(&caller.scope(), params.site_id.as_deref());
    let items: Vec<_> = parts.iter().map(view).collect();
    axum::Json(json!({
        "count": items.len(),
        "_links": { "self": { "href": "/2017-09-01/legs" } },
        "_embedded": { "items": items },
    }))
}

/// `GET /2017-09-01/legs/{cloudLegId}`.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(leg): Path<String>,
    Query(params): Query<SiteParams>,
) -> Result<axum::Json<Value>, ApiError> {
    let (leg, scope) = (id(&leg)?, caller.scope());
    let part = app.legs.one(&scope, leg);
    let part = part.filter(|part| is_at(part, params.site_id.as_deref()));
    let part = part.ok_or_else(|| gone(app.legs.ended(&scope, leg)))?;
    Ok(axum::Json(view(&part)))
}

/// `POST /2017-09-01/legs`.
pub(super) async fn begin(
    asker: Asker,
    Query(params): Query<SiteParams>,
    Json(body): Json<BeginBody>,
) -> Result<Response, ApiError> {
    let intent = asker.intent(&(&params.site_id, &body));
    let gateway = asker.gateway(params.site_id.as_deref())?;
    let scope = asker.caller.scope();
    let application = LegOwner::Application(asker.caller.application.clone());
    let owner = body.owner.unwrap_or(application);
    if let Some(wrong) = not_yours(&asker.caller, &owner) {
        return Err(wrong);
    }
    let invite = LegInvite {
        from: body.from,
        from_name: body.from_name,
        to: numbers::dialled("to", body.to)?,
        owner,
        call_id: None,
        diverted_from: None,
        sdp: body.sdp,
    };
    check(&LegSignal::Invite(invite.clone()))?;
    let random = uuid::Uuid::new_v4().as_u128();
    let leg = CloudLegId::new(ulid::Ulid::from_parts(net::clock::unix_ms(), random));
    let legs = &asker.app.legs;
    let begun = legs.begin(&scope, &gateway, (leg, invite), intent, timestamp());
    let part = begun.map_err(not_begun)?;
    if part.leg == leg {
        tracing::info!(application = asker.caller.application, %gateway, %leg, "leg begun");
    }
    Ok(created(&part))
}

/// `PUT /2017-09-01/legs/{cloudLegId}`.
pub(super) async fn act(
    asker: Asker,
    Path(leg): Path<String>,
    Query(params): Query<SiteParams>,
    Json(body): Json<ActBody>,
) -> Result<Response, ApiError> {
    let leg = id(&leg)?;
    let intent = asker.intent(&(leg, &body));
    let (legs, scope) = (&asker.app.legs, asker.caller.scope());
    let before = legs.answered(&intent);
    if let Some(part) = before.map_err(|KeyReused| key_reused())? {
        return Ok(accepted(&part));
    }
    let part = legs.one(&scope, leg);
    let part = part.filter(|part| is_at(part, params.site_id.as_deref()));
    let part = part.ok_or_else(|| gone(legs.ended(&scope, leg)))?;
    let signal = body.signal(&part)?;
    check(&signal)?;
    if let LegSignal::Transfer(TransferTarget::Leg(other)) = &signal {
        let other = legs
            .one(&scope, *other)
            .filter(|other| other.gateway == part.gateway);
        if other.is_none_or(|other| other.leg == leg) {
            let form = "another leg of the same gateway";
            return Err(numbers::not_allowed("leg", form));
        }
    }
    let said = legs.say(&scope, leg, signal, intent);
    said.map(|part| accepted(&part)).map_err(not_said)
}

impl ActBody {
    /// What it says to the gateway.
    fn signal(self, part: &Part) -> Result<LegSignal, ApiError> {
        Ok(match self {
            Self::Ring { sdp } => LegSignal::Ringing(EarlyMedia { sdp }),
            Self::Answer { sdp } => LegSignal::Answer(Description { sdp }),
            Self::Offer { sdp } => LegSignal::Offer(Description { sdp }),
            Self::OfferAnswer { sdp } => LegSignal::OfferAnswer(Description { sdp }),
            Self::RefuseOffer { status, reason } => LegSignal::OfferRefused(Refused {
                status: status.unwrap_or(NOT_ACCEPTABLE),
                reason,
            }),
            Self::Dtmf {
                digits,
                duration_ms,
            } => LegSignal::Dtmf(LegDigits {
                digits,
                duration_ms,
            }),
            Self::Transfer { to, leg } => LegSignal::Transfer(match (to, leg) {
                (Some(to), None) => TransferTarget::Number(numbers::dialled("to", to)?),
                (None, Some(leg)) => TransferTarget::Leg(leg),
                _ => return Err(numbers::not_allowed("to", "a number, or `leg` another leg")),
            }),
            Self::End {
                cause,
                status,
                reason,
            } => LegSignal::End(LegEnd {
                cause: cause.unwrap_or_else(|| usual(part)),
                status,
                reason,
            }),
        })
    }
}

/// Why a leg ends where nothing is said.
fn usual(part: &Part) -> LegEndCause {
    match (part.is_connected(), part.is_inbound()) {
        (true, _) => LegEndCause::Hangup,
        (false, true) => LegEndCause::Declined,
        (false, false) => LegEndCause::Cancelled,
    }
}

fn view(part: &Part) -> Value {
    // Plain structs with string keys: serialization has no way to fail.
    let mut view = serde_json::to_value(part).unwrap_or_default();
    view["_links"] = json!({ "self": { "href": href(part) } });
    view
}

fn href(part: &Part) -> String {
    format!("/2017-09-01/legs/{}", part.leg)
}

fn accepted(part: &Part) -> Response {
    (StatusCode::ACCEPTED, axum::Json(view(part))).into_response()
}

fn created(part: &Part) -> Response {
    let location = HeaderValue::from_str(&href(part));
    let mut response = (StatusCode::CREATED, axum::Json(view(part))).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// 422 for what is beyond its limits.
fn check(signal: &LegSignal) -> Result<(), ApiError> {
    signal.check().map_err(|bad| {
        let field = bad.field();
        ApiError::invalid(field, bad.to_string())
    })
}

fn not_yours(caller: &Caller, owner: &LegOwner) -> Option<ApiError> {
    let form = match owner {
        LegOwner::Application(name) if *name == caller.application => return None,
        LegOwner::Endpoint(extension) if caller.scope().serves(extension) => return None,
        LegOwner::Application(_) => "the application's own name",
        LegOwner::Endpoint(_) => "an extension of the application's softphones",
    };
    Some(numbers::not_allowed("owner", form))
}

fn not_begun(why: NoLeg) -> ApiError {
    let of =
        |code, message: &str| refusal::of_command(cloud_uplink::CommandError::new(code, message));
    match why {
        NoLeg::Disconnected => of(
            ErrorCode::GatewayUnavailable,
            "the gateway is not connected; nothing was done",
        ),
        NoLeg::Unable => of(
            ErrorCode::Unsupported,
            "the gateway has no calls for applications",
        ),
        NoLeg::Full => of(
            ErrorCode::Overloaded,
            "the gateway has too many calls; nothing was done",
        ),
        NoLeg::Unheard => of(
            ErrorCode::InvalidState,
            "nobody would hear what becomes of the call: open /events/v1?legs=true before",
        ),
        NoLeg::KeyReused => key_reused(),
    }
}

fn not_said(why: Unsaid) -> ApiError {
    match why {
        Unsaid::NoLeg => unknown(),
        Unsaid::OutOfPlace(why) => {
            let code = refusal::name(ErrorCode::InvalidState);
            ApiError::new(StatusCode::CONFLICT, code, why)
        }
        Unsaid::KeyReused => key_reused(),
    }
}

fn key_reused() -> ApiError {
    let code = refusal::name(ErrorCode::KeyReused);
    let message = "this Idempotency-Key was used for another request";
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}

fn is_at(part: &Part, site: Option<&str>) -> bool {
    site.is_none_or(|site| site == part.gateway.site_id)
}

fn id(text: &str) -> Result<CloudLegId, ApiError> {
    text.parse().map_err(|_| unknown())
}

/// A leg that is over says how it ended.
fn gone(ended: Option<LegEnd>) -> ApiError {
    let Some(end) = ended else {
        return unknown();
    };
    let message = "the leg is over; `end` says how it ended";
    // A plain struct with string keys: serialization has no way to fail.
    let end = serde_json::to_value(end).unwrap_or_default();
    ApiError::new(StatusCode::NOT_FOUND, "unknownLeg", message).with("end", end)
}

fn unknown() -> ApiError {
    let message = "the application has no such leg; it may be over";
    ApiError::new(StatusCode::NOT_FOUND, "unknownLeg", message)
}
