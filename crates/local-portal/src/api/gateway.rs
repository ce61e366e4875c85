//! The gateway itself: how it is, what is set, and having it applied.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{ApiError, Json};

use super::{Answer, IfMatch, Problem, Reason, TEXTS, changed_by_other, etag, if_match, refused};
use crate::pages::setup;
use crate::portal::{Portal, Who};
use crate::routes::SignedIn;
use crate::view::{Health, State3};
use crate::wizard::{self, Field, Step};

type Ours = State<Arc<Portal>>;
type Me = axum::Extension<SignedIn>;

/// How the gateway is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// The gateway and each part of it, since when, and what went wrong last.
    health: Health,
    /// Calls in progress: parts of devices in them.
    calls: usize,
    /// Users, and those of them without a password for the registration of their softphone.
    users: usize,
    users_without_password: usize,
    /// When settings were applied last, ISO 8601 UTC, and by whom.
    applied: Option<String>,
    applied_by: Option<String>,
}

/// How the gateway is: each part, since when, and what went wrong last.
#[utoipa::path(get, path = "/api/v1/status", operation_id = "status",
    responses((status = 200, description = "How it is", body = Status),
              (status = 401, description = "No valid token", body = Problem)))]
pub(crate) async fn status(State(portal): Ours) -> Answer {
    let (seen, users) = (portal.seen().await?, portal.users());
    let (applied, applied_by) = portal.read(|pages| pages.applied.clone()).unzip();
    let status = Status {
        health: seen.health.clone(),
        calls: seen.calls_in_all,
        users: users.len(),
        users_without_password: users.silent(),
        applied,
        applied_by,
    };
    Ok(axum::Json(status).into_response())
}

/// What came of one check.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckView {
    /// What was checked: `check-pbx-tcp`.
    subject: &'static str,
    /// What came of it.
    state: State3,
    /// What was measured.
    measured: String,
    /// What that means, and what to do.
    advice: Option<String>,
}

/// Tries what the gateway needs of its surroundings; takes seconds.
#[utoipa::path(get, path = "/api/v1/checks", operation_id = "checks",
    responses((status = 200, description = "What came of each", body = Vec<CheckView>),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem)))]
pub(crate) async fn checks(State(portal): Ours) -> Answer {
    let checks = portal.checks().await;
    let advice = |id: &str| {
        let act = TEXTS.find(&format!("{id}.act"), &[]).unwrap_or_default();
        format!("{} {act}", TEXTS.get(id)).trim_end().to_owned()
    };
    let views = checks.iter().map(|check| CheckView {
        subject: check.subject.id(),
        state: check.state,
        measured: check.measured.clone(),
        advice: check.advice.map(|found| advice(found.id())),
    });
    Ok(axum::Json(views.collect::<Vec<_>>()).into_response())
}

/// Settings by step and field, as the set-up has them. A secret is told as `set`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    /// By step (`pbx`), then by field (`pbx-address`).
    #[schema(example = json!({"pbx": {"pbx-address": "10.0.0.5:8882"}}))]
    steps: BTreeMap<String, BTreeMap<String, String>>,
}

fn values(portal: &Portal, step: &'static Step) -> BTreeMap<String, String> {
    let configured = portal.view.configured(&wizard::keys());
    portal.read(|pages| {
        let kept = pages.steps.get(step.id);
        let shown = step.fields.iter().map(|field| {
            let value = wizard::value_of(field, kept, &configured);
            let hidden = field.kind.is_hidden() && !value.is_empty();
            let value = if hidden { "set".to_owned() } else { value };
            (field.id.to_owned(), value)
        });
        shown.filter(|(_, value)| !value.is_empty()).collect()
    })
}

/// All settings; secrets are told as `set`.
#[utoipa::path(get, path = "/api/v1/configuration", operation_id = "getConfiguration",
    responses((status = 200, description = "The settings", body = Configuration),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem)))]
pub(crate) async fn configuration(State(portal): Ours) -> Answer {
    let steps = wizard::STEPS
        .iter()
        .map(|step| (step.id.to_owned(), values(&portal, step)));
    let configuration = Configuration {
        steps: steps.collect(),
    };
    Ok(axum::Json(configuration).into_response())
}

/// Changes settings: those that are named, all or none. A secret that is `set` or empty stays as it is.
#[utoipa::path(put, path = "/api/v1/configuration", operation_id = "setConfiguration",
    request_body = Configuration,
    responses((status = 200, description = "The settings as they are now", body = Configuration),
              (status = 400, description = "No JSON", body = Problem),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem),
              (status = 412, description = "Somebody else was first", body = Problem),
              (status = 413, description = "Too large", body = Problem),
              (status = 415, description = "Not application/json", body = Problem),
              (status = 422, description = "Not taken: every reason", body = Problem)))]
