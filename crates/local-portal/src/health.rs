//! For monitoring: is it alive, is it ready, why is it red, and the figures behind that.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use web::ApiError;

use crate::portal::Portal;
use crate::view::State3;

type Ours = State<Arc<Portal>>;

pub(crate) async fn livez() -> Response {
    word(StatusCode::OK, "ok")
}

pub(crate) async fn readyz(State(portal): Ours) -> Response {
    if portal.view.health().ready {
        word(StatusCode::OK, "ready")
    } else {
        word(StatusCode::SERVICE_UNAVAILABLE, "not ready")
    }
}

pub(crate) async fn healthz(
    State(portal): Ours,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Response {
    let health = portal.health();
    let status = match health.state {
        State3::Ok | State3::Degraded => StatusCode::OK,
        State3::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    if is_loopback(peer) {
        (status, axum::Json(health)).into_response()
    } else {
        word(status, health.state.as_str())
    }
}

pub(crate) async fn metrics(
    State(portal): Ours,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if !is_loopback(peer) {
        let message = "metrics are given to requests from the box itself only";
        return ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).into_response();
    }
    web::exposition::respond(&headers, portal.metrics())
}

fn word(status: StatusCode, word: &'static str) -> Response {
    (status, word).into_response()
}

const fn is_loopback(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}
