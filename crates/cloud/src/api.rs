//! The faces of the far end: which path leads where.

mod ask;
pub(crate) mod auth;
mod calls;
mod currency;
mod endpoints;
mod events;
mod features;
mod history;
mod legs;
mod numbers;
mod ops;
mod pbx;
mod place;
mod refusal;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};
use cloud_uplink::endpoint::{DoNotDisturb, Forwardings, MessageWaiting, Presence};

use crate::app::App;
use crate::gateways::channel;

/// Every path with its methods, as `docs/openapi.json` lists them.
pub const ROUTES: [(&str, &[&str]); 24] = [
    ("/gateway/v1/channel", &["get"]),
    ("/events/v1", &["get"]),
    ("/2017-09-01/calls", &["get"]),
    ("/2017-09-01/callHistory", &["get"]),
    ("/2017-09-01/endpoints", &["get"]),
    ("/2017-09-01/endpoints/{endpointId}", &["get"]),
    ("/2017-09-01/endpoints/{endpointId}/calls", &["get", "post"]),
    (
        "/2017-09-01/endpoints/{endpointId}/calls/{callId}",
        &["get", "put"],
    ),
    (
        "/2017-09-01/endpoints/{endpointId}/calls/{callId}/connections",
        &["get"],
    ),
    ("/2017-09-01/endpoints/{endpointId}/callHistory", &["get"]),
    (
        "/2017-09-01/endpoints/{endpointId}/doNotDisturb",
        &["get", "put"],
    ),
    (
        "/2017-09-01/endpoints/{endpointId}/forwarding",
        &["get", "put"],
    ),
    (
        "/2017-09-01/endpoints/{endpointId}/messageWaiting",
        &["get", "put"],
    ),
    (
        "/2017-09-01/endpoints/{endpointId}/presence",
        &["get", "put"],
    ),
    ("/2017-09-01/endpoints/{endpointId}/snapshot", &["post"]),
    ("/2017-09-01/endpoints/{endpointId}/device", &["get"]),
    ("/2017-09-01/legs", &["get", "post"]),
    ("/2017-09-01/legs/{cloudLegId}", &["get", "put"]),
    ("/2017-09-01/pbx/devices", &["get"]),
    ("/2017-09-01/pbx/features", &["get"]),
    ("/livez", &["get"]),
    ("/readyz", &["get"]),
    ("/metrics", &["get"]),
    ("/openapi.json", &["get"]),
];

/// All routes over the shared state.
pub(crate) fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/gateway/v1/channel", any(channel::upgrade))
        .route("/events/v1", any(events::upgrade))
        .nest("/2017-09-01", resources())
        .route("/livez", get(ops::livez))
        .route("/readyz", get(ops::readyz))
        .route("/metrics", get(ops::metrics))
        .route("/openapi.json", get(ops::openapi))
        .with_state(app)
}

/// What applications read and ask for.
fn resources() -> Router<Arc<App>> {
    Router::new()
        .route("/calls", get(calls::all))
        .route("/callHistory", get(history::all))
        .route("/legs", get(legs::all).post(legs::begin))
        .route("/legs/{cloudLegId}", get(legs::one).put(legs::act))
        .route("/pbx/devices", get(pbx::devices))
        .route("/pbx/features", get(pbx::features))
        .route("/endpoints", get(endpoints::all))
        .nest("/endpoints/{endpointId}", of_endpoint())
}

/// What is below an extension.
fn of_endpoint() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(endpoints::one))
        .route("/calls", post(place::make).get(calls::of_endpoint))
        .route("/calls/{callId}", get(calls::one).put(place::control))
        .route("/calls/{callId}/connections", get(pbx::connections))
        .route("/callHistory", get(history::of_endpoint))
        .route("/doNotDisturb", features::resource::<DoNotDisturb>())
        .route("/forwarding", features::resource::<Forwardings>())
        .route("/messageWaiting", features::resource::<MessageWaiting>())
        .route("/presence", features::resource::<Presence>())
        .route("/snapshot", post(pbx::snapshot))
        .route("/device", get(pbx::device))
}