pub(crate) async fn configure(
    State(portal): Ours,
    axum::Extension(SignedIn { who, .. }): Me,
    Json(body): Json<Configuration>,
) -> Answer {
    let (mut steps, mut reasons) = (Vec::new(), Vec::new());
    for (id, given) in body.steps {
        let Some(step) = Step::of(&id) else {
            let known: Vec<_> = wizard::STEPS.iter().map(|step| step.id).collect();
            reasons.push(Reason {
                message: format!("There is no such step; there are {}.", known.join(", ")),
                field: id,
            });
            continue;
        };
        match checked(step, given) {
            Ok(changes) => steps.push((step, changes)),
            Err(found) => reasons.extend(found),
        }
    }
    if !reasons.is_empty() {
        return Err(refused("nothing was changed", &reasons).into());
    }
    for (step, changes) in steps {
        set(&portal, &who, step, None, changes).await?;
    }
    configuration(State(portal)).await
}

/// The values as they are kept, or every reason against them.
fn checked(
    step: &'static Step,
    given: BTreeMap<String, String>,
) -> Result<Vec<(&'static Field, String)>, Vec<Reason>> {
    let (mut changes, mut reasons) = (Vec::new(), Vec::new());
    for (id, typed) in given {
        let reason = |message: String| Reason {
            field: id.clone(),
            message,
        };
        let Some(field) = step.field(&id) else {
            let known: Vec<_> = step.fields.iter().map(|field| field.id).collect();
            let message = format!("There is no such field; there are {}.", known.join(", "));
            reasons.push(reason(message));
            continue;
        };
        if field.kind.is_hidden() && ["", "set"].contains(&&*typed) {
            continue;
        }
        match field.kind.check(&typed) {
            Ok(value) if value.is_empty() && field.required => {
                reasons.push(reason(TEXTS.get("error-required")));
            }
            Ok(value) => changes.push((field, value)),
            Err(problem) => reasons.push(reason(TEXTS.with(problem.id, &problem.limits))),
        }
    }
    if reasons.is_empty() {
        Ok(changes)
    } else {
        Err(reasons)
    }
}

fn version_of(portal: &Portal, step: &'static Step) -> u64 {
    portal.read(|pages| pages.steps.get(step.id).map_or(0, |kept| kept.version))
}

async fn set(
    portal: &Arc<Portal>,
    who: &Who,
    step: &'static Step,
    version: Option<u64>,
    changes: Vec<(&'static Field, String)>,
) -> Result<u64, super::Wrong> {
    let version = version.unwrap_or_else(|| version_of(portal, step));
    let made = setup::change(portal, step, version, changes, who).await?;
    Ok(made.map_err(|_| changed_by_other())?)
}

/// Where the trunk's fields are.
const TRUNK_STEP: &str = "advanced";

/// The SIP trunk, as the set-up has it; a password is told as `set`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Trunk {
    /// Where the gateway listens for SIP.
    #[schema(example = "tcp:10.0.0.20:5060")]
    sip_listen: Option<String>,
    /// Remote domain at the PBX.
    sip_domain: Option<String>,
    /// Addresses of the PBX, tried in this order.
    #[schema(example = "tcp:10.0.0.5:5060")]
    trunk_targets: Option<String>,
    /// Calls at once, 1 to 2,000.
    #[schema(pattern = "^[0-9]*$", example = "30")]
    trunk_channels: Option<String>,
    /// With it the PBX proves who it is.
    trunk_gateway_user: Option<String>,
    /// Its password; never told.
    trunk_gateway_password: Option<String>,
    /// With it the gateway proves who it is.
    trunk_pbx_user: Option<String>,
    /// Its password; never told.
    trunk_pbx_password: Option<String>,
    /// Destination codes that the PBX routes to the gateway; all of them, an empty list for none.
    #[schema(max_items = 200)]
    destinations: Option<Vec<Destination>>,
    /// The mobile call-through number, as the PBX sends it.
    #[schema(example = "7900", pattern = "^([0-9x*#]{1,32}[+]?)?$")]
    call_through_number: Option<String>,
    /// Where such calls go on to, tried in this order.
    #[schema(example = "tcp:10.0.0.6:5060")]
    call_through_targets: Option<String>,
    /// Numbers that may be called.
    #[schema(example = "5xxx, 0x+")]
    dial_allow: Option<String>,
    /// `yes` allows international calls.
    dial_international: Option<String>,
    /// Encrypted media: `off`, `prefer` or `require`.
    srtp: Option<String>,
}

/// A destination code.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Destination {
    /// The number as the PBX sends it: digits, `*`, `#`, `x` for any digit, `+` at the end for more of the
    /// last.
    #[schema(example = "71xx", pattern = "^[0-9x*#]{1,32}[+]?$")]
    code: String,
    /// Who answers: an application of the far end (`application:NAME`), `echo`,
    /// `conference`, or `call-through`.
    #[schema(
        example = "application:reception",
        pattern = "^(echo|conference|call-through|application:[A-Za-z0-9._-]{1,64})$"
    )]
    to: String,
}

