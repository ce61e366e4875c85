//! What every answer gets: a correlation id, security headers, a line in the log, a time limit, and
//! the JSON error also for paths and methods that do not exist.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::{ApiError, ErrorName};
use crate::host::{HostNames, check_host};

/// Largest request body, in bytes: our bodies are small JSON objects.
pub const BODY_LEN_MAX: usize = 64 * 1024;
/// Longest time from a request's head to the head of its answer, a slow body included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Header that names a request in logs and answers; taken from the request if it is well-formed.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// Longest correlation id taken over from a request, in characters.
const CORRELATION_ID_LEN_MAX: usize = 64;

/// Names one request; an extension of the request for handlers that log or forward it.
#[derive(Debug, Clone)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(headers: &HeaderMap) -> Self {
        let fits = |text: &&str| {
            (1..=CORRELATION_ID_LEN_MAX).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let given = headers.get(CORRELATION_ID);
        let given = given.and_then(|value| value.to_str().ok()).filter(fits);
        Self(given.map_or_else(|| Uuid::new_v4().to_string().into(), Arc::from))
    }
}

/// Puts the common layers around an application's routes. `hosts`: see [`HostNames`]; `None` answers
/// under every name, for faces that only tokens open.
pub fn finish(routes: Router, hosts: Option<HostNames>) -> Router {
    let routes = routes
        .fallback(|| async { ApiError::no_such_path() })
        .method_not_allowed_fallback(|| async { ApiError::no_such_method() })
        .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
        .layer(from_fn(limit_time));
    let routes = match hosts {
        Some(hosts) => routes.layer(from_fn_with_state(hosts, check_host)),
        None => routes,
    };
    routes.layer(from_fn(observe))
}

async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "requestTimeout",
            "the request was not complete or not answered in time",
        )
        .into_response(),
    }
}

async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = CorrelationId::of(request.headers());
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(address)| address.ip());
    request.extensions_mut().insert(id.clone());

    let mut response = next.run(request).await;

    let error = response.extensions().get::<ErrorName>().copied();
    log(
        &id,
        &method,
        path.as_ref(),
        peer,
        &response,
        error,
        started.elapsed(),
    );
    secure(response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(CORRELATION_ID, value);
    }
    response
}

fn log(
    id: &CorrelationId,
    method: &http::Method,
    path: Option<&MatchedPath>,
    peer: Option<IpAddr>,
    response: &Response,
    error: Option<ErrorName>,
    took: Duration,
) {
    let correlation_id = id.as_str();
    let path = path.map_or("(unknown path)", MatchedPath::as_str);
    let status = response.status().as_u16();
    let error = error.map(|ErrorName(name)| name);
    let peer = peer.map(tracing::field::display);
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if response.status().is_server_error() {
        tracing::warn!(correlation_id, %method, path, status, error, peer, took_ms, "request failed");
    } else if error.is_some() {
        tracing::info!(correlation_id, %method, path, status, error, peer, took_ms, "request refused");
    } else {
        tracing::debug!(correlation_id, %method, path, status, peer, took_ms, "request");
    }
}

/// The security headers; a handler that set one of them itself (a page with scripts, say) keeps it.
fn secure(headers: &mut HeaderMap) {
    let all = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in all {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}
