//! The faces of the far end: which path leads where.

pub(crate) mod auth;
mod calls;
mod events;
mod numbers;
mod ops;
mod place;
mod refusal;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};

use crate::app::App;
use crate::gateways::channel;

/// Every path with its methods, as `docs/openapi.json` lists them.
pub const ROUTES: [(&str, &[&str]); 10] = [
    ("/gateway/v1/channel", &["get"]),
    ("/events/v1", &["get"]),
    ("/2017-09-01/calls", &["get"]),
    ("/2017-09-01/endpoints/{endpointId}", &["get"]),
    ("/2017-09-01/endpoints/{endpointId}/calls", &["get", "post"]),
    (
        "/2017-09-01/endpoints/{endpointId}/calls/{callId}",
        &["get", "put"],
    ),
    ("/livez", &["get"]),
    ("/readyz", &["get"]),
    ("/metrics", &["get"]),
    ("/openapi.json", &["get"]),
];

/// All routes over the shared state.
pub(crate) fn routes(app: Arc<App>) -> Router {
    const V: &str = "/2017-09-01";
    Router::new()
        .route("/gateway/v1/channel", any(channel::upgrade))
        .route("/events/v1", any(events::upgrade))
        .route(&format!("{V}/calls"), get(calls::all))
        .route(
            &format!("{V}/endpoints/{{endpointId}}"),
            get(calls::endpoint),
        )
        .route(
            &format!("{V}/endpoints/{{endpointId}}/calls"),
            post(place::make).get(calls::of_endpoint),
        )
        .route(
            &format!("{V}/endpoints/{{endpointId}}/calls/{{callId}}"),
            get(calls::one).put(place::control),
        )
        .route("/livez", get(ops::livez))
        .route("/readyz", get(ops::readyz))
        .route("/metrics", get(ops::metrics))
        .route("/openapi.json", get(ops::openapi))
        .with_state(app)
}