/// As the set-up has them, each on a line.
fn lines(destinations: &[Destination]) -> String {
    let plain = |text: &str| text.replace(char::is_whitespace, "?");
    let line = |it: &Destination| format!("{} {}", plain(&it.code), plain(&it.to));
    destinations.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl Trunk {
    /// Each with the field of the set-up that it is.
    fn fields(self) -> [(&'static str, Option<String>); 14] {
        [
            ("sip-listen", self.sip_listen),
            ("sip-domain", self.sip_domain),
            ("trunk-targets", self.trunk_targets),
            ("trunk-channels", self.trunk_channels),
            ("trunk-gateway-user", self.trunk_gateway_user),
            ("trunk-gateway-password", self.trunk_gateway_password),
            ("trunk-pbx-user", self.trunk_pbx_user),
            ("trunk-pbx-password", self.trunk_pbx_password),
            ("destinations", self.destinations.as_deref().map(lines)),
            ("call-through-number", self.call_through_number),
            ("call-through-targets", self.call_through_targets),
            ("dial-allow", self.dial_allow),
            ("dial-international", self.dial_international),
            ("srtp", self.srtp),
        ]
    }

    fn of(mut values: BTreeMap<String, String>) -> Self {
        let destinations = values.remove("destinations").map(|value| {
            let pairs = wizard::destinations(&value);
            let of = |(code, to): (&str, &str)| Destination {
                code: code.to_owned(),
                to: to.to_owned(),
            };
            pairs.map(of).collect()
        });
        let mut take = |id: &str| values.remove(id);
        Self {
            destinations,
            call_through_number: take("call-through-number"),
            call_through_targets: take("call-through-targets"),
            sip_listen: take("sip-listen"),
            sip_domain: take("sip-domain"),
            trunk_targets: take("trunk-targets"),
            trunk_channels: take("trunk-channels"),
            trunk_gateway_user: take("trunk-gateway-user"),
            trunk_gateway_password: take("trunk-gateway-password"),
            trunk_pbx_user: take("trunk-pbx-user"),
            trunk_pbx_password: take("trunk-pbx-password"),
            dial_allow: take("dial-allow"),
            dial_international: take("dial-international"),
            srtp: take("srtp"),
        }
    }
}

fn trunk_step() -> Result<&'static Step, ApiError> {
    Step::of(TRUNK_STEP).ok_or_else(ApiError::internal)
}

/// The SIP trunk.
#[utoipa::path(get, path = "/api/v1/trunk", operation_id = "getTrunk",
    responses((status = 200, description = "The trunk", body = Trunk, headers(("ETag" = String))),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem)))]
pub(crate) async fn trunk(State(portal): Ours) -> Answer {
    let step = trunk_step()?;
    let version = version_of(&portal, step);
    let trunk = Trunk::of(values(&portal, step));
    Ok((etag(version), axum::Json(trunk)).into_response())
}

/// Changes the SIP trunk: what is named; an empty text takes a value away.
#[utoipa::path(put, path = "/api/v1/trunk", operation_id = "setTrunk", request_body = Trunk,
    params(IfMatch),
    responses((status = 200, description = "As it is now", body = Trunk, headers(("ETag" = String))),
              (status = 400, description = "No JSON, or no ETag", body = Problem),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem),
              (status = 412, description = "Somebody else was first", body = Problem),
              (status = 413, description = "Too large", body = Problem),
              (status = 415, description = "Not application/json", body = Problem),
              (status = 422, description = "Not taken: every reason", body = Problem)))]
pub(crate) async fn set_trunk(
    State(portal): Ours,
    axum::Extension(SignedIn { who, .. }): Me,
    headers: HeaderMap,
    Json(body): Json<Trunk>,
) -> Answer {
    let (step, version) = (trunk_step()?, if_match(&headers)?);
    let given = body.fields().into_iter();
    let given = given.filter_map(|(id, value)| Some((id.to_owned(), value?)));
    let changes = checked(step, given.collect()).map_err(|reasons| {
        let named = reasons.into_iter().map(|reason| Reason {
            field: super::camel(&reason.field),
            ..reason
        });
        refused("the trunk was not changed", &named.collect::<Vec<_>>())
    })?;
    set(&portal, &who, step, version, changes).await?;
    trunk(State(portal)).await
}

/// What came of applying.
#[derive(Serialize, ToSchema)]
pub(crate) struct AppliedView {
    /// Sections of the configuration that wait for a restart of the service.
    waiting: Vec<&'static str>,
}

/// Has the gateway take on settings and users.
#[utoipa::path(post, path = "/api/v1/apply", operation_id = "apply",
    responses((status = 200, description = "Taken on", body = AppliedView),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem),
              (status = 409, description = "The gateway cannot use a setting: the sentence says which",
               body = Problem)))]
pub(crate) async fn apply(
    State(portal): Ours,
    axum::Extension(SignedIn { who, .. }): Me,
) -> Answer {
    match setup::apply_all(&portal, &who).await? {
        Ok(applied) => Ok(axum::Json(AppliedView {
            waiting: applied.waiting,
        })
        .into_response()),
        Err(problem) => Err(ApiError::new(StatusCode::CONFLICT, "notApplied", problem).into()),
    }
}
