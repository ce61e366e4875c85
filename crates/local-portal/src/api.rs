//! The REST API for Provisioning Manager and scripts, below `/api/v1`. Its description is made out of the
//! types and handlers here, and is `docs/portal-openapi.json`.

mod bulk;
mod gateway;
#[expect(
    unused_qualifications,
    reason = "in what utoipa makes of the parameters"
)]
mod import;
mod sync;
#[expect(
    unused_qualifications,
    reason = "in what utoipa makes of the parameters"
)]
mod users;
mod workbook;

use axum::extract::FromRequestParts;
use axum::http::header::{CONTENT_TYPE, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi, ToSchema};
use web::ApiError;

use crate::book::Role;
use crate::pages::Failed;
use crate::routes::{Access, Route};
use crate::texts::{Language, Texts};
use crate::users::Refusal;

pub(crate) use import::{FILE_LEN_MAX, Import, ImportAsked, Imported, run as run_import};

/// What programs read is English.
const TEXTS: Texts = Texts(Language::English);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ringway portal",
        description = "Users, trunk and settings of a gateway, for Provisioning Manager and scripts. \
                       Requests carry a token of the portal's page API tokens. Errors are JSON: a name for \
                       programs, a sentence for people. What is changed here is used once it is applied \
                       (POST /api/v1/apply)."
    ),
    paths(
        gateway::status,
        gateway::checks,
        gateway::configuration,
        gateway::configure,
        gateway::trunk,
        gateway::set_trunk,
        gateway::apply,
        sync::state,
        sync::start,
        users::all,
        users::add,
        users::one,
        users::change,
        users::remove,
        bulk::bulk,
        import::import,
        description,
    ),
    components(schemas(Problem)),
    modifiers(&Token),
    security(("token" = []))
)]
struct Description;

/// How requests prove who asks.
struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The description as it is served, and kept in `docs/portal-openapi.json`.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    let mut openapi = Description::openapi();
    // What it says holds for the interface, whatever the software's version.
    "1".clone_into(&mut openapi.info.version);
    openapi
}

/// Every path with its methods, and the least role of a token for each.
pub(crate) fn routes() -> Vec<Route> {
    use Role::{Administrator, Operator, Viewer};
    let route = |method: Method, path, role, handler: MethodRouter<_>| Route {
        method,
        path,
        access: Access::Client(role),
        handler,
    };
    let (get_, post_, put_) = (Method::GET, Method::POST, Method::PUT);
    let (user, trunk) = ("/api/v1/users/{extension}", "/api/v1/trunk");
    let (users, configuration) = ("/api/v1/users", "/api/v1/configuration");
    vec![
        route(
            get_.clone(),
            "/api/v1/openapi.json",
            Viewer,
            get(description),
        ),
        route(get_.clone(), "/api/v1/status", Viewer, get(gateway::status)),
        route(
            get_.clone(),
            "/api/v1/checks",
            Operator,
            get(gateway::checks),
        ),
        route(
            get_.clone(),
            configuration,
            Administrator,
            get(gateway::configuration),
        ),
        route(
            put_.clone(),
            configuration,
            Administrator,
            put(gateway::configure),
        ),
        route(get_.clone(), trunk, Administrator, get(gateway::trunk)),
        route(put_.clone(), trunk, Administrator, put(gateway::set_trunk)),
        route(
            post_.clone(),
            "/api/v1/apply",
            Administrator,
            post(gateway::apply),
        ),
        route(get_.clone(), "/api/v1/sync", Viewer, get(sync::state)),
        route(post_.clone(), "/api/v1/sync", Operator, post(sync::start)),
        route(get_.clone(), users, Operator, get(users::all)),
        route(post_.clone(), users, Administrator, post(users::add)),
        route(
            post_.clone(),
            "/api/v1/users/bulk",
            Administrator,
            bulk::route(),
        ),
        route(
            post_,
            "/api/v1/users/import",
            Administrator,
            import::route(),
        ),
        route(get_, user, Operator, get(users::one)),
        route(put_, user, Administrator, put(users::change)),
        route(Method::DELETE, user, Administrator, delete(users::remove)),
    ]
}

/// This description, OpenAPI 3.1.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "description",
    responses((status = 200, description = "OpenAPI 3.1"),
              (status = 401, description = "No valid token", body = Problem)))]
async fn description() -> Result<Response, Failed> {
    let text = openapi().to_pretty_json()?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// What a refused request gets.
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem {
    /// For programs: `invalidValue`, `notFound`, `changedByOther`.
    name: String,
    /// A sentence for people.
    message: String,
    /// The field that is meant, where one is.
    field: Option<String>,
    /// Every reason, where there are several.
    reasons: Option<Vec<Reason>>,
}

/// One reason for which something was not taken.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Reason {
    /// The field; empty where it is none of them.
    field: String,
    /// A sentence: what is allowed.
    message: String,
}

impl Reason {
    fn of(refusal: &Refusal) -> Self {
        let Refusal { field, problem } = refusal;
        Self {
            field: camel(field),
            message: TEXTS.with(problem.id, &problem.limits),
        }
    }

    fn all(refusals: &[Refusal]) -> Vec<Self> {
        refusals.iter().map(Self::of).collect()
    }
}

/// `first-name` as JSON has it: `firstName`.
fn camel(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| {
        let (begin, rest) = word.split_at(word.len().min(1));
        text + &begin.to_ascii_uppercase() + rest
    })
}

/// 422 with every reason.
fn refused(what: &str, reasons: &[Reason]) -> ApiError {
    let first = reasons.first().map_or("", |reason| &reason.field);
    let list: Vec<_> = reasons
        .iter()
        .map(|reason| serde_json::json!({"field": reason.field, "message": reason.message}))
        .collect();
    ApiError::invalid(first, what).with("reasons", list)
}

fn changed_by_other() -> ApiError {
    let message = "somebody else has changed it since; read it again";
    ApiError::new(StatusCode::PRECONDITION_FAILED, "changedByOther", message)
}

/// Which version a request is about.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described here; `if_match` reads it")]
struct IfMatch {
    /// ETag of an earlier answer: refused where somebody else was first. Left out, any version is meant.
    #[param(
        rename = "If-Match",
        required = false,
        pattern = r#"^(\*|"[0-9]{1,15}")$"#
    )]
    if_match: String,
}

/// The version that a request is about: `If-Match: "7"`; `*` or nothing takes any.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let version = version.and_then(|text| text.parse().ok());
    version.map(Some).ok_or_else(|| {
        ApiError::bad_request("If-Match has to be the ETag of an earlier answer, like \"7\"")
    })
}

fn etag(version: u64) -> [(axum::http::HeaderName, String); 1] {
    [(axum::http::header::ETAG, format!("\"{version}\""))]
}

/// The extension in the path.
pub(crate) struct Extension(String);

impl<S: Send + Sync> FromRequestParts<S> for Extension {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(extension)| Self(extension))
            .map_err(|_| no_such_user())
    }
}

fn no_such_user() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "notFound",
        "there is no user with that extension",
    )
}

/// What a handler gives: an answer, a refusal, or something that broke here.
type Answer = Result<Response, Wrong>;

/// Why there is no answer.
pub(crate) enum Wrong {
    Refused(ApiError),
    Failed(Failed),
}

impl From<ApiError> for Wrong {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<anyhow::Error> for Wrong {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(error) => error.into_response(),
            Self::Failed(error) => error.into_response(),
        }
    }
}
