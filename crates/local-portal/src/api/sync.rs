//! Users compared with the PBX's devices: state, start, schedule.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::Serialize;
use utoipa::ToSchema;
use web::ApiError;

use super::{Answer, Problem};
use crate::portal::Portal;
use crate::routes::SignedIn;
use crate::sync::{Busy, Failed, Synced};

type Ours = State<Arc<Portal>>;

/// How the synchronisation with the PBX is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SyncView {
    /// Whether one is under way.
    running: bool,
    /// Minutes between two of them; none where nothing is done by itself. It is the field
    /// `pbx-sync-minutes` of the step `connect`.
    schedule_minutes: Option<u64>,
    /// What the last one that worked has found.
    last: Option<Synced>,
    /// Why the last one failed, where it did.
    failed: Option<Failed>,
}

fn view(portal: &Portal) -> SyncView {
    let sync = portal.read(|pages| pages.sync.clone());
    SyncView {
        running: portal.is_syncing(),
        schedule_minutes: portal.sync_minutes(),
        last: sync.last,
        failed: sync.failed,
    }
}

/// How the synchronisation with the PBX is: schedule, counts of users and phantoms, and what failed.
#[utoipa::path(get, path = "/api/v1/sync", operation_id = "getSync",
    responses((status = 200, description = "How it is", body = SyncView),
              (status = 401, description = "No valid token", body = Problem)))]
pub(crate) async fn state(State(portal): Ours) -> Answer {
    Ok(axum::Json(view(&portal)).into_response())
}

/// Begins a synchronisation with the PBX; it goes on by itself.
#[utoipa::path(post, path = "/api/v1/sync", operation_id = "startSync",
    responses((status = 202, description = "Begun", body = SyncView),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem),
              (status = 409, description = "One is under way", body = Problem)))]
pub(crate) async fn start(
    State(portal): Ours,
    axum::Extension(SignedIn { who, .. }): axum::Extension<SignedIn>,
) -> Answer {
    match portal.begin_sync(who) {
        Ok(()) => Ok((StatusCode::ACCEPTED, axum::Json(view(&portal))).into_response()),
        Err(Busy) => {
            let message = "a synchronisation is under way; read its state";
            Err(ApiError::new(StatusCode::CONFLICT, "busy", message).into())
        }
    }
}
