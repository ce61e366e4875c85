//! The JSON error, and extractors that refuse with it. No message ever quotes a header or a body.

use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What a refused request gets: `{"name", "message", …}` with the status that fits.
///
/// `name` is stable and made for programs; `message` is a plain English sentence.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    name: &'static str,
    message: String,
    details: Map<String, Value>,
    retry_after_s: Option<u64>,
}

impl ApiError {
    /// An error without details.
    pub fn new(status: StatusCode, name: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            name,
            message: message.into(),
            details: Map::new(),
            retry_after_s: None,
        }
    }

    /// 401 with `WWW-Authenticate: Bearer`.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "the Authorization header is missing or holds no valid token",
        )
    }

    /// 404 for a path that does not exist.
    #[must_use]
    pub fn no_such_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "notFound",
            "there is nothing at this path",
        )
    }

    /// 405.
    #[must_use]
    pub fn no_such_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "methodNotAllowed",
            "this path does not support this method; see the Allow header",
        )
    }

    /// 400 for a request that cannot be read.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "badRequest", message)
    }

    /// 426 for a plain request to a path that speaks WebSocket.
    #[must_use]
    pub fn websocket_needed() -> Self {
        Self::new(
            StatusCode::UPGRADE_REQUIRED,
            "webSocketNeeded",
            "this path speaks WebSocket (RFC 6455, version 13)",
        )
    }

    /// 422 for a well-formed request with a value that is not allowed.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalidValue", message).with("field", field)
    }

    /// 500; the cause belongs into the log, not into the answer.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong here; the log has the cause under the correlation id",
        )
    }

    /// Adds one more field to the body.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    /// Sets `Retry-After`, in seconds.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    fn from_bytes(rejection: &BytesRejection) -> Self {
        match rejection {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
                Self::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "bodyTooLarge",
                    "the body is larger than this server accepts",
                )
            }
            _ => Self::bad_request("the body could not be read to its end"),
        }
    }
}

/// The name of an error, kept on the response for the request log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorName(pub(crate) &'static str);

#[derive(Serialize)]
struct ErrorBody<'a> {
    name: &'a str,
    message: &'a str,
    #[serde(flatten)]
    details: &'a Map<String, Value>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            name: self.name,
            message: &self.message,
            details: &self.details,
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        response.extensions_mut().insert(ErrorName(self.name));
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A JSON body: 415 without `Content-Type: application/json`, 413 when too large, 400 when it is no
/// JSON, 422 naming the field when it does not fit.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers().get(header::CONTENT_TYPE)) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupportedMediaType",
                "send the body with Content-Type: application/json",
            ));
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| ApiError::from_bytes(&rejection))?;
        read_json(&body).map(Self)
    }
}

fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let essence = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inner = error.inner();
        if inner.is_data() {
            let message = format!(
                "the body does not fit at line {}, column {}",
                inner.line(),
                inner.column()
            );
            let told = inner.to_string();
            return ApiError::invalid(&field(&error.path().to_string(), &told), message)
                .with("reason", reason_without_values(&told));
        }
        ApiError::bad_request(format!(
            "the body is no JSON from line {}, column {} on",
            inner.line(),
            inner.column()
        ))
    })?;
    reader
        .end()
        .map_err(|_| ApiError::bad_request("there is something behind the JSON value"))?;
    Ok(value)
}

/// The field at `path` that is meant. A missing, unknown or repeated one is named in the text alone.
fn field(path: &str, told: &str) -> String {
    let named = told.split_once(" field `").map(|(_, rest)| rest);
    match (named.and_then(|rest| rest.split('`').next()), path) {
        (None, path) => path.to_owned(),
        (Some(name), ".") => name.to_owned(),
        (Some(name), path) if path.rsplit('.').next() == Some(name) => path.to_owned(),
        (Some(name), path) => format!("{path}.{name}"),
    }
}

/// serde quotes the offending value between `invalid …:` and `, expected`; only what was expected and
/// the names of fields are passed on.
fn reason_without_values(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or_default();
    message
        .split_once(", expected ")
        .map_or_else(
            || message.to_owned(),
            |(_, expected)| format!("expected {expected}"),
        )
        .chars()
        .take(200)
        .collect()
}

