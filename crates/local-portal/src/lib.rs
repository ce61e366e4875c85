//! HTTPS 8086 on the box: is it alive, is it ready, why is it red, and the figures behind that.
//!
//! The portal knows nothing of the gateway but [`GatewayView`].
//!
//! | path | who | answer |
//! | --- | --- | --- |
//! | `/livez` | anyone | the process answers |
//! | `/readyz` | anyone | it can do its work, or is within the grace of a short outage |
//! | `/healthz` | anyone: one word; from loopback: every part, since when, last error | |
//! | `/metrics` | from loopback | OpenMetrics text |

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use web::ApiError;

/// What the portal may see of the gateway.
pub trait GatewayView: Send + Sync + 'static {
    /// How every part is, now.
    fn health(&self) -> Health;
    /// The figures, as OpenMetrics text.
    fn metrics(&self) -> String;
}

/// How the gateway is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The worst state of all parts.
    pub state: State3,
    /// Whether it can do its work, or is within the grace of a short outage.
    pub ready: bool,
    /// Software and version.
    pub software: String,
    /// Since when the process runs, ISO 8601 UTC.
    pub started: String,
    /// Every part.
    pub parts: Vec<Part>,
}

/// One part of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Its name: `pbx`, `far-end`, `outbox`.
    pub name: &'static str,
    /// How it is.
    pub state: State3,
    /// Since when, ISO 8601 UTC.
    pub since: String,
    /// A plain sentence: what that means.
    pub detail: String,
    /// What went wrong last, if anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// Green, yellow, red.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State3 {
    /// As it should be.
    Ok,
    /// Works, but needs attention.
    Degraded,
    /// Does not work.
    Down,
}

impl State3 {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// The portal's routes, with the headers that every answer carries.
pub fn router(view: Arc<dyn GatewayView>) -> Router {
    let routes = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .with_state(view);
    web::finish(routes, None)
}

type View = State<Arc<dyn GatewayView>>;

async fn livez() -> Response {
    word(StatusCode::OK, "ok")
}

async fn readyz(State(view): View) -> Response {
    if view.health().ready {
        word(StatusCode::OK, "ready")
    } else {
        word(StatusCode::SERVICE_UNAVAILABLE, "not ready")
    }
}

async fn healthz(State(view): View, ConnectInfo(peer): ConnectInfo<SocketAddr>) -> Response {
    let health = view.health();
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

async fn metrics(
    State(view): View,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if !is_loopback(peer) {
        let message = "metrics are given to requests from the box itself only";
        return ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).into_response();
    }
    web::exposition::respond(&headers, view.metrics())
}

fn word(status: StatusCode, word: &'static str) -> Response {
    (status, word).into_response()
}

const fn is_loopback(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    struct Fixed(State3);

    impl GatewayView for Fixed {
        fn health(&self) -> Health {
            Health {
                state: self.0,
                ready: self.0 != State3::Down,
                software: "ringway/0".to_owned(),
                started: "2026-01-01T00:00:00.000Z".to_owned(),
                parts: vec![Part {
                    name: "pbx",
                    state: self.0,
                    since: "2026-01-01T00:00:00.000Z".to_owned(),
                    detail: "192.0.2.1:8882 does not answer".to_owned(),
                    last_error: None,
                }],
            }
        }
        fn metrics(&self) -> String {
            "# EOF\n".to_owned()
        }
    }

    async fn get(state: State3, peer: &str, path: &str) -> (u16, String) {
        let peer: SocketAddr = peer.parse().unwrap();
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router(Arc::new(Fixed(state)))
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 65536)
            .await
            .unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn strangers_get_a_word_and_the_box_itself_gets_every_part() {
        let stranger = "192.0.2.9:1";
        for loopback in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            let (status, body) = get(State3::Degraded, loopback, "/healthz").await;
            assert_eq!(status, 200);
            assert!(
                body.contains("does not answer") && body.contains("degraded"),
                "{body}"
            );
            assert_eq!(
                get(State3::Ok, loopback, "/metrics").await,
                (200, String::new())
            );
        }
        assert_eq!(
            get(State3::Ok, stranger, "/healthz").await,
            (200, "ok".to_owned())
        );
        assert_eq!(
            get(State3::Down, stranger, "/healthz").await,
            (503, "down".to_owned())
        );
        assert_eq!(
            get(State3::Ok, stranger, "/livez").await,
            (200, "ok".to_owned())
        );
        assert_eq!(get(State3::Down, stranger, "/readyz").await.0, 503);
        assert_eq!(get(State3::Ok, stranger, "/readyz").await.0, 200);
        assert_eq!(get(State3::Ok, stranger, "/metrics").await.0, 403);
        assert_eq!(get(State3::Ok, stranger, "/nothing").await.0, 404);
    }
}
