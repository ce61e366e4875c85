//! For those who run the far end: is it alive, is it ready, what does it count, what does it offer.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use web::ApiError;

use super::auth::bearer;
use crate::app::{App, is_token};
use crate::metrics;

/// `GET /livez`: the process runs.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the store takes reads and nothing is being shut down.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let readable = app.read(store::CloudStore::last_cursor).await.is_ok();
    if readable && !*app.stopped.borrow() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "unavailable\n").into_response()
}

/// `GET /metrics`: for loopback, or with the token.
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let token = app
        .config
        .metrics
        .as_ref()
        .and_then(|metrics| metrics.token.as_ref());
    let by_token = bearer(&headers).is_some_and(|given| is_token(token, given));
    if !by_token && !peer.ip().to_canonical().is_loopback() {
        return Err(ApiError::unauthorized());
    }
    let mut text = String::new();
    metrics::write(&app, &mut text).map_err(|_| ApiError::internal())?;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}

/// `GET /openapi.json`: what applications can ask for.
pub(super) async fn openapi() -> Response {
    let media_type = [(header::CONTENT_TYPE, "application/json")];
    (media_type, crate::OPENAPI).into_response()
}