/// Query parameters: 400 naming what does not fit.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|rejection| query_error(&rejection))
    }
}

/// 400 naming the parameter and what is allowed, as far as serde tells.
fn query_error(rejection: &(dyn std::error::Error + 'static)) -> ApiError {
    type PathError = serde_path_to_error::Error<serde::de::value::Error>;
    let mut causes = std::iter::successors(Some(rejection), |error| error.source());
    let Some(error) = causes.find_map(|error| error.downcast_ref::<PathError>()) else {
        return ApiError::bad_request("the query cannot be read");
    };
    let told = error.inner().to_string();
    // An unknown, missing or repeated one is named in the text alone, between back-quotes.
    let mut quoted = told.split('`').skip(1).step_by(2);
    let named = told.contains(" field `").then(|| quoted.next()).flatten();
    let path = error.path().to_string();
    let field = named.unwrap_or(&path);
    let (message, allowed): (_, Value) = if told.starts_with("unknown field") {
        let known: Vec<_> = quoted.collect();
        let message = format!(
            "there is no such query parameter; there is {}",
            known.join(", ")
        );
        (message, known.into())
    } else if told.starts_with("duplicate field") {
        (format!("{field} stands more than once"), "once".into())
    } else if told.starts_with("missing field") {
        (format!("the query needs {field}"), "any text".into())
    } else {
        let allowed = if told.contains("`true` or `false`") {
            "true or false"
        } else {
            "a whole number"
        };
        (format!("{field} is {allowed}"), allowed.into())
    };
    let error = ApiError::bad_request(message);
    error.with("field", field).with("allowed", allowed)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read into")]
    struct Body {
        to: String,
        count: u8,
    }

    #[test]
    fn names_the_field_that_does_not_fit_without_quoting_the_value() {
        let error = read_json::<Body>(br#"{"to":"1","count":"hunter2"}"#).unwrap_err();
        assert_eq!(error.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(error.details["field"], "count");
        assert_eq!(error.details["reason"], "expected u8");
        let error = read_json::<Body>(br#"{"to":"1"}"#).unwrap_err();
        assert_eq!(error.details["reason"], "missing field `count`");
        assert_eq!(error.details["field"], "count");
        let error = read_json::<Vec<Body>>(br#"[{"to":"1","count":1,"x":2}]"#).unwrap_err();
        assert_eq!(error.details["field"], "[0].x");
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read into")]
    struct Params {
        site: Option<String>,
        limit: Option<u32>,
        #[serde(default)]
        fresh: bool,
    }

    #[test]
    fn names_the_query_parameter_that_does_not_fit_and_what_is_allowed() {
        for (query, field, allowed) in [
            (
                "foo=1",
                "foo",
                serde_json::json!(["site", "limit", "fresh"]),
            ),
            ("limit=-1", "limit", "a whole number".into()),
            ("limit=hunter2", "limit", "a whole number".into()),
            ("limit=4294967296", "limit", "a whole number".into()),
            ("limit=", "limit", "a whole number".into()),
            ("site=a&fresh=maybe", "fresh", "true or false".into()),
            ("site=a&site=b", "site", "once".into()),
        ] {
            let uri = format!("/?{query}").parse().unwrap();
            let rejection = axum::extract::Query::<Params>::try_from_uri(&uri).unwrap_err();
            let error = query_error(&rejection);
            assert_eq!(error.status(), StatusCode::BAD_REQUEST, "{query}");
            assert_eq!(error.details["field"], field, "{query}");
            assert_eq!(error.details["allowed"], allowed, "{query}");
            assert!(!error.message.contains("hunter2"));
        }
    }

    #[test]
    fn tells_broken_json_from_json_that_does_not_fit() {
        for broken in ["", "{", "{\"to\":}", "{\"to\":\"1\",\"count\":1} x"] {
            let error = read_json::<Body>(broken.as_bytes()).unwrap_err();
            assert_eq!(error.status(), StatusCode::BAD_REQUEST, "{broken}");
        }
    }
}
